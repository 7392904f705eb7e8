//! Room `attest`, tests: what a signature does not decide is told: another name of the folder, files that are let through, links,
//! what is not looked at.

use super::*;

#[test]
fn a_folder_of_another_name_verifies_and_the_name_is_told() {
    let mut bench = Bench::new("folder-name");
    let good = bench.sign().to_string().into_bytes();
    assert_eq!(bench.verify(&good).notes, [""; 0]);
    let was = bench.folder.file_name().unwrap().to_str().unwrap().to_owned();
    let other = bench.folder.with_file_name(format!("{was}-insecure"));
    std::fs::rename(&bench.folder, &other).unwrap();
    (bench.root, bench.folder) = (other.clone(), other);
    let result = bench.verify(&good);
    assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
    let note = format!("{was}-insecure: signed as `{was}`; what is in a folder is covered, its name is not");
    assert_eq!(result.notes, [note]);
}

#[test]
fn notes_of_one_kind_are_few_and_the_rest_is_counted() {
    let bench = Bench::new("few");
    let good = bench.sign().to_string().into_bytes();
    for number in 0..50 {
        std::fs::write(bench.folder.join(format!("x{number:02}")), "").unwrap();
    }
    let result = bench.verify_by(&[&good], |request| request.allow_unsigned = Some("x"));
    assert_eq!((result.outcome(), result.notes.len()), (VerifyOutcome::Verified, 21));
    assert_eq!(
        (&*result.notes[0], &*result.notes[20]),
        ("x00: nobody signed it", "and 30 more that nobody signed")
    );
    assert_eq!(result.count(FileStatus::Unsigned), 50, "all are in the list of files");
    assert_eq!(bench.verify(&good).reasons.len(), 50, "reasons are told, each of them");
}

#[test]
fn what_the_caller_leaves_out_too_is_no_news_to_him() {
    let bench = Bench::new("caller");
    let good = bench.sign().to_string().into_bytes();
    std::fs::create_dir_all(bench.folder.join(".git")).unwrap();
    std::fs::write(bench.folder.join(".git/x.py"), "").unwrap();
    let ignore = [".git".to_owned()];
    assert_eq!(bench.verify(&good).uncovered().len(), 1);
    let result = bench.verify_by(&[&good], |request| request.ignore = &ignore);
    assert_eq!((result.outcome(), result.uncovered().len()), (VerifyOutcome::Verified, 0));
    assert_eq!(result.skipped[0].loadable, [".git/x.py"], "it is listed all the same");
}

#[test]
fn a_model_with_too_many_unsigned_files_is_incomplete_and_nothing_is_called_missing() {
    let bench = Bench::new("too-many");
    let good = bench.sign().to_string().into_bytes();
    // What a tar of a few kB unpacks to.
    for number in 0..=tree::BEYOND_SIGNED {
        std::fs::File::create(bench.folder.join(format!("{number:x}"))).unwrap();
    }
    let result = bench.verify_by(&[&good], |request| request.allow_unsigned = Some("x"));
    let told: Vec<String> = result.reasons.iter().map(VerifyReason::message).collect();
    assert_eq!(told, [".: more than 1003 entries, or 64 MiB of names: the rest is not looked at"]);
    assert_eq!((result.outcome(), result.count(FileStatus::Missing)), (VerifyOutcome::Incomplete, 0));
}

#[test]
fn links_that_were_allowed_are_followed_by_signed_names_alone_and_may_not_turn() {
    let bench = Bench::new("allowed-links");
    let good = bench.payload();
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, bench.folder.join(name)).unwrap();
    };
    link("one", "linked");
    link("sub", "through");
    let files = json!({"method": "files", "hash_type": "sha256", "allow_symlinks": true});
    let list = [("linked", "1"), ("one", "1"), ("sub/two", "2"), ("through/two", "2")];
    let payload = with_resources(&good, &list, files);
    let bundle = sign::envelope(payload.to_string().as_bytes(), &bench.key, &[]).unwrap().into_bytes();
    let result = bench.verify(&bundle);
    assert_eq!((result.outcome(), result.files.len()), (VerifyOutcome::Verified, 4), "{:?}", result.reasons);
    // The same bytes by another link: not the one that was looked at.
    let once = std::sync::Once::new();
    let turn = |_| {
        once.call_once(|| {
            std::fs::remove_file(bench.folder.join("through")).unwrap();
            link("./sub", "through");
        });
    };
    let result = bench.verify_by(&[&bundle], |request| request.count = &turn);
    let told: Vec<String> = result.reasons.iter().map(VerifyReason::message).collect();
    assert_eq!(told, [".: changed while it was read", "through: changed while it was read"]);
    // A folder under a name that nobody signed is there for a loader, whatever is in it.
    link("sub", "tokenizer");
    let result = bench.verify(&bundle);
    assert_eq!((result.outcome(), result.reasons.len()), (VerifyOutcome::Failed, 1), "{:?}", result.reasons);
    assert!(result.reasons[0].message().starts_with("tokenizer: a link to a folder, and nobody signed"));
}
