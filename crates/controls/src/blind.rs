//! What a cluster did not show -> what a control cannot know. A list that was refused is not an empty list: a control
//! that would have looked there answers unknown, with the gap in its words.

use ringfence_inventory::Listed;

use crate::control::Check;
use crate::control::Control;
use crate::control::EVERYTHING;
use crate::cx::Cx;

/// Kinds named one by one; a user with few rights lacks dozens.
const NAMED: usize = 3;

/// Why a control has not looked at everything that it judges or looks for; none: it has.
pub(crate) fn gap(cx: &Cx<'_>, control: &Control) -> Option<String> {
    let matters = |listed: &Listed| match control.check {
        _ if control.meta.absence == EVERYTHING => true,
        _ if names(control.meta.absence, listed) => true,
        Check::Object(kinds, _) => names(kinds, listed),
        Check::Pod(..) | Check::Namespace(_) | Check::Cluster(_) | Check::Graph(_) => listed.bears_pods,
    };
    let gaps: Vec<(&Listed, &str)> =
        cx.inventory.sight.gaps().filter(|(listed, _)| matters(listed)).collect();
    let (_, first) = gaps.first()?;
    let named: Vec<String> = gaps.iter().take(NAMED).map(|(listed, _)| listed.resource()).collect();
    let named = named.join(", ");
    Some(match gaps.len() {
        1 => format!("not all of {named} was seen: {first}"),
        count if count <= NAMED => format!("not all of {named} was seen; the coverage says why"),
        count => {
            format!("not all of {named} and {} more kinds was seen; the coverage says why", count - NAMED)
        }
    })
}

/// Whether a list is of one of these kinds; a whole group that said nothing may hold any kind of it.
fn names(kinds: &[(&str, &str)], listed: &Listed) -> bool {
    kinds.iter().any(|(group, kind)| *group == listed.group && (*kind == listed.kind || listed.kind == "*"))
}
