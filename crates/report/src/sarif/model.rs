//! Room `report`, SARIF: the part of the SARIF 2.1.0 object model that Ringfence fills. Section numbers are those of
//! the OASIS standard. Tests check what is written against the official schema.

use std::collections::BTreeMap;

use serde::Serialize;

/// 3.13
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Log<R> {
    #[serde(rename = "$schema")]
    pub(crate) schema: &'static str,
    pub(crate) version: &'static str,
    pub(crate) runs: [R; 1],
}

/// How columns are counted, 3.14.17.
pub(crate) const COLUMNS: &str = "unicodeCodePoints";

impl<R> Log<R> {
    pub(crate) fn new(run: R) -> Self {
        let schema =
            "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
        Self { schema, version: "2.1.0", runs: [run] }
    }
}

/// 3.14, with the property bags of the command that ran.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run<'s, P, F> {
    pub(crate) tool: Tool<'s>,
    pub(crate) invocations: [Invocation; 1],
    pub(crate) column_kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) artifacts: Vec<File<'s>>,
    pub(crate) results: Vec<Finding<F>>,
    pub(crate) properties: P,
}

/// 3.24, an artifact; one inside of another says in which.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File<'s> {
    pub(crate) location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) properties: Option<FileProperties<'s>>,
}

/// 3.8
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileProperties<'s> {
    pub(crate) verdict: &'static str,
    pub(crate) complete: bool,
    pub(crate) explained: u64,
    pub(crate) formats: &'s [&'static str],
}

/// 3.18
#[derive(Serialize)]
pub(crate) struct Tool<'s> {
    pub(crate) driver: Driver<'s>,
}

/// 3.19
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Driver<'s> {
    pub(crate) name: &'static str,
    pub(crate) semantic_version: &'static str,
    pub(crate) rules: Vec<Rule<'s>>,
}

impl<'s> Tool<'s> {
    pub(crate) fn new(rules: Vec<Rule<'s>>) -> Self {
        Self { driver: Driver { name: "Ringfence", semantic_version: env!("CARGO_PKG_VERSION"), rules } }
    }
}

/// 3.49
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rule<'s> {
    pub(crate) id: String,
    pub(crate) name: &'s str,
    pub(crate) short_description: Text,
    pub(crate) full_description: Text,
    pub(crate) default_configuration: Configuration,
    pub(crate) help: Help<'s>,
    pub(crate) properties: RuleProperties<'s>,
}

/// 3.50
#[derive(Serialize)]
pub(crate) struct Configuration {
    pub(crate) level: &'static str,
}

/// 3.11 with plain text alone
#[derive(Serialize)]
pub(crate) struct Text {
    pub(crate) text: String,
}

/// 3.12
#[derive(Serialize)]
pub(crate) struct Help<'s> {
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) markdown: Option<&'s str>,
}

/// 3.8: `security-severity` is what code hosts sort by.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct RuleProperties<'s> {
    pub(crate) tags: Vec<String>,
    pub(crate) security_severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix_class: Option<&'s str>,
}

/// 3.20
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invocation {
    pub(crate) execution_successful: bool,
    pub(crate) exit_code: u8,
    pub(crate) tool_execution_notifications: Vec<Notification>,
}

/// 3.58
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    pub(crate) level: &'static str,
    pub(crate) message: Text,
    pub(crate) descriptor: Descriptor,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) associated_rule: Option<Descriptor>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) locations: Vec<Location>,
}

/// 3.52
#[derive(Serialize)]
pub(crate) struct Descriptor {
    pub(crate) id: String,
}

/// 3.27, a result
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding<F> {
    pub(crate) rule_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule_index: Option<usize>,
    pub(crate) kind: &'static str,
    pub(crate) level: &'static str,
    pub(crate) message: Text,
    pub(crate) locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) related_locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) code_flows: Vec<CodeFlow>,
    pub(crate) partial_fingerprints: BTreeMap<&'static str, String>,
    pub(crate) properties: F,
}

/// 3.36 with one 3.37
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CodeFlow {
    pub(crate) thread_flows: [ThreadFlow; 1],
}

/// 3.37
#[derive(Serialize)]
pub(crate) struct ThreadFlow {
    pub(crate) locations: Vec<Step>,
}

/// 3.38
#[derive(Serialize)]
pub(crate) struct Step {
    pub(crate) importance: &'static str,
    pub(crate) location: Location,
}

/// 3.28
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Location {
    #[serde(rename = "physicalLocation", skip_serializing_if = "Option::is_none")]
    pub(crate) physical: Option<PhysicalLocation>,
    #[serde(rename = "logicalLocations", skip_serializing_if = "Vec::is_empty")]
    pub(crate) logical: Vec<LogicalLocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Text>,
}

/// 3.29
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PhysicalLocation {
    pub(crate) artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<Region>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context_region: Option<ContextRegion>,
}

/// 3.4; the index is that of the run's artifacts.
#[derive(Serialize)]
pub(crate) struct Artifact {
    pub(crate) uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<usize>,
}

/// 3.30; columns count Unicode code points, as the run says. What is no text has bytes alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Region {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_column: Option<u32>,
    pub(crate) byte_offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) byte_length: Option<u64>,
}

/// 3.29.5
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContextRegion {
    pub(crate) start_line: u32,
    pub(crate) end_line: u32,
    pub(crate) snippet: Text,
}

/// 3.33
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogicalLocation {
    pub(crate) name: String,
    pub(crate) fully_qualified_name: String,
    pub(crate) kind: &'static str,
}

/// 3.8
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FindingProperties<'s> {
    pub(crate) severity: &'static str,
    pub(crate) confidence: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) field: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) evidence: Vec<&'s str>,
}

/// 3.8: what SARIF has no word for; "no result" and "could not look" stay two things.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunProperties<'s> {
    pub(crate) source: &'s str,
    pub(crate) narrowed: &'s [String],
    pub(crate) door: ringfence_finding::Door,
    pub(crate) coverage_percent: Option<u8>,
    pub(crate) complete: bool,
}
