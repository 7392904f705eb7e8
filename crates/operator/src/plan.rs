//! Room `operator`: what should exist against what was seen -> the writes that are left, and what each domain can say of
//! itself. Pure but for the memory in the ledger. Where nothing differs, nothing is left.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use ringfence_domain::DesiredObject;
use ringfence_domain::SecurityDomain;
use ringfence_domain::Write;
use ringfence_domain::compare;
use ringfence_domain::names;
use tokio::time::Instant;

use crate::act;
use crate::act::Act;
use crate::act::Drifted;
use crate::act::What;
use crate::inventory;
use crate::inventory::Written;
use crate::inventory::key_of;
use crate::ledger::Ledger;
use crate::look::Look;
use crate::look::Simulate;
use crate::node;
use crate::node::Mark;
use crate::own::Own;
use crate::policy;
use crate::prune;
use crate::removal;
use crate::simulating::Simulations;
use crate::source::Source;
use crate::status;
use crate::store::Key;
use crate::store::Live;
use crate::store::Sight;
use crate::store::Store;

/// Writes of one round: between two rounds events are taken in.
const ROUND: usize = 512;

/// What is left to do.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Finalizers and inventories: written before the objects they stand for.
    pub(crate) early: Vec<Own>,
    /// Writes; the next stage begins when the one before has ended.
    pub(crate) stages: Vec<Vec<Act>>,
    /// Status, where nothing is left to write.
    pub(crate) late: Vec<Own>,
    /// What is to be simulated, once nothing is left to write.
    pub(crate) simulate: Option<Simulate>,
    /// When something is to be simulated, if not now.
    pub(crate) simulate_at: Option<Instant>,
    /// Domains that cannot be read, and why.
    pub(crate) unreadable: Vec<(String, String)>,
}

/// What is known of a domain's objects.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Objects that are still to be written or to become ready.
    pub(crate) pending: usize,
    /// What keeps objects from being written.
    pub(crate) faults: Vec<String>,
    /// Who contests which object.
    pub(crate) contests: Vec<String>,
}

/// What is to become of an object.
pub(crate) enum Verdict {
    /// It is as it should be.
    Settled,
    /// It is to be written.
    Write(What, Vec<String>),
    /// Not now, and no fault: what it rests on is not ready.
    Wait,
    /// There is nothing to write it to.
    Nothing,
    /// It cannot be seen, so it is not written.
    Blind(String),
}

impl Plan {
    /// Makes it. `now` for pauses, `clock` for conditions.
    pub(crate) fn of(
        look: &Look,
        store: &Store,
        simulations: &Simulations,
        ledger: &mut Ledger,
        (now, clock): (Instant, Timestamp),
    ) -> Self {
        let mut plan =
            Self { simulate_at: look.simulate_at, unreadable: look.unreadable.clone(), ..Self::default() };
        // Once for all domains: each would go through the objects of all.
        let mut of: BTreeMap<&str, BTreeSet<Written>> = BTreeMap::new();
        for object in &look.desired.objects {
            let name = look.owner(object).and_then(|it| it.metadata.name.as_deref());
            if let Some((name, written)) = name.zip(Written::of(object)) {
                of.entry(name).or_default().insert(written);
            }
        }
        let none = BTreeSet::new();
        let own = |name: &str| of.get(name).unwrap_or(&none);
        let early: BTreeSet<&str> = look
            .domains
            .iter()
            .filter(|it| plan.begin(look, it.0, it.1, own(it.0)))
            .map(|it| it.0.as_str())
            .collect();
        let mut reports: BTreeMap<&str, Report> = BTreeMap::new();
        let mut all = Report::default();
        let wanted: BTreeSet<Key> = look.desired.objects.iter().filter_map(key_of).collect();
        ledger.retain(now, |key| wanted.contains(key));
        let mut rank = None;
        for object in &look.desired.objects {
            let owner = look.owner(object);
            let name = owner.and_then(|it| it.metadata.name.as_deref());
            if name.is_some_and(|name| early.contains(name)) {
                continue;
            }
            let report = name.map_or(&mut all, |name| reports.entry(name).or_default());
            if let Some(act) = one(object, owner, look, store, ledger, now, report) {
                if rank.replace(object.id.rank) != Some(object.id.rank) {
                    plan.stages.push(Vec::new());
                }
                plan.stages.last_mut().into_iter().for_each(|stage| stage.push(act.clone()));
            }
        }
        plan.stages.extend(policy::removals(look, store, ledger, now, &all));
        let planted = planted(look, store, ledger, &mut reports, now);
        for (name, domain) in look.domains.iter().filter(|it| !early.contains(it.0.as_str())) {
            let report = reports.entry(name).or_default();
            let (left, removals) = prune::of(domain, own(name), &wanted, look, store);
            let stages = removal::stages(removals, ledger, now, report);
            plan.stages.extend(stages);
            if report.pending == 0 {
                let seen = status::Seen { look, store, simulations, report, all: &all, left: &left };
                plan.late.extend(status::of(domain, &seen, clock));
            }
        }
        plan.stages.push(planted);
        for domain in &look.going {
            plan.end(domain, &wanted, store, ledger, (now, clock));
        }
        plan.early.retain(|own| ledger.waiting(&own.key, "", now).is_none());
        plan.late.retain(|own| ledger.waiting(&own.key, "", now).is_none());
        plan.bound();
        plan
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.early.is_empty() && self.stages.is_empty() && self.late.is_empty()
    }

    /// What must be there before the first object of a domain: the finalizer, then the inventory. Whether it is missing.
    fn begin(&mut self, look: &Look, name: &str, domain: &SecurityDomain, own: &BTreeSet<Written>) -> bool {
        if !domain.finalizers().iter().any(|it| it == names::FINALIZER) {
            self.early.push(Own::finalizer(domain, true));
            return true;
        }
        if look.desired.outcomes.get(name).is_none_or(|it| !it.invalid.is_empty()) {
            return false;
        }
        let before = look.written.get(name).cloned().unwrap_or_default();
        if own.is_subset(&before) {
            return false;
        }
        let with = own | &before;
        let accepted = domain.status.as_ref().and_then(|it| it.accepted_spec.as_deref());
        let (entries, fits) = inventory::entries(&with, accepted);
        // What does not fit is written all the same: a fence without evidence for its removal is better than none.
        if !fits && domain.status.as_ref().is_some_and(|status| status.inventory == entries) {
            return false;
        }
        self.early.push(Own::inventory(domain, &entries));
        true
    }

    /// The next step of a domain's end.
    fn end(
        &mut self,
        domain: &SecurityDomain,
        wanted: &BTreeSet<Key>,
        store: &Store,
        ledger: &mut Ledger,
        (now, clock): (Instant, Timestamp),
    ) {
        match removal::next(domain, wanted, store) {
            removal::Step::Acts(acts) => {
                let mut report = Report::default();
                self.stages.extend(removal::stages(vec![acts], ledger, now, &mut report));
                if let Some(words) = report.faults.first() {
                    self.late.extend(status::blocked(domain, words, clock));
                }
            }
            removal::Step::Blind(words) => self.late.extend(status::blocked(domain, &words, clock)),
            removal::Step::Done => self.early.push(Own::finalizer(domain, false)),
        }
    }

    /// At most one round.
    fn bound(&mut self) {
        let mut left = ROUND;
        for stage in &mut self.stages {
            stage.truncate(left);
            left -= stage.len();
        }
        self.stages.retain(|stage| !stage.is_empty());
        if !self.stages.is_empty() {
            // The status is that of the end.
            self.late.clear();
        }
    }
}

/// The write of one object, if it needs one now.
fn one(
    object: &DesiredObject,
    owner: Option<&SecurityDomain>,
    look: &Look,
    store: &Store,
    ledger: &mut Ledger,
    now: Instant,
    report: &mut Report,
) -> Option<Act> {
    let Some(key) = key_of(object) else {
        report
            .faults
            .push(format!("{}: the controller does not watch this kind, so it does not write it", object.id));
        return None;
    };
    let live = store.at(&key);
    let generation = owner.and_then(|it| it.metadata.generation).unwrap_or_default();
    let (what, fields) = match judge(object, &key, live, owner, look, store) {
        Verdict::Settled => {
            ledger.settle(&key, &object.hash);
            ledger.contested(&key, generation, live, now);
            return None;
        }
        Verdict::Nothing => return None,
        Verdict::Wait => {
            report.pending += 1;
            return None;
        }
        Verdict::Blind(words) => {
            report.faults.push(format!("{key}: {words}"));
            return None;
        }
        Verdict::Write(what, fields) => (what, fields),
    };
    if let Some(contest) = ledger.contested(&key, generation, live, now) {
        report.contests.push(format!("{key} ({})", contest.by));
        return None;
    }
    if let Some(fault) = ledger.waiting(&key, &object.hash, now) {
        report.faults.push(format!("{key}: {}", fault.words));
        return None;
    }
    let is_known = ledger.was_settled(&key, &object.hash);
    if !is_known
        && matches!(what, What::Apply(..))
        && object.write == Write::Apply
        && live.is_some_and(is_foreign)
    {
        report.faults.push(act::not_ours(&key));
        return None;
    }
    report.pending += 1;
    let written = live.and_then(|it| it.annotation(names::HASH_ANNOTATION)) == Some(object.hash.as_str());
    let drift = (is_known || written && !fields.is_empty()).then(|| Drifted {
        domain: owner.map(kube::ResourceExt::name_any),
        generation,
        fields,
        by: live.and_then(|it| it.by.clone()),
    });
    Some(Act { key, what, hash: object.hash.clone(), drift, is_known })
}

/// Whether nothing of an object says that we wrote it.
fn is_foreign(live: &Live) -> bool {
    live.annotation(names::HASH_ANNOTATION).is_none()
        && live.annotation(names::OWNER_ANNOTATION).is_none()
        && live.label(names::DOMAIN_LABEL).is_none()
        && live.label("app.kubernetes.io/managed-by") != Some(names::MANAGED_BY)
}

/// In the place of a hash, where nothing is wanted.
const PLANTED: &str = "planted";

/// Namespaces that say they are of a domain and are not: their pods would meet no policy, or be taken for the domain's. What a
/// domain left behind carries its annotations, and the name of one that is gone: that stays.
fn planted<'a>(
    look: &'a Look,
    store: &Store,
    ledger: &mut Ledger,
    reports: &mut BTreeMap<&'a str, Report>,
    now: Instant,
) -> Vec<Act> {
    // Of a domain that ends, or of which nobody knows what is in force, its labels are its own.
    let going = look.going.iter().filter_map(|it| it.metadata.name.as_deref());
    let at_rest: BTreeSet<&str> =
        going.chain(look.unreadable.iter().map(|(name, _)| name.as_str())).collect();
    let has =
        |name: &str| look.desired.outcomes.values().any(|it| it.namespaces.iter().any(|own| own == name));
    let is_planted = |live: &Live| {
        let says = live.label(names::DOMAIN_LABEL);
        let is_left = live.annotation(names::OWNER_ANNOTATION).is_some();
        (says.is_some() || live.label(names::MODE_LABEL).is_some())
            && !says.is_some_and(|it| at_rest.contains(it))
            && (!is_left || says.is_some_and(|it| look.domains.contains_key(it)))
    };
    let acts = store
        .all(Source::Namespaces)
        .filter(|((_, name), live)| !live.is_going() && is_planted(live) && !has(name));
    let acts = acts.filter_map(|((_, name), live)| {
        let key = Key::global(Source::Namespaces, name);
        let says = live.label(names::DOMAIN_LABEL);
        let domain = says.and_then(|it| look.domains.get_key_value(it)).map(|(name, _)| name.as_str());
        if let Some(contest) = ledger.contested(&key, 0, Some(live), now) {
            let words = format!("{key} says it is of the domain and is not ({})", contest.by);
            if let Some(domain) = domain {
                reports.entry(domain).or_default().contests.push(words);
            }
            return None;
        }
        let drift = Drifted {
            domain: domain.map(str::to_owned),
            generation: 0,
            fields: vec!["labels of a domain that it is not of".into()],
            by: live.by.clone(),
        };
        ledger.waiting(&key, PLANTED, now).is_none().then(|| Act {
            key,
            what: What::Release(Box::new(live.clone())),
            hash: PLANTED.into(),
            drift: Some(drift),
            is_known: false,
        })
    });
    acts.collect()
}

/// What is to become of an object, by what was seen of it.
fn judge(
    object: &DesiredObject,
    key: &Key,
    live: Option<&Live>,
    owner: Option<&SecurityDomain>,
    look: &Look,
    store: &Store,
) -> Verdict {
    let place = match key.source {
        Source::Namespaces | Source::Nodes => live,
        _ => store.get(Source::Namespaces, "", &key.namespace),
    };
    if let Some(words) = look.blind(object, live, place) {
        return Verdict::Blind(words);
    }
    match store.sight(key.source) {
        Sight::Whole => {}
        Sight::Refused(words) => return Verdict::Blind(format!("cannot be watched: {words}")),
        Sight::Waiting if !store.serves(key.source) => {
            return Verdict::Blind("the cluster does not serve this kind".into());
        }
        Sight::Waiting => return Verdict::Wait,
    }
    if live.is_some_and(Live::is_going) || is_leaving(store, &key.namespace) {
        return Verdict::Nothing;
    }
    if object.write == Write::NodePatch {
        return live.map_or(Verdict::Nothing, |live| of_node(object, live, owner, look));
    }
    if let Some(verdict) = policy::not_yet(object, look, store) {
        return verdict;
    }
    let Some(live) = live else {
        return match object.write {
            Write::Apply => {
                Verdict::Write(What::Apply(Box::new(object.clone()), None), vec!["the whole object".into()])
            }
            Write::ApplyExisting | Write::NodePatch => Verdict::Nothing,
        };
    };
    let drift = live.drift(object);
    let fields: Vec<String> = drift.iter().map(|it| it.field.clone()).collect();
    let same_hash = live.annotation(names::HASH_ANNOTATION) == Some(object.hash.as_str());
    if same_hash && drift.is_empty() {
        return Verdict::Settled;
    }
    let boxed = || (Box::new(object.clone()), Box::new(live.clone()));
    if same_hash && drift.iter().all(act::is_added) {
        let (object, live) = boxed();
        return Verdict::Write(What::Mend(object, live), fields);
    }
    let (object, live) = boxed();
    Verdict::Write(What::Apply(object, Some(live)), fields)
}

/// Whether the namespace of an object is going: nothing is written into it any more.
pub(crate) fn is_leaving(store: &Store, namespace: &str) -> bool {
    let seen = store.get(Source::Namespaces, "", namespace);
    seen.is_some_and(Live::is_going)
}

/// A node may have had another domain: its taint goes too.
fn of_node(object: &DesiredObject, live: &Live, owner: Option<&SecurityDomain>, look: &Look) -> Verdict {
    let taint = object.body.tree().pointer_mut("/spec/taints/0").map(serde_json::Value::take);
    let words = taint.as_ref().map(inventory::taint_words);
    let before = look.taints.get(&object.id.name).into_iter().flatten();
    let without = before.filter(|it| Some(*it) != words.as_ref()).cloned().collect();
    let label = owner.map(kube::ResourceExt::name_any);
    let mark = Mark { label, taint, without };
    if node::operations(live, &mark).is_empty() {
        return Verdict::Settled;
    }
    let fields = compare(object, &live.tree()).into_iter().map(|it| it.field).collect();
    Verdict::Write(What::Node(mark, Box::new(live.clone())), fields)
}
