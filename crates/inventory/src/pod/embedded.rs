//! Objects inside objects: a kro ResourceGraphDefinition, an AppWrapper, a Katib trial, a ConfigMap value, a YAML
//! string of an Argo workflow.

use crate::yaml::Value;

/// Objects found directly inside `body`, not inside one another: nested ones are found from them in turn.
/// Second: texts that hold YAML of an object at places known for it.
pub(crate) fn embedded<'t>(group: &str, kind: &str, body: Value<'t>) -> (Vec<Value<'t>>, Vec<Value<'t>>) {
    let mut objects = Vec::new();
    let mut texts = Vec::new();
    if group == "apiextensions.k8s.io" || (group.is_empty() && matches!(kind, "Secret" | "Event")) {
        return (objects, texts);
    }
    if group.is_empty() && kind == "ConfigMap" {
        let data = body.get("data").into_iter().flat_map(Value::children);
        texts.extend(data.filter(|value| value.as_str().is_some_and(may_hold_object)));
        return (objects, texts);
    }
    // Status repeats what exists, metadata holds no objects, items were taken as those of a list.
    let outside = |child: &Value<'t>| {
        let is_list = child.key() == Some("items") && child.is_sequence();
        !is_list && !matches!(child.key(), Some("status" | "metadata"))
    };
    let mut work: Vec<Value<'t>> = body.children().filter(outside).collect();
    work.reverse();
    while let Some(value) = work.pop() {
        if is_object(value) {
            objects.push(value);
            continue;
        }
        if group == "argoproj.io"
            && value.key() == Some("manifest")
            && value.as_str().is_some_and(may_hold_object)
        {
            texts.push(value);
        }
        let from = work.len();
        work.extend(value.children().filter(|child| {
            !child.is_scalar() || (group == "argoproj.io" && child.key() == Some("manifest"))
        }));
        if let Some(added) = work.get_mut(from..) {
            added.reverse();
        }
    }
    (objects, texts)
}

/// A mapping with `apiVersion` and `kind` that says something: one that only *references* an object does not.
pub(crate) fn is_object(value: Value<'_>) -> bool {
    value.is_mapping()
        && value.str_at("apiVersion").is_some()
        && value.str_at("kind").is_some()
        && [
            "spec",
            "data",
            "stringData",
            "template",
            "rules",
            "items",
            "objects",
            "webhooks",
            "subjects",
            "provisioner",
        ]
        .into_iter()
        .any(|key| value.get(key).is_some_and(|content| !content.is_scalar() || key == "provisioner"))
}

fn may_hold_object(text: &str) -> bool {
    text.contains("apiVersion") && text.contains("kind")
}
