//! A set in, which Secrets a manager makes out: by what makes them, and by the marks that it leaves on them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::label_selector;
use ringfence_inventory::yaml::Value;

/// Secrets by namespace and name.
pub(crate) struct Origins<'i> {
    made: BTreeSet<(Option<&'i str>, &'i str)>,
    plain: BTreeMap<(Option<&'i str>, &'i str), &'i Object>,
}

const ESO: &str = "external-secrets.io";

impl<'i> Origins<'i> {
    pub(crate) fn new(inventory: &'i Inventory) -> Self {
        let mut origins = Self { made: BTreeSet::new(), plain: BTreeMap::new() };
        // Filled by an ExternalSecret that makes none.
        let mut merged = BTreeSet::new();
        let mut make = |object: &'i Object, name: Option<&'i str>| {
            origins.made.extend(name.map(|name| (object.namespace.as_deref(), name)));
        };
        for object in inventory.objects_of(ESO, "ExternalSecret") {
            make(object, object.spec().and_then(|spec| target(spec, &object.name)));
            let filled = object.spec().and_then(|spec| merges_into(spec, &object.name));
            merged.extend(filled.map(|name| (object.namespace.as_deref(), name)));
        }
        for kind in ["VaultDynamicSecret", "VaultStaticSecret"] {
            for object in inventory.objects_of("secrets.hashicorp.com", kind) {
                make(object, object.spec().and_then(|spec| spec.at(&["destination", "name"])?.text()));
            }
        }
        for object in inventory.objects_of("onepassword.com", "OnePasswordItem") {
            make(object, Some(&object.name));
        }
        for object in inventory.objects_of("bitnami.com", "SealedSecret") {
            make(object, Some(&object.name));
        }
        for object in inventory.objects_of("cert-manager.io", "Certificate") {
            make(object, object.spec().and_then(|spec| spec.get("secretName")?.text()));
        }
        for object in inventory.objects_of("secrets-store.csi.x-k8s.io", "SecretProviderClass") {
            let secrets = object.spec().and_then(|spec| spec.get("secretObjects"));
            for secret in secrets.into_iter().flat_map(Value::items) {
                make(object, secret.get("secretName").and_then(Value::text));
            }
        }
        for object in inventory.objects_of(ESO, "ClusterExternalSecret") {
            origins.add_everywhere(inventory, object);
        }
        for secret in inventory.objects_of("", "Secret") {
            let key = (secret.namespace.as_deref(), &*secret.name);
            if is_marked(secret) {
                origins.made.insert(key);
            } else if is_written(secret) {
                // Whoever else makes one of that name: this value was typed.
                origins.made.remove(&key);
                origins.plain.insert(key, secret);
            } else if merged.contains(&key) {
                origins.made.insert(key);
            } else {
                origins.plain.insert(key, secret);
            }
        }
        origins
    }

    /// One ExternalSecret in each namespace that it names or selects.
    fn add_everywhere(&mut self, inventory: &'i Inventory, object: &'i Object) {
        let Some(spec) = object.spec() else { return };
        let name = spec.get("externalSecretName").and_then(Value::text).unwrap_or(&object.name);
        let Some(name) = spec.get("externalSecretSpec").and_then(|spec| target(spec, name)) else { return };
        let named = spec.get("namespaces").into_iter().flat_map(Value::items).filter_map(Value::text);
        self.made.extend(named.map(|namespace| (Some(namespace), name)));
        let many = spec.get("namespaceSelectors").into_iter().flat_map(Value::items);
        for selector in many.chain(spec.get("namespaceSelector")) {
            for (namespace, _) in inventory.namespaces.iter() {
                if label_selector(selector, inventory.namespace_labels(namespace)) == Match::Yes {
                    self.made.insert((namespace, name));
                }
            }
        }
    }

    /// Whether a manager makes it.
    pub(crate) fn has(&self, namespace: Option<&str>, name: &str) -> bool {
        self.made.contains(&(namespace, name))
    }

    /// One of the set that bears no mark of a manager.
    pub(crate) fn plain(&self, namespace: Option<&str>, name: &str) -> Option<&'i Object> {
        self.plain.get(&(namespace, name)).copied()
    }
}

/// The Secret that an ExternalSecret makes; with the policies `Merge` and `None` it makes none.
fn target<'i>(spec: Value<'i>, name: &'i str) -> Option<&'i str> {
    (!matches!(policy(spec), Some("Merge" | "None"))).then(|| target_name(spec, name))
}

/// The Secret of somebody else that an ExternalSecret adds its values to.
fn merges_into<'i>(spec: Value<'i>, name: &'i str) -> Option<&'i str> {
    (policy(spec) == Some("Merge")).then(|| target_name(spec, name))
}

fn policy(spec: Value<'_>) -> Option<&str> {
    spec.at(&["target", "creationPolicy"])?.text()
}

fn target_name<'i>(spec: Value<'i>, name: &'i str) -> &'i str {
    spec.at(&["target", "name"]).and_then(Value::text).unwrap_or(name)
}

/// Whether a file says what is in it; in a cluster a manager may have written that.
fn is_written(secret: &Object) -> bool {
    let parts = ["data", "stringData"].into_iter().filter_map(|part| secret.body().get(part));
    !secret.is_of_cluster() && parts.flat_map(Value::entries).next().is_some()
}

/// Owners, and the labels and annotations of External Secrets, the CSI driver for secret stores and cert-manager.
fn is_marked(secret: &Object) -> bool {
    let metadata = secret.body().get("metadata");
    let owned = metadata.and_then(|metadata| metadata.get("ownerReferences"));
    let labels = secret.labels().into_iter().flat_map(Value::entries);
    let mut labels = labels.map(|(key, _)| key);
    owned.is_some_and(|owners| owners.items().next().is_some())
        || labels.any(|key| {
            key.starts_with("reconcile.external-secrets.io/") || key == "secrets-store.csi.k8s.io/managed"
        })
        || secret.annotation("cert-manager.io/certificate-name").is_some()
}
