//! Room `domain`: what is filled into pods and Jobs of a domain in Enforce, so that nobody has to write it (guide 9, 38, 41,
//! 45). One mutation per policy, all patches of it joined; values are maps, since `Object{}` in a list makes the API server
//! drop the request (1.36.4); a node selector, not an affinity, whose terms would widen what the author wrote.

use serde_json::Value;
use serde_json::json;

use super::Rules;
use super::render::Policy;
use super::render::bound_to;
use super::render::constraints;
use super::render::in_mode;
use super::render::matched;
use super::render::named;
use crate::names;
use crate::object::DesiredObject;
use crate::rule::cel;
use crate::spec::Effect;
use crate::spec::Mode;

/// Volume that is mounted at `/dev/shm`.
const SHM: &str = "ringfence-shm";

/// Toleration, node selector and shared memory of pods that ask for an accelerator.
pub(super) fn pods(rules: &Rules) -> Vec<DesiredObject> {
    let asks = |list: &str| format!("{list}.exists(c, {})", cel::asks("c"));
    let needs = format!(
        "{} || (has(object.spec.initContainers) && {})",
        asks("object.spec.containers"),
        asks("object.spec.initContainers"),
    );
    let variables = json!([
        named("key", &cel::note(names::TOLERATION_ANNOTATION)),
        named("place", &cel::note(names::PLACEMENT_ANNOTATION)),
        named("percent", &cel::note(names::SHM_ANNOTATION)),
        named("domain", &format!("namespaceObject.metadata.labels[{}]", cel::text(names::DOMAIN_LABEL))),
        named("tols", "has(object.spec.tolerations) ? object.spec.tolerations : []"),
        named("vols", "has(object.spec.volumes) ? object.spec.volumes : []"),
        named("shm", &without_memory()),
    ]);
    let patch = [toleration(rules), node_selector(), shared_memory()].map(|it| format!("({it})")).join(" + ");
    let policy = Policy {
        stem: "pod-defaults",
        mutates: true,
        guide: &[9, 41],
        controls: vec!["RF-GPU-004"],
        spec: spec("", "pods", &named("needs-accelerator", &needs), &variables, &patch),
    };
    policy.bound(vec![("", enforced())])
}

/// How long Jobs stay and run, where they do not say. Jobs of a controller are its own to time, but for those of a CronJob:
/// one that vanishes from under its controller may be made again.
pub(super) fn jobs() -> Vec<DesiredObject> {
    let own = "!request.userInfo.username.startsWith('system:') || \
               request.userInfo.username.startsWith('system:serviceaccount:' + request.namespace + ':') || \
               !has(object.metadata.ownerReferences) || !object.metadata.ownerReferences.exists(o, has(o.controller) && \
               o.controller && o.kind != 'CronJob')";
    let fill = |field: &str, value: &str| {
        format!(
            "(has(object.spec.{field}) || !variables.{value}.matches('^[0-9]+$') ? [] : [JSONPatch{{op: 'add', path: \
             '/spec/{field}', value: int(variables.{value})}}])"
        )
    };
    let patch =
        [fill("ttlSecondsAfterFinished", "ttl"), fill("activeDeadlineSeconds", "deadline")].join(" + ");
    let variables = json!([
        named("ttl", &cel::note(names::JOB_TTL_ANNOTATION)),
        named("deadline", &cel::note(names::JOB_DEADLINE_ANNOTATION)),
    ]);
    let policy = Policy {
        stem: "job-defaults",
        mutates: true,
        guide: &[38, 45],
        controls: vec!["RF-RUN-013"],
        spec: spec("batch", "jobs", &named("own", own), &variables, &patch),
    };
    policy.bound(vec![("", enforced())])
}

/// Reinvoked if needed: a later webhook may add the request for a GPU.
pub(super) fn spec(group: &str, resource: &str, when: &Value, variables: &Value, patch: &str) -> Value {
    json!({
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": constraints(&[matched(group, &[resource], &["CREATE"])]),
        "matchConditions": [when],
        "variables": variables,
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
    })
}

fn enforced() -> Value {
    json!({"matchResources": bound_to(&in_mode(Mode::Enforce))})
}

/// The toleration that `ExtendedResourceToleration` would add; for all effects where a domain evicts.
fn toleration(rules: &Rules) -> String {
    let evicts = rules.taints.effects.contains(Effect::NoExecute.name());
    let effect = if evicts { "" } else { ", 'effect': 'NoSchedule'" };
    let fits = if evicts { "!has(t.effect)" } else { "(!has(t.effect) || t.effect == 'NoSchedule')" };
    let value = format!("{{'key': variables.key, 'operator': 'Exists'{effect}}}");
    format!(
        "variables.key == '' || variables.tols.exists(t, has(t.key) && t.key == variables.key && has(t.operator) && \
         t.operator == 'Exists' && {fits}) ? [] : (has(object.spec.tolerations) ? [JSONPatch{{op: 'add', path: \
         '/spec/tolerations/-', value: {value}}}] : [JSONPatch{{op: 'add', path: '/spec/tolerations', value: \
         [{value}]}}])"
    )
}

/// A selector for another domain stays, and is refused by `pods-inside`.
fn node_selector() -> String {
    let key = cel::text(names::NODE_LABEL);
    format!(
        "variables.place != 'true' ? [] : (has(object.spec.nodeSelector) ? ({key} in object.spec.nodeSelector ? [] : \
         [JSONPatch{{op: 'add', path: '/spec/nodeSelector/' + jsonpatch.escapeKey({key}), value: variables.domain}}]) : \
         [JSONPatch{{op: 'add', path: '/spec/nodeSelector', value: {{{key}: variables.domain}}}}])"
    )
}

/// Places of the containers that use an accelerator, have a memory limit to take the size from, and mount nothing at
/// `/dev/shm`.
fn without_memory() -> String {
    let container = "object.spec.containers[i]";
    format!(
        "variables.percent == '' || variables.vols.exists(v, v.name == '{SHM}') ? [] : \
         lists.range(size(object.spec.containers)).filter(i, ({}) && has({container}.resources.limits) && 'memory' in {container}.resources.limits && \
         (!has({container}.volumeMounts) || {container}.volumeMounts.all(m, !(m.mountPath in ['/dev/shm', \
         '/dev/shm/']))))",
        cel::asks(container)
    )
}

/// One volume for all of them, as the runtime's own is: a share of the smallest limit, so that filling it kills nobody.
fn shared_memory() -> String {
    let mount = format!("{{'name': '{SHM}', 'mountPath': '/dev/shm'}}");
    let volume = format!(
        "{{'name': dyn('{SHM}'), 'emptyDir': dyn({{'medium': 'Memory', 'sizeLimit': string(variables.shm.map(i, \
         int(quantity(object.spec.containers[i].resources.limits['memory']).asApproximateFloat())).min() * \
         int(variables.percent) / 100)}})}}"
    );
    format!(
        "variables.shm.size() == 0 ? [] : [has(object.spec.volumes) ? JSONPatch{{op: 'add', path: '/spec/volumes/-', \
         value: {volume}}} : JSONPatch{{op: 'add', path: '/spec/volumes', value: [{volume}]}}] + variables.shm.map(i, \
         has(object.spec.containers[i].volumeMounts) ? JSONPatch{{op: 'add', path: '/spec/containers/' + string(i) + \
         '/volumeMounts/-', value: {mount}}} : JSONPatch{{op: 'add', path: '/spec/containers/' + string(i) + \
         '/volumeMounts', value: [{mount}]}})"
    )
}
