//! Room `domain`: the policy `labels`. Whoever may label a namespace or a node would otherwise take it out of every other
//! policy. Asked for each subresource: our labels could be removed through any of them.

use serde_json::json;

use super::Rules;
use super::render::Policy;
use super::render::actions;
use super::render::constraints;
use super::render::matched;
use super::render::named;
use super::render::validation;
use crate::names;
use crate::object::DesiredObject;
use crate::rule::cel;
use crate::spec::Mode;

/// Guards labels and annotations of namespaces, label and taints of nodes.
pub(super) fn guard(rules: &Rules, mode: Mode) -> Vec<DesiredObject> {
    let resources = ["namespaces", "namespaces/finalize", "namespaces/status", "nodes", "nodes/status"];
    let operator = cel::text(&rules.operator);
    let policy = Policy {
        stem: "labels",
        mutates: false,
        guide: &[6, 7, 8, 40],
        controls: vec!["RF-RBAC-007"],
        spec: json!({
            "failurePolicy": "Fail",
            "matchConstraints": constraints(&[matched("", &resources, &["CREATE", "UPDATE"])]),
            "matchConditions": [
                named("not-operator", &format!("request.userInfo.username != {operator}")),
                named("touched", &touched()),
            ],
            "variables": variables(),
            "validations": validations(rules),
        }),
    };
    policy.bound(vec![("", json!({"validationActions": actions(mode)}))])
}

/// A heartbeat of a node costs nothing: it changes none of them.
fn touched() -> String {
    let differs = |of: &dyn Fn(&str) -> String| format!("{} != {}", of("object"), of("oldObject"));
    format!(
        "request.operation == 'CREATE' || {} || {} || (request.resource.resource == 'nodes' && {})",
        differs(&|it| map(it, "labels")),
        differs(&|it| map(it, "annotations")),
        differs(&taints),
    )
}

fn variables() -> serde_json::Value {
    json!([
        named("labels", &map("object", "labels")),
        named("notes", &map("object", "annotations")),
        named("oldLabels", &format!("oldObject == null ? {{}} : {}", map("oldObject", "labels"))),
        named("oldNotes", &format!("oldObject == null ? {{}} : {}", map("oldObject", "annotations"))),
        named("taints", &taints("object")),
        named("oldTaints", &format!("oldObject == null ? [] : {}", taints("oldObject"))),
        named("isNamespace", "request.resource.resource == 'namespaces'"),
    ])
}

fn validations(rules: &Rules) -> serde_json::Value {
    let ours = "k.startsWith('ringfence.dev/')";
    // Exceptions are written by who owns the object, by contract.
    let notes = format!("{ours} && !k.startsWith('ringfence.dev/except.')");
    let security = "k.startsWith('pod-security.kubernetes.io/')";
    let admin = cel::text(names::ADMIN_ACCESS_LABEL);
    let node = cel::text(names::NODE_LABEL);
    let mode = cel::text(names::MODE_LABEL);
    let keys = cel::list(rules.taints.keys.iter().map(String::as_str));
    let enforced = format!("{mode} in variables.oldLabels && variables.oldLabels[{mode}] == 'enforce'");
    json!([
        validation(
            &format!("!variables.isNamespace || ({})", same("labels", "oldLabels", ours)),
            "RF-RBAC-007 metadata.labels: labels ringfence.dev/... decide which policies apply to a namespace, and only \
             Ringfence changes them. Fix: change spec.namespaces of the SecurityDomain.",
        ),
        validation(
            &format!("!variables.isNamespace || ({})", same("notes", "oldNotes", &notes)),
            "RF-RBAC-007 metadata.annotations: annotations ringfence.dev/... hold the limits of a security domain, and only \
             Ringfence changes them. Fix: change the SecurityDomain.",
        ),
        validation(
            &format!(
                "!variables.isNamespace || !({enforced}) || ({})",
                same("labels", "oldLabels", security)
            ),
            "RF-RBAC-007 metadata.labels: Pod Security labels of this namespace are kept by its security domain. Fix: change \
             spec.podSecurity of the SecurityDomain.",
        ),
        // Taking it off closes a door, and so must never be refused.
        validation(
            &format!(
                "!variables.isNamespace || !({enforced}) || !({admin} in variables.labels && variables.labels[{admin}] == \
                 'true') || ({admin} in variables.oldLabels && variables.oldLabels[{admin}] == 'true')"
            ),
            "RF-RBAC-007 metadata.labels: resource.kubernetes.io/admin-access lets claims here take devices that others use. \
             Fix: leave it off; what needs such access runs in a namespace outside the security domain.",
        ),
        validation(
            &format!("variables.isNamespace || ({})", same("labels", "oldLabels", &format!("k == {node}"))),
            "RF-RBAC-007 metadata.labels: node-restriction.kubernetes.io/ringfence-domain says to which security domain a \
             node belongs, and only Ringfence changes it. Fix: change spec.nodes of the SecurityDomain.",
        ),
        validation(
            &format!(
                "variables.isNamespace || !({node} in variables.oldLabels) || variables.oldTaints.all(o, !(o.key in {keys}) \
                 || variables.taints.exists(n, n.key == o.key && n.effect == o.effect && (has(n.value) ? n.value : '') == \
                 (has(o.value) ? o.value : '')))"
            ),
            "RF-RBAC-007 spec.taints: the GPU taint keeps strangers off a node of a security domain. Fix: keep it, or take \
             the node out of spec.nodes of the SecurityDomain.",
        ),
    ])
}

/// CEL: what `guarded` says of key `k` is in both maps with the same value.
fn same(new: &str, old: &str, guarded: &str) -> String {
    let within = |one: &str, other: &str| {
        format!(
            "variables.{one}.all(k, !({guarded}) || (k in variables.{other} && variables.{other}[k] == \
             variables.{one}[k]))"
        )
    };
    format!("{} && {}", within(new, old), within(old, new))
}

fn map(object: &str, map: &str) -> String {
    format!("(has({object}.metadata.{map}) ? {object}.metadata.{map} : {{}})")
}

fn taints(object: &str) -> String {
    format!("(has({object}.spec) && has({object}.spec.taints) ? {object}.spec.taints : [])")
}
