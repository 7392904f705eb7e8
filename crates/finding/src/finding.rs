//! A finding: one root cause, where it stands, why it matters, how to close it.

use serde::Serialize;

use crate::Confidence;
use crate::ControlId;
use crate::Fingerprint;
use crate::Fix;
use crate::Location;
use crate::Reference;
use crate::ResourceRef;
use crate::Severity;
use crate::Snippet;

/// Result values that travel. Pass and not-applicable are only counted (see [`crate::FamilyScore`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The door is open; carries evidence.
    Fail,
    /// A needed fact is missing, and named. Never a pass.
    Unknown,
    /// The control itself could not run; carries the message.
    Error,
}

/// Whether a piece of evidence decides the result or explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Without it the result would differ.
    Decides,
    /// Makes the result easier to believe or to act on.
    Supports,
}

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Object it was seen in.
    pub resource: ResourceRef,
    /// Field path by container name, empty for the object as a whole or an absence.
    pub field: String,
    /// The value, masked; or the absence in words.
    pub shown: String,
    /// Place in the source; none for an absence.
    pub location: Option<Location>,
    /// Whether it decides.
    pub weight: Weight,
}

/// One root cause, reported once.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Control that found it.
    pub control: ControlId,
    /// Title of that control.
    pub title: &'static str,
    /// How much it matters here.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Fail, unknown or error.
    #[serde(rename = "result")]
    pub outcome: Outcome,
    /// What it is about; none when a whole kind of facts is missing.
    pub resource: Option<ResourceRef>,
    /// Container name, when the flaw sits in one.
    pub container: Option<String>,
    /// Where it stands; none when the fact is an absence.
    pub location: Option<Location>,
    /// Masked lines around the place.
    pub snippet: Option<Snippet>,
    /// Field path by list key, never by index where a key exists.
    pub field: String,
    /// What is wrong here, one short line for lists.
    pub message: String,
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// One sentence on the attack; for unknown: the missing fact.
    pub why: String,
    /// How to close it.
    pub fix: Option<Fix>,
    /// Frameworks.
    pub references: &'static [Reference],
    /// Stable across line moves.
    pub fingerprint: Fingerprint,
    /// Running pods behind it, when known (a live source).
    pub pods: Option<u32>,
}

impl Finding {
    /// Whether this is an open door at or above `threshold`.
    pub fn fails_at(&self, threshold: Severity) -> bool {
        self.outcome == Outcome::Fail && self.severity >= threshold
    }
}
