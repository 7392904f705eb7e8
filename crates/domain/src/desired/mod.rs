//! Room `domain`: which objects should exist, one file per kind. Each says which statement of the guide it answers.
//!
//! `domains, facts -> who has which namespace and node -> objects per namespace, per node, per cluster (policy/)`

mod claim;
mod external_secret;
mod hold;
pub(crate) mod limit_range;
pub(crate) mod namespace;
mod network_policy;
mod node;
pub(crate) mod peer;
mod resource_quota;
mod role_binding;
mod service_account;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use kube::ResourceExt as _;

pub use namespace::own_level;

use crate::facts::ClusterFacts;
use crate::object::DesiredObject;
use crate::object::ObjectKey;
use crate::object::Owner;
use crate::policy::Rules;
use crate::spec::Mode;
use crate::spec::SecurityDomain;
use crate::tier::Problem;
use crate::tier::Resolved;
use crate::tier::resolve;

/// A domain and the mode it is in: the wanted one if the gate is open, else the one in force.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The domain.
    pub domain: &'a SecurityDomain,
    /// Mode in force.
    pub mode: Mode,
    /// How much of its spec is in force.
    pub scope: Scope,
}

/// How much of a spec is in force.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Scope {
    /// All of it.
    #[default]
    Whole,
    /// All of it, in these namespaces: others that it selects were never simulated, and wait outside.
    Within(BTreeSet<String>),
    /// Nobody knows what is: the domain is one whose spec cannot hold.
    Lost,
}

impl<'a> Asked<'a> {
    /// A domain whose whole spec is in force.
    pub fn new(domain: &'a SecurityDomain, mode: Mode) -> Self {
        Self { domain, mode, scope: Scope::Whole }
    }

    /// Whether the domain is being deleted: it wants nothing any more, and holds what it wrote until that is removed.
    pub(crate) fn ends(&self) -> bool {
        self.domain.metadata.deletion_timestamp.is_some()
    }
}

/// Everything that should exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// In the order of writing.
    pub objects: Vec<DesiredObject>,
    /// What became of each domain, by name.
    pub outcomes: BTreeMap<String, Outcome>,
}

/// What became of a domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// With defaults; none if the spec cannot hold, and then nothing of it is written or removed.
    pub resolved: Option<Resolved>,
    /// Mode in force.
    pub mode: Mode,
    /// Its namespaces, by name, those without terminating ones; of a spec that cannot hold also those that it no longer takes:
    /// they stay in their last state.
    pub namespaces: Vec<String>,
    /// Namespaces that it selects and that stay outside until a simulation saw them (see [`Scope::Within`]).
    pub waiting: Vec<String>,
    /// Its nodes, by name.
    pub nodes: Vec<String>,
    /// What is wrong with the spec: the last good state stays.
    pub invalid: Vec<Problem>,
    /// Namespaces and nodes that another domain has.
    pub conflicts: Vec<Problem>,
    /// What could not be derived, and why.
    pub unknown: Vec<Problem>,
    /// What the spec asks for and only a stronger mode writes.
    pub held_back: BTreeSet<ObjectKey>,
}

/// What the files of this room see of a domain.
pub(crate) struct Cx<'a> {
    pub(crate) owner: Owner<'a>,
    pub(crate) resolved: &'a Resolved,
    pub(crate) mode: Mode,
    pub(crate) facts: &'a ClusterFacts,
    /// Names of the domain's namespaces.
    pub(crate) namespaces: Vec<String>,
    /// Accelerators that the domain's nodes offer, by resource name.
    pub(crate) accelerators: Vec<String>,
}

/// The objects that draw the boundaries of all domains in a cluster, those that are being deleted among them: what these have
/// written is not another's yet.
pub fn desired(asked: &[Asked<'_>], facts: &ClusterFacts) -> Desired {
    let mut result = Desired::default();
    let mut claims = claim::Claims::new(asked, facts);
    for asked in claim::by_age(asked) {
        let name = asked.domain.name_any();
        let outcome = one(asked, facts, &mut claims, &mut result.objects);
        result.outcomes.insert(name, outcome);
    }
    let rules = Rules::of(asked, facts);
    rules.report(&mut result.outcomes);
    result.objects.extend(rules.objects());
    result.objects.sort_by(|left, right| left.id.cmp(&right.id));
    result
}

/// The namespaces that each domain has if all of its spec is in force, by name of the domain.
pub fn namespaces(asked: &[Asked<'_>], facts: &ClusterFacts) -> BTreeMap<String, Vec<String>> {
    let mut claims = claim::Claims::new(asked, facts);
    let each = claim::by_age(asked).into_iter().filter(|it| !it.ends()).map(|asked| {
        let (name, mut outcome) = (asked.domain.name_any(), Outcome::default());
        claims.take(&name, asked, &mut outcome);
        (name, outcome.namespaces)
    });
    each.collect()
}

/// The objects of one domain.
fn one(
    asked: &Asked<'_>,
    facts: &ClusterFacts,
    claims: &mut claim::Claims<'_>,
    objects: &mut Vec<DesiredObject>,
) -> Outcome {
    let name = asked.domain.name_any();
    let mut outcome = Outcome { mode: asked.mode, ..Outcome::default() };
    if asked.ends() {
        outcome.invalid.push(ending());
        return outcome;
    }
    // Claims hold for a broken spec too: its namespaces are not handed to the next domain by a typing error.
    let mine = claims.take(&name, asked, &mut outcome);
    let resolved = match (resolve(&asked.domain.spec), (asked.scope == Scope::Lost).then(lost)) {
        (Ok(resolved), None) => resolved,
        (resolved, unknown) => {
            outcome.invalid = unknown.into_iter().chain(resolved.err().into_iter().flatten()).collect();
            outcome.namespaces = claims.of(&name);
            return outcome;
        }
    };
    let uid = asked.domain.uid().unwrap_or_default();
    let cx = Cx {
        owner: Owner { domain: &name, uid: &uid },
        resolved: &resolved,
        mode: asked.mode,
        facts,
        namespaces: outcome.namespaces.clone(),
        accelerators: mine.accelerators,
    };
    let (policies, unknown) = network_policy::Policies::new(&cx);
    outcome.unknown.extend(unknown);
    outcome.unknown.extend(external_secret::unknown(&cx));
    outcome.unknown.extend(resource_quota::unknown(&cx));
    let before = objects.len();
    for namespace in &mine.namespaces {
        objects.push(namespace::labels(&cx, namespace));
        policies.write(&cx, &namespace.name, objects);
        objects.push(service_account::default(&cx, &namespace.name));
        role_binding::write(&cx, &namespace.name, objects);
        external_secret::write(&cx, &namespace.name, objects);
        objects.extend(limit_range::limits(&cx, &namespace.name));
        objects.extend(resource_quota::quota(&cx, &namespace.name));
    }
    objects.extend(mine.nodes.iter().map(|node| node::patch(&cx, node)));
    let mode = asked.mode;
    let (written, held_back): (Vec<_>, Vec<_>) =
        objects.split_off(before).into_iter().partition(|object| object.min_mode <= mode);
    objects.extend(written);
    outcome.held_back = held_back.into_iter().map(|object| object.id).collect();
    outcome.resolved = Some(resolved);
    outcome
}

fn ending() -> Problem {
    Problem::new(
        "metadata.deletionTimestamp",
        "the domain is being deleted, so nothing of it is written any more",
        "wait for its end, then apply it again if it is still wanted",
    )
}

fn lost() -> Problem {
    Problem::new(
        "status.acceptedSpec",
        "the accepted spec is not known: it is absent or cannot be read, so nothing of the domain is written or removed",
        "repair what the simulation of the written spec found, or accept it, and that spec comes into force; or lower \
         spec.enforcement.mode",
    )
}
