//! RF-RUN-011: one pod in, volumes that hold folders of the node out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Pod;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;
use crate::host_path::HostPath;
use crate::host_path::host_paths;

/// A folder of the node in a pod is a hole in the pod, as wide as the folder.
///
/// ## What it sees
/// `hostPath` volumes of AI workloads, in core kinds and custom resources. High: `/`, `/etc`, `/home`, `/usr`, and at,
/// above or below `/root`, `/boot`, `/dev`, `/proc`, `/sys`, `/run`, `/var/log`, `/var/lib/kubelet`, the data of
/// container runtimes and etcd, and the folders of `/etc` that hold keys and what runs as root. Every other path is
/// medium (`/data`, `/mnt`). The clock's zone and `/lib/modules` pass when every mount is read-only; device files of
/// GPUs are the matter of RF-GPU-013. Accelerator infrastructure is left out. A volume that no container mounts counts.
///
/// ## Why it matters for AI
/// It is the short way to share a dataset or a model cache. The folder belongs to the node, so to everybody on it: the
/// next tenant reads the data, exchanges the cached weights, and neither quota nor deletion reaches it. With `/etc`,
/// `/root` or `/var/lib/kubelet` a poisoned model reads the kubelet's credentials and every token mounted on the node.
///
/// ## Bad
/// ```yaml
/// volumes:
///   - {name: host, hostPath: {path: /var/lib/kubelet}}
/// ```
///
/// ## Good
/// ```yaml
/// volumes:
///   - {name: data, persistentVolumeClaim: {claimName: tickets, readOnly: true}}
/// ```
///
/// ## Fix and its side effects
/// Put data on a claim, models into an image volume, caches into an `emptyDir` with a `sizeLimit` or a local
/// PersistentVolume, logs on standard output. What lay on the node stays there and has to be erased by hand.
///
/// ## When it is unknown
/// The path is a variable.
///
/// ## References
/// - CIS Kubernetes 2.0.1: 5.2.12
/// - Pod Security Standards: baseline, hostPath volumes
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Run, 11),
        slug: "sensitive-hostpath",
        title: "AI pod mounts a folder of its node",
        risk: "code in this pod reads and changes what belongs to the node: credentials, logs, other teams' data",
        cure: "use a claim, an image volume or an `emptyDir` with a `sizeLimit` in place of `hostPath`",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.2.12" }],
    },
    check: Check::Pod(Target::AiPods, check),
};

/// Whatever lies at, above or below.
const SENSITIVE: &[&str] = &[
    "/boot",
    "/dev",
    "/etc/cni",
    "/etc/containerd",
    "/etc/cron.d",
    "/etc/kubernetes",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/sudoers",
    "/etc/systemd",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/log",
];

/// Only whole, or with a folder above: single files below them are ordinary.
const WHOLE: &[&str] = &["/etc", "/home", "/usr"];

/// What may be read.
const READABLE: &[&str] = &["/etc/localtime", "/etc/timezone", "/lib/modules", "/usr/share/zoneinfo"];

/// Longest path shown beside the object's name.
const MAX_PATH: usize = 28;

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    for volume in host_paths(pod) {
        if volume.is_device() {
            continue;
        }
        if volume.is_variable() {
            results.unknown(pod.object(), Some(volume.at), "the path of this volume is a variable");
            continue;
        }
        if READABLE.iter().any(|path| volume.is_at_or_below(path)) && is_read_only(pod, &volume) {
            continue;
        }
        let message = if volume.path.len() > MAX_PATH {
            "mounts a folder of its node".to_owned()
        } else {
            format!("mounts {} of its node", volume.path)
        };
        let hit = Hit::at(pod.object(), volume.at, message);
        results.fail(if is_sensitive(&volume) { hit } else { hit.severity(CONTROL.meta.severity.lowered()) });
    }
}

fn is_sensitive(volume: &HostPath<'_>) -> bool {
    SENSITIVE.iter().any(|path| volume.is_at_or_above(path) || volume.is_at_or_below(path))
        || WHOLE.iter().any(|path| volume.is_at_or_above(path))
}

/// Whether no container may write it.
fn is_read_only(pod: Pod<'_>, volume: &HostPath<'_>) -> bool {
    let mounts = pod
        .containers()
        .flat_map(|container| container.get("volumeMounts").into_iter().flat_map(Value::items))
        .filter(|mount| mount.str_at("name") == Some(volume.volume));
    mounts.map(|mount| mount.get("readOnly").and_then(Value::means_bool)).all(|only| only == Some(true))
}

#[cfg(test)]
mod tests {
    use crate::testing::judged;
    use crate::testing::one_line;

    fn said(path: &str, mount: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: ml}}
spec:
  containers:
  - {{name: c, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}, volumeMounts: [{{name: v, mountPath: /v{mount}}}]}}
  volumes: [{{name: v, hostPath: {{path: '{path}'}}}}]
"
        );
        let findings = judged("RF-RUN-011", &text).into_iter();
        findings.map(|finding| format!("{} {}", finding.severity, finding.message)).collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_path() {
        insta::assert_snapshot!(one_line("sensitive-hostpath", "bad"), @"HIGH RF-RUN-011 Deployment/ml/model: mounts /var/lib/kubelet of its node");
    }

    #[test]
    fn unknown_fixture_names_the_variable() {
        insta::assert_snapshot!(one_line("sensitive-hostpath", "unknown"), @"
        UNKNOWN RF-GPU-013 Deployment/ml/model: the path of this volume is a variable
        UNKNOWN RF-RUN-011 Deployment/ml/model: the path of this volume is a variable
        ");
    }

    #[test]
    fn folders_count_by_what_lies_in_them() {
        for (path, severity) in [
            ("/", "high"),
            ("/etc", "high"),
            ("/etc/kubernetes/pki", "high"),
            ("/var", "high"),
            ("/var/lib/kubelet/pods", "high"),
            ("/run/containerd/containerd.sock", "high"),
            ("/var/run/docker.sock", "high"),
            ("/dev/shm", "high"),
            ("/usr", "high"),
            ("/etc/ssl/certs", "medium"),
            ("/home/jane/data", "medium"),
            ("/mnt/datasets", "medium"),
            ("/variety", "medium"),
        ] {
            let found = said(path, ", readOnly: true");
            assert!(found.len() == 1 && found[0].starts_with(severity), "{path}: {found:?}");
        }
    }

    #[test]
    fn the_clock_passes_when_it_is_read_only() {
        assert_eq!(said("/etc/localtime", ", readOnly: true"), [""; 0]);
        assert_eq!(said("/etc/localtime", ""), ["medium mounts /etc/localtime of its node"]);
        assert_eq!(said("/lib/modules/6.12", ", readOnly: true"), [""; 0]);
        // RF-GPU-013 says it.
        assert_eq!(said("/dev/nvidia0", ""), [""; 0]);
    }

    #[test]
    fn a_notebook_counts_and_infrastructure_does_not() {
        let notebook = "apiVersion: kubeflow.org/v1
kind: Notebook
metadata: {name: n, namespace: ml}
spec: {template: {spec: {containers: [{name: n, image: x}], volumes: [{name: v, hostPath: {path: /data}}]}}}
";
        let findings = judged("RF-RUN-011", notebook);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].field, "spec.template.spec.volumes[name=v].hostPath.path");
        let plugin = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d, namespace: gpu-operator}
spec: {template: {spec: {containers: [{name: d, image: nvcr.io/nvidia/k8s-device-plugin}], volumes: [{name: v, hostPath: {path: /var/lib/kubelet/device-plugins}}]}}}
";
        assert_eq!(judged("RF-RUN-011", plugin).len(), 0);
    }
}
