//! Room `domain`: a range of addresses, parsed strictly. Host bits must be zero: `10.0.0.1/8` is a typing error, not a
//! range.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A range of addresses.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Cidr {
    address: IpAddr,
    length: u8,
}

/// Why a text is no range.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum CidrError {
    /// No address, or no length, or a length that the family does not have.
    Syntax(String),
    /// Bits behind the length.
    HostBits { given: String, meant: String },
}

impl fmt::Display for CidrError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => write!(out, "`{text}` is not a range of addresses"),
            Self::HostBits { given, meant } => {
                write!(
                    out,
                    "`{given}` has bits set behind its prefix length; the range it lies in is {meant}"
                )
            }
        }
    }
}

/// Ranges that no route of the internet leads to: RFC 1918, RFC 6598, RFC 3927, loopback, unique local (RFC 4193), link
/// local (RFC 4291).
const PRIVATE: [(IpAddr, u8); 9] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

impl Cidr {
    /// One address.
    pub(crate) fn host(address: IpAddr) -> Self {
        Self { address, length: width(address) }
    }

    /// Whether every address of it is one that the internet does not route.
    pub(crate) fn is_private(self) -> bool {
        PRIVATE.iter().any(|&(address, length)| Self { address, length }.covers(self))
    }

    /// Whether `other` lies in it whole.
    pub(crate) fn covers(self, other: Self) -> bool {
        width(self.address) == width(other.address)
            && self.length <= other.length
            && masked(other.address, self.length) == self.address
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let syntax = || CidrError::Syntax(text.into());
        let (address, length) = text.split_once('/').ok_or_else(syntax)?;
        let address: IpAddr = address.parse().map_err(|_| syntax())?;
        let length: u8 = length.parse().map_err(|_| syntax())?;
        if length > width(address) {
            return Err(syntax());
        }
        let meant = Self { address: masked(address, length), length };
        if meant.address != address {
            return Err(CidrError::HostBits { given: text.into(), meant: meant.to_string() });
        }
        Ok(meant)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(it) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Ipv4Addr::from_bits(it.to_bits() & mask).into()
        }
        IpAddr::V6(it) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Ipv6Addr::from_bits(it.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_typing_error_is_not_a_range() {
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/-1", "/8", "10.0.0.0/8/8"]
        {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError::Syntax(text.into())), "{text}");
        }
        let error = "10.0.0.1/8".parse::<Cidr>().unwrap_err();
        assert!(error.to_string().contains("the range it lies in is 10.0.0.0/8"), "{error}");
    }

    #[test]
    fn private_means_all_of_it() {
        for text in ["10.1.0.0/16", "172.16.0.0/12", "fd00:1::/32", "169.254.169.254/32", "::1/128"] {
            assert!(cidr(text).is_private(), "{text}");
        }
        for text in ["8.0.0.0/7", "172.0.0.0/8", "2001:db8::/32", "0.0.0.0/0", "::/0", "100.0.0.0/8"] {
            assert!(!cidr(text).is_private(), "{text}");
        }
    }

    #[test]
    fn families_do_not_mix() {
        assert!(!cidr("::/0").covers(cidr("10.0.0.0/8")));
        assert!(cidr("0.0.0.0/0").covers(Cidr::host(Ipv4Addr::new(169, 254, 169, 254).into())));
    }
}
