//! Room `operator`: what is watched: a kind, where, and the part of each object that is kept. Secrets are not among them.

use kube::Api;
use kube::Client;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use kube::api::ListParams;
use kube::core::GroupVersionKind;
use ringfence_domain::names;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// A set of objects that is watched.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Source {
    /// SecurityDomains.
    Domains,
    /// All namespaces.
    Namespaces,
    /// All nodes.
    Nodes,
    /// All Services: selectors and ports.
    Services,
    /// EndpointSlices of the cluster's DNS.
    DnsSlices,
    /// EndpointSlices of the API server.
    ApiServerSlices,
    /// The DNS cache on each node.
    NodeLocalDns,
    /// Names of custom definitions: a new one changes what is served.
    Definitions,
    /// All NetworkPolicies: those of others add up with ours.
    NetworkPolicies,
    /// ServiceAccounts named `default`.
    ServiceAccounts,
    /// RoleBindings of domains.
    RoleBindings,
    /// ExternalSecrets of domains.
    ExternalSecrets,
    /// LimitRanges of domains.
    LimitRanges,
    /// ResourceQuotas of domains.
    ResourceQuotas,
    /// Policies that refuse.
    Validating,
    /// Their bindings.
    ValidatingBindings,
    /// Policies that change pods.
    Mutating,
    /// Their bindings.
    MutatingBindings,
}

/// What facts are drawn from.
pub(crate) const FACTS: [Source; 7] = [
    Source::Domains,
    Source::Namespaces,
    Source::Nodes,
    Source::Services,
    Source::DnsSlices,
    Source::ApiServerSlices,
    Source::NodeLocalDns,
];

/// What is written, beside namespaces and nodes.
pub(crate) const CHILDREN: [Source; 10] = [
    Source::NetworkPolicies,
    Source::ServiceAccounts,
    Source::RoleBindings,
    Source::ExternalSecrets,
    Source::LimitRanges,
    Source::ResourceQuotas,
    Source::Validating,
    Source::ValidatingBindings,
    Source::Mutating,
    Source::MutatingBindings,
];

/// `group`, `version`, `kind`, plural.
type Names = (&'static str, &'static str, &'static str, &'static str);

impl Source {
    fn names(self) -> Names {
        match self {
            Self::Domains => ("ringfence.dev", "v1alpha1", "SecurityDomain", "securitydomains"),
            Self::Namespaces => ("", "v1", "Namespace", "namespaces"),
            Self::Nodes => ("", "v1", "Node", "nodes"),
            Self::Services => ("", "v1", "Service", "services"),
            Self::DnsSlices | Self::ApiServerSlices => {
                ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
            }
            Self::NodeLocalDns => ("apps", "v1", "DaemonSet", "daemonsets"),
            Self::Definitions => {
                ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions")
            }
            Self::NetworkPolicies => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::ServiceAccounts => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::RoleBindings => ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
            Self::ExternalSecrets => ("external-secrets.io", "v1", "ExternalSecret", "externalsecrets"),
            Self::LimitRanges => ("", "v1", "LimitRange", "limitranges"),
            Self::ResourceQuotas => ("", "v1", "ResourceQuota", "resourcequotas"),
            Self::Validating => admission("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
            Self::ValidatingBindings => {
                admission("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
            }
            Self::Mutating => admission("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
            Self::MutatingBindings => {
                admission("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings")
            }
        }
    }

    /// Namespace, label selector, field selector.
    fn scope(self) -> (Option<&'static str>, Option<&'static str>, Option<&'static str>) {
        match self {
            Self::Domains
            | Self::Namespaces
            | Self::Nodes
            | Self::Services
            | Self::Definitions
            | Self::NetworkPolicies => (None, None, None),
            Self::DnsSlices => (Some("kube-system"), Some("k8s-app=kube-dns"), None),
            Self::ApiServerSlices => (Some("default"), Some("kubernetes.io/service-name=kubernetes"), None),
            Self::NodeLocalDns => (Some("kube-system"), None, Some("metadata.name=node-local-dns")),
            Self::ServiceAccounts => (None, None, Some("metadata.name=default")),
            Self::RoleBindings | Self::ExternalSecrets | Self::LimitRanges | Self::ResourceQuotas => {
                (None, Some(names::DOMAIN_LABEL), None)
            }
            Self::Validating | Self::ValidatingBindings | Self::Mutating | Self::MutatingBindings => {
                (None, Some("app.kubernetes.io/managed-by=ringfence"), None)
            }
        }
    }

    /// The source that sees objects of a kind that is written.
    pub(crate) fn of_kind(kind: &str) -> Option<Self> {
        let written = [Self::Namespaces, Self::Nodes];
        written.into_iter().chain(CHILDREN).find(|source| source.kind() == kind)
    }

    /// Kind of its objects.
    pub(crate) fn kind(self) -> &'static str {
        self.names().2
    }

    /// Plural and group, as rights name it: `networkpolicies.networking.k8s.io`.
    pub(crate) fn resource(self) -> String {
        match self.names() {
            ("", _, _, plural) => plural.into(),
            (group, _, _, plural) => format!("{plural}.{group}"),
        }
    }

    /// `group/version/Kind`, as the facts list what is served.
    pub(crate) fn served_name(self) -> String {
        let (group, version, kind, _) = self.names();
        format!("{group}/{version}/{kind}")
    }

    /// The kind in terms of the client.
    pub(crate) fn api_resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.names();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// Where its objects are.
    pub(crate) fn api(self, client: &Client) -> Api<DynamicObject> {
        let resource = self.api_resource();
        match self.scope().0 {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        }
    }

    /// Which of them.
    pub(crate) fn list_params(self) -> ListParams {
        let (_, labels, fields) = self.scope();
        ListParams {
            label_selector: labels.map(str::to_owned),
            field_selector: fields.map(str::to_owned),
            ..ListParams::default()
        }
    }

    /// The part of an object that is kept: a node's images and a quota's counters would make the store large and every
    /// heartbeat a change.
    pub(crate) fn keep(self, object: &mut Value) {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            // A definition's says that its versions may have changed, which are too much to keep.
            if !matches!(self, Self::Domains | Self::Validating | Self::Mutating | Self::Definitions) {
                metadata.remove("generation");
            }
            if matches!(self, Self::Nodes | Self::Services | Self::Definitions) {
                metadata.remove("annotations");
            } else if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                // Those of others may be as large as an object can be, and say nothing here.
                annotations.retain(|key, _| names::is_ours(key));
            }
        }
        if self == Self::NetworkPolicies && !is_ours(object) {
            return keep_way_out(object);
        }
        let kept: &[&str] = match self {
            Self::Domains | Self::Validating | Self::Mutating => return,
            Self::Nodes => &["/spec/taints", "/status/allocatable"],
            Self::Namespaces => &["/status/phase"],
            Self::Services => &["/spec/clusterIPs", "/spec/selector", "/spec/ports"],
            Self::Definitions => &["/status/conditions"],
            Self::NodeLocalDns => &[],
            _ => {
                if let Some(map) = object.as_object_mut() {
                    map.remove("status");
                }
                return;
            }
        };
        let mut small = json!({"metadata": object.get("metadata").cloned().unwrap_or_default()});
        for pointer in kept {
            let Some(value) = object.pointer(pointer).cloned() else { continue };
            if let Some((part, field)) = pointer[1..].split_once('/') {
                small[part][field] = value;
            }
        }
        *object = small;
    }
}

/// Longest list of egress rules of somebody else that is looked at: 32 KiB as JSON.
const RULES: usize = 32 << 10;

/// Whether an object was written by a controller, as far as it tells: who removes one mark leaves the others.
fn is_ours(object: &Value) -> bool {
    let maps = ["labels", "annotations"].map(|map| object.get("metadata").and_then(|it| it.get(map)));
    maps.into_iter().flatten().filter_map(Value::as_object).flat_map(Map::keys).any(|key| names::is_ours(key))
}

/// Of a NetworkPolicy of somebody else: where it lets pods out to. Whoever may write in any namespace may write a thousand of a
/// megabyte each; of one with more rules than are looked at, nothing is called closed.
fn keep_way_out(object: &mut Value) {
    let egress = object.pointer_mut("/spec/egress").map(Value::take).unwrap_or_default();
    let is_long = egress.to_string().len() > RULES;
    let metadata = object.get("metadata");
    let kept = ["name", "namespace", "uid", "resourceVersion", "deletionTimestamp"].into_iter();
    let kept: Map<String, Value> =
        kept.filter_map(|key| Some((key.to_owned(), metadata?.get(key)?.clone()))).collect();
    *object = json!({"metadata": kept, "spec": {"egress": if is_long { json!([{}]) } else { egress }}});
}

fn admission(kind: &'static str, plural: &'static str) -> Names {
    ("admissionregistration.k8s.io", "v1", kind, plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_of_a_node_changes_nothing_that_is_kept() {
        let node = |time: &str| {
            let mut node = json!({
                "metadata": {"name": "gpu-1", "labels": {"a": "b"}, "managedFields": [], "annotations": {"t": time}},
                "spec": {"taints": [{"key": "x"}], "podCIDR": "10.0.0.0/24"},
                "status": {"allocatable": {"nvidia.com/gpu": "8"}, "images": [1], "conditions": [{"at": time}]},
            });
            Source::Nodes.keep(&mut node);
            node
        };
        assert_eq!(node("1"), node("2"));
        assert_eq!(
            node("1"),
            json!({
                "metadata": {"name": "gpu-1", "labels": {"a": "b"}},
                "spec": {"taints": [{"key": "x"}]},
                "status": {"allocatable": {"nvidia.com/gpu": "8"}},
            })
        );
    }

    #[test]
    fn of_a_policy_of_somebody_else_little_is_kept() {
        let long = "x".repeat(1 << 20);
        let policy = |labels: Value, to: Value| {
            let mut policy = json!({
                "metadata": {"name": "a", "namespace": "b", "uid": "c", "labels": labels, "annotations": {"note": long}},
                "spec": {"podSelector": {"matchLabels": {"a": long}}, "ingress": [{"from": [to.clone()]}],
                    "egress": [{"to": [to]}]},
            });
            Source::NetworkPolicies.keep(&mut policy);
            policy
        };
        let near = json!({"podSelector": {}});
        let theirs = policy(json!({"team": long}), near.clone());
        assert_eq!(
            theirs,
            json!({"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": {"egress": [{"to": [near]}]}})
        );
        let far = policy(json!({}), json!({"podSelector": {"matchLabels": {"a": long}}}));
        assert_eq!(far["spec"]["egress"], json!([{}]), "too long to be looked at: it may lead anywhere");
        // Of our own every field is held against what was written.
        let ours = policy(json!({"ringfence.dev/domain": "a"}), near);
        assert!(ours["spec"]["ingress"].is_array() && ours["metadata"]["annotations"] == json!({}));
    }

    #[test]
    fn a_definition_that_serves_another_version_is_news() {
        let definition = |generation: u32| {
            let mut definition = json!({
                "metadata": {"name": "externalsecrets.external-secrets.io", "generation": generation},
                "spec": {"versions": [{"name": "v1", "served": generation > 1}]},
                "status": {"conditions": [{"type": "Established", "status": "True"}]},
            });
            Source::Definitions.keep(&mut definition);
            definition
        };
        assert_ne!(definition(1), definition(2));
        assert!(definition(1)["spec"].is_null());
    }

    #[test]
    fn what_is_written_is_watched() {
        assert_eq!(Source::of_kind("NetworkPolicy"), Some(Source::NetworkPolicies));
        assert_eq!(Source::of_kind("Namespace"), Some(Source::Namespaces));
        assert_eq!(Source::of_kind("Secret"), None);
    }
}
