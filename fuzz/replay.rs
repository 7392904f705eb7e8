//! The fuzz corpora, for the tests that replay them on stable: each crate includes this file beside its entry functions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The files of each corpus, by the name of its target: whatever stands in the folder, so that nobody keeps a list.
#[allow(clippy::unwrap_used, dead_code, reason = "as below; each test takes its own part")]
pub(crate) fn corpora() -> BTreeMap<String, Vec<PathBuf>> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let name = |folder: &Path| folder.file_name().unwrap().to_str().unwrap().to_owned();
    let folders = list(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus"));
    let corpora: BTreeMap<_, _> = folders.iter().map(|folder| (name(folder), list(folder))).collect();
    let few: Vec<_> = corpora.iter().filter(|(_, files)| files.len() < 4).collect();
    assert!(
        corpora.len() >= 28 && few.is_empty(),
        "{} corpora, of them with few files: {few:?}",
        corpora.len()
    );
    corpora
}

/// Calls `run` on each file of a target's corpus, and on a cheap walk around it: half of it, and one byte changed. Fewer
/// than `least` files are a corpus that went missing.
#[allow(
    clippy::unwrap_used,
    dead_code,
    reason = "helpers of tests fail the test; where they stand in one, nothing warns; each test takes its own part"
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
