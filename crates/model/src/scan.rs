//! Room `model`: a repository -> a verdict for each file. The clock is handed in, files are looked at in parallel.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

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
use crate::sniff;
use crate::sniff::Format;
use crate::threat;

/// Looks at the file or folder `root`; the error is the system's, for `root` itself. `done` is told of each file.
pub fn scan(
    root: &Path,
    policy: &Policy,
    limits: &Limits,
    done: &(dyn Fn() + Sync),
) -> std::io::Result<ModelScan> {
    scan_telling(root, policy, limits, done, None)
}

/// The same; `tell` is given each file once, as soon as nothing can change its verdict any more, and always in the same
/// order: by path those that stand for themselves, then those that other files have a say in.
pub fn scan_telling(
    root: &Path,
    policy: &Policy,
    limits: &Limits,
    done: &(dyn Fn() + Sync),
    tell: Option<&Tell<'_>>,
) -> std::io::Result<ModelScan> {
    let listing = ringfence_artifact::list(root)?;
    let is_single = !root.is_dir();
    let line = tell.map(Line::new);
    let judge = |(at, entry): (usize, &Entry)| {
        let judged = one(entry, is_single, policy, limits);
        done();
        if let Some(line) = &line {
            line.judged(at, &judged);
        }
        (at, judged)
    };
    let mut judged: Vec<(usize, Judged)> = match line {
        None => listing.files.par_iter().enumerate().map(judge).collect(),
        // In order: what is told first is looked at first.
        Some(_) => listing.files.iter().enumerate().par_bridge().map(judge).collect(),
    };
    judged.sort_by_key(|(at, _)| *at);
    let judged: Vec<Judged> = judged.into_iter().map(|(_, judged)| judged).collect();
    let is_settled: Vec<bool> = judged.iter().map(Judged::is_settled).collect();
    // A file alone has no folder to be held against.
    let mut files: Vec<ModelFile> = if is_single {
        judged.into_iter().map(repository::alone).collect()
    } else {
        repository::together(judged)
    };
    let hidden: Vec<_> =
        listing.hidden.par_iter().filter_map(|entry| hidden(entry, policy, limits)).collect();
    if let Some(tell) = tell {
        let late = files.iter().zip(is_settled).filter(|(_, is_settled)| !is_settled).map(|(file, _)| file);
        late.chain(&hidden).for_each(tell);
    }
    files.extend(hidden);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let (counting, passed_over): (Vec<_>, Vec<_>) = listing.gaps.into_iter().partition(|gap| gap.counts);
    let gaps = counting.into_iter().map(|gap| no_access(gap.name, gap.why));
    Ok(ModelScan {
        source: root.display().to_string(),
        is_file: is_single,
        files,
        gaps: gaps.collect(),
        passed_over: passed_over.into_iter().map(|gap| format!("{}: {}", gap.name, gap.why)).collect(),
        policy: policy.id(),
        seconds: 0.0,
    })
}

/// Takes a file that is judged.
pub type Tell<'t> = dyn Fn(&ModelFile) + Sync + 't;

/// Files that are judged and wait for those before them.
struct Line<'t> {
    tell: &'t Tell<'t>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: usize,
    /// None where the file is told later.
    files: BTreeMap<usize, Option<ModelFile>>,
}

impl<'t> Line<'t> {
    fn new(tell: &'t Tell<'t>) -> Self {
        Self { tell, waiting: Mutex::default() }
    }

    fn judged(&self, at: usize, judged: &Judged) {
        // A panic behind this lock could only come from `tell`, and what waits is whole all the same.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.files.insert(at, judged.is_settled().then(|| judged.file.clone()));
        while let Some(file) = {
            let next = waiting.next;
            waiting.files.remove(&next)
        } {
            waiting.next += 1;
            file.iter().for_each(self.tell);
        }
    }
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

/// A file where tools do not look. It is told if a loader could load it; what git and its extensions keep there is not.
fn hidden(entry: &Entry, policy: &Policy, limits: &Limits) -> Option<ModelFile> {
    // joblib loads a packed file whatever it is called; git packs each of its own objects.
    let is_object = is_object(&entry.name);
    let counts = |format: Format| format.is_loadable() || format.is_packed() && !is_object;
    let is_loadable = |source: &OpenFile| sniff::formats(source).is_ok_and(|all| all.into_iter().any(counts));
    // What cannot be opened or recognised here is not part of what is loaded.
    let open = OpenFile::open(&entry.path, false).ok();
    open.filter(is_loadable)?;
    let mut file = repository::alone(one(entry, false, policy, limits));
    if !is_cached(&entry.name) {
        let message = "a file that can be loaded, in a folder that no tool looks into".to_owned();
        let place = ModelPlace { path: entry.name.clone(), offset: 0 };
        file.findings.push(threat::OTHER_CONTENT.finding(Verdict::Review, place, message));
        file.verdict = file.verdict.max(Verdict::Review);
    }
    Some(file)
}

/// Large files as git-lfs keeps them beside those of the work tree: `.git/lfs/objects/ab/cd/` and a digest.
fn is_cached(name: &str) -> bool {
    let Some((_, object)) = name.rsplit_once(".git/lfs/objects/") else { return false };
    let parts: Vec<&str> = object.split('/').collect();
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    matches!(parts.as_slice(), [first, second, digest]
        if digest.len() == 64 && is_hex(digest) && digest.starts_with(&format!("{first}{second}")))
}

/// Loose objects of git: `.git/objects/ab/` and the rest of a digest of 20 or 32 bytes.
fn is_object(name: &str) -> bool {
    let Some((_, object)) = name.rsplit_once(".git/objects/") else { return false };
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    object.split_once('/').is_some_and(|(first, rest)| {
        first.len() == 2 && matches!(rest.len(), 38 | 62) && is_hex(first) && is_hex(rest)
    })
}

fn unread(entry: &Entry, gap: ModelGap) -> Judged {
    let path = entry.name.clone();
    let file = ModelFile { path, verdict: Verdict::Incomplete, gaps: vec![gap], ..ModelFile::default() };
    Judged { file, externals: vec![] }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::container::stream::Codec;
    use crate::container::stream::tests::pack;

    #[test]
    fn a_packed_file_in_the_folder_of_git_is_told_unless_it_is_an_object() {
        let folder = std::env::temp_dir().join(format!("ringfence-model-git-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let digest = "0a".repeat(19);
        let packed = pack(Codec::Zlib, b"cos\nsystem\n(S'echo hi'\ntR.");
        for name in ["model.joblib", "objects/model", &format!("objects/ab/{digest}"), "objects/ab/0a"] {
            let path = folder.join(".git").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &packed).unwrap();
        }
        let found = scan(&folder, Policy::embedded(), &Limits::default(), &|| ()).unwrap();
        fs::remove_dir_all(folder).unwrap();
        let names: Vec<&str> = found.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, [".git/model.joblib", ".git/objects/ab/0a", ".git/objects/model"]);
        assert!(found.files.iter().all(|file| file.verdict == Verdict::Malicious));
    }

    #[test]
    fn files_are_told_once_in_one_order_and_never_before_their_verdict_stands() {
        let folder = std::env::temp_dir().join(format!("ringfence-model-tell-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let external = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/onnx/external");
        write("m.onnx", &fs::read(external).unwrap());
        // Unknown alone, and explained by the model that comes later.
        write("a.bin", b"\x01no format");
        write("w.bin", &[1, 2, 3, 4, 5, 6, 7, 8]);
        write(".git/x", b"\x80\x02N.");
        for number in 0..50 {
            write(&format!("n/{number:02}.pkl"), b"\x80\x02N.");
        }
        let told = Mutex::new(Vec::new());
        let tell = |file: &ModelFile| told.lock().unwrap().push(file.clone());
        let found =
            scan_telling(&folder, Policy::embedded(), &Limits::default(), &|| (), Some(&tell)).unwrap();
        let plain = scan(&folder, Policy::embedded(), &Limits::default(), &|| ()).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(plain.files, found.files);
        let mut told = told.into_inner().unwrap();
        let names: Vec<&str> = told.iter().map(|file| file.path.as_str()).collect();
        let early: Vec<String> = (0..50).map(|number| format!("n/{number:02}.pkl")).collect();
        assert_eq!(names[..50], early);
        assert_eq!(names[50..], ["a.bin", "m.onnx", "w.bin", ".git/x"]);
        told.sort_by(|one, other| one.path.cmp(&other.path));
        assert_eq!(told, found.files);
    }
}
