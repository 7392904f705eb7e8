//! Room `operator`: the store -> domains, their modes in force and what should exist. No request, no write.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use ringfence_domain::Asked;
use ringfence_domain::Desired;
use ringfence_domain::DesiredObject;
use ringfence_domain::OperatorIdentity;
use ringfence_domain::Rules;
use ringfence_domain::SecurityDomain;
use ringfence_domain::desired;
use ringfence_domain::gate;
use ringfence_domain::names;
use ringfence_domain::resolve;
use ringfence_domain::simulation_hash;
use ringfence_domain::spec::EffectiveModes;

use crate::facts::domains_of;
use crate::facts::facts;
use crate::store::Store;

/// What should be, by what was seen.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Domains that stay, by name.
    pub(crate) domains: BTreeMap<String, SecurityDomain>,
    /// Domains that go, with our finalizer.
    pub(crate) going: Vec<SecurityDomain>,
    /// Domains that cannot be read, and why: nothing of theirs is touched.
    pub(crate) unreadable: Vec<(String, String)>,
    /// Modes in force.
    pub(crate) modes: BTreeMap<String, EffectiveModes>,
    /// What should exist.
    pub(crate) desired: Desired,
    names_by_uid: BTreeMap<String, String>,
}

impl Look {
    /// Looks. `clock`: now.
    pub(crate) fn at(store: &Store, operator: OperatorIdentity, clock: Timestamp) -> Self {
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
        let facts = facts(store, operator);
        let wanted: Vec<_> = look
            .domains
            .values()
            .map(|domain| Asked { domain, mode: domain.spec.enforcement.mode })
            .collect();
        let rules = Rules::of(&wanted, &facts);
        for (name, domain) in &look.domains {
            let simulation = domain.status.as_ref().and_then(|it| it.simulation.as_ref());
            // A spec that cannot hold was never simulated: no simulation has the empty hash.
            let hash = resolve(&domain.spec).map(|it| simulation_hash(&it, &rules)).unwrap_or_default();
            let mut modes = gate(domain, &hash, simulation, clock);
            // What is in force already waits for nothing, though the simulation that let it in grows old.
            modes.held = modes.held.filter(|_| modes.mode < domain.spec.enforcement.mode);
            look.modes.insert(name.clone(), modes);
            look.names_by_uid.insert(domain.uid().unwrap_or_default(), name.clone());
        }
        let mode = |name: &str| look.modes.get(name).map(|it| it.mode).unwrap_or_default();
        let asked: Vec<_> =
            look.domains.iter().map(|(name, domain)| Asked { domain, mode: mode(name) }).collect();
        look.desired = desired(&asked, &facts);
        look
    }

    /// The domain of a desired object; none for what stands for all domains.
    pub(crate) fn owner(&self, object: &DesiredObject) -> Option<&SecurityDomain> {
        let text = |map: &str, key: &str| object.body.get("metadata")?.get(map)?.get(key)?.as_str();
        let name = match text("annotations", names::OWNER_ANNOTATION) {
            Some(uid) => self.names_by_uid.get(uid).map(String::as_str),
            None => text("labels", names::NODE_LABEL),
        };
        self.domains.get(name?)
    }
}
