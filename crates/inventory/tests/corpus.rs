//! The fuzz corpora, replayed on stable through the entry functions that the fuzz targets use.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/entry.rs"]
mod entry;
#[path = "support/tree.rs"]
mod tree;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        run(&fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 5, "{target}: {files} files");
}

#[test]
fn split_holds_on_its_corpus() {
    replay("split", entry::split);
}

#[test]
fn tree_holds_on_its_corpus() {
    replay("tree", entry::tree);
}

#[test]
fn json_holds_on_its_corpus() {
    replay("json", entry::json);
}

#[test]
fn scalar_holds_on_its_corpus() {
    replay("scalar", entry::scalar);
}

#[test]
fn schema_holds_on_its_corpus() {
    replay("schema", entry::schema);
}

#[test]
fn saved_holds_on_its_corpus() {
    replay("saved", entry::saved);
}
