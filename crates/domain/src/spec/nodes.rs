//! Room `domain`: the GPU nodes of a SecurityDomain, as types.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::yes;

/// GPU nodes that belong to this domain: labelled, tainted, and closed to everybody else.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[x_kube(
    validation = Rule::new("!has(self.taint) || self.taint.effect != 'NoExecute' || (has(self.acknowledgeEviction) && self.acknowledgeEviction)")
        .message("taint.effect NoExecute evicts every pod that does not tolerate it, the GPU Operator's DaemonSets among them: set acknowledgeEviction: true if that is meant")
)]
#[serde(rename_all = "camelCase")]
pub struct Nodes {
    /// Nodes with these labels. Absent: the domain has no nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// The taint that keeps strangers away.
    #[serde(default)]
    pub taint: Taint,
    /// Put the taint on the nodes and keep it there. Taints of others are never touched.
    #[serde(default = "yes")]
    pub manage_taint: bool,
    /// Refuse pods outside that tolerate the taint, name a node or ask for the domain's nodes, and keep pods of other domains
    /// off. A taint alone is only a hint to the scheduler.
    #[serde(default = "yes")]
    pub dedicated: bool,
    /// Add the toleration to pods inside that ask for an accelerator.
    #[serde(default = "yes")]
    pub inject_toleration: bool,
    /// Add a node selector for the domain's nodes to pods inside that ask for an accelerator.
    #[serde(default = "yes")]
    pub inject_node_selector: bool,
    /// Namespaces outside whose pods may run on the nodes: drivers, device plugins, network and storage agents.
    #[serde(default)]
    pub system_allow_list: SystemAllowList,
    /// Accept that effect NoExecute evicts what does not tolerate the taint. Pods of DaemonSets are not evicted: while one
    /// on a node does not tolerate the taint, it is not set there.
    #[serde(default)]
    pub acknowledge_eviction: bool,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            selector: None,
            taint: Taint::default(),
            manage_taint: true,
            dedicated: true,
            inject_toleration: true,
            inject_node_selector: true,
            system_allow_list: SystemAllowList::default(),
            acknowledge_eviction: false,
        }
    }
}

/// A taint. Its key is the name of the resource, so that `ExtendedResourceToleration` and the GPU Operator agree with it.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taint {
    /// Its key.
    #[serde(default = "key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$"))]
    pub key: String,
    /// Its value.
    #[serde(default = "value")]
    #[schemars(length(max = 63), regex(pattern = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"))]
    pub value: String,
    /// NoSchedule keeps new pods away; NoExecute also evicts, and needs acknowledgeEviction.
    #[serde(default)]
    pub effect: Effect,
}

impl Default for Taint {
    fn default() -> Self {
        Self { key: key(), value: value(), effect: Effect::NoSchedule }
    }
}

fn key() -> String {
    "nvidia.com/gpu".into()
}

fn value() -> String {
    "true".into()
}

/// Effect of a taint.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Effect {
    /// New pods stay away.
    #[default]
    NoSchedule,
    /// Running pods go too.
    NoExecute,
}

impl Effect {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// Namespaces outside whose pods may run on the nodes.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemAllowList {
    /// Their names, beside kube-system and the controller's own namespace, which are always allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,
}
