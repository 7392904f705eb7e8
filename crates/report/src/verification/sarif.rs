//! Room `report`, verifications, format `sarif`: SARIF 2.1.0. What does not hold is a result, what could not be read is a
//! notification. Lost: who signed, files that match.

use std::io;

use ringfence_finding::ExitCode;
use ringfence_finding::Verification;
use ringfence_finding::VerifyOutcome;
use ringfence_finding::VerifyReason;
use serde::Serialize;

use crate::clean;
use crate::machine;
use crate::sarif;
use crate::sarif::model;
use crate::sarif::model::Text;
use crate::sarif::uri;

/// What is wrong, by the word that says it.
const RULES: [(&str, &str); 7] = [
    ("signature", "the signature does not hold, or is not one of a signer who is trusted"),
    ("differs", "a file has other bytes than were signed"),
    ("missing", "a file that was signed is not there"),
    ("unsigned", "a file is there that nobody signed"),
    ("changed", "a file changed while it was read"),
    ("uncovered", "files that are not known to be inert, and that no signature covers"),
    ("refused-file", "a link or another thing that is no regular file stands in the model"),
];

/// 3.8
#[derive(Serialize)]
struct Properties<'v> {
    kind: &'v str,
}

/// 3.8
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunProperties<'v> {
    source: &'v str,
    outcome: VerifyOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'v str>,
}

pub(super) fn write(verification: &Verification, out: &mut dyn io::Write) -> io::Result<()> {
    let reasons = verification.reasons.iter();
    let nothing =
        VerifyReason::failed("signature", "nobody who is trusted has signed anything that is there");
    let is_silent = verification.outcome() == VerifyOutcome::Failed && verification.reasons.is_empty();
    let failed = reasons.clone().filter(|reason| !reason.incomplete).chain(is_silent.then_some(&nothing));
    let uncovered = verification.uncovered();
    let unread = reasons.filter(|reason| reason.incomplete);
    let notifications: Vec<_> = unread.map(|reason| notification(reason, verification)).collect();
    let run = model::Run {
        tool: model::Tool::new(RULES.map(rule).into()),
        invocations: [model::Invocation {
            execution_successful: match verification.exit() {
                ExitCode::Clean | ExitCode::Findings => true,
                ExitCode::VerificationFailed => notifications.is_empty(),
                _ => false,
            },
            exit_code: verification.exit().code(),
            tool_execution_notifications: notifications,
        }],
        column_kind: model::COLUMNS,
        artifacts: Vec::new(),
        results: failed.chain(&uncovered).map(|reason| result(reason, verification)).collect(),
        properties: RunProperties {
            source: &verification.source,
            outcome: verification.outcome(),
            payload: verification.payload.as_deref(),
        },
    };
    machine::write(&model::Log::new(run), out)
}

fn rule((kind, risk): (&'static str, &'static str)) -> model::Rule<'static> {
    model::Rule {
        id: format!("model-verify/{kind}"),
        name: kind,
        short_description: Text { text: risk.to_owned() },
        full_description: Text { text: risk.to_owned() },
        default_configuration: model::Configuration { level: "error" },
        help: model::Help { text: risk.to_owned(), markdown: None },
        properties: model::RuleProperties {
            tags: vec!["security".to_owned(), "model".to_owned()],
            security_severity: "9.5",
            fix_class: None,
        },
    }
}

fn result<'v>(reason: &'v VerifyReason, verification: &Verification) -> model::Finding<Properties<'v>> {
    model::Finding {
        rule_id: format!("model-verify/{}", reason.kind),
        rule_index: RULES.iter().position(|(kind, _)| *kind == reason.kind),
        kind: "fail",
        level: if reason.kind == "uncovered" { "warning" } else { "error" },
        message: sarif::text(&clean::sentence(&reason.message())),
        locations: vec![location(verification)],
        related_locations: Vec::new(),
        code_flows: Vec::new(),
        partial_fingerprints: [("ringfence/v1", format!("{}: {}", reason.kind, reason.message()))].into(),
        properties: Properties { kind: reason.kind },
    }
}

fn notification(reason: &VerifyReason, verification: &Verification) -> model::Notification {
    model::Notification {
        level: "error",
        message: sarif::text(&clean::sentence(&reason.message())),
        descriptor: model::Descriptor { id: format!("incomplete/{}", reason.kind) },
        associated_rule: None,
        locations: vec![location(verification)],
    }
}

/// The model as a whole: messages name the file.
fn location(verification: &Verification) -> model::Location {
    let uri = uri::from_path(&verification.source);
    let artifact_location = model::Artifact { uri, index: None };
    let physical = model::PhysicalLocation { artifact_location, region: None, context_region: None };
    model::Location { physical: Some(physical), logical: Vec::new(), message: None }
}
