//! The fuzz corpora, replayed on stable through the entry functions that the fuzz targets use.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "support/entry.rs"]
mod entry;

use std::fs;
use std::path::Path;

fn replay(target: &str, judge: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for length in 0..=bytes.len() {
            judge(bytes.get(..length).unwrap_or_default());
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x15;
            judge(&changed);
        }
        files += 1;
    }
    assert!(files >= 3, "{target}: {files} files");
}

#[test]
fn bundle_holds_on_its_corpus() {
    replay("oms_bundle", entry::bundle);
}

#[test]
fn statement_holds_on_its_corpus() {
    replay("oms_statement", entry::statement);
}

#[test]
fn key_holds_on_its_corpus() {
    replay("key", entry::key);
}

#[test]
fn certificate_holds_on_its_corpus() {
    replay("certificate", entry::certificate);
}

#[test]
fn timestamp_holds_on_its_corpus() {
    replay("timestamp", entry::timestamp);
}
