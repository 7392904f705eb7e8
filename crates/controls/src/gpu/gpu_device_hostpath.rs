//! RF-GPU-013: one pod in, volumes that hold the node's own GPU device files out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Pod;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;
use crate::host_path::DEVICES;
use crate::host_path::host_paths;

/// The device files of a node, mounted by path, are every tenant's GPUs at once.
///
/// ## What it sees
/// `hostPath` volumes of AI workloads at, above or below the device files of accelerators: `/dev/nvidia*`,
/// `/dev/nvidia-caps`, `/dev/dri`, `/dev/kfd`, `/dev/accel*`, `/dev/neuron*`, `/dev/davinci*`, `/dev/habanalabs*` and
/// `/proc/driver/nvidia`; so also `/dev`, `/proc` and `/`. Core kinds and custom resources; accelerator infrastructure
/// is left out. A volume that no container mounts counts.
///
/// ## Why it matters for AI
/// People mount them to "make the GPU work". The files name the cards of the whole node, whoever they were given to:
/// scheduler, quota and device plugin know nothing of it. A container without privilege is still refused by the device
/// cgroup, so the next edit is `privileged: true`, and then it reads the memory of every model on the node.
///
/// ## Bad
/// ```yaml
/// volumes:
///   - {name: gpu, hostPath: {path: /dev/nvidia0}}
/// ```
///
/// ## Good
/// ```yaml
/// containers:
///   - name: trainer
///     resources:
///       limits: {nvidia.com/gpu: 1}
/// ```
///
/// ## Fix and its side effects
/// Remove volume and mount and ask for the device (`nvidia.com/gpu`, or a claim): device plugin, CDI or DRA hand the
/// files of that one card to the container. The pod may then wait until a card is free.
///
/// ## When it is unknown
/// The path is a variable.
///
/// ## References
/// - guide: G6
/// - CNCF AI conformance: secure_accelerator_access
/// - MITRE ATT&CK: T1611
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 13),
        slug: "gpu-device-hostpath",
        title: "AI pod mounts the node's GPU device files",
        risk: "whoever controls this pod is one setting away from the GPU memory of every model on its node",
        cure: "remove the volume and ask for the device with a limit such as `nvidia.com/gpu: 1`",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G6" },
            Reference { framework: "CNCF AI conformance", version: "", id: "secure_accelerator_access" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1611" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    for volume in host_paths(pod) {
        let message = if volume.is_device() {
            "mounts GPU device files of the node"
        } else if DEVICES.iter().any(|device| volume.is_at_or_above(device)) {
            "mounts a folder with all GPU device files"
        } else if volume.is_variable() {
            results.unknown(pod.object(), Some(volume.at), "the path of this volume is a variable");
            continue;
        } else {
            continue;
        };
        results.fail(Hit::at(pod.object(), volume.at, message));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::judged;
    use crate::testing::one_line;

    fn pod(path: &str, metadata: &str) -> String {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{{metadata}}}
spec:
  containers: [{{name: c, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]
  volumes: [{{name: v, hostPath: {{path: {path}}}}}]
"
        )
    }

    fn said(path: &str) -> Option<String> {
        let findings = judged("RF-GPU-013", &pod(path, "name: p, namespace: ml"));
        findings.first().map(|finding| finding.message.clone())
    }

    #[test]
    fn bad_fixture_fails_at_the_path() {
        insta::assert_snapshot!(one_line("gpu-device-hostpath", "bad"), @"HIGH RF-GPU-013 Deployment/ml/model: mounts GPU device files of the node");
    }

    #[test]
    fn unknown_fixture_names_the_variable() {
        insta::assert_snapshot!(one_line("gpu-device-hostpath", "unknown"), @"
        UNKNOWN RF-GPU-013 Deployment/ml/model: the path of this volume is a variable
        UNKNOWN RF-RUN-011 Deployment/ml/model: the path of this volume is a variable
        ");
    }

    #[test]
    fn files_folders_above_and_other_spellings_count() {
        for path in
            ["/dev/nvidia0", "//dev/nvidiactl", "/dev/nvidia-caps/x", "/dev/dri/renderD128", "/dev/kfd"]
        {
            assert_eq!(said(path).as_deref(), Some("mounts GPU device files of the node"), "{path}");
        }
        for path in ["/dev", "/dev/", "/", "/proc", "/proc/driver"] {
            assert_eq!(said(path).as_deref(), Some("mounts a folder with all GPU device files"), "{path}");
        }
        for path in ["/dev/infiniband", "/dev/shm", "/data/dev/nvidia0", "/device", "/proc/driver2"] {
            assert_eq!(said(path), None, "{path}");
        }
    }

    #[test]
    fn a_ray_worker_counts_and_a_device_plugin_does_not() {
        let ray = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec:
  workerGroupSpecs:
  - groupName: w
    template:
      spec:
        containers: [{name: w, image: ray}]
        volumes: [{name: v, hostPath: {path: /dev/nvidia0}}]
";
        assert_eq!(judged("RF-GPU-013", ray).len(), 1);
        let plugin = pod("/dev", "name: p, namespace: gpu-operator").replace(
            "image: x, resources: {limits: {nvidia.com/gpu: 1}}",
            "image: nvcr.io/nvidia/k8s-device-plugin",
        );
        assert_eq!(judged("RF-GPU-013", &plugin).len(), 0);
    }
}
