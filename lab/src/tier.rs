//! How much of a cluster there is, and what a machine lacks for more.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::error::Error;

/// How much of a cluster a test needs, or a machine can give. Each tier holds the one before.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Tier {
    /// etcd and API server: CRDs, RBAC, admission, audit, encryption at rest. No root.
    #[serde(rename = "1a")]
    Api,
    /// And controllers and scheduler: ServiceAccounts, garbage collection, fake nodes. No root.
    #[serde(rename = "1b")]
    ControlPlane,
    /// And a real node: pods, packets that are dropped, exec, logs. Root.
    #[serde(rename = "2")]
    Node,
}

impl Tier {
    /// `1a`, `1b` or `2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "1a",
            Self::ControlPlane => "1b",
            Self::Node => "2",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Tier {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Api, Self::ControlPlane, Self::Node]
            .into_iter()
            .find(|tier| tier.name() == name)
            .ok_or_else(|| Error::other(format!("no tier `{name}`: the tiers are 1a, 1b and 2")))
    }
}

/// A tier that this machine cannot give.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("no lab tier {tier}: {} ({hint})", .what.join(", "))]
pub struct Missing {
    /// The tier that was asked for.
    pub tier: Tier,
    /// What is missing, one phrase each: `containerd not found`.
    pub what: Vec<String>,
    /// What to do about it: `install Debian package containerd`.
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_holds_the_one_before() {
        assert!(Tier::Api < Tier::ControlPlane && Tier::ControlPlane < Tier::Node);
        for tier in [Tier::Api, Tier::ControlPlane, Tier::Node] {
            assert_eq!(tier.name().parse::<Tier>().unwrap(), tier);
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.name());
        }
        assert!("3".parse::<Tier>().unwrap_err().to_string().contains("1a, 1b and 2"));
    }

    #[test]
    fn what_is_missing_reads_as_one_sentence() {
        let missing = Missing {
            tier: Tier::Node,
            what: vec!["containerd not found".into(), "not root".into()],
            hint: "install Debian package containerd".into(),
        };
        assert_eq!(
            missing.to_string(),
            "no lab tier 2: containerd not found, not root (install Debian package containerd)"
        );
    }
}
