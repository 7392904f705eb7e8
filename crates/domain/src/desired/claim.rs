//! Room `domain`: which namespaces and nodes a domain has. The older domain keeps what two select; a second one would
//! otherwise take labels, quota and network away from the first.

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
use crate::spec::SecurityDomainSpec;
use crate::tier::Problem;

/// Who has what so far.
pub(crate) struct Claims<'a> {
    facts: &'a ClusterFacts,
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
    pub(crate) fn new(facts: &'a ClusterFacts) -> Self {
        Self { facts, namespaces: BTreeMap::new(), nodes: BTreeMap::new() }
    }

    /// Takes what the domain selects and nobody has; says in the outcome what somebody has.
    pub(crate) fn take(&mut self, domain: &str, asked: &Asked<'_>, outcome: &mut Outcome) -> Mine {
        let spec = &asked.domain.spec;
        let waits = |name: &String| matches!(&asked.scope, Scope::Within(known) if !known.contains(name));
        let mut mine = Mine::default();
        for namespace in self.selected_namespaces(spec, outcome) {
            if let Some(other) = self.namespaces.get(&namespace.name) {
                outcome.conflicts.push(taken("spec.namespaces", "namespace", &namespace.name, other));
                continue;
            }
            self.namespaces.insert(namespace.name.clone(), domain.into());
            if namespace.terminating {
                continue;
            }
            if waits(&namespace.name) {
                outcome.waiting.push(namespace.name);
            } else {
                mine.namespaces.push(namespace);
            }
        }
        for node in self.selected_nodes(spec, outcome) {
            if let Some(other) = self.nodes.get(&node.name) {
                outcome.conflicts.push(taken("spec.nodes.selector", "node", &node.name, other));
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
        for namespace in all {
            let named = wanted.names.contains(&namespace.name);
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
