//! Room `domain`: RF-GPU-002, who may stand on tainted GPU nodes (guide 8 to 10, hole 1).

use serde_json::Value;

use super::Rule;
use super::case::Case;
use super::case::list;
use super::case::text;
use super::cel;
use crate::policy::Taints;

pub(super) const INSIDE: &[Rule] = &[Rule {
    message: "RF-GPU-002 spec.tolerations: tolerates the GPU taint but requests no GPU. Fix: remove the toleration (one \
              without a key tolerates every taint) or request nvidia.com/gpu.",
    cel: |_| "!variables.tolGpu || variables.gpu".into(),
    holds: |case| !tolerates_any(case, &case.rules.taints) || case.asks_for_accelerator(),
}];

pub(super) const OUTSIDE: &[Rule] = &[Rule {
    message: "RF-GPU-002 spec.tolerations: tolerates the GPU taint outside a security domain. Fix: remove the toleration \
              (one without a key tolerates every taint), or run in a namespace of the domain.",
    cel: |_| "!variables.tolGpu".into(),
    holds: |case| !tolerates_any(case, &case.rules.closed_taints),
}];

/// CEL: whether toleration `t` fits one of the taints. Values are not compared: a toleration for another value of the
/// same key has no use but to fit when the value changes.
pub(super) fn tolerates(taints: &Taints) -> String {
    let keys = cel::list(taints.keys.iter().map(String::as_str));
    let effects = cel::list(std::iter::once("").chain(taints.effects.iter().copied()));
    format!("(!has(t.key) || t.key == '' || t.key in {keys}) && (!has(t.effect) || t.effect in {effects})")
}

fn tolerates_any(case: &Case<'_>, taints: &Taints) -> bool {
    list(case.spec, "tolerations").any(|it| fits(it, taints))
}

fn fits(toleration: &Value, taints: &Taints) -> bool {
    text(toleration, "key").is_none_or(|key| taints.keys.contains(key))
        && text(toleration, "effect").is_none_or(|effect| taints.effects.contains(effect))
}
