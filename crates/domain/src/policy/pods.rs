//! Room `domain`: the policies `pods-inside` and `pods-outside`. A pod meets at most one of them: each costs the API server
//! about 2 ms, whatever is in it. Workloads are asked about too, since a Deployment whose pods are refused is created
//! without a word.

use serde_json::Value;
use serde_json::json;

use super::Rules;
use super::Taints;
use super::render::Policy;
use super::render::actions;
use super::render::bound_to;
use super::render::by_mode;
use super::render::constraints;
use super::render::matched;
use super::render::named;
use super::render::validation;
use crate::names;
use crate::object::DesiredObject;
use crate::rule;
use crate::rule::Rule;
use crate::rule::cel;
use crate::spec::Mode;

/// Pods and workloads in namespaces of a domain.
pub(super) fn inside(rules: &Rules) -> Vec<DesiredObject> {
    let policy = Policy {
        stem: "pods-inside",
        mutates: false,
        guide: &[6, 8, 9, 10, 18, 32, 35, 38, 41, 45],
        controls: rule::inside().map(Rule::control).collect(),
        spec: spec(rules, &rules.taints, rule::inside()),
    };
    policy.bound(by_mode())
}

/// Pods and workloads everywhere else. Workloads are never refused: the namespace belongs to others.
pub(super) fn outside(rules: &Rules, mode: Mode) -> Vec<DesiredObject> {
    let policy = Policy {
        stem: "pods-outside",
        mutates: false,
        guide: &[7, 8, 10],
        controls: rule::outside().map(Rule::control).collect(),
        spec: spec(rules, &rules.closed_taints, rule::outside()),
    };
    let binding = |resources: Value, mode| {
        let mut matching = bound_to(&json!([
            // A label that names no domain takes nobody out.
            {"key": names::DOMAIN_LABEL, "operator": "NotIn", "values": rules.names},
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": rules.allowed},
        ]));
        matching["resourceRules"] = resources;
        json!({"validationActions": actions(mode), "matchResources": matching})
    };
    policy.bound(vec![
        ("", binding(json!([pods()]), mode)),
        ("workloads", binding(json!(workloads()), mode.min(Mode::Warn))),
    ])
}

fn spec(rules: &Rules, taints: &Taints, judged: impl Iterator<Item = &'static Rule>) -> Value {
    let mut matching = vec![pods()];
    matching.extend(workloads());
    let validations: Vec<_> = judged.map(|it| validation(&(it.cel)(rules), it.message)).collect();
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": constraints(&matching),
        "matchConditions": conditions(),
        "variables": cel::variables(taints),
        "validations": validations,
    })
}

fn pods() -> Value {
    matched("", &["pods", "pods/ephemeralcontainers"], &["CREATE", "UPDATE"])
}

fn workloads() -> [Value; 2] {
    let operations = ["CREATE", "UPDATE"];
    [
        matched("apps", &["daemonsets", "deployments", "statefulsets"], &operations),
        matched("batch", &["cronjobs", "jobs"], &operations),
    ]
}

/// Mirror pods are what runs already. Without the second, the finalizers of pods older than Enforce could not be removed,
/// and their Jobs would never end; a workload that is older may be scaled, suspended and resumed: its pods are judged. A
/// workload that a controller made is judged where it was written, and by its pods; a person's word for that is not taken.
fn conditions() -> Value {
    json!([
        named("not-kubelet", "!('system:nodes' in request.userInfo.groups)"),
        named(
            "spec-changed",
            "request.operation == 'CREATE' || (request.kind.kind == 'Pod' ? object.spec != oldObject.spec : \
             request.kind.kind == 'CronJob' ? object.spec.jobTemplate != oldObject.spec.jobTemplate : \
             (object.spec.template != oldObject.spec.template || (request.kind.kind == 'Job' && \
             has(object.spec.activeDeadlineSeconds) != has(oldObject.spec.activeDeadlineSeconds))))",
        ),
        named(
            "not-owned",
            "request.kind.kind == 'Pod' || !request.userInfo.username.startsWith('system:') || \
             request.userInfo.username.startsWith('system:serviceaccount:' + request.namespace + ':') || !has(object.metadata.ownerReferences) || !object.metadata.ownerReferences.exists(o, has(o.controller) && \
             o.controller)",
        ),
    ])
}
