//! Every format of a real scan against its schema, its stability, and what must never be in it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use support::Folder;
use support::PRIVILEGED;
use support::WEB;
use support::command;
use support::run;
use support::run_with;

#[test]
fn what_a_shell_has_open_is_written_to_and_never_replaced() {
    let folder = Folder::new("formats-opened");
    let file = folder.write("web.yaml", WEB);
    std::os::unix::fs::symlink("/dev/stdout", format!("{}/link", folder.path())).unwrap();
    let number = "/proc/self/fd/3";
    for (place, to) in [
        ("/dev/stdout", ">"),
        ("/dev/stdout", ">>"),
        ("/dev/fd/1", ">"),
        ("link", ">"),
        ("/dev/stderr", "2>"),
        ("/dev/fd/3", "3>"),
        (number, "3>>"),
    ] {
        // Without the scan of models there is no way to ask the system for what is open under a number.
        if place == "/dev/fd/3" && !cfg!(feature = "models") {
            continue;
        }
        folder.write("log", "old\n");
        let number = to.trim_end_matches('>').to_owned();
        let number = if number.is_empty() { "1" } else { &number };
        let script = format!(
            "(echo first >&{number}; {} scan {file} --quiet -o {place}; echo code=$? >&{number}) {to} log",
            env!("CARGO_BIN_EXE_ringfence")
        );
        let ran = std::process::Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output();
        assert!(ran.unwrap().status.success());
        let log = std::fs::read_to_string(format!("{}/log", folder.path())).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        let lines = match (to.contains(">>"), lines.as_slice()) {
            (true, ["old", rest @ ..]) => rest,
            (false, lines) => lines,
            other => panic!("{place} {to}: {other:?}"),
        };
        assert!(matches!(lines, ["first", result, "code=0"] if !result.is_empty()), "{place} {to}: {log}");
    }
}

#[test]
fn json_of_real_scans_validates_against_the_published_schema() {
    let schema = std::fs::read_to_string(support::root().join("docs/schema/scan.v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for path in ["demo/open", "demo/closed", "fixtures/guide", "Cargo.toml"] {
        let scan = run(&["scan", path, "--format", "json"]).json();
        let errors: Vec<String> = validator.iter_errors(&scan).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{path}");
    }
}

#[test]
fn two_scans_differ_in_their_duration_only() {
    for format in ["text", "json", "sarif", "concise"] {
        let once = || {
            let out = run(&["scan", "demo/open", "-v", "--format", format]).ends(1).out;
            out.lines()
                .filter(|line| !line.trim_start().starts_with("\"seconds\"") && !line.starts_with("exit 1, "))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let (first, second) = (once(), once());
        assert!(first.contains("RF-RUN-001"), "{format}");
        assert_eq!(first, second, "{format}");
    }
}

#[test]
fn one_run_writes_several_formats() {
    let folder = Folder::new("formats");
    let (json, sarif) = (format!("{}/a.json", folder.path()), format!("{}/a.sarif", folder.path()));
    let arguments = [
        "scan",
        "demo/closed",
        "--format",
        "json",
        "-o",
        &json,
        "--format",
        "sarif",
        "-o",
        &sarif,
        "--format",
        "concise",
    ];
    let ran = run(&arguments).ends(0);
    assert_eq!(ran.out, run(&["scan", "demo/closed", "--format", "concise"]).out);
    for file in [json, sarif] {
        let text = std::fs::read_to_string(&file).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "temporary files stay: {left:?}");
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing_behind() {
    let folder = Folder::new("unwritable");
    // A folder stands where the file should, and no file can be where there is no folder: the call is wrong.
    folder.write("out.json/inside", "kept");
    let target = format!("{}/out.json", folder.path());
    for target in [target.as_str(), "/proc/none/x.json"] {
        let ran = run(&["scan", "demo/closed", "-o", target, "--format", "json"]);
        assert_eq!(ran.code, 2, "{ran:#?}");
        assert!(ran.err.contains(target), "{}", ran.err);
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["out.json"]);
}

#[test]
fn a_result_does_not_take_the_place_of_a_manifest_that_is_named() {
    let folder = Folder::new("result-over-manifest");
    let (web, other) = (folder.write("web.yaml", WEB), folder.write("other.yaml", WEB));
    let link = format!("{}/link.json", folder.path());
    std::os::unix::fs::symlink("web.yaml", &link).unwrap();
    for out in [&web, &link] {
        let ran = run(&["scan", &other, &web, "--format", "json", "-o", out, "--format", "text"]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
        assert!(
            ran.err.contains(&format!("-o {out}: is what is scanned, or read for it: choose another place")),
            "{ran:#?}"
        );
    }
    assert_eq!(std::fs::read_to_string(&web).unwrap(), WEB);
    run(&["scan", &web, "-o", &other]).ends(0);
}

#[test]
fn no_format_shows_a_key_or_a_value_beside_it() {
    let synthetic = |detector: &str| ringfence_secret::synthetic::key(detector, 7).unwrap();
    let keys = ["openai-project", "anthropic-api", "huggingface"].map(synthetic);
    let text = format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: chat
  namespace: ml
  annotations: {{note: \"{0}\"}}
spec:
  containers:
  - name: app
    image: vllm/vllm-openai:v1
    args: [--api-key, zebra-crossing, \"--hf-token={2}\"]
    env:
    - name: DB_PASSWORD
      value: hunter2hunter2
    - name: OPENAI_API_KEY
      value: {0}
    # the old one was {1}
    securityContext: {{privileged: true}}
---
apiVersion: v1
kind: Secret
metadata: {{name: s, namespace: ml}}
stringData:
  colour: bluewhale77
  key: {1}
",
        keys[0], keys[1], keys[2]
    );
    let secrets: Vec<&str> =
        keys.iter().map(String::as_str).chain(["zebra-crossing", "hunter2hunter2", "bluewhale77"]).collect();
    let mut everything = String::new();
    for format in ["text", "concise", "json", "sarif"] {
        for verbose in [&[][..], &["-v"]] {
            let ran = run_with(&[&["scan", "-", "--format", format], verbose].concat(), text.as_bytes());
            everything += &ran.out;
            everything += &ran.err;
        }
    }
    // A broken document's error message quotes nothing either.
    let broken = text.replace("stringData:", "stringData: [");
    for format in ["text", "json"] {
        let ran = run_with(&["scan", "-", "-v", "--format", format], broken.as_bytes());
        everything += &ran.out;
    }
    assert!(everything.contains("RF-SEC-001") && everything.contains("salted hash "));
    for secret in secrets {
        // First 4 and last 2 characters may be shown; any 7 in a row may not.
        for window in secret.as_bytes().windows(7) {
            let piece = std::str::from_utf8(window).unwrap();
            // Pieces of the shape itself stand in no manual either, but a provider's fixed prefix is no secret.
            if secret.starts_with("sk-ant-") && "sk-ant-api03-".contains(piece) || "sk-proj-".contains(piece)
            {
                continue;
            }
            assert!(!everything.contains(piece), "`{piece}` of {}... is printed", &secret[..4]);
        }
    }
}

#[test]
fn hostile_names_are_inert_in_every_format() {
    let text = PRIVILEGED.replace("name: train,", "name: \"a\\e[31m\\u202e\\n::error::x </script>\\u2028\",");
    for format in ["text", "concise", "json", "sarif"] {
        let ran = run_with(&["scan", "-", "-v", "--format", format], text.as_bytes()).ends(1);
        assert!(ran.out.contains("RF-RUN-001"), "{format}");
        for bad in ["\u{1b}", "\u{202e}", "\u{2028}", "\n::error"] {
            assert!(!ran.out.contains(bad), "{format}: {bad:?}");
        }
    }
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    assert!(!run(&["scan", "demo/open"]).out.contains('\u{1b}'));
    assert!(run(&["scan", "demo/open", "--color", "always"]).out.contains('\u{1b}'));
}

#[test]
fn without_a_unicode_locale_the_screen_is_ascii() {
    let output = command(&["scan", "demo/closed", "-v"]).env("LANG", "C").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.is_ascii(), "{:?}", text.chars().find(|character| !character.is_ascii()));
}

#[test]
fn a_reader_that_leaves_is_no_crash() {
    let mut child = command(&["scan", "demo/open", "--format", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    // Neither a panic (exit 5 and a word on stderr) nor a scan that looks complete.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(3));
}
