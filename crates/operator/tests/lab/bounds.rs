//! Every bound of every field on the server, drawn from the schema itself: what lies beyond is refused with the path of its
//! field. The reading of files must come to the same word.

use http::Method;
use ringfence_domain::SecurityDomain;
use serde_json::Value;
use serde_json::json;

use crate::ground::turn;
use crate::lab;
use crate::rules::DOMAINS;
use crate::rules::faults;
use crate::rules::merged;
use crate::rules::object;
use crate::rules::reads;
use crate::rules::tried;
use crate::wire::send;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: the definition is installed"]
async fn each_bound_of_each_field_refuses_what_lies_beyond_it() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let client = lab.client().await;
    let definition = ringfence_domain::definition();
    let schema = &definition.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    let full = full();
    assert_eq!(tried(&client, &object("t-full", &full)).await, Ok(()));
    assert_eq!(faults(&object("t-full", &full)), Vec::<String>::new());
    let mut changes = Vec::new();
    walk(schema, &[(String::new(), &full)], &mut changes);
    assert!(changes.len() > 300, "{} bounds", changes.len());

    let mut wrong = Vec::new();
    for change in &changes {
        let mut spec = full.clone();
        change.make(&mut spec);
        let object = object("t-bounds", &spec);
        let said = tried(&client, &object).await;
        let what = format!("{} {}", change.field(), change.what);
        match (&said, change.is_good) {
            (Err(words), false) if words.contains(&change.field()) => {}
            (Ok(()), true) => {}
            _ => wrong.push(format!("{what}: the server said {said:?}")),
        }
        if reads(&object) != change.is_good {
            wrong.push(format!("{what}: the reading of files disagrees"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    // What the server fills in is what our own types fill in.
    let least = object("t-least", &merged(&json!({})));
    let uri = format!("{DOMAINS}?dryRun=All");
    let filled = send(&client, Method::POST, &uri, &least).await;
    let [filled, ours] = [filled, least].map(|it| serde_json::from_value::<SecurityDomain>(it).unwrap().spec);
    assert_eq!(filled, ours);
}

/// A spec that has every field.
fn full() -> Value {
    let selector = json!({
        "matchLabels": {"team": "ml"},
        "matchExpressions": [{"key": "gpu", "operator": "In", "values": ["yes-please"]}],
    });
    let ports = json!([{"port": 443, "protocol": "TCP"}]);
    let container = json!({"cpu": "1", "memory": "1Gi", "ephemeralStorage": "1Gi"});
    let amounts = json!({
        "gpu": 8, "cpu": "64", "memory": "256Gi", "storage": "1Ti", "ephemeralStorage": "100Gi", "pods": 50,
        "deviceClasses": {"gpu": 4},
    });
    let with = |base: &Value, key: &str, value: Value| {
        let mut base = base.clone();
        base[key] = value;
        base
    };
    json!({
        "namespaces": {"names": ["ml"], "selector": selector, "create": true, "deletionPolicy": "Orphan"},
        "tier": "Baseline",
        "enforcement": {"mode": "Observe", "acknowledged": "0".repeat(64)},
        "nodes": {
            "selector": selector,
            "taint": {"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"},
            "manageTaint": true, "dedicated": true, "injectToleration": true, "injectNodeSelector": true,
            "systemAllowList": {"namespaces": ["gpu-operator"]},
            "acknowledgeEviction": true,
        },
        "network": {
            "defaultDeny": true, "intraDomain": true, "allowDNS": true, "internet": "Declared",
            "internalCIDRs": ["10.0.0.0/8"],
            "egress": [
                {"name": "a", "purpose": "LLM", "to": {"namespace": "a"}, "ports": ports},
                {"name": "b", "to": {"service": {"namespace": "a", "name": "b"}}, "ports": ports},
                {"name": "c", "to": {"cidr": "192.0.2.0/24"}, "ports": ports},
                {"name": "d", "to": {"apiServer": true}},
            ],
            "ingress": [{"name": "a", "fromNamespace": "web", "ports": ports}],
            "registry": {"namespace": "registry", "port": 443},
            "blockMetadata": true,
        },
        "secrets": {
            "store": {"kind": "SecretStore", "name": "vault"},
            "refreshInterval": "1h",
            "items": [{"name": "hf", "remoteKey": "team/hf", "property": "token", "secretKey": "token"}],
        },
        "access": {
            "roles": [{
                "preset": "ml-viewer",
                "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}],
                "extras": ["Exec"],
            }],
            "mountable": {"serviceAccounts": ["train"], "secrets": ["hf"], "claims": ["data"]},
            "serviceAccounts": {"automountDefault": false},
        },
        "quota": with(&amounts, "overrides", json!([with(&amounts, "namespace", "ml".into())])),
        "limits": {
            "default": container, "defaultRequest": container, "max": with(&container, "storage", "1Ti".into()),
            "maxGPUsPerPod": 8,
        },
        "jobs": {"ttlSecondsAfterFinished": 60, "activeDeadlineSeconds": 3600},
        "podSecurity": {
            "enforce": "privileged", "warn": "restricted", "audit": "restricted",
            "shm": {"autoMount": true, "percent": 50},
            "allowDevices": ["/dev/infiniband"],
        },
    })
}

/// A change of a spec.
struct Change {
    /// Where, as a JSON pointer.
    at: String,
    /// The value that it gets; none: the field goes.
    value: Option<Value>,
    what: &'static str,
    is_good: bool,
}

impl Change {
    fn make(&self, spec: &mut Value) {
        if let Some(value) = &self.value {
            *spec.pointer_mut(&self.at).unwrap() = value.clone();
            return;
        }
        let (parent, key) = self.at.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
    }

    /// As the API server names it.
    fn field(&self) -> String {
        let parts = self.at.split('/').skip(1);
        parts.fold("spec".to_owned(), |path, part| match part.parse::<usize>() {
            Ok(index) => format!("{path}[{index}]"),
            Err(_) => format!("{path}.{part}"),
        })
    }
}

/// A bound of a schema. They are generated as floating point.
#[expect(clippy::cast_possible_truncation, reason = "bounds of the schema are whole and far below 2^53")]
fn bound(schema: &Value, key: &str) -> Option<i64> {
    schema[key].as_f64().map(|it| it as i64)
}

/// Bounds of a schema, each at the first of the values that stand there.
fn walk(schema: &Value, values: &[(String, &Value)], changes: &mut Vec<Change>) {
    let (at, value) = &values[0];
    let mut change = |what, value, is_good| changes.push(Change { at: at.clone(), value, what, is_good });
    let number = |key: &str| bound(schema, key);
    if !at.is_empty() {
        let other = if schema["type"] == "string" { json!(true) } else { json!("text") };
        change("type", Some(other), false);
    }
    if schema["enum"].is_array() {
        change("enum", Some("none-of-them".into()), false);
    } else if schema["pattern"].is_string() {
        change("pattern", Some("!".into()), false);
    }
    if number("minLength") == Some(1) {
        change("minLength", Some("".into()), false);
    }
    if let Some(most) = number("maxLength") {
        change("maxLength", Some("1".repeat(usize::try_from(most).unwrap() + 1).into()), false);
    }
    // A rule says more about the least of this one.
    let is_ruled = schema["x-kubernetes-validations"].is_array() || at.ends_with("/activeDeadlineSeconds");
    if let Some(least) = number("minimum") {
        change("minimum", Some((least - 1).into()), false);
        if !is_ruled {
            change("minimum", Some(least.into()), true);
        }
    }
    if let Some(most) = number("maximum") {
        change("maximum", Some((most + 1).into()), false);
        change("maximum", Some(most.into()), true);
    }
    if let Some(items) = value.as_array() {
        if let Some(most) = number("maxItems") {
            let many = vec![items[0].clone(); usize::try_from(most).unwrap() + 1];
            change("maxItems", Some(many.into()), false);
        }
        if number("minItems") == Some(1) {
            change("minItems", Some(json!([])), false);
        }
        if schema["x-kubernetes-list-type"].is_string() {
            change("twice", Some(json!([items[0], items[0]])), false);
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let at = format!("{at}/{}", name.as_str().unwrap());
        changes.push(Change { at, value: None, what: "required", is_good: false });
    }
    below(schema, values, changes);
}

fn below(schema: &Value, values: &[(String, &Value)], changes: &mut Vec<Change>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let with = values.iter().filter_map(|(at, it)| Some((format!("{at}/{name}"), it.get(name)?)));
        let with: Vec<_> = with.collect();
        assert!(!with.is_empty(), "the full spec lacks {}/{name}", values[0].0);
        walk(schema, &with, changes);
    }
    if schema["items"].is_object() {
        let items = values.iter().flat_map(|(at, list)| {
            list.as_array().unwrap().iter().enumerate().map(move |(index, it)| (format!("{at}/{index}"), it))
        });
        walk(&schema["items"], &items.collect::<Vec<_>>(), changes);
    }
    if schema["additionalProperties"].is_object() {
        let (at, map) = &values[0];
        let (key, value) = map.as_object().unwrap().iter().next().unwrap();
        walk(&schema["additionalProperties"], &[(format!("{at}/{key}"), value)], changes);
    }
}
