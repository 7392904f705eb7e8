//! Facts that take more than one object: claims behind a pod, labels of a namespace, resources that start pods.

use std::collections::BTreeSet;

use crate::accelerator;
use crate::assemble::Inventory;
use crate::pod;
use crate::pod::Need;
use crate::pod::Pod;
use crate::selector::Labels;
use crate::yaml::Value;

impl Inventory {
    /// Labels of a namespace: its name label is the API server's, the others are known only when its object was given.
    pub fn namespace_labels<'i>(&'i self, name: Option<&'i str>) -> Labels<'i> {
        let object = self.namespaces.named(name).and_then(|namespace| namespace.object);
        Labels {
            written: object.and_then(|id| self.object(id).labels()),
            synthetic: name.map(|name| ("kubernetes.io/metadata.name", name)),
            seen: object.is_some(),
        }
    }

    /// API resources whose objects start pods: those of the table, and of other kinds in which the set has some.
    pub fn pod_resources(&self) -> Vec<PodResource> {
        let table = pod::pod_kinds().map(|(group, kind)| (group.to_owned(), kind.to_owned()));
        let others: BTreeSet<(String, String)> = self
            .pods()
            .map(Pod::object)
            .filter(|object| !pod::is_in_the_table(object.group(), &object.kind))
            .map(|object| (object.group().to_owned(), object.kind.to_string()))
            .collect();
        let all = table.chain(others);
        all.map(|(group, kind)| {
            let told = self.schemas.get(&group, &kind).map(|schema| schema.plural.to_string());
            let plural = told.filter(|plural| !plural.is_empty()).unwrap_or_else(|| pod::plural(&kind));
            PodResource { group, plural }
        })
        .collect()
    }

    /// What a container that uses the pod-level claim `name` asks for.
    pub(crate) fn claim_need(&self, pod: Pod<'_>, name: &str) -> Need {
        match self.claim_devices(pod, name) {
            None => Need::UnresolvedClaim,
            Some(0) => Need::Nothing,
            Some(_) => Need::Accelerator,
        }
    }

    /// Accelerators behind the pod-level claim `name`; none when it cannot be resolved.
    pub(crate) fn claimed_accelerators(&self, pod: Pod<'_>, name: &str) -> u32 {
        self.claim_devices(pod, name).unwrap_or(0)
    }

    /// Devices of accelerator classes that a claim asks for; None when claim or class is not in the set.
    fn claim_devices(&self, pod: Pod<'_>, name: &str) -> Option<u32> {
        let claims = pod.get("resourceClaims")?;
        let claim = claims.items().find(|claim| claim.get("name").and_then(Value::text) == Some(name))?;
        let find = |kind: &str, wanted: &str| {
            self.objects_of("resource.k8s.io", kind)
                .find(|object| &*object.name == wanted && object.namespace.as_deref() == pod.namespace())
        };
        // A template holds the claim's spec one level deeper.
        let spec = match (claim.str_at("resourceClaimName"), claim.str_at("resourceClaimTemplateName")) {
            (Some(wanted), _) => find("ResourceClaim", wanted)?.spec()?,
            (None, Some(wanted)) => find("ResourceClaimTemplate", wanted)?.body().at(&["spec", "spec"])?,
            (None, None) => return None,
        };
        let mut devices = 0_u32;
        for request in spec.at(&["devices", "requests"])?.items() {
            // v1 and v1beta2 nest under `exactly` or offer `firstAvailable`, v1beta1 writes on the request itself.
            let first = request.get("firstAvailable").and_then(|list| list.items().next());
            let asked = request.get("exactly").or(first).unwrap_or(request);
            let class = asked.str_at("deviceClassName")?;
            if self.is_accelerator_class(class)? {
                let count = asked.get("count").map_or(1, accelerator::count);
                devices = devices.saturating_add(count);
            }
        }
        Some(devices)
    }

    /// Whether a device class is one of accelerators; None when nobody says.
    fn is_accelerator_class(&self, name: &str) -> Option<bool> {
        if accelerator::names_accelerator_driver(name) {
            return Some(true);
        }
        let class = self.objects_of("resource.k8s.io", "DeviceClass").find(|object| &*object.name == name)?;
        let selectors =
            class.spec().and_then(|spec| spec.get("selectors")).into_iter().flat_map(Value::items);
        let mut expressions = selectors.filter_map(|selector| selector.at(&["cel", "expression"])?.as_str());
        Some(expressions.any(accelerator::names_accelerator_driver))
    }
}

/// An API resource whose objects start pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodResource {
    /// API group, empty for core.
    pub group: String,
    /// As rules name it: `rayclusters`.
    pub plural: String,
}
