//! Network namespaces: made, entered by a thread, reached through a forwarder, removed.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;

use crate::error::Error;
use crate::error::Result;

/// Makes the namespace of a lab with its bridge, addresses and sysctls.
pub(crate) fn create(name: &str) -> Result<()> {
    Err(Error::other(format!("namespace {name}: not built yet")))
}

/// Runs `work` in a thread of its own that has entered the namespace. Sockets keep the namespace in which
/// they were made, so what comes back works in any thread.
pub(crate) fn inside<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let _ = work;
    Err(io::Error::other(format!("namespace {name}: not built yet")))
}

/// Forwards every connection to `outside` (a listener on the host) to `to` inside the namespace, from
/// threads of its own, for as long as the process lives.
pub(crate) fn forward(name: &str, outside: TcpListener, to: SocketAddr) -> io::Result<()> {
    let _ = (outside, to);
    Err(io::Error::other(format!("namespace {name}: not built yet")))
}
