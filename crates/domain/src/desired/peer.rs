//! Room `domain`: one side of a NetworkPolicy rule.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use serde_json::Value;
use serde_json::json;

use crate::cidr::Cidr;
use crate::spec::Port;

/// Addresses at which clouds hand instance credentials to whoever asks: AWS, Azure and GCP share the first; Alibaba, AWS
/// and GCP over IPv6.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// All pods of a namespace, by the label that only the API server sets: hand-made labels can be written by tenants.
pub(crate) fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

/// A range of addresses, without the metadata addresses in it if they are to be blocked.
pub(crate) fn range(cidr: Cidr, block_metadata: bool) -> Value {
    let mut block = json!({"cidr": cidr.to_string()});
    let holes: Vec<_> = METADATA
        .into_iter()
        .map(Cidr::host)
        .filter(|hole| block_metadata && cidr.covers(*hole))
        .map(|hole| hole.to_string())
        .collect();
    if !holes.is_empty() {
        block["except"] = Value::from(holes);
    }
    json!({"ipBlock": block})
}

/// Whether a range is a metadata address and nothing else: then no hole can be cut into it.
pub(crate) fn is_metadata(cidr: Cidr) -> bool {
    METADATA.into_iter().any(|address| Cidr::host(address) == cidr)
}

/// Ports of a rule.
pub(crate) fn ports(ports: &[Port]) -> Value {
    ports.iter().map(|it| port(it.protocol.name(), it.port)).collect()
}

/// A port of a rule.
pub(crate) fn port(protocol: &str, port: u16) -> Value {
    json!({"protocol": protocol, "port": port})
}
