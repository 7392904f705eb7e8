//! The fuzz corpora, replayed on stable through the entry functions that the fuzz targets use.
#![expect(clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/entry.rs"]
mod entry;
#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "support/tree.rs"]
mod tree;

use replay::replay;

#[test]
fn split_holds_on_its_corpus() {
    replay("split", 5, entry::split);
}

#[test]
fn tree_holds_on_its_corpus() {
    replay("tree", 5, entry::tree);
}

#[test]
fn json_holds_on_its_corpus() {
    replay("json", 5, entry::json);
}

#[test]
fn scalar_holds_on_its_corpus() {
    replay("scalar", 5, entry::scalar);
}

#[test]
fn schema_holds_on_its_corpus() {
    replay("schema", 5, entry::schema);
}

#[test]
fn saved_holds_on_its_corpus() {
    replay("saved", 5, entry::saved);
}
