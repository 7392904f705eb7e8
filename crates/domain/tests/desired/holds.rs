//! Tests: who holds a namespace or node keeps it: cases, and every history of domains that come, change, break and go.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use proptest::prelude::*;
use ringfence_domain::Asked;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Outcome;
use ringfence_domain::Scope;
use ringfence_domain::SecurityDomain;
use ringfence_domain::desired;
use ringfence_domain::spec::Mode;
use serde_json::Value;
use serde_json::json;

use crate::domain;
use crate::facts;

/// Namespaces that are there, and `gone`, which is not.
const NAMESPACES: [&str; 4] = ["a", "b", "web", "gone"];
/// Nodes with GPUs.
const NODES: [&str; 2] = ["gpu-1", "gpu-2"];

fn spec(names: &[&str], nodes: bool) -> Value {
    let nodes = if nodes { json!({"selector": {"matchLabels": {"pool": "gpu"}}}) } else { json!({}) };
    json!({"namespaces": {"names": names}, "nodes": nodes})
}

/// What the controller notes of a domain that has written there.
fn record(namespaces: &[&str], nodes: &[&str]) -> Value {
    let nodes: Vec<_> = nodes.iter().map(|it| format!("Node/{it}/nvidia.com/gpu=true:NoSchedule")).collect();
    json!([
        {"objects": nodes},
        {"namespaces": namespaces, "objects": ["Namespace", "NetworkPolicy/rf-default-deny"]},
    ])
}

fn with(mut domain: SecurityDomain, inventory: &Value) -> SecurityDomain {
    domain.status = Some(serde_json::from_value(json!({"inventory": inventory})).unwrap());
    domain
}

fn ending(mut domain: SecurityDomain, finalizers: &[&str]) -> SecurityDomain {
    let time = json!("2026-02-01T00:00:00Z");
    domain.metadata.deletion_timestamp = serde_json::from_value(time).unwrap();
    domain.metadata.finalizers = Some(finalizers.iter().map(|it| (*it).to_owned()).collect());
    domain
}

fn outcomes(domains: &[&SecurityDomain], facts: &ClusterFacts) -> BTreeMap<String, Outcome> {
    let asked: Vec<_> = domains.iter().map(|it| Asked::new(it, Mode::Enforce)).collect();
    desired(&asked, facts).outcomes
}

fn told(outcome: &Outcome) -> Vec<String> {
    outcome.conflicts.iter().map(ToString::to_string).collect()
}

/// Facts in which everything carries the labels of a domain.
fn labelled(name: &str) -> ClusterFacts {
    let mut facts = facts();
    let mark =
        |labels: &mut BTreeMap<String, String>, key: &str| drop(labels.insert(key.into(), name.into()));
    for namespace in facts.namespaces.iter_mut().flatten() {
        mark(&mut namespace.labels, "ringfence.dev/domain");
    }
    for node in facts.nodes.iter_mut().flatten() {
        mark(&mut node.labels, "node-restriction.kubernetes.io/ringfence-domain");
    }
    facts
}

#[test]
fn who_holds_keeps_and_of_what_nobody_holds_the_older_has_it_whatever_labels_say() {
    let older = domain("old", 1, &spec(&["a", "b"], true));
    let younger = domain("new", 2, &spec(&["a", "b"], true));
    let found = outcomes(&[&older, &younger], &labelled("new"));
    assert_eq!((found["old"].namespaces.len(), found["old"].nodes.len()), (2, 2), "labels prove nothing");
    assert!(told(&found["new"])[0].contains("namespace a belongs to domain old, which is older"));

    let younger = with(younger, &record(&["b"], &["gpu-2"]));
    let found = outcomes(&[&older, &younger], &facts());
    assert_eq!((&*found["old"].namespaces, &*found["old"].nodes), (&["a".into()][..], &["gpu-1".into()][..]));
    assert_eq!((&*found["new"].namespaces, &*found["new"].nodes), (&["b".into()][..], &["gpu-2".into()][..]));
    let cure = "take it out of this domain, or out of new, which keeps it for as long as its spec takes it";
    let conflicts = told(&found["old"]);
    for (told, what) in
        conflicts.iter().zip(["spec.namespaces: namespace b", "spec.nodes.selector: node gpu-2"])
    {
        assert!(told.starts_with(&format!("{what} belongs to domain new, which holds it")), "{told}");
        assert!(told.contains(cure), "{told}");
    }
    assert_eq!(conflicts.len(), 2);

    // Let go, as a selector that takes less does.
    let less = with(domain("new", 2, &spec(&["a"], false)), &record(&["b"], &["gpu-2"]));
    let found = outcomes(&[&older, &less], &facts());
    assert_eq!((found["old"].namespaces.len(), found["old"].nodes.len()), (2, 2));
}

#[test]
fn a_domain_of_which_nothing_is_removed_lets_go_of_nothing() {
    let older = domain("old", 1, &spec(&["a", "b"], true));
    let held = record(&["b"], &["gpu-1", "gpu-2"]);
    let mut broken = spec(&["web"], false);
    broken["network"] = json!({"internalCIDRs": ["192.0.2.0/24"]});
    let broken = with(domain("new", 2, &broken), &held);
    let ends = ending(with(domain("new", 2, &spec(&["b"], true)), &held), &["ringfence.dev/domain"]);
    for (younger, why) in [(&broken, "which holds it"), (&ends, "which is being deleted")] {
        let found = outcomes(&[&older, younger], &facts());
        assert_eq!((&*found["old"].namespaces, found["old"].nodes.len()), (&["a".into()][..], 0), "{why}");
        assert_eq!(told(&found["old"]).iter().filter(|it| it.contains(why)).count(), 3, "{:?}", found["old"]);
        assert!(!found["new"].invalid.is_empty());
    }
    assert_eq!(
        outcomes(&[&older, &broken], &facts())["new"].namespaces,
        ["b", "web"],
        "its last state stays"
    );
    assert_eq!(outcomes(&[&older, &ends], &facts())["new"].namespaces, Vec::<String>::new());

    // What is in force of it is not known.
    let lost = with(domain("new", 2, &spec(&["web"], false)), &held);
    let asked =
        [Asked::new(&older, Mode::Observe), Asked { scope: Scope::Lost, ..Asked::new(&lost, Mode::Enforce) }];
    let found = desired(&asked, &facts()).outcomes;
    assert_eq!((&*found["old"].namespaces, found["old"].nodes.len()), (&["a".into()][..], 0));

    // Its finalizer is off: all it wrote was removed, or somebody took that into their own hands.
    let ended = ending(with(domain("new", 2, &spec(&["b"], true)), &held), &["example.com/other"]);
    let found = outcomes(&[&older, &ended], &facts());
    assert_eq!((found["old"].namespaces.len(), found["old"].nodes.len()), (2, 2));
}

#[test]
fn labels_open_no_fence() {
    // In force since all of it stood: what changed since are labels.
    let fence = json!({"namespaces": {"selector": {"matchLabels": {"team": "ml"}}},
        "nodes": {"selector": {"matchLabels": {"pool": "gpu"}}}});
    let seen = |accepted: Option<&Value>| {
        let mut domain = with(domain("ml", 1, &fence), &record(&["a", "b"], &["gpu-1", "gpu-2"]));
        domain.status.as_mut().unwrap().accepted_spec = accepted.map(ToString::to_string);
        domain
    };
    let mut facts = facts();
    for namespace in facts.namespaces.iter_mut().flatten().filter(|it| it.name != "a") {
        namespace.labels.clear();
    }
    for node in facts.nodes.iter_mut().flatten().filter(|it| it.name != "gpu-1") {
        node.labels.clear();
    }
    for namespace in facts.namespaces.iter_mut().flatten().filter(|it| it.name == "a") {
        namespace.labels = [("team".to_owned(), "ml".to_owned())].into();
    }
    let found = &outcomes(&[&seen(Some(&fence))], &facts)["ml"];
    assert_eq!((found.namespaces.as_slice(), found.nodes.len()), (&["a".into(), "b".into()][..], 2));
    let told: Vec<String> = found.unknown.iter().map(ToString::to_string).collect();
    for (what, cure) in [
        ("spec.namespaces.selector: namespace b has lost", "kubernetes.io/metadata.name with operator NotIn"),
        ("spec.nodes.selector: node gpu-2 has lost", "kubernetes.io/hostname with operator NotIn"),
    ] {
        assert!(told.iter().any(|it| it.starts_with(what) && it.contains(cure)), "{told:?}");
    }
    // Nobody else gets it meanwhile.
    let other = domain("other", 0, &json!({"namespaces": {"names": ["b"]}}));
    assert_eq!(outcomes(&[&seen(Some(&fence)), &other], &facts)["other"].namespaces, Vec::<String>::new());
    // A spec that takes something else came through the gate, and below Enforce there is no fence.
    let mut before = fence.clone();
    before["namespaces"]["selector"]["matchLabels"]["team"] = json!("vision");
    for domain in [seen(Some(&before)), seen(None)] {
        let found = &outcomes(&[&domain], &facts)["ml"];
        assert_eq!((found.namespaces.as_slice(), found.nodes.len()), (&["a".into()][..], 1));
    }
    let warns = seen(Some(&fence));
    let asked = [Asked::new(&warns, Mode::Warn)];
    assert_eq!(desired(&asked, &facts).outcomes["ml"].namespaces, ["a"]);
}

#[test]
fn where_two_have_written_the_label_tells_who_was_last() {
    let held = record(&["a"], &["gpu-1"]);
    let [older, younger] =
        [("old", 1), ("new", 2)].map(|(name, age)| with(domain(name, age, &spec(&["a"], true)), &held));
    for (label, holder) in [("new", "new"), ("old", "old"), ("stranger", "old")] {
        let found = outcomes(&[&older, &younger], &labelled(label));
        assert_eq!(found[holder].namespaces, ["a"], "{label}");
        assert!(found[holder].nodes.contains(&"gpu-1".to_owned()), "{label}");
    }
}

#[test]
fn without_a_cluster_a_conflict_says_that_nobody_was_asked_who_holds_it() {
    let [older, younger] =
        [("old", 1), ("new", 2)].map(|(name, age)| domain(name, age, &spec(&["a"], false)));
    let found = outcomes(&[&older, &younger], &ClusterFacts::default());
    assert!(told(&found["new"])[0].contains("no cluster was asked which of them holds it"), "{found:?}");
    assert_eq!(told(&found["old"]), Vec::<String>::new());
}

/// What somebody does to one of three domains.
#[derive(Clone, Debug)]
enum Change {
    /// Writes its spec, and makes it if it is not there: namespaces, nodes, whether the spec can hold, mode.
    Apply(Vec<&'static str>, bool, bool, Mode),
    /// Begins its end, or ends it.
    Delete,
    /// Puts its labels on everything.
    Plant,
}

fn change() -> impl Strategy<Value = (usize, Change)> {
    let mode = prop::sample::select(vec![Mode::Observe, Mode::Warn, Mode::Enforce]);
    let apply = (prop::sample::subsequence(NAMESPACES.to_vec(), 1..4), any::<bool>(), any::<bool>(), mode)
        .prop_map(|(names, nodes, holds, mode)| Change::Apply(names, nodes, holds, mode));
    (0..3_usize, prop_oneof![5 => apply, 2 => Just(Change::Delete), 1 => Just(Change::Plant)])
}

/// A cluster with its domains, oldest first or not.
#[derive(Default)]
struct World {
    domains: BTreeMap<usize, (SecurityDomain, Mode)>,
    planted: String,
    made: u32,
}

impl World {
    fn make(&mut self, who: usize, change: &Change) {
        let name = format!("d{who}");
        match change {
            Change::Plant => self.planted = name,
            Change::Delete => match self.domains.remove(&who) {
                Some((domain, mode)) if domain.metadata.deletion_timestamp.is_none() => {
                    let domain = ending(domain, &["ringfence.dev/domain"]);
                    self.domains.insert(who, (domain, mode));
                }
                _ => {}
            },
            Change::Apply(names, nodes, holds, mode) => {
                let mut wanted = spec(names, *nodes);
                if !holds {
                    wanted["network"] = json!({"internalCIDRs": ["192.0.2.0/24"]});
                }
                let made = self.made;
                let (domain, in_force) =
                    self.domains.entry(who).or_insert_with(|| (domain(&name, made, &wanted), *mode));
                self.made += u32::from(made < 59);
                domain.spec = crate::domain(&name, 0, &wanted).spec;
                *in_force = *mode;
            }
        }
    }

    /// Who stands in each namespace and on each node by what should exist, in either order of the domains.
    fn owners(&self) -> [BTreeMap<String, String>; 2] {
        let facts = if self.planted.is_empty() { facts() } else { labelled(&self.planted) };
        // Policies are not looked at here, and take most of the time.
        let facts = ClusterFacts { served: Some(BTreeSet::new()), ..facts };
        let asked: Vec<_> = self.domains.values().map(|(domain, mode)| Asked::new(domain, *mode)).collect();
        let turned: Vec<_> = asked.iter().rev().cloned().collect();
        [asked, turned].map(|asked| {
            let objects = desired(&asked, &facts).objects.into_iter();
            let own = objects.filter(|it| ["Namespace", "Node"].contains(&it.id.kind.as_str()));
            own.map(|it| (it.id.name.clone(), it.domain().unwrap().to_owned())).collect()
        })
    }

    /// The controller writes: each domain that can be followed gets what it should have, and a record of exactly that.
    fn follow(&mut self, owners: &BTreeMap<String, String>) {
        for (domain, _) in self.domains.values_mut() {
            if lets_go(domain) {
                let name = domain.metadata.name.clone().unwrap();
                let of = |places: &[&'static str]| -> Vec<&'static str> {
                    places.iter().copied().filter(|it| owners.get(*it) == Some(&name)).collect()
                };
                *domain = with(domain.clone(), &record(&of(&NAMESPACES), &of(&NODES)));
            }
        }
    }

    /// Who holds each place, by the records.
    fn holders(&self) -> BTreeMap<String, &SecurityDomain> {
        let all = self.domains.values().flat_map(|(domain, _)| {
            let record = serde_json::to_value(&domain.status).unwrap();
            let record = record["inventory"].to_string();
            let places = NAMESPACES.iter().map(|it| (*it, format!("\"{it}\"")));
            let places = places.chain(NODES.iter().map(|it| (*it, format!("Node/{it}/"))));
            let held: Vec<_> = places.filter(|(_, mark)| record.contains(mark)).collect();
            held.into_iter().map(move |(place, _)| (place.to_owned(), domain))
        });
        all.collect()
    }
}

/// Whether what leaves the spec of a domain is removed.
fn lets_go(domain: &SecurityDomain) -> bool {
    domain.metadata.deletion_timestamp.is_none() && domain.spec.network.internal_cidrs.is_empty()
}

fn takes(domain: &SecurityDomain, place: &str) -> bool {
    let is_node = NODES.contains(&place);
    let is_named = domain.spec.namespaces.names.iter().any(|it| it == place);
    if is_node { domain.spec.nodes.selector.is_some() } else { is_named }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_moves_without_being_let_go_of(history in prop::collection::vec(change(), 2..12)) {
        let mut world = World::default();
        for (who, change) in &history {
            world.make(*who, change);
            let [owners, turned] = world.owners();
            prop_assert_eq!(&owners, &turned, "the order of input decides nothing");
            for (place, holder) in world.holders() {
                let (owner, name) = (owners.get(&place), holder.metadata.name.as_ref());
                if !lets_go(holder) {
                    prop_assert_eq!(owner, None, "{} of {:?} is left alone after {:?}", place, name, change);
                } else if takes(holder, &place) && owner.is_some() {
                    prop_assert_eq!(owner, name, "{} moved after {:?}", place, change);
                }
            }
            world.follow(&owners);
        }
    }
}
