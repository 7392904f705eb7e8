//! Findings -> the verdict on the door, and what stands open in dollars.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_finding::Assessment;
use ringfence_finding::ControlId;
use ringfence_finding::Door;
use ringfence_finding::Exposure;
use ringfence_finding::Family;
use ringfence_finding::Found;
use ringfence_finding::GpuPool;
use ringfence_finding::Outcome;
use ringfence_finding::PricedGpus;
use ringfence_finding::ResourceRef;
use ringfence_finding::Severity;
use ringfence_finding::Workload;
use ringfence_inventory::Inventory;
use ringfence_inventory::Pod;
use ringfence_inventory::Scope;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::selector::Labels;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::match_labels;

use crate::engine::Judgement;
use crate::prices::PriceTable;

/// The door is judged at high and above, whatever the threshold of the exit code.
const DOOR: Severity = Severity::High;

/// Judges the set as a whole.
pub fn assess(inventory: &Inventory, judgement: &Judgement, prices: &PriceTable) -> Assessment {
    let findings = &judgement.findings;
    let door = if findings.iter().any(|finding| finding.fails_at(DOOR)) {
        Door::Open
    } else if inventory.coverage.is_incomplete()
        || findings.iter().any(|finding| finding.outcome == Outcome::Error)
    {
        Door::NotProvenClosed
    } else {
        Door::Closed
    };
    Assessment {
        door,
        exposure: exposure(inventory, judgement, prices),
        families: judgement.families.clone(),
    }
}

/// Counts what was found, before any judgement but that on keys.
pub fn found(inventory: &Inventory, judgement: &Judgement) -> Found {
    let mut models = BTreeSet::new();
    for pod in inventory.pods().filter(|pod| pod.ai().scope >= Scope::Medium) {
        models.extend(pod.ai().models.iter().map(|model| (&model.name, &model.revision)));
    }
    let workloads = workloads(inventory);
    let length = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let count = |holds: &dyn Fn(Scope, WorkloadClass) -> bool| {
        length(workloads.values().filter(|seen| holds(seen.scope, seen.class)).count())
    };
    let judged = |scope, class| scope >= Scope::Medium && class != WorkloadClass::AcceleratorInfra;
    let literal_key = ControlId::new(Family::Sec, 1);
    let keys =
        judgement.findings.iter().filter(|one| one.control == literal_key && one.outcome == Outcome::Fail);
    let mut gpus: BTreeMap<Option<&str>, u64> = BTreeMap::new();
    for node in inventory.gpu_nodes() {
        let pool = gpus.entry(node.model).or_insert(0);
        *pool = pool.saturating_add(u64::from(node.gpus));
    }
    Found {
        ai_workloads: count(&judged),
        ai_maybe: count(&|scope, class| scope == Scope::Low && class != WorkloadClass::AcceleratorInfra),
        agents: count(&|scope, class| judged(scope, class) && class == WorkloadClass::Agent),
        gpu_nodes: length(inventory.gpu_nodes().count()),
        gpus: gpus
            .into_iter()
            .map(|(model, gpus)| GpuPool { model: model.map(str::to_owned), gpus })
            .collect(),
        models: length(models.len()),
        keys: length(keys.count()),
        workloads: workloads.into_iter().map(|(resource, seen)| seen.told(resource)).collect(),
    }
}

/// What the pods of one workload say together.
#[derive(Default)]
struct Seen {
    scope: Scope,
    class: WorkloadClass,
    reasons: Vec<String>,
    gpus: u64,
}

impl Seen {
    fn told(self, resource: ResourceRef) -> Workload {
        let Self { scope, class, reasons, gpus } = self;
        Workload { resource, scope: scope.as_str(), class: class.as_str(), reasons, gpus }
    }
}

/// Workloads as somebody applied them, AI or perhaps AI, and accelerator infrastructure; the surest pod speaks first.
fn workloads(inventory: &Inventory) -> BTreeMap<ResourceRef, Seen> {
    let mut workloads: BTreeMap<ResourceRef, Seen> = BTreeMap::new();
    for pod in inventory.pods() {
        let ai = pod.ai();
        if ai.scope == Scope::No && ai.class != WorkloadClass::AcceleratorInfra {
            continue;
        }
        // Pods of a dump count as the workload that made them, and its template as their number.
        let maker = inventory.made_by(pod.root().id);
        let workload = maker.map_or(pod.root(), |maker| inventory.object(maker));
        let seen = workloads.entry(inventory.reference(workload)).or_default();
        if ai.scope > seen.scope || seen.reasons.is_empty() {
            (seen.scope, seen.class) = (ai.scope, ai.class);
            seen.reasons.splice(0..0, ai.reasons.iter().cloned());
        } else {
            seen.reasons.extend(ai.reasons.iter().cloned());
        }
        let mut told = BTreeSet::new();
        seen.reasons.retain(|reason| told.insert(reason.clone()));
        if maker.is_none() {
            let gpus = u64::from(pod.accelerators()).saturating_mul(u64::from(pod.replicas()));
            seen.gpus = seen.gpus.saturating_add(gpus);
        }
    }
    workloads
}

/// GPUs of workloads and nodes that a failing critical or high control names, each counted once.
fn exposure(inventory: &Inventory, judgement: &Judgement, prices: &PriceTable) -> Exposure {
    let mut named: BTreeSet<ResourceRef> = BTreeSet::new();
    for finding in judgement.findings.iter().filter(|finding| finding.fails_at(DOOR)) {
        named.extend(finding.resource.clone());
        named.extend(finding.evidence.iter().map(|evidence| evidence.resource.clone()));
    }
    for (id, object) in inventory.objects() {
        // A door that a running pod opens, but not its template, exposes the workload all the same.
        if let Some(maker) = inventory.made_by(id).filter(|_| named.contains(&inventory.reference(object))) {
            named.insert(inventory.reference(inventory.object(maker)));
        }
    }
    // By model: GPUs of exposed nodes, of exposed workloads, and of all nodes.
    let mut pools: BTreeMap<Option<String>, Pool> = BTreeMap::new();
    let mut has_nodes = false;
    for node in inventory.gpu_nodes() {
        has_nodes = true;
        let pool = pools.entry(node.model.map(str::to_owned)).or_default();
        let gpus = u64::from(node.gpus);
        pool.all = pool.all.saturating_add(gpus);
        if named.contains(&inventory.reference(node.object)) {
            pool.nodes = pool.nodes.saturating_add(gpus);
        }
    }
    let mut requested = 0_u64;
    for pod in inventory.pods().filter(|pod| inventory.made_by(pod.object_id()).is_none()) {
        let gpus = u64::from(pod.accelerators()).saturating_mul(u64::from(pod.replicas()));
        // A runtime's GPUs are those of the services and jobs built on it, where they say how many.
        let users = inventory.joins().users(pod.object_id()).iter();
        if users.flat_map(|user| inventory.pods_of(*user)).any(|pod| pod.accelerators() > 0) {
            continue;
        }
        requested = requested.saturating_add(gpus);
        let is_named =
            [pod.object(), pod.root()].into_iter().any(|object| named.contains(&inventory.reference(object)));
        if gpus > 0 && is_named {
            let pool = pools.entry(model_of(inventory, pod)).or_default();
            pool.workloads = pool.workloads.saturating_add(gpus);
        }
    }
    let mut exposed = Vec::new();
    let mut dollars_per_hour = 0.0;
    for (model, pool) in pools {
        // Which node a workload lands on is not known: its GPUs may be among those of the exposed nodes, so the larger
        // figure counts, not the sum; and never more than there are.
        let cap = if has_nodes && pool.all > 0 { pool.all } else { u64::MAX };
        let gpus = pool.nodes.max(pool.workloads).min(cap);
        if gpus == 0 {
            continue;
        }
        let row = model.as_deref().and_then(|model| prices.price(model));
        let dollars_per_gpu_hour = row.map(|(_, dollars)| dollars);
        #[expect(clippy::cast_precision_loss, reason = "numbers of GPUs are far below 2^52")]
        if let Some(dollars) = dollars_per_gpu_hour {
            dollars_per_hour += dollars * gpus as f64;
        }
        let model = row.map(|(name, _)| name.to_owned()).or(model);
        exposed.push(PricedGpus { model, gpus, dollars_per_gpu_hour });
    }
    exposed.sort_by(|left, right| {
        (left.dollars_per_gpu_hour.is_none(), &left.model)
            .cmp(&(right.dollars_per_gpu_hour.is_none(), &right.model))
    });
    let of_nodes = inventory.gpu_nodes().map(|node| u64::from(node.gpus)).sum();
    Exposure {
        exposed,
        total_gpus: if has_nodes { of_nodes } else { requested },
        dollars_per_hour,
        prices_date: prices.date.clone(),
    }
}

#[derive(Default)]
struct Pool {
    nodes: u64,
    workloads: u64,
    all: u64,
}

/// Model of the GPUs a pod gets: what its node selector says, else what all nodes it may run on share.
fn model_of(inventory: &Inventory, pod: Pod<'_>) -> Option<String> {
    let selector = pod.get("nodeSelector");
    if let Some(product) = selector.and_then(|selector| selector.get("nvidia.com/gpu.product")?.text()) {
        return Some(product.to_owned());
    }
    let mut models = BTreeSet::new();
    for node in inventory.gpu_nodes() {
        let fits =
            selector.map_or(Match::Yes, |pairs| match_labels(pairs, Labels::written(node.object.labels())));
        if fits != Match::No {
            models.insert(node.model);
        }
    }
    match models.len() {
        1 => models.pop_first().flatten().map(str::to_owned),
        _ => None,
    }
}
