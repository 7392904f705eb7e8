//! The library's own runtime: requests of the blocking calls and the hearts of fake nodes run here, in any
//! test, with a runtime or without, and longer than the one of a single test.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::runtime::Builder;
use tokio::runtime::Runtime;

/// One thread: the work is waiting.
#[expect(clippy::expect_used, reason = "a process that cannot start one thread runs no test either")]
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("lab").enable_all().build().expect("a runtime of one thread")
    })
}

/// Runs to the end and blocks this thread meanwhile, also one that runs a runtime of its own. A test that
/// serves a webhook from a task must therefore have a second thread for it.
///
/// `None` if the work panicked.
pub(crate) fn block<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime().spawn(async move {
        let _ = sender.send(work.await);
    });
    receiver.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocks_inside_a_runtime_too() {
        assert_eq!(block(async { 7 }), Some(7));
    }
}
