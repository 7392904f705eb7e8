//! `ringfence model scan` through the real binary: every exit code, every form, its schema.
#![cfg(feature = "models")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use support::Folder;
use support::run;

const CLEAN: &[u8] = b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00K\x01\x94.";
const EVIL: &[u8] = b"cos\nsystem\n(S'echo hi'\ntR.";
const UNKNOWN: &[u8] = b"\x80\x02cacme.nn\nBlock\n)\x81.";

#[test]
fn the_exit_code_is_the_worst_of_all_files() {
    let folder = Folder::new("models");
    let clean = folder.write("clean/a.pkl", CLEAN);
    run(&["model", "scan", &clean]).ends(0);
    let unknown = folder.write("unknown.bin", "\u{1}no format");
    assert!(run(&["model", "scan", &unknown]).ends(3).out.contains("NOT PROVEN CLEAN"));
    run(&["model", "scan", &unknown, "--allow-incomplete"]).ends(0);
    let review = folder.write("review.pkl", UNKNOWN);
    assert!(run(&["model", "scan", &review]).ends(1).out.contains("RF-MOD-102"));
    let evil = folder.write("evil.safetensors", EVIL);
    assert!(run(&["model", "scan", &evil, "--allow-incomplete"]).ends(1).out.contains("os.system"));
    let all = run(&["model", "scan", folder.path(), "--quiet"]).ends(1);
    assert_eq!(all.out, "LOADING THIS RUNS CODE: 4 files: 1 malicious, 1 review, 1 incomplete, 1 clean\n");
}

#[test]
fn blind_and_empty_are_never_0() {
    let folder = Folder::new("blind");
    run(&["model", "scan", folder.path()]).ends(3);
    run(&["model", "scan", folder.path(), "--allow-incomplete"]).ends(3);
    folder.write("a.pkl", CLEAN);
    std::os::unix::fs::symlink("/etc/hostname", format!("{}/link", folder.path())).unwrap();
    let linked = run(&["model", "scan", folder.path()]).ends(3);
    assert!(linked.out.contains("a link that leaves the folder"), "{}", linked.out);
}

#[test]
fn what_is_packed_is_looked_into_on_the_way_that_is_told() {
    let folder = Folder::new("packed");
    // `gzip` of EVIL, as Python writes it.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\x4b\xce\x2f\xe6\x2a\xae\x2c\x2e\x49\xcd\xe5\xd2\x08\x56\x4f\x4d\xce\xc8\x57\xc8\xc8\x54\xe7\x2a\x09\xd2\x03\0\x7f\xe8\x3e\x55\x1a\0\0\0";
    let evil = folder.write("model.pkl.gz", gzip);
    let scanned = run(&["model", "scan", &evil, "--format", "concise"]).ends(1);
    assert_eq!(
        scanned.out,
        "model.pkl.gz!/model.pkl@0x0: MALICIOUS RF-MOD-101 calls os.system, which starts programs\n"
    );
    let cut = folder.write("cut/model.pkl.gz", &gzip[..gzip.len() - 1]);
    assert!(run(&["model", "scan", &cut]).ends(1).out.contains("cannot be decoded"));
    // Files of the real libraries: joblib, torch, Python's compressors.
    for of in ["stream", "joblib", "torch_legacy", "torch_tar"] {
        let corpus = support::root().join("fuzz/corpus").join(of);
        let clean = run(&["model", "scan", corpus.to_str().unwrap(), "--quiet"]).ends(0);
        assert!(clean.out.starts_with("CLEAN: "), "{of}: {}", clean.out);
    }
    let tar = support::root().join("fuzz/corpus/tar");
    let tar = run(&["model", "scan", tar.to_str().unwrap(), "--format", "concise"]).ends(1);
    assert!(tar.out.contains("links@0x400: REVIEW RF-MOD-126 l is a link to a.pkl"), "{}", tar.out);
}

#[test]
fn a_loadable_file_where_no_tool_looks_is_told() {
    let folder = Folder::new("hidden");
    folder.write("a.pkl", CLEAN);
    let object = format!(".git/objects/ab/{}", "cd".repeat(19));
    for (name, bytes) in [
        (".git/HEAD", &b"ref: refs/heads/main\n"[..]),
        (&object, b"\x78\x01\x01\0\0"),
        (".git/hooks/post-checkout.sample", b"#!/bin/sh\n"),
    ] {
        folder.write(name, bytes);
    }
    // What git-lfs keeps is what the work tree has: it is looked at, and it is in its place.
    let digest = "ab12".repeat(16);
    folder.write(&format!(".git/lfs/objects/ab/12/{digest}"), CLEAN);
    run(&["model", "scan", folder.path()]).ends(0);
    folder.write("sub/.git/notes", CLEAN);
    let told = run(&["model", "scan", folder.path(), "--format", "concise"]).ends(1);
    assert_eq!(
        told.out,
        "sub/.git/notes@0x0: REVIEW RF-MOD-120 a file that can be loaded, in a folder that no tool looks into\n"
    );
    folder.write(&format!(".git/lfs/objects/ab/12/{digest}"), EVIL);
    assert!(run(&["model", "scan", folder.path()]).ends(1).out.contains("os.system"));
}

#[test]
fn usage_is_2() {
    let folder = Folder::new("usage");
    let wrong = folder.write("wrong.toml", "[[allow]]\nmodule = \"os\"\nnames = [\"system\"]\nuses = [\"call\"]\nowner = \"a\"\nreason = \"b\"\nexpires = \"2020-01-01\"\n");
    let clean = folder.write("models/a.pkl", CLEAN);
    for (arguments, hint) in [
        (&["model"][..], "scan"),
        (&["model", "scan"], "<PATH>"),
        (&["model", "scan", "/no/such/model"], "/no/such/model"),
        (&["model", "scan", &clean, "--format", "github"], "sarif"),
        (&["model", "scan", &clean, "--allow", &wrong], "os.system cannot be allowed"),
        (&["model", "scan", &clean, "--allow", "/no/such"], "/no/such"),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?} {ran:#?}");
        assert!(ran.err.contains(hint), "{arguments:?}: no `{hint}` in {}", ran.err);
    }
}

#[test]
fn a_name_of_a_team_without_a_last_day_within_a_year_is_no_name() {
    let folder = Folder::new("allow");
    let model = folder.write("models/m.pkl", UNKNOWN);
    let entry = "[[allow]]\nmodule = \"acme.nn\"\nnames = [\"Block\"]\nuses = [\"new\"]\nowner = \"ml\"\nreason = \"ours\"\n";
    for (day, hint) in [("", "expires"), ("expires = \"2999-01-01\"\n", "366 days")] {
        let names = folder.write("names.toml", format!("{entry}{day}"));
        let ran = run(&["model", "scan", &model, "--allow", &names]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
        assert!(ran.err.contains(hint), "{}", ran.err);
    }
}

#[test]
fn json_of_a_real_scan_validates_against_the_published_schema() {
    let folder = Folder::new("json");
    for (name, bytes) in [("a.pkl", CLEAN), ("b.pkl", EVIL), ("c.bin", &b"\x01no format"[..])] {
        folder.write(name, bytes);
    }
    let document = run(&["model", "scan", folder.path(), "--format", "json"]).ends(1).json();
    let schema =
        std::fs::read_to_string(support::root().join("docs/schema/model-scan.v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    assert_eq!(document["files"][1]["findings"][0]["subject"], "os.system");
    let again = run(&["model", "scan", folder.path(), "--format", "json"]).ends(1).json();
    assert_eq!(document["files"], again["files"]);
}

#[test]
fn a_file_for_the_result_is_written_whole() {
    let folder = Folder::new("output");
    let model = folder.write("m/m.pkl", EVIL);
    let file = format!("{}/result.txt", folder.path());
    assert_eq!(run(&["model", "scan", &model, "--format", "concise", "-o", &file]).ends(1).out, "");
    let line = std::fs::read_to_string(&file).unwrap();
    assert_eq!(line, "m.pkl@0x0: MALICIOUS RF-MOD-101 calls os.system, which starts programs\n");
}

/// In the model it would be judged by the next run, and be no part of what was signed.
#[test]
fn a_result_in_the_model_or_in_its_place_is_refused_before_anything_is_read() {
    let folder = Folder::new("output-inside");
    let file = folder.write("m/m.pkl", EVIL);
    let model = format!("{}/m", folder.path());
    let links = format!("{}/links", folder.path());
    std::fs::create_dir(&links).unwrap();
    std::os::unix::fs::symlink("../m", format!("{links}/to")).unwrap();
    let into = |place: &str| format!("{}/{place}", folder.path());
    for format in ["text", "concise", "json", "jsonl", "sarif", "junit"] {
        for (judged, out) in [
            (&model, into("m/r.out")),
            (&model, into("m/../m/r.out")),
            (&model, into("links/to/r.out")),
            (&file, file.clone()),
        ] {
            let ran = run(&["model", "scan", judged, "--format", format, "-o", &out]);
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{format} {out}: {ran:#?}");
            let words =
                format!("--output {out}: is {judged}, which this call reads, or lies in it: choose another");
            assert!(ran.err.contains(&words), "{}", ran.err);
        }
        run(&["model", "scan", &file, "--format", format, "-o", &into("m/beside.out")]).ends(1);
        std::fs::remove_file(into("m/beside.out")).unwrap();
    }
    assert_eq!(std::fs::read(&file).unwrap(), EVIL);
    assert_eq!(std::fs::read_dir(&model).unwrap().count(), 1);
}

#[test]
fn templates_gguf_and_onnx_are_judged_by_their_bytes() {
    let folder = Folder::new("formats");
    let corpus = support::root().join("fuzz/corpus");
    for (name, file, code, words) in [
        ("chat_template.jinja", "jinja/notes-before-the-answer", 0, "CLEAN"),
        ("evil.jinja", "jinja/hostile-globals-of-cycler", 1, "RF-MOD-146"),
        ("m.gguf", "gguf/little", 0, "CLEAN"),
        ("big.gguf", "gguf/big", 0, "CLEAN"),
        ("template.gguf", "gguf/template", 1, "RF-MOD-146"),
        ("overlap.gguf", "gguf/overlap", 1, "RF-MOD-147"),
        ("cut.gguf", "gguf/little-cut", 3, "ends before"),
        ("m.onnx", "onnx/plain", 0, "CLEAN"),
        ("outside.onnx", "onnx/outside", 1, "RF-MOD-145"),
        ("unknown.onnx", "onnx/unknown", 3, "field 99 of Model"),
    ] {
        let path = folder.write(name, std::fs::read(corpus.join(file)).unwrap());
        let ran = run(&["model", "scan", &path]);
        assert_eq!(ran.code, code, "{name}: {ran:#?}");
        assert!(ran.out.contains(words), "{name}: {}", ran.out);
    }
    // Data beside a model: missing, then there.
    let model = std::fs::read(corpus.join("onnx/external")).unwrap();
    let path = folder.write("beside/m.onnx", &model);
    let beside = path.trim_end_matches("/m.onnx").to_owned();
    assert!(run(&["model", "scan", &beside]).ends(3).out.contains("w.bin"));
    folder.write("beside/w.bin", [1_u8, 2, 3, 4, 5, 6, 7, 8]);
    run(&["model", "scan", &beside]).ends(0);
    folder.write("beside/w.bin", [1_u8, 2, 3]);
    assert!(run(&["model", "scan", &beside]).ends(3).out.contains("ends before"));
}

#[test]
fn a_key_in_a_model_is_told_and_ends_with_1() {
    let folder = Folder::new("keys");
    let key = ringfence_secret::synthetic::key("huggingface", 5).unwrap();
    let path = folder.write("config.json", format!("{{\"token\": \"{key}\"}}"));
    let ran = run(&["model", "scan", &path, "--allow-incomplete"]).ends(1);
    assert!(ran.out.starts_with("A KEY STANDS IN THIS\n") && ran.out.contains("RF-SEC-001"), "{}", ran.out);
    assert!(!ran.out.contains(&key));
    let document = run(&["model", "scan", &path, "--format", "json"]).ends(1).json();
    assert_eq!(
        (&document["verdict"], &document["files"][0]["findings"][0]["place"]["offset"]),
        (&"clean".into(), &11.into())
    );
}
