//! Room `report`, SARIF: the part of the SARIF 2.1.0 object model that Ringfence fills. Section numbers are those of
//! the OASIS standard. A test checks what is written against the official schema.

use std::collections::BTreeMap;

use serde::Serialize;

/// 3.13
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Log<'s> {
    #[serde(rename = "$schema")]
    pub(crate) schema: &'static str,
    pub(crate) version: &'static str,
    pub(crate) runs: [Run<'s>; 1],
}

/// 3.14
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run<'s> {
    pub(crate) tool: Tool<'s>,
    pub(crate) invocations: [Invocation; 1],
    pub(crate) column_kind: &'static str,
    pub(crate) results: Vec<Finding<'s>>,
    pub(crate) properties: RunProperties<'s>,
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
    pub(crate) markdown: &'s str,
}

/// 3.8: `security-severity` is what code hosts sort by.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct RuleProperties<'s> {
    pub(crate) tags: Vec<String>,
    pub(crate) security_severity: &'static str,
    pub(crate) fix_class: &'s str,
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
pub(crate) struct Finding<'s> {
    pub(crate) rule_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule_index: Option<usize>,
    pub(crate) kind: &'static str,
    pub(crate) level: &'static str,
    pub(crate) message: Text,
    pub(crate) locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) related_locations: Vec<Location>,
    pub(crate) partial_fingerprints: BTreeMap<&'static str, String>,
    pub(crate) properties: FindingProperties<'s>,
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

/// 3.4
#[derive(Serialize)]
pub(crate) struct Artifact {
    pub(crate) uri: String,
}

/// 3.30; columns count Unicode code points, as the run says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Region {
    pub(crate) start_line: u32,
    pub(crate) start_column: u32,
    pub(crate) byte_offset: usize,
    pub(crate) byte_length: usize,
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
