//! Room `domain`: which namespaces and nodes a domain has. The older domain keeps what two select; a second one would
//! otherwise take labels, quota and network away from the first. One that draws no fence there takes nothing out of another's.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;

use super::Asked;
use super::Outcome;
use super::Scope;
use crate::facts::ClusterFacts;
use crate::facts::NamespaceFact;
use crate::facts::NodeFact;
use crate::names;
use crate::spec::SecurityDomainSpec;
use crate::tier::Problem;

/// Who has what so far.
pub(crate) struct Claims<'a> {
    facts: &'a ClusterFacts,
    /// Namespaces by name: most domains name theirs.
    by_name: BTreeMap<&'a str, &'a NamespaceFact>,
    /// Names of all domains.
    domains: BTreeSet<String>,
    namespaces: BTreeMap<String, String>,
    nodes: BTreeMap<String, String>,
}

/// What a domain has.
#[derive(Default)]
pub(crate) struct Mine {
    pub(crate) namespaces: Vec<NamespaceFact>,
    pub(crate) nodes: Vec<NodeFact>,
    pub(crate) accelerators: Vec<String>,
}

/// Oldest first, then by UID: the order that no later domain can change. One without a time (a file) comes last.
pub(crate) fn by_age<'a, 'b>(asked: &'b [Asked<'a>]) -> Vec<&'b Asked<'a>> {
    let mut sorted: Vec<_> = asked.iter().collect();
    sorted.sort_by_key(|it| {
        let created = it.domain.creation_timestamp();
        (created.is_none(), created, it.domain.uid(), it.domain.name_any())
    });
    sorted
}

impl<'a> Claims<'a> {
    pub(crate) fn new(asked: &[Asked<'_>], facts: &'a ClusterFacts) -> Self {
        let by_name = facts.namespaces.iter().flatten().map(|it| (it.name.as_str(), it)).collect();
        let domains = asked.iter().map(|it| it.domain.name_any()).collect();
        Self { facts, by_name, domains, namespaces: BTreeMap::new(), nodes: BTreeMap::new() }
    }

    /// Takes what the domain selects and nobody has; says in the outcome what somebody has. `writes`: something of it is written.
    /// Where nothing is, what stands in another domain stays there: that one would remove its fence, and none would come.
    pub(crate) fn take(
        &mut self,
        domain: &str,
        asked: &Asked<'_>,
        writes: bool,
        outcome: &mut Outcome,
    ) -> Mine {
        let spec = &asked.domain.spec;
        let waits = |name: &String| matches!(&asked.scope, Scope::Within(known) if !known.contains(name));
        let mut mine = Mine::default();
        for namespace in self.selected_namespaces(spec, outcome) {
            if let Some(other) = self.namespaces.get(&namespace.name) {
                outcome.conflicts.push(taken("spec.namespaces", "namespace", &namespace.name, other));
                continue;
            }
            let waits = waits(&namespace.name);
            let stays =
                (waits || !writes) && self.is_of_another(domain, namespace.labels.get(names::DOMAIN_LABEL));
            if !stays {
                self.namespaces.insert(namespace.name.clone(), domain.into());
            }
            if namespace.terminating {
                continue;
            }
            if stays || waits {
                outcome.waiting.push(namespace.name);
            } else {
                mine.namespaces.push(namespace);
            }
        }
        self.takes_all(spec, outcome);
        for node in self.selected_nodes(spec, outcome) {
            if let Some(other) = self.nodes.get(&node.name) {
                outcome.conflicts.push(taken("spec.nodes.selector", "node", &node.name, other));
                continue;
            }
            if !writes && self.is_of_another(domain, node.labels.get(names::NODE_LABEL)) {
                continue;
            }
            self.nodes.insert(node.name.clone(), domain.into());
            mine.nodes.push(node);
        }
        let kinds = mine.nodes.iter().flat_map(|node| node.accelerators.keys().cloned());
        mine.accelerators = kinds.collect::<BTreeSet<_>>().into_iter().collect();
        outcome.namespaces = mine.namespaces.iter().map(|it| it.name.clone()).collect();
        outcome.nodes = mine.nodes.iter().map(|it| it.name.clone()).collect();
        mine
    }

    fn selected_namespaces(&self, spec: &SecurityDomainSpec, outcome: &mut Outcome) -> Vec<NamespaceFact> {
        let wanted = &spec.namespaces;
        let Some(all) = &self.facts.namespaces else {
            if wanted.selector.is_some() {
                outcome.unknown.push(Problem::new(
                    "spec.namespaces.selector",
                    "no cluster was asked which namespaces it selects",
                    "run against a cluster, or list them in spec.namespaces.names",
                ));
            }
            let names: BTreeSet<_> = wanted.names.iter().cloned().collect();
            return names
                .into_iter()
                .map(|name| NamespaceFact { name, ..NamespaceFact::default() })
                .collect();
        };
        let mut found: BTreeMap<&str, NamespaceFact> = BTreeMap::new();
        let names: BTreeSet<&str> = wanted.names.iter().map(String::as_str).collect();
        let named = || names.iter().filter_map(|name| self.by_name.get(name).copied());
        let asked: Vec<_> = if wanted.selector.is_some() { all.iter().collect() } else { named().collect() };
        for namespace in asked {
            let named = names.contains(namespace.name.as_str());
            let selected = wanted.selector.as_ref().is_some_and(|it| selects(it, &namespace.labels));
            if (named || selected) && self.is_of_the_cluster(&namespace.name) {
                let (field, cure) = if named {
                    ("spec.namespaces.names", "take it out")
                } else {
                    ("spec.namespaces.selector", "select by a label that it does not have")
                };
                let cause =
                    format!("it takes {}, which belongs to the cluster and stays outside", namespace.name);
                outcome.unknown.push(Problem::new(field, cause, cure));
            } else if named || selected {
                found.insert(&namespace.name, namespace.clone());
            }
        }
        for name in &wanted.names {
            if found.contains_key(name.as_str()) || self.is_of_the_cluster(name) {
                continue;
            }
            if wanted.create {
                found.insert(name, NamespaceFact { name: name.clone(), ..NamespaceFact::default() });
            } else {
                outcome.unknown.push(Problem::new(
                    format!("spec.namespaces.names[{name}]"),
                    "the namespace does not exist",
                    format!(
                        "create it (kubectl create namespace {name}), or set spec.namespaces.create: true"
                    ),
                ));
            }
        }
        found.into_values().collect()
    }

    /// Says of selectors that say nothing what they take: they are mostly forgotten, not meant.
    fn takes_all(&self, spec: &SecurityDomainSpec, outcome: &mut Outcome) {
        if spec.namespaces.selector.as_ref().is_some_and(is_empty) {
            outcome.unknown.push(Problem::new(
                "spec.namespaces.selector",
                "it is empty, so it takes every namespace but those of the cluster, and each that will be made",
                "select by a label; if all are meant, by kubernetes.io/metadata.name with operator Exists",
            ));
        }
        let bare = || self.facts.nodes.iter().flatten().filter(|it| it.accelerators.is_empty());
        if spec.nodes.selector.as_ref().is_some_and(is_empty)
            && let Some(first) = bare().next()
        {
            outcome.unknown.push(Problem::new(
                "spec.nodes.selector",
                format!(
                    "it is empty, so it takes every node, {} of them without an accelerator, such as {}: all are closed to \
                     other pods in mode Enforce",
                    bare().count(),
                    first.name
                ),
                "select by a label of GPU nodes, such as nvidia.com/gpu.present; if all are meant, by kubernetes.io/hostname \
                 with operator Exists",
            ));
        }
    }

    fn selected_nodes(&self, spec: &SecurityDomainSpec, outcome: &mut Outcome) -> Vec<NodeFact> {
        let Some(selector) = &spec.nodes.selector else { return Vec::new() };
        let Some(all) = &self.facts.nodes else {
            outcome.unknown.push(Problem::new(
                "spec.nodes.selector",
                "no cluster was asked which nodes it selects",
                "run against a cluster",
            ));
            return Vec::new();
        };
        let mut nodes: Vec<_> = all.iter().filter(|it| selects(selector, &it.labels)).cloned().collect();
        nodes.sort_by(|left, right| left.name.cmp(&right.name));
        nodes
    }

    /// Whether a label of ours names another domain that there is.
    fn is_of_another(&self, domain: &str, label: Option<&String>) -> bool {
        label.is_some_and(|it| it != domain && self.domains.contains(it))
    }

    fn is_of_the_cluster(&self, name: &str) -> bool {
        name.starts_with("kube-") || name == "default" || name == self.facts.operator.namespace
    }
}

fn taken(field: &str, kind: &str, name: &str, other: &str) -> Problem {
    Problem::new(
        field,
        format!("{kind} {name} belongs to domain {other}, which is older"),
        format!("take it out of one of the two domains; until then {other} keeps it"),
    )
}

/// Whether a selector asks for nothing.
fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.iter().flatten().next().is_none()
        && selector.match_expressions.iter().flatten().next().is_none()
}

/// Whether a selector takes an object with these labels (apimachinery's `LabelSelectorAsSelector`). An operator nobody
/// knows selects nothing.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let exact = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten();
    exact
        && expressions.into_iter().all(|it| {
            let value = labels.get(&it.key);
            let listed = || value.is_some_and(|value| it.values.iter().flatten().any(|one| one == value));
            match it.operator.as_str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::Mode;
    use crate::spec::SecurityDomain;

    #[test]
    fn a_selector_that_says_nothing_is_told_of_with_what_it_takes() {
        let domain = |all: &serde_json::Value| -> SecurityDomain {
            serde_json::from_value(json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
                "metadata": {"name": "a"}, "spec": {"namespaces": {"selector": all}, "nodes": {"selector": all}}}))
            .unwrap()
        };
        let node = |name: &str, gpus: u64| NodeFact {
            name: name.into(),
            accelerators: (gpus > 0).then(|| ("nvidia.com/gpu".to_owned(), gpus)).into_iter().collect(),
            ..NodeFact::default()
        };
        let told = |all: &serde_json::Value, nodes: Vec<NodeFact>| {
            let facts =
                ClusterFacts { nodes: Some(nodes), namespaces: Some(Vec::new()), ..ClusterFacts::default() };
            let outcome = crate::desired(&[Asked::new(&domain(all), Mode::Observe)], &facts).outcomes;
            let told = outcome["a"].unknown.iter().filter(|it| it.cause.contains("it is empty"));
            told.map(|it| format!("{}: {}", it.field, it.cause)).collect::<Vec<_>>()
        };
        let both = told(&json!({}), vec![node("gpu", 8), node("cp-1", 0), node("cp-2", 0)]);
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(
            both[1].starts_with("spec.nodes.selector") && both[1].contains("2 of them without"),
            "{both:?}"
        );
        assert_eq!(
            told(&json!({"matchLabels": {}}), vec![node("gpu", 8)]).len(),
            1,
            "all of them offer GPUs"
        );
        let meant = json!({"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]});
        assert_eq!(told(&meant, vec![node("cp-1", 0)]), Vec::<String>::new());
    }

    /// An older domain `a` and a younger one `b` in Enforce that select the same, which stands in `b`: who has the namespace,
    /// and who the node.
    fn shared(scope: Scope, range: Option<&str>) -> [[Vec<String>; 2]; 2] {
        let domain = |name: &str, created: &str| -> SecurityDomain {
            let team = json!({"selector": {"matchLabels": {"team": "ml"}}});
            serde_json::from_value(json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
                "metadata": {"name": name, "creationTimestamp": created},
                "spec": {"namespaces": team, "nodes": team}}))
            .unwrap()
        };
        let (mut older, younger) = (domain("a", "2026-01-01T00:00:00Z"), domain("b", "2026-02-01T00:00:00Z"));
        older.spec.network.internal_cidrs.extend(range.map(str::to_owned));
        let labels = |ours: &str| {
            [("team", "ml"), (ours, "b")].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
        };
        let facts = ClusterFacts {
            namespaces: Some(vec![NamespaceFact {
                name: "ml".into(),
                labels: labels(names::DOMAIN_LABEL),
                ..NamespaceFact::default()
            }]),
            nodes: Some(vec![NodeFact {
                name: "gpu".into(),
                labels: labels(names::NODE_LABEL),
                ..NodeFact::default()
            }]),
            ..ClusterFacts::default()
        };
        let asked =
            [Asked { scope, ..Asked::new(&older, Mode::Enforce) }, Asked::new(&younger, Mode::Enforce)];
        let outcomes = crate::desired(&asked, &facts).outcomes;
        ["a", "b"].map(|it| [outcomes[it].namespaces.clone(), outcomes[it].nodes.clone()])
    }

    #[test]
    fn one_that_draws_no_fence_takes_nothing_out_of_anothers() {
        let (ml, gpu, none) = (vec!["ml".to_owned()], vec!["gpu".to_owned()], Vec::new);
        let theirs = [[none(), none()], [ml.clone(), gpu.clone()]];
        assert_eq!(shared(Scope::Lost, None), theirs, "what is in force is not known");
        assert_eq!(
            shared(Scope::Whole, Some("192.0.2.0/24")),
            theirs,
            "the spec cannot hold: no private range"
        );
        let waits = shared(Scope::Within(BTreeSet::new()), None);
        assert_eq!(waits, [[none(), gpu.clone()], [ml.clone(), none()]], "new nodes wait for nothing");
        assert_eq!(
            shared(Scope::Whole, None),
            [[ml, gpu], [none(), none()]],
            "the older one closes them itself"
        );
    }
}
