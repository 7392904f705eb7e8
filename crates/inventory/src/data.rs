//! Tables of `data/`, embedded in the build: file and key enter, rows leave. A test beside each table counts its rows.

use crate::yaml::Value;
use crate::yaml::read_yaml;

/// Items of the list under `key`. Each table calls it once and keeps what it reads: the tree is never freed.
pub(crate) fn rows(text: &'static str, key: &str) -> impl Iterator<Item = Value<'static>> {
    let tree = read_yaml(text).ok().flatten().map(|tree| &*Box::leak(Box::new(tree)));
    tree.and_then(|tree| tree.root().get(key)).into_iter().flat_map(Value::items)
}
