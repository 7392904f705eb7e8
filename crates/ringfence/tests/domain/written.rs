//! Tests: a plan against what the controller wrote. An object in a cluster holds what many wrote; `managedFields` say which
//! part is whose.

use std::collections::BTreeSet;

use ringfence_lab::ControlPlane;
use serde_json::Value;
use serde_json::json;

use crate::controller::get;
use crate::run;

/// Each object of the plan against what stands in the cluster of our field manager, byte for byte.
pub(crate) fn what_is_planned_is_what_was_written(lab: &ControlPlane, domain: &Value) {
    let plan = run(
        lab,
        &["domain", "plan", "-f", "-", "--mode", "Enforce", "--format", "json"],
        &domain.to_string(),
    );
    let objects = plan.json()["objects"].as_array().unwrap().clone();
    let kinds: BTreeSet<_> = objects.iter().map(|it| it["id"]["kind"].as_str().unwrap().to_owned()).collect();
    for kind in [
        "LimitRange",
        "MutatingAdmissionPolicyBinding",
        "Namespace",
        "NetworkPolicy",
        "Node",
        "ResourceQuota",
        "RoleBinding",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
    ] {
        assert!(kinds.contains(kind), "{kind} is not planned: {kinds:?}");
    }
    for object in objects {
        let (id, body) = (&object["id"], &object["body"]);
        let what = format!("{} {}/{}", id["kind"], id["namespace"], id["name"]);
        assert_eq!(object["effect"], "keep", "{what}: {}", object["details"]);
        let kind =
            format!("{}.{}", object["resource"].as_str().unwrap(), group(id["apiVersion"].as_str().unwrap()));
        let (name, namespace) = (id["name"].as_str().unwrap(), id["namespace"].as_str().unwrap());
        let live = if namespace.is_empty() {
            get(lab, &[kind.trim_end_matches('.'), name])
        } else {
            get(lab, &["-n", namespace, kind.trim_end_matches('.'), name])
        };
        let live = live.unwrap_or_else(|| panic!("{what} is not there"));
        let mut wanted = body.clone();
        let mut written = of_the_controller(&live);
        for value in [&mut wanted, &mut written] {
            // What says which object it is, and the precondition that it is still the one that was seen.
            for key in ["name", "namespace", "uid"] {
                value["metadata"].as_object_mut().unwrap().remove(key);
            }
            for key in ["apiVersion", "kind"] {
                value.as_object_mut().unwrap().remove(key);
            }
            value.sort_all_objects();
        }
        assert_eq!(written.to_string(), wanted.to_string(), "{what}");
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The part of an object that our field manager set, by `managedFields` (KEP-555, `fieldsV1`).
fn of_the_controller(live: &Value) -> Value {
    let entries = live["metadata"]["managedFields"].as_array().unwrap().iter();
    let mut fields = json!({});
    for entry in
        entries.filter(|it| it["manager"] == "ringfence.dev/controller" && it["subresource"].is_null())
    {
        lay(&mut fields, &entry["fieldsV1"]);
    }
    part(live, &fields)
}

fn lay(onto: &mut Value, fields: &Value) {
    for (key, value) in fields.as_object().unwrap() {
        let place = &mut onto[key];
        if place.is_null() {
            *place = value.clone();
        } else {
            lay(place, value);
        }
    }
}

fn part(value: &Value, fields: &Value) -> Value {
    let fields = fields.as_object().unwrap();
    if fields.keys().all(|key| key == ".") {
        return value.clone();
    }
    if let Some(items) = value.as_array() {
        let of_item = |item: &Value| {
            let is_it = |key: &str| {
                let keyed = key.strip_prefix("k:").map(|it| serde_json::from_str::<Value>(it).unwrap());
                let equal = key.strip_prefix("v:").map(|it| serde_json::from_str::<Value>(it).unwrap());
                keyed.is_some_and(|keys| keys.as_object().unwrap().iter().all(|(key, it)| item[key] == *it))
                    || equal.is_some_and(|it| it == *item)
            };
            fields.iter().find(|(key, _)| is_it(key)).map(|(_, fields)| part(item, fields))
        };
        return items.iter().filter_map(of_item).collect();
    }
    let mut kept = json!({});
    for (key, fields) in fields {
        if let Some(name) = key.strip_prefix("f:")
            && let Some(value) = value.get(name)
        {
            kept[name] = part(value, fields);
        }
    }
    kept
}
