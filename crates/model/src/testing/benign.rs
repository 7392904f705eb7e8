//! Room `model`, tests: ordinary files by the formats' own libraries (`peers/benign`), in the small form that the private
//! environment of the tests allows; `cargo xtask bench benign` has them all. At most one of a hundred may be other than clean.

use std::path::Path;
use std::process::Command;

use ringfence_finding::Verdict;

use crate::Limits;
use crate::Policy;

/// Scripts whose libraries are in the private environment.
const SCRIPTS: [&str; 7] = ["ggufs", "joblibs", "numpys", "onnxes", "pickles", "safetensor", "tokenizers"];

#[test]
#[ignore = "needs model-peers: they write the files"]
fn what_the_libraries_of_formats_write_is_clean() {
    let folder = std::env::temp_dir().join(format!("ringfence-model-benign-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/benign");
    for script in SCRIPTS {
        let mut python = Command::new(std::env::var_os("RINGFENCE_MODEL_PEERS").unwrap());
        python.arg("-I").arg(scripts.join(format!("{script}.py"))).arg(folder.join(script));
        assert!(python.status().unwrap().success(), "{script}");
    }
    let (files, told) = scan(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{files} files, {} not clean", told.len());
    assert!(files >= 500 && told.len() * 100 <= files, "{files} files, not clean:\n{}", told.join("\n"));
    assert!(!told.iter().any(|line| line.starts_with("malicious")), "{}", told.join("\n"));
}

/// How many files there are, and a line for each that is not clean.
fn scan(folder: &Path) -> (usize, Vec<String>) {
    let scan = crate::scan(folder, Policy::embedded(), &Limits::default(), &|| ()).unwrap();
    let not_clean = scan.files.iter().filter(|file| file.verdict != Verdict::Clean);
    let line = |file: &ringfence_finding::ModelFile| {
        let found = file.findings.iter().map(|finding| finding.message.clone());
        let words = found.chain(file.gaps.iter().map(|gap| gap.message.clone()));
        format!("{} {}: {}", file.verdict, file.path, words.collect::<Vec<_>>().join("; "))
    };
    (scan.files.len(), not_clean.map(line).collect())
}

/// What `bench benign` or a script wrote: `RINGFENCE_BENIGN` names the folder.
#[test]
fn judges_the_folder_that_it_is_told() {
    let Some(folder) = std::env::var_os("RINGFENCE_BENIGN") else { return };
    let (files, told) = scan(Path::new(&folder));
    println!("{files} files, {} not clean:\n{}", told.len(), told.join("\n"));
}
