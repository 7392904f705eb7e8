//! SecurityDomains and namespaces of a set in, which namespace belongs to which domain out: by name, by the domain's
//! selector, or by the label that its controller keeps.

use std::collections::BTreeMap;

use ringfence_inventory::Inventory;
use ringfence_inventory::ObjectId;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::label_selector;
use ringfence_inventory::yaml::Value;

/// Namespaces that belong to a domain of the set.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    of: BTreeMap<Box<str>, ObjectId>,
}

const LABEL: &str = "ringfence.dev/domain";

impl Domains {
    pub(crate) fn new(inventory: &Inventory) -> Self {
        let mut domains = Self::default();
        let mut named: BTreeMap<&str, ObjectId> = BTreeMap::new();
        for id in inventory.ids_of("ringfence.dev", "SecurityDomain") {
            let domain = inventory.object(*id);
            named.insert(&domain.name, *id);
            let Some(spec) = domain.spec() else { continue };
            let names = spec.at(&["namespaces", "names"]).into_iter().flat_map(Value::items);
            for name in names.filter_map(Value::text) {
                domains.of.insert(name.into(), *id);
            }
            let Some(selector) = spec.at(&["namespaces", "selector"]) else { continue };
            for (name, _) in inventory.namespaces.iter() {
                let selected = label_selector(selector, inventory.namespace_labels(name)) == Match::Yes;
                if let Some(name) = name.filter(|_| selected) {
                    domains.of.entry(name.into()).or_insert(*id);
                }
            }
        }
        for namespace in inventory.objects_of("", "Namespace").filter(|_| !named.is_empty()) {
            if let Some(id) = namespace.label(LABEL).and_then(|name| named.get(name)) {
                domains.of.insert(namespace.name.clone(), *id);
            }
        }
        domains
    }

    pub(crate) fn of(&self, namespace: &str) -> Option<ObjectId> {
        self.of.get(namespace).copied()
    }
}
