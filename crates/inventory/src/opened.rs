//! Texts of a document that are YAML themselves, at places known for it -> opened, so that pods can be patched by what
//! they say and variables be read.

use ringfence_finding::Blind;
use ringfence_finding::Reason;

use crate::yaml::NodeId;
use crate::yaml::Tree;
use crate::yaml::Value;
use crate::yaml::read_yaml;

/// Keys whose text is YAML: Argo's patch of a PodSpec, the environment of a RayJob's processes.
const KEYS: &[&str] = &["podSpecPatch", "runtimeEnvYAML"];

/// Nodes that opened texts may add to one document: a workflow has a few dozen.
const MAX_NODES: usize = 1_000_000;

/// A text that was not opened.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) at: NodeId,
    /// Without its place.
    pub(crate) blind: Blind,
}

/// Opens them; returns those that could not be. Text that parameters complete (`{{...}}`) is neither: what it will say
/// is unknown.
pub(crate) fn open(tree: &mut Tree) -> Vec<Closed> {
    let mentions =
        |text: &str| KEYS.iter().any(|key| memchr::memmem::find(text.as_bytes(), key.as_bytes()).is_some());
    if !mentions(tree.source()) && !mentions(tree.resolved_text()) {
        return Vec::new();
    }
    let (mut closed, mut added) = (Vec::new(), 0_usize);
    for at in hosts(tree) {
        let text = tree.value(at).as_str().unwrap_or("").to_owned();
        let key = tree.value(at).key().unwrap_or("text").to_owned();
        let mut close = |blind: Blind| closed.push(Closed { at, blind });
        if added > MAX_NODES {
            let cause = format!("more than {MAX_NODES} values in texts of this document");
            close(Blind::new(Reason::Budget, cause).mend("split it"));
            break;
        }
        match read_yaml(&text) {
            Ok(None) => {}
            Ok(Some(inner)) if !inner.duplicates().is_empty() => {
                let cause = format!("a key is written twice in this {key}");
                close(Blind::new(Reason::DuplicateKey, cause).mend("keep one"));
                added = added.saturating_add(inner.size());
                tree.open(at, &inner);
            }
            Ok(Some(inner)) if inner.root().is_mapping() => {
                added = added.saturating_add(inner.size());
                if !tree.open(at, &inner) {
                    let cause = format!("this {key} is too large to be read");
                    close(Blind::new(Reason::Budget, cause).mend("split the document"));
                }
            }
            _ if text.contains("{{") => {}
            Ok(Some(_)) => {
                let cause = format!("this {key} is no mapping; its controller refuses it");
                close(Blind::new(Reason::WouldBeRejected, cause));
            }
            Err(error) if error.reason() == Reason::Unparsable => {
                let cause = format!("this {key} is no YAML ({error}); its controller refuses it");
                close(Blind::new(Reason::WouldBeRejected, cause));
            }
            Err(error) => close(Blind::new(error.reason(), format!("this {key}: {error}"))),
        }
    }
    closed
}

/// Scalars under those keys.
fn hosts(tree: &Tree) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut work = vec![tree.root()];
    while let Some(value) = work.pop() {
        let is_host = value.key().is_some_and(|key| KEYS.contains(&key)) && value.as_str().is_some();
        found.extend(is_host.then(|| value.id()));
        let from = work.len();
        work.extend(value.children());
        if let Some(added) = work.get_mut(from..) {
            added.reverse();
        }
    }
    // In the order of their ids, in which they are looked up.
    found.sort_unstable();
    found
}

/// Whether a text under one of the keys was not opened: it depends on parameters, or nobody can read it.
pub(crate) fn is_closed(value: Value<'_>) -> bool {
    value.text().is_some_and(|text| !text.trim().is_empty()) && value.opened().is_none()
}
