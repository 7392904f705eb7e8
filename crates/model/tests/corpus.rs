//! The fuzz corpora, replayed on stable through the entry function that the fuzz targets use.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "support/entry.rs"]
mod entry;

use std::fs;
use std::path::Path;

fn replay(target: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        entry::judge(&bytes);
        // Half of it, and with one byte changed: a cheap walk around each file.
        entry::judge(bytes.get(..bytes.len() / 2).unwrap_or_default());
        let mut changed = bytes;
        if let Some(byte) = changed.get_mut(11) {
            *byte ^= 0x55;
        }
        entry::judge(&changed);
        files += 1;
    }
    assert!(files >= 5, "{target}: {files} files");
}

#[test]
fn pickle_holds_on_its_corpus() {
    replay("pickle");
}

#[test]
fn zip_holds_on_its_corpus() {
    replay("zip");
}

#[test]
fn safetensors_holds_on_its_corpus() {
    replay("safetensors");
}

#[test]
fn npy_holds_on_its_corpus() {
    replay("npy");
}

#[test]
fn stream_holds_on_its_corpus() {
    replay("stream");
}

#[test]
fn tar_holds_on_its_corpus() {
    replay("tar");
}

#[test]
fn torch_legacy_holds_on_its_corpus() {
    replay("torch_legacy");
}

#[test]
fn torch_tar_holds_on_its_corpus() {
    replay("torch_tar");
}

#[test]
fn joblib_holds_on_its_corpus() {
    replay("joblib");
}

#[test]
fn jinja_holds_on_its_corpus() {
    replay("jinja");
}

#[test]
fn gguf_holds_on_its_corpus() {
    replay("gguf");
}

#[test]
fn onnx_holds_on_its_corpus() {
    replay("onnx");
}
