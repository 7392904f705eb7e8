//! Accelerator infrastructure: device plugins, drivers, toolkits, exporters. They are legitimately privileged, so the
//! answer must not be cheap to fake: two signs, at least one of which names the software.

use super::ai::of_image;
use super::ai::of_words;
use super::ai::owners;
use super::container::Container;
use super::container::Need;
use super::container::Role;
use super::image;
use super::view::Pod;

/// Objects whose operator builds accelerator infrastructure.
const OWNERS: &[(&str, &str)] =
    &[("nvidia.com", "ClusterPolicy"), ("nvidia.com", "NVIDIADriver"), ("nvidia.com", "GPUCluster")];

/// Charts, as `app.kubernetes.io/name` or the start of `helm.sh/chart` has them.
const CHARTS: &[&str] = &[
    "amd-gpu-operator",
    "dcgm-exporter",
    "gpu-feature-discovery",
    "gpu-operator",
    "gpu-operator-charts",
    "intel-device-plugins-operator",
    "node-feature-discovery",
    "nvidia-device-plugin",
    "nvidia-dra-driver-gpu",
];

/// Last segments of image paths.
const IMAGES: &[&str] = &[
    "amdgpu-driver",
    "cc-manager",
    "container-toolkit",
    "dcgm",
    "dcgm-exporter",
    "gpu-feature-discovery",
    "gpu-operator",
    "gpu-operator-validator",
    "intel-gpu-plugin",
    "k8s-cc-manager",
    "k8s-device-plugin",
    "k8s-dra-driver-gpu",
    "k8s-driver-manager",
    "k8s-kata-manager",
    "k8s-mig-manager",
    "kubevirt-gpu-device-plugin",
    "neuron-device-plugin",
    "node-feature-discovery",
    "nvidia-device-plugin",
    "nvidia-dra-driver-gpu",
    "nvidia-gpu-device-plugin",
    "nvidia-sandbox-device-plugin",
    "tpu-device-plugin",
    "vgpu-device-manager",
    "vgpu-manager",
];

/// Whether the pod is one.
pub(super) fn is_infrastructure(pod: Pod<'_>) -> bool {
    let is_owner = |group: &str, kind: &str| OWNERS.contains(&(group, kind));
    // The operator's own configuration object: what it lists is built by the operator and nothing else.
    if is_owner(pod.object().group(), &pod.object().kind) {
        return true;
    }
    let named_by_owner = pod.chain().any(|object| owners(object).any(|(group, kind)| is_owner(group, kind)))
        || has_chart_label(pod);
    // Beside a known image anything could run: all that keep running must be known.
    let mut main = pod.containers().filter(|container| container.role != Role::Init).peekable();
    let named_by_image = main.peek().is_some() && main.all(is_known);
    // Infrastructure hands devices out. What takes one, or serves and trains, is a workload whatever it is called.
    if pod.containers().any(is_workload) {
        return false;
    }
    let signs = [named_by_owner, named_by_image, is_daemon_set(pod), is_operator_namespace(pod.namespace())];
    (named_by_owner || named_by_image) && signs.into_iter().filter(|sign| *sign).count() >= 2
}

/// Whether its image is one of the table.
fn is_known(container: Container<'_>) -> bool {
    container.image().is_some_and(|image| {
        let last = image::segments(&image).next_back().unwrap_or("");
        IMAGES.contains(&last) || (last == "driver" && image::path(&image).starts_with("nvidia/"))
    })
}

/// Whether a container takes an accelerator (validators of the operator may: they try one out) or runs a model.
fn is_workload(container: Container<'_>) -> bool {
    let image = container.image().unwrap_or_default();
    let tries = image::segments(&image).next_back().is_some_and(|last| last == "gpu-operator-validator");
    (container.accelerator_need() == Need::Accelerator && !tries)
        || of_words(&container.words(), &image).is_some()
        || (!is_known(container) && of_image(&image).is_some())
}

fn has_chart_label(pod: Pod<'_>) -> bool {
    let known = |text: &str, whole: bool| {
        CHARTS.iter().any(|chart| {
            text == *chart
                || (!whole
                    && text.strip_prefix(chart).is_some_and(|version| {
                        version
                            .strip_prefix("-v")
                            .or(version.strip_prefix('-'))
                            .is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
                    }))
        })
    };
    let mut objects = pod.chain();
    let on_pod = |key: &str| pod.label(key);
    objects.any(|object| {
        object.label("app.kubernetes.io/name").is_some_and(|name| known(name, true))
            || object.label("helm.sh/chart").is_some_and(|chart| known(chart, false))
    }) || on_pod("app.kubernetes.io/name").is_some_and(|name| known(name, true))
        || on_pod("app.kubernetes.io/managed-by").is_some_and(|name| name == "gpu-operator")
}

fn is_daemon_set(pod: Pod<'_>) -> bool {
    pod.chain().any(|object| {
        object.is("apps", "DaemonSet") || owners(object).any(|owner| owner == ("apps", "DaemonSet"))
    })
}

fn is_operator_namespace(namespace: Option<&str>) -> bool {
    namespace.is_some_and(|name| {
        matches!(name, "gpu-operator" | "kube-system" | "node-feature-discovery" | "kube-amd-gpu")
            || name.starts_with("nvidia-")
    })
}
