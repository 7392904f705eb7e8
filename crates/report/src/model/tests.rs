//! Room `report`, models: what the user sees, and that nothing foreign leaves its field.

use ringfence_finding::ConfigFile;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::GapReason;
use ringfence_finding::ModelAddition;
use ringfence_finding::ModelLookup;
use ringfence_finding::ModelOpcode;
use ringfence_finding::Severity;
use serde_json::Value;

use super::*;
use crate::testing::schema;
use crate::testing::xml;

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
        python: Some(format!("os.{name}('id')")),
        trace: vec![
            ModelOpcode {
                offset: 0x1f3,
                bytes: 11,
                name: "GLOBAL",
                argument: format!("os {name}"),
                matters: true,
            },
            ModelOpcode { offset: 0x1fe, bytes: 1, name: "MARK", ..ModelOpcode::default() },
        ],
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

/// As the command prints it: lines for files come first, one by one.
fn print(scan: &ModelScan, format: ModelFormat, style: &Style) -> String {
    let mut bytes = Vec::new();
    if format == ModelFormat::Lines {
        scan.files.iter().for_each(|file| write_model_line(file, &mut bytes).unwrap());
    }
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
                            os.system('id')
      not read  unexplained     data.pkl@0x1f3 bytes that are neither opcodes nor padding, 12 bytes

    allowed     acme.system until 2027-01-31, system: system
    note        system

    Next  ringfence model inspect models/a/m.pt
    exit 1, policy of 2026-11-25 (0123456789ab) with 1 addition by a/m.pt.yaml (fedcba987654), 0.00 s
    ");
}

#[test]
fn the_next_command_is_one_that_a_shell_takes() {
    let next = |scan: &ModelScan| {
        let text = print(scan, ModelFormat::Text, &Style::default());
        text.lines().find_map(|line| line.strip_prefix("Next  ")).map(str::to_owned)
    };
    let mut odd = scan("a b's.pt", "system");
    assert_eq!(next(&odd).as_deref(), Some("ringfence model inspect 'models/a b'\\''s.pt'"));
    odd.is_file = true;
    assert_eq!(next(&odd).as_deref(), Some("ringfence model inspect models"));
    let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
    for path in ["a\u{1b}[2J.pt", &format!("token: {key}.pt")] {
        assert_eq!(next(&scan(path, "system")), None);
    }
    odd.files[0].findings.clear();
    assert_eq!(next(&odd), None);
}

#[test]
fn one_line_per_finding_and_gap() {
    let text = print(&scan("a/m.pt", "system"), ModelFormat::Concise, &Style::default());
    insta::assert_snapshot!(text, @r"
    a/m.pt!/data.pkl@0x1f3: MALICIOUS RF-MOD-101 calls os.system, which starts programs
    a/m.pt!/data.pkl@0x1f3: INCOMPLETE unexplained bytes that are neither opcodes nor padding, 12 bytes
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
fn each_line_is_a_file_of_the_document_and_the_last_one_the_rest_of_it() {
    let scan = scan("a/m.pt", "system");
    let document: Value = serde_json::from_str(&print(&scan, ModelFormat::Json, &Style::default())).unwrap();
    let lines = print(&scan, ModelFormat::Lines, &Style::default());
    let mut lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> =
        lines.iter_mut().map(|line| line.as_object_mut().unwrap().remove("type").unwrap()).collect();
    assert_eq!(kinds, ["file", "file", "end"]);
    let mut end = lines.pop().unwrap();
    end["files"] = lines.into();
    assert_eq!(end, document);
}

#[test]
fn sarif_points_at_bytes_of_members_and_shows_the_way_there() {
    let log = |scan: &ModelScan| -> Value {
        let log = serde_json::from_str(&print(scan, ModelFormat::Sarif, &Style::default())).unwrap();
        assert_eq!(crate::testing::sarif::errors(&log), [""; 0]);
        log
    };
    let told = log(&scan("a/m.pt", "system"));
    let run = &told["runs"][0];
    let artifacts: Vec<_> = run["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            (file["location"]["uri"].as_str().unwrap(), file["parentIndex"].as_u64(), file["length"].as_u64())
        })
        .collect();
    let expected = [
        ("models/a/m.pt", None, Some(1500)),
        ("models/good.pkl", None, Some(0)),
        ("data.pkl", Some(0), None),
    ];
    assert_eq!(artifacts, expected);
    let result = &run["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&"RF-MOD-101".into(), &"error".into()));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"], serde_json::json!({"uri": "data.pkl", "index": 2}));
    assert_eq!(place["region"], serde_json::json!({"byteOffset": 0x1f3, "byteLength": 11}));
    let steps = &result["codeFlows"][0]["threadFlows"][0]["locations"];
    assert_eq!(steps[0]["location"]["message"]["text"], "GLOBAL os system");
    assert_eq!(
        (&steps[0]["importance"], &steps[1]["importance"]),
        (&"essential".into(), &"important".into())
    );
    assert_eq!(steps[1]["location"]["physicalLocation"]["region"]["byteOffset"], 0x1fe);
    assert_eq!(result["properties"]["python"], "os.system('id')");
    let gap = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(gap["descriptor"]["id"], "incomplete/unexplained");
    assert_eq!(gap["locations"][0]["physicalLocation"]["region"]["byteLength"], 12);
    assert_eq!(run["invocations"][0]["executionSuccessful"], false, "findings, and a gap");
    // Stable when bytes move, another where the name or the way to it is another.
    let print = |scan: &ModelScan| log(scan)["runs"][0]["results"][0]["partialFingerprints"].clone();
    let mut moved = scan("a/m.pt", "system");
    moved.files[0].findings[0].place.offset += 7;
    assert_eq!(print(&moved), result["partialFingerprints"]);
    assert_ne!(print(&scan("a/m.pt", "popen")), result["partialFingerprints"]);
    assert_ne!(print(&scan("b/m.pt", "system")), result["partialFingerprints"]);
    // A file alone is what was typed, and nothing leads out of an archive.
    let mut alone = scan("m.pt", "system");
    (alone.source, alone.is_file) = ("../x/m.pt".to_owned(), true);
    alone.files.truncate(1);
    alone.files[0].findings[0].place.path = "m.pt!/../../etc/x!//root".to_owned();
    let told = log(&alone);
    let uris: Vec<_> = told["runs"][0]["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["location"]["uri"].as_str().unwrap())
        .collect();
    assert_eq!(uris, ["../x/m.pt", "%2E%2E/%2E%2E/etc/x", "%2Froot", "data.pkl"]);
    let many = format!("m.pt{}", "!/x".repeat(50_000));
    alone.files[0].findings[0].place.path = many;
    assert!(log(&alone)["runs"][0]["artifacts"].as_array().unwrap().len() < 40);
}

#[test]
fn junit_has_a_case_for_each_file_and_is_never_green_by_being_empty() {
    let cases = |scan: &ModelScan, allowed: bool| -> Vec<String> {
        let mut bytes = Vec::new();
        write_models(scan, scan.exit(allowed), ModelFormat::Junit, &Style::default(), &mut bytes).unwrap();
        let root = xml::read(std::str::from_utf8(&bytes).unwrap());
        let told = |case: &xml::Element| match case.children.first() {
            None => "passed".to_owned(),
            Some(told) if told.name == "skipped" => "skipped".to_owned(),
            Some(told) => format!("{} {}", told.name, told.attribute("type")),
        };
        let cases = root.children[0].children.iter();
        cases.map(|case| format!("{}: {}", case.attribute("name"), told(case))).collect()
    };
    let mut scan = scan("a/m.pt", "system");
    assert_eq!(cases(&scan, false), ["a/m.pt: failure malicious", "good.pkl: passed"]);
    let ModelFile { findings, gaps, .. } = std::mem::take(&mut scan.files[0]);
    let file = |path: &str, verdict| ModelFile { path: path.to_owned(), verdict, ..ModelFile::default() };
    let review = ModelFinding { verdict: Verdict::Review, ..findings[0].clone() };
    let key = ModelFinding { verdict: Verdict::Clean, ..findings[0].clone() };
    scan.files = vec![
        ModelFile { findings: vec![review], ..file("review", Verdict::Review) },
        ModelFile { findings: vec![key], ..file("key", Verdict::Clean) },
        ModelFile { gaps: gaps.clone(), ..file("incomplete", Verdict::Incomplete) },
        ModelFile { bytes: 1, ..file("short", Verdict::Incomplete) },
    ];
    let told = [
        "review: failure review",
        "key: failure key",
        "incomplete: error incomplete",
        "short: error incomplete",
    ];
    assert_eq!(cases(&scan, false), told);
    scan.files.drain(..2);
    assert_eq!(cases(&scan, true), ["incomplete: skipped", "short: skipped"]);
    scan.gaps = gaps;
    scan.gaps[0].place.path = "link".to_owned();
    scan.files.clear();
    assert_eq!(cases(&scan, false), ["link: error incomplete"]);
    scan.gaps.clear();
    assert_eq!(cases(&scan, true), ["models: error incomplete"], "nothing scanned");
}

#[test]
fn hostile_names_are_inert_and_keys_are_masked() {
    let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
    let hostile = scan(&format!("a\u{1b}[2J\n::error::x\u{202e}{key}"), &format!("x\u{2028}{key}"));
    for format in [
        ModelFormat::Text,
        ModelFormat::Concise,
        ModelFormat::Json,
        ModelFormat::Junit,
        ModelFormat::Lines,
        ModelFormat::Sarif,
    ] {
        let text = print(&hostile, format, &Style { verbose: true, ..Style::default() });
        assert!(text.contains("RF-MOD-101"), "{text}");
        for bad in ["\u{1b}", "\u{202e}", "\u{2028}", "\n::error", &key] {
            assert!(!text.contains(bad), "{format:?}: {bad:?} in {text}");
        }
    }
}
