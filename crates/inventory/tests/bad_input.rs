//! Bad input: never a panic, never a hang, never silence. What cannot be read says why, and the rest is still read.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "helpers of tests fail the test, tell their parent, and build small texts"
)]

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

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
fn a_file_above_the_limit_is_not_read() {
    let path = folder("large");
    let file = fs::File::create(path.join("sparse.yaml")).unwrap();
    file.set_len(200 << 20).unwrap();
    fs::write(path.join("small.yaml"), POD).unwrap();
    let started = Instant::now();
    let inventory = scan(&path);
    assert_eq!(reasons(&inventory.coverage), [Reason::TooLarge]);
    assert_eq!(inventory.pods().len(), 1);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    let blind = &inventory.coverage.blind.iter().find(|blind| blind.reason == Reason::TooLarge).unwrap();
    assert!(blind.location.as_ref().unwrap().file.ends_with("sparse.yaml"));
}

#[test]
fn bombs_end_at_their_budget() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let nested = |open: &str, count: usize| open.repeat(count);
    // Few aliases of much text: whoever keeps the text of each would need 30 GB.
    let repeated =
        |what: &str, count: usize| format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), what.repeat(count));
    for (text, reason) in [
        (bomb, Reason::AliasLimit),
        (repeated("*a, ", 30_000), Reason::AliasLimit),
        (repeated("{*a : 1}, ", 30_000), Reason::AliasLimit),
        (repeated("{<<: {*a : 1}}, ", 30_000), Reason::AliasLimit),
        ("a: &a [*a]\n".to_owned(), Reason::AliasLimit),
        ("a: &a\n  b: *a\n".to_owned(), Reason::AliasLimit),
        (nested("[", 20_000), Reason::Depth),
        (nested("{\"a\":", 20_000), Reason::Depth),
        (nested("{a: ", 20_000), Reason::Depth),
        (nested("- ", 20_000), Reason::Depth),
        (nested("? ", 20_000), Reason::Unparsable),
    ] {
        for name in ["x.yaml", "x.json"] {
            let started = Instant::now();
            let mut file = text.clone();
            if name == "x.yaml" {
                file.push_str("\n---\n");
                file.push_str(POD);
            }
            let inventory = Inventory::read(Input::from_bytes(name, file.into_bytes()), &Options::default());
            let head = &text[..text.len().min(20)];
            assert!(started.elapsed() < Duration::from_secs(5), "{head} took {:?}", started.elapsed());
            let found = reasons(&inventory.coverage);
            assert_eq!(found.len(), 1, "{head} in {name}: {found:?}");
            assert!(found[0].is_incomplete(), "{head} in {name}: {found:?}");
            if name == "x.yaml" {
                assert_eq!(found, [reason], "{head}");
                assert_eq!(inventory.pods().len(), 1, "{head}: the document after it");
            }
        }
    }
}

/// Makes a text of so many parts.
type Text<'a> = dyn Fn(usize) -> String + 'a;

/// Seconds for a text, the better of two.
fn seconds(text: &str) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..2 {
        let started = Instant::now();
        std::hint::black_box(Inventory::from_text(text));
        best = best.min(started.elapsed().as_secs_f64());
    }
    best
}

#[test]
fn time_grows_with_the_text_and_no_faster() {
    let duplicates = |count: usize| {
        let mut text = "apiVersion: v1\nkind: ConfigMap\ndata:\n".to_owned();
        text.push_str(&"  a: b\n".repeat(count));
        text
    };
    let keys = |count: usize| {
        let mut text = "apiVersion: v1\nkind: ConfigMap\ndata:\n".to_owned();
        for key in 0..count {
            text.push_str(&format!("  k{key}: b\n"));
        }
        text
    };
    let one_line =
        |count: usize| format!("apiVersion: v1\nkind: ConfigMap\ndata: {{a: \"{}\"}}\n", "x ".repeat(count));
    let flow = |count: usize| format!("{{apiVersion: v1, kind: X, spec: {{l: [{}1]}}}}", "1, ".repeat(count));
    let items = |count: usize| {
        format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"X\", \"spec\": {{\"l\": [{}1]}}}}",
            "1, ".repeat(count)
        )
    };
    let comments = |count: usize| format!("{}{POD}", "# c\n".repeat(count));
    let documents = |count: usize| "---\n# c\n".repeat(count);
    let bad = |count: usize| "---\na: [\n".repeat(count);
    let blanks = |count: usize| format!("{}{}", "- a\n".repeat(count), " ".repeat(count * 4));
    let cases: [(&str, &Text<'_>, usize); 9] = [
        ("duplicates", &duplicates, 1_500),
        ("keys", &keys, 2_000),
        ("one line", &one_line, 20_000),
        ("flow", &flow, 4_000),
        ("items", &items, 10_000),
        ("comments", &comments, 5_000),
        ("documents", &documents, 2_000),
        ("bad", &bad, 1_000),
        ("blanks", &blanks, 5_000),
    ];
    for (name, text, count) in cases {
        let (few, many) = (text(count), text(count * 8));
        let (mut small, mut large) = (f64::MAX, f64::MAX);
        // Quadratic growth would be 64 times. Another load on the machine can only add: the least of up to five
        // interleaved runs counts, and the floor keeps the clock's own noise out.
        let linear = (0..5).any(|_| {
            (small, large) = (small.min(seconds(&few)), large.min(seconds(&many)));
            large < (small * 24.0).max(0.2)
        });
        assert!(linear, "{name}: {small:.4} s grew to {large:.4} s");
    }
}

#[test]
fn large_but_legal_texts_are_read() {
    let line = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  a: {}\n",
        "x".repeat(1 << 20)
    );
    let inventory = Inventory::from_text(&line);
    assert_eq!(inventory.objects().len(), 1);
    assert_eq!(reasons(&inventory.coverage), []);
    let keys = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n{}", "  a: b\n".repeat(100_000));
    let inventory = Inventory::from_text(&keys);
    assert!(inventory.coverage.is_incomplete());
    let told = reasons(&inventory.coverage);
    assert_eq!(told, vec![Reason::DuplicateKey; 41], "twenty at both places, then their number");
    assert!(inventory.coverage.blind.iter().any(|blind| blind.cause.starts_with("99979 more keys")));
    assert!(inventory.has_duplicate_keys(inventory.objects().next().unwrap().0));
    let items = format!("{{\"apiVersion\": \"v1\", \"kind\": \"X\", \"l\": [{}1]}}", "1,".repeat(2_000_000));
    assert_eq!(Inventory::from_text(&items).objects().len(), 1);
    let too_many =
        format!("{{\"apiVersion\": \"v1\", \"kind\": \"X\", \"l\": [{}1]}}", "1,".repeat(8_000_000));
    let inventory = Inventory::read(Input::from_bytes("x.json", too_many.into_bytes()), &Options::default());
    assert_eq!(reasons(&inventory.coverage), [Reason::Budget]);
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

#[cfg(unix)]
#[test]
fn links_loops_pipes_and_odd_names_do_not_stop_the_walk() {
    use std::os::unix::fs::symlink;
    let (path, outside) = (folder("links"), folder("links-outside"));
    fs::write(outside.join("secret.yaml"), POD.replace("name: p", "name: outside")).unwrap();
    fs::create_dir(path.join("a")).unwrap();
    fs::write(path.join("a/pod.yaml"), POD).unwrap();
    symlink(&path, path.join("a/up")).unwrap();
    symlink("a", path.join("b")).unwrap();
    symlink(path.join("self"), path.join("self")).unwrap();
    symlink(outside.join("secret.yaml"), path.join("out.yaml")).unwrap();
    symlink(&outside, path.join("out")).unwrap();
    symlink("nowhere.yaml", path.join("dangling.yaml")).unwrap();
    fs::create_dir(path.join(".git")).unwrap();
    fs::write(path.join(".git/pod.yaml"), POD.replace("name: p", "name: git")).unwrap();
    let made = Command::new("mkfifo").arg(path.join("pipe.yaml")).status().unwrap();
    assert!(made.success());
    let odd = "x\u{1b}[31m\n\u{202e}.yaml";
    fs::write(path.join(odd), POD.replace("name: p", "name: odd")).unwrap();
    let started = Instant::now();
    let inventory = scan(&path);
    assert!(started.elapsed() < Duration::from_secs(5), "the pipe was opened");
    let names: Vec<&str> = inventory.pods().map(|pod| &*pod.object().name).collect();
    assert_eq!(names, ["p", "odd"]);
    let mut places: Vec<(String, Reason)> = inventory
        .coverage
        .blind
        .iter()
        .filter_map(|blind| {
            Some((blind.location.as_ref()?.file.rsplit('/').next()?.to_owned(), blind.reason))
        })
        .collect();
    places.sort();
    let not = |name: &str| (name.to_owned(), Reason::NotSearched);
    assert_eq!(
        places,
        [not(".git"), not("dangling.yaml"), not("out"), not("out.yaml"), not("pipe.yaml"), not("self")]
    );
    assert!(!inventory.coverage.is_incomplete());
}

#[test]
fn nothing_to_read_is_nothing_not_an_error() {
    let inventory = scan(&folder("empty"));
    assert_eq!(inventory.objects().len(), 0);
    assert_eq!(inventory.coverage.percent(), None);
    assert_eq!(inventory.coverage.files.seen, 0);
    let missing = collect(&[Source::Path(folder("missing").join("x"))], &Options::default());
    assert!(missing.is_err_and(|error| error.to_string().contains("missing/x")));
    for text in ["", "\n\n", "# only\n", "---\n---\n", "\u{feff}"] {
        let inventory = Inventory::from_text(text);
        assert_eq!(inventory.coverage.documents.parsed, 0, "{text:?}");
        assert_eq!(inventory.coverage.documents.empty, inventory.coverage.documents.found, "{text:?}");
        assert_eq!(reasons(&inventory.coverage), [], "{text:?}");
    }
}

/// Set in the child that plays a user without rights: the folder to scan.
const AS_NOBODY: &str = "RINGFENCE_TEST_AS_NOBODY";

#[cfg(unix)]
#[test]
fn what_the_user_may_not_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(path) = std::env::var_os(AS_NOBODY) {
        return scan_without_rights(Path::new(&path));
    }
    let path = std::env::temp_dir().join(format!("ringfence-no-rights-{}", std::process::id()));
    fs::create_dir_all(path.join("closed")).unwrap();
    fs::write(path.join("closed/pod.yaml"), POD).unwrap();
    fs::write(path.join("closed.yaml"), POD).unwrap();
    fs::write(path.join("open.yaml"), POD).unwrap();
    let binary = path.join("test");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&path, 0o755);
    mode(&binary, 0o755);
    mode(&path.join("closed"), 0);
    mode(&path.join("closed.yaml"), 0);
    if fs::read(path.join("closed.yaml")).is_err() {
        scan_without_rights(&path);
    } else {
        as_nobody(&path, &binary);
    }
    mode(&path.join("closed"), 0o700);
    fs::remove_dir_all(&path).unwrap();
}

/// Root reads everything: the same test again, in a child that is nobody.
#[cfg(unix)]
fn as_nobody(path: &Path, binary: &Path) {
    let child = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(binary)
        .args(["--exact", "what_the_user_may_not_read_is_named", "--nocapture"])
        .env(AS_NOBODY, path)
        .current_dir("/")
        .output()
        .expect("as root this test needs setpriv of util-linux; or run it as another user");
    let told = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{told}\n{}", String::from_utf8_lossy(&child.stderr));
    assert!(told.contains("scanned without rights"), "{told}");
}

fn scan_without_rights(path: &Path) {
    let inventory = scan(path);
    let mut denied: Vec<&str> = inventory
        .coverage
        .blind
        .iter()
        .filter(|blind| blind.reason == Reason::NoAccess)
        .filter_map(|blind| blind.location.as_ref()?.file.rsplit('/').next())
        .collect();
    denied.sort_unstable();
    assert_eq!(denied, ["closed", "closed.yaml"]);
    assert_eq!(inventory.pods().len(), 1);
    assert!(inventory.coverage.is_incomplete());
    println!("scanned without rights");
}
