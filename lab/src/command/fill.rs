//! `lab fill`: writes namespaces, makers and pods into the lab of this shell, for figures at scale.

use std::io::IsTerminal;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client::client;
use crate::command::print;
use crate::error::Error;
use crate::error::Result;
use crate::fill::Size;
use crate::fill::fill;
use crate::home::Home;

pub(super) fn run(words: &[&str]) -> Result<()> {
    let size = size(words)?;
    let home = std::env::var_os("RINGFENCE_LAB").map(Home::at);
    let home = home.ok_or_else(|| {
        Error::other("no lab in this shell: RINGFENCE_LAB is not set; start one with `cargo xtask lab up`")
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::io("the runtime"))?;
    runtime.block_on(async {
        let client = client(&home.kubeconfig("admin"), None).await?;
        let done = Arc::new(AtomicUsize::new(0));
        let filling = fill(client, size, Arc::clone(&done));
        tokio::pin!(filling);
        loop {
            tokio::select! {
                result = &mut filling => return result.map_err(Error::while_("the lab was not filled")),
                () = tokio::time::sleep(Duration::from_secs(1)) => tell(&done, size),
            }
        }
    })?;
    print(&format!("wrote {} pods in {} namespaces", size.pods, size.namespaces))
}

fn tell(done: &AtomicUsize, size: Size) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\rpods: {} of {} ", done.load(Ordering::Relaxed), size.pods);
    }
}

fn size(words: &[&str]) -> Result<Size> {
    let usage = || Error::other("fill needs how much: fill --namespaces N --pods N, N from 1");
    let ["--namespaces", namespaces, "--pods", pods] = words else { return Err(usage()) };
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0).ok_or_else(usage);
    Ok(Size { namespaces: number(namespaces)?, pods: number(pods)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_much() {
        let read = size(&["--namespaces", "5", "--pods", "100"]).unwrap();
        assert_eq!(read, Size { namespaces: 5, pods: 100 });
        for wrong in [&[][..], &["--pods", "1"], &["--namespaces", "0", "--pods", "1"]] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }
}
