//! The fuzz corpora, replayed on stable through the entry functions that the fuzz targets use.

#[path = "support/entry.rs"]
mod entry;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn pickle_holds_on_its_corpus() {
    replay("pickle", 5, entry::judge);
}

#[test]
fn zip_holds_on_its_corpus() {
    replay("zip", 5, entry::judge);
}

#[test]
fn safetensors_holds_on_its_corpus() {
    replay("safetensors", 5, entry::judge);
}

#[test]
fn npy_holds_on_its_corpus() {
    replay("npy", 5, entry::judge);
}

#[test]
fn stream_holds_on_its_corpus() {
    replay("stream", 5, entry::judge);
}

#[test]
fn tar_holds_on_its_corpus() {
    replay("tar", 5, entry::judge);
}

#[test]
fn torch_legacy_holds_on_its_corpus() {
    replay("torch_legacy", 5, entry::judge);
}

#[test]
fn torch_tar_holds_on_its_corpus() {
    replay("torch_tar", 5, entry::judge);
}

#[test]
fn joblib_holds_on_its_corpus() {
    replay("joblib", 5, entry::judge);
}

#[test]
fn jinja_holds_on_its_corpus() {
    replay("jinja", 5, entry::template);
}

#[test]
fn gguf_holds_on_its_corpus() {
    replay("gguf", 5, entry::judge);
}

#[test]
fn onnx_holds_on_its_corpus() {
    replay("onnx", 5, entry::judge);
}

#[test]
fn configuration_holds_on_its_corpus() {
    replay("configuration", 5, entry::configuration);
}

#[test]
fn allow_holds_on_its_corpus() {
    replay("allow", 5, entry::allow);
}

#[test]
fn inspection_holds_on_all_corpora() {
    // Those of other parsers too: any file may be called a model.
    for target in replay::corpora().keys() {
        replay(target, 4, entry::inspect);
    }
}
