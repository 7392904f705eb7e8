//! Attempts of a pod to reach somebody: what `labtool` is asked to try -> what came of it.

use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::error::Error;
use crate::error::Result;

/// What to try.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// Ask a DNS server over UDP for the IPv4 addresses of a name.
    Dns(SocketAddr, String),
    /// GET a path, which starts with `/`.
    Http(SocketAddr, String),
    /// Connect, and read what the server says first.
    Tcp(SocketAddr),
    /// Send a datagram, and read the answer.
    Udp(SocketAddr),
}

impl Target {
    /// A TCP port.
    pub fn tcp(ip: impl Into<IpAddr>, port: u16) -> Self {
        Self::Tcp(SocketAddr::new(ip.into(), port))
    }

    /// A UDP port.
    pub fn udp(ip: impl Into<IpAddr>, port: u16) -> Self {
        Self::Udp(SocketAddr::new(ip.into(), port))
    }

    /// A page.
    pub fn http(ip: impl Into<IpAddr>, port: u16, path: &str) -> Self {
        Self::Http(SocketAddr::new(ip.into(), port), path.into())
    }

    /// A name.
    pub fn dns(ip: impl Into<IpAddr>, name: &str) -> Self {
        Self::Dns(SocketAddr::new(ip.into(), 53), name.into())
    }
}

/// A target as `labtool probe` reads it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(place, name) => write!(f, "dns/{place}/{name}"),
            Self::Http(place, path) => write!(f, "http/{place}{path}"),
            Self::Tcp(place) => write!(f, "tcp/{place}"),
            Self::Udp(place) => write!(f, "udp/{place}"),
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Nobody answered within three seconds: dropped on the way, or a UDP server that does not speak.
    Blocked,
    /// It stood; what the other side said, without its line end.
    Open(String),
    /// Somebody answered no: a firewall that rejects, or a host without such a port.
    Refused,
}

impl Reach {
    /// Whether the other side was reached.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Reads a line of `labtool`. An attempt that could not be made is an error: it says nothing about the way.
    pub(crate) fn read(line: &str) -> Result<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "OPEN" => Ok(Self::Open(rest.to_owned())),
            "BLOCKED" => Ok(Self::Blocked),
            "REFUSED" => Ok(Self::Refused),
            _ => Err(Error::other(format!("labtool: {line}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn targets_read_as_labtool_wants_them() {
        assert_eq!(Target::tcp([10, 77, 1, 2], 443).to_string(), "tcp/10.77.1.2:443");
        assert_eq!(Target::udp(Ipv6Addr::LOCALHOST, 53).to_string(), "udp/[::1]:53");
        assert_eq!(Target::http([10, 77, 0, 50], 5000, "/v2/").to_string(), "http/10.77.0.50:5000/v2/");
        assert_eq!(Target::dns([10, 77, 0, 53], "a.example").to_string(), "dns/10.77.0.53:53/a.example");
    }

    #[test]
    fn an_attempt_that_could_not_be_made_is_no_verdict() {
        assert_eq!(Reach::read("OPEN REFUSED by banner").unwrap(), Reach::Open("REFUSED by banner".into()));
        assert_eq!(Reach::read("REFUSED Connection refused (os error 111)").unwrap(), Reach::Refused);
        assert_eq!(Reach::read("BLOCKED (timeout)").unwrap(), Reach::Blocked);
        assert!(Reach::read("FAIL Network is unreachable").is_err());
        assert!(Reach::read("").is_err());
    }
}
