//! The processes of a cluster by name: their file names, log names and the words of the command line.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::error::Error;

/// A long-running process of the lab.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The store of the API server.
    Etcd,
    /// kube-apiserver.
    #[serde(rename = "kube-apiserver")]
    ApiServer,
    /// kube-controller-manager.
    #[serde(rename = "kube-controller-manager")]
    ControllerManager,
    /// kube-scheduler.
    #[serde(rename = "kube-scheduler")]
    Scheduler,
    /// Waits, and keeps the mount namespace of the real node.
    Mounts,
    /// The world outside the cluster.
    StandIns,
    /// containerd, from the distribution.
    Containerd,
    /// The real node's agent.
    Kubelet,
    /// kube-proxy: Services.
    KubeProxy,
    /// kube-router's firewall: NetworkPolicies.
    Enforcer,
}

impl Component {
    /// Every component, in the order in which they start.
    pub const ALL: [Self; 10] = [
        Self::Etcd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Mounts,
        Self::StandIns,
        Self::Containerd,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Enforcer,
    ];

    /// Whether it belongs to the real node, and not to the control plane.
    pub fn is_of_node(self) -> bool {
        self >= Self::Mounts
    }

    /// Base name of its program; also of its log and of its record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Mounts => "mounts",
            Self::StandIns => "stand-ins",
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Enforcer => "enforcer",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Component {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|component| component.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::other(format!("no component `{name}`: the components are {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_serves_program_log_and_json() {
        for component in Component::ALL {
            assert_eq!(serde_json::to_value(component).unwrap(), component.name());
            assert_eq!(component.name().parse::<Component>().unwrap(), component);
        }
        let unknown = "kubelett".parse::<Component>().unwrap_err().to_string();
        assert!(unknown.contains("`kubelett`") && unknown.contains("kubelet, kube-proxy"), "{unknown}");
    }
}
