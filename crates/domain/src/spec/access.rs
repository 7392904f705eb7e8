//! Room `domain`: people and accounts of a SecurityDomain, as types.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// Who may do what inside, and what workloads may use.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Roles of people, bound in every namespace of the domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["preset".into()]))]
    pub roles: Vec<Grant>,
    /// What workloads may mount and run as. Who may create a Job may use every Secret and ServiceAccount of the
    /// namespace, unless it is limited here. Absent: no limit in Baseline; elsewhere only the secrets of `spec.secrets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mountable: Option<Mountable>,
    /// ServiceAccounts of the namespaces.
    #[serde(default)]
    pub service_accounts: ServiceAccounts,
}

/// A role and who has it.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The role: ClusterRole `ringfence:<preset>` says what it may do. None may read secrets.
    pub preset: Preset,
    /// Who has it.
    #[schemars(length(min = 1, max = 100))]
    pub subjects: Vec<Subject>,
    /// Rights beside the role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub extras: Vec<Extra>,
}

/// A role that ships with Ringfence.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Preset {
    /// Runs jobs and serves models.
    #[serde(rename = "ml-engineer")]
    Engineer,
    /// Works in notebooks.
    #[serde(rename = "ml-notebook")]
    Notebook,
    /// Keeps services running.
    #[serde(rename = "ml-operator")]
    Operator,
    /// Looks, and changes nothing.
    #[serde(rename = "ml-viewer")]
    Viewer,
}

impl Preset {
    /// All of them, by name.
    pub const ALL: [Self; 4] = [Self::Engineer, Self::Notebook, Self::Operator, Self::Viewer];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engineer => "ml-engineer",
            Self::Notebook => "ml-notebook",
            Self::Operator => "ml-operator",
            Self::Viewer => "ml-viewer",
        }
    }
}

/// A right beside a role.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Extra {
    /// A shell in running pods: whoever has it reads what the pod reads.
    Exec,
    /// Tunnels to ports of running pods.
    PortForward,
}

impl Extra {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Exec, Self::PortForward];

    /// Name of its ClusterRole after `ringfence:`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::PortForward => "port-forward",
        }
    }
}

/// A person, a group or an account.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[x_kube(
    validation = Rule::new("self.kind != 'Group' || !self.name.startsWith('system:')")
        .message("groups of the system (system:...) hold everybody or every account: name a group of your own"),
    validation = Rule::new("(self.kind == 'ServiceAccount') == has(self.__namespace__)")
        .message("a ServiceAccount has a namespace, a User or Group has none")
)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Its kind.
    pub kind: SubjectKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of a ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// Kind of a subject.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum SubjectKind {
    /// A group.
    Group,
    /// An account of a workload.
    ServiceAccount,
    /// A person.
    User,
}

impl SubjectKind {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "Group",
            Self::ServiceAccount => "ServiceAccount",
            Self::User => "User",
        }
    }
}

/// What workloads may mount and run as.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mountable {
    /// ServiceAccounts that pods may run as, beside `default`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub service_accounts: Vec<String>,
    /// Secrets that pods may use, beside those of `spec.secrets`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub secrets: Vec<String>,
    /// Claims that pods may mount. A StatefulSet's need every ordinal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub claims: Vec<String>,
}

/// ServiceAccounts of the namespaces.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccounts {
    /// Whether pods of ServiceAccount `default` get an API token unasked.
    #[serde(default)]
    pub automount_default: bool,
}
