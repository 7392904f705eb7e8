//! Room `domain`: RF-GPU-007, -013, -014, -022 and -025, ways to accelerators that go around the request for one (guide 6,
//! 45, hole 1).

use serde_json::Value;

use super::Rule;
use super::case::Case;
use super::case::accelerators;
use super::case::list;
use super::case::text;
use super::cel;
use crate::names;
use crate::quantity::Quantity;
use crate::quantity::parsed;

/// Where the container toolkit takes the *path* of a mount for a request. Searched for, not compared: `//`, `..` and
/// relative paths lead there too.
const MOUNTS: &str = "nvidia-container-devices";
/// Environment of NVIDIA's container toolkit that opens what the device plugin did not give.
const OPENERS: [&str; 3] =
    ["NVIDIA_MIG_CONFIG_DEVICES", "NVIDIA_MIG_MONITOR_DEVICES", "NVIDIA_IMEX_CHANNELS"];
/// The same of all vendors' container runtimes, which may say that there is to be no device.
const VISIBLE: [&str; 4] =
    ["NVIDIA_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES", "ASCEND_VISIBLE_DEVICES", "HABANA_VISIBLE_DEVICES"];
/// Device files of accelerators, and what leads to them.
const DEVICES: [&str; 6] =
    ["/dev/nvidia", "/dev/dri", "/dev/kfd", "/dev/accel", "/dev/neuron", "/proc/driver/nvidia"];

const DEVICE_MOUNT: Rule = Rule {
    message: "RF-GPU-025 volumeMounts: a path below nvidia-container-devices asks the container runtime for GPUs without \
              requesting one. Fix: remove the mount and request nvidia.com/gpu.",
    cel: |_| {
        format!(
            "variables.all.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, !m.mountPath.contains({})))",
            cel::text(MOUNTS)
        )
    },
    holds: |case| {
        let mut mounts = case.all_containers().flat_map(|it| list(it, "volumeMounts"));
        !mounts.any(|it| text(it, "mountPath").is_some_and(|path| path.contains(MOUNTS)))
    },
};

pub(super) const INSIDE: &[Rule] = &[
    DEVICE_MOUNT,
    Rule {
        message: "RF-GPU-022 env: sets a variable that tells the container runtime which accelerators to open. Fix: remove \
                  it; the device plugin sets it. (..._VISIBLE_DEVICES may be void or none.)",
        // No exemption for GPU pods: a sidecar with `all` would see every GPU of the node. One look at the name for most.
        cel: |_| {
            format!(
                "variables.all.all(c, !has(c.env) || c.env.all(e, !(e.name in {}) || (e.name in {} && has(e.value) && \
                 e.value in ['void', 'none'])))",
                cel::list(VISIBLE.into_iter().chain(OPENERS)),
                cel::list(VISIBLE)
            )
        },
        holds: |case| {
            let mut variables = case.all_containers().flat_map(|it| list(it, "env"));
            variables.all(|it| match text(it, "name") {
                Some(name) if VISIBLE.contains(&name) => matches!(text(it, "value"), Some("void" | "none")),
                Some(name) => !OPENERS.contains(&name),
                None => true,
            })
        },
    },
    Rule {
        message: "RF-GPU-014 spec.runtimeClassName: the NVIDIA runtime opens GPUs for a pod that limits none. Fix: remove \
                  runtimeClassName, which devices of a claim do not need, or request nvidia.com/gpu.",
        // A claim may be of nothing, and one of a GPU comes by CDI, through any runtime.
        cel: |_| {
            format!(
                "!has(variables.spec.runtimeClassName) || !variables.spec.runtimeClassName.contains('nvidia') || \
                 variables.ctrs.exists(c, has(c.resources) && {})",
                cel::limits("c")
            )
        },
        holds: |case| {
            case.limits_accelerator()
                || !text(case.spec, "runtimeClassName").is_some_and(|it| it.contains("nvidia"))
        },
    },
    Rule {
        message: "RF-GPU-013 spec.volumes: a hostPath leads to device files of GPUs. Fix: remove the volume and request \
                  nvidia.com/gpu; the device plugin gives the files.",
        cel: |_| {
            let each = DEVICES.iter().map(|it| format!("v.hostPath.path.startsWith({})", cel::text(it)));
            let each: Vec<_> = each.collect();
            format!(
                "variables.vols.all(v, !has(v.hostPath) || !({}) || variables.dev.contains(',' + v.hostPath.path + ','))",
                each.join(" || ")
            )
        },
        holds: |case| {
            let mut paths = case.volumes().filter_map(|it| it.pointer("/hostPath/path")?.as_str());
            paths.all(|path| !DEVICES.iter().any(|it| path.starts_with(it)) || is_allowed(case, path))
        },
    },
    Rule {
        message: "RF-GPU-007 resources.limits: the pod asks for more accelerators than the namespace allows for one pod. \
                  Fix: ask for fewer, split the work over several pods, or have limits.maxGPUsPerPod of the SecurityDomain \
                  raised.",
        // Init containers run one after the other before the rest; those that are restarted run beside it.
        cel: |_| {
            format!(
                "variables.max == '' || ((variables.spec.containers + (has(variables.spec.initContainers) ? \
                 variables.spec.initContainers.filter(c, has(c.restartPolicy) && c.restartPolicy == 'Always') : \
                 [])).map(c, {count}).sum() <= int(variables.max) && variables.ctrs.all(c, {count} <= \
                 int(variables.max)))",
                count = count("c"),
            )
        },
        holds: |case| {
            let note = case.note(names::MAX_GPUS_ANNOTATION);
            if note.is_empty() {
                return true;
            }
            // A note that is no number is an error on the server, which refuses.
            let Ok(most) = note.parse::<Quantity>() else { return false };
            let lasting = list(case.spec, "containers").chain(
                list(case.spec, "initContainers").filter(|it| text(it, "restartPolicy") == Some("Always")),
            );
            lasting.map(counted).fold(Quantity::ZERO, Quantity::plus) <= most
                && case.containers().all(|it| counted(it) <= most)
        },
    },
];

pub(super) const OUTSIDE: &[Rule] = &[DEVICE_MOUNT];

/// Whether a host path is in the namespace's list.
pub(super) fn is_allowed(case: &Case<'_>, path: &str) -> bool {
    case.note(names::DEVICES_ANNOTATION).contains(&format!(",{path},"))
}

/// CEL: accelerators that a container asks for.
fn count(container: &str) -> String {
    let limits = format!("{container}.resources.limits");
    let is_one = cel::is_accelerator("k");
    format!(
        "(has({container}.resources) && has({limits}) ? {limits}.map(k, {is_one}, \
         quantity({limits}[k]).asInteger()).sum() : 0)"
    )
}

/// Accelerators that a container asks for.
fn counted(container: &Value) -> Quantity {
    let amounts = accelerators(container).filter_map(|(_, amount)| parsed(amount));
    amounts.fold(Quantity::ZERO, Quantity::plus)
}
