//! Waiting: `pause` and `sleep`, the signals that end the program, and the orphans that process 1 inherits.

use std::io;
use std::time::Duration;

use rustix::process::WaitOptions;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

/// Ends when TERM or INT arrives.
pub(crate) async fn asked_to_end() -> io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
    }
}

/// Waits for ever and reaps what is orphaned: in a pod with a shared process namespace this is process 1.
pub(crate) async fn forever() -> io::Result<()> {
    let mut child = signal(SignalKind::child())?;
    loop {
        // One signal may stand for many children; an error means there is none left.
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        child.recv().await;
    }
}

pub(crate) async fn sleep(seconds: &str) -> io::Result<()> {
    let seconds: f64 = seconds.parse().map_err(|error| crate::serve::invalid("SECONDS", seconds, &error))?;
    let time = Duration::try_from_secs_f64(seconds)
        .map_err(|error| crate::serve::invalid("SECONDS", &seconds.to_string(), &error))?;
    tokio::time::sleep(time).await;
    Ok(())
}
