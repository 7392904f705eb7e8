//! Room `report`, models, format `sarif`: SARIF 2.1.0. A finding is a result with its bytes in the innermost artifact, which
//! names the one that it is in; the opcodes around it are a code flow. Lost: names that are looked up and allowed.
//!
//! A review is of kind `fail` too: kind `review` obliges its level to be `none` (3.27.10), and code hosts would not show what
//! ends the command with 1. The property `verdict` tells them apart. What was not explained is a notification.

use std::collections::HashMap;
use std::io;

use ringfence_finding::ExitCode;
use ringfence_finding::Fingerprint;
use ringfence_finding::ModelFinding;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelOpcode;
use ringfence_finding::ModelPlace;
use ringfence_finding::ModelScan;
use ringfence_finding::Verdict;
use serde::Serialize;

use super::text::asked;
use crate::clean;
use crate::machine;
use crate::sarif;
use crate::sarif::model;
use crate::sarif::model::Text;
use crate::sarif::uri;

pub(super) fn write(scan: &ModelScan, exit: ExitCode, out: &mut dyn io::Write) -> io::Result<()> {
    let mut artifacts = Artifacts::new(scan);
    let all = || scan.files.iter().flat_map(|file| &file.findings);
    let rules = Rules::new(all());
    let results = all().map(|finding| result(finding, &rules, &mut artifacts)).collect();
    let gaps = scan.files.iter().flat_map(|file| &file.gaps).chain(&scan.gaps);
    let notifications: Vec<_> = gaps.map(|gap| notification(gap, &mut artifacts)).collect();
    let run = model::Run {
        tool: model::Tool::new(rules.rules),
        invocations: [model::Invocation {
            execution_successful: match exit {
                ExitCode::Clean => true,
                ExitCode::Findings => scan.is_complete(),
                _ => false,
            },
            exit_code: exit.code(),
            tool_execution_notifications: notifications,
        }],
        column_kind: model::COLUMNS,
        results,
        artifacts: artifacts.files,
        properties: RunProperties {
            source: &scan.source,
            verdict: scan.verdict(),
            complete: scan.is_complete(),
            policy: &scan.policy.digest,
        },
    };
    machine::write(&model::Log::new(run), out)
}

/// 3.8
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunProperties<'s> {
    source: &'s str,
    verdict: Verdict,
    complete: bool,
    policy: &'s str,
}

/// 3.8
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'s> {
    verdict: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    python: Option<&'s str>,
}

/// A rule for each class that something was found of.
struct Rules {
    rules: Vec<model::Rule<'static>>,
}

impl Rules {
    fn new<'s>(findings: impl Iterator<Item = &'s ModelFinding>) -> Self {
        let mut rules: Vec<model::Rule<'static>> = Vec::new();
        let mut worst: HashMap<String, &ModelFinding> = HashMap::new();
        for finding in findings {
            let known = worst.entry(finding.id.to_string()).or_insert(finding);
            if finding.severity > known.severity {
                *known = finding;
            }
        }
        for (id, finding) in worst {
            rules.push(model::Rule {
                id,
                name: finding.title,
                short_description: Text { text: finding.title.replace('-', " ") },
                full_description: sarif::text(&finding.why),
                default_configuration: model::Configuration { level: sarif::level(finding.severity) },
                help: model::Help {
                    text: format!("{}\n\n{}", finding.title.replace('-', " "), finding.why),
                    markdown: None,
                },
                properties: model::RuleProperties {
                    tags: vec!["security".to_owned(), "model".to_owned()],
                    security_severity: sarif::security_severity(finding.severity),
                    fix_class: None,
                },
            });
        }
        rules.sort_by(|one, other| one.id.cmp(&other.id));
        Self { rules }
    }
}

/// Artifacts in artifacts that are told apart; more than a scan enters. Foreign names may hold any number of `!/`.
const DEEPEST: usize = 32;

/// Artifacts by the way to them: every file that was scanned, and each member that something is told of.
struct Artifacts<'s> {
    scan: &'s ModelScan,
    files: Vec<model::File<'s>>,
    by_path: HashMap<String, usize>,
}

impl<'s> Artifacts<'s> {
    fn new(scan: &'s ModelScan) -> Self {
        let mut artifacts = Self { scan, files: Vec::new(), by_path: HashMap::new() };
        for file in &scan.files {
            let index = artifacts.outer(&file.path);
            if let Some(artifact) = artifacts.files.get_mut(index) {
                artifact.length = Some(file.bytes);
                artifact.properties = Some(model::FileProperties {
                    verdict: file.verdict.as_str(),
                    complete: file.is_complete(),
                    explained: file.explained,
                    formats: &file.formats,
                });
            }
        }
        artifacts
    }

    /// The artifact at the end of a way through containers, with all that it is in.
    fn of(&mut self, path: &str) -> usize {
        if let Some(index) = self.known(path) {
            return index;
        }
        let mut parts = path.splitn(DEEPEST, "!/");
        let mut way = parts.next().unwrap_or_default().to_owned();
        let mut index = self.known(&way).unwrap_or_else(|| self.outer(&way));
        for member in parts {
            way.push_str("!/");
            way.push_str(member);
            let known = self.known(&way);
            index = known.unwrap_or_else(|| self.add(&way, uri::from_member(member), Some(index)));
        }
        index
    }

    fn known(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    fn outer(&mut self, path: &str) -> usize {
        let source = &self.scan.source;
        let uri = if self.scan.is_file {
            uri::from_path(source)
        } else {
            uri::from_path(&format!("{}/{path}", source.trim_end_matches('/')))
        };
        self.add(path, uri, None)
    }

    fn add(&mut self, path: &str, uri: String, parent_index: Option<usize>) -> usize {
        let index = self.files.len();
        let location = model::Artifact { uri, index: None };
        self.files.push(model::File { location, parent_index, length: None, properties: None });
        self.by_path.insert(path.to_owned(), index);
        index
    }

    fn location(&mut self, place: &ModelPlace, bytes: Option<u64>) -> model::Location {
        let index = self.of(&place.path);
        let uri = self.files.get(index).map(|file| file.location.uri.clone()).unwrap_or_default();
        model::Location {
            physical: Some(model::PhysicalLocation {
                artifact_location: model::Artifact { uri, index: Some(index) },
                region: Some(model::Region {
                    start_line: None,
                    start_column: None,
                    byte_offset: place.offset,
                    byte_length: bytes,
                }),
                context_region: None,
            }),
            logical: vec![model::LogicalLocation {
                name: place.path.rsplit("!/").next().unwrap_or_default().to_owned(),
                fully_qualified_name: place.to_string(),
                kind: "member",
            }],
            message: None,
        }
    }
}

fn result<'s>(
    finding: &'s ModelFinding,
    rules: &Rules,
    artifacts: &mut Artifacts<'_>,
) -> model::Finding<Properties<'s>> {
    let own = finding.trace.iter().find(|opcode| opcode.offset == finding.place.offset);
    let place = artifacts.location(&finding.place, own.map(|opcode| opcode.bytes));
    let id = finding.id.to_string();
    let python =
        finding.python.as_deref().map(|python| format!(": {}", clean::line(python))).unwrap_or_default();
    let subject = finding.subject.as_deref().unwrap_or(finding.title);
    let fingerprint = Fingerprint::new(finding.id, None, Some(&finding.place.path), subject);
    model::Finding {
        rule_index: rules.rules.iter().position(|rule| rule.id == id),
        rule_id: id,
        kind: "fail",
        level: sarif::level(finding.severity),
        message: sarif::text(&format!(
            "{} {}{python}; {}",
            clean::path(&finding.place.path),
            clean::sentence(&finding.message),
            finding.why
        )),
        locations: vec![place],
        related_locations: Vec::new(),
        code_flows: flow(finding, artifacts).into_iter().collect(),
        partial_fingerprints: [("ringfence/v1", fingerprint.to_string())].into(),
        properties: Properties {
            verdict: asked(finding),
            severity: finding.severity.as_str(),
            subject: finding.subject.as_deref(),
            python: finding.python.as_deref(),
        },
    }
}

/// The opcodes around the place, as steps.
fn flow(finding: &ModelFinding, artifacts: &mut Artifacts<'_>) -> Option<model::CodeFlow> {
    let step = |opcode: &ModelOpcode| {
        let place = ModelPlace { path: finding.place.path.clone(), offset: opcode.offset };
        let mut location = artifacts.location(&place, Some(opcode.bytes));
        let words = format!("{} {}", opcode.name, clean::line(&opcode.argument));
        location.message = Some(sarif::text(words.trim_end()));
        model::Step { importance: if opcode.matters { "essential" } else { "important" }, location }
    };
    let locations: Vec<_> = finding.trace.iter().map(step).collect();
    (!locations.is_empty()).then_some(model::CodeFlow { thread_flows: [model::ThreadFlow { locations }] })
}

fn notification(gap: &ModelGap, artifacts: &mut Artifacts<'_>) -> model::Notification {
    model::Notification {
        level: "error",
        message: sarif::text(&format!("{}: {}", clean::path(&gap.place.path), clean::sentence(&gap.message))),
        descriptor: model::Descriptor { id: format!("incomplete/{}", gap.reason) },
        associated_rule: None,
        locations: vec![artifacts.location(&gap.place, gap.bytes)],
    }
}
