//! Room `report`, models, inspection: the screens as people see them, the document against its schema, and that nothing
//! foreign leaves its field.

use std::collections::HashSet;

use ringfence_finding::ModelFile;
use ringfence_finding::ModelFinding;
use ringfence_finding::ModelLookup;
use ringfence_finding::ModelOpcode;
use ringfence_finding::ModelPlace;
use ringfence_finding::ModelScan;
use ringfence_finding::ModelSpan;
use ringfence_finding::Severity;
use ringfence_finding::SpanKind;
use serde_json::Value;

use super::*;
use crate::testing::schema;

/// A file `name` with two tensors and a call; `text` stands wherever foreign text may.
fn inspection(name: &str, text: &str) -> ModelInspection {
    let data = format!("{name}!/m/data.pkl");
    let place = ModelPlace { path: data.clone(), offset: 0x1f3 };
    let opcode = |offset, name, argument: &str, matters| ModelOpcode {
        offset,
        bytes: 11,
        name,
        argument: argument.to_owned(),
        matters,
    };
    let finding = ModelFinding {
        id: ringfence_finding::ControlId::new(ringfence_finding::Family::Mod, 101),
        title: "denied-name",
        verdict: Verdict::Malicious,
        severity: Severity::Critical,
        place: place.clone(),
        subject: Some("os.system".to_owned()),
        message: "calls os.system, which starts programs".to_owned(),
        why: "loading the file reaches a name that runs code".to_owned(),
        python: Some(format!("os.system('{text}')")),
        trace: vec![opcode(0x1f3, "GLOBAL", "os system", true), opcode(0x1fe, "STRING", text, false)],
    };
    let lookup = |module: &str, name: &str| ModelLookup {
        module: module.to_owned(),
        name: name.to_owned(),
        uses: vec!["import", "call"],
        place: place.clone(),
    };
    let file = ModelFile {
        path: name.to_owned(),
        bytes: 5000,
        explained: 4990,
        formats: vec!["zip", "torch"],
        verdict: Verdict::Malicious,
        findings: vec![finding],
        gaps: vec![],
        lookups: vec![lookup("collections", "OrderedDict"), lookup("os", "system")],
        sha256: None,
    };
    let tensor = |name: &str, shape: &[u64], bytes| ModelTensor {
        bytes,
        name: name.to_owned(),
        dtype: "float".to_owned(),
        shape: shape.to_vec(),
        member: data.clone(),
        offset: None,
        elsewhere: None,
    };
    let span = |start, end, what, name: &str| ModelSpan { start, end, what, name: name.to_owned() };
    let stream = ModelStream {
        path: name.to_owned(),
        bytes: 5000,
        explained: 4990,
        formats: vec!["zip", "torch"],
        spans: vec![
            span(0, 100, SpanKind::Parsed, "records"),
            span(100, 600, SpanKind::Member, "m/data.pkl"),
            span(600, 640, SpanKind::Padding, ""),
            span(640, 4640, SpanKind::Tensor, text),
            span(4640, 4650, SpanKind::Unexplained, ""),
            span(4650, 5000, SpanKind::Parsed, "records"),
        ],
        more_spans: 0,
    };
    ModelInspection {
        scan: ModelScan {
            source: format!("models/{name}"),
            is_file: true,
            files: vec![file],
            ..ModelScan::default()
        },
        tensors: vec![tensor("layer.weight", &[30, 30], 3600), tensor(text, &[], 4)],
        totals: vec![TensorTotal { dtype: "float".to_owned(), tensors: 3, parameters: 902, bytes: 3608 }],
        metadata: vec![ModelEntry { member: data, key: "epoch".to_owned(), value: text.to_owned() }],
        streams: vec![stream],
        ..ModelInspection::default()
    }
}

fn print(inspection: &ModelInspection, is_json: bool, style: &Style) -> String {
    let mut bytes = Vec::new();
    write_inspection(inspection, inspection.scan.exit(false), is_json, style, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_screen_shows_tensors_names_the_call_and_every_byte() {
    let seen = inspection("m.pt", "id");
    let style = Style { width: 80, ..Style::default() };
    insta::assert_snapshot!(print(&seen, false, &style), @r"
    models/m.pt  malicious  (zip, torch, 5,000 bytes)

    3 tensors, 902 parameters, 3.6 kB
      float          3 tensors, 902 parameters, 3.6 kB

      in m/data.pkl
      layer.weight       float          [30, 30]                               3,600
      id                 float          []                                         4
      1 smaller tensor is not listed: --limit

    says of itself
      m/data.pkl: epoch             id

    2 names looked up when it is loaded
      allowed     collections.OrderedDict (import, call)
      malicious   os.system (import, call)

    why
      malicious RF-MOD-101  m/data.pkl@0x1f3 calls os.system, which starts programs:
                            loading the file reaches a name that runs code
                            os.system('id')
        > 0x1f3      GLOBAL           os system
          0x1fe      STRING           id

    m.pt: 4,990 of 5,000 bytes explained (zip, torch)
      ==+++++++.############################################################?=====
      = parsed   # tensor   + member   . padding   ? unexplained
      0x0000..0x0064             100  parsed       records
      0x0064..0x0258             500  member       m/data.pkl
      0x0258..0x0280              40  padding
      0x0280..0x1220           4,000  tensor       id
      0x1220..0x122a              10  unexplained
      0x122a..0x1388             350  parsed       records

    exit 1
    ");
    let wide = print(&seen, false, &Style { width: 120, unicode: true, ..Style::default() });
    assert!(wide.lines().all(|line| crate::text::page::width(line) <= 120), "{wide}");
    assert!(wide.lines().any(|line| line.trim_start().starts_with('▓') && line.contains('?')), "{wide}");
}

#[test]
fn every_line_fits_and_colour_adds_nothing_but_colour() {
    for width in [60, 80, 120] {
        for text in [
            "id",
            &"x".repeat(300),
            "日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語",
        ] {
            let seen = inspection("m.pt", text);
            for verbose in [false, true] {
                let style = Style { width, verbose, unicode: true, ..Style::default() };
                let plain = print(&seen, false, &style);
                for line in plain.lines() {
                    assert!(crate::text::page::width(line) <= width, "{width}: {line}");
                }
                let coloured = print(&seen, false, &Style { color: true, ..style });
                assert!(coloured.contains("\u{1b}[1;31m"), "{coloured}");
                let mut stripped = String::new();
                let mut rest = coloured.as_str();
                while let Some((before, after)) = rest.split_once("\u{1b}[") {
                    stripped.push_str(before);
                    rest = after.split_once('m').unwrap().1;
                }
                assert_eq!(stripped + rest, plain);
            }
        }
    }
}

#[test]
fn each_of_many_names_has_the_word_of_its_own_finding() {
    // Every pair of a name and a finding would be 400 million.
    const COUNT: usize = 20_000;
    let mut seen = inspection("m.pt", "id");
    let file = &mut seen.scan.files[0];
    let (lookup, finding) = (file.lookups[1].clone(), file.findings[0].clone());
    let lookups = (0..COUNT).map(|at| ModelLookup { name: format!("n{at}"), ..lookup.clone() });
    file.lookups.extend(lookups);
    let found = |at| ModelFinding { subject: Some(format!("os.n{at}")), ..finding.clone() };
    file.findings.extend((0..COUNT).filter(|at| at % 2 == 0).map(found));
    // The first finding of a name speaks for it.
    file.findings.push(ModelFinding { verdict: Verdict::Review, ..found(0) });
    let text = print(&seen, false, &Style { verbose: true, ..Style::default() });
    let lines: HashSet<&str> = text.lines().collect();
    for at in 0..COUNT {
        let word = if at % 2 == 0 { "malicious" } else { "allowed" };
        let line = format!("  {word:<10}  os.n{at} (import, call)");
        assert!(lines.contains(line.as_str()), "{line}");
    }
}

#[test]
fn one_unexplained_byte_is_seen_in_the_longest_bar() {
    let mut seen = inspection("m.pt", "id");
    let stream = &mut seen.streams[0];
    stream.bytes = 1 << 40;
    stream.spans = vec![
        ModelSpan { start: 0, end: 77, what: SpanKind::Tensor, name: "a".to_owned() },
        ModelSpan { start: 77, end: 78, what: SpanKind::Unexplained, name: String::new() },
        ModelSpan { start: 78, end: 1 << 40, what: SpanKind::Tensor, name: "b".to_owned() },
    ];
    let text = print(&seen, false, &Style::default());
    assert!(text.contains(&format!("\n  ?{}\n", "#".repeat(95))), "{text}");
}

#[test]
fn the_document_is_valid_and_wholly_documented() {
    let published = schema::schema("model-inspect.v1.schema.json");
    for seen in [inspection("m.pt", "id"), ModelInspection::default()] {
        let document: Value = serde_json::from_str(&print(&seen, true, &Style::default())).unwrap();
        assert_eq!(schema::errors(&schema::strict(&published), &document), [""; 0]);
    }
    let frozen = schema::schema("frozen/model-inspect.v1.0.schema.json");
    assert_eq!(schema::narrowed(&frozen, &published), [""; 0]);
    let kinds = published["$defs"]["span"]["properties"]["what"]["enum"].as_array().unwrap().clone();
    let mut known = SpanKind::ALL.map(|kind| Value::from(kind.as_str())).to_vec();
    known.sort_by_key(Value::to_string);
    assert_eq!(kinds, known);
}

#[test]
fn hostile_texts_are_inert_and_keys_are_masked() {
    let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
    let text = format!("a\u{1b}[2J\n::error::x\u{202e}\u{2028}{key}");
    let hostile = inspection(&text, &text);
    for is_json in [false, true] {
        let printed = print(&hostile, is_json, &Style { verbose: true, ..Style::default() });
        assert!(printed.contains("layer.weight"), "{printed}");
        for bad in ["\u{1b}", "\u{202e}", "\u{2028}", "\n::error", &key] {
            assert!(!printed.contains(bad), "{is_json}: {bad:?} in {printed}");
        }
    }
}
