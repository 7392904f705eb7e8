//! `ringfence model scan --sha256` through the real binary: digests are those of `sha256sum`, of what was judged, or none.
#![cfg(feature = "signing")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::process::Stdio;

use support::Folder;
use support::Ran;
use support::command;
use support::run;

/// What coreutils says of a file.
fn sha256sum(path: &str) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn digests_of_judged_files_are_those_of_sha256sum() {
    let folder = Folder::new("digests");
    let corpus = support::root().join("fuzz/corpus");
    for (name, file) in [
        ("a.onnx", "onnx/plain"),
        ("m.gguf", "gguf/little"),
        ("sub/evil.jinja", "jinja/hostile-globals-of-cycler"),
    ] {
        folder.write(name, std::fs::read(corpus.join(file)).unwrap());
    }
    // Larger than any window, so that the rest is read behind the judging, two files at a time.
    let header = br#"{"w":{"dtype":"U8","shape":[4000000],"data_offsets":[0,4000000]}}"#;
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend_from_slice(header);
    weights.extend((0..4_000_000_u32).map(|at| (at % 251) as u8));
    folder.write("one.safetensors", &weights);
    *weights.last_mut().unwrap() ^= 1;
    folder.write("two.safetensors", &weights);
    folder.write("empty.txt", "");
    let document = run(&["model", "scan", folder.path(), "--sha256", "--format", "json"]).json();
    let text = run(&["model", "scan", folder.path(), "--sha256"]).out;
    let files = document["files"].as_array().unwrap();
    assert_eq!(files.len(), 6);
    for file in files {
        let path = file["path"].as_str().unwrap();
        let expected = sha256sum(&format!("{}/{path}", folder.path()));
        assert_eq!(file["sha256"], expected, "{path}");
        assert!(text.contains(&format!("\n{expected}  {path}\n")), "{path} in {text}");
    }
    let without = run(&["model", "scan", folder.path(), "--format", "json"]).json();
    for (file, with) in without["files"].as_array().unwrap().iter().zip(files) {
        assert_eq!(file["sha256"], serde_json::Value::Null);
        assert_eq!((&file["verdict"], &file["findings"]), (&with["verdict"], &with["findings"]));
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_has_no_digest_and_no_clean_verdict() {
    let folder = Folder::new("digests-changing");
    // A hole takes a while to hash, and no room on disk.
    let hole = 32_u64 << 20;
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{hole}],"data_offsets":[0,{hole}]}}}}"#);
    let path =
        folder.write("m.safetensors", [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat());
    let file = File::options().write(true).open(&path).unwrap();
    let length = 8 + header.len() as u64 + hole;
    file.set_len(length).unwrap();
    let mut child = command(&["model", "scan", &path, "--sha256", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        file.write_all_at(b"x", length - 1).unwrap();
    }
    let ran: Ran = child.wait_with_output().unwrap().into();
    let document = ran.json();
    let told = &document["files"][0];
    assert_eq!(
        (&told["sha256"], told["verdict"].as_str()),
        (&serde_json::Value::Null, Some("incomplete")),
        "{document}"
    );
    let gaps = told["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["reason"] == "changed"), "{document}");
    assert_eq!(ran.code, 3);
}
