//! Room `domain`: the fixed names that objects, policies, commands and readers agree on.

/// API group of our own kinds.
pub const GROUP: &str = "ringfence.dev";
/// Namespace label and label of every object written for a domain: the domain's name.
pub const DOMAIN_LABEL: &str = "ringfence.dev/domain";
/// Namespace label: `observe`, `warn` or `enforce`; bindings of policies select by it.
pub const MODE_LABEL: &str = "ringfence.dev/mode";
/// Node label. The prefix is one that `NodeRestriction` keeps kubelets from writing.
pub const NODE_LABEL: &str = "node-restriction.kubernetes.io/ringfence-domain";
/// Namespace annotation: what workloads may mount and run as, `,secret/hf,sa/default,pvc/data,`; `,*,` is
/// no limit. Absent: nothing, so that a lost annotation closes.
pub const MOUNTABLE_ANNOTATION: &str = "ringfence.dev/mountable";
/// Entry of that list where pods of ServiceAccount `default` may carry its API token. No limit does not mean it.
pub const DEFAULT_TOKEN: &str = "token/default";
/// Namespace annotation: how many accelerators one pod may ask for, in decimal. Absent: no limit.
pub const MAX_GPUS_ANNOTATION: &str = "ringfence.dev/max-gpus-per-pod";
/// Namespace annotation: limits that the `LimitRange` of Enforce fills in, `,cpu,memory,`: no rule misses them before.
pub const DEFAULT_LIMITS_ANNOTATION: &str = "ringfence.dev/default-limits";
/// Namespace annotation: host paths that pods may mount, `,/dev/infiniband,`. Absent: none.
pub const DEVICES_ANNOTATION: &str = "ringfence.dev/allow-devices";
/// Namespace annotation: seconds a finished Job stays, in decimal.
pub const JOB_TTL_ANNOTATION: &str = "ringfence.dev/job-ttl-seconds";
/// Namespace annotation: deadline of a Job that names none, in decimal seconds, or `required`. Absent: none is needed.
pub const JOB_DEADLINE_ANNOTATION: &str = "ringfence.dev/job-deadline-seconds";
/// Value of that annotation where Jobs must name a deadline themselves.
pub const REQUIRED: &str = "required";
/// Namespace annotation: percent of its memory limit that a GPU pod gets as `/dev/shm`, in decimal. Absent: nothing is
/// mounted.
pub const SHM_ANNOTATION: &str = "ringfence.dev/shm-percent";
/// Namespace annotation: key of the taint that GPU pods get tolerated. Absent: no toleration is added.
pub const TOLERATION_ANNOTATION: &str = "ringfence.dev/gpu-toleration";
/// Namespace annotation: `true` where GPU pods are placed on the domain's nodes.
pub const PLACEMENT_ANNOTATION: &str = "ringfence.dev/gpu-placement";
/// Annotation of a namespace: the Pod Security level it asked for before it came to a domain.
pub const LEVEL_ANNOTATION: &str = "ringfence.dev/pod-security-before";
/// Namespace label of Kubernetes: where it is `true`, claims may take devices that others use (`adminAccess`).
pub const ADMIN_ACCESS_LABEL: &str = "resource.kubernetes.io/admin-access";
/// Annotation of every object written: SHA-256 of what was written, hex.
pub const HASH_ANNOTATION: &str = "ringfence.dev/applied-hash";
/// Annotation of every object written: UID of its SecurityDomain.
pub const OWNER_ANNOTATION: &str = "ringfence.dev/owner-uid";
/// Finalizer of a SecurityDomain.
pub const FINALIZER: &str = "ringfence.dev/domain";
/// Field manager of every write.
pub const FIELD_MANAGER: &str = "ringfence.dev/controller";
/// Lease of the controller that writes.
pub const LEASE: &str = "ringfence-controller";
/// Namespace of the controller unless another is given.
pub const OPERATOR_NAMESPACE: &str = "ringfence-system";
/// ServiceAccount of the controller.
pub const OPERATOR_ACCOUNT: &str = "ringfence";
/// Value of `app.kubernetes.io/managed-by` on every object written.
pub const MANAGED_BY: &str = "ringfence";

/// Whether a label or annotation is a mark of ours. What a team says of exceptions is not.
pub fn is_ours(key: &str) -> bool {
    key.strip_prefix("ringfence.dev/").is_some_and(|own| !own.starts_with("except."))
}
