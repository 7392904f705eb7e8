//! What a control is to its readers: id, severity, confidence, fix class, references. The logic lives in `controls`.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::Serializer;

/// One of the seven areas of the guide, plus agents. Order is the order of the guide and of every screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// GPU node and device isolation.
    Gpu,
    /// Network boundaries.
    Net,
    /// Secrets and API keys.
    Sec,
    /// Model and image integrity.
    Mod,
    /// People's and service accounts' rights.
    Rbac,
    /// Data protection.
    Data,
    /// Runtime security.
    Run,
    /// Agents, MCP servers, notebooks as platforms; shown only where such workloads exist.
    Agt,
}

impl Family {
    /// All families in the order of the guide.
    pub const ALL: [Self; 8] =
        [Self::Gpu, Self::Net, Self::Sec, Self::Mod, Self::Rbac, Self::Data, Self::Run, Self::Agt];

    /// The letters inside a control id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gpu => "GPU",
            Self::Net => "NET",
            Self::Sec => "SEC",
            Self::Mod => "MOD",
            Self::Rbac => "RBAC",
            Self::Data => "DATA",
            Self::Run => "RUN",
            Self::Agt => "AGT",
        }
    }

    /// What the area is about, in a few words, for headings.
    pub fn title(self) -> &'static str {
        match self {
            Self::Gpu => "GPU nodes and devices",
            Self::Net => "network boundaries",
            Self::Sec => "secrets and API keys",
            Self::Mod => "model and image integrity",
            Self::Rbac => "rights of people and service accounts",
            Self::Data => "data protection",
            Self::Run => "runtime",
            Self::Agt => "agents and tool servers",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Stable id of a control, `RF-<FAMILY>-<NNN>`; never reused, never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControlId {
    /// Area of the guide.
    pub family: Family,
    /// Number inside the area, printed with three digits.
    pub number: u16,
}

impl ControlId {
    /// Names a control in a `const`.
    pub const fn new(family: Family, number: u16) -> Self {
        Self { family, number }
    }
}

impl fmt::Display for ControlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("RF-{}-{:03}", self.family.as_str(), self.number))
    }
}

impl Serialize for ControlId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Text that is not a control id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseControlIdError;

impl fmt::Display for ParseControlIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a control id: expected a form such as RF-GPU-005")
    }
}

impl std::error::Error for ParseControlIdError {}

impl FromStr for ControlId {
    type Err = ParseControlIdError;

    /// Reads `RF-GPU-005`; case does not matter and the leading `RF-` may be left out, as people type it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.trim().to_ascii_uppercase();
        let rest = upper.strip_prefix("RF-").unwrap_or(&upper);
        let (family, number) = rest.split_once('-').ok_or(ParseControlIdError)?;
        let family =
            Family::ALL.into_iter().find(|known| known.as_str() == family).ok_or(ParseControlIdError)?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseControlIdError);
        }
        Ok(Self { family, number: number.parse().map_err(|_| ParseControlIdError)? })
    }
}

/// How much an open door matters. Order is the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Hygiene; folded into one line of the text view.
    Low,
    /// Weakens a boundary.
    Medium,
    /// Opens a door to GPUs, models, data or keys.
    High,
    /// Hands over a node, the cluster or a usable key.
    Critical,
}

impl Severity {
    /// All severities, worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The word in flags and machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// One step less, never below low: a compensating fact was proven.
    #[must_use]
    pub fn lowered(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium | Self::Low => Self::Low,
            Self::Info => Self::Info,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that names no severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseSeverityError;

impl fmt::Display for ParseSeverityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a severity: expected info, low, medium, high or critical")
    }
}

impl std::error::Error for ParseSeverityError {}

impl FromStr for Severity {
    type Err = ParseSeverityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text))
            .ok_or(ParseSeverityError)
    }
}

/// How sure a result, or the AI scope of a workload, is. Order is the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// By names alone; listed with `-v` only.
    Low,
    /// Through a join, a shell string, or the assumption that the scanned set is the whole namespace.
    Medium,
    /// Read directly.
    High,
}

impl Confidence {
    /// The word in machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Who can close the door, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixClass {
    /// Cannot change the behaviour of a correct workload.
    Safe,
    /// The edit is known, a value is the user's.
    NeedsInput,
    /// Steps in words: upgrade, rotate, re-encrypt.
    Manual,
}

impl FixClass {
    /// The word in screens and machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::NeedsInput => "needs-input",
            Self::Manual => "manual",
        }
    }
}

/// How to close the door a finding shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// Who can do it, and with what.
    pub class: FixClass,
    /// What to change, in one sentence that names the field.
    pub summary: String,
}

/// A place in a published framework: numbers move between versions, so the version is part of the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// Such as `CIS Kubernetes`, `MITRE ATLAS`, `guide`.
    pub framework: &'static str,
    /// Version the id belongs to; empty for single advisories (CVE, GHSA).
    pub version: &'static str,
    /// Such as `5.2.2`, `AML.T0025`, `G12`, `H2`.
    pub id: &'static str,
}

/// What a report needs to explain a control.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ControlInfo {
    /// Stable id.
    pub id: ControlId,
    /// Kebab-case name, a statement of what is wrong.
    pub slug: &'static str,
    /// One line for lists.
    pub title: &'static str,
    /// What an attacker gains in an AI cluster, one sentence.
    pub risk: &'static str,
    /// Severity unless the evidence moves it.
    pub severity: Severity,
    /// Class of its cure.
    #[serde(rename = "fixClass")]
    pub fix: FixClass,
    /// Places in published frameworks.
    pub references: &'static [Reference],
    /// Manual page, Markdown with the fixed sections.
    #[serde(skip)]
    pub manual: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_id_survives_printing_and_parsing() {
        for family in Family::ALL {
            for number in [1, 42, 149] {
                let id = ControlId::new(family, number);
                assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    }

    #[test]
    fn control_id_is_read_as_people_type_it() {
        assert_eq!("gpu-5".parse(), Ok(ControlId::new(Family::Gpu, 5)));
        assert_eq!("rf-net-001".parse(), Ok(ControlId::new(Family::Net, 1)));
        for bad in ["", "RF", "RF-GPU", "RF-GPU-", "RF-XYZ-001", "GPU-99999999", "GPU-+5", "GPU-5x"] {
            assert!(bad.parse::<ControlId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn severity_orders_by_harm() {
        assert!(Severity::Critical > Severity::High && Severity::Low > Severity::Info);
        assert_eq!("HIGH".parse(), Ok(Severity::High));
        assert_eq!(Severity::Low.lowered(), Severity::Low);
    }
}
