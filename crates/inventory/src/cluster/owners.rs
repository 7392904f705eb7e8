//! Room `inventory`, live: kinds that are listed as metadata because they mostly say who made a pod. Those that nobody
//! made are workloads of their own, and their bodies are fetched.

use std::collections::HashSet;

use super::list::Ended;
use super::list::Listing;
use super::list::Sink;
use super::list::list;
use super::scan::Scan;
use super::target::Target;
use crate::snapshot::Folder;
use crate::snapshot::Item;
use crate::snapshot::controller;
use crate::yaml::Tree;
use crate::yaml::Value;

/// Up to so many are fetched one by one; more by one list of all bodies.
const ONE_BY_ONE: usize = 20;

/// Fetches the bodies of those without a maker, in the place of their metadata.
pub(super) async fn complete(
    scan: &Scan,
    target: &Target,
    listing: &Listing,
    folder: &mut Folder,
    doubt: Option<String>,
) -> Ended {
    let of_metadata = |item: &Item, key: &str| {
        item.tree.root().at(&["metadata", key]).and_then(Value::text).unwrap_or("").to_owned()
    };
    let is_bare = |item: &Item| controller(item.tree.root()).is_none();
    let bare: Vec<(String, String)> = folder
        .items
        .iter()
        .filter(|item| is_bare(item))
        .map(|item| (of_metadata(item, "namespace"), of_metadata(item, "name")))
        .collect();
    folder.items.retain(|item| !is_bare(item));
    let mut bodies = Bare::default();
    let mut ended = Ended { missing: None, doubt };
    if bare.len() > ONE_BY_ONE {
        let all = Listing { metadata_only: false, ..listing.clone() };
        ended = list(&scan.session, &all, &scan.budget, &mut bodies).await;
    } else {
        for (namespace, name) in &bare {
            let one = Listing {
                metadata_only: false,
                field_selector: Some(format!("metadata.name={name}")),
                ..target.listing(&scan.ask, Some(namespace))
            };
            let mut found = Bare::default();
            let got = list(&scan.session, &one, &scan.budget, &mut found).await;
            bodies.0.extend(found.0);
            ended = Ended { missing: ended.missing.or(got.missing), doubt: ended.doubt.or(got.doubt) };
        }
    }
    for tree in bodies.0 {
        folder.items.push(Item { tree, copies: 1, nodes: std::collections::BTreeSet::new() });
    }
    ended
}

/// Takes bodies of those that nobody made.
#[derive(Default)]
struct Bare(Vec<Tree>);

impl Sink for Bare {
    fn take(&mut self, tree: Tree) -> bool {
        let is_bare = controller(tree.root()).is_none();
        if is_bare {
            self.0.push(tree);
        }
        is_bare
    }

    fn reset(&mut self) {
        self.0.clear();
    }
}

/// Drops old ReplicaSets, which a Deployment keeps for a way back: no pod names them.
pub(super) fn drop_idle(items: &mut Vec<Item>) {
    let makers: HashSet<String> = items
        .iter()
        .filter(|item| item.tree.root().str_at("kind") != Some("ReplicaSet"))
        .filter_map(|item| Some(controller(item.tree.root())?.str_at("uid")?.to_owned()))
        .collect();
    items.retain(|item| {
        let root = item.tree.root();
        let is_made_set = root.str_at("kind") == Some("ReplicaSet") && controller(root).is_some();
        let uid = root.at(&["metadata", "uid"]).and_then(Value::text).unwrap_or("");
        !is_made_set || makers.contains(uid)
    });
}
