//! Room `domain`: the external secrets of a SecurityDomain, as types.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// Secrets that come from an external manager through the External Secrets Operator. Their values never pass here.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[x_kube(
    validation = Rule::new("!has(self.items) || size(self.items) == 0 || has(self.store)")
        .message("items need a store that they are read from")
)]
#[serde(rename_all = "camelCase")]
pub struct Secrets {
    /// The store they are read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreRef>,
    /// How often they are read again, such as 1h or 30m; at least one minute.
    #[serde(default = "hourly")]
    #[schemars(length(max = 16), regex(pattern = r"^([1-9][0-9]*h)?([1-9][0-9]*m)?$"))]
    #[x_kube(validation = Rule::new("size(self) > 0").message("a time such as 1h, 30m or 1h30m"))]
    pub refresh_interval: String,
    /// The secrets, each written as an ExternalSecret into every namespace of the domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub items: Vec<SecretItem>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self { store: None, refresh_interval: hourly(), items: Vec::new() }
    }
}

fn hourly() -> String {
    "1h".into()
}

/// A store of the External Secrets Operator.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreRef {
    /// SecretStore stands in each namespace, ClusterSecretStore in none.
    pub kind: StoreKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Kind of a store.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum StoreKind {
    /// One per namespace.
    SecretStore,
    /// One for the cluster; without `conditions` every namespace can read through it.
    ClusterSecretStore,
}

impl StoreKind {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretStore => "SecretStore",
            Self::ClusterSecretStore => "ClusterSecretStore",
        }
    }
}

/// A secret.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretItem {
    /// Name of the Secret that results.
    #[schemars(length(min = 1, max = 60), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its key in the external manager.
    #[schemars(length(min = 1, max = 512))]
    pub remote_key: String,
    /// A property of that key; absent: the whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub property: Option<String>,
    /// Key in the Secret that results. Default: the property, or else the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub secret_key: Option<String>,
}
