//! Room `domain`: what must be known of a cluster to draw a boundary in it. Filled by who has a client; nothing here asks.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::names;

/// A cluster as the desired objects need it. [`ClusterFacts::default`] is a cluster that nobody looked at: what cannot be
/// derived from it is reported as unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterFacts {
    /// Served kinds as `group/version/Kind`, the core group empty: `/v1/Pod`, `external-secrets.io/v1/ExternalSecret`.
    /// None: nobody looked.
    pub served: Option<BTreeSet<String>>,
    /// Namespaces. None: nobody looked.
    pub namespaces: Option<Vec<NamespaceFact>>,
    /// Nodes. None: nobody looked.
    pub nodes: Option<Vec<NodeFact>>,
    /// Pods that answer the cluster's DNS. None: not found.
    pub dns: Option<Dns>,
    /// Endpoints of the API server, from the EndpointSlices of `default/kubernetes`.
    pub api_server: Vec<Endpoint>,
    /// Services that domains name as destinations.
    pub services: BTreeMap<(String, String), ServiceFact>,
    /// Issuer of the cluster's tokens, which is the audience of the API server where its flags name no other. None: not known.
    pub issuer: Option<String>,
    /// Who writes.
    pub operator: OperatorIdentity,
}

impl ClusterFacts {
    /// Whether a kind is served; none where nobody looked.
    pub fn serves(&self, group: &str, version: &str, kind: &str) -> Option<bool> {
        self.served.as_ref().map(|served| served.contains(&format!("{group}/{version}/{kind}")))
    }
}

/// A namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NamespaceFact {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Pod Security level that it asked for before it came to a domain, if that was noted.
    pub level: Option<String>,
    /// Whether it is going away: nothing is written into it any more.
    pub terminating: bool,
}

/// A node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NodeFact {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Accelerators in its allocatable, by resource name.
    pub accelerators: BTreeMap<String, u64>,
}

/// Pods that answer the cluster's DNS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dns {
    /// Their namespace.
    pub namespace: String,
    /// Labels that select them.
    pub labels: BTreeMap<String, String>,
    /// Ports of the pods, not of the Service: policy acts after address translation.
    pub ports: BTreeSet<u16>,
    /// Addresses at which a cache on each node answers.
    pub node_local: Vec<IpAddr>,
}

impl Dns {
    /// The names that every installer uses.
    pub(crate) fn usual() -> Self {
        Self {
            namespace: "kube-system".into(),
            labels: [("k8s-app".to_owned(), "kube-dns".to_owned())].into(),
            ports: [53].into(),
            node_local: Vec::new(),
        }
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Endpoint {
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
}

/// A Service that a domain names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServiceFact {
    /// Its pod selector. Empty: it has none, and its endpoints are not pods that a selector finds.
    pub selector: BTreeMap<String, String>,
}

/// Who writes the desired objects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OperatorIdentity {
    /// Namespace of the controller.
    pub namespace: String,
    /// User name it is known by to the API server.
    pub username: String,
}

impl Default for OperatorIdentity {
    fn default() -> Self {
        Self {
            namespace: names::OPERATOR_NAMESPACE.into(),
            username: format!(
                "system:serviceaccount:{}:{}",
                names::OPERATOR_NAMESPACE,
                names::OPERATOR_ACCOUNT
            ),
        }
    }
}
