//! Kinds nobody knows: a PodSpec is recognised by its shape.

use crate::yaml::Value;

/// Deepest level searched below an object.
const MAX_DEPTH: usize = 24;

/// Mappings that look like a PodSpec: a `containers` list (or one of init containers) of named items, one of which
/// has an `image` at least: operators fill in the image of their own container, and leave the others as written.
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
            // Items are objects of their own, as those of a list.
            .filter(|child| depth > 0 || child.key() != Some("items") || !child.is_sequence())
            .collect();
        // Last in, first out: reversed, so that results come in source order.
        work.extend(children.into_iter().rev().map(|child| (child, depth.saturating_add(1))));
    }
    found
}

fn is_pod_spec(value: Value<'_>) -> bool {
    ["containers", "initContainers"].into_iter().any(|key| {
        let Some(containers) = value.get(key).filter(|containers| containers.is_sequence()) else {
            return false;
        };
        let is_text = |item: Value<'_>, key: &str| item.get(key).is_some_and(|value| value.text().is_some());
        containers.items().all(|item| is_text(item, "name"))
            && containers.items().any(|item| is_text(item, "image"))
    })
}
