//! Room `report`, models: what the user sees, and that nothing foreign leaves its field.

use ringfence_finding::ConfigFile;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::GapReason;
use ringfence_finding::ModelAddition;
use ringfence_finding::ModelLookup;
use ringfence_finding::Severity;
use serde_json::Value;

use super::*;
use crate::testing::schema;

fn scan(path: &str, name: &str) -> ModelScan {
    let place = ModelPlace { path: format!("{path}!/data.pkl"), offset: 0x1f3 };
    let subject = format!("os.{name}");
    let finding = ModelFinding {
        id: ControlId::new(Family::Mod, 101),
        title: "denied-name",
        verdict: Verdict::Malicious,
        severity: Severity::Critical,
        place: place.clone(),
        subject: Some(subject.clone()),
        message: format!("calls {subject}, which starts programs"),
        why: "loading the file reaches a name that runs code".to_owned(),
    };
    let gap = ModelGap {
        reason: GapReason::Unexplained,
        place: place.clone(),
        bytes: Some(12),
        message: "bytes that are neither opcodes nor padding".to_owned(),
    };
    let lookup =
        ModelLookup { module: "os".to_owned(), name: name.to_owned(), uses: vec!["import", "call"], place };
    let bad = ModelFile {
        path: path.to_owned(),
        bytes: 1500,
        explained: 1488,
        sha256: None,
        formats: vec!["pickle"],
        verdict: Verdict::Malicious,
        findings: vec![finding],
        gaps: vec![gap],
        lookups: vec![lookup],
    };
    let good = ModelFile { path: "good.pkl".to_owned(), formats: vec!["pickle"], ..ModelFile::default() };
    ModelScan {
        source: "models".to_owned(),
        files: vec![bad, good],
        passed_over: vec![".git: history of the repository".to_owned()],
        policy: PolicyId {
            date: "2026-11-25".to_owned(),
            digest: "0123456789abcdef".to_owned(),
            additions: 1,
        },
        additions: vec![ModelAddition {
            module: "acme".to_owned(),
            name: name.to_owned(),
            owner: name.to_owned(),
            reason: name.to_owned(),
            expires: "2027-01-31".to_owned(),
            expired: false,
        }],
        config: Some(ConfigFile { path: format!("{path}.yaml"), sha256: "fedcba9876543210".to_owned() }),
        notes: vec![name.to_owned()],
        ..ModelScan::default()
    }
}

fn print(scan: &ModelScan, format: ModelFormat, style: &Style) -> String {
    let mut bytes = Vec::new();
    write_models(scan, scan.exit(false), format, style, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_screen_names_file_place_name_and_reason() {
    let text = print(&scan("a/m.pt", "system"), ModelFormat::Text, &Style::default());
    insta::assert_snapshot!(text, @r"
    LOADING THIS RUNS CODE
    models: 2 files: 1 malicious, 1 clean

    a/m.pt  malicious  (pickle, 1,500 bytes)
      malicious RF-MOD-101  data.pkl@0x1f3 calls os.system, which starts programs: loading the file
                            reaches a name that runs code
      not read  unexplained     data.pkl@0x1f3 bytes that are neither opcodes nor padding, 12 bytes

    allowed     acme.system until 2027-01-31, system: system
    note        system

    exit 1, policy of 2026-11-25 (0123456789ab) with 1 addition by a/m.pt.yaml (fedcba987654), 0.00 s
    ");
}

#[test]
fn one_line_per_finding_and_gap() {
    let text = print(&scan("a/m.pt", "system"), ModelFormat::Concise, &Style::default());
    insta::assert_snapshot!(text, @r"
    a/m.pt!/data.pkl@0x1f3: MALICIOUS RF-MOD-101 calls os.system, which starts programs
    a/m.pt!/data.pkl@0x1f3: INCOMPLETE unexplained bytes that are neither opcodes nor padding
    ");
}

#[test]
fn the_document_is_valid_and_wholly_documented() {
    let published = schema::schema("model-scan.v1.schema.json");
    for scan in [scan("a/m.pt", "system"), ModelScan::default()] {
        let document: Value =
            serde_json::from_str(&print(&scan, ModelFormat::Json, &Style::default())).unwrap();
        assert_eq!(schema::errors(&schema::strict(&published), &document), [""; 0]);
    }
    let frozen = schema::schema("frozen/model-scan.v1.0.schema.json");
    assert_eq!(schema::narrowed(&frozen, &published), [""; 0]);
    let words = |name: &str| published["$defs"][name]["enum"].as_array().unwrap().clone();
    assert_eq!(words("verdict"), Verdict::ALL.map(|verdict| Value::from(verdict.as_str())));
}

#[test]
fn hostile_names_are_inert_and_keys_are_masked() {
    let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
    let hostile = scan(&format!("a\u{1b}[2J\n::error::x\u{202e}{key}"), &format!("x\u{2028}{key}"));
    for format in [ModelFormat::Text, ModelFormat::Concise, ModelFormat::Json] {
        let text = print(&hostile, format, &Style { verbose: true, ..Style::default() });
        assert!(text.contains("RF-MOD-101"), "{text}");
        for bad in ["\u{1b}", "\u{202e}", "\u{2028}", "\n::error", &key] {
            assert!(!text.contains(bad), "{format:?}: {bad:?} in {text}");
        }
    }
}
