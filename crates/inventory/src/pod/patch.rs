//! A patch of a PodSpec, written as text (Argo's `podSpecPatch`) -> laid over the pods it changes, as the strategic merge
//! of Kubernetes does: fields of the patch win, containers and volumes are matched by name, unknown names are added.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::container::Role;
use super::find::containers_of;
use super::view::PodView;
use crate::opened;
use crate::yaml::NodeId;
use crate::yaml::Value;

/// Containers one patch may name: it is laid over every template of its workflow. Beyond, it counts as unread.
const MAX_CONTAINERS: usize = 16;

/// Patches of the pods of an Argo template, the strongest first: its own (or that of the defaults), then its workflow's.
/// `layers`: the template, then the levels above that have templates.
pub(super) fn of_argo<'t>(layers: &[Value<'t>]) -> Vec<Value<'t>> {
    let Some((template, levels)) = layers.split_first() else { return Vec::new() };
    let written = |value: &Value<'t>| value.get("podSpecPatch");
    let mut defaults = levels.iter().filter_map(|level| level.get("templateDefaults"));
    let own = written(template).or_else(|| defaults.find_map(|one| written(&one)));
    own.into_iter().chain(levels.iter().filter_map(written)).collect()
}

/// Lays them over a view, the strongest first.
pub(super) fn lay(view: &mut PodView, patches: &[Value<'_>]) {
    let Some(tree) = patches.first().map(|patch| patch.tree()) else { return };
    // Argo calls the container of a template `main`.
    let name_of = |role: Role, node: NodeId| match tree.value(node).str_at("name") {
        Some(name) => name,
        None if role == Role::Init => "",
        None => "main",
    };
    let mut known = HashMap::new();
    for (role, node) in &view.containers {
        known.entry((*role == Role::Init, name_of(*role, *node))).or_insert(*node);
    }
    for text in patches {
        let Some(patch) = text.opened() else {
            if opened::is_closed(*text) {
                view.closed_patch = Some(text.id());
            }
            continue;
        };
        let containers = containers_of(patch);
        if containers.len() > MAX_CONTAINERS {
            view.closed_patch = Some(text.id());
            continue;
        }
        view.patches.push(patch.id());
        for (role, over) in containers {
            match known.entry((role == Role::Init, name_of(role, over))) {
                Entry::Occupied(under) => view.overlays.push((*under.get(), over)),
                Entry::Vacant(unknown) => {
                    unknown.insert(over);
                    view.containers.push((role, over));
                }
            }
        }
    }
    view.overlays.sort_by_key(|(under, _)| *under);
}
