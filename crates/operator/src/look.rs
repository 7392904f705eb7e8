//! Room `operator`: the store -> domains, their modes in force and what should exist. No request, no write.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use ringfence_domain::Accepted;
use ringfence_domain::Asked;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Desired;
use ringfence_domain::DesiredObject;
use ringfence_domain::NamespaceFact;
use ringfence_domain::OperatorIdentity;
use ringfence_domain::Problem;
use ringfence_domain::Rank;
use ringfence_domain::Rules;
use ringfence_domain::Scope;
use ringfence_domain::SecurityDomain;
use ringfence_domain::accepted;
use ringfence_domain::desired;
use ringfence_domain::gate;
use ringfence_domain::names;
use ringfence_domain::namespaces;
use ringfence_domain::resolve;
use ringfence_domain::simulation_hash;
use ringfence_domain::spec::EffectiveModes;
use ringfence_domain::spec::Mode;
use tokio::time::Instant;

use crate::facts::domains_of;
use crate::facts::facts;
use crate::foreign;
use crate::inventory::Written;
use crate::inventory::key_of;
use crate::simulating::Simulations;
use crate::source::Source;
use crate::status;
use crate::store::Live;
use crate::store::Store;

/// Beginning of the names of the policy that keeps pods of one domain off the nodes of another, and of its binding.
const PLACES: &str = "ringfence-pod-places";

/// What should be, by what was seen.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Domains that stay, by name.
    pub(crate) domains: BTreeMap<String, SecurityDomain>,
    /// Domains that go, with our finalizer.
    pub(crate) going: Vec<SecurityDomain>,
    /// Domains of which nobody knows what is in force, since they or what they had accepted cannot be read, and why: nothing
    /// of theirs is touched.
    pub(crate) unreadable: Vec<(String, String)>,
    /// Modes in force.
    pub(crate) modes: BTreeMap<String, EffectiveModes>,
    /// What is wrong with specs in whose place the last accepted ones are in force.
    pub(crate) invalid: BTreeMap<String, Vec<Problem>>,
    /// What a simulation of each domain would be of now (see [`simulation_hash`]).
    pub(crate) hashes: BTreeMap<String, String>,
    /// What is to be simulated; none: nothing now.
    pub(crate) simulate: Option<Simulate>,
    /// When something is to be simulated, if not now.
    pub(crate) simulate_at: Option<Instant>,
    /// What should exist.
    pub(crate) desired: Desired,
    /// Whether pods of one domain are kept off the nodes of another.
    pub(crate) keeps_apart: bool,
    /// What others keep open of each domain.
    pub(crate) opened: BTreeMap<String, Vec<String>>,
    /// What each domain has written, those that go too.
    pub(crate) written: BTreeMap<String, BTreeSet<Written>>,
    /// Taints that any domain has put on a node, `key=value:effect`.
    pub(crate) taints: BTreeMap<String, BTreeSet<String>>,
}

/// What is to be simulated.
#[derive(Clone, Debug)]
pub(crate) struct Simulate {
    /// The cluster.
    pub(crate) facts: ClusterFacts,
    /// All domains.
    pub(crate) domains: Vec<SecurityDomain>,
    /// Names of those that are to be simulated.
    pub(crate) names: BTreeSet<String>,
}

impl Look {
    /// Looks. `now` and `clock` are the same moment.
    pub(crate) fn at(
        store: &Store,
        simulations: &Simulations,
        operator: OperatorIdentity,
        (now, clock): (Instant, Timestamp),
    ) -> Self {
        let mut look = Self::default();
        for (name, domain) in domains_of(store) {
            match domain {
                Err(words) => look.unreadable.push((name, words)),
                Ok(domain) if domain.metadata.deletion_timestamp.is_none() => {
                    drop(look.domains.insert(name, domain));
                }
                Ok(domain) if domain.finalizers().iter().any(|it| it == names::FINALIZER) => {
                    look.going.push(domain);
                }
                Ok(_) => {}
            }
        }
        let written = look.domains.values().chain(&look.going);
        look.written = written.map(|it| (it.name_any(), status::written(it))).collect();
        for it in look.written.values().flatten().filter(|it| it.key.source == Source::Nodes) {
            look.taints.entry(it.key.name.clone()).or_default().extend(it.taint.clone());
        }
        let facts = facts(store, operator);
        // Those that go too: what they have written is not another's yet.
        let all = || look.domains.values().chain(&look.going);
        let wanted: Vec<_> = all().map(|it| Asked::new(it, it.spec.enforcement.mode)).collect();
        let rules = Rules::of(&wanted, &facts);
        let selected = namespaces(&wanted, &facts);
        let mut names = BTreeSet::new();
        let mut in_force = look.domains.clone();
        // What is in force less than the whole spec, and why.
        let mut scopes: BTreeMap<String, (Scope, String)> = BTreeMap::new();
        for (name, domain) in &look.domains {
            // A spec that cannot hold is never simulated: no simulation has the empty hash.
            let resolved = resolve(&domain.spec);
            let seen = selected.get(name).map(Vec::as_slice).unwrap_or_default();
            let hash = resolved.as_ref().map(|it| simulation_hash(it, &rules, seen)).unwrap_or_default();
            let mut modes = gate(domain, &hash, simulations.of(domain), clock);
            let due =
                (!hash.is_empty()).then(|| simulations.due(domain, &hash, &modes, (now, clock))).flatten();
            match due {
                Some(at) if at <= now => drop(names.insert(name.clone())),
                Some(at) => look.simulate_at = Some(look.simulate_at.map_or(at, |before| before.min(at))),
                None => {}
            }
            let why = modes.held.clone().unwrap_or_default();
            if modes.held.is_some() && modes.mode >= Mode::Enforce {
                scopes.insert(name.clone(), (Scope::Within(fenced(domain, &facts)), why.clone()));
            }
            match accepted(domain, &modes) {
                Accepted::Other(spec) => {
                    modes.held =
                        Some(format!("{why}; until then the spec that was accepted last stays in force"));
                    look.invalid.extend(resolved.err().map(|problems| (name.clone(), problems)));
                    in_force.entry(name.clone()).and_modify(|it| it.spec = *spec);
                }
                Accepted::Lost => {
                    modes.held = Some(format!(
                        "the accepted spec is not known, so nothing of the domain is written or removed until the written one \
                         is let in or spec.enforcement.mode is lowered: {why}"
                    ));
                    look.unreadable.push((name.clone(), "status.acceptedSpec is absent or damaged".into()));
                    scopes.insert(name.clone(), (Scope::Lost, why));
                }
                // What is in force already waits for nothing, though the simulation that let it in grows old.
                Accepted::Written => {
                    modes.held = modes.held.filter(|_| modes.mode < domain.spec.enforcement.mode);
                }
            }
            look.modes.insert(name.clone(), modes);
            look.hashes.insert(name.clone(), hash);
        }
        let mode = |name: &str| look.modes.get(name).map(|it| it.mode).unwrap_or_default();
        let asked = in_force.iter().map(|(name, domain)| {
            let scope = scopes.get(name).map(|it| it.0.clone()).unwrap_or_default();
            Asked { scope, ..Asked::new(domain, mode(name)) }
        });
        let going = look.going.iter().map(|domain| Asked::new(domain, Mode::Observe));
        let asked: Vec<_> = asked.chain(going).collect();
        look.desired = desired(&asked, &facts);
        for (name, (_, why)) in &scopes {
            let waiting = look.desired.outcomes.get(name).map(|it| it.waiting.as_slice()).unwrap_or_default();
            if let Some(modes) = look.modes.get_mut(name).filter(|_| !waiting.is_empty()) {
                let told = modes.held.take().unwrap_or_else(|| why.clone());
                modes.held = Some(format!("{}: {told}", outside(waiting)));
            }
        }
        look.keeps_apart = keeps_apart(&look.desired, store);
        look.opened = foreign::opened(&look.desired, &rules, store);
        if !names.is_empty() {
            let domains = look.domains.values().chain(&look.going).cloned().collect();
            look.simulate = Some(Simulate { facts, domains, names });
        }
        look
    }

    /// Why an object is left as it is: what all domains want is not known while one of them cannot be read. A policy or binding
    /// whose text is the one that was written last is known: what somebody changed in it is mended. `place`: the namespace it is
    /// in, or the namespace or node that it is.
    pub(crate) fn blind(
        &self,
        object: &DesiredObject,
        live: Option<&Live>,
        place: Option<&Live>,
    ) -> Option<String> {
        let is_last = live.and_then(|it| it.annotation(names::HASH_ANNOTATION)) == Some(object.hash.as_str());
        let of = |label: &str| {
            self.unreadable.iter().find(|(name, _)| place.and_then(|it| it.label(label)) == Some(name))
        };
        let (name, words) = match object.id.rank {
            Rank::Policy | Rank::PolicyBinding if is_last => return None,
            Rank::Policy | Rank::PolicyBinding => self.unreadable.first()?,
            Rank::Node => of(names::NODE_LABEL)?,
            _ => of(names::DOMAIN_LABEL)?,
        };
        Some(format!("SecurityDomain {name} cannot be read: {words}"))
    }

    /// What is wrong with the spec of a domain.
    pub(crate) fn invalid_of(&self, name: &str) -> &[Problem] {
        let of_outcome = || self.desired.outcomes.get(name).map(|it| &it.invalid);
        self.invalid.get(name).or_else(of_outcome).map(Vec::as_slice).unwrap_or_default()
    }

    /// The domain of a desired object; none for what stands for all domains.
    pub(crate) fn owner(&self, object: &DesiredObject) -> Option<&SecurityDomain> {
        self.domains.get(object.domain()?)
    }
}

/// Namespaces in which a domain in Enforce stands already: by its label, which only the controller changes while Enforce is in
/// force, or by the inventory, where somebody took the label off.
pub fn fenced(domain: &SecurityDomain, facts: &ClusterFacts) -> BTreeSet<String> {
    let name = domain.name_any();
    let is_labelled = |it: &&NamespaceFact| {
        let is = |key: &str, value: &str| it.labels.get(key).is_some_and(|it| it == value);
        is(names::DOMAIN_LABEL, &name) && is(names::MODE_LABEL, Mode::Enforce.label())
    };
    let labelled = facts.namespaces.iter().flatten().filter(is_labelled).map(|it| it.name.clone());
    // Only Enforce writes to accounts, and always does.
    let written = status::written(domain).into_iter().filter(|it| it.key.source == Source::ServiceAccounts);
    labelled.chain(written.map(|it| it.key.namespace)).collect()
}

/// Whether what keeps pods of one domain off the nodes of another is bound, and both policy and binding are as they should be:
/// that the server could fill in keeps nobody off.
fn keeps_apart(desired: &Desired, store: &Store) -> bool {
    let parts = desired.objects.iter().filter(|it| it.id.name.starts_with(PLACES));
    let as_wanted = |object: &&DesiredObject| {
        let live = key_of(object).and_then(|key| store.at(&key));
        live.is_some_and(|live| !live.is_going() && live.drift(object).is_empty())
    };
    let parts: Vec<_> = parts.collect();
    parts.iter().any(|it| it.id.rank == Rank::PolicyBinding) && parts.iter().all(as_wanted)
}

/// That namespaces wait, a few of them by name.
fn outside(waiting: &[String]) -> String {
    const NAMED: usize = 3;

    let named = waiting.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = waiting.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("outside until a simulation that saw them is clean or accepted: namespaces {named}{more}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A domain in Enforce with nodes, what it wants, and a store that holds what was written of it.
    fn written(skipped: impl Fn(&DesiredObject) -> bool) -> (Desired, Store) {
        let domain: SecurityDomain = serde_json::from_value(json!({"apiVersion": "ringfence.dev/v1alpha1",
            "kind": "SecurityDomain", "metadata": {"name": "a"},
            "spec": {"namespaces": {"names": ["ml"]}, "nodes": {"selector": {}}}}))
        .unwrap();
        let wanted = desired(&[Asked::new(&domain, Mode::Enforce)], &ClusterFacts::default());
        let mut store = Store::default();
        for object in wanted.objects.iter().filter(|it| !skipped(it)) {
            let Some(key) = key_of(object) else { continue };
            store.put(key.source, Live::new(key.source, object.body.tree()));
        }
        (wanted, store)
    }

    #[test]
    fn policies_of_all_are_mended_while_a_domain_cannot_be_read_but_not_changed() {
        let (wanted, _) = written(|_| true);
        let look = Look { unreadable: vec![("b".into(), "damaged".into())], ..Look::default() };
        let policies =
            wanted.objects.iter().filter(|it| matches!(it.id.rank, Rank::Policy | Rank::PolicyBinding));
        for object in policies {
            let live = |hash: &str| {
                let mut body = json!({"metadata": {"name": object.id.name, "annotations": {}}, "spec": {}});
                body["metadata"]["annotations"][names::HASH_ANNOTATION] = json!(hash);
                Live::new(Source::Mutating, body)
            };
            assert_eq!(look.blind(object, Some(&live(&object.hash)), None), None, "{}", object.id);
            assert!(look.blind(object, Some(&live("other")), None).is_some(), "{}", object.id);
            assert!(look.blind(object, None, None).is_some(), "{}", object.id);
        }
    }

    #[test]
    fn pods_are_kept_apart_only_by_a_policy_that_is_bound_and_as_it_should_be() {
        let places =
            |object: &DesiredObject, rank| object.id.rank == rank && object.id.name.starts_with(PLACES);
        let (wanted, mut store) = written(|_| false);
        assert!(keeps_apart(&wanted, &store));
        let binding = wanted.objects.iter().find(|it| places(it, Rank::PolicyBinding)).unwrap();
        let mut narrowed = binding.body.tree();
        narrowed["spec"]["matchResources"]["objectSelector"] = json!({"matchLabels": {"nobody": "has"}});
        store.put(Source::MutatingBindings, Live::new(Source::MutatingBindings, narrowed));
        assert!(!keeps_apart(&wanted, &store), "narrowed");
        for rank in [Rank::Policy, Rank::PolicyBinding] {
            let (wanted, store) = written(|it| places(it, rank));
            assert!(!keeps_apart(&wanted, &store), "{rank:?} is not there");
        }
        let (mut wanted, store) = written(|_| false);
        wanted.objects.retain(|it| !places(it, Rank::PolicyBinding));
        assert!(!keeps_apart(&wanted, &store), "nobody closes nodes, so nothing is bound");
    }
}
