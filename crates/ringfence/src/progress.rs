//! Progress of long work on stderr: only on a terminal, only after a second, gone when the work is done.

use std::io::IsTerminal as _;
use std::io::Write as _;
use std::io::stderr;
use std::sync::Arc;
#[cfg(feature = "signing")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What the counter counts towards.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Total {
    /// So many of these.
    Of(usize, &'static str),
    /// Nobody knows how many of these.
    #[cfg(any(feature = "cluster", feature = "models"))]
    Open(&'static str),
}

/// Runs `work` with a counter it may raise; shows the counter against `total` while it runs.
pub(crate) fn during<T>(
    what: &'static str,
    total: Total,
    quiet: bool,
    work: impl FnOnce(Arc<AtomicUsize>) -> T,
) -> T {
    let done = Arc::new(AtomicUsize::new(0));
    let wanted = !quiet && stderr().is_terminal() && std::env::var_os("CI").is_none();
    let (stop, stopped) = mpsc::channel::<()>();
    let seen = Arc::clone(&done);
    let shower = wanted.then(|| thread::spawn(move || show(what, total, &seen, &stopped)));
    let result = work(done);
    drop(stop);
    if let Some(shower) = shower {
        // The shower only prints: its panic must not cost the result.
        let _ = shower.join();
    }
    result
}

fn show(what: &str, total: Total, done: &AtomicUsize, stopped: &mpsc::Receiver<()>) {
    let mut shown = false;
    let mut wait = Duration::from_secs(1);
    while stopped.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) {
        let done = done.load(Ordering::Relaxed);
        let _ = match total {
            Total::Of(total, things) => write!(stderr(), "\r{what}: {done} of {total} {things} "),
            #[cfg(any(feature = "cluster", feature = "models"))]
            Total::Open(things) => write!(stderr(), "\r{what}: {done} {things} "),
        };
        shown = true;
        wait = Duration::from_millis(100);
    }
    if shown {
        let _ = write!(stderr(), "\r\x1b[K");
    }
}

/// Raises a counter of megabytes by bytes.
#[cfg(feature = "signing")]
pub(crate) fn bytes(done: &AtomicUsize) -> impl Fn(u64) + Sync {
    const MEGABYTE: u64 = 1_000_000;
    let total = AtomicU64::new(0);
    move |count| {
        let before = total.fetch_add(count, Ordering::Relaxed);
        let megabytes = (before + count) / MEGABYTE - before / MEGABYTE;
        done.fetch_add(usize::try_from(megabytes).unwrap_or(0), Ordering::Relaxed);
    }
}
