//! Room `operator`: what Enforce would refuse in a cluster: its workloads, the API server's own word on Pod Security and on
//! what would be written, and what running pods take. The controller and `domain simulate` come through here.
//!
//! `lists -> inventory -> subjects -> simulate`; `dry-runs -> violations, missing`

mod list;
mod security;
mod workloads;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use kube::Client;
use ringfence_domain::Asked;
use ringfence_domain::Claim;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Desired;
use ringfence_domain::DesiredObject;
use ringfence_domain::Resolved;
use ringfence_domain::Rules;
use ringfence_domain::SecurityDomain;
use ringfence_domain::Simulation;
use ringfence_domain::Subject;
use ringfence_domain::Violation;
use ringfence_domain::desired;
use ringfence_domain::simulate as judge;
use ringfence_domain::simulation_hash;
use ringfence_domain::spec::Mode;
use ringfence_finding::Blind;
use ringfence_finding::Cure;
use ringfence_finding::Reason;
use ringfence_inventory::Inventory;

use crate::observe::Effect;
use crate::observe::observe;
pub use list::simulation_reads;
use workloads::Workloads;

/// What a simulation of one domain found.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// What would be refused.
    pub simulation: Simulation,
    /// What it is of (see [`ringfence_domain::simulation_hash`]).
    pub hash: String,
    /// Inputs that could not be read, and own writes that the API server would refuse.
    pub missing: Vec<String>,
    /// What is open because such inputs never tell it: nothing to mend.
    pub notes: Vec<String>,
    /// Objects whose pods an operator builds, so that only running ones could be judged: `group Kind`, and how many.
    pub unwritten: BTreeMap<String, u32>,
}

/// Simulates these domains in a cluster. `domains` are all there are, since they share rules and nodes. What is sent is GET,
/// and PATCH by dry-run: nothing is changed. A domain whose spec cannot hold has no simulation.
pub async fn simulate(
    client: &Client,
    facts: &ClusterFacts,
    domains: &[SecurityDomain],
    names: &BTreeSet<String>,
) -> BTreeMap<String, Simulated> {
    let plan = Plan::new(facts, domains);
    let mut found = Workloads::default();
    let mut unread = list::workloads(client, facts, &mut found).await;
    unread.sort();
    let unwritten = found.unwritten();
    let (mut subjects, claims) = found.judged();
    let leaving: BTreeSet<&str> =
        facts.namespaces.iter().flatten().filter(|it| it.terminating).map(|it| it.name.as_str()).collect();
    subjects.retain(|it| !leaving.contains(it.namespace.as_str()));
    let running = subjects.iter().filter(|it| !it.pods.is_empty()).map(|it| it.namespace.as_str()).collect();
    let mut simulated = BTreeMap::new();
    for (name, resolved) in plan.named(names) {
        let mut missing = unread.clone();
        let violations =
            security::violations(client, facts, &running, &plan.enforced, name, &mut missing).await;
        missing.extend(refused(client, &plan.enforced, name).await);
        let judged = (subjects.as_slice(), claims.as_slice());
        let one = plan.one(name, resolved, judged, Some(violations));
        let one = one.map(|it| Simulated { missing, unwritten: unwritten.clone(), ..it });
        simulated.extend(one.map(|it| (name.clone(), it)));
    }
    simulated
}

/// The same for manifests that are in no cluster: the facts are what is known of the one they are meant for. What could not be
/// read of them is missing, place by place.
pub fn simulate_manifests(
    inventory: &Inventory,
    facts: &ClusterFacts,
    domains: &[SecurityDomain],
    names: &BTreeSet<String>,
) -> BTreeMap<String, Simulated> {
    let plan = Plan::new(facts, domains);
    let mut found = Workloads::default();
    found.take(inventory);
    let unwritten = found.unwritten();
    let (subjects, claims) = found.judged();
    let judged = (subjects.as_slice(), claims.as_slice());
    let unread: Vec<_> =
        inventory.coverage.blind.iter().filter(|it| it.reason.is_incomplete()).map(unread).collect();
    let one = |(name, resolved): (&String, &Resolved)| {
        let mut one = plan.one(name, resolved, judged, None)?;
        one.missing = unread.iter().cloned().chain(plan.unselected(name)).collect();
        one.notes = notes(resolved);
        one.unwritten.clone_from(&unwritten);
        Some((name.clone(), one))
    };
    plan.named(names).filter_map(one).collect()
}

/// A place that was not looked at: `file:line: cause; cure`. What only a scan can do about it is left out.
fn unread(blind: &Blind) -> String {
    let cause = match blind.cure {
        Some(Cure::Scan(_)) => blind.cause.clone(),
        _ => blind.message(),
    };
    let (what, cure) = match blind.reason {
        Reason::Unparsable => ("not readable as YAML or JSON: ", ""),
        Reason::NotRendered | Reason::TemplateNotRendered => ("", "; render it and name what comes out"),
        Reason::SavedInventory => ("", "; simulate in the cluster itself, or name its manifests"),
        _ => ("", ""),
    };
    let is_whole_file = matches!(
        blind.reason,
        Reason::Encoding | Reason::TooLarge | Reason::NotRendered | Reason::SavedInventory | Reason::NoAccess
    );
    match &blind.location {
        Some(place) if is_whole_file => format!("{}: {what}{cause}{cure}", place.file),
        Some(place) => format!("{}:{}: {what}{cause}{cure}", place.file, place.line),
        None => format!("{what}{cause}{cure}"),
    }
}

/// What no manifests tell of a domain, and only a cluster does.
fn notes(resolved: &Resolved) -> Vec<String> {
    let spec = &resolved.spec;
    let quota =
        spec.quota.is_some().then(|| "what pods take of the quota: only running ones tell".to_owned());
    let nodes =
        spec.nodes.selector.is_some().then(|| "which nodes it selects: only a cluster tells".to_owned());
    quota.into_iter().chain(nodes).collect()
}

/// All domains as if they were in Enforce.
struct Plan {
    rules: Rules,
    enforced: Desired,
}

impl Plan {
    fn new(facts: &ClusterFacts, domains: &[SecurityDomain]) -> Self {
        let asked = |mode: fn(&SecurityDomain) -> Mode| {
            domains.iter().map(move |domain| Asked::new(domain, mode(domain))).collect::<Vec<_>>()
        };
        Self {
            // The rules that are in force when the wanted modes are: their text is part of the hash.
            rules: Rules::of(&asked(|it| it.spec.enforcement.mode), facts),
            enforced: desired(&asked(|_| Mode::Enforce), facts),
        }
    }

    fn named(&self, names: &BTreeSet<String>) -> impl Iterator<Item = (&String, &Resolved)> {
        let all = self.enforced.outcomes.iter().filter(|(name, _)| names.contains(*name));
        all.filter_map(|(name, outcome)| Some((name, outcome.resolved.as_ref()?)))
    }

    fn one(
        &self,
        name: &str,
        resolved: &Resolved,
        (subjects, claims): (&[Subject], &[Claim]),
        violations: Option<Vec<Violation>>,
    ) -> Option<Simulated> {
        let simulation = judge(&self.enforced, name, &self.rules, subjects, claims, violations)?;
        let namespaces = &self.enforced.outcomes.get(name)?.namespaces;
        let hash = simulation_hash(resolved, &self.rules, namespaces);
        let (missing, notes, unwritten) = Default::default();
        Some(Simulated { simulation, hash, missing, notes, unwritten })
    }

    /// Why namespaces of a domain are not known: their workloads are not judged.
    fn unselected(&self, name: &str) -> Option<String> {
        let unknown = &self.enforced.outcomes.get(name)?.unknown;
        unknown.iter().find(|it| it.field == "spec.namespaces.selector").map(ToString::to_string)
    }
}

/// Writes of a domain that the API server would refuse, or that could not be tried. Of those that differ in nothing but the
/// namespace one is tried: a domain of a thousand namespaces is not asked nine thousand questions.
async fn refused(client: &Client, enforced: &Desired, domain: &str) -> Vec<String> {
    let mut forms = BTreeSet::new();
    let is_new = |it: &&DesiredObject| {
        let name = if it.id.namespace.is_empty() { "" } else { it.id.name.as_str() };
        let body = it.body.tree();
        let parts = body.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata");
        let form: Vec<_> = parts.map(|(key, value)| format!("{key}: {value}")).collect();
        forms.insert(format!("{name} {}", form.join(" ")))
    };
    let own = enforced.objects.iter().filter(|it| it.domain() == Some(domain)).filter(is_new);
    let own: Vec<_> = own.cloned().collect();
    let observed = observe(client, &own, true).await;
    observed
        .into_iter()
        .filter_map(|it| match it.effect {
            Effect::Refuse(words) => Some(format!("the write of {} would be refused: {words}", it.id)),
            Effect::Unknown(words) => Some(format!("the write of {} could not be tried: {words}", it.id)),
            Effect::Contest(..) | Effect::Create | Effect::Keep | Effect::Update(_) => None,
        })
        .collect()
}
