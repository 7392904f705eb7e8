//! Room `domain`: what admission fills into a pod of a domain in Enforce before the rules judge it: API token, limits of the
//! LimitRange, toleration and node selector. The same as `policy/mutation.rs`, `desired/limit_range.rs` and the API server's
//! own ServiceAccount admission.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use crate::desired::limit_range::Default;
use crate::desired::limit_range::defaults;
use crate::names;
use crate::policy::Rules;
use crate::rule::case::Case;
use crate::rule::case::list;
use crate::simulate::Subject;
use crate::tier::Resolved;

/// Where a container finds its API token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The pod spec of a subject as the rules would see it.
pub(crate) fn fill_in(
    domain: &str,
    resolved: &Resolved,
    rules: &Rules,
    notes: &BTreeMap<String, String>,
    subject: &Subject,
) -> Value {
    let mut spec = subject.pod_spec.clone();
    let case = Case { spec: &subject.pod_spec, job: None, domain, notes, rules };
    if gets_token(&case, resolved, subject.automount) {
        let token =
            json!({"name": "kube-api-access", "projected": {"sources": [{"serviceAccountToken": {}}]}});
        append(&mut spec, "volumes", token);
    }
    limit(&mut spec, &defaults(resolved.spec.limits.as_ref()));
    if rules.fills_in() && case.asks_for_accelerator() {
        let key = case.note(names::TOLERATION_ANNOTATION);
        if !key.is_empty() {
            append(&mut spec, "tolerations", json!({"key": key, "operator": "Exists"}));
        }
        let selector = spec.get("nodeSelector").and_then(|it| it.get(names::NODE_LABEL));
        if case.note(names::PLACEMENT_ANNOTATION) == "true" && selector.is_none() {
            put(&mut spec, "nodeSelector", names::NODE_LABEL, domain.into());
        }
    }
    spec
}

/// Whether ServiceAccount admission mounts a token: unless pod or account says no, and some container has none yet.
fn gets_token(case: &Case<'_>, resolved: &Resolved, automount: Option<bool>) -> bool {
    let of_account = match case.account() {
        "default" => resolved.spec.access.service_accounts.automount_default,
        _ => automount.unwrap_or(true),
    };
    let of_pod = case.spec.get("automountServiceAccountToken").and_then(Value::as_bool);
    let has_one = |it: &Value| list(it, "volumeMounts").any(|it| it["mountPath"] == TOKEN_PATH);
    of_pod.unwrap_or(of_account) && !case.containers().all(has_one)
}

/// A request that is not written is the limit that is, before the defaults come (`SetDefaults_Pod`): it needs no filling in.
fn limit(spec: &mut Value, defaults: &[Default<'_>]) {
    for key in ["containers", "initContainers"] {
        for container in spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            for Default { resource, limit, request } in defaults {
                let lacks = |part: &str| {
                    let of = container.get("resources").and_then(|it| it.get(part)?.get(resource));
                    of.is_none_or(Value::is_null)
                };
                if !lacks("limits") {
                    continue;
                }
                let request = request.filter(|_| lacks("requests"));
                for (part, amount) in [("requests", request), ("limits", *limit)] {
                    let Some(amount) = amount else { continue };
                    ensure_object(container, "resources");
                    put(&mut container["resources"], part, resource, amount.as_str().into());
                }
            }
        }
    }
}

fn append(spec: &mut Value, key: &str, item: Value) {
    match spec.get_mut(key).and_then(Value::as_array_mut) {
        Some(list) => list.push(item),
        None => {
            if let Some(spec) = spec.as_object_mut() {
                spec.insert(key.into(), json!([item]));
            }
        }
    }
}

fn put(value: &mut Value, map: &str, key: &str, item: Value) {
    ensure_object(value, map);
    if let Some(map) = value.get_mut(map).and_then(Value::as_object_mut) {
        map.insert(key.into(), item);
    }
}

fn ensure_object(value: &mut Value, key: &str) {
    if let Some(value) = value.as_object_mut()
        && !value.get(key).is_some_and(Value::is_object)
    {
        value.insert(key.into(), json!({}));
    }
}
