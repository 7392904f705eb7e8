//! Room `domain`: which namespaces and nodes a domain has. Who holds one keeps it until they let go of it (`hold.rs`): an edit
//! of another domain would otherwise open its fence, past every gate. Of what nobody holds, the older domain has what two select.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;

use super::Asked;
use super::Outcome;
use super::Scope;
use super::hold::Record;
use crate::facts::ClusterFacts;
use crate::facts::NamespaceFact;
use crate::facts::NodeFact;
use crate::gate::accepted_spec;
use crate::names;
use crate::spec::Mode;
use crate::spec::SecurityDomainSpec;
use crate::tier::Problem;
use crate::tier::resolve;

/// Who has what so far.
pub(crate) struct Claims<'a> {
    facts: &'a ClusterFacts,
    /// Namespaces by name: most domains name theirs.
    by_name: BTreeMap<&'a str, &'a NamespaceFact>,
    /// Nodes likewise.
    nodes_by_name: BTreeMap<&'a str, &'a NodeFact>,
    namespaces: BTreeMap<String, Taken>,
    nodes: BTreeMap<String, Taken>,
}

/// A namespace or node that a domain has.
struct Taken {
    by: String,
    why: Why,
}

/// Why it has it.
#[derive(Clone, Copy)]
enum Why {
    /// It goes, and has written there.
    Ends,
    /// It has written there, and has not let go of it.
    Holds,
    /// It has written there, and the labels are gone that its spec selects. Whoever may write labels opens no fence: a node's
    /// come and go with the pods that find its devices.
    Stays,
    /// Nobody holds it, and this is the oldest domain that takes it.
    IsOldest,
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
    /// What each domain holds, before any takes more.
    pub(crate) fn new(asked: &[Asked<'_>], facts: &'a ClusterFacts) -> Self {
        let by_name = facts.namespaces.iter().flatten().map(|it| (it.name.as_str(), it)).collect();
        let nodes_by_name = facts.nodes.iter().flatten().map(|it| (it.name.as_str(), it)).collect();
        let (namespaces, nodes) = Default::default();
        let mut claims = Self { facts, by_name, nodes_by_name, namespaces, nodes };
        for asked in by_age(asked) {
            let (domain, spec) = (asked.domain.name_any(), &asked.domain.spec);
            let Some(record) = Record::of(asked.domain) else { continue };
            // Nothing of such a domain is removed, so it lets go of nothing.
            let keeps_all = asked.ends() || asked.scope == Scope::Lost || resolve(spec).is_err();
            let why = if asked.ends() { Why::Ends } else { Why::Holds };
            let stays = is_same_fence(asked);
            for name in record.namespaces {
                let labels = claims.by_name.get(name).map(|it| &it.labels);
                let is_taken = claims.takes_namespace(spec, name, labels);
                let stays = stays && labels.is_some() && !claims.is_of_the_cluster(name);
                if keeps_all || is_taken || stays {
                    let why = if keeps_all || is_taken { why } else { Why::Stays };
                    let label = labels.and_then(|it| it.get(names::DOMAIN_LABEL));
                    hold(&mut claims.namespaces, name, label, &domain, why);
                }
            }
            for name in record.nodes {
                let labels = claims.nodes_by_name.get(name).map(|it| &it.labels);
                let is_taken =
                    spec.nodes.selector.as_ref().zip(labels).is_some_and(|(it, of)| selects(it, of));
                let stays = stays && labels.is_some() && spec.nodes.selector.is_some();
                if keeps_all || is_taken || stays {
                    let why = if keeps_all || is_taken { why } else { Why::Stays };
                    let label = labels.and_then(|it| it.get(names::NODE_LABEL));
                    hold(&mut claims.nodes, name, label, &domain, why);
                }
            }
        }
        claims
    }

    /// Takes what the domain selects and nobody has; says in the outcome what somebody has.
    pub(crate) fn take(&mut self, domain: &str, asked: &Asked<'_>, outcome: &mut Outcome) -> Mine {
        let spec = &asked.domain.spec;
        let waits = |name: &String| matches!(&asked.scope, Scope::Within(known) if !known.contains(name));
        let own = || Taken { by: domain.to_owned(), why: Why::IsOldest };
        let mut mine = Mine::default();
        for namespace in self.selected_namespaces(spec, outcome) {
            let taken = self.namespaces.entry(namespace.name.clone()).or_insert_with(own);
            if taken.by != domain {
                let told = taken.told("spec.namespaces", "namespace", &namespace.name, self.facts);
                outcome.conflicts.push(told);
                continue;
            }
            match (namespace.terminating, waits(&namespace.name)) {
                (true, _) => {}
                (false, true) => outcome.waiting.push(namespace.name),
                (false, false) => mine.namespaces.push(namespace),
            }
        }
        for name in staying(&self.namespaces, domain) {
            let Some(namespace) = self.by_name.get(name).filter(|it| !it.terminating) else { continue };
            mine.namespaces.push((*namespace).clone());
            outcome.unknown.push(stays(
                "spec.namespaces.selector",
                "namespace",
                name,
                "kubernetes.io/metadata.name",
            ));
        }
        mine.namespaces.sort_by(|left, right| left.name.cmp(&right.name));
        self.takes_all(spec, outcome);
        for node in self.selected_nodes(spec, outcome) {
            let taken = self.nodes.entry(node.name.clone()).or_insert_with(own);
            if taken.by == domain {
                mine.nodes.push(node);
            } else {
                outcome.conflicts.push(taken.told("spec.nodes.selector", "node", &node.name, self.facts));
            }
        }
        for name in staying(&self.nodes, domain) {
            let Some(node) = self.nodes_by_name.get(name) else { continue };
            mine.nodes.push((*node).clone());
            outcome.unknown.push(stays("spec.nodes.selector", "node", name, "kubernetes.io/hostname"));
        }
        mine.nodes.sort_by(|left, right| left.name.cmp(&right.name));
        let kinds = mine.nodes.iter().flat_map(|node| node.accelerators.keys().cloned());
        mine.accelerators = kinds.collect::<BTreeSet<_>>().into_iter().collect();
        outcome.namespaces = mine.namespaces.iter().map(|it| it.name.clone()).collect();
        outcome.nodes = mine.nodes.iter().map(|it| it.name.clone()).collect();
        mine
    }

    /// Names of the namespaces that a domain has.
    pub(crate) fn of(&self, domain: &str) -> Vec<String> {
        self.namespaces.iter().filter(|(_, it)| it.by == domain).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a spec takes a namespace, by its name or by its labels as far as they are known.
    fn takes_namespace(
        &self,
        spec: &SecurityDomainSpec,
        name: &str,
        labels: Option<&BTreeMap<String, String>>,
    ) -> bool {
        let wanted = &spec.namespaces;
        let is_selected =
            || wanted.selector.as_ref().zip(labels).is_some_and(|(it, labels)| selects(it, labels));
        !self.is_of_the_cluster(name) && (wanted.names.iter().any(|it| it == name) || is_selected())
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

    fn is_of_the_cluster(&self, name: &str) -> bool {
        name.starts_with("kube-") || name == "default" || name == self.facts.operator.namespace
    }
}

impl Taken {
    /// That it is taken, to a domain that wants it too.
    fn told(&self, field: &str, kind: &str, name: &str, facts: &ClusterFacts) -> Problem {
        let by = &self.by;
        let (why, cure) = match self.why {
            Why::Ends => (
                "which is being deleted and holds it until its end",
                format!("wait for the end of {by}; `ringfence domain status {by}` says what it waits for"),
            ),
            Why::Holds | Why::Stays => (
                "which holds it",
                format!(
                    "take it out of this domain, or out of {by}, which keeps it for as long as its spec takes it"
                ),
            ),
            Why::IsOldest if facts.namespaces.is_none() => (
                "which is older; no cluster was asked which of them holds it",
                format!("take it out of one of the two domains; where nobody holds it {by} gets it"),
            ),
            Why::IsOldest => {
                ("which is older", format!("take it out of one of the two domains; until then {by} keeps it"))
            }
        };
        Problem::new(field, format!("{kind} {name} belongs to domain {by}, {why}"), cure)
    }
}

/// Notes what a domain holds. Where two have written, one of them after the other let go and took it up again, the label tells
/// who was last; without one it is the older.
fn hold(all: &mut BTreeMap<String, Taken>, name: &str, label: Option<&String>, domain: &str, why: Why) {
    if !all.contains_key(name) || label.is_some_and(|it| it == domain) {
        all.insert(name.into(), Taken { by: domain.into(), why });
    }
}

/// Whether a domain in Enforce takes what it took when all of its spec last stood: then it was labels that changed, and no
/// spec that passed the gate.
fn is_same_fence(asked: &Asked<'_>) -> bool {
    let spec = &asked.domain.spec;
    let same =
        |it: SecurityDomainSpec| it.namespaces == spec.namespaces && it.nodes.selector == spec.nodes.selector;
    asked.mode >= Mode::Enforce && accepted_spec(asked.domain).is_some_and(same)
}

/// Names of what stays with a domain without the labels that it selects.
fn staying<'t>(all: &'t BTreeMap<String, Taken>, domain: &str) -> impl Iterator<Item = &'t str> {
    let own = all.iter().filter(move |(_, it)| it.by == domain && matches!(it.why, Why::Stays));
    own.map(|(name, _)| name.as_str())
}

fn stays(field: &str, kind: &str, name: &str, key: &str) -> Problem {
    Problem::new(
        field,
        format!(
            "{kind} {name} has lost the labels that it selects, and stays in the domain: nobody opens a fence by labels"
        ),
        format!("give it the labels again; to let it go, except it in {field}, by {key} with operator NotIn"),
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
}
