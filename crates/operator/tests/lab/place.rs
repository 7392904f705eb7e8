//! A place where domains come and go: a namespace and a node that hold things of others as well, and what can be asked of
//! them at any moment.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use kube::Client;
use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::until_async;
use serde_json::Value;
use serde_json::json;

use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::config;
use crate::ground::identity;
use crate::rules::DOMAINS;
use crate::wire::Mortal;
use crate::wire::read;
use crate::wire::send;

/// The user that all of them are: policies know the controller by its name.
pub(crate) const WHO: &str = "controller-killed";
/// Where a domain has objects of its own, each with `{ns}` for its namespace.
const PLACES: [&str; 5] = [
    "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
    "/api/v1/namespaces/{ns}/limitranges",
    "/api/v1/namespaces/{ns}/resourcequotas",
    "/api/v1/namespaces/{ns}/serviceaccounts",
];
/// Policies and bindings, each pair one after the other.
pub(crate) const POLICIES: [&str; 4] = [
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
];
/// What is in the namespace and no domain wrote.
const THEIRS: &str = "
{apiVersion: v1, kind: ResourceQuota, metadata: {name: theirs}, spec: {hard: {pods: '9'}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: theirs},
 spec: {podSelector: {matchLabels: {app: theirs}}, policyTypes: [Ingress]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: theirs}, subjects:
 [{kind: User, name: anna, apiGroup: rbac.authorization.k8s.io}], roleRef:
 {kind: ClusterRole, name: view, apiGroup: rbac.authorization.k8s.io}}
";

/// A namespace and a node with things of others, and the domain that comes and goes over them.
pub(crate) struct Place<'a> {
    lab: &'a ControlPlane,
    client: Client,
    controller: Client,
    namespace: ringfence_lab::Namespace<'a>,
    node: ringfence_lab::FakeNode,
}

impl<'a> Place<'a> {
    pub(crate) async fn new(lab: &'a ControlPlane, stem: &str) -> Self {
        let namespace = lab.namespace(stem);
        let name = namespace.name();
        // Policies of a test before know another controller.
        lab.kubectl(&["delete", "validatingadmissionpolicybindings", "--all"]).ok();
        namespace.apply(THEIRS).ok();
        lab.kubectl(&["label", "namespace", name, "team=vision"]).ok();
        let mut node = FakeNodeSpec::new(format!("{name}-1"), 8);
        node.labels.insert("pool".into(), name.to_owned());
        let node = lab.fake_node_with(node);
        lab.kubectl(&["taint", "node", node.name(), "karpenter.sh/unregistered:NoExecute"]).ok();
        let (client, controller) = (lab.client().await, lab.client_as(&identity(WHO)).await);
        Self { lab, client, controller, namespace, node }
    }

    /// A controller that is left alone. It has the name of the one that died, as a container that is started again has: it
    /// need not wait for the lease.
    pub(crate) fn start(&self) -> Running {
        Running::with(self.controller.clone(), config(WHO))
    }

    /// A controller that will die.
    pub(crate) async fn mortal(&self) -> Mortal {
        Mortal::new(self.lab.client_as(&identity(WHO)).await)
    }

    /// A new domain, in Enforce past the gate.
    pub(crate) async fn create(&self) {
        let name = self.namespace.name();
        let domain = json!({
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "SecurityDomain",
            "metadata": {"name": name},
            "spec": {
                "namespaces": {"names": [name], "deletionPolicy": "Delete"},
                "enforcement": {"mode": "Enforce"},
                "quota": {"pods": 5},
                "limits": {"default": {"cpu": "1"}},
                "access": {"roles": [{"preset": "ml-viewer", "subjects": [{"kind": "Group", "name": "data"}]}]},
                "nodes": {"selector": {"matchLabels": {"pool": name}}},
            },
        });
        send(&self.client, Method::POST, DOMAINS, &domain).await;
        let mut accepted = domain["spec"].clone();
        accepted.as_object_mut().unwrap().remove("enforcement");
        // What says that the namespace was let in: a part of the inventory, the rest is to be written.
        let inventory = json!([{"namespaces": [name], "objects": ["ServiceAccount/default"]}]);
        let status = json!({"effectiveModes": {"mode": "Enforce"}, "acceptedSpec": accepted.to_string(), "inventory": inventory});
        let status = json!({"status": status});
        send(&self.client, Method::PATCH, &format!("{DOMAINS}/{name}/status"), &status).await;
    }

    pub(crate) async fn delete(&self) {
        let uri = format!("{DOMAINS}/{}", self.namespace.name());
        send(&self.client, Method::DELETE, &uri, &json!({})).await;
    }

    /// The domain.
    pub(crate) async fn state(&self) -> Option<Value> {
        read(&self.client, &format!("{DOMAINS}/{}", self.namespace.name())).await
    }

    pub(crate) async fn is_settled(&self) -> bool {
        let Some(domain) = self.state().await else { return false };
        let conditions = domain["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().find(|it| it["type"] == "Ready");
        ready.is_some_and(|it| {
            it["status"] == "True" && it["observedGeneration"] == domain["metadata"]["generation"]
        })
    }

    /// Whether the domain stands (`standing`) or is gone, or else the controller is dead.
    pub(crate) async fn until_dead_or(&self, mortal: &Mortal, standing: bool) -> bool {
        until_async("it dies or is done", SOON, async || {
            if mortal.is_dead() {
                return Some(false);
            }
            let done = if standing { self.is_settled().await } else { self.state().await.is_none() };
            // Its last write may be what made it so.
            done.then(|| !mortal.is_dying())
        })
        .await
    }

    pub(crate) async fn until_settled(&self, case: &str) {
        until_async(&format!("{case}: settled"), SOON, async || self.is_settled().await.then_some(())).await;
    }

    pub(crate) async fn until_gone(&self, case: &str) {
        until_async(&format!("{case}: gone"), SOON, async || self.state().await.is_none().then_some(()))
            .await;
    }

    pub(crate) async fn until_no_policies(&self) {
        let none = async || self.policies().await.is_empty().then_some(());
        until_async("no policies", Duration::from_secs(30), none).await;
    }

    /// What carries a mark of ours, as an inventory names it.
    pub(crate) async fn ours(&self) -> BTreeSet<String> {
        let all = self.all().await.into_iter();
        all.filter(|(_, object)| object.to_string().contains("ringfence")).map(|(name, _)| name).collect()
    }

    /// What should carry one.
    pub(crate) fn wanted(&self) -> BTreeSet<String> {
        let (namespace, node) = (self.namespace.name(), self.node.name());
        let own = [
            format!("Namespace/{namespace}"),
            format!("Node/{node}"),
            format!("Node/{node}/nvidia.com/gpu=true:NoSchedule"),
        ];
        let rest = [
            "LimitRange/rf-limits",
            "NetworkPolicy/rf-allow-dns",
            "NetworkPolicy/rf-default-deny",
            "NetworkPolicy/rf-egress",
            "NetworkPolicy/rf-ingress",
            "ResourceQuota/rf-quota",
            "RoleBinding/rf-ml-viewer",
            "ServiceAccount/default",
        ];
        own.into_iter().chain(rest.map(str::to_owned)).collect()
    }

    pub(crate) async fn inventory(&self) -> BTreeSet<String> {
        let domain = self.state().await.unwrap_or_default();
        let entries = domain["status"]["inventory"].as_array().cloned().unwrap_or_default();
        let list = |entry: &Value, key: &str| -> Vec<String> {
            let items = entry[key].as_array().into_iter().flatten();
            items.map(|it| it.as_str().unwrap().to_owned()).collect()
        };
        let objects = entries.iter().flat_map(|entry| {
            let (objects, namespaces) = (list(entry, "objects"), list(entry, "namespaces"));
            objects.into_iter().flat_map(move |it| {
                // A namespace itself stands among its objects by its kind alone.
                let own: Vec<_> = namespaces.iter().map(|name| format!("Namespace/{name}")).collect();
                if it == "Namespace" { own } else { vec![it] }
            })
        });
        let objects: BTreeSet<String> = objects.collect();
        // A node with its taint stands for the node as well.
        let nodes = objects.iter().filter(|it| it.starts_with("Node/"));
        let nodes: BTreeSet<String> =
            nodes.map(|it| it.split('/').take(2).collect::<Vec<_>>().join("/")).collect();
        objects.into_iter().chain(nodes).collect()
    }

    pub(crate) async fn nothing_is_orphaned(&self, case: &str) {
        let (ours, inventory) = (self.ours().await, self.inventory().await);
        assert!(ours.is_subset(&inventory), "{case}: {ours:?} of {inventory:?}");
    }

    /// What others wrote: their objects, and their part of what two share.
    pub(crate) async fn theirs(&self) -> Vec<Value> {
        let mut shared = Vec::new();
        for (name, object) in self.all().await {
            if name.ends_with("/theirs") {
                let metadata = &object["metadata"];
                shared.push(json!([
                    name,
                    metadata["uid"],
                    metadata["labels"],
                    object["spec"],
                    object["subjects"]
                ]));
            }
            for map in ["labels", "annotations"] {
                let known = object["metadata"][map].as_object().cloned().unwrap_or_default();
                let foreign =
                    known.into_iter().filter(|(key, _)| !is_ours(key) && !key.contains("last-applied"));
                let foreign: BTreeMap<String, Value> = foreign.collect();
                let shares = ["Namespace/", "Node/", "ServiceAccount/"];
                if shares.iter().any(|it| name.starts_with(it)) && name.split('/').count() == 2 {
                    shared.push(json!([name, map, foreign]));
                }
            }
            let taints = object["spec"]["taints"].as_array().cloned().unwrap_or_default();
            shared.extend(taints.into_iter().filter(|it| it["key"] == "karpenter.sh/unregistered"));
        }
        shared
    }

    /// Everything there is, by the name that an inventory has for it.
    pub(crate) async fn all(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let name = self.namespace.name();
        for place in PLACES {
            let list = read(&self.client, &place.replace("{ns}", name)).await.unwrap();
            let kind = list["kind"].as_str().unwrap().trim_end_matches("List").to_owned();
            for mut object in list["items"].as_array().cloned().unwrap() {
                object["metadata"].as_object_mut().unwrap().remove("managedFields");
                all.insert(format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap()), object);
            }
        }
        let mut own = read(&self.client, &format!("/api/v1/namespaces/{name}")).await.unwrap();
        own["metadata"].as_object_mut().unwrap().remove("managedFields");
        all.insert(format!("Namespace/{name}"), own);
        let mut node = read(&self.client, &format!("/api/v1/nodes/{}", self.node.name())).await.unwrap();
        node["metadata"].as_object_mut().unwrap().remove("managedFields");
        node.as_object_mut().unwrap().remove("status");
        // Our taint is a mark too: without the label it would be an orphan that no search for a name finds.
        for taint in
            node["spec"]["taints"].as_array().into_iter().flatten().filter(|it| it["key"] == "nvidia.com/gpu")
        {
            let text = |key: &str| taint[key].as_str().unwrap_or_default();
            let words = format!("{}={}:{}", text("key"), text("value"), text("effect"));
            all.insert(format!("Node/{}/{words}", self.node.name()), json!({"by": "ringfence"}));
        }
        all.insert(format!("Node/{}", self.node.name()), node);
        all
    }

    /// Our policies and bindings: plural and name, with the policy that a binding names.
    pub(crate) async fn policies(&self) -> BTreeMap<(&'static str, String), String> {
        let mut found = BTreeMap::new();
        for plural in POLICIES {
            let uri = format!(
                "/apis/admissionregistration.k8s.io/v1/{plural}?labelSelector=app.kubernetes.io/managed-by%3Dringfence"
            );
            let list = read(&self.client, &uri).await.unwrap();
            for object in list["items"].as_array().unwrap() {
                let named = object["spec"]["policyName"].as_str().unwrap_or_default();
                found.insert(
                    (plural, object["metadata"]["name"].as_str().unwrap().to_owned()),
                    named.to_owned(),
                );
            }
        }
        found
    }

    /// A binding without its policy refuses nothing, or everything.
    pub(crate) async fn every_binding_has_its_policy(&self, case: &str) {
        let all = self.policies().await;
        for ((plural, name), policy) in all.iter().filter(|it| !it.1.is_empty()) {
            let kind = plural.replace("bindings", "");
            let policies = POLICIES
                .iter()
                .find(|it| it.starts_with(kind.trim_end_matches('y')) && !it.ends_with("bindings"));
            assert!(
                all.contains_key(&(*policies.unwrap(), policy.clone())),
                "{case}: {name} names {policy}: {all:?}"
            );
        }
    }
}

/// Whether a label or annotation is one that a domain writes.
fn is_ours(key: &str) -> bool {
    key.contains("ringfence")
        || key.starts_with("pod-security.kubernetes.io/")
        || key.starts_with("app.kubernetes.io/")
}
