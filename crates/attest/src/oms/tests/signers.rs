//! Room `attest`, tests: several signers of one model: how many have to agree, on what, and until when each counts.

use super::*;

#[test]
fn so_many_different_signers_have_to_agree() {
    let mut bench = Bench::new("agree");
    let key = || PrivateKey::generate(Curve::P256, KeyFormat::Pem, &crate::Password::default()).unwrap().0;
    let (second, third) = (key(), key());
    bench.trust.extend([trusted("build", &second), trusted("audit", &third)]);
    let signed = |key: &PrivateKey| bench.sign_with(key).to_string().into_bytes();
    let (one, two, stranger) = (signed(&bench.key), signed(&second), signed(&key()));
    let two_of = Require::Count(2.try_into().unwrap());
    for (bundles, require, outcome) in [
        (&[&one[..]][..], Require::Any, VerifyOutcome::Verified),
        (&[&stranger, &one], Require::Any, VerifyOutcome::Verified),
        (&[&one], two_of, VerifyOutcome::Failed),
        (&[&one, &one], two_of, VerifyOutcome::Failed),
        (&[&one, &stranger], two_of, VerifyOutcome::Failed),
        (&[&one, &two], two_of, VerifyOutcome::Verified),
        (&[&one, &two], Require::All, VerifyOutcome::Failed),
        (&[], Require::Any, VerifyOutcome::Failed),
    ] {
        let result = bench.verify_all(bundles, require);
        assert_eq!(result.outcome(), outcome, "{require}: {:?}", result.reasons);
    }
    let short = bench.verify_all(&[&one, &two], Require::All);
    assert_eq!(short.reasons.len(), 1);
    assert!(
        short.reasons[0].message().ends_with("by build, release, and not by audit"),
        "{:?}",
        short.reasons
    );
    let beside = bench.verify_all(&[&stranger, &one], Require::Any);
    assert_eq!(beside.signed_by.unwrap().signer, "release");
    assert!(beside.notes[0].starts_with("0.sig does not count"), "{:?}", beside.notes);
    // The file changed after the first had signed it: what the second says still holds.
    std::fs::write(bench.folder.join("one"), "one").unwrap();
    let two = bench.sign_with(&second).to_string().into_bytes();
    let result = bench.verify_all(&[&one, &two], Require::Any);
    assert_eq!((result.outcome(), result.signers.len()), (VerifyOutcome::Verified, 1));
    let result = bench.verify_all(&[&one, &two], two_of);
    assert_eq!(result.outcome(), VerifyOutcome::Failed);
    let status = |name: &str| result.files.iter().find(|file| file.path == name).unwrap().status;
    assert_eq!((status("one"), status("sub/two")), (FileStatus::Differs, FileStatus::Match));
}

#[test]
fn what_enough_signers_cover_is_covered_whatever_others_leave_out() {
    let mut bench = Bench::new("covered");
    let generate =
        || PrivateKey::generate(Curve::P256, KeyFormat::Pem, &crate::Password::default()).unwrap().0;
    let (second, third) = (generate(), generate());
    bench.trust.extend([trusted("build", &second), trusted("audit", &third)]);
    let all = bench.sign().to_string().into_bytes();
    let also_all = bench.sign_with(&third).to_string().into_bytes();
    let files = [("one".to_owned(), Sha256::of(b"1"))].into();
    let model = bench.folder.file_name().unwrap().to_str().unwrap();
    let payload = statement::write(model, &files, false, &["sub".to_owned()]);
    let part = sign::envelope(payload.as_bytes(), &second, &[]).unwrap().into_bytes();
    let two_of = Require::Count(2.try_into().unwrap());
    let left = |result: &Verification| -> Vec<String> {
        assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
        assert_eq!(result.uncovered().is_empty(), result.skipped.is_empty());
        result.skipped.iter().flat_map(|it| it.loadable.clone()).collect()
    };
    for (bundles, require, uncovered) in [
        (&[&part[..]][..], Require::Any, &["sub/two"][..]),
        (&[&part, &all], Require::Any, &[]),
        (&[&all, &part], Require::Any, &[]),
        // Two have to agree, and one of them alone has said anything of it.
        (&[&all, &part], two_of, &["sub/two"]),
        (&[&all, &part, &also_all], two_of, &[]),
    ] {
        let result = bench.verify_all(bundles, require);
        assert_eq!(left(&result), uncovered, "{require}, {}", bundles.len());
    }
    let notes = bench.verify_all(&[&all, &part], two_of).notes;
    let told = "1.sig signs another payload than 0.sig, ";
    let note = notes.iter().find(|note| note.starts_with(told)).unwrap();
    assert!(note.contains(&Sha256::of(payload.as_bytes()).to_string()), "{note}");
    assert!(note.ends_with("files that one of both covers: 1, such as sub/two"), "{note}");
    let same = bench.verify_all(&[&all, &also_all], two_of).notes;
    assert_eq!(same, [""; 0]);
    // Where the other signature does not hold it covers nothing.
    std::fs::write(bench.folder.join("sub/two"), "changed").unwrap();
    assert_eq!(left(&bench.verify_all(&[&all, &part], Require::Any)), ["sub/two"]);
}

#[test]
fn a_signer_is_trusted_until_its_last_second() {
    let mut bench = Bench::new("until");
    let good = bench.sign().to_string();
    for (until, outcome) in [(NOW, VerifyOutcome::Verified), (NOW - 1, VerifyOutcome::Failed)] {
        bench.trust[0].until = Some(until);
        let result = bench.verify(good.as_bytes());
        assert_eq!(result.outcome(), outcome, "{until}");
        let told = result.notes.iter().any(|note| note.starts_with("release was trusted until 2026-11-25T"));
        assert_eq!(told, outcome == VerifyOutcome::Failed, "{:?}", result.notes);
    }
}
