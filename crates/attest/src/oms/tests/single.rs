//! Room `attest`, tests: a model that is one file: what its resource may be called, and what of it a signature covers.

use super::*;

/// A bench whose model is one file of this name.
fn bench(name: &str) -> Bench {
    let mut bench = Bench::new(name);
    bench.folder.push("one");
    bench
}

fn resources(payload: &Value) -> &Value {
    &payload["predicate"]["resources"]
}

fn renamed(payload: &Value, name: &str) -> Value {
    let mut payload = payload.clone();
    payload["predicate"]["resources"][0]["name"] = json!(name);
    payload
}

#[test]
fn one_file_is_signed_as_the_reference_signs_it() {
    let payload = bench("single-form").payload();
    let expected = json!([{"name": ".", "algorithm": "sha256", "digest": Sha256::of(b"1").to_string()}]);
    assert_eq!(resources(&payload), &expected);
    assert_eq!(payload["subject"][0]["name"], "one");
    assert_eq!(payload["predicate"]["serialization"].get("ignore_paths"), None);
}

#[test]
fn one_file_verifies_as_a_dot_or_by_its_name_and_no_other() {
    let bench = bench("single-names");
    let good = bench.payload();
    for name in [".", "one"] {
        let result = bench.seal(&renamed(&good, name));
        assert_eq!(result.outcome(), VerifyOutcome::Verified, "{name}: {:?}", result.reasons);
        let told: Vec<_> = result.files.iter().map(|file| (file.path.as_str(), file.status)).collect();
        assert_eq!((told, result.notes.as_slice()), (vec![("one", FileStatus::Match)], &[][..]));
    }
    let (unsigned, parts) =
        ("one: there, and nobody signed it", "resources[0].name: a name with the part `.` or `..`");
    for (name, rule) in [
        ("two", unsigned),
        ("sub/one", unsigned),
        ("One", unsigned),
        ("./one", parts),
        ("..", parts),
        ("./.", parts),
        ("", "resources[0].name: a name with an empty part"),
        ("/one", "resources[0].name: an absolute path"),
    ] {
        failed(&bench.seal(&renamed(&good, name)), rule);
    }
    let two = json!({"method": "files", "hash_type": "sha256", "allow_symlinks": false});
    for (names, rule) in
        [([".", "one"], parts), ([".", "two"], parts), (["one", "two"], "two: signed, and not there")]
    {
        let payload = with_resources(&good, &names.map(|name| (name, "1")), two.clone());
        failed(&bench.seal(&payload), rule);
    }
    std::fs::write(&bench.folder, "2").unwrap();
    for name in [".", "one"] {
        let result = bench.seal(&renamed(&good, name));
        assert_eq!(result.outcome(), VerifyOutcome::Failed, "{name}");
        assert!(result.reasons[0].message().starts_with("one: its SHA-256"), "{:?}", result.reasons);
    }
}

#[test]
fn a_renamed_file_verifies_and_its_name_is_told() {
    let mut bench = bench("single-renamed");
    let good = bench.payload();
    std::fs::rename(&bench.folder, bench.folder.with_file_name("other.pkl")).unwrap();
    bench.folder.set_file_name("other.pkl");
    let result = bench.seal(&good);
    assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
    assert_eq!(result.files[0].path, "other.pkl");
    let note = "other.pkl: signed as `one`; the bytes of one file are covered, its name is not";
    assert_eq!(result.notes, [note]);
    assert_eq!(bench.seal(&renamed(&good, "one")).outcome(), VerifyOutcome::Failed);
}

#[test]
fn a_link_to_one_file_is_signed_and_verified_by_its_own_name() {
    let mut bench = bench("single-link");
    std::os::unix::fs::symlink("one", bench.folder.with_file_name("linked")).unwrap();
    bench.folder.set_file_name("linked");
    let good = bench.payload();
    assert_eq!(good["subject"][0]["name"], "linked");
    for name in [".", "linked"] {
        let result = bench.seal(&renamed(&good, name));
        assert_eq!(result.outcome(), VerifyOutcome::Verified, "{name}: {:?}", result.reasons);
        assert_eq!(result.files[0].path, "linked");
    }
}

#[test]
fn a_dot_is_no_file_of_a_folder() {
    let mut bench = bench("single-folder");
    let good = bench.payload();
    bench.folder.pop();
    std::fs::remove_dir_all(bench.folder.join("sub")).unwrap();
    let result = bench.seal(&good);
    assert_eq!(result.outcome(), VerifyOutcome::Failed);
    let told: Vec<_> = result.files.iter().map(|file| (file.path.as_str(), file.status)).collect();
    assert_eq!(told, [(".", FileStatus::Missing), ("one", FileStatus::Unsigned)]);
}
