//! Room `inventory`: nodes, slices of devices and the pods that hand devices out -> which nodes have accelerators, how
//! many, and by what software.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::accelerator;
use crate::assemble::Inventory;
use crate::object::Object;
use crate::object::ObjectId;
use crate::pod::Container;
use crate::pod::image;
use crate::yaml::Value;

/// A node with accelerators.
#[derive(Clone, Copy, Debug)]
pub struct GpuNode<'i> {
    /// The node.
    pub object: &'i Object,
    /// Devices it has.
    pub gpus: u32,
    /// Model as its label says, else as its driver says.
    pub model: Option<&'i str>,
}

/// A program of the GPU stack, in one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuSoftware {
    /// `container toolkit`.
    pub name: &'static str,
    /// As an image tag or a label of nodes has it; none: the image is pinned by digest, or has no tag.
    pub version: Option<String>,
    /// What shows it: `DaemonSet gpu-operator/nvidia-container-toolkit-daemonset`, `2 nodes`.
    pub seen_as: String,
}

/// What one node offers, found once: every pod is asked about nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    node: ObjectId,
    gpus: u32,
    /// A slice of its devices.
    slice: Option<ObjectId>,
}

/// Labels that name the model of a node's accelerators.
const MODEL_LABELS: [&str; 3] =
    ["nvidia.com/gpu.product", "amd.com/gpu.product-name", "cloud.google.com/gke-accelerator"];

/// Last segments of image paths, as the charts of the projects have them.
const IMAGES: &[(&str, &str)] = &[
    ("amdgpu-driver", "AMD driver"),
    ("container-toolkit", "container toolkit"),
    ("gpu-operator", "GPU operator"),
    ("k8s-device-plugin", "device plugin"),
    ("k8s-dra-driver-gpu", "DRA driver"),
    ("nvidia-device-plugin", "device plugin"),
    ("nvidia-dra-driver-gpu", "DRA driver"),
];

impl Inventory {
    /// Nodes with accelerators, in source order: as extended resources of the node, or as devices of DRA.
    pub fn gpu_nodes(&self) -> impl Iterator<Item = GpuNode<'_>> {
        self.offers.iter().map(|offer| {
            let object = self.object(offer.node);
            let labelled = MODEL_LABELS.into_iter().find_map(|label| object.label(label));
            let model = labelled.or_else(|| model_of(self.object(offer.slice?)));
            GpuNode { object, gpus: offer.gpus, model }
        })
    }

    /// Programs of the GPU stack that the objects show, by name and version. What came with the image of a node shows
    /// itself nowhere.
    pub fn gpu_software(&self) -> Vec<GpuSoftware> {
        let mut found: BTreeMap<(&'static str, Option<String>), String> = BTreeMap::new();
        for pod in self.pods() {
            for image in pod.containers().filter_map(Container::image) {
                let last = image::segments(&image).next_back().unwrap_or("");
                let Some((_, name)) = IMAGES.iter().find(|(known, _)| *known == last) else { continue };
                let object = self.made_by(pod.object_id()).map_or(pod.object(), |maker| self.object(maker));
                let seen_as = format!("{} {}", object.kind, object.reference().short());
                found.entry((name, image::tag(&image).map(str::to_owned))).or_insert(seen_as);
            }
        }
        let mut drivers: BTreeMap<String, u32> = BTreeMap::new();
        for version in self.gpu_nodes().filter_map(|node| driver_of(node.object)) {
            let nodes = drivers.entry(version).or_insert(0);
            *nodes = nodes.saturating_add(1);
        }
        for (version, nodes) in drivers {
            let seen_as = format!("{nodes} node{}", if nodes == 1 { "" } else { "s" });
            found.entry(("NVIDIA driver", Some(version))).or_insert(seen_as);
        }
        let all = found.into_iter();
        all.map(|((name, version), seen_as)| GpuSoftware { name, version, seen_as }).collect()
    }

    /// Nodes with what they offer. A node that hands the same devices out in both ways has them once.
    pub(crate) fn find_gpu_nodes(&mut self) {
        let sliced = self.sliced();
        let offers = self.ids_of("", "Node").iter().filter_map(|id| {
            let object = self.object(*id);
            let extended = ["capacity", "allocatable"].into_iter().find_map(|part| {
                let list = object.body().at(&["status", part])?;
                let counts = list.entries().filter(|(name, _)| accelerator::is_accelerator(name));
                Some(counts.map(|(_, quantity)| accelerator::count(quantity)).fold(0, u32::saturating_add))
            });
            let slice = sliced.get(&*object.name);
            let devices = slice.map_or(0, |(devices, _)| *devices);
            let gpus = extended.unwrap_or(0).max(devices);
            let slice = slice.filter(|(devices, _)| *devices > 0).map(|(_, id)| *id);
            (gpus > 0).then_some(Offer { node: *id, gpus, slice })
        });
        self.offers = offers.collect();
    }

    /// Accelerators in slices, by node. Of a pool only the newest generation counts (KEP-4381).
    fn sliced(&self) -> BTreeMap<&str, (u32, ObjectId)> {
        /// Driver, pool, node.
        type Pool<'i> = (&'i str, &'i str, &'i str);
        let mut pools: BTreeMap<Pool<'_>, (i64, u32, ObjectId)> = BTreeMap::new();
        for id in self.ids_of("resource.k8s.io", "ResourceSlice") {
            let Some(spec) = self.object(*id).spec() else { continue };
            let driver = spec.str_at("driver").unwrap_or("");
            let Some(node) =
                spec.str_at("nodeName").filter(|_| accelerator::names_accelerator_driver(driver))
            else {
                continue;
            };
            let pool = spec.get("pool");
            let name = pool.and_then(|pool| pool.str_at("name")).unwrap_or("");
            let generation = pool.and_then(|pool| pool.get("generation")?.as_i64()).unwrap_or(0);
            let devices = whole_devices(spec);
            match pools.entry((driver, name, node)) {
                Entry::Vacant(free) => _ = free.insert((generation, devices, *id)),
                Entry::Occupied(mut known) if generation > known.get().0 => {
                    _ = known.insert((generation, devices, *id));
                }
                Entry::Occupied(mut known) if generation == known.get().0 => {
                    let count = &mut known.get_mut().1;
                    *count = count.saturating_add(devices);
                }
                Entry::Occupied(_) => {}
            }
        }
        let mut nodes: BTreeMap<&str, (u32, ObjectId)> = BTreeMap::new();
        for ((_, _, node), (_, devices, id)) in pools {
            let (count, _) = nodes.entry(node).or_insert((0, id));
            *count = count.saturating_add(devices);
        }
        nodes
    }
}

/// Devices of a slice. A driver that offers parts of a device beside the whole marks each by its type: then the whole
/// ones count.
fn whole_devices(spec: Value<'_>) -> u32 {
    let devices = || spec.get("devices").into_iter().flat_map(Value::items);
    let whole = devices().filter(|device| attribute(*device, "type") == Some("gpu")).count();
    u32::try_from(if whole > 0 { whole } else { devices().count() }).unwrap_or(u32::MAX)
}

fn model_of(slice: &Object) -> Option<&str> {
    let devices = slice.spec()?.get("devices")?;
    devices.items().find_map(|device| attribute(device, "productName"))
}

/// Text of an attribute; `v1beta1` has the attributes one level deeper.
fn attribute<'t>(device: Value<'t>, name: &str) -> Option<&'t str> {
    let attributes = device.get("attributes").or_else(|| device.at(&["basic", "attributes"]))?;
    attributes.at(&[name, "string"])?.text()
}

/// Version of the kernel driver, as GPU feature discovery writes it on the node: one label since v0.16, three before.
fn driver_of(node: &Object) -> Option<String> {
    if let Some(version) = node.label("nvidia.com/cuda.driver-version.full") {
        return Some(version.to_owned());
    }
    let parts = ["major", "minor", "rev"].map(|part| node.label(&format!("nvidia.com/cuda.driver.{part}")));
    let known: Vec<&str> = parts.into_iter().map_while(|part| part.filter(|part| !part.is_empty())).collect();
    (!known.is_empty()).then(|| known.join("."))
}
