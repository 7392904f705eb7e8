//! RF-GPU-025: one pod in, containers that ask for GPUs by the path of a mount out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Pod;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A mount at a magic path opens GPUs to a container that asked for none.
///
/// ## What it sees
/// `volumeMounts` at or below `/var/run/nvidia-container-devices`, in every container (init and ephemeral ones too),
/// whatever the volume is and however the path is spelled. A container with a request counts too: the device plugin
/// hands its mount to the kubelet, never through a manifest. Every pod is judged, AI or not, except accelerator
/// infrastructure.
///
/// ## Why it matters for AI
/// Where the container toolkit accepts devices as volume mounts, the *path* is the request: `.../all` opens every GPU
/// of the node, `.../GPU-8f3d…` that one. An `emptyDir` is enough: no privilege, no variable, nothing that quota or
/// scheduler could count. The setting is sold as the cure for the variable (RF-GPU-005) and is only the next door.
///
/// ## Bad
/// ```yaml
/// volumeMounts:
///   - {name: none, mountPath: /var/run/nvidia-container-devices/all}
/// volumes:
///   - {name: none, emptyDir: {}}
/// ```
///
/// ## Good
/// ```yaml
/// resources:
///   limits: {nvidia.com/gpu: 1}
/// ```
///
/// ## Fix and its side effects
/// Remove the mount and ask for a GPU with a limit or a claim; the pod may then wait until one is free. Have the device
/// plugin hand devices out by CDI, or use DRA, so that neither path nor variable opens anything. Whether the toolkit of
/// a node accepts such mounts is not in a manifest, so the finding stands either way.
///
/// ## When it is unknown
/// Never: the path is written or not. A kind whose operator builds the pod cannot say it.
///
/// ## References
/// - guide: H1
/// - CNCF AI conformance: secure_accelerator_access
/// - MITRE ATT&CK: T1611
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 25),
        slug: "gpu-by-volume-mount",
        title: "container takes GPUs by the path of a mount",
        risk: "whoever controls this container reads the GPU memory of every model on its node, without privilege or variable",
        cure: "remove the mount and ask for a GPU with a limit where one is needed",
        severity: Severity::High,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "H1" },
            Reference { framework: "CNCF AI conformance", version: "", id: "secure_accelerator_access" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1611" },
        ],
    },
    check: Check::Pod(Target::AllPods, check),
};

/// The folder that the toolkit looks for. Nothing else is called so, and its name alone catches `//`, `..` and `/run`.
const FOLDER: &str = "nvidia-container-devices";

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    if pod.ai().class == WorkloadClass::AcceleratorInfra {
        return results.not_applicable();
    }
    for container in pod.containers() {
        let mounts = container.get("volumeMounts").into_iter().flat_map(Value::items);
        for at in mounts.filter_map(|mount| mount.get("mountPath")) {
            let Some((_, devices)) = at.text().and_then(|path| path.split_once(FOLDER)) else { continue };
            let hit = Hit::at(pod.object(), at, message(devices)).container(container);
            results.fail(hit);
        }
    }
}

/// `devices`: what follows the folder.
fn message(devices: &str) -> String {
    match devices.trim_matches('/') {
        "all" => "opens every GPU by the path of a mount".to_owned(),
        _ => "opens GPUs by the path of a mount".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::judged;
    use crate::testing::one_line;

    fn pod(path: &str, more: &str) -> String {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: web}}
spec:
  containers:
  - {{name: app, image: x, volumeMounts: [{{name: v, mountPath: {path}}}]{more}}}
  volumes: [{{name: v, hostPath: {{path: /dev/null}}}}]
"
        )
    }

    #[test]
    fn bad_fixture_fails_at_the_sidecar() {
        insta::assert_snapshot!(one_line("gpu-by-volume-mount", "bad"), @"HIGH RF-GPU-025 Deployment/ml/model[metrics]: opens every GPU by the path of a mount");
    }

    #[test]
    fn the_path_decides_however_it_is_spelled() {
        for (path, expected) in [
            ("/var/run/nvidia-container-devices/all", Some("opens every GPU by the path of a mount")),
            ("/var/run//nvidia-container-devices/all/", Some("opens every GPU by the path of a mount")),
            ("/run/nvidia-container-devices/0", Some("opens GPUs by the path of a mount")),
            ("/tmp/../var/run/nvidia-container-devices", Some("opens GPUs by the path of a mount")),
            ("/var/run/nvidia", None),
            ("/var/run/secrets", None),
        ] {
            let findings = judged("RF-GPU-025", &pod(path, ""));
            let said = findings.first().map(|finding| finding.message.as_str());
            assert_eq!(said, expected, "{path}");
        }
    }

    #[test]
    fn a_request_is_no_excuse_and_an_init_container_of_a_job_set_counts() {
        let asks = ", resources: {limits: {nvidia.com/gpu: 1}}";
        assert_eq!(judged("RF-GPU-025", &pod("/var/run/nvidia-container-devices/all", asks)).len(), 1);
        let findings = judged(
            "RF-GPU-025",
            "apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: j, namespace: ml}
spec:
  replicatedJobs:
  - name: workers
    template:
      spec:
        template:
          spec:
            initContainers:
            - {name: look, image: x, volumeMounts: [{name: v, mountPath: /var/run/nvidia-container-devices/all}]}
            containers:
            - {name: train, image: x, resources: {limits: {nvidia.com/gpu: 1}}}
            volumes: [{name: v, emptyDir: {}}]
",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].container.as_deref(), Some("look"));
    }

    #[test]
    fn a_device_plugin_is_not_judged() {
        let text = pod("/var/run/nvidia-container-devices", "")
            .replace("kind: Pod", "kind: Pod # of the operator")
            .replace("namespace: web", "namespace: gpu-operator")
            .replace("image: x", "image: 'nvcr.io/nvidia/k8s-device-plugin:v0.17.0'");
        assert_eq!(judged("RF-GPU-025", &text).len(), 0);
    }
}
