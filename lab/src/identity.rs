//! Who a test acts as: a user with groups, sent as impersonation headers.

use serde::Deserialize;
use serde::Serialize;

/// A user of the cluster and its groups. The API server adds `system:authenticated` by itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The groups it belongs to.
    pub groups: Vec<String>,
}

impl Identity {
    /// A person.
    pub fn human(name: &str, groups: &[&str]) -> Self {
        Self { user: name.into(), groups: groups.iter().map(|group| (*group).to_owned()).collect() }
    }

    /// A service account, with the groups that its token would carry. Claims of a bound token (pod, node)
    /// are not impersonated: a control that reads them needs a token of the TokenRequest API.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            user: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")],
        }
    }

    /// A kubelet: the Node authorizer and NodeRestriction judge it.
    pub fn node(name: &str) -> Self {
        Self { user: format!("system:node:{name}"), groups: vec!["system:nodes".into()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_has_the_groups_of_its_token() {
        let robot = Identity::service_account("ml", "trainer");
        assert_eq!(robot.user, "system:serviceaccount:ml:trainer");
        assert_eq!(robot.groups, ["system:serviceaccounts", "system:serviceaccounts:ml"]);
        assert_eq!(Identity::node("n1").groups, ["system:nodes"]);
    }
}
