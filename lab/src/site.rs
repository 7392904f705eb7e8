//! Where the processes of a lab listen: on free loopback ports of the host, or at constant addresses of a
//! network namespace of their own. Addresses, URLs and the way to start a program there follow from it.

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::error::Error;
use crate::error::Result;
use crate::netns;

/// Address of the node and of the API server inside a namespace.
pub(crate) const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Service ranges inside a namespace; without one nothing routes to a Service, and the first is enough.
pub(crate) const SERVICE_RANGES: [&str; 2] = ["10.96.0.0/16", "fd77:96::/112"];
/// Cluster address of the API server: the first of the range.
pub(crate) const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// Ports of a lab inside a namespace: labs never meet there.
const CONSTANT: Ports = Ports { api: 16443, etcd: 12379, peer: 12380 };

/// Where a lab lives.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Site {
    /// On the host's loopback. Needs no rights.
    Host(Ports),
    /// In the network namespace that is mounted on this file. Needs root.
    Namespace(PathBuf),
}

/// Ports of the control plane.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Ports {
    /// API server, HTTPS.
    pub api: u16,
    /// etcd for clients, HTTP.
    pub etcd: u16,
    /// etcd for members, HTTP.
    pub peer: u16,
}

impl Site {
    /// Free ports of the host. Another process may take one before it is bound: the start is then
    /// repeated with others.
    pub(crate) fn on_host() -> Result<Self> {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("free loopback port"));
        let held = [free()?, free()?, free()?]; // together, or the same port may come twice
        let port =
            |held: &TcpListener| held.local_addr().map(|own| own.port()).map_err(Error::io("own port"));
        Ok(Self::Host(Ports { api: port(&held[0])?, etcd: port(&held[1])?, peer: port(&held[2])? }))
    }

    /// The ports that the processes bind.
    pub(crate) fn ports(&self) -> Ports {
        match self {
            Self::Host(ports) => *ports,
            Self::Namespace(_) => CONSTANT,
        }
    }

    /// The API server as its neighbours reach it.
    pub(crate) fn api_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports().api).into()
    }

    /// etcd, for clients.
    pub(crate) fn etcd_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports().etcd).into()
    }

    /// Starts a program where the lab lives.
    ///
    /// With nsenter, never `ip netns exec`: that mounts /sys anew and hides the cgroups from kubelet and
    /// runc. The program replaces nsenter, so the process id is its own.
    pub(crate) fn command(&self, program: &Path) -> Command {
        match self {
            Self::Host(_) => Command::new(program),
            Self::Namespace(file) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net={}", file.display())).arg("--").arg(program);
                command
            }
        }
    }

    /// A listener that the API server can reach, and pods where there is a real node.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        match self {
            Self::Host(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)),
            Self::Namespace(file) => netns::inside(file, || TcpListener::bind((NODE_ADDRESS, 0)))?,
        }
    }

    /// A connection from where the lab lives.
    pub(crate) fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let connect = move || TcpStream::connect_timeout(&to, Duration::from_secs(5));
        match self {
            Self::Host(_) => connect(),
            Self::Namespace(file) => netns::inside(file, connect)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_gives_three_free_ports() {
        let Ports { api, etcd, peer } = Site::on_host().unwrap().ports();
        assert!(api != etcd && etcd != peer && peer != api);
        TcpListener::bind((Ipv4Addr::LOCALHOST, api)).unwrap();
    }

    #[test]
    fn a_namespace_is_entered_by_nsenter() {
        let command = Site::Namespace("/lab/run/net".into()).command(Path::new("/bin/etcd"));
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert_eq!(command.get_program(), "nsenter");
        assert_eq!(words, ["--net=/lab/run/net", "--", "/bin/etcd"]);
    }
}
