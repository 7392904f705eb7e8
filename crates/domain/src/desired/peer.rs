//! Room `domain`: one side of a NetworkPolicy rule.

use std::net::IpAddr;
use std::sync::LazyLock;

use serde_json::Value;
use serde_json::json;

use crate::cidr::Cidr;
use crate::spec::Port;

/// All pods of a namespace, by the label that only the API server sets: hand-made labels can be written by tenants.
pub(crate) fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

/// A range of addresses, without the metadata addresses in it if they are to be blocked.
pub(crate) fn range(cidr: Cidr, block_metadata: bool) -> Value {
    let mut block = json!({"cidr": cidr.to_string()});
    let holes = METADATA.iter().filter(|hole| block_metadata && cidr.covers(**hole));
    let holes: Vec<_> = holes.map(ToString::to_string).collect();
    if !holes.is_empty() {
        block["except"] = Value::from(holes);
    }
    json!({"ipBlock": block})
}

/// Whether a range is a metadata address and nothing else: then no hole can be cut into it.
pub(crate) fn is_metadata(cidr: Cidr) -> bool {
    METADATA.contains(&cidr)
}

/// Addresses at which clouds hand credentials to whoever asks: those that RF-NET-003 names.
static METADATA: LazyLock<Vec<Cidr>> = LazyLock::new(|| {
    let data = include_str!("../../../../data/metadata-addresses.yaml");
    let rows = data.lines().filter_map(|line| line.strip_prefix("  - ")?.split_once(' '));
    rows.filter_map(|(_, address)| Some(Cidr::host(address.parse::<IpAddr>().ok()?))).collect()
});

/// Ports of a rule.
pub(crate) fn ports(ports: &[Port]) -> Value {
    ports.iter().map(|it| port(it.protocol.name(), it.port)).collect()
}

/// A port of a rule.
pub(crate) fn port(protocol: &str, port: u16) -> Value {
    json!({"protocol": protocol, "port": port})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_an_address() {
        let rows = include_str!("../../../../data/metadata-addresses.yaml").matches("\n  - ").count();
        assert_eq!((METADATA.len(), rows > 0), (rows, true));
    }

    #[test]
    fn every_metadata_address_is_cut_out_of_a_range_that_holds_it() {
        let except =
            |range_of: &str| range(range_of.parse::<Cidr>().unwrap(), true)["ipBlock"]["except"].take();
        assert_eq!(except("169.254.0.0/16"), json!(["169.254.169.254/32", "169.254.170.2/32"]));
        assert_eq!(except("168.0.0.0/8"), json!(["168.63.129.16/32"]));
        assert_eq!(except("100.64.0.0/10"), json!(["100.100.100.200/32"]));
        assert_eq!(except("fc00::/7"), json!(["fd00:ec2::254/128", "fd20:ce::254/128"]));
        assert_eq!(except("10.0.0.0/8"), Value::Null);
        assert!(is_metadata("168.63.129.16/32".parse::<Cidr>().unwrap()));
    }
}
