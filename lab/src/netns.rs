//! Network namespaces: a file -> made with a bridge, addresses of both families and sysctls; entered by a
//! thread; reached through a forwarder; removed. The host's own network is never touched.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::thread::LinkNameSpaceType;
use rustix::thread::move_into_link_name_space;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::site::NODE_ADDRESS;

/// Address of the node and of the API server inside a namespace, second family.
pub(crate) const NODE_ADDRESS6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);

/// The namespace of a lab: a file on which it is mounted.
pub(crate) fn of(home: &Home) -> PathBuf {
    home.run().join("net")
}

/// The node's bridge. Node and API server have its address; the outside world is plugged into it.
pub(crate) const BRIDGE: &str = "lab0";

/// What a router of pods needs. `bridge-nf` sends frames between pods of one bridge through the firewall. With the
/// usual limit of one refusal a second for each host, a pod that asks many at once would take a refusal for
/// silence. All of these belong to the namespace, none to the host.
const SYSCTLS: [(&str, &str); 6] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/bridge/bridge-nf-call-iptables", "1"),
    ("net/bridge/bridge-nf-call-ip6tables", "1"),
    ("net/ipv4/icmp_ratelimit", "0"),
    ("net/ipv6/icmp/ratelimit", "0"),
];

/// A namespace may inherit from a host that has switched its own IPv6 off.
const ENABLED: [(&str, &str); 2] =
    [("net/ipv6/conf/all/disable_ipv6", "0"), ("net/ipv6/conf/default/disable_ipv6", "0")];

/// Makes a namespace with the node's bridge, addresses and sysctls. It has no default route: that is what
/// `standin` plugs in.
pub(crate) fn create(namespace: &Path) -> Result<()> {
    add(namespace)?;
    batch(
        namespace,
        &format!(
            "link set lo up\n\
             link add {BRIDGE} type bridge\n\
             addr add {NODE_ADDRESS}/24 dev {BRIDGE}\n\
             addr add {NODE_ADDRESS6}/64 dev {BRIDGE} nodad\n\
             link set {BRIDGE} up\n"
        ),
    )?;
    set(namespace, &SYSCTLS)
}

/// Makes an empty namespace, mounted on this file. Not by `ip netns add`: that leaves /run/netns as a mount on a
/// host that had none, and a mount of ours is found where all other traces of a lab are.
pub(crate) fn add(namespace: &Path) -> Result<()> {
    fs::write(namespace, "").map_err(Error::at(namespace))?;
    let doing = format!("unshare --net={}", namespace.display());
    let mut unshare = Command::new("unshare");
    unshare.arg(format!("--net={}", namespace.display())).args(["--", "true"]).stdin(Stdio::null());
    finish(&doing, &unshare.output().map_err(Error::io(format!("{doing} (Debian package util-linux)")))?)?;
    set(namespace, &ENABLED)
}

fn set(namespace: &Path, sysctls: &[(&str, &str)]) -> Result<()> {
    let set = || {
        sysctls.iter().try_for_each(|(key, value)| {
            let path = Path::new("/proc/sys").join(key);
            fs::write(&path, value).map_err(Error::at(&path))
        })
    };
    inside(namespace, set).map_err(Error::at(namespace))?
}

/// Removes a namespace. The interfaces in it go with the last process inside; a namespace that is not there
/// is no error.
pub(crate) fn delete(namespace: &Path) -> Result<()> {
    match rustix::mount::unmount(namespace, UnmountFlags::DETACH) {
        // No mount, or no file.
        Err(Errno::INVAL | Errno::NOENT) | Ok(()) => {}
        Err(error) => return Err(Error::at(namespace)(error.into())),
    }
    match fs::remove_file(namespace) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::at(namespace)(error)),
        _ => Ok(()),
    }
}

/// Runs a batch of `ip` commands inside a namespace: one process for many.
pub(crate) fn batch(namespace: &Path, commands: &str) -> Result<()> {
    let mut ip = Command::new("nsenter");
    ip.arg(format!("--net={}", namespace.display())).args(["--", "ip", "-batch", "-"]);
    let doing = format!("ip -batch in namespace {}", namespace.display());
    let mut child = ip
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(format!("{doing} (nsenter of util-linux, ip of iproute2)")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // An `ip` that ends early says why on its standard error.
        let _ = stdin.write_all(commands.as_bytes());
    }
    finish(&doing, &child.wait_with_output().map_err(Error::io(&doing))?)
}

/// Runs `work` in a thread of its own that has entered the namespace. Sockets keep the namespace in which
/// they were made, so what comes back works in any thread.
pub(crate) fn inside<T: Send>(namespace: &Path, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let namespace = File::open(namespace)?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            enter(&namespace)?;
            Ok(work())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Forwards every connection to `outside` (a listener on the host) to `to` inside the namespace, from
/// a thread of its own, for as long as the process lives.
pub(crate) fn forward(namespace: &Path, outside: TcpListener, to: SocketAddr) -> io::Result<()> {
    let namespace = File::open(namespace)?;
    outside.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (entered, result) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name("forwarder".into()).spawn(move || {
        // The listener stays in the host's namespace, whatever thread uses it; connections are made in ours.
        let ready = enter(&namespace);
        let goes_on = ready.is_ok();
        let _ = entered.send(ready);
        if goes_on {
            runtime.block_on(pump(outside, to));
        }
    })?;
    result.recv().map_err(io::Error::other)?
}

async fn pump(outside: TcpListener, to: SocketAddr) {
    let Ok(outside) = tokio::net::TcpListener::from_std(outside) else { return };
    loop {
        match outside.accept().await {
            Ok((mut client, _)) => {
                tokio::spawn(async move {
                    // Nobody there: the client sees its connection end, as with any server that died.
                    if let Ok(mut server) = TcpStream::connect(to).await {
                        let _ = (client.set_nodelay(true), server.set_nodelay(true));
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
            // Out of file descriptors, say: others close theirs meanwhile.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

fn enter(namespace: &File) -> io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).map_err(io::Error::from)
}

fn finish(doing: &str, output: &std::process::Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(Error::other(format!("{doing}: {}", said.trim()))) }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::Ipv4Addr;
    use std::net::TcpStream;

    use super::*;

    /// Removes its namespace also when the test fails.
    struct Own(PathBuf, Home);

    impl Own {
        fn new() -> Self {
            let home = Home::create().unwrap();
            let own = Self(of(&home), home);
            create(&own.0).unwrap();
            own
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            delete(&self.0).unwrap();
            self.1.remove().unwrap();
        }
    }

    #[test]
    #[ignore = "needs root: makes a network namespace"]
    fn a_namespace_routes_and_the_host_does_not_change() {
        let sysctl = |key: &str| fs::read_to_string(Path::new("/proc/sys").join(key)).unwrap();
        let host: Vec<String> = SYSCTLS.iter().map(|(key, _)| sysctl(key)).collect();
        let own = Own::new();
        let within: Vec<String> =
            inside(&own.0, || SYSCTLS.iter().map(|(key, _)| sysctl(key)).collect()).unwrap();
        assert_eq!(within, SYSCTLS.map(|(_, value)| format!("{value}\n")));
        assert_eq!(SYSCTLS.iter().map(|(key, _)| sysctl(key)).collect::<Vec<_>>(), host);
        for address in [SocketAddr::from((NODE_ADDRESS, 0)), SocketAddr::from((NODE_ADDRESS6, 0))] {
            assert!(inside(&own.0, || TcpListener::bind(address)).unwrap().is_ok(), "{address}");
            assert!(TcpListener::bind(address).is_err(), "{address} is an address of the host");
        }
    }

    #[test]
    #[ignore = "needs root: makes a network namespace"]
    fn a_forwarder_reaches_what_only_the_namespace_sees() {
        let own = Own::new();
        let server = inside(&own.0, || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap().unwrap();
        let to = server.local_addr().unwrap();
        let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let entrance = outside.local_addr().unwrap();
        forward(&own.0, outside, to).unwrap();
        let answering =
            std::thread::spawn(move || server.accept().unwrap().0.write_all(b"from inside").unwrap());
        let mut said = String::new();
        TcpStream::connect(entrance).unwrap().read_to_string(&mut said).unwrap();
        answering.join().unwrap();
        assert_eq!(said, "from inside");
        // Whoever dies inside is seen outside as a connection that ends.
        let mut nobody = TcpStream::connect(entrance).unwrap();
        assert_eq!(nobody.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    #[ignore = "needs root: makes a network namespace"]
    fn an_error_of_ip_names_the_command_and_removal_is_idempotent() {
        let own = Own::new();
        let error = batch(&own.0, "link add lab0 type bridge\n").unwrap_err().to_string();
        assert!(error.contains("ip -batch") && error.contains("File exists"), "{error}");
        delete(&own.0).unwrap();
        delete(&own.0).unwrap();
        assert!(inside(&own.0, || ()).is_err());
    }
}
