//! Room `domain`: what a SecurityDomain says of itself, as types. At most 30 KB per object.

use kube::KubeSchema;
use serde::Deserialize;
use serde::Serialize;

use super::Mode;

/// What holds, and what does not.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityDomainStatus {
    /// Generation of the spec that this status is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// Mode in force.
    #[serde(default)]
    pub effective_modes: EffectiveModes,
    /// GPU nodes.
    #[serde(default)]
    pub nodes: NodeCounts,
    /// Last simulation of Enforce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationStatus>,
    /// The spec that Enforce was entered with, or that was accepted since, as JSON without `enforcement`: it stays in force
    /// while an edit waits for its simulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 11_000))]
    pub accepted_spec: Option<String>,
    /// What was written, one entry for namespaces that got the same: evidence for what may be removed again, and that the
    /// domain holds these namespaces and nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400))]
    pub inventory: Vec<InventoryEntry>,
    /// Each promise: Ready, NamespacesReady, NodesIsolated, NetworkEnforced, SecretsFresh, RBACLeastPrivilege,
    /// AdmissionActive, SimulationCurrent, DriftContested, Conflict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Mode in force, and why it is not the wanted one.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveModes {
    /// Mode in force.
    #[serde(default)]
    pub mode: Mode,
    /// Why the wanted mode, the written spec or a namespace that is new waits. Absent: all of it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

/// GPU nodes of the domain.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// Selected by the domain.
    #[serde(default)]
    pub selected: u32,
    /// Of these, with the domain's label.
    #[serde(default)]
    pub labelled: u32,
    /// Of these, with the taint.
    #[serde(default)]
    pub tainted: u32,
}

/// What a simulation of Enforce found.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationStatus {
    /// Of the resolved spec without `enforcement`, of the rules, and of the names of the domain's namespaces: 64 hex digits.
    pub hash: String,
    /// When it ran, RFC 3339.
    pub at: String,
    /// Pods and templates that would be refused at their next start.
    pub would_deny: u32,
    /// Whose they are, the first twenty: `namespace/Kind/name: RF-...`; then what Pod Security and quota would refuse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub owners: Vec<String>,
    /// Inputs that could not be read, and own writes that the API server would refuse. With one of them the simulation does not
    /// open the gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub missing: Vec<String>,
}

/// What was written into namespaces that got the same, or without namespaces into the cluster.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryEntry {
    /// The namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub namespaces: Vec<String>,
    /// `Kind/name` of each object; `Namespace` alone is each namespace itself, `Node/name/key=value:effect` a node with its
    /// taint.
    #[schemars(length(max = 128))]
    pub objects: Vec<String>,
}

/// A promise (metav1 Condition).
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Generation of the spec it was judged by.
    #[serde(default)]
    pub observed_generation: i64,
    /// When its status last changed, RFC 3339.
    pub last_transition_time: String,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, for people: field, cause and cure.
    pub message: String,
}
