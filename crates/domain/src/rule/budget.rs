//! Room `domain`: RF-RUN-002 and RF-RUN-013, how much and how long (guide 38, 45).

use serde_json::Value;

use super::Rule;
use super::cel;
use crate::names;

/// Value of the annotation where Jobs must name a deadline themselves.
pub(crate) const REQUIRED: &str = "required";

pub(super) const INSIDE: &[Rule] = &[
    Rule {
        message: "RF-RUN-002 resources.limits: a container has no limit for cpu or memory, so that one pod can starve the \
                  node. Fix: set both, or have limits.default set in the SecurityDomain.",
        // A LimitRange fills them into pods, never into templates.
        cel: |_| {
            let both = "has(x.resources) && has(x.resources.limits) && 'cpu' in x.resources.limits && 'memory' in \
                        x.resources.limits";
            format!(
                "request.kind.kind != 'Pod' || ({}) || variables.ctrs.all(c, {})",
                both.replace("x.", "variables.spec."),
                both.replace("x.", "c.")
            )
        },
        holds: |case| !case.is_pod || is_limited(case.spec) || case.containers().all(is_limited),
    },
    Rule {
        message: "RF-RUN-013 spec.activeDeadlineSeconds: the Job may hold its GPUs forever. Fix: set activeDeadlineSeconds, or \
                  have jobs.activeDeadlineSeconds set in the SecurityDomain.",
        cel: |_| {
            format!(
                "!(request.kind.kind in ['Job', 'CronJob']) || ({}) != '{REQUIRED}' || \
                 has(variables.job.activeDeadlineSeconds)",
                cel::note(names::JOB_DEADLINE_ANNOTATION)
            )
        },
        holds: |case| {
            case.note(names::JOB_DEADLINE_ANNOTATION) != REQUIRED
                || case.job.is_none_or(|it| it.get("activeDeadlineSeconds").is_some_and(Value::is_number))
        },
    },
];

/// Whether both limits are set, of a container or of the pod as a whole.
fn is_limited(value: &Value) -> bool {
    let limits = value.pointer("/resources/limits");
    ["cpu", "memory"]
        .iter()
        .all(|it| limits.and_then(|limits| limits.get(it)).is_some_and(|it| !it.is_null()))
}
