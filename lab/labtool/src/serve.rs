//! Servers that say one text: over TCP to everyone who connects, over UDP to each datagram. Each visitor is
//! one line of the log, so that a test can also see that nobody came.

use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::UdpSocket;

use crate::verdict::say;

/// Longest datagram: what UDP can carry.
pub(crate) const DATAGRAM: usize = 65_535;

/// Says `text` to everyone who connects to `place`, then closes.
pub(crate) async fn tcp(place: &str, text: &str) -> io::Result<()> {
    greet(listen(place).await?, text.to_owned()).await
}

pub(crate) async fn greet(listener: TcpListener, text: String) -> io::Result<()> {
    loop {
        // Who left before the greeting, or more than the process has descriptors for: on to the next.
        let Ok((mut stream, from)) = listener.accept().await else { continue };
        let line = format!("{text}\n");
        say(&format!("tcp {} from {from}", stream.local_addr()?));
        tokio::spawn(async move {
            // A visitor who leaves early has still been answered.
            let _ = stream.write_all(line.as_bytes()).await;
            let _ = stream.shutdown().await;
        });
    }
}

/// Answers each datagram at `place` with `text`.
pub(crate) async fn udp(place: &str, text: &str) -> io::Result<()> {
    let socket = bind(place).await?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        // An ICMP error of an earlier answer surfaces here; the next datagram is not its fault.
        let Ok((_, from)) = socket.recv_from(&mut buffer).await else { continue };
        say(&format!("udp {} from {from}", socket.local_addr()?));
        let _ = socket.send_to(text.as_bytes(), from).await;
    }
}

/// A listener at `[IP:]PORT`; without an address on all of both families.
pub(crate) async fn listen(place: &str) -> io::Result<TcpListener> {
    TcpListener::bind(places(place)?.as_slice()).await
}

/// A UDP socket at `[IP:]PORT`. Where a host has several addresses the answer must come from the one that
/// was asked, so name it.
pub(crate) async fn bind(place: &str) -> io::Result<UdpSocket> {
    UdpSocket::bind(places(place)?.as_slice()).await
}

/// The unspecified IPv6 address takes IPv4 too; a kernel without IPv6 gets the second.
fn places(place: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = place.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    let port: u16 = place.parse().map_err(|error| invalid("[IP:]PORT", place, &error))?;
    Ok([IpAddr::from(Ipv6Addr::UNSPECIFIED), IpAddr::from(Ipv4Addr::UNSPECIFIED)]
        .map(|ip| SocketAddr::new(ip, port))
        .to_vec())
}

/// An argument that makes no sense.
pub(crate) fn invalid(what: &str, value: &str, error: &impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what} `{value}`: {error}"))
}
