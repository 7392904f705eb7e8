//! Progress of long work on stderr: only on a terminal, only after a second, gone when the work is done.

#[cfg(feature = "signing")]
use std::fs;
use std::io::IsTerminal as _;
use std::io::Write as _;
use std::io::stderr;
#[cfg(feature = "signing")]
use std::path::Path;
#[cfg(feature = "signing")]
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "signing")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
#[cfg(feature = "signing")]
use std::time::Instant;

/// What the counter counts towards.
#[derive(Clone, Debug)]
pub(crate) enum Total {
    /// So many of these.
    Of(usize, &'static str),
    /// Nobody knows how many of these.
    #[cfg(any(feature = "cluster", feature = "models"))]
    Open(&'static str),
    /// So many megabytes as the files at this path have.
    #[cfg(feature = "signing")]
    Bytes(PathBuf),
}

/// Runs `work` with a counter it may raise; shows the counter against `total` while it runs.
pub(crate) fn during<T>(
    what: &'static str,
    total: Total,
    quiet: bool,
    work: impl FnOnce(Arc<AtomicUsize>) -> T,
) -> T {
    let done = Arc::new(AtomicUsize::new(0));
    let is_wanted = !quiet && stderr().is_terminal() && std::env::var_os("CI").is_none();
    let (stop, stopped) = mpsc::channel::<()>();
    let seen = Arc::clone(&done);
    let shower = is_wanted.then(|| thread::spawn(move || show(what, &total, &seen, &stopped)));
    let result = work(done);
    drop(stop);
    if let Some(shower) = shower {
        // The shower only prints: its panic must not cost the result.
        let _ = shower.join();
    }
    result
}

fn show(what: &str, total: &Total, done: &AtomicUsize, stopped: &mpsc::Receiver<()>) {
    let mut shown = false;
    #[cfg(feature = "signing")]
    let (start, mut megabytes) = (Instant::now(), None);
    let mut wait = Duration::from_secs(1);
    while stopped.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) {
        let done = done.load(Ordering::Relaxed);
        let told = match total {
            Total::Of(total, things) => format!("{what}: {done} of {total} {things}"),
            #[cfg(any(feature = "cluster", feature = "models"))]
            Total::Open(things) => format!("{what}: {done} {things}"),
            #[cfg(feature = "signing")]
            Total::Bytes(path) => {
                let all = *megabytes.get_or_insert_with(|| length(path) / MEGABYTE);
                format!("{what}: {}", of_megabytes(done as u64, all, start.elapsed()))
            }
        };
        let columns =
            terminal_size::terminal_size_of(stderr()).map_or(usize::MAX, |(columns, _)| columns.0.into());
        let _ = write!(stderr(), "\r{}\x1b[K", fitting(&told, columns));
        shown = true;
        wait = Duration::from_millis(100);
    }
    if shown {
        let _ = write!(stderr(), "\r\x1b[K");
    }
}

/// What fits on one row, with a place for the cursor: from a second one `\r` finds no way back.
fn fitting(told: &str, columns: usize) -> String {
    told.chars().take(columns.saturating_sub(1)).collect()
}

#[cfg(feature = "signing")]
const MEGABYTE: u64 = 1_000_000;

/// `1.3 of 5.4 GB, 540 MB/s`, `12 of 540 MB, 8 MB/s`.
#[cfg(feature = "signing")]
fn of_megabytes(done: u64, all: u64, time: Duration) -> String {
    let tenths = |megabytes: u64| format!("{}.{}", megabytes / 1000, megabytes % 1000 / 100);
    // A file with two names may be read twice.
    let all = all.max(done);
    let rate = u128::from(done) * 1000 / time.as_millis().max(1);
    if all < 1000 {
        format!("{done} of {all} MB, {rate} MB/s")
    } else {
        format!("{} of {} GB, {rate} MB/s", tenths(done), tenths(all))
    }
}

/// Bytes of a file, or of the files below a folder, but for the history of a repository. A figure to look at: what cannot be
/// read counts as nothing, links to folders lead nowhere, and there is an end to looking.
#[cfg(feature = "signing")]
fn length(path: &Path) -> u64 {
    const ENTRIES: usize = 1_000_000;
    let mut bytes = 0;
    let (mut folders, mut left) = (vec![path.to_owned()], ENTRIES);
    while let Some(path) = folders.pop() {
        let Ok(entries) = fs::read_dir(&path) else {
            bytes += fs::metadata(&path).map_or(0, |metadata| metadata.len());
            continue;
        };
        for entry in entries.flatten().take(left) {
            left -= 1;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && entry.file_name() == ".git" => {}
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => {
                    let metadata = fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file);
                    bytes += metadata.map_or(0, |metadata| metadata.len());
                }
            }
        }
    }
    bytes
}

/// Raises a counter of megabytes by bytes.
#[cfg(feature = "signing")]
pub(crate) fn bytes(done: Arc<AtomicUsize>) -> impl Fn(u64) + Send + Sync {
    let total = AtomicU64::new(0);
    move |count| {
        let before = total.fetch_add(count, Ordering::Relaxed);
        let megabytes = (before + count) / MEGABYTE - before / MEGABYTE;
        done.fetch_add(usize::try_from(megabytes).unwrap_or(0), Ordering::Relaxed);
    }
}

#[cfg(all(test, feature = "signing"))]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_has_one_row_of_it() {
        let told = "scanning: 12 files";
        assert_eq!(fitting(told, 19), told);
        assert_eq!(
            (fitting(told, 18).as_str(), fitting(told, 10).as_str()),
            ("scanning: 12 file", "scanning:")
        );
        assert_eq!(fitting(told, 0), "");
    }

    #[test]
    fn bytes_are_told_against_all_of_them_in_one_unit_with_their_rate() {
        let told = |done, all| of_megabytes(done, all, Duration::from_millis(1_500));
        assert_eq!(told(12, 540), "12 of 540 MB, 8 MB/s");
        assert_eq!(told(1_349, 5_400), "1.3 of 5.4 GB, 899 MB/s");
        assert_eq!(told(40, 10_700), "0.0 of 10.7 GB, 26 MB/s");
        assert_eq!(told(1_200, 900), "1.2 of 1.2 GB, 800 MB/s", "more was read than was listed");
    }

    #[cfg(unix)]
    #[test]
    fn a_length_is_that_of_all_files_and_ends_where_links_go_in_circles() {
        let folder = std::env::temp_dir().join(format!("ringfence-progress-{}", std::process::id()));
        fs::create_dir_all(folder.join("sub/.git")).unwrap();
        fs::write(folder.join("sub/.git/pack"), [0; 4000]).unwrap();
        fs::write(folder.join("a"), [0; 300]).unwrap();
        fs::write(folder.join("sub/b"), [0; 20]).unwrap();
        std::os::unix::fs::symlink("..", folder.join("sub/up")).unwrap();
        std::os::unix::fs::symlink("../a", folder.join("sub/link")).unwrap();
        assert_eq!((length(&folder), length(&folder.join("a"))), (620, 300));
        assert_eq!(length(&folder.join("none")), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
