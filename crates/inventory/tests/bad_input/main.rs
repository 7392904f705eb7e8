//! Bad input: never a panic, never a hang, never silence. What cannot be read says why, and the rest is still read.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "helpers of tests fail the test, tell their parent, and build small texts"
)]

mod bounds;
mod walk;

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use ringfence_finding::Coverage;
use ringfence_finding::Reason;
use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Source;
use ringfence_inventory::collect;

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n";

fn reasons(coverage: &Coverage) -> Vec<Reason> {
    coverage.blind.iter().map(|blind| blind.reason).filter(|reason| *reason != Reason::Assumption).collect()
}

fn read_bytes(bytes: &[u8]) -> Inventory {
    Inventory::read(Input::from_bytes("x.yaml", bytes.to_vec()), &Options::default())
}

fn scan(path: &Path) -> Inventory {
    let options = Options::default();
    Inventory::read(collect(&[Source::Path(path.to_owned())], &options).unwrap(), &options)
}

/// A folder of its own for each test, empty.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bad-input-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn a_manifest_cut_anywhere_loses_only_itself() {
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 'é'\n  labels: {\"a\": b}\nspec:\n  containers:\n  - \
                name: c\n    image: \"i\"\n    command: [a, >-\n      b]\n";
    for cut in 0..=yaml.len() {
        let mut bytes = yaml.as_bytes()[..cut].to_vec();
        let whole = std::str::from_utf8(&bytes).is_ok();
        bytes.extend_from_slice(b"\n---\n");
        bytes.extend_from_slice(POD.as_bytes());
        let inventory = read_bytes(&bytes);
        if whole {
            assert!(inventory.pods().any(|pod| &*pod.object().name == "p"), "cut at {cut}");
        } else {
            assert_eq!(reasons(&inventory.coverage), [Reason::Encoding], "cut at {cut}");
        }
    }
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\\u00e9\"}, \"spec\": \
                {\"containers\": [{\"name\": \"c\", \"image\": \"i\", \"tty\": true, \"n\": -1.5e3}]}}";
    for cut in 1..json.len() {
        let inventory = Inventory::read(
            Input::from_bytes("x.json", json.as_bytes()[..cut].to_vec()),
            &Options::default(),
        );
        assert_eq!(inventory.pods().len(), 0, "cut at {cut}");
        assert_eq!(reasons(&inventory.coverage), [Reason::Unparsable], "cut at {cut}");
        assert!(inventory.coverage.is_incomplete());
    }
    let stream = format!("{json}\n{json} {json}");
    let inventory = Inventory::read(Input::from_bytes("-", stream.into_bytes()), &Options::default());
    assert_eq!(inventory.pods().len(), 3);
}

#[test]
fn other_encodings_are_read_or_named() {
    let utf16 = |big: bool| -> Vec<u8> {
        let text = format!("\u{feff}{POD}");
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    for bytes in [POD.as_bytes().to_vec(), format!("\u{feff}{POD}").into_bytes(), utf16(true), utf16(false)] {
        let inventory = read_bytes(&bytes);
        assert_eq!(inventory.pods().len(), 1, "{bytes:?}");
        assert_eq!(reasons(&inventory.coverage), []);
    }
    let mut odd = utf16(true);
    odd.pop();
    for bytes in [
        b"apiVersion: v1\nkind: \xff\xfe\n".to_vec(),
        b"\x7fELF\x02\x01\x01\0\0\0".to_vec(),
        b"kind: a\0b\n".to_vec(),
        b"\xfe\xff\xd8\x00".to_vec(),
        // Without a mark nothing says that this is UTF-16.
        POD.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ] {
        let inventory = read_bytes(&bytes);
        assert_eq!(reasons(&inventory.coverage), [Reason::Encoding], "{bytes:?}");
        assert!(inventory.coverage.is_incomplete());
        assert_eq!(inventory.coverage.files.read, 0);
    }
    assert!(!reasons(&read_bytes(&odd).coverage).contains(&Reason::Internal));
}

#[test]
fn unrendered_templates_are_named_and_braces_in_strings_are_not() {
    for text in [
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n",
        "{{- if .Values.x }}\napiVersion: v1\nkind: Pod\n{{- end }}\n",
        "apiVersion: v1\nkind: Pod\n{{ include \"x\" . | indent 2 }}\n",
        "apiVersion: v1\nkind: Pod\nspec: {{ toYaml .x | nindent 2 }}\n",
    ] {
        let inventory = Inventory::from_text(text);
        assert_eq!(reasons(&inventory.coverage), [Reason::TemplateNotRendered], "{text}");
        assert_eq!(inventory.coverage.documents.template, 1);
        assert!(inventory.coverage.is_incomplete());
    }
    let argo = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates:\n  - name: t\n    container: \
                {image: 'i:{{inputs.parameters.tag}}', args: [\"{{x}}\"]}\n";
    let inventory = Inventory::from_text(argo);
    assert_eq!(reasons(&inventory.coverage), []);
    assert_eq!(inventory.pods().len(), 1);
    // A broken document without braces is broken, not a template.
    assert_eq!(reasons(&Inventory::from_text("a: [\n").coverage), [Reason::Unparsable]);
}

#[test]
fn an_item_that_nobody_takes_is_not_hidden_by_its_neighbours() {
    let good = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}";
    for bad in [
        "{apiVersion: v1, spec: {}}",
        "{kind: Pod, metadata: {name: p}}",
        "{metadata: {name: p}, spec: {containers: []}}",
    ] {
        let list = format!("{{apiVersion: v1, kind: List, items: [{bad}, {good}]}}");
        assert_eq!(reasons(&read_bytes(list.as_bytes()).coverage), [Reason::Unparsable], "{list}");
    }
    let bare = format!("[{{apiVersion: v1, spec: {{}}}}, {good}]");
    assert_eq!(reasons(&read_bytes(bare.as_bytes()).coverage), [Reason::Unparsable], "{bare}");
}

#[test]
fn documents_that_are_no_objects_are_counted() {
    for (text, reason) in [
        ("apiVersion: v1\nspec: {}\n", Some(Reason::Unparsable)),
        ("kind: Pod\nspec: {}\n", Some(Reason::Unparsable)),
        ("replicas: 3\nimage: x\n", None),
        ("- a\n- b\n", None),
        ("just words\n", None),
        ("{}", None),
        ("null\n", None),
    ] {
        let inventory = Inventory::from_text(text);
        assert_eq!(reasons(&inventory.coverage), Vec::from_iter(reason), "{text}");
        assert_eq!(inventory.coverage.documents.not_kubernetes, u32::from(reason.is_none()), "{text}");
    }
}

#[test]
fn duplicate_keys_are_shown_at_both_places() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  hostPID: false\n  hostPID: true\n  \
                containers: []\n";
    let inventory = Inventory::from_text(text);
    let lines: Vec<(Reason, u32)> = inventory
        .coverage
        .blind
        .iter()
        .filter(|blind| blind.reason == Reason::DuplicateKey)
        .map(|blind| (blind.reason, blind.location.as_ref().unwrap().line))
        .collect();
    assert_eq!(lines, [(Reason::DuplicateKey, 5), (Reason::DuplicateKey, 6)]);
    assert!(inventory.coverage.is_incomplete());
    let pod = inventory.pods().next().unwrap();
    assert_eq!(
        pod.get("hostPID").and_then(ringfence_inventory::yaml::Value::as_bool),
        Some(true),
        "the last wins"
    );
}
