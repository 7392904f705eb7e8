//! The world outside the cluster, as far as a test may ask for it: a second network namespace behind the
//! node's bridge, with an internet, a metadata address, a DNS server and a registry that answer. A connection
//! that is refused proves something only if the same one was open before.

use std::fmt::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use crate::error::Result;
use crate::home::Home;
use crate::netns;
use crate::netns::BRIDGE;
use crate::netns::NODE_ADDRESS6;
use crate::node::POD_RANGES;
use crate::site::NODE_ADDRESS;

/// A stand-in of the outside world. Its addresses are constants: each lab has a world of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// A DNS server beside the node; port 53, UDP and TCP. Pods have it in their resolv.conf. It knows
    /// [`PUBLIC_NAME`].
    Dns,
    /// Somebody on the internet; port 443 over TCP says `internet`, over UDP `internet-udp`; port 53 is a DNS
    /// server, port 80 a web server. The addresses belong to example.com and lie in no special range.
    Internet,
    /// The metadata address of the large clouds (IPv6: that of AWS); port 80, HTTP, `/latest/meta-data/`.
    Metadata,
    /// A registry beside the node; port 5000, HTTP, `/v2/`.
    Registry,
}

/// The name that [`StandIn::Dns`] and the DNS server of [`StandIn::Internet`] know: the addresses of
/// [`StandIn::Internet`].
pub const PUBLIC_NAME: &str = "internet.example";

/// Node's side and outside's side of the link; the second is the default route of the node.
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

impl StandIn {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dns, Self::Internet, Self::Metadata, Self::Registry];

    /// Its IPv4 address.
    pub fn v4(self) -> Ipv4Addr {
        match self {
            Self::Dns => Ipv4Addr::new(10, 77, 0, 53),
            Self::Internet => Ipv4Addr::new(93, 184, 215, 14),
            Self::Metadata => Ipv4Addr::new(169, 254, 169, 254),
            Self::Registry => Ipv4Addr::new(10, 77, 0, 50),
        }
    }

    /// Its IPv6 address.
    pub fn v6(self) -> Ipv6Addr {
        match self {
            Self::Dns => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x53),
            Self::Internet => Ipv6Addr::new(0x2606, 0x2800, 0x21f, 0xcb07, 0x6820, 0x80da, 0xaf6b, 0x8b2c),
            Self::Metadata => Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
            Self::Registry => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x50),
        }
    }

    /// Both addresses.
    pub fn addresses(self) -> [IpAddr; 2] {
        [self.v4().into(), self.v6().into()]
    }
}

/// The outside's namespace: a file on which it is mounted.
pub(crate) fn namespace(home: &Home) -> PathBuf {
    home.run().join("net-out")
}

/// Makes the outside of a lab whose own namespace is there, and gives the lab a default route to it. The
/// outside knows the way back to pods and nothing else: no packet circles between the two.
pub(crate) fn create(home: &Home) -> Result<()> {
    let (lab, out) = (netns::of(home), namespace(home));
    netns::add(&out)?;
    netns::batch(
        &lab,
        &format!(
            "link add out0 type veth peer name eth0 netns {}\nlink set out0 master {BRIDGE} up\n",
            out.display()
        ),
    )?;
    let mut commands = format!(
        "link set lo up\n\
         addr add {ROUTER}/24 dev eth0\n\
         addr add {ROUTER6}/64 dev eth0 nodad\n\
         link set eth0 up\n"
    );
    for stand_in in StandIn::ALL {
        // On the link, not on lo: neighbour discovery answers for addresses of the asked interface only.
        let (v4, v6) = (stand_in.v4(), stand_in.v6());
        let _ = write!(commands, "addr add {v4}/32 dev eth0\naddr add {v6}/128 dev eth0 nodad\n");
    }
    for (range, router) in POD_RANGES.iter().zip([IpAddr::from(NODE_ADDRESS), NODE_ADDRESS6.into()]) {
        let _ = writeln!(commands, "route add {range} via {router}");
    }
    netns::batch(&out, &commands)?;
    netns::batch(
        &lab,
        &format!(
            "route add 0.0.0.0/0 via {ROUTER} dev {BRIDGE} src {NODE_ADDRESS}\n\
             route add ::/0 via {ROUTER6} dev {BRIDGE} src {NODE_ADDRESS6}\n"
        ),
    )
}

/// The arguments of `labtool` with which one process plays them all. Each socket is bound to its address: an
/// answer over UDP must come from the one that was asked.
pub(crate) fn arguments() -> Vec<String> {
    let records = StandIn::Internet.addresses().map(|ip| format!("{PUBLIC_NAME}={ip}"));
    let all = StandIn::ALL.iter().flat_map(|stand_in| stand_in.addresses().map(|ip| (stand_in, ip)));
    let modes: Vec<Vec<String>> = all.flat_map(|(stand_in, ip)| stand_in.modes(ip, &records)).collect();
    modes.join(&"+".to_owned())
}

impl StandIn {
    /// What it does at one of its addresses, as arguments of `labtool`.
    fn modes(self, ip: IpAddr, records: &[String]) -> Vec<Vec<String>> {
        let mode = |name: &str, port: u16, rest: &[String]| {
            let place = std::net::SocketAddr::new(ip, port).to_string();
            [vec![name.to_owned(), place], rest.to_vec()].concat()
        };
        match self {
            Self::Dns => vec![mode("dns", 53, records)],
            Self::Internet => vec![
                mode("serve", 443, &["internet".into()]),
                mode("serve-udp", 443, &["internet-udp".into()]),
                mode("dns", 53, records),
                mode("http", 80, &["/=internet".into()]),
            ],
            Self::Metadata => vec![mode("http", 80, &["/latest/meta-data/=metadata".into()])],
            Self::Registry => vec![mode("http", 5000, &["/v2/={}".into()])],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_is_in_no_special_range_and_the_others_are() {
        // IANA special-purpose registries, as far as std knows them in both families.
        let special =
            |ip: Ipv4Addr| ip.is_private() || ip.is_link_local() || ip.is_loopback() || ip.is_documentation();
        assert!(!special(StandIn::Internet.v4()) && StandIn::Internet.v6().segments()[0] & 0xe000 == 0x2000);
        assert!(StandIn::Internet.v6().segments()[..2] != [0x2001, 0x0db8]);
        assert!(special(StandIn::Metadata.v4()) && StandIn::Metadata.v6().is_unique_local());
    }

    #[test]
    fn every_stand_in_listens_at_both_of_its_addresses() {
        let words = arguments();
        let modes: Vec<&[String]> = words.split(|word| word == "+").collect();
        for stand_in in StandIn::ALL {
            for ip in stand_in.addresses() {
                let bound = |mode: &&&[String]| mode[1].parse::<std::net::SocketAddr>().unwrap().ip() == ip;
                assert!(modes.iter().filter(bound).count() > 0, "{stand_in:?} {ip}: {modes:?}");
            }
        }
        assert!(modes.contains(&["serve", "93.184.215.14:443", "internet"].map(String::from).as_slice()));
    }
}
