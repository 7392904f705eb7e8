//! Room `operator`: label and taint of a node, as JSON Patch. Taints are one list that belongs to many: autoscalers put
//! theirs there until a node is ready, and a forced apply takes them away. So the list is tested as it was read.

use ringfence_domain::names;
use serde_json::Value;
use serde_json::json;

use crate::inventory::taint_words;
use crate::store::Live;

/// What a node should have of ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mark {
    /// Value of our label; none: the label goes.
    pub(crate) label: Option<String>,
    /// Our taint: key, value, effect.
    pub(crate) taint: Option<Value>,
    /// Taints that we put there and that go, `key=value:effect`.
    pub(crate) without: Vec<String>,
}

/// The operations that give a node what it should have; empty if it has it.
pub(crate) fn operations(live: &Live, mark: &Mark) -> Vec<Value> {
    let mut operations = taints(live, mark);
    let path = format!("/metadata/labels/{}", names::NODE_LABEL.replace('~', "~0").replace('/', "~1"));
    match (&mark.label, live.label(names::NODE_LABEL)) {
        (Some(want), found) if found != Some(want.as_str()) => {
            if live.labels().is_empty() {
                operations.push(json!({"op": "add", "path": "/metadata/labels", "value": {}}));
            }
            operations.push(json!({"op": "add", "path": path, "value": want}));
        }
        (None, Some(found)) => {
            operations.push(json!({"op": "test", "path": path, "value": found}));
            operations.push(json!({"op": "remove", "path": path}));
        }
        _ => {}
    }
    operations
}

/// Key and effect identify a taint: one with another value is replaced, as two cannot stand side by side.
fn taints(live: &Live, mark: &Mark) -> Vec<Value> {
    let read = live.pointer("/spec/taints");
    let Some(read) = read.as_array().filter(|it| !it.is_empty()) else {
        let Some(taint) = &mark.taint else { return Vec::new() };
        return vec![
            json!({"op": "test", "path": "/metadata/resourceVersion", "value": live.version}),
            json!({"op": "add", "path": "/spec/taints", "value": [taint]}),
        ];
    };
    let mut changes = Vec::new();
    let wanted = mark.taint.as_ref().map(taint_words);
    // From the end, so that no removal moves what comes after it.
    for (index, taint) in read.iter().enumerate().rev() {
        let words = taint_words(taint);
        if mark.without.contains(&words) && wanted.as_ref() != Some(&words) {
            changes.push(json!({"op": "remove", "path": format!("/spec/taints/{index}")}));
        }
    }
    if let (Some(taint), Some(words)) = (&mark.taint, &wanted)
        && !read.iter().any(|it| taint_words(it) == *words)
    {
        let same = |it: &Value| ["key", "effect"].iter().all(|key| it.get(key) == taint.get(key));
        let near = read.iter().position(|it| same(it) && !mark.without.contains(&taint_words(it)));
        changes.push(match near {
            // Before the removals: the place is that of the list as read.
            Some(index) => json!({"op": "replace", "path": format!("/spec/taints/{index}"), "value": taint}),
            None => json!({"op": "add", "path": "/spec/taints/-", "value": taint}),
        });
        if near.is_some() {
            changes.rotate_right(1);
        }
    }
    if !changes.is_empty() {
        changes.insert(0, json!({"op": "test", "path": "/spec/taints", "value": read}));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn taint(key: &str, value: &str, effect: &str) -> Value {
        json!({"key": key, "value": value, "effect": effect})
    }

    fn node(taints: &[Value]) -> Value {
        let mut node = json!({"metadata": {"name": "n", "resourceVersion": "7", "labels": {"a": "b"}}});
        if !taints.is_empty() {
            node["spec"] = json!({"taints": taints});
        }
        node
    }

    /// The taints after the operations, or the failed test.
    fn after(node: &Value, mark: &Mark) -> Value {
        let live = Live::new(Source::Nodes, node.clone());
        let patch: kube::core::params::Patch<()> =
            kube::core::params::Patch::Json(serde_json::from_value(operations(&live, mark).into()).unwrap());
        let kube::core::params::Patch::Json::<()>(patch) = patch else { panic!() };
        let mut node = node.clone();
        json_patch(&mut node, &serde_json::to_value(patch).unwrap());
        node
    }

    /// As much of RFC 6902 as is sent.
    fn json_patch(node: &mut Value, patch: &Value) {
        for operation in patch.as_array().unwrap() {
            let path = operation["path"].as_str().unwrap();
            let (parent, key) = path.rsplit_once('/').unwrap();
            let key = key.replace("~1", "/");
            let value = operation["value"].clone();
            let op = operation["op"].as_str().unwrap();
            if op == "test" {
                assert_eq!(node.pointer(path), Some(&value));
                continue;
            }
            if path == "/spec/taints" {
                node["spec"] = json!({"taints": value});
                continue;
            }
            match node.pointer_mut(parent).unwrap() {
                Value::Array(list) => match (op, key.parse::<usize>()) {
                    ("add", Err(_)) => list.push(value),
                    ("replace", Ok(index)) => list[index] = value,
                    ("remove", Ok(index)) => drop(list.remove(index)),
                    other => panic!("{other:?}"),
                },
                Value::Object(map) if op == "add" => drop(map.insert(key, value)),
                Value::Object(map) => drop(map.remove(&key)),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn foreign_taints_survive_ours_coming_changing_and_going() {
        let foreign = [taint("karpenter.sh/unregistered", "", "NoExecute"), taint("x", "", "NoSchedule")];
        let ours = taint("nvidia.com/gpu", "true", "NoSchedule");
        let with = Mark { label: Some("ml".into()), taint: Some(ours.clone()), without: Vec::new() };
        let tainted = after(&node(&foreign), &with);
        assert_eq!(tainted["spec"]["taints"], json!([foreign[0], foreign[1], ours]));
        assert_eq!(tainted["metadata"]["labels"], json!({"a": "b", names::NODE_LABEL: "ml"}));
        assert_eq!(operations(&Live::new(Source::Nodes, tainted.clone()), &with), Vec::<Value>::new());

        let old = taint_words(&ours);
        let other = taint("nvidia.com/gpu", "true", "NoExecute");
        let changed = Mark { taint: Some(other.clone()), without: vec![old], ..with };
        let changed = after(&tainted, &changed);
        assert_eq!(changed["spec"]["taints"], json!([foreign[0], foreign[1], other]));

        let gone = Mark { without: vec![taint_words(&other)], ..Mark::default() };
        let gone = after(&changed, &gone);
        assert_eq!(gone["spec"]["taints"], json!(foreign));
        assert_eq!(gone["metadata"]["labels"], json!({"a": "b"}));
    }

    #[test]
    fn a_taint_of_the_same_key_and_effect_is_replaced_and_a_bare_node_gets_a_list() {
        let ours = taint("nvidia.com/gpu", "true", "NoSchedule");
        let mark = Mark { label: Some("ml".into()), taint: Some(ours.clone()), without: Vec::new() };
        let near = after(&node(&[taint("nvidia.com/gpu", "present", "NoSchedule")]), &mark);
        assert_eq!(near["spec"]["taints"], json!([ours]));
        assert_eq!(after(&node(&[]), &mark)["spec"]["taints"], json!([ours]));
    }
}
