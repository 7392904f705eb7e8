//! Room `domain`: everything that is installed once, as manifests: definition, roles of people, account and rights of the
//! controller, the controller itself. Policies are written by the controller, which knows the domains.

mod personas;
mod rights;
mod workload;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::definition::definition;
use crate::names;

pub use workload::Image;

/// What an installation needs to know.
#[derive(Clone, Debug)]
pub struct Install {
    /// Namespace of the controller.
    pub namespace: String,
    /// Image of the controller; none: the controller is not among the manifests, and runs elsewhere.
    pub image: Option<Image>,
    /// Kinds that bear pods, plural names by API group: a simulation reads their templates.
    pub workloads: BTreeMap<String, BTreeSet<String>>,
}

/// The manifests, in the order of applying.
pub fn install(install: &Install) -> Vec<Value> {
    let mut manifests = vec![definition(), namespace(&install.namespace)];
    manifests.extend(personas::roles());
    manifests.extend(rights::rights(install));
    if let Some(image) = &install.image {
        manifests.extend(workload::workload(&install.namespace, image));
    }
    manifests
}

fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/managed-by": names::MANAGED_BY,
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
        },
    })
}

/// A rule of a role.
fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}
