//! Pods of a cluster -> who enforces NetworkPolicy, as far as names and images tell: found, not proven.

use ringfence_inventory::Container;
use ringfence_inventory::Inventory;
use ringfence_inventory::yaml::Value;

/// Enforcers by a segment of the image of their agents, or by the name of the DaemonSet. Sources: the manifests of the
/// projects and of the clouds.
const AGENTS: &[(&str, &[&str], &[&str])] = &[
    ("Antrea", &["antrea-agent", "antrea-ubuntu", "antrea-ubi"], &["antrea-agent"]),
    ("AWS VPC CNI network policy agent", &["aws-network-policy-agent", "network-policy-agent"], &[]),
    ("Azure NPM", &["azure-npm"], &["azure-npm"]),
    ("Calico", &["calico/node", "calico-node"], &["calico-node", "canal"]),
    ("Cilium", &["cilium/cilium", "cilium-agent"], &["cilium"]),
    ("GKE Dataplane V2", &["anetd"], &["anetd"]),
    ("kindnet", &["kindnetd"], &["kindnet"]),
    ("kube-network-policies", &["kube-network-policies"], &["kube-network-policies"]),
    ("kube-router", &["kube-router"], &["kube-router"]),
    ("OVN-Kubernetes", &["ovn-kubernetes", "ovn-kube"], &["ovnkube-node"]),
    ("Weave Net", &["weave-kube", "weave-npc"], &["weave-net"]),
];

/// An enforcer and the object that shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Enforcer {
    pub(super) name: &'static str,
    /// `DaemonSet kube-system/calico-node`, or what else shows it.
    pub(super) seen_as: String,
}

/// Enforcers that show themselves.
pub(super) fn find(inventory: &Inventory) -> Vec<Enforcer> {
    let mut found: Vec<Enforcer> = Vec::new();
    let mut add = |name: &'static str, seen_as: String| {
        if found.iter().all(|known| known.name != name) {
            found.push(Enforcer { name, seen_as });
        }
    };
    for pod in inventory.pods() {
        let object = pod.object();
        let is_agent = object.is("apps", "DaemonSet") || object.is("", "Pod");
        if !is_agent {
            continue;
        }
        let images: Vec<String> = pod.containers().filter_map(Container::image).collect();
        for (name, segments, sets) in AGENTS {
            let by_image =
                images.iter().any(|image| segments.iter().any(|segment| has_segment(image, segment)));
            let by_name = object.is("apps", "DaemonSet") && sets.contains(&&*object.name);
            if by_image || by_name {
                let namespace = object.namespace.as_deref().unwrap_or("");
                add(name, format!("{} {namespace}/{}", object.kind, object.name));
            }
        }
    }
    for node in inventory.objects_of("", "Node") {
        let version = node.body().at(&["status", "nodeInfo", "kubeletVersion"]).and_then(Value::text);
        // k3s and RKE2 carry kube-router's controller in their own process.
        if let Some(version) = version.filter(|version| version.contains("+k3s") || version.contains("+rke2"))
        {
            add("kube-router inside k3s or RKE2", format!("Node {}, kubelet {version}", node.name));
        }
    }
    found
}

/// Whether the repository of an image ends with these segments: `quay.io/calico/node:v3` with `calico/node`.
fn has_segment(image: &str, segment: &str) -> bool {
    let image = image.split('@').next().unwrap_or(image);
    let repository = match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    };
    repository == segment || repository.ends_with(&format!("/{segment}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments_of_the_repository_count() {
        assert!(has_segment("quay.io/calico/node:v3.30.1", "calico/node"));
        assert!(has_segment("registry:5000/cilium/cilium@sha256:00", "cilium/cilium"));
        assert!(!has_segment("registry:5000/my-calico/node", "calico/node"));
        assert!(!has_segment("quay.io/calico/node-driver-registrar:v1", "calico/node"));
        assert!(has_segment("kindnetd", "kindnetd"));
    }
}
