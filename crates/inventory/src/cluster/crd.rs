//! Room `inventory`, live: the definitions of custom kinds, walked as they arrive and dropped: what stays is where their
//! objects carry pods.

use std::collections::BTreeSet;

use super::list::Sink;
use crate::pod;
use crate::pod::KindSchema;
use crate::pod::Schemas;
use crate::snapshot::Want;
use crate::snapshot::Why;
use crate::yaml::Tree;
use crate::yaml::Value;

/// Definitions of one page: they are large.
pub(super) const PAGE: u32 = 20;

/// Walks definitions.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pub(super) schemas: Schemas,
    /// Definitions taken.
    pub(super) taken: u32,
    /// Kinds that a definition tells about, by group.
    pub(super) told: BTreeSet<(String, String)>,
}

impl Sink for Definitions {
    fn take(&mut self, tree: Tree) -> bool {
        self.taken = self.taken.saturating_add(1);
        // Kinds of groups that are known to start no pods need no walk.
        let text = |path: &[&str]| tree.root().at(path).and_then(Value::text).unwrap_or("");
        let group = text(&["spec", "group"]);
        self.told.insert((group.to_owned(), text(&["spec", "names", "kind"]).to_owned()));
        if !pod::is_without_pods(group)
            && let Some(schema) = KindSchema::from_crd(tree.root())
            && schema.may_bear_pods()
        {
            self.schemas.add(schema);
        }
        false
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Kinds that their definitions say may carry pods, beside those that are wanted anyway.
pub(super) fn wants<'s>(schemas: &'s Schemas, known: &'s [Want]) -> impl Iterator<Item = Want> + 's {
    let is_new = |schema: &&KindSchema| {
        !known.iter().any(|want| *want.group == *schema.group && *want.kind == *schema.kind)
    };
    schemas.iter().filter(is_new).map(|schema| Want {
        group: schema.group.to_string(),
        kind: schema.kind.to_string(),
        plural: schema.plural.to_string(),
        why: Why::Pods,
    })
}
