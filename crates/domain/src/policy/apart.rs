//! Room `domain`: what keeps pods of one domain off the nodes of another (guide 7 to 10, hole 1). A domain that does not refuse
//! yet must not be a way in, and one without nodes asks for accelerators as well: their pods get a required affinity for nodes
//! of no domain, or of their own. Filled in and not refused: a domain that watches breaks nothing by that, and one that is
//! lowered takes no pod away. A pod that names its node meets the affinity too, in the kubelet.

use serde_json::json;

use super::Rules;
use super::mutation::spec;
use super::render::Policy;
use super::render::bound_to;
use super::render::named;
use crate::names;
use crate::object::DesiredObject;
use crate::rule::cel;
use crate::spec::Mode;

/// Required terms of a pod: in CEL, and as a path.
const TERMS: &str =
    "object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
const PATH: &str = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";

/// The policy; bound while some domain in Enforce closes its nodes.
pub(super) fn pods(rules: &Rules, closed: Mode) -> Vec<DesiredObject> {
    let key = cel::text(names::NODE_LABEL);
    let variables = json!([
        named("domain", &cel::label(names::DOMAIN_LABEL)),
        named("mode", &cel::label(names::MODE_LABEL)),
        named("place", &cel::note(names::PLACEMENT_ANNOTATION)),
        named("terms", &format!("{} ? {TERMS} : []", has_all(TERMS))),
        named("none", &format!("{{'key': dyn({key}), 'operator': dyn('DoesNotExist')}}")),
        named(
            "own",
            &format!("{{'key': dyn({key}), 'operator': dyn('In'), 'values': dyn([variables.domain])}}"),
        ),
    ]);
    let policy = Policy {
        stem: "pod-places",
        mutates: true,
        guide: &[7, 8, 10],
        controls: vec!["RF-GPU-004"],
        spec: spec(
            "",
            "pods",
            &named("not-kubelet", "!('system:nodes' in request.userInfo.groups)"),
            &variables,
            &patch(),
        ),
    };
    let namespaces = json!([
        // A label that names no domain leaves the namespace outside, where nothing on our label may be asked for.
        {"key": names::DOMAIN_LABEL, "operator": "In", "values": rules.names},
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": rules.allowed},
    ]);
    let binding = ("", json!({"matchResources": bound_to(&namespaces)}));
    policy.bound(Some(binding).filter(|_| closed == Mode::Enforce).into_iter().collect())
}

/// CEL: each step of a path is there.
fn has_all(path: &str) -> String {
    let steps = path.match_indices('.').skip(2).map(|(end, _)| &path[..end]);
    let each: Vec<_> = steps.chain([path]).map(|it| format!("has({it})")).collect();
    each.join(" && ")
}

/// Terms are alternatives: each becomes two, one for nodes of no domain and one for those of the pod's own. An empty term
/// takes no node, and stays one. In Enforce with nodes of its own a domain places its GPU pods, and no other may tolerate the
/// taint.
fn patch() -> String {
    let key = cel::text(names::NODE_LABEL);
    let kept = format!(
        "(has(t.matchExpressions) && t.matchExpressions.exists(e, e.key == {key} && (e.operator == 'DoesNotExist' || \
         (e.operator == 'In' && has(e.values) && e.values == [variables.domain]))))"
    );
    let fresh = "[{'matchExpressions': [variables.none]}, {'matchExpressions': [variables.own]}]";
    let whole = |at: &str, value: &str| format!("[JSONPatch{{op: 'add', path: '{at}', value: {value}}}]");
    let required = format!("{{'nodeSelectorTerms': {fresh}}}");
    let affinity = format!("{{'requiredDuringSchedulingIgnoredDuringExecution': {required}}}");
    let add = |at: &str, expression: &str| {
        let path = format!("'{PATH}/nodeSelectorTerms/' + string({at}) + '/matchExpressions");
        format!(
            "lists.range(size(variables.terms)).filter(i, !({empty})).map(i, {some} ? JSONPatch{{op: 'add', path: {path}/-', \
             value: {expression}}} : JSONPatch{{op: 'add', path: {path}', value: [{expression}]}})",
            empty = is_empty("variables.terms[i]"),
            some = has_some("variables.terms[i].matchExpressions"),
        )
    };
    format!(
        "(variables.mode == 'enforce' && variables.place == 'true') || (has(object.spec.nodeSelector) && {key} in \
         object.spec.nodeSelector && object.spec.nodeSelector[{key}] == variables.domain) || (size(variables.terms) > 0 && variables.terms.all(t, \
         {kept} || {empty})) ? [] : (size(variables.terms) > 0 ? lists.range(size(variables.terms)).map(i, JSONPatch{{op: \
         'copy', from: '{PATH}/nodeSelectorTerms/' + string(i), path: '{PATH}/nodeSelectorTerms/-'}}) + {none} + {own} : \
         (!has(object.spec.affinity) ? {at_spec} : (!has(object.spec.affinity.nodeAffinity) ? {at_affinity} : \
         {at_required})))",
        empty = is_empty("t"),
        none = add("i", "variables.none"),
        own = add("i + size(variables.terms)", "variables.own"),
        at_spec = whole("/spec/affinity", &format!("{{'nodeAffinity': {affinity}}}")),
        at_affinity = whole("/spec/affinity/nodeAffinity", &affinity),
        at_required = whole(PATH, &required),
    )
}

fn has_some(list: &str) -> String {
    format!("(has({list}) && size({list}) > 0)")
}

fn is_empty(term: &str) -> String {
    let [expressions, fields] =
        ["matchExpressions", "matchFields"].map(|it| has_some(&format!("{term}.{it}")));
    format!("(!{expressions} && !{fields})")
}
