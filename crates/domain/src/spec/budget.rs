//! Room `domain`: quota, limits and times of a SecurityDomain, as types. Quantities are Kubernetes' own (`500m`, `64Gi`).

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::Deserialize;
use serde::Serialize;

/// How much each namespace may take.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// What every namespace gets.
    #[serde(flatten)]
    pub amounts: QuotaAmounts,
    /// Namespaces that get something else; what is not named there is as for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into()]))]
    pub overrides: Vec<QuotaOverride>,
}

/// Amounts of a namespace. Absent: no bound.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaAmounts {
    /// Accelerators that pods may request, of each kind: those with a name of their own whether a node offers them now or not,
    /// partitions (MIG) while one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpu: Option<u32>,
    /// CPU, requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"))]
    pub cpu: Option<String>,
    /// Memory, requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"))]
    pub memory: Option<String>,
    /// Storage of all claims together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"))]
    pub storage: Option<String>,
    /// Storage on the nodes' own disks, requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"))]
    pub ephemeral_storage: Option<String>,
    /// Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub pods: Option<u32>,
    /// Devices of each DeviceClass (dynamic resource allocation).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 32))]
    pub device_classes: BTreeMap<String, u32>,
}

/// Amounts of one namespace.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaOverride {
    /// The namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// What it gets.
    #[serde(flatten)]
    pub amounts: QuotaAmounts,
}

/// Defaults and bounds of containers and pods.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Limits of containers that name none. A quota refuses pods without limits, so give some beside one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Amounts>,
    /// Requests of containers that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_request: Option<Amounts>,
    /// The most that a container, or with `storage` a claim, may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<MaxAmounts>,
    /// Accelerators that one pod may ask for.
    #[serde(default, rename = "maxGPUsPerPod", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1024))]
    pub max_gpus_per_pod: Option<u32>,
}

/// Amounts of a container.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"))]
    pub cpu: Option<String>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"))]
    pub memory: Option<String>,
    /// Storage on the node's own disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"))]
    pub ephemeral_storage: Option<String>,
}

/// The most that a container or a claim may ask for.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MaxAmounts {
    /// Of a container.
    #[serde(flatten)]
    pub container: Amounts,
    /// Of a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"))]
    pub storage: Option<String>,
}

/// How long Jobs run and stay.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[x_kube(
    validation = Rule::new("!has(self.activeDeadlineSeconds) || self.activeDeadlineSeconds >= 60")
        .message("activeDeadlineSeconds is the time all pods of a Job may run: at least a minute")
)]
#[serde(rename_all = "camelCase")]
pub struct Jobs {
    /// Seconds that a finished Job stays, with its pods and their volumes, where the Job says nothing.
    #[serde(default = "day")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: u32,
    /// Seconds that a Job may run where it says nothing. Absent: Jobs without a deadline are allowed in Baseline and
    /// refused in Restricted and Sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 31_536_000))]
    pub active_deadline_seconds: Option<u32>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { ttl_seconds_after_finished: day(), active_deadline_seconds: None }
    }
}

fn day() -> u32 {
    86_400
}
