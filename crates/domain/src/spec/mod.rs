//! Room `domain`: the SecurityDomain, as types. Doc comments here are what `kubectl explain sdom` prints.
//!
//! Typed fields only: no raw objects, templates or expressions, which became ClusterRoles in a peer (CVE-2026-22872).
//! A field that nothing enforces is not here. Defaults that do not depend on the tier stand in the schema; the others
//! are filled by [`crate::resolve`].

mod access;
mod budget;
mod network;
mod nodes;
mod secrets;
mod status;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

pub use access::Access;
pub use access::Extra;
pub use access::Grant;
pub use access::Mountable;
pub use access::Preset;
pub use access::ServiceAccounts;
pub use access::Subject;
pub use access::SubjectKind;
pub use budget::Amounts;
pub use budget::Jobs;
pub use budget::Limits;
pub use budget::MaxAmounts;
pub use budget::Quota;
pub use budget::QuotaAmounts;
pub use budget::QuotaOverride;
pub use network::Destination;
pub use network::Egress;
pub use network::Ingress;
pub use network::Internet;
pub use network::Network;
pub use network::Port;
pub use network::Protocol;
pub use network::Purpose;
pub use network::Registry;
pub use network::ServiceRef;
pub use nodes::Effect;
pub use nodes::Nodes;
pub use nodes::SystemAllowList;
pub use nodes::Taint;
pub use secrets::SecretItem;
pub use secrets::Secrets;
pub use secrets::StoreKind;
pub use secrets::StoreRef;
pub use status::Condition;
pub use status::EffectiveModes;
pub use status::InventoryEntry;
pub use status::NodeCounts;
pub use status::SecurityDomainStatus;
pub use status::SimulationStatus;

/// A boundary around AI workloads: their namespaces and GPU nodes, what may reach them and what they may reach, who may
/// do what inside, and how much they may take. Ringfence draws the boundary and keeps it.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "ringfence.dev",
    version = "v1alpha1",
    kind = "SecurityDomain",
    plural = "securitydomains",
    shortname = "sdom",
    category = "ringfence",
    status = "SecurityDomainStatus",
    derive = "PartialEq",
    cel,
    doc = "A boundary around AI workloads: their namespaces and GPU nodes, what may reach them and what they may reach, who may do what inside, and how much they may take. Ringfence draws the boundary and keeps it.",
    printcolumn(name = "Tier", type_ = "string", json_path = ".spec.tier", description = "Strictness of the defaults"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".status.effectiveModes.mode", description = "Mode in force; it may wait behind spec.enforcement.mode for a simulation"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodes.tainted", description = "Nodes that carry the taint"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether every promise holds"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1, description = "Why it is not ready"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Age of the object"),
    validation = Rule::new("size(self.metadata.name) <= 50 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name is also a label value: at most 50 of a-z, 0-9 and -, beginning and ending with a letter or digit"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.nodes) || oldSelf.status.nodes.tainted == 0 || self.spec.nodes.taint.key == oldSelf.spec.nodes.taint.key")
        .message("spec.nodes.taint.key cannot change while nodes carry the taint: empty spec.nodes.selector first, wait until status.nodes.tainted is 0, then set key and selector"),
    validation = Rule::new("self.spec.tier != 'Sealed' || !has(self.spec.network.internalCIDRs) || size(self.spec.network.internalCIDRs) == 0")
        .message("spec.network.internalCIDRs is not allowed in tier Sealed, which is closed by name: declare namespaces or services in spec.network.egress"),
    validation = Rule::new("self.spec.tier != 'Sealed' || !has(self.spec.network.internet) || self.spec.network.internet == 'Never'")
        .message("spec.network.internet can only be Never in tier Sealed"),
    validation = Rule::new("self.spec.tier != 'Sealed' || !has(self.spec.network.egress) || self.spec.network.egress.all(e, has(e.to.__namespace__) || has(e.to.service))")
        .message("spec.network.egress of tier Sealed names namespaces and services only, no cidr and no apiServer")
)]
#[serde(rename_all = "camelCase")]
pub struct SecurityDomainSpec {
    /// Namespaces inside the boundary.
    pub namespaces: Namespaces,
    /// Strictness of the defaults. Baseline keeps what known privilege escalations need out; Restricted adds that
    /// secrets, accounts and claims are listed and that jobs end; Sealed adds that nothing reaches the internet.
    #[serde(default)]
    pub tier: Tier,
    /// Whether the boundary is watched, warned about or enforced.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// GPU nodes that belong to this domain.
    #[serde(default)]
    pub nodes: Nodes,
    /// What pods inside may reach, and what may reach them.
    #[serde(default)]
    pub network: Network,
    /// Secrets that come from an external manager.
    #[serde(default)]
    pub secrets: Secrets,
    /// Who may do what inside.
    #[serde(default)]
    pub access: Access,
    /// How much each namespace may take. Absent: no quota is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Defaults and bounds of containers and pods. Absent: none are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How long Jobs run and stay.
    #[serde(default)]
    pub jobs: Jobs,
    /// Pod Security Standards and what GPU pods need beside them.
    #[serde(default)]
    pub pod_security: PodSecurity,
}

/// Which namespaces are inside.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[x_kube(
    validation = Rule::new("(has(self.names) && size(self.names) > 0) || has(self.selector)")
        .message("name the namespaces: names, or a selector on their labels"),
    validation = Rule::new("!has(self.create) || !self.create || (has(self.names) && size(self.names) > 0)")
        .message("create needs names: a selector cannot say what to create"),
    validation = Rule::new("!has(self.names) || self.names.all(n, !n.startsWith('kube-') && n != 'default')")
        .message("kube-* namespaces and default belong to the cluster, not to a domain")
)]
#[serde(rename_all = "camelCase")]
pub struct Namespaces {
    /// Their names, at most 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 500),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,
    /// Namespaces with these labels, beside the named ones. Whoever may label namespaces then decides who is inside. One that
    /// comes to a domain in Enforce, by label or by name, stays outside until a simulation that saw it is clean or accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Create the named ones that do not exist.
    #[serde(default)]
    pub create: bool,
    /// What happens to the objects written into them when the domain is deleted: Orphan leaves them in force, Delete
    /// removes them, the NetworkPolicies last. Namespaces themselves are never deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What becomes of written objects when their domain goes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum DeletionPolicy {
    /// They stay in force, no longer ours.
    #[default]
    Orphan,
    /// They are removed.
    Delete,
}

/// Strictness of the defaults.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Tier {
    /// Known escalations are closed; egress is declared.
    #[default]
    Baseline,
    /// What may be mounted is listed, jobs end.
    Restricted,
    /// Nothing reaches the internet; Pod Security `restricted`.
    Sealed,
}

/// Whether the boundary blocks.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Enforcement {
    /// Observe writes nothing that blocks and notes violations in the audit log; Warn shows them to who applies; Enforce
    /// refuses them. Enforce waits for a current simulation that found nothing to refuse, or for `acknowledged`; so does an edit
    /// under Enforce, and a namespace that comes to the domain.
    #[serde(default)]
    pub mode: Mode,
    /// Hash of a simulation whose refusals are accepted: the one the status prints. It holds for that spec and for the
    /// namespaces that the simulation saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub acknowledged: Option<String>,
}

/// How far a domain goes, weakest first.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum Mode {
    /// Violations are noted in the audit log.
    #[default]
    Observe,
    /// Violations are shown to who applies.
    Warn,
    /// Violations are refused.
    Enforce,
}

impl Mode {
    /// Value of the namespace label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

/// Pod Security Standards, and what GPU pods need beside them.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSecurity {
    /// Level that is refused below. Default by tier: baseline, in Sealed restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce: Option<Level>,
    /// Level that is warned about below.
    #[serde(default = "restricted")]
    pub warn: Level,
    /// Level that is noted in the audit log below.
    #[serde(default = "restricted")]
    pub audit: Level,
    /// Shared memory of GPU pods. The container default of 64 MiB breaks data loaders.
    #[serde(default)]
    pub shm: Shm,
    /// Host paths that pods may mount, such as /dev/infiniband. Only devices: a path below /dev.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(max = 128), regex(pattern = r"^/dev/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"))
    )]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(p, !p.contains('..'))").message("a path below /dev, without `..`")
    )]
    pub allow_devices: Vec<String>,
}

impl Default for PodSecurity {
    fn default() -> Self {
        Self {
            enforce: None,
            warn: Level::Restricted,
            audit: Level::Restricted,
            shm: Shm::default(),
            allow_devices: Vec::new(),
        }
    }
}

fn restricted() -> Level {
    Level::Restricted
}

/// A Pod Security Standard.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Anything.
    Privileged,
    /// Known escalations closed.
    Baseline,
    /// Hardened.
    Restricted,
}

impl Level {
    /// Value of the `pod-security.kubernetes.io` labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

/// Shared memory of GPU pods.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shm {
    /// Mount a bounded memory volume at /dev/shm of GPU pods that mount nothing there.
    #[serde(default = "yes")]
    pub auto_mount: bool,
    /// Its size in percent of the container's memory limit, against which it counts.
    #[serde(default = "half")]
    #[schemars(range(min = 1, max = 80))]
    pub percent: u8,
}

impl Default for Shm {
    fn default() -> Self {
        Self { auto_mount: true, percent: 50 }
    }
}

pub(crate) fn yes() -> bool {
    true
}

fn half() -> u8 {
    50
}
