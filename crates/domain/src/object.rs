//! Room `domain`: one object to write, with the reason for it. Equal input gives equal bytes.

use ringfence_finding::ControlId;
use serde::Serialize;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;

use crate::body::Body;
use crate::names;
use crate::spec::Mode;

/// An object that should exist in this form.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredObject {
    /// What it is and where.
    pub id: ObjectKey,
    /// Plural name of its kind in URLs.
    pub resource: String,
    /// How it is written.
    pub write: Write,
    /// The weakest mode it is written in.
    pub min_mode: Mode,
    /// Controls it answers.
    pub controls: Vec<ControlId>,
    /// Statements of the guide it answers, by number.
    pub guide: Vec<u8>,
    /// SHA-256 of the body without our annotations, hex.
    pub hash: String,
    /// Name of the domain it is written for.
    domain: Option<String>,
    /// What is sent: all fields that we own and no other.
    pub body: Body,
}

/// What an object is and where. The order is the order of writing: what others rest on first.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectKey {
    /// Place in the order of writing.
    pub rank: Rank,
    /// Namespace; empty for what belongs to the cluster.
    pub namespace: String,
    /// `group/version`, or `v1`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Order of writing: what closes comes before what opens, and a LimitRange before the quota that would refuse pods
/// without limits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Rank {
    /// Namespaces and their labels.
    Namespace,
    /// NetworkPolicies.
    Network,
    /// Accounts, bindings, external secrets.
    Inside,
    /// LimitRange.
    Limits,
    /// ResourceQuota.
    Quota,
    /// Label and taint of nodes.
    Node,
    /// Policies.
    Policy,
    /// Bindings of policies, when the policy is ready.
    PolicyBinding,
}

/// How an object is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Write {
    /// Server-side apply under our field manager.
    Apply,
    /// Server-side apply to an object that must exist already: its UID is in the body where it is known.
    ApplyExisting,
    /// JSON Patch of label and taint: both lists of a node belong to others too. The body is a Node with only our label
    /// and our taint.
    NodePatch,
}

/// What an object is for: its weakest mode, controls and guide statements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    pub(crate) min_mode: Mode,
    pub(crate) controls: &'static [&'static str],
    pub(crate) guide: &'static [u8],
}

/// Whose object it is.
#[derive(Clone, Debug)]
pub(crate) struct Owner<'a> {
    /// Name of the domain; empty for what stands for all domains.
    pub(crate) domain: &'a str,
    /// UID of the domain.
    pub(crate) uid: &'a str,
}

impl DesiredObject {
    /// An object written whole, with our labels and annotations put into `body`, which has `apiVersion`, `kind`,
    /// `metadata` with a name, and for a namespaced kind a namespace.
    pub(crate) fn new(
        rank: Rank,
        resource: &str,
        write: Write,
        owner: &Owner<'_>,
        purpose: Purpose,
        mut body: Value,
    ) -> Self {
        let hash = hash(&body);
        let text = |at: &str| body.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = ObjectKey {
            rank,
            namespace: text("/metadata/namespace"),
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            name: text("/metadata/name"),
        };
        if write != Write::NodePatch {
            mark(&mut body, owner, &hash, write == Write::Apply);
        }
        Self {
            id,
            resource: resource.into(),
            write,
            min_mode: purpose.min_mode,
            controls: purpose.controls.iter().filter_map(|id| id.parse().ok()).collect(),
            guide: purpose.guide.to_vec(),
            hash,
            domain: Some(owner.domain.to_owned()).filter(|it| !it.is_empty()),
            body: Body::new(&body),
        }
    }
}

impl DesiredObject {
    /// Name of the domain it is written for; none for what stands for all domains.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(out, "{}/{}", self.kind, self.name)
        } else {
            write!(out, "{}/{}/{}", self.namespace, self.kind, self.name)
        }
    }
}

/// SHA-256 of the canonical form, keys sorted, hex.
pub(crate) fn hash(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    hex(&Sha256::digest(sorted.to_string()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Puts the evidence that it is ours into the metadata. An object that exists anyway carries only the annotations.
fn mark(body: &mut Value, owner: &Owner<'_>, hash: &str, labels: bool) {
    if labels {
        put(body, "labels", "app.kubernetes.io/managed-by", names::MANAGED_BY);
        if !owner.domain.is_empty() {
            put(body, "labels", names::DOMAIN_LABEL, owner.domain);
        }
    }
    put(body, "annotations", names::HASH_ANNOTATION, hash);
    if !owner.uid.is_empty() {
        put(body, "annotations", names::OWNER_ANNOTATION, owner.uid);
    }
}

fn put(body: &mut Value, map: &str, key: &str, value: &str) {
    body["metadata"][map][key] = Value::from(value);
}
