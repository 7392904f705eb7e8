//! Room `model`: a repository -> a verdict for each file. The clock is handed in, files are looked at in parallel.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use rayon::prelude::*;
use ringfence_artifact::Entry;
use ringfence_artifact::Head;
use ringfence_artifact::Listing;
use ringfence_artifact::OpenFile;
use ringfence_artifact::ReadError;
use ringfence_artifact::Rest;
use ringfence_artifact::Source;
use ringfence_artifact::Taker;
use ringfence_artifact::Teed;
use ringfence_finding::GapReason;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelPlace;
use ringfence_finding::ModelScan;
use ringfence_finding::Verdict;

use crate::file;
use crate::hidden;
use crate::limits::Limits;
use crate::line::Line;
use crate::line::Tell;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::repository;
use crate::repository::Judged;
use crate::results::Results;

/// Bytes that are left of a file from which on its rest waits for others, so that two are taken at a time.
const WORTH_WAITING: u64 = 1 << 20;
/// Files that wait, each with its descriptor.
const WAITING: usize = 256;

/// Looks at the file or folder `root`; the error is the system's, for `root` itself. `done` is told of each file.
pub fn scan(
    root: &Path,
    policy: &Policy,
    limits: &Limits,
    done: &(dyn Fn() + Sync),
) -> std::io::Result<ModelScan> {
    scan_with(root, policy, limits, &Arc::new(()), done, None)
}

/// The same, and `taker` gets all bytes of every file; what comes of them stands as its SHA-256. `tell` is given each file
/// once, as soon as nothing can change what is said of it any more, and always in the same order: by path those that stand
/// for themselves, then those that other files have a say in or whose bytes are still to be taken.
pub fn scan_with<T: Taker>(
    root: &Path,
    policy: &Policy,
    limits: &Limits,
    taker: &Arc<T>,
    done: &(dyn Fn() + Sync),
    tell: Option<&Tell<'_>>,
) -> std::io::Result<ModelScan> {
    let is_single = !root.is_dir();
    let line = tell.map(Line::new);
    let waiting = AtomicUsize::new(0);
    let look = |entry: &Entry, follow| Look { policy, limits, taker, waiting: &waiting }.file(entry, follow);
    let judge = |at: usize, entry: &Entry| {
        let looked = look(entry, is_single);
        done();
        if let Some(line) = &line {
            line.judged(at, is_final(&looked).then(|| looked.0.file.clone()));
        }
        looked
    };
    let (listing, looked) = each(root, line.is_some(), &judge)?;
    let is_told: Vec<bool> = tell.map_or_else(Vec::new, |_| looked.iter().map(is_final).collect());
    let judged = settle(looked, taker.as_ref());
    // A file alone has no folder to be held against.
    let mut files: Vec<ModelFile> = if is_single {
        judged.into_iter().map(repository::alone).collect()
    } else {
        repository::together(judged)
    };
    let mut out_of_sight = Vec::new();
    // Without this, a file alone would wait for threads to start.
    if !listing.hidden.is_empty() {
        let told: Vec<_> =
            listing.hidden.par_iter().filter_map(|entry| Some((entry, hidden::why(entry)?))).collect();
        let looked = told.par_iter().map(|(entry, _)| look(entry, false)).collect();
        let judged = settle(looked, taker.as_ref());
        out_of_sight.extend(judged.into_iter().zip(told).map(|(judged, (_, why))| hidden::told(judged, why)));
    }
    if let Some(tell) = tell {
        let late = files.iter().zip(is_told).filter(|(_, is_told)| !is_told).map(|(file, _)| file);
        late.chain(&out_of_sight).for_each(tell);
    }
    if !out_of_sight.is_empty() {
        files.extend(out_of_sight);
        files.sort_by(|one, other| one.path.cmp(&other.path));
    }
    let (counting, passed_over): (Vec<_>, Vec<_>) = listing.gaps.into_iter().partition(|gap| gap.counts);
    let gaps = counting.into_iter().map(|gap| no_access(gap.name, gap.why));
    Ok(ModelScan {
        source: root.display().to_string(),
        is_file: is_single,
        additions: policy.used(&files),
        files,
        gaps: gaps.collect(),
        passed_over: passed_over.into_iter().map(|gap| format!("{}: {}", gap.name, gap.why)).collect(),
        policy: policy.id(),
        ..ModelScan::default()
    })
}

/// Lists the files at `root`, has all cores judge them and gives what came of them in the order of their names. They are
/// judged while others are still being listed, or, where they are told in order, when all of them are known.
fn each<R: Send>(
    root: &Path,
    in_order: bool,
    judge: &(dyn Fn(usize, &Entry) -> R + Sync),
) -> std::io::Result<(Listing, Vec<R>)> {
    let queue = Queue::default();
    let results = Results::default();
    let work = || queue.each(|at, entry| results.put(at, judge(at, entry)));
    let list = || {
        let listing = list_into(&queue, root, in_order)?;
        // While the others are at work already.
        results.order(queue.ranks());
        work();
        std::io::Result::Ok(listing)
    };
    let listing = if root.is_dir() {
        // Here, not in a thread of the pool: this one would wait for all of them.
        rayon::in_place_scope(|scope| {
            for _ in 1..rayon::current_num_threads() {
                scope.spawn(|_| work());
            }
            list()
        })?
    } else {
        list()?
    };
    Ok((listing, results.into_vec()))
}

fn list_into(queue: &Queue, root: &Path, in_order: bool) -> std::io::Result<Listing> {
    let mut lister = queue.lister();
    if !in_order {
        return ringfence_artifact::list(root, &mut |file| lister.add(file));
    }
    let mut files = Vec::new();
    let listing = ringfence_artifact::list(root, &mut |file| files.push(file))?;
    files.sort();
    for file in files {
        lister.add(file);
    }
    Ok(listing)
}

/// Whether neither other files nor bytes that are still to be taken have a say in it.
fn is_final<R>((judged, rest): &(Judged, Option<R>)) -> bool {
    judged.is_settled() && rest.is_none()
}

fn no_access(path: String, message: String) -> ModelGap {
    let place = ModelPlace { path, offset: 0 };
    ModelGap { reason: GapReason::NoAccess, place, bytes: None, message }
}

/// How each file is looked at.
struct Look<'l, T> {
    policy: &'l Policy,
    limits: &'l Limits,
    taker: &'l Arc<T>,
    waiting: &'l AtomicUsize,
}

/// A file that was judged, and what a taker still has to read of it.
type Looked<T> = (Judged, Option<Box<Rest<<T as Taker>::State>>>);

impl<T: Taker> Look<'_, T> {
    /// One file: opened, judged, taken, and held against its identity again.
    fn file(&self, entry: &Entry, follow: bool) -> Looked<T> {
        let open = match OpenFile::open(entry.path(), follow) {
            Ok(open) => Arc::new(Head::new(Teed::new(open, self.taker))),
            Err(error) => return (unread(entry, no_access(entry.name.clone(), error.to_string())), None),
        };
        let source: Arc<dyn Source> = Arc::clone(&open) as Arc<dyn Source>;
        // One bad file must not end a scan.
        let judge = || file::judged(&entry.name, &source, self.policy, self.limits);
        let mut judged = catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| {
            let place = ModelPlace { path: entry.name.clone(), offset: 0 };
            let message = "an internal error: report it with the file, if it may be shown".to_owned();
            unread(entry, ModelGap { reason: GapReason::Internal, place, bytes: None, message })
        });
        drop(source);
        match Arc::into_inner(open).map(|open| open.into_source().into_rest()) {
            Some(Ok(rest)) if rest.left() >= WORTH_WAITING && self.may_wait() => {
                return (judged, Some(Box::new(rest)));
            }
            Some(Ok(rest)) => {
                for taken in self.taker.finish(vec![rest]) {
                    note(&mut judged.file, taken);
                }
            }
            Some(Err(open)) => {
                if let Err(error) = open.verify() {
                    note(&mut judged.file, Err(error));
                }
            }
            // Somebody keeps the file open beyond the judging, which no reader does.
            None => note(&mut judged.file, Err(ReadError::Changed)),
        }
        (judged, None)
    }

    fn may_wait(&self) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING
    }
}

/// Has the files taken that wait for it, together.
fn settle<T: Taker>(looked: Vec<Looked<T>>, taker: &T) -> Vec<Judged> {
    if looked.iter().all(|(_, rest)| rest.is_none()) {
        return looked.into_iter().map(|(judged, _)| judged).collect();
    }
    let (mut judged, mut waiting, mut rests) = (Vec::new(), Vec::new(), Vec::new());
    for (file, rest) in looked {
        if let Some(rest) = rest {
            waiting.push(judged.len());
            rests.push(*rest);
        }
        judged.push(file);
    }
    for (index, taken) in waiting.into_iter().zip(taker.finish(rests)) {
        judged
            .get_mut(index)
            .into_iter()
            .zip([taken])
            .for_each(|(judged, taken)| note(&mut judged.file, taken));
    }
    judged
}

/// What came of taking a file: a digest of what was judged, or a gap.
fn note(file: &mut ModelFile, taken: Result<String, ReadError>) {
    let error = match taken {
        Ok(digest) => return file.sha256 = Some(digest),
        Err(error) => error,
    };
    let place = ModelPlace { path: file.path.clone(), offset: 0 };
    let (reason, message) = match error {
        ReadError::Changed => {
            (GapReason::Changed, format!("{error}: what was judged is not what is there; scan it again"))
        }
        _ => (GapReason::NoAccess, format!("{error}: there is no digest of it")),
    };
    file.gaps.push(ModelGap { reason, place, bytes: None, message });
    file.verdict = file.verdict.max(Verdict::Incomplete);
}

fn unread(entry: &Entry, gap: ModelGap) -> Judged {
    let path = entry.name.clone();
    let file = ModelFile { path, verdict: Verdict::Incomplete, gaps: vec![gap], ..ModelFile::default() };
    Judged { file, externals: vec![] }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::*;
    use crate::container::stream::Codec;
    use crate::container::stream::tests::pack;

    #[test]
    fn a_packed_file_in_the_folder_of_git_is_told_unless_it_is_an_object() {
        let (folder, write) = folder("git");
        let digest = "0a".repeat(19);
        let packed = pack(Codec::Zlib, b"cos\nsystem\n(S'echo hi'\ntR.");
        for name in ["model.joblib", "objects/model", &format!("objects/ab/{digest}"), "objects/ab/0a"] {
            write(&format!(".git/{name}"), &packed);
        }
        let found = scan(&folder, Policy::embedded(), &Limits::default(), &|| ()).unwrap();
        fs::remove_dir_all(folder).unwrap();
        let names: Vec<&str> = found.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, [".git/model.joblib", ".git/objects/ab/0a", ".git/objects/model"]);
        assert!(found.files.iter().all(|file| file.verdict == Verdict::Malicious));
    }

    #[test]
    fn what_git_does_not_make_is_told_and_what_it_makes_is_not() {
        let (folder, write) = folder("git-foreign");
        let digest = "0a".repeat(20);
        write(
            "modules.json",
            br#"[{"idx": 0, "name": "0", "path": ".git/d", "type": "sentence_transformers.models.Dense"}]"#,
        );
        write(".git/d/config.json", br#"{"activation_function": "os.abort"}"#);
        for (name, bytes) in [
            ("x.py", b"pass\n".as_slice()),
            ("refs/chat_template.jinja", b"{{ x }}"),
            ("d/card.md", b"# card\n"),
            ("HEAD", b"ref: refs/heads/main\n"),
            ("config", b"[core]\n\tbare = false\n"),
            ("refs/heads/main", format!("{digest}\n").as_bytes()),
            ("hooks/update.sample", b"#!/bin/sh\n"),
        ] {
            write(&format!(".git/{name}"), bytes);
        }
        let found = scan(&folder, Policy::embedded(), &Limits::default(), &|| ()).unwrap();
        fs::remove_dir_all(folder).unwrap();
        let told: Vec<_> = found.files.iter().map(|file| (file.path.as_str(), file.verdict)).collect();
        assert_eq!(
            told,
            [
                (".git/d/card.md", Verdict::Incomplete),
                (".git/d/config.json", Verdict::Review),
                (".git/refs/chat_template.jinja", Verdict::Incomplete),
                (".git/x.py", Verdict::Incomplete),
                ("modules.json", Verdict::Malicious),
            ]
        );
    }

    /// Writes into an empty folder, and gives that.
    fn folder(name: &str) -> (PathBuf, impl Fn(&str, &[u8])) {
        let folder = std::env::temp_dir().join(format!("ringfence-model-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let root = folder.clone();
        let write = move |name: &str, bytes: &[u8]| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        (folder, write)
    }

    #[test]
    fn one_thread_and_eight_say_the_same_in_the_same_order() {
        let (folder, write) = folder("threads");
        let external = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/onnx/external");
        write("m.onnx", &fs::read(external).unwrap());
        write("w.bin", &[1, 2, 3, 4, 5, 6, 7, 8]);
        write("large.pkl", &[b"\x80\x04]\x94(".as_slice(), &b"K\x01".repeat(1 << 20), b"e."].concat());
        write(".git/x", b"\x80\x02N.");
        for number in 0..300 {
            let evil = number % 50 == 7;
            let bytes: &[u8] = if evil { b"cos\nsystem\n(S'echo hi'\ntR." } else { b"\x80\x02N." };
            write(&format!("{}/{}.pkl", number % 3, number / 3), bytes);
        }
        std::os::unix::fs::symlink("../large.pkl", folder.join("0/link.pkl")).unwrap();
        std::os::unix::fs::symlink("gone", folder.join("gone")).unwrap();
        let (policy, limits) = (Policy::embedded(), Limits::default());
        let by = |threads: usize| {
            let told = Mutex::new(Vec::new());
            let tell = |file: &ModelFile| told.lock().unwrap().push(file.path.clone());
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (plain, found) = pool.install(|| {
                let plain = scan(&folder, policy, &limits, &|| ()).unwrap();
                (plain, scan_with(&folder, policy, &limits, &Arc::new(()), &|| (), Some(&tell)).unwrap())
            });
            assert_eq!(plain, found, "{threads}");
            (plain, told.into_inner().unwrap())
        };
        let one = by(1);
        assert_eq!(one.0.files.len(), 305);
        assert!(one.0.files.is_sorted_by_key(|file| &file.path));
        let count = |verdict| one.0.files.iter().filter(|file| file.verdict == verdict).count();
        assert_eq!((count(Verdict::Malicious), count(Verdict::Review), one.0.gaps.len()), (6, 1, 1));
        for threads in [2, 8] {
            assert_eq!(by(threads), one, "{threads}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_are_told_once_in_one_order_and_never_before_their_verdict_stands() {
        let (folder, write) = folder("tell");
        let external = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/onnx/external");
        write("m.onnx", &fs::read(external).unwrap());
        // Unknown alone, and explained by the model that comes later.
        write("a.bin", &[0xfe; 9]);
        write("w.bin", &[1, 2, 3, 4, 5, 6, 7, 8]);
        write(".git/x", b"\x80\x02N.");
        for number in 0..50 {
            write(&format!("n/{number:02}.pkl"), b"\x80\x02N.");
        }
        let told = Mutex::new(Vec::new());
        let tell = |file: &ModelFile| told.lock().unwrap().push(file.clone());
        let found =
            scan_with(&folder, Policy::embedded(), &Limits::default(), &Arc::new(()), &|| (), Some(&tell))
                .unwrap();
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
