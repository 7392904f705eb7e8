//! Room `secret`: a flow collection, `{a: b}` or JSON, under a key-like key -> its scalars.

use std::ops::Range;

use super::is_key_like;
use super::name;
use super::value;
use super::value::Until;
use super::value::skip_blanks;

/// The scalars of the flow collection at `start` that are neither keys nor under a harmless one, and where
/// it ends. With `all`, no key is harmless.
pub(super) fn leaves(line: &str, start: usize, all: bool) -> (Vec<Range<usize>>, usize) {
    let text = line.as_bytes();
    let mut leaves = Vec::new();
    let mut depth = 0_usize;
    // Depth from which on a reference's own mapping is shown.
    let mut shown_from = None;
    let mut is_shown = false;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'{' | b'[' if !line.get(at..).unwrap_or_default().starts_with("{{") => {
                depth += 1;
                if is_shown && shown_from.is_none() {
                    shown_from = Some(depth);
                }
                is_shown = false;
                at += 1;
            }
            b'}' | b']' => {
                if shown_from == Some(depth) {
                    shown_from = None;
                }
                depth = depth.saturating_sub(1);
                at += 1;
                if depth == 0 {
                    return (leaves, at);
                }
            }
            b',' | b' ' | b'\t' | b'\r' => at += 1,
            _ => {
                let scalar = value::read(line, at, Until::FlowKey);
                let colon = skip_blanks(line, scalar.end);
                if text.get(colon) == Some(&b':') {
                    let key = line.get(scalar.inner).unwrap_or_default();
                    is_shown = !all && is_shown_child(key);
                    at = colon + 1;
                } else {
                    if !is_shown && shown_from.is_none() {
                        leaves.push(scalar.inner);
                    }
                    is_shown = false;
                    at = scalar.end.max(at + 1);
                }
            }
        }
    }
    (leaves, at)
}

/// Children of a key-like key that say where a secret is or for whom: `secret: {secretName: x}`.
pub(super) fn is_shown_child(key: &str) -> bool {
    SHOWN_CHILDREN.contains(&key) || (name::is_reference(key) && !is_key_like(key))
}

#[rustfmt::skip]
const SHOWN_CHILDREN: &[&str] = &[
    "apiVersion", "database", "defaultMode", "enabled", "host", "issuer", "items", "kind", "mode", "name",
    "namespace", "optional", "port", "provider", "realm", "type", "user", "username",
];
