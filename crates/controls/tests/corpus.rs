//! The fuzz corpus, replayed on stable through the entry function that the fuzz target uses.

#[path = "support/entry.rs"]
mod entry;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn prices_holds_on_its_corpus() {
    replay::replay("prices", 5, entry::prices);
}
