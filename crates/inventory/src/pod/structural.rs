//! Kinds nobody knows: a PodSpec is recognised by its shape.

use crate::yaml::Value;

/// Deepest level searched below an object.
const MAX_DEPTH: usize = 24;

/// Mappings that look like a PodSpec: a non-empty `containers` list whose items all have a text `name` and `image`.
/// Never inside `status`, nor inside an embedded object, which is searched as an object of its own.
pub(super) fn pod_specs(body: Value<'_>) -> Vec<Value<'_>> {
    let mut found = Vec::new();
    let mut work = vec![(body, 0_usize)];
    while let Some((value, depth)) = work.pop() {
        if is_pod_spec(value) {
            found.push(value);
            continue;
        }
        if depth >= MAX_DEPTH || (depth > 0 && super::embedded::is_object(value)) {
            continue;
        }
        let children: Vec<_> = value
            .children()
            .filter(|child| !child.is_scalar())
            .filter(|child| depth > 0 || !matches!(child.key(), Some("status" | "metadata")))
            .collect();
        // Last in, first out: reversed, so that results come in source order.
        work.extend(children.into_iter().rev().map(|child| (child, depth.saturating_add(1))));
    }
    found
}

fn is_pod_spec(value: Value<'_>) -> bool {
    let Some(containers) = value.get("containers").filter(|containers| containers.is_sequence()) else {
        return false;
    };
    let mut any = false;
    for item in containers.items() {
        if item.str_at("name").is_none() || item.str_at("image").is_none() {
            return false;
        }
        any = true;
    }
    any
}
