//! Room `controls`, a shared index: which claims and snapshots hold data of AI workloads, and which class or volume
//! stands behind each. `pod -> claim -> StorageClass | PersistentVolume`, `VolumeSnapshot -> VolumeSnapshotClass`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_inventory::Inventory;
use ringfence_inventory::ModelSource;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;
use ringfence_inventory::Scope;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::yaml::NodeId;
use ringfence_inventory::yaml::Value;

/// A PersistentVolumeClaim, a template that makes one, or a VolumeSnapshot.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Object in which it is written.
    pub(crate) object: ObjectId,
    /// The value to point at when the class is meant: the one that names it, else the claim.
    pub(crate) at: NodeId,
    /// Whether it holds data of AI workloads: one mounts it, or it lives in a namespace that holds one.
    pub(crate) ai: bool,
    /// What it asks for.
    pub(crate) class: Class,
    /// PersistentVolume it names.
    pub(crate) volume: Option<Box<str>>,
}

/// Which class a claim or snapshot asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The one the cluster marks as default.
    Default,
    /// `storageClassName: ""`: an existing volume, no class.
    Nothing,
    /// By name.
    Named(Box<str>),
}

/// Who uses a class or a volume.
#[derive(Debug)]
pub(crate) enum Use<'c> {
    /// AI workloads, through these claims.
    Ai(Vec<&'c Claim>),
    /// Others only.
    Others,
    /// No claim of the set.
    Nobody,
}

/// All claims and snapshots of a set. Holds ids only, so that it can live beside borrowed indexes.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    storage: ByClass,
    snapshots: ByClass,
    /// Claims and snapshots (true) by the object in which they are written.
    by_object: BTreeMap<ObjectId, Vec<(bool, usize)>>,
    /// Claims by namespace and name.
    by_name: BTreeMap<(Option<Box<str>>, Box<str>), usize>,
    /// Claims by the volume that they name.
    by_volume: BTreeMap<Box<str>, Vec<usize>>,
    ai_namespaces: BTreeSet<Option<Box<str>>>,
    volumes: BTreeSet<Box<str>>,
    /// Whether a PersistentVolume is free to bind: no claim names it and it names none.
    has_free_volume: bool,
    /// Volumes that name the claim they are for.
    reserved: BTreeSet<(Option<Box<str>>, Box<str>)>,
}

#[derive(Debug, Default)]
struct ByClass {
    claims: Vec<Claim>,
    named: BTreeMap<Box<str>, Vec<usize>>,
    /// Of no name: they get a default class.
    unnamed: Vec<usize>,
    classes: BTreeSet<Box<str>>,
    has_default: bool,
}

const SNAPSHOT: &str = "snapshot.storage.k8s.io";

impl Claims {
    /// Indexes a set.
    pub(crate) fn new(inventory: &Inventory) -> Self {
        let mut all = Self::default();
        let ai_namespaces = inventory.namespaces.iter().filter(|(_, one)| inventory.is_ai_namespace(one));
        all.ai_namespaces = ai_namespaces.map(|(name, _)| name.map(Box::from)).collect();
        all.storage.classes("storage.k8s.io", "StorageClass", inventory);
        all.snapshots.classes(SNAPSHOT, "VolumeSnapshotClass", inventory);
        let mounted = mounted(inventory);
        for id in inventory.ids_of("", "PersistentVolumeClaim") {
            let object = inventory.object(*id);
            let key = (object.namespace.clone(), object.name.clone());
            let ai = all.ai_namespaces.contains(&key.0) || mounted.contains(&key);
            let index = all.add(*id, object.body(), ai);
            all.by_name.insert(key, index);
        }
        let mut seen = BTreeSet::new();
        for pod in inventory.pods() {
            let ai = is_ai(pod) || all.ai_namespaces.contains(&pod.namespace().map(Box::from));
            let of_object = if seen.insert(pod.object_id()) { templates(pod.object()) } else { Vec::new() };
            let ephemeral =
                pod.volumes().filter_map(|volume| volume.at(&["ephemeral", "volumeClaimTemplate"]));
            for template in of_object.into_iter().chain(ephemeral) {
                all.add(pod.object_id(), template, ai);
            }
        }
        for id in inventory.ids_of(SNAPSHOT, "VolumeSnapshot") {
            all.add_snapshot(*id, inventory.object(*id));
        }
        for volume in inventory.objects_of("", "PersistentVolume") {
            all.volumes.insert(volume.name.clone());
            match reserved_for(volume) {
                Some(key) => {
                    all.reserved.insert(key);
                }
                None => all.has_free_volume |= !all.by_volume.contains_key(&volume.name),
            }
        }
        all
    }

    fn add(&mut self, object: ObjectId, claim: Value<'_>, ai: bool) -> usize {
        let spec = claim.get("spec").unwrap_or(claim);
        // An empty text and an absent field differ; a null is absent.
        let legacy = claim.at(&["metadata", "annotations"]);
        let legacy = legacy.and_then(|all| all.get("volume.beta.kubernetes.io/storage-class"));
        let class = spec.get("storageClassName").or(legacy);
        let volume = spec.get("volumeName").and_then(Value::text).filter(|name| !name.is_empty());
        let volume: Option<Box<str>> = volume.map(Box::from);
        let at = class.unwrap_or(claim).id();
        let (class, by_volume) = (class_of(class), volume.clone());
        let index = self.storage.add(Claim { object, at, ai, class, volume });
        self.by_object.entry(object).or_default().push((false, index));
        if let Some(volume) = by_volume {
            self.by_volume.entry(volume).or_default().push(index);
        }
        index
    }

    fn add_snapshot(&mut self, id: ObjectId, object: &Object) {
        let class = object.spec().and_then(|spec| spec.get("volumeSnapshotClassName"));
        let source = object.body().at(&["spec", "source", "persistentVolumeClaimName"]);
        let of_ai = source.and_then(Value::text).and_then(|name| {
            let index = self.by_name.get(&(object.namespace.clone(), Box::from(name)))?;
            Some(self.storage.claims.get(*index)?.ai)
        });
        let ai = of_ai.unwrap_or(false) || self.ai_namespaces.contains(&object.namespace);
        let at = class.unwrap_or(object.body()).id();
        let index = self.snapshots.add(Claim { object: id, at, ai, class: class_of(class), volume: None });
        self.by_object.entry(id).or_default().push((true, index));
    }

    /// Who uses a StorageClass or a VolumeSnapshotClass.
    pub(crate) fn use_of_class(&self, class: &Object) -> Use<'_> {
        let all = if class.group() == SNAPSHOT { &self.snapshots } else { &self.storage };
        let named = all.named.get(&class.name).map_or(&[][..], Vec::as_slice);
        let unnamed = if is_default(class) { all.unnamed.as_slice() } else { &[] };
        sort(named.iter().chain(unnamed).filter_map(|index| all.claims.get(*index)))
    }

    /// Who uses a PersistentVolume: the claim that it names, else those that name it.
    pub(crate) fn use_of_volume(&self, volume: &Object) -> Use<'_> {
        if let Some(key) = reserved_for(volume) {
            let claim = self.by_name.get(&key).and_then(|index| self.storage.claims.get(*index));
            return match claim {
                Some(claim) => sort(std::iter::once(claim)),
                // Its claim is not in the set; the namespace tells whose it is.
                None if self.ai_namespaces.contains(&key.0) => Use::Ai(Vec::new()),
                None => Use::Others,
            };
        }
        let claims = self.by_volume.get(&volume.name).map_or(&[][..], Vec::as_slice);
        sort(claims.iter().filter_map(|index| self.storage.claims.get(*index)))
    }

    /// Claims and snapshots written in an object.
    pub(crate) fn of_object(&self, id: ObjectId) -> impl Iterator<Item = &Claim> {
        self.by_object.get(&id).into_iter().flatten().filter_map(|(snapshot, index)| {
            let all = if *snapshot { &self.snapshots } else { &self.storage };
            all.claims.get(*index)
        })
    }

    /// The fact without which nobody can say what stands behind a claim; None: it is in the set.
    pub(crate) fn missing(&self, claim: &Claim, object: &Object) -> Option<String> {
        let snapshot = object.group() == SNAPSHOT;
        let (all, kind) =
            if snapshot { (&self.snapshots, "VolumeSnapshotClass") } else { (&self.storage, "StorageClass") };
        if let Some(volume) = &claim.volume {
            let given = self.volumes.contains(volume);
            return (!given).then(|| format!("PersistentVolume {volume} is not in the set"));
        }
        let key = (object.namespace.clone(), object.name.clone());
        match &claim.class {
            _ if !snapshot && self.reserved.contains(&key) => None,
            Class::Named(name) if all.classes.contains(name) => None,
            Class::Named(name) => Some(format!("{kind} {name} is not in the set")),
            Class::Default if all.has_default => None,
            Class::Default => Some(format!("no default {kind} is in the set")),
            Class::Nothing if self.has_free_volume => None,
            Class::Nothing => Some("the PersistentVolume that it binds is not in the set".to_owned()),
        }
    }
}

impl ByClass {
    fn classes(&mut self, group: &str, kind: &str, inventory: &Inventory) {
        for class in inventory.objects_of(group, kind) {
            self.classes.insert(class.name.clone());
            self.has_default |= is_default(class);
        }
    }

    fn add(&mut self, claim: Claim) -> usize {
        let index = self.claims.len();
        match &claim.class {
            Class::Default => self.unnamed.push(index),
            Class::Nothing => {}
            Class::Named(name) => self.named.entry(name.clone()).or_default().push(index),
        }
        self.claims.push(claim);
        index
    }
}

fn class_of(value: Option<Value<'_>>) -> Class {
    match value.and_then(Value::text) {
        None => Class::Default,
        Some("") => Class::Nothing,
        Some(name) => Class::Named(name.into()),
    }
}

fn sort<'c>(claims: impl Iterator<Item = &'c Claim>) -> Use<'c> {
    let (ai, others): (Vec<_>, Vec<_>) = claims.partition(|claim| claim.ai);
    match (ai.is_empty(), others.is_empty()) {
        (false, _) => Use::Ai(ai),
        (true, false) => Use::Others,
        (true, true) => Use::Nobody,
    }
}

fn is_default(class: &Object) -> bool {
    [
        "snapshot.storage.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
        "storageclass.kubernetes.io/is-default-class",
    ]
    .into_iter()
    .any(|key| class.annotation(key) == Some("true"))
}

fn is_ai(pod: Pod<'_>) -> bool {
    pod.ai().scope >= Scope::Medium && pod.ai().class != WorkloadClass::AcceleratorInfra
}

/// Namespace and name of the claims that AI workloads mount or load models from.
fn mounted(inventory: &Inventory) -> BTreeSet<(Option<Box<str>>, Box<str>)> {
    let mut names = BTreeSet::new();
    for pod in inventory.pods().filter(|pod| is_ai(*pod)) {
        let volumes = pod.volumes();
        let by_volume =
            volumes.filter_map(|volume| volume.at(&["persistentVolumeClaim", "claimName"])?.text());
        let models = pod.ai().models.iter().filter(|model| model.source == ModelSource::Pvc);
        let by_model = models.filter_map(|model| model.name.strip_prefix("pvc://")?.split('/').next());
        let namespace: Option<Box<str>> = pod.namespace().map(Box::from);
        names.extend(by_volume.chain(by_model).map(|name| (namespace.clone(), Box::from(name))));
    }
    names
}

/// Templates from which the kind makes claims beside its pods (StatefulSet, Argo Workflow).
fn templates(object: &Object) -> Vec<Value<'_>> {
    let places = [&["spec", "volumeClaimTemplates"][..], &["spec", "workflowSpec", "volumeClaimTemplates"]];
    let found = places.into_iter().filter_map(|place| object.body().at(place));
    found.flat_map(Value::items).collect()
}

/// The claim that a volume is bound to or kept for.
fn reserved_for(volume: &Object) -> Option<(Option<Box<str>>, Box<str>)> {
    let claim = volume.body().at(&["spec", "claimRef"])?;
    Some((claim.str_at("namespace").map(Box::from), claim.str_at("name")?.into()))
}
