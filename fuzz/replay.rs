//! The fuzz corpora, for the tests that replay them on stable: each crate includes this file beside its entry functions.

use std::fs;
use std::path::Path;

/// Calls `run` on each file of a target's corpus, and on a cheap walk around it: half of it, and one byte changed. Fewer
/// than `least` files are a corpus that went missing.
#[allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test; where they stand in one, nothing warns"
)]
pub(crate) fn replay(target: &str, least: usize, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        run(&bytes);
        run(bytes.get(..bytes.len() / 2).unwrap_or_default());
        let mut changed = bytes;
        if let Some(byte) = changed.get_mut(11) {
            *byte ^= 0x55;
        }
        run(&changed);
        files += 1;
    }
    assert!(files >= least, "{target}: {files} files");
}
