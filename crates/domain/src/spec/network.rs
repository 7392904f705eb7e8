//! Room `domain`: the network of a SecurityDomain, as types.

use kube::KubeSchema;
use schemars::JsonSchema;
use schemars::Schema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::yes;

/// What pods inside may reach, and what may reach them. Everything that is not declared is closed, IPv4 and IPv6.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Close everything that is not opened below.
    #[serde(default = "yes")]
    pub default_deny: bool,
    /// Let pods of this domain reach each other.
    #[serde(default = "yes")]
    pub intra_domain: bool,
    /// Let pods ask the cluster's DNS.
    #[serde(default = "yes", rename = "allowDNS")]
    pub allow_dns: bool,
    /// Never: no destination outside the private address ranges can be declared. Declared: only what `egress` names.
    /// Default by tier: Declared, in Sealed Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet: Option<Internet>,
    /// Private ranges that pods may reach on any port. A range that covers the cluster's own pods opens all of them.
    #[serde(default, rename = "internalCIDRs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(max = 49), regex(pattern = r"^[0-9A-Fa-f:.]+/[0-9]{1,3}$")),
        transform = of_ranges
    )]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(c, !c.endsWith('/0'))").message("a range with prefix length 0 is the internet: declare what is needed in egress")
    )]
    pub internal_cidrs: Vec<String>,
    /// Destinations that pods may reach, each with its ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub egress: Vec<Egress>,
    /// Namespaces outside whose pods may reach pods inside, each with its ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub ingress: Vec<Ingress>,
    /// Where models and images come from inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    /// Keep the cloud's metadata addresses out of every declared range.
    #[serde(default = "yes")]
    pub block_metadata: bool,
}

/// Items that the API server parses as ranges of addresses, so that `10.0.0/8` is refused when it is written.
fn of_ranges(schema: &mut Schema) {
    if let Some(items) = schema.get_mut("items").and_then(Value::as_object_mut) {
        items.insert("format".into(), "cidr".into());
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            default_deny: true,
            intra_domain: true,
            allow_dns: true,
            internet: None,
            internal_cidrs: Vec::new(),
            egress: Vec::new(),
            ingress: Vec::new(),
            registry: None,
            block_metadata: true,
        }
    }
}

/// Whether destinations on the internet can be declared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Internet {
    /// They cannot.
    Never,
    /// By cidr, in `egress`.
    Declared,
}

/// A destination that pods may reach.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[x_kube(
    validation = Rule::new("has(self.to.apiServer) != (has(self.ports) && size(self.ports) > 0)")
        .message("ports are needed, except for apiServer, which has those of its endpoints")
)]
#[serde(rename_all = "camelCase")]
pub struct Egress {
    /// Its name here.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What it is for, for who reads the status.
    #[serde(default)]
    pub purpose: Purpose,
    /// Where it is: exactly one of its fields.
    pub to: Destination,
    /// Its ports. A Service's are the ports of its pods, since policy acts after address translation; an apiServer has
    /// none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub ports: Vec<Port>,
}

/// What a destination is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Purpose {
    /// Training and inference data.
    Data,
    /// An LLM provider or proxy.
    #[serde(rename = "LLM")]
    Llm,
    /// Models.
    Models,
    /// Anything else.
    #[default]
    Other,
}

/// Where a destination is: exactly one field.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[x_kube(
    validation = Rule::new("[has(self.__namespace__), has(self.service), has(self.cidr), has(self.apiServer)].filter(x, x).size() == 1")
        .message("a destination has exactly one of namespace, service, cidr and apiServer"),
    validation = Rule::new("!has(self.cidr) || !self.cidr.endsWith('/0')")
        .message("a cidr with prefix length 0 is everything: name the ranges that are needed"),
    validation = Rule::new("!has(self.apiServer) || self.apiServer")
        .message("apiServer can only be true; leave it out otherwise")
)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// All pods of a namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// The pods behind a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,
    /// A range of addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 49), regex(pattern = r"^[0-9A-Fa-f:.]+/[0-9]{1,3}$"), extend("format" = "cidr"))]
    pub cidr: Option<String>,
    /// The cluster's API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server: Option<bool>,
}

/// A Service.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
}

/// A port.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Its number.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Its protocol.
    #[serde(default)]
    pub protocol: Protocol,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Protocol {
    /// TCP.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
}

impl Protocol {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A namespace outside whose pods may reach pods inside.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Its name here.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub from_namespace: String,
    /// Ports of the pods inside.
    #[schemars(length(min = 1, max = 16))]
    pub ports: Vec<Port>,
}

/// A registry inside the cluster.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Port of its pods.
    #[serde(default = "https")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

fn https() -> u16 {
    443
}
