//! Room `domain`: RF-NET-010, RF-RUN-010, RF-DATA-009, RF-RUN-001, -009 and -011, what of the node a pod may share (guide 6,
//! 41).

use super::Rule;
use super::case::Case;
use super::case::is_set;
use super::case::list;
use super::case::object;
use super::cel;
use super::devices::is_allowed;

/// Capabilities that Pod Security `baseline` lets a container add.
pub(crate) const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Where RDMA devices lie: who may mount them must pin memory for them.
const RDMA: &str = ",/dev/infiniband";

pub(super) const INSIDE: &[Rule] = &[
    Rule {
        message: "RF-NET-010 spec.hostNetwork: the pod is on the node's network, where no NetworkPolicy applies. Fix: remove \
                  hostNetwork.",
        cel: |_| unset("hostNetwork"),
        holds: |case| !is_set(case.spec, "hostNetwork"),
    },
    Rule {
        message: "RF-RUN-010 spec.hostPID: the pod sees the processes of the node and of every pod on it. Fix: remove \
                  hostPID.",
        cel: |_| unset("hostPID"),
        holds: |case| !is_set(case.spec, "hostPID"),
    },
    Rule {
        message: "RF-DATA-009 spec.hostIPC: the pod shares memory with others on the node, tensors among it. Fix: remove \
                  hostIPC; for shared memory mount an emptyDir with medium Memory at /dev/shm.",
        cel: |_| unset("hostIPC"),
        holds: |case| !is_set(case.spec, "hostIPC"),
    },
    Rule {
        message: "RF-RUN-001 securityContext.privileged: a privileged container owns the node and every GPU on it. Fix: \
                  remove privileged; CUDA does not need it, request nvidia.com/gpu.",
        cel: |_| {
            "variables.all.all(c, !has(c.securityContext) || !has(c.securityContext.privileged) || \
             !c.securityContext.privileged)"
                .into()
        },
        holds: |case| {
            !case
                .all_containers()
                .filter_map(|it| object(it, "securityContext"))
                .any(|it| is_set(it, "privileged"))
        },
    },
    Rule {
        message: "RF-RUN-009 securityContext.capabilities.add: adds a capability that leads out of the container. Fix: remove \
                  it; what Pod Security baseline allows may stay, and IPC_LOCK where the SecurityDomain allows \
                  /dev/infiniband.",
        cel: |_| {
            format!(
                "variables.all.all(c, !has(c.securityContext) || !has(c.securityContext.capabilities) || \
                 !has(c.securityContext.capabilities.add) || c.securityContext.capabilities.add.all(k, k in {} || \
                 (k == 'IPC_LOCK' && variables.dev.contains({}))))",
                cel::list(CAPABILITIES),
                cel::text(RDMA)
            )
        },
        holds: |case| {
            let added = case.all_containers().filter_map(|it| it.pointer("/securityContext/capabilities"));
            added.flat_map(|it| list(it, "add")).filter_map(|it| it.as_str()).all(|it| may_add(case, it))
        },
    },
    Rule {
        message: "RF-RUN-011 spec.volumes: a hostPath opens the node's files. Fix: use a claim, an emptyDir or a ConfigMap; \
                  a device below /dev can be allowed by podSecurity.allowDevices of the SecurityDomain.",
        cel: |_| {
            "variables.vols.all(v, !has(v.hostPath) || variables.dev.contains(',' + v.hostPath.path + ','))"
                .into()
        },
        holds: |case| {
            let mut paths = case.volumes().filter_map(|it| object(it, "hostPath"));
            paths.all(|it| it["path"].as_str().is_some_and(|path| is_allowed(case, path)))
        },
    },
];

fn unset(flag: &str) -> String {
    format!("!has(variables.spec.{flag}) || !variables.spec.{flag}")
}

fn may_add(case: &Case<'_>, capability: &str) -> bool {
    CAPABILITIES.contains(&capability)
        || capability == "IPC_LOCK" && case.note(crate::names::DEVICES_ANNOTATION).contains(RDMA)
}
