//! `ringfence model inspect` through the real binary: screens, exit codes, members of archives, its schema, its bounds.
#![cfg(feature = "models")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

#[path = "../../../fuzz/replay.rs"]
mod replay;
mod support;

use std::fmt::Write as _;

use support::Folder;
use support::command;
use support::run;
use support::tar;

const EVIL: &[u8] = b"cos\nsystem\n(S'id'\ntR.";

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![7; data]].concat()
}

#[test]
fn a_safetensors_file_on_one_screen() {
    let folder = Folder::new("inspect");
    let header = r#"{"__metadata__":{"format":"pt"},"layer.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"layer.bias":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}"#;
    let file = folder.write("m.safetensors", safetensors(header, 32));
    let out = run(&["model", "inspect", &file, "--coverage"]).ends(0).out.replace(&file, "m.safetensors");
    // 8 + 164 bytes of head, then 24 and 8.
    assert_eq!(header.len(), 164);
    let start = format!(
        "m.safetensors  clean  (safetensors, 204 bytes)\n\n2 tensors, 10 parameters, 32 bytes\n{}{}\n{}{}\n",
        format_args!("{:<17}1 tensor, 6 parameters, 24 bytes\n", "  F32"),
        format_args!("{:<17}1 tensor, 4 parameters, 8 bytes\n", "  BF16"),
        format_args!("  {:<38} {:<14} {:<26} {:>17}\n", "layer.weight", "F32", "[2, 3]", 24),
        format_args!("  {:<38} {:<14} {:<26} {:>17}\n", "layer.bias", "BF16", "[4]", 8),
    );
    assert!(out.starts_with(&start), "{start}\n{out}");
    for line in [
        format!("\nsays of itself\n{:<32}pt\n", "  format"),
        "\nm.safetensors: 204 of 204 bytes explained (safetensors)\n".to_owned(),
        "\n  ▓ parsed   █ tensor\n".to_owned(),
        format!("\n  0x00..0x08 {:>15}  {:<11}  length of the header\n", 8, "parsed"),
        format!("\n  0x08..0xac {:>15}  {:<11}  header\n", 164, "parsed"),
        format!("\n  0xac..0xc4 {:>15}  {:<11}  layer.weight\n", 24, "tensor"),
        format!("\n  0xc4..0xcc {:>15}  {:<11}  layer.bias\n", 8, "tensor"),
        "\nexit 0\n".to_owned(),
    ] {
        assert!(out.contains(&line), "{line:?} in\n{out}");
    }
    // A cell of the bar is 204 / 96 bytes: 81 begin in the head, 15 in the tensors.
    let bar = format!("\n  {}{}\n", "▓".repeat(81), "█".repeat(15));
    assert!(out.contains(&bar), "{out}");
    let narrow =
        command(&["model", "inspect", &file, "--coverage"]).env("COLUMNS", "80").env("LANG", "C").output();
    let narrow = String::from_utf8(narrow.unwrap().stdout).unwrap();
    assert!(narrow.is_ascii() && narrow.lines().skip(1).all(|line| line.len() <= 80), "{narrow}");
}

#[test]
fn a_call_is_told_in_pythons_words_by_scan_and_inspect() {
    let folder = Folder::new("inspect-call");
    let file = folder.write("evil.pkl", EVIL);
    let trace = "
    > 0x0        GLOBAL           os system
      0xb        MARK
      0xc        STRING           'id'
      0x12       TUPLE
    > 0x13       REDUCE
      0x14       STOP
";
    let inspected = run(&["model", "inspect", &file]).ends(1).out;
    let verbose = run(&["model", "scan", &file, "-v"]).ends(1).out;
    let python = "                        os.system('id')\n";
    for out in [&inspected, &verbose] {
        assert!(out.contains(python) && out.contains(trace), "{out}");
    }
    let short = run(&["model", "scan", &file]).ends(1).out;
    assert!(short.contains(python) && !short.contains("REDUCE"), "{short}");
    assert!(inspected.contains("malicious   os.system (import, call)\n"), "{inspected}");
    let finding =
        run(&["model", "scan", &file, "--format", "json"]).ends(1).json()["files"][0]["findings"][0].clone();
    assert_eq!(finding["python"], "os.system('id')");
    assert_eq!(
        finding["trace"][4],
        serde_json::json!({"offset": 0x13, "bytes": 1, "name": "REDUCE", "argument": "", "matters": true})
    );
}

#[test]
fn members_of_archives_are_shown_alone_and_a_folder_is_another_command() {
    let folder = Folder::new("inspect-member");
    let corpus = support::root().join("fuzz/corpus/tar");
    let file = folder.write("a.tar", tar("sub/evil.pkl", EVIL));
    let whole = run(&["model", "inspect", &file, "--coverage", "--format", "json"]).ends(1).json();
    let streams: Vec<_> =
        whole["streams"].as_array().unwrap().iter().map(|stream| stream["path"].as_str().unwrap()).collect();
    assert_eq!(streams, ["a.tar", "a.tar!/sub/evil.pkl"]);
    let member = format!("{file}!/sub/evil.pkl");
    let alone = run(&["model", "inspect", &member, "--coverage", "--format", "json"]).ends(1).json();
    assert_eq!(alone["streams"].as_array().unwrap().len(), 1);
    assert_eq!(alone["member"], "a.tar!/sub/evil.pkl");
    // Names of other members are none of its own.
    let mut two = tar("other.pkl", b"cacme.nn\nBlock\n.");
    two.truncate(1024);
    let two = folder.write("two.tar", [two, tar("evil.pkl", EVIL)].concat());
    let names = |path: &str| {
        let whole = run(&["model", "inspect", path, "--format", "json"]).ends(1).json();
        let lookups = whole["file"]["lookups"].as_array().unwrap().iter();
        lookups.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&two), ["Block", "system"]);
    assert_eq!(names(&format!("{two}!/evil.pkl")), ["system"]);
    assert_eq!(names(&format!("{two}!/other.pkl")), ["Block"]);
    for (path, hint) in [
        (format!("{file}!/sub/other.pkl"), "no such member"),
        (folder.path().to_owned(), "model scan"),
        ("/no/such".to_owned(), "/no/such"),
        (format!("{}!/x", corpus.display()), "!/x"),
    ] {
        let ran = run(&["model", "inspect", &path]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{path}: {ran:#?}");
        assert!(ran.err.contains(hint), "{path}: {}", ran.err);
    }
    let unknown = folder.write("unknown.bin", "\u{1}no format");
    let out = run(&["model", "inspect", &unknown, "--coverage"]).ends(3).out;
    assert!(out.contains("0 of 10 bytes explained") && out.contains("\n  ??????????\n"), "{out}");
}

#[test]
fn a_result_does_not_take_the_place_of_the_file_that_is_shown() {
    let folder = Folder::new("inspect-output");
    let (evil, file) = (folder.write("evil.pkl", EVIL), folder.write("a.tar", tar("evil.pkl", EVIL)));
    for (path, out) in [(evil.clone(), &evil), (format!("{file}!/evil.pkl"), &file)] {
        let ran = run(&["model", "inspect", &path, "-o", out]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{path}: {ran:#?}");
        let words = format!("--output {out}: is {out}, which this call reads");
        assert!(ran.err.contains(&words), "{}", ran.err);
    }
    assert_eq!(
        (std::fs::read(&evil).unwrap(), std::fs::read(&file).unwrap()),
        (EVIL.to_vec(), tar("evil.pkl", EVIL))
    );
    run(&["model", "inspect", &evil, "-o", &format!("{}/out.txt", folder.path())]).ends(1);
}

#[test]
fn the_document_of_real_files_validates_against_the_published_schema() {
    let schema = support::root().join("docs/schema/model-inspect.v1.schema.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for files in replay::corpora().into_values() {
        for file in files.iter().take(4) {
            let ran = run(&["model", "inspect", file.to_str().unwrap(), "--coverage", "--format", "json"]);
            assert!(matches!(ran.code, 0 | 1 | 3), "{}: {ran:#?}", file.display());
            let errors: Vec<String> =
                validator.iter_errors(&ran.json()).map(|error| error.to_string()).collect();
            assert_eq!(errors, [""; 0], "{}", file.display());
        }
    }
}

#[test]
fn a_hundred_thousand_tensors_are_counted_and_few_are_listed() {
    let folder = Folder::new("inspect-many");
    let mut header = String::from("{");
    for number in 0..100_000 {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            header,
            r#"{comma}"t{number}":{{"dtype":"U8","shape":[1],"data_offsets":[{number},{}]}}"#,
            number + 1
        );
    }
    let file = folder.write("m.safetensors", safetensors(&(header + "}"), 100_000));
    let out = run(&["model", "inspect", &file, "--limit", "7", "--coverage"]).ends(0).out;
    assert!(out.contains("100,000 tensors, 100,000 parameters, 100.0 kB"), "{out}");
    assert!(out.contains("  99,993 smaller tensors are not listed: --limit\n"), "{out}");
    assert!(out.lines().count() < 60 && out.len() < 10_000, "{} lines", out.lines().count());
}
