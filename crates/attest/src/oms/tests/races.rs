//! Room `attest`, tests: a model that changes between the first look and the last: never verified, never signed. What changes
//! it is told of the first bytes that are hashed, in the very thread that hashes: nothing is a matter of time.

use std::sync::Once;

use super::*;

/// Eight files: the largest four are open when the first bytes are told, the others are not.
fn bench(name: &str) -> Bench {
    let bench = Bench::new(name);
    std::fs::create_dir_all(bench.folder.join("code")).unwrap();
    for size in 1..=5_usize {
        std::fs::write(bench.folder.join(format!("w{size}")), "w".repeat(size * 1000)).unwrap();
    }
    std::fs::write(bench.folder.join("code/m"), "good").unwrap();
    bench
}

impl Bench {
    /// Verifies, and does this once some bytes are hashed.
    fn verify_while(&self, bundle: &[u8], change: &(dyn Fn() + Sync)) -> Verification {
        let once = Once::new();
        let count = |_| once.call_once(change);
        let result = self.verify_by(&[bundle], |request| request.count = &count);
        assert!(once.is_completed());
        result
    }

    fn changed(&self, bundle: &[u8], change: &(dyn Fn() + Sync)) -> Vec<String> {
        let result = self.verify_while(bundle, change);
        assert_eq!(result.outcome(), VerifyOutcome::Failed, "{:?}", result.reasons);
        let told = result.reasons.iter().filter(|reason| reason.kind == "changed");
        let told: Vec<String> =
            told.map(|reason| reason.message().split(':').next().unwrap().to_owned()).collect();
        let status = result.files.iter().filter(|file| file.status == FileStatus::Changed);
        let mut files: Vec<String> = status.map(|file| file.path.clone()).collect();
        files.retain(|file| !told.contains(file));
        assert!(files.is_empty(), "told nowhere: {files:?}");
        told
    }
}

#[test]
fn a_file_that_comes_goes_or_is_replaced_while_others_are_hashed_is_told() {
    let bench = bench("races-files");
    let good = bench.sign().to_string().into_bytes();
    let at = |name: &str| bench.folder.join(name);
    assert_eq!(bench.verify_while(&good, &|| ()).outcome(), VerifyOutcome::Verified);
    let told = bench.changed(&good, &|| std::fs::write(at("code/new"), "evil").unwrap());
    assert_eq!(told, ["code", "code/new"]);
    std::fs::remove_file(at("code/new")).unwrap();
    let told = bench.changed(&good, &|| std::fs::remove_file(at("w1")).unwrap());
    assert_eq!(told, ["w1", "."]);
    std::fs::write(at("w1"), "w".repeat(1000)).unwrap();
    assert_eq!(bench.verify(&good).outcome(), VerifyOutcome::Verified);
    // The same bytes, in another file.
    let told = bench.changed(&good, &|| {
        std::fs::write(at("../races-other"), "w".repeat(5000)).unwrap();
        std::fs::rename(at("../races-other"), at("w5")).unwrap();
    });
    assert_eq!(told, ["w5", "."]);
    assert_eq!(bench.verify(&good).outcome(), VerifyOutcome::Verified);
    // Put in and taken away again before the end: it was there, and might have been read.
    let told = bench.changed(&good, &|| {
        std::fs::write(at("code/new"), "evil").unwrap();
        std::fs::remove_file(at("code/new")).unwrap();
    });
    assert_eq!(told, ["code"]);
}

#[test]
fn a_file_that_is_replaced_when_it_is_done_is_told() {
    let bench = bench("races-done");
    let good = bench.sign().to_string().into_bytes();
    // The last that is told: all but one are done, and that one is the smallest.
    let left = std::sync::atomic::AtomicU64::new(15_000 + 4 + 2);
    let count = |bytes| {
        if left.fetch_sub(bytes, std::sync::atomic::Ordering::SeqCst) == bytes {
            std::fs::write(bench.folder.join("w5"), "evil").unwrap();
        }
    };
    let result = bench.verify_by(&[&good], |request| request.count = &count);
    assert_eq!(std::fs::read(bench.folder.join("w5")).unwrap(), b"evil");
    let told: Vec<String> = result.reasons.iter().map(VerifyReason::message).collect();
    assert_eq!(told, ["w5: changed while it was read"]);
    assert_eq!(result.outcome(), VerifyOutcome::Failed);
}

#[test]
fn a_folder_that_becomes_a_link_and_is_one_no_more_at_the_end_is_told() {
    let bench = bench("races-folder");
    let good = bench.sign().to_string().into_bytes();
    let elsewhere = bench.folder.with_extension("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::fs::copy(bench.folder.join("code/m"), elsewhere.join("m")).unwrap();
    std::fs::write(bench.folder.join("code/m"), "evil").unwrap();
    let told = bench.changed(&good, &|| {
        std::fs::rename(bench.folder.join("code"), elsewhere.join("kept")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, bench.folder.join("code")).unwrap();
    });
    assert_eq!(told, ["code/m", ".", "code"]);
    std::fs::remove_dir_all(elsewhere).unwrap();
}

#[test]
fn a_file_of_shards_that_grows_between_listing_and_opening_is_told() {
    let bench = bench("races-shards");
    let sizes = [("w1", 1000), ("w2", 2000), ("w3", 3000), ("w4", 4000), ("w5", 5000)];
    let text: Vec<(String, String)> =
        sizes.iter().map(|(name, size)| (format!("{name}:0:{size}"), "w".repeat(*size))).collect();
    let mut list: Vec<(&str, &str)> =
        text.iter().map(|(name, bytes)| (name.as_str(), bytes.as_str())).collect();
    list.extend([("code/m:0:4", "good"), ("one:0:1", "1"), ("sub/two:0:1", "2")]);
    let serialization =
        json!({"method": "shards", "hash_type": "sha256", "allow_symlinks": false, "shard_size": 10_000});
    let payload = with_resources(&bench.payload(), &list, serialization);
    let bundle = sign::envelope(payload.to_string().as_bytes(), &bench.key, &[]).unwrap().into_bytes();
    assert_eq!(bench.verify(&bundle).outcome(), VerifyOutcome::Verified);
    let told =
        bench.changed(&bundle, &|| std::fs::write(bench.folder.join("code/m"), "good, and more").unwrap());
    assert_eq!(told, ["code/m"]);
}

#[test]
fn what_changes_while_it_is_signed_is_not_signed() {
    let bench = bench("races-sign");
    let once = Once::new();
    let change = |_| once.call_once(|| std::fs::write(bench.folder.join("code/new"), "evil").unwrap());
    let signing = Signing {
        path: &bench.folder,
        key_file: None,
        password_file: None,
        key: &bench.key,
        chain: &[],
        ignore: &[],
        threads: None,
        count: &change,
    };
    let Err(SignError::Unread(told)) = sign(&signing) else { panic!("signed") };
    let told: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(told, ["code", "code/new"]);
}
