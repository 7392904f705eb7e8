//! Room `inventory`: ranges of addresses as NetworkPolicies write them -> sets of addresses. Both families stand apart:
//! an IPv4 rule says nothing about IPv6.

use std::net::IpAddr;
use std::net::Ipv4Addr;

/// Addresses of one family that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    is_v6: bool,
    first: u128,
    last: u128,
}

/// A set of addresses, IPv4 and IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Sorted by family; no two touch.
    blocks: Vec<Block>,
}

impl Block {
    /// All addresses of both families: the destinations of a rule that names none.
    pub const EVERYTHING: [Self; 2] = [
        Self { is_v6: false, first: 0, last: u32::MAX as u128 },
        Self { is_v6: true, first: 0, last: u128::MAX },
    ];

    /// What the API server makes of a `cidr`: bits behind the prefix length are dropped, and zeros before the digits of
    /// IPv4 are read past (`netutils.ParseCIDRSloppy`). None: it is no range.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let length: u32 = length.parse().ok()?;
        let (is_v6, bits, width) = match address.parse().ok().or_else(|| padded(address).map(IpAddr::V4))? {
            IpAddr::V4(address) => (false, u128::from(address.to_bits()), 32_u32),
            IpAddr::V6(address) => (true, address.to_bits(), 128),
        };
        let hosts = 1_u128.checked_shl(width.checked_sub(length)?).unwrap_or(0).wrapping_sub(1);
        let first = bits & !hosts;
        Some(Self { is_v6, first, last: first | hosts })
    }

    /// One address.
    pub fn host(address: IpAddr) -> Self {
        let (is_v6, bits) = match address {
            IpAddr::V4(address) => (false, u128::from(address.to_bits())),
            IpAddr::V6(address) => (true, address.to_bits()),
        };
        Self { is_v6, first: bits, last: bits }
    }

    /// Addresses in it.
    fn size(self) -> u128 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

impl Addresses {
    /// The union of blocks.
    pub fn of(blocks: impl IntoIterator<Item = Block>) -> Self {
        let mut sorted: Vec<Block> = blocks.into_iter().collect();
        sorted.sort_unstable();
        let mut joined: Vec<Block> = Vec::with_capacity(sorted.len());
        for block in sorted {
            match joined.last_mut() {
                Some(last) if last.is_v6 == block.is_v6 && block.first <= last.last.saturating_add(1) => {
                    last.last = last.last.max(block.last);
                }
                _ => joined.push(block),
            }
        }
        Self { blocks: joined }
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self::of(self.blocks.iter().chain(&other.blocks).copied())
    }

    /// What is left when the others are taken away.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let mut left = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let mut rest = Some(*block);
            let from =
                others.blocks.partition_point(|other| (other.is_v6, other.last) < (block.is_v6, block.first));
            for other in others.blocks.iter().skip(from) {
                let Some(now) = rest else { break };
                if other.is_v6 != now.is_v6 || other.first > now.last {
                    break;
                }
                if other.first > now.first {
                    left.push(Block { last: other.first.saturating_sub(1), ..now });
                }
                let first = other.last.checked_add(1).filter(|first| *first <= now.last);
                rest = first.map(|first| Block { first, ..now });
            }
            left.extend(rest);
        }
        Self { blocks: left }
    }

    /// Whether an address is among them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let wanted = Block::host(address);
        self.blocks
            .iter()
            .any(|block| block.is_v6 == wanted.is_v6 && (block.first..=block.last).contains(&wanted.first))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many there are of IPv4 and of IPv6.
    pub fn sizes(&self) -> (u128, u128) {
        let of = |is_v6: bool| {
            let blocks = self.blocks.iter().filter(|block| block.is_v6 == is_v6);
            blocks.map(|block| block.size()).fold(0, u128::saturating_add)
        };
        (of(false), of(true))
    }

    /// Addresses that the internet does not route: private, shared, local, reserved ones and those for documentation
    /// (IANA's special-purpose registries, RFC 6890). NAT64 (64:ff9b::/96) leads to the internet and is none of them.
    pub fn special() -> Self {
        Self::of(SPECIAL.iter().filter_map(|text| Block::parse(text)))
    }
}

const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
    "2001:db8::/32",
];

/// `010.1.2.3`: decimal, as the API server reads it.
fn padded(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u8>().ok().filter(|_| digits)
    });
    let mut next = || parts.next().flatten();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    parts.next().is_none().then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> Addresses {
        Addresses::of(texts.iter().map(|text| Block::parse(text).unwrap()))
    }

    #[test]
    fn a_range_is_read_as_the_api_server_reads_it() {
        for (text, same) in [
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("010.000.0.1/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "255.255.255.255/0"),
            ("fd00::1/8", "fd00::/8"),
        ] {
            assert_eq!(Block::parse(text), Block::parse(same), "{text}");
        }
        for text in [
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
            "/8",
            "${CIDR}",
            "a/8",
            "1.2.3.4.5/8",
        ] {
            assert_eq!(Block::parse(text), None, "{text}");
        }
        assert_eq!(Addresses::of(Block::EVERYTHING), set(&["0.0.0.0/0", "::/0"]));
    }

    #[test]
    fn blocks_join_where_they_touch_and_families_never_do() {
        assert_eq!(set(&["0.0.0.0/1", "128.0.0.0/1"]), set(&["0.0.0.0/0"]));
        assert_eq!(set(&["10.0.0.0/9", "10.0.0.0/8"]), set(&["10.0.0.0/8"]));
        assert_eq!(set(&["0.0.0.0/0", "::/0"]).sizes(), (1 << 32, u128::MAX));
        assert_ne!(set(&["0.0.0.0/0"]), set(&["::/96"]));
    }

    #[test]
    fn what_is_taken_away_may_lie_at_the_ends_in_the_middle_or_over_everything() {
        for (of, taken, left) in [
            (&["10.0.0.0/8"][..], &["10.0.0.0/9"][..], &["10.128.0.0/9"][..]),
            (&["10.0.0.0/8"], &["10.128.0.0/9"], &["10.0.0.0/9"]),
            (&["10.0.0.0/8"], &["10.64.0.0/10"], &["10.0.0.0/10", "10.128.0.0/9"]),
            (&["10.0.0.0/8"], &["0.0.0.0/0"], &[]),
            (&["10.0.0.0/8"], &["::/0"], &["10.0.0.0/8"]),
            (&["::/0"], &["8000::/1", "0.0.0.0/0"], &["::/1"]),
            (&["0.0.0.0/0"], &["0.0.0.0/2", "128.0.0.0/1"], &["64.0.0.0/2"]),
            (&["0.0.0.0/2", "128.0.0.0/2"], &["0.0.0.0/1"], &["128.0.0.0/2"]),
        ] {
            assert_eq!(set(of).without(&set(taken)), set(left), "{of:?} without {taken:?}");
        }
    }

    #[test]
    fn the_internet_is_what_is_left_without_the_special_ranges() {
        let internet = Addresses::of(Block::EVERYTHING).without(&Addresses::special());
        for (address, is_public) in [
            ("8.8.8.8", true),
            ("172.32.0.1", true),
            ("64:ff9b::808:808", true),
            ("2606:4700::1111", true),
            ("172.31.255.255", false),
            ("169.254.169.254", false),
            ("100.100.100.200", false),
            ("fd00:ec2::254", false),
            ("224.0.0.1", false),
        ] {
            assert_eq!(internet.contains(address.parse().unwrap()), is_public, "{address}");
        }
    }
}
