//! Room `model`: a repository -> a verdict for each file. The clock is handed in, files are looked at in parallel.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use ringfence_artifact::Entry;
use ringfence_artifact::OpenFile;
use ringfence_artifact::Source;
use ringfence_finding::GapReason;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelPlace;
use ringfence_finding::ModelScan;
use ringfence_finding::Verdict;

use crate::file;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::repository;
use crate::repository::Judged;

/// Looks at the file or folder `root`; the error is the system's, for `root` itself. `done` is told of each file.
pub fn scan(
    root: &Path,
    policy: &Policy,
    limits: &Limits,
    done: &(dyn Fn() + Sync),
) -> std::io::Result<ModelScan> {
    let listing = ringfence_artifact::list(root)?;
    let is_single = !root.is_dir();
    let files = listing.files.par_iter().map(|entry| {
        let file = one(entry, is_single, policy, limits);
        done();
        file
    });
    let judged: Vec<Judged> = files.collect();
    // A file alone has no folder to be held against.
    let files = if is_single {
        judged.into_iter().map(repository::alone).collect()
    } else {
        repository::together(judged)
    };
    let (counting, passed_over): (Vec<_>, Vec<_>) = listing.gaps.into_iter().partition(|gap| gap.counts);
    let gaps = counting.into_iter().map(|gap| no_access(gap.name, gap.why));
    Ok(ModelScan {
        source: root.display().to_string(),
        files,
        gaps: gaps.collect(),
        passed_over: passed_over.into_iter().map(|gap| format!("{}: {}", gap.name, gap.why)).collect(),
        policy: policy.id(),
        seconds: 0.0,
    })
}

fn no_access(path: String, message: String) -> ModelGap {
    let place = ModelPlace { path, offset: 0 };
    ModelGap { reason: GapReason::NoAccess, place, bytes: None, message }
}

/// One file: opened, judged, and held against its identity again.
fn one(entry: &Entry, follow: bool, policy: &Policy, limits: &Limits) -> Judged {
    let open = match OpenFile::open(&entry.path, follow) {
        Ok(open) => Arc::new(open),
        Err(error) => return unread(entry, no_access(entry.name.clone(), error.to_string())),
    };
    let source: Arc<dyn Source> = Arc::clone(&open) as Arc<dyn Source>;
    // One bad file must not end a scan.
    let judged = catch_unwind(AssertUnwindSafe(|| file::judged(&entry.name, &source, policy, limits)));
    let mut judged = judged.unwrap_or_else(|_| {
        let place = ModelPlace { path: entry.name.clone(), offset: 0 };
        let message = "an internal error: report it with the file, if it may be shown".to_owned();
        unread(entry, ModelGap { reason: GapReason::Internal, place, bytes: None, message })
    });
    if let Err(error) = open.verify() {
        let place = ModelPlace { path: entry.name.clone(), offset: 0 };
        let message = format!("{error}: what was judged is not what is there; scan it again");
        judged.file.gaps.push(ModelGap { reason: GapReason::Changed, place, bytes: None, message });
        judged.file.verdict = judged.file.verdict.max(Verdict::Incomplete);
    }
    judged
}

fn unread(entry: &Entry, gap: ModelGap) -> Judged {
    let path = entry.name.clone();
    let file = ModelFile { path, verdict: Verdict::Incomplete, gaps: vec![gap], ..ModelFile::default() };
    Judged { file, externals: vec![] }
}
