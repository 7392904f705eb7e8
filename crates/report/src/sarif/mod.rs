//! Room `report`, format `sarif`: SARIF 2.1.0 for code hosts and their review screens.
//! Lost: counts of passes, dollars, coverage by kind, seconds.
//!
//! A fail is a result of kind `fail`. An unknown is of kind `open` ("there was insufficient information to decide",
//! 3.27.9), which obliges its level to be `none`. A control that could not run and a place that could not be looked
//! at are notifications of level `error` (3.58.6: results may be incomplete).

pub(crate) mod model;
pub(crate) mod uri;

use std::fmt::Write as _;
use std::io;

use ringfence_finding::ControlInfo;
use ringfence_finding::Evidence;
use ringfence_finding::ExitCode;
use ringfence_finding::Finding;
use ringfence_finding::Location;
use ringfence_finding::Outcome;
use ringfence_finding::ResourceRef;
use ringfence_finding::Scan;
use ringfence_finding::Severity;
use ringfence_finding::Snippet;

use crate::machine;
use crate::words;
use model::Text;

pub(crate) fn write(scan: &Scan, out: &mut dyn io::Write) -> io::Result<()> {
    let results = scan.findings.iter().filter(|finding| finding.outcome != Outcome::Error);
    let run = model::Run {
        tool: model::Tool::new(scan.controls.iter().map(rule).collect()),
        invocations: [invocation(scan)],
        column_kind: model::COLUMNS,
        artifacts: Vec::new(),
        results: results.map(|finding| result(finding, &scan.controls)).collect(),
        properties: model::RunProperties {
            source: &scan.source,
            narrowed: &scan.narrowed,
            door: scan.assessment.door,
            coverage_percent: scan.coverage.percent(),
            complete: !scan.coverage.is_incomplete(),
        },
    };
    machine::write(&model::Log::new(run), out)
}

fn rule(control: &ControlInfo) -> model::Rule<'_> {
    model::Rule {
        id: control.id.to_string(),
        name: control.slug,
        short_description: Text { text: control.title.to_owned() },
        full_description: Text { text: control.risk.to_owned() },
        default_configuration: model::Configuration { level: level(control.severity) },
        help: model::Help {
            text: format!("{}\n\n{}", control.title, control.risk),
            markdown: Some(control.manual),
        },
        properties: model::RuleProperties {
            tags: vec!["security".to_owned(), control.id.family.as_str().to_lowercase()],
            security_severity: security_severity(control.severity),
            fix_class: Some(control.fix.as_str()),
        },
    }
}

pub(crate) fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// A number inside the band that code hosts call by our word: over 9 critical, over 7 high, over 4 medium, else low.
pub(crate) fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Info => "0.5",
    }
}

fn invocation(scan: &Scan) -> model::Invocation {
    let blind = scan.coverage.blind.iter().filter(|blind| blind.reason.is_incomplete()).map(|blind| {
        let message = if blind.cause.is_empty() { blind.reason.as_str().to_owned() } else { blind.message() };
        model::Notification {
            level: "error",
            message: text(&message),
            descriptor: model::Descriptor { id: format!("incomplete/{}", blind.reason) },
            associated_rule: None,
            locations: blind.location.iter().map(|place| location(Some(place), None, None)).collect(),
        }
    });
    let errors = scan.findings.iter().filter(|finding| finding.outcome == Outcome::Error).map(|finding| {
        model::Notification {
            level: "error",
            message: text(&finding.message),
            descriptor: model::Descriptor { id: "control-error".to_owned() },
            associated_rule: Some(model::Descriptor { id: finding.control.to_string() }),
            locations: finding.location.iter().map(|place| location(Some(place), None, None)).collect(),
        }
    });
    let tool_execution_notifications: Vec<_> = blind.chain(errors).collect();
    model::Invocation {
        // With `--allow-incomplete` the exit code is 0: the user accepts the notifications.
        execution_successful: match scan.exit {
            ExitCode::Clean => true,
            ExitCode::Findings | ExitCode::VerificationFailed => tool_execution_notifications.is_empty(),
            ExitCode::Usage | ExitCode::Incomplete | ExitCode::Internal => false,
        },
        exit_code: scan.exit.code(),
        tool_execution_notifications,
    }
}

fn result<'s>(
    finding: &'s Finding,
    controls: &[ControlInfo],
) -> model::Finding<model::FindingProperties<'s>> {
    let (kind, level) = match finding.outcome {
        Outcome::Fail => ("fail", level(finding.severity)),
        Outcome::Unknown | Outcome::Error => ("open", "none"),
    };
    let mut message = finding.message.clone();
    if !finding.why.is_empty() {
        _ = write!(message, "\n{}", finding.why);
    }
    if let Some(fix) = &finding.fix {
        _ = write!(message, "\nFix ({}): {}", fix.class.as_str(), fix.summary);
    }
    let container = finding.container.as_deref();
    let at = finding.resource.as_ref().map(|resource| (resource, container));
    let place = location(finding.location.as_ref(), finding.snippet.as_ref(), at);
    let known = place.physical.is_some() || !place.logical.is_empty();
    model::Finding {
        rule_id: finding.control.to_string(),
        rule_index: controls.iter().position(|control| control.id == finding.control),
        kind,
        level,
        message: text(&message),
        locations: if known { vec![place] } else { Vec::new() },
        related_locations: finding.evidence.iter().filter_map(|seen| related(seen, finding)).collect(),
        code_flows: Vec::new(),
        partial_fingerprints: [("ringfence/v1", finding.fingerprint.to_string())].into(),
        properties: model::FindingProperties {
            severity: finding.severity.as_str(),
            confidence: finding.confidence.as_str(),
            field: &finding.field,
            fix_class: finding.fix.as_ref().map(|fix| fix.class.as_str()),
            evidence: finding.evidence.iter().map(|evidence| evidence.shown.as_str()).collect(),
        },
    }
}

/// Evidence that stands somewhere else than the finding.
fn related(evidence: &Evidence, finding: &Finding) -> Option<model::Location> {
    let place = evidence.location.as_ref().filter(|place| Some(*place) != finding.location.as_ref())?;
    let mut location = location(Some(place), None, Some((&evidence.resource, None)));
    location.message = Some(text(&evidence.shown));
    Some(location)
}

fn location(
    place: Option<&Location>,
    snippet: Option<&Snippet>,
    at: Option<(&ResourceRef, Option<&str>)>,
) -> model::Location {
    let context_region = snippet.filter(|snippet| snippet.first_line > 0 && !snippet.text.is_empty());
    let physical = place.map(|place| model::PhysicalLocation {
        artifact_location: model::Artifact { uri: uri::from_path(&place.file), index: None },
        // An object of a cluster has no lines.
        region: (!place.is_live()).then(|| model::Region {
            // The standard counts from 1; a place that does not must not make the whole log invalid.
            start_line: Some(place.line.max(1)),
            start_column: Some(place.column.max(1)),
            byte_offset: words::many(place.start),
            byte_length: Some(words::many(place.end.saturating_sub(place.start))),
        }),
        context_region: context_region.map(|snippet| {
            let lines = u32::try_from(snippet.text.lines().count()).unwrap_or(u32::MAX);
            model::ContextRegion {
                start_line: snippet.first_line,
                end_line: snippet.first_line.saturating_add(lines.saturating_sub(1)),
                snippet: Text { text: snippet.text.clone() },
            }
        }),
    });
    let logical = at.into_iter().map(|(resource, container)| {
        let object = resource.to_string();
        model::LogicalLocation {
            name: resource.name.clone(),
            fully_qualified_name: match container {
                Some(container) => format!("{object}[{container}]"),
                None => object,
            },
            kind: "object",
        }
    });
    model::Location { physical, logical: logical.collect(), message: None }
}

/// A message: foreign `[text](target)` would become a link (3.11.6), so its bracket is escaped as the standard says.
pub(crate) fn text(message: &str) -> Text {
    let text = if message.contains("](") { message.replace('[', "\\[") } else { message.to_owned() };
    Text { text }
}

#[cfg(test)]
mod tests;
