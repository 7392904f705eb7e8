//! Room `domain`: the native admission policies (guide 6 to 10, 14, 34, 38, 45). One set for all domains: what differs
//! between domains is read from labels and annotations of the namespace, which only the controller may write, so that the
//! text changes with none of them.
//!
//! `domains, facts -> Rules -> policies and their bindings`

mod apart;
mod labels;
mod mutation;
mod network;
mod pods;
mod render;
mod services;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use kube::ResourceExt as _;

use crate::desired::Asked;
use crate::desired::Outcome;
use crate::facts::ClusterFacts;
use crate::facts::Dns;
use crate::object::DesiredObject;
use crate::object::Rank;
use crate::object::hash;
use crate::spec::Effect;
use crate::spec::Mode;
use crate::spec::Nodes;
use crate::tier::Problem;

/// Issuers of the usual installers: an API server takes tokens for its own issuer, unless it is told otherwise.
const USUAL_AUDIENCES: [&str; 4] = [
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// What the policies are compiled from: all that does not stand on the namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Taints of all domains: who inside one tolerates them asks for an accelerator.
    pub(crate) taints: Taints,
    /// Taints of the domains whose nodes are closed: nobody outside tolerates them.
    pub(crate) closed_taints: Taints,
    /// Namespaces outside all domains whose pods may run on the nodes.
    pub(crate) allowed: BTreeSet<String>,
    /// Names of all domains.
    pub(crate) names: BTreeSet<String>,
    /// User name of the controller.
    pub(crate) operator: String,
    /// The cluster's DNS.
    pub(crate) dns: Dns,
    /// Audiences of tokens that the API server itself takes.
    pub(crate) audiences: BTreeSet<String>,
    /// Strongest mode of all domains; none: there is no domain.
    strongest: Option<Mode>,
    /// Strongest mode of the domains whose nodes are closed to everybody else.
    closed: Option<Mode>,
    /// Whether the server runs policies that refuse.
    validates: bool,
    /// Whether the server runs policies that fill in.
    mutates: bool,
}

/// Taints that a pod is asked about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Taints {
    /// Their keys.
    pub(crate) keys: BTreeSet<String>,
    /// Their effects, `NoSchedule` always among them.
    pub(crate) effects: BTreeSet<&'static str>,
}

impl Taints {
    fn of<'a>(nodes: impl Iterator<Item = &'a Nodes>) -> Self {
        let mut taints = Self { effects: [Effect::NoSchedule.name()].into(), ..Self::default() };
        for Nodes { taint, .. } in nodes {
            taints.keys.insert(taint.key.clone());
            taints.effects.insert(taint.effect.name());
        }
        taints
    }
}

impl Rules {
    /// The rules for these domains in this cluster. One that is being deleted asks for none.
    pub fn of(asked: &[Asked<'_>], facts: &ClusterFacts) -> Self {
        let asked: Vec<_> = asked.iter().filter(|it| !it.ends()).collect();
        let with_nodes = || {
            let all = asked.iter().map(|it| (it.mode, &it.domain.spec.nodes));
            all.filter(|(_, it)| it.selector.is_some())
        };
        let closing = || with_nodes().filter(|(_, it)| it.dedicated);
        // A domain that only watches must not make the policies of one that refuses refuse more, nor less.
        let [strongest, closed] =
            [with_nodes().map(|(mode, _)| mode).max(), closing().map(|(mode, _)| mode).max()];
        let counting = || closing().filter(|(mode, _)| Some(*mode) == closed).map(|(_, it)| it);
        let always = ["kube-system", &facts.operator.namespace].map(str::to_owned);
        let declared = counting().flat_map(|it| it.system_allow_list.namespaces.iter().cloned());
        let serves = |kind| facts.serves("admissionregistration.k8s.io", "v1", kind) != Some(false);
        Self {
            taints: Taints::of(with_nodes().filter(|(mode, _)| Some(*mode) == strongest).map(|(_, it)| it)),
            closed_taints: Taints::of(counting()),
            allowed: always.into_iter().chain(declared).collect(),
            names: asked.iter().map(|it| it.domain.name_any()).collect(),
            operator: facts.operator.username.clone(),
            dns: facts.dns.clone().unwrap_or_else(Dns::usual),
            audiences: USUAL_AUDIENCES.map(str::to_owned).into_iter().chain(facts.issuer.clone()).collect(),
            strongest: asked.iter().map(|it| it.mode).max(),
            closed,
            validates: serves("ValidatingAdmissionPolicy"),
            mutates: serves("MutatingAdmissionPolicy"),
        }
    }

    /// SHA-256 over the text of every policy, hex: the version of the rules.
    pub fn version(&self) -> String {
        let objects = self.objects().into_iter().filter(|it| it.id.rank == Rank::Policy);
        hash(&objects.map(|it| it.body.tree()["spec"].take()).collect())
    }

    /// Whether pods get toleration and node selector filled in where a namespace is in Enforce.
    pub(crate) fn fills_in(&self) -> bool {
        self.mutates
    }

    /// Policies and bindings; none where there is no domain.
    pub(crate) fn objects(&self) -> Vec<DesiredObject> {
        let Some(strongest) = self.strongest else { return Vec::new() };
        let mut objects = Vec::new();
        if self.validates {
            objects.extend(self.closed.into_iter().flat_map(|mode| pods::outside(self, mode)));
            objects.extend(pods::inside(self));
            objects.extend(labels::guard(self, strongest));
            objects.extend(network::guard(self));
            objects.extend(services::guard());
        }
        if self.mutates {
            objects.extend(mutation::pods(self));
            objects.extend(mutation::jobs());
            objects.extend(self.closed.into_iter().flat_map(|mode| apart::pods(self, mode)));
        }
        objects
    }

    /// Says in each domain's outcome what this server cannot do for it.
    pub(crate) fn report(&self, outcomes: &mut BTreeMap<String, Outcome>) {
        for outcome in outcomes.values_mut() {
            let Some(resolved) = &outcome.resolved else { continue };
            let nodes = &resolved.spec.nodes;
            let injects = nodes.selector.is_some() && (nodes.inject_toleration || nodes.inject_node_selector);
            if !self.mutates && (injects || resolved.spec.pod_security.shm.auto_mount) {
                outcome.unknown.push(Problem::new(
                    "spec.nodes.injectToleration",
                    "the API server does not serve MutatingAdmissionPolicy v1 (Kubernetes 1.36), so nothing is filled into \
                     pods and Jobs",
                    "write toleration, nodeSelector, /dev/shm and times into the workloads, or update Kubernetes",
                ));
            }
            if !self.validates {
                outcome.unknown.push(Problem::new(
                    "spec.enforcement.mode",
                    "the API server does not serve ValidatingAdmissionPolicy v1, so nothing is refused",
                    "enable admissionregistration.k8s.io/v1 on the API server",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::desired::desired;
    use crate::spec::SecurityDomain;

    fn domain(name: &str, spec: Value) -> SecurityDomain {
        let mut spec = spec;
        spec["namespaces"] = json!({"names": [name]});
        let object = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
            "metadata": {"name": name}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    fn with_nodes(name: &str, more: &Value) -> SecurityDomain {
        let mut spec = json!({"nodes": {"selector": {"matchLabels": {"gpu": "true"}}}});
        spec["nodes"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        domain(name, spec)
    }

    /// Kind without `AdmissionPolicy`, name, and what a binding does.
    fn drawn(domains: &[(&SecurityDomain, Mode)], facts: &ClusterFacts) -> Vec<(String, String, Value)> {
        let asked: Vec<_> = domains.iter().map(|(domain, mode)| Asked::new(domain, *mode)).collect();
        let objects = Rules::of(&asked, facts).objects().into_iter();
        objects
            .map(|it| {
                let actions = it.body.tree()["spec"]["validationActions"].take();
                (it.id.kind.replace("AdmissionPolicy", ""), it.id.name, actions)
            })
            .collect()
    }

    fn policies(domains: &[(&SecurityDomain, Mode)]) -> Vec<String> {
        let all = drawn(domains, &ClusterFacts::default()).into_iter();
        all.filter(|(kind, ..)| !kind.ends_with("Binding")).map(|(_, name, _)| name).collect()
    }

    fn actions(domains: &[(&SecurityDomain, Mode)], binding: &str) -> Option<Value> {
        let all = drawn(domains, &ClusterFacts::default()).into_iter();
        all.filter(|(kind, name, _)| kind.ends_with("Binding") && name == binding).map(|it| it.2).next()
    }

    #[test]
    fn without_a_domain_there_is_no_policy() {
        assert!(drawn(&[], &ClusterFacts::default()).is_empty());
    }

    #[test]
    fn the_text_does_not_change_with_a_domain() {
        let plain = with_nodes("a", &json!({}));
        let mut strict = plain.clone();
        strict.spec.access.mountable = Some(crate::spec::Mountable::default());
        strict.spec.pod_security.shm.percent = 10;
        let before = policies(&[(&plain, Mode::Enforce)]);
        assert_eq!(before.len(), 8);
        assert_eq!(policies(&[(&strict, Mode::Observe)]), before);
        let second = domain("b", json!({"tier": "Sealed"}));
        assert_eq!(policies(&[(&second, Mode::Warn), (&strict, Mode::Warn)]), before);
    }

    #[test]
    fn a_taint_key_of_its_own_gives_new_policies_under_the_same_bindings() {
        let [old, new] =
            [json!({}), json!({"taint": {"key": "example.com/gpu"}})].map(|it| with_nodes("a", &it));
        let [old, new] = [&old, &new].map(|it| drawn(&[(it, Mode::Enforce)], &ClusterFacts::default()));
        let names = |of: &[(String, String, Value)], bindings: bool| {
            let of = of.iter().filter(|(kind, ..)| kind.ends_with("Binding") == bindings);
            of.map(|(_, name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&old, true), names(&new, true));
        let [old, new] = [names(&old, false), names(&new, false)];
        let kept: Vec<_> = old.iter().filter(|it| new.contains(it)).collect();
        // Toleration is not in these; the pods' policies and the labels' name the key.
        let unnamed = ["network", "services", "defaults", "places"];
        assert!(kept.iter().all(|it| unnamed.iter().any(|one| it.contains(one))), "{kept:?}");
        assert_eq!(kept.len(), 5);
        let hash = old[0].rsplit('-').next().unwrap();
        assert!(hash.len() == 10 && hash.bytes().all(|it| it.is_ascii_hexdigit()), "{hash}");
    }

    #[test]
    fn the_strongest_domain_decides_for_who_is_outside_and_only_if_it_has_nodes() {
        let (bare, noded) = (domain("a", json!({})), with_nodes("b", &json!({})));
        let open = with_nodes("c", &json!({"dedicated": false}));
        let outside = "ringfence-pods-outside";
        assert_eq!(actions(&[(&bare, Mode::Enforce), (&open, Mode::Enforce)], outside), None);
        let mixed = [(&bare, Mode::Enforce), (&noded, Mode::Warn)];
        assert_eq!(actions(&mixed, outside), Some(json!(["Warn", "Audit"])));
        assert_eq!(actions(&mixed, "ringfence-labels"), Some(json!(["Deny", "Audit"])));
        let enforced = [(&noded, Mode::Enforce)];
        assert_eq!(actions(&enforced, outside), Some(json!(["Deny", "Audit"])));
        assert_eq!(actions(&enforced, "ringfence-pods-outside-workloads"), Some(json!(["Warn", "Audit"])));
        assert_eq!(
            actions(&[(&noded, Mode::Observe)], "ringfence-pods-outside-workloads"),
            Some(json!(["Audit"]))
        );
    }

    #[test]
    fn a_domain_that_only_watches_opens_the_nodes_of_one_that_refuses_to_nobody() {
        let listing = |name: &str, namespace: &str| {
            with_nodes(name, &json!({"systemAllowList": {"namespaces": [namespace]}}))
        };
        let (strict, watching) = (listing("a", "monitoring"), listing("b", "shop"));
        let allowed = |domains: &[(&SecurityDomain, Mode)]| {
            let asked: Vec<_> = domains.iter().map(|(domain, mode)| Asked::new(domain, *mode)).collect();
            let allowed = Rules::of(&asked, &ClusterFacts::default()).allowed;
            ["monitoring", "shop"].into_iter().filter(|it| allowed.contains(*it)).collect::<Vec<_>>()
        };
        assert_eq!(allowed(&[(&strict, Mode::Enforce), (&watching, Mode::Warn)]), ["monitoring"]);
        assert_eq!(allowed(&[(&strict, Mode::Warn), (&watching, Mode::Observe)]), ["monitoring"]);
        // Of two that refuse alike, each lets in whom it lists.
        assert_eq!(allowed(&[(&strict, Mode::Enforce), (&watching, Mode::Enforce)]), ["monitoring", "shop"]);
        assert_eq!(allowed(&[(&watching, Mode::Observe)]), ["shop"]);
        // One whose nodes are open closes nothing, so that its mode decides nothing here.
        let open = with_nodes("c", &json!({"dedicated": false}));
        assert_eq!(allowed(&[(&open, Mode::Enforce), (&watching, Mode::Observe)]), ["shop"]);
    }

    #[test]
    fn a_domain_with_open_nodes_makes_nobody_outside_be_refused() {
        let closed = with_nodes("a", &json!({"taint": {"key": "example.com/closed"}}));
        let open = with_nodes(
            "b",
            &json!({"dedicated": false, "acknowledgeEviction": true, "taint": {"key": "example.com/open", "effect": "NoExecute"}}),
        );
        let keys = |it: &Taints| it.keys.iter().cloned().collect::<Vec<_>>();
        let rules = |closed_in: Mode, open_in: Mode| {
            let asked = [Asked::new(&closed, closed_in), Asked::new(&open, open_in)];
            Rules::of(&asked, &ClusterFacts::default())
        };
        let both = rules(Mode::Enforce, Mode::Enforce);
        assert_eq!(keys(&both.taints), ["example.com/closed", "example.com/open"]);
        assert_eq!(keys(&both.closed_taints), ["example.com/closed"]);
        assert_eq!(both.closed_taints.effects, ["NoSchedule"].into());
        // Nor does it take the taint of one in a weaker mode out of what that warns of.
        let warned = rules(Mode::Warn, Mode::Enforce);
        assert_eq!(keys(&warned.taints), ["example.com/open"]);
        assert_eq!(keys(&warned.closed_taints), ["example.com/closed"]);
    }

    #[test]
    fn pods_of_other_domains_are_kept_apart_while_one_in_enforce_closes_its_nodes() {
        let (bare, noded) = (domain("a", json!({})), with_nodes("b", &json!({})));
        let bound = |domains: &[(&SecurityDomain, Mode)]| actions(domains, "ringfence-pod-places").is_some();
        assert!(bound(&[(&bare, Mode::Observe), (&noded, Mode::Enforce)]));
        assert!(!bound(&[(&bare, Mode::Enforce), (&noded, Mode::Warn)]));
        assert!(!bound(&[
            (&bare, Mode::Enforce),
            (&with_nodes("c", &json!({"dedicated": false})), Mode::Enforce)
        ]));
    }

    #[test]
    fn a_namespace_meets_one_binding_of_each_policy() {
        let a = with_nodes("a", &json!({}));
        let rules = Rules::of(&[Asked::new(&a, Mode::Warn)], &ClusterFacts::default());
        let objects = rules.objects();
        for stem in ["ringfence-pods-inside", "ringfence-network", "ringfence-services"] {
            let bindings =
                objects.iter().filter(|it| it.id.kind.ends_with("Binding") && it.id.name.starts_with(stem));
            let modes: Vec<_> = bindings
                .map(|it| {
                    let body = it.body.tree();
                    let selector = &body["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"];
                    let actions = body["spec"]["validationActions"][0].as_str().unwrap();
                    format!("{} {actions}", selector[1]["values"].as_array().unwrap()[0].as_str().unwrap())
                })
                .collect();
            assert_eq!(modes, ["observe Audit", "warn Warn", "enforce Deny"], "{stem}");
        }
    }

    #[test]
    fn a_server_that_fills_nothing_in_is_told_of() {
        let served = ["admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy".to_owned()];
        let facts = ClusterFacts { served: Some(served.into()), ..ClusterFacts::default() };
        let a = with_nodes("a", &json!({}));
        let asked = [Asked::new(&a, Mode::Enforce)];
        let result = desired(&asked, &facts);
        assert!(result.objects.iter().all(|it| !it.id.kind.starts_with("Mutating")));
        assert!(result.objects.iter().any(|it| it.id.kind == "ValidatingAdmissionPolicy"));
        let unknown = &result.outcomes["a"].unknown;
        assert!(unknown.iter().any(|it| it.cause.contains("MutatingAdmissionPolicy")), "{unknown:?}");
        let whole = desired(&asked, &ClusterFacts::default());
        assert!(whole.outcomes["a"].unknown.iter().all(|it| !it.cause.contains("AdmissionPolicy")));
    }
}
