//! Room `domain`: RF-GPU-004 and RF-GPU-024, which nodes a pod may choose (guide 7 to 10, hole 1). A taint is a hint to the
//! scheduler: who names a node never meets it.

use serde_json::Value;

use super::Rule;
use super::case::Case;
use super::case::list;
use super::case::object;
use super::case::text;
use super::cel;
use crate::names;

const NODE_NAME: Rule = Rule {
    message: "RF-GPU-024 spec.nodeName: places the pod past the scheduler, so that no taint stops it. Fix: remove nodeName; \
              to choose nodes use nodeSelector.",
    // Every pod that was scheduled has one.
    cel: |_| {
        "(request.kind.kind == 'Pod' && request.operation != 'CREATE') || !has(variables.spec.nodeName) || \
         variables.spec.nodeName == ''"
            .into()
    },
    holds: |case| text(case.spec, "nodeName").is_none(),
};

pub(super) const INSIDE: &[Rule] = &[
    NODE_NAME,
    Rule {
        message: "RF-GPU-004 spec.nodeSelector: selects the nodes of another security domain. Fix: remove the entry \
                  node-restriction.kubernetes.io/ringfence-domain.",
        cel: |_| {
            let key = cel::text(names::NODE_LABEL);
            format!(
                "!has(variables.spec.nodeSelector) || !({key} in variables.spec.nodeSelector) || \
                 variables.spec.nodeSelector[{key}] == variables.dom"
            )
        },
        holds: |case| selected(case).is_none_or(|it| it == case.domain),
    },
    Rule {
        message: "RF-GPU-004 spec.affinity: selects the nodes of another security domain. Fix: remove the expression on \
                  node-restriction.kubernetes.io/ringfence-domain.",
        cel: |_| {
            affinity(
                "e.operator == 'DoesNotExist' || (e.operator == 'In' && has(e.values) && e.values == [variables.dom])",
            )
        },
        holds: |case| {
            domain_expressions(case).all(|it| match text(it, "operator") {
                Some("DoesNotExist") => true,
                Some("In") => list(it, "values").eq([&Value::from(case.domain)]),
                _ => false,
            })
        },
    },
    Rule {
        message: "RF-GPU-004 spec.nodeSelector: a pod that requests a GPU is not kept to the nodes of its security domain. \
                  Fix: add node-restriction.kubernetes.io/ringfence-domain with the name of the domain.",
        // Where nothing fills it in, nothing may ask for it.
        cel: |_| {
            let key = cel::text(names::NODE_LABEL);
            format!(
                "request.kind.kind != 'Pod' || variables.mode != 'enforce' || !variables.gpu || ({}) != 'true' || \
                 (has(variables.spec.nodeSelector) && {key} in variables.spec.nodeSelector)",
                cel::note(names::PLACEMENT_ANNOTATION)
            )
        },
        holds: |case| {
            !case.asks_for_accelerator()
                || case.note(names::PLACEMENT_ANNOTATION) != "true"
                || selected(case).is_some()
        },
    },
];

pub(super) const OUTSIDE: &[Rule] = &[
    NODE_NAME,
    Rule {
        message: "RF-GPU-004 spec.nodeSelector: selects nodes of a security domain from outside it. Fix: remove the entry \
                  node-restriction.kubernetes.io/ringfence-domain, or run in a namespace of the domain.",
        cel: |_| {
            let key = cel::text(names::NODE_LABEL);
            format!("!has(variables.spec.nodeSelector) || !({key} in variables.spec.nodeSelector)")
        },
        holds: |case| selected(case).is_none(),
    },
    Rule {
        message: "RF-GPU-004 spec.affinity: selects nodes of a security domain from outside it. Fix: remove the expression \
                  on node-restriction.kubernetes.io/ringfence-domain, or run in a namespace of the domain.",
        // That a node has no such label keeps off as much as anything can.
        cel: |_| affinity("e.operator == 'DoesNotExist'"),
        holds: |case| domain_expressions(case).all(|it| text(it, "operator") == Some("DoesNotExist")),
    },
];

/// CEL: every required term on our label is as `fine` says.
fn affinity(fine: &str) -> String {
    let key = cel::text(names::NODE_LABEL);
    format!(
        "!has(variables.spec.affinity) || !has(variables.spec.affinity.nodeAffinity) || \
         !has(variables.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution) || \
         variables.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.all(t, \
         !has(t.matchExpressions) || t.matchExpressions.all(e, e.key != {key} || ({fine})))"
    )
}

/// Domain that the node selector names; it may be the empty one.
fn selected<'a>(case: &Case<'a>) -> Option<&'a str> {
    object(case.spec, "nodeSelector")?.get(names::NODE_LABEL)?.as_str()
}

/// Expressions on our label in the required terms.
fn domain_expressions<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a Value> {
    const TERMS: &str = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";

    let terms = case.spec.pointer(TERMS).into_iter().flat_map(|it| list(it, "nodeSelectorTerms"));
    terms.flat_map(|it| list(it, "matchExpressions")).filter(|it| text(it, "key") == Some(names::NODE_LABEL))
}
