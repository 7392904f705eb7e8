//! Room `attest`, tests: timestamps: what a sound one gives, and that no other gives anything.

use super::certificates::Authority;
use super::certificates::bench;
use super::tsa::Told;
use super::tsa::Tsa;
use super::tsa::algorithm;
use super::tsa::imprint;
use super::tsa::purposes;
use super::tsa::sequence;
use super::*;
use crate::TimeAuthorities;
use crate::VerifyTime;
use crate::der::INTEGER;
use crate::der::OCTET_STRING;
use crate::der::OID;
use crate::der::element;
use crate::keys::Sha2;

/// The leaf of [`Authority`] is valid from 2025 to 2030, and now it is later.
const LATER: u64 = 2_000_000_000;
const STAMP: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";

/// A bundle of a certificate that is over, the signature in it, and one who trusts its authority by the clock.
fn expired(name: &str) -> (Bench, Value, Vec<u8>) {
    let (bench, [_, upper, lower, leaf]) = bench(name, &Authority::new(), VerifyTime::Now(LATER));
    let payload = bench.payload().to_string();
    let bundle = sign::envelope(payload.as_bytes(), &bench.key, &[leaf, lower, upper]).unwrap();
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let signature =
        STANDARD.decode(bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    (bench, bundle, signature)
}

fn stamped(bundle: &Value, response: &[u8]) -> Value {
    let mut bundle = bundle.clone();
    bundle["verificationMaterial"]["timestampVerificationData"] =
        json!({"rfc3161Timestamps": [{"signedTimestamp": STANDARD.encode(response)}]});
    bundle
}

impl Bench {
    /// Trusts these to tell the time.
    fn believe(&mut self, given: &[&Vec<u8>]) {
        let given = given.iter().map(|der| (*der).clone()).collect();
        self.trust[0].tsa = Some(TimeAuthorities::new(given).unwrap());
    }

    fn later(&self, bundle: &Value) -> Verification {
        self.verify_by(&[bundle.to_string().as_bytes()], |request| request.now = LATER)
    }
}

fn told(result: &Verification, note: &str) -> bool {
    result.notes.iter().any(|it| it == note)
}

#[test]
fn an_expired_certificate_verifies_where_its_signature_is_provably_older() {
    let (mut bench, bundle, signature) = expired("stamp-older");
    let tsa = Tsa::new();
    let [root, leaf] = tsa.issue();
    let at = |time: &str| stamped(&bundle, &tsa.response(&tsa.told(&leaf, &signature, time)));
    let over = "the first certificate is valid from 2025-01-01T00:00:00Z to 2030-01-01T00:00:00Z, not at";
    failed(&bench.later(&bundle), over);
    // Nobody is trusted to tell the time: the same timestamp helps nothing.
    failed(&bench.later(&at("20260601120000Z")), over);
    bench.believe(&[&root]);
    let result = bench.later(&at("20260601120000.5Z"));
    assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
    let note = "signed at 2026-06-01T12:00:00Z or before, says clock; certificates were judged as of then";
    assert!(told(&result, note), "{:?}", result.notes);
    assert!(result.relaxed.is_empty());
    // It is the time that decides: first and last second of the leaf, and those beside.
    for (time, verifies) in [
        ("20241231235959Z", false),
        ("20250101000000Z", true),
        ("20300101000000Z", true),
        ("20300101000001Z", false),
        ("20330518033320Z", false),
    ] {
        assert_eq!(bench.later(&at(time)).outcome() == VerifyOutcome::Verified, verifies, "{time}");
    }
    // Without one the clock decides, also for who would believe it.
    failed(&bench.later(&bundle), over);
    // A signer's own end is no matter of certificates.
    bench.trust[0].until = Some(LATER - 1);
    failed(&bench.later(&at("20260601120000Z")), "nobody is trusted for this model any more");
}

#[test]
fn a_timestamp_of_whoever_is_not_trusted_is_told_and_changes_nothing() {
    let bench = Bench::new("stamp-ignored");
    let good = bench.sign();
    for response in [&b"nothing"[..], &[]] {
        let result = bench.verify(stamped(&good, response).to_string().as_bytes());
        assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
        let note = "its timestamp was not looked at: nobody is trusted to tell the time (--tsa-ca)";
        assert_eq!(result.notes, [note]);
    }
}

#[test]
fn a_signature_with_a_key_says_when_it_was_there_and_fails_with_a_broken_timestamp() {
    let mut bench = Bench::new("stamp-key");
    let good = bench.sign();
    let signature = STANDARD.decode(good["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let tsa = Tsa::new();
    let [root, leaf] = tsa.issue();
    bench.believe(&[&root]);
    let honest = stamped(&good, &tsa.response(&tsa.told(&leaf, &signature, "20260601120000Z")));
    let result = bench.verify(honest.to_string().as_bytes());
    assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
    assert_eq!(result.notes, ["signed at 2026-06-01T12:00:00Z or before, says clock"]);
    assert_eq!(bench.verify(good.to_string().as_bytes()).notes, ["there is no timestamp in it"]);
    failed(&bench.verify(stamped(&good, b"nothing").to_string().as_bytes()), "damaged: no TimeStampResp");
    // By the payload that was changed, and not by the timestamp that still holds.
    let mut changed = honest;
    changed["dsseEnvelope"]["payload"] = json!("e30=");
    failed(&bench.verify(changed.to_string().as_bytes()), "not a signature of this payload");
}

#[test]
fn the_time_that_was_asked_for_wins_over_that_of_the_timestamp() {
    let (mut bench, bundle, signature) = expired("stamp-at");
    let tsa = Tsa::new();
    let [root, leaf] = tsa.issue();
    let honest = stamped(&bundle, &tsa.response(&tsa.told(&leaf, &signature, "20260601120000Z")));
    let TrustRoot::Authority { authorities, .. } = &mut bench.trust[0].root else { panic!("no authority") };
    authorities.ask(VerifyTime::At(LATER));
    bench.believe(&[&root]);
    failed(&bench.later(&honest), "the first certificate is valid from 2025");
    let TrustRoot::Authority { authorities, .. } = &mut bench.trust[0].root else { panic!("no authority") };
    authorities.ask(VerifyTime::LeafNotBefore);
    let result = bench.later(&honest);
    assert!(told(&result, "signed at 2026-06-01T12:00:00Z or before, says clock"), "{result:?}");
    assert!(result.relaxed[0].starts_with("--at leaf-not-before"));
    failed(&bench.later(&stamped(&bundle, b"nothing")), "damaged: no TimeStampResp");
}

#[test]
fn keys_of_each_kind_tell_the_time_and_their_certificate_may_be_given_instead() {
    let (mut bench, bundle, signature) = expired("stamp-kinds");
    for (kind, hash) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Sha2::Sha256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Sha2::Sha384),
        (&rcgen::PKCS_ECDSA_P521_SHA512, Sha2::Sha512),
        (&rcgen::PKCS_ED25519, Sha2::Sha512),
    ] {
        let tsa = Tsa::of(kind, hash);
        let [root, leaf] = tsa.issue();
        let mut said = tsa.told(&leaf, &signature, "20260601120000Z");
        said.imprint = imprint(hash, &signature);
        // Accuracy, ordering, nonce and a name; all of it is signed.
        said.more = [sequence(&[&element(INTEGER, &[1])]), vec![1, 1, 0xff], element(INTEGER, &[9])].concat();
        bench.believe(&[&root]);
        let verifies = |bench: &Bench, said: &Told| {
            bench.later(&stamped(&bundle, &tsa.response(said))).outcome() == VerifyOutcome::Verified
        };
        assert!(verifies(&bench, &said), "{hash:?}");
        // Sigstore's clients ask for none in the token: who trusts it has it.
        said.certificates.clear();
        let result = bench.later(&stamped(&bundle, &tsa.response(&said)));
        failed(&result, "the certificate of its signer is neither in it nor among those that are given");
        bench.believe(&[&leaf]);
        assert!(verifies(&bench, &said), "{hash:?}");
        // Named by its key.
        let certificate = crate::x509::Certificate::read(&leaf).unwrap();
        let named = certificate.key_identifier.unwrap();
        said.id = [element(INTEGER, &[3]), element(0x80, named)].concat();
        assert!(verifies(&bench, &said), "{hash:?}");
        said.id = [element(INTEGER, &[3]), element(0x80, &named[1..])].concat();
        assert!(!verifies(&bench, &said), "{hash:?}");
    }
}

#[test]
fn every_lie_about_the_time_is_refused_with_its_rule() {
    type Lie = fn(&mut Told);
    let (mut bench, bundle, signature) = expired("stamp-lies");
    let tsa = Tsa::new();
    let [root, leaf] = tsa.issue();
    bench.believe(&[&root]);
    let judge = |lie: &dyn Fn(&mut Told)| {
        let mut said = tsa.told(&leaf, &signature, "20260601120000Z");
        lie(&mut said);
        bench.later(&stamped(&bundle, &tsa.response(&said)))
    };
    assert_eq!(judge(&|_| ()).outcome(), VerifyOutcome::Verified);
    let unknown = "damaged: its TSTInfo";
    let lies: [(Lie, &str); 27] = [
        (|it| it.imprint = imprint(Sha2::Sha256, b"another"), "of something else than this signature"),
        (
            |it| it.imprint = sequence(&[&algorithm(Sha2::Sha256), &element(OCTET_STRING, &[])]),
            "of something else",
        ),
        (|it| it.imprint = imprint(Sha2::Sha512, b"another"), "of something else"),
        // SHA-1.
        (
            |it| {
                let sha1 = sequence(&[&element(OID, b"\x2b\x0e\x03\x02\x1a")]);
                it.imprint = sequence(&[&sha1, &element(OCTET_STRING, &[7; 20])]);
            },
            unknown,
        ),
        (|it| it.time = "20330518033321Z".to_owned(), "one of the two clocks is wrong"),
        (|it| it.time = "20191231235959Z".to_owned(), "clock is valid from 2020-01-01T00:00:00Z to"),
        (|it| it.time = "20260601120000".to_owned(), unknown),
        (|it| it.time = "20260601120000.0Z".to_owned(), unknown),
        (|it| it.time = "20261301120000Z".to_owned(), unknown),
        // An extension, critical, and one that says that it is not where DER says nothing.
        (
            |it| {
                let extension =
                    |is: u8| sequence(&[&element(OID, &[0x2a, 4]), &[1, 1, is], &element(OCTET_STRING, &[])]);
                it.more = element(0xa1, &extension(0xff));
            },
            unknown,
        ),
        (|it| it.more = element(OCTET_STRING, b"x"), unknown),
        (|it| it.status = sequence(&[&element(INTEGER, &[2])]), "granted no timestamp"),
        (
            |it| it.status = sequence(&[&element(INTEGER, &[0]), &[3, 2, 5, 0x20]]),
            "damaged: no TimeStampResp",
        ),
        (|it| it.content_type = element(OID, &[0x2a, 3]), "its signed attributes are not of a TSTInfo"),
        (|it| it.content_type = it.content_type.repeat(2), "its signed attributes are not of a TSTInfo"),
        (|it| it.message_digest = Some(vec![7; 32]), "not signed by clock, whom it names"),
        (|it| it.message_digest = Some(Vec::new()), "not signed by clock"),
        (|it| it.attributes.clear(), "signingCertificateV2, RFC 5816"),
        // That of RFC 3161 itself, by SHA-1.
        (|it| it.attributes[0].0 = b"\x10\x02\x0c".to_vec(), "signingCertificateV2, RFC 5816"),
        (|it| it.attributes = [&it.attributes[..], &it.attributes[..]].concat(), "a signed attribute twice"),
        (
            |it| {
                let other = sequence(&[&element(OCTET_STRING, &[7; 32])]);
                it.attributes[0].1 = sequence(&[&sequence(&[&other])]);
            },
            "the certificate of its signer is neither",
        ),
        (|it| it.id = [element(INTEGER, &[3]), it.id[3..].to_vec()].concat(), "damaged: its SignerInfo"),
        (|it| it.unsigned = element(0xa1, &[]), "unsigned attributes in it"),
        (|it| it.lists = element(0xa1, &[]), "revocation lists in it"),
        (|it| it.signers = 2, "exactly one signer"),
        (|it| it.signers = 0, "damaged: its SignerInfo"),
        (|it| it.certificates = vec![it.certificates[0].clone(); 11], "more than 10 certificates"),
    ];
    for (number, (lie, rule)) in lies.into_iter().enumerate() {
        let result = judge(&lie);
        failed(&result, rule);
        let place = format!("$.{}: ", STAMP[1..].replace("/0/", "[0].").replace('/', "."));
        assert!(result.reasons[0].message().starts_with(&place), "{number}: {:?}", result.reasons);
    }
}

#[test]
fn the_key_that_tells_the_time_does_nothing_else_and_is_certified_for_it() {
    type Change = fn(&mut Tsa);
    const CODE: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x03";
    let (mut bench, bundle, signature) = expired("stamp-usage");
    let cases: [(Change, Option<&str>); 12] = [
        (|_| (), None),
        (|it| it.leaf.key_usages.clear(), None),
        (|it| it.leaf.custom_extensions.clear(), Some("it has no extended key usage timeStamping")),
        (
            |it| it.leaf.custom_extensions = vec![purposes(&[tsa::TIME_STAMPING], false)],
            Some("its extended key usage timeStamping is not critical"),
        ),
        (
            |it| it.leaf.custom_extensions = vec![purposes(&[tsa::TIME_STAMPING, CODE], true)],
            Some("its extended key usage is not timeStamping alone"),
        ),
        (|it| it.leaf.custom_extensions = vec![purposes(&[CODE], true)], Some("is not timeStamping alone")),
        (
            |it| it.leaf.key_usages = vec![rcgen::KeyUsagePurpose::KeyAgreement],
            Some("its key usage is without digitalSignature"),
        ),
        (
            |it| it.leaf.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
            Some("clock may not sign times: it is an authority"),
        ),
        (
            |it| it.leaf.not_after = rcgen::date_time_ymd(2026, 6, 1),
            Some("clock is valid from 2020-01-01T00:00:00Z to 2026-06-01T00:00:00Z, and tells 2026-06-01T12"),
        ),
        (
            |it| it.root.not_after = rcgen::date_time_ymd(2026, 6, 1),
            Some("no valid path to a given authority: time root is valid from 2020"),
        ),
        (|it| it.root.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign], Some("time root may not issue")),
        // Over by now, and valid when it told the time.
        (|it| it.leaf.not_after = rcgen::date_time_ymd(2026, 6, 2), None),
    ];
    for (number, (change, rule)) in cases.into_iter().enumerate() {
        let mut tsa = Tsa::new();
        change(&mut tsa);
        let [root, leaf] = tsa.issue();
        let bundle = stamped(&bundle, &tsa.response(&tsa.told(&leaf, &signature, "20260601120000Z")));
        bench.believe(&[&root]);
        let result = bench.later(&bundle);
        match rule {
            Some(rule) => failed(&result, rule),
            None => {
                assert_eq!(result.outcome(), VerifyOutcome::Verified, "{number}: {:?}", result.reasons);
            }
        }
        // Another root of the same name.
        let [other, _] = tsa.issue();
        bench.believe(&[&other]);
        assert_eq!(bench.later(&bundle).outcome(), VerifyOutcome::Failed, "{number}");
    }
}

#[test]
fn every_byte_of_a_timestamp_counts() {
    let (mut bench, bundle, signature) = expired("stamp-bytes");
    let tsa = Tsa::new();
    let [root, leaf] = tsa.issue();
    bench.believe(&[&root]);
    let good = tsa.response(&tsa.told(&leaf, &signature, "20260601120000Z"));
    let (mut harmless, honest) = (Vec::new(), bench.later(&stamped(&bundle, &good)));
    for at in 0..good.len() {
        failed(&bench.later(&stamped(&bundle, &good[..at])), "signedTimestamp: damaged");
        for bit in [0x01, 0x80] {
            let mut changed = good.clone();
            changed[at] ^= bit;
            let result = bench.later(&stamped(&bundle, &changed));
            if result.outcome() == VerifyOutcome::Verified {
                assert_eq!(result.notes, honest.notes, "byte {at}");
                harmless.push((at, changed[at]));
            } else {
                assert!(result.reasons[0].message().contains("signedTimestamp: "), "byte {at}");
            }
        }
    }
    // The status, which nobody signed: granted with changes of what was asked for.
    assert_eq!(harmless, [(8, 1)]);
    failed(&bench.later(&stamped(&bundle, &[&good[..], &[0]].concat())), "damaged: no TimeStampResp");
    failed(&bench.later(&stamped(&bundle, &good.repeat(100))), "larger than 65,535 bytes");
}

#[test]
fn every_change_of_one_field_beside_a_timestamp_is_refused_but_for_the_harmless() {
    let mut bench = Bench::new("stamp-fields");
    let good = bench.sign();
    let signature = STANDARD.decode(good["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let tsa = Tsa::new();
    let [root, leaf] = tsa.issue();
    let good = stamped(&good, &tsa.response(&tsa.told(&leaf, &signature, "20260601120000Z")));
    bench.believe(&[&root]);
    let mut rows = changes::of_key_bundle();
    let material = "$.verificationMaterial";
    let data = format!("{material}.timestampVerificationData");
    let one = format!("{data}.rfc3161Timestamps[0]");
    let list = STAMP.trim_end_matches("/0/signedTimestamp");
    for (path, what, told) in [
        (list.trim_end_matches("/rfc3161Timestamps"), "", format!("{data}: unknown key `x`")),
        (list, "", format!("{one}: an object was expected, not a string")),
        (STAMP.trim_end_matches("/signedTimestamp"), "", format!("{one}: unknown key `x`")),
        (STAMP, "free text", format!("{one}.signedTimestamp: not strict base64")),
        (STAMP, "", format!("{one}.signedTimestamp: damaged: no TimeStampResp")),
    ] {
        rows.push((path.to_owned(), what, told));
    }
    let verify = |bundle: &Value| bench.verify(bundle.to_string().as_bytes());
    let passed = changes::still_verify("$", &good, &[], &rows, &verify);
    // Without a timestamp a signature says less, and is none the worse.
    let gone = ["", "/rfc3161Timestamps", "/rfc3161Timestamps/0"]
        .map(|part| format!("/verificationMaterial/timestampVerificationData{part} removed"));
    let mut harmless: Vec<&str> =
        changes::HARMLESS.into_iter().chain(gone.iter().map(String::as_str)).collect();
    harmless.sort_unstable();
    assert_eq!(passed, harmless);
    // Two of them: whose time counts is nobody's choice.
    let mut two = good.clone();
    let both = two.pointer_mut(list).unwrap();
    *both = json!([both[0], both[0]]);
    failed(&verify(&two), "exactly one item was expected, not 2");
    bench.trust[0].tsa = None;
    failed(&bench.verify(two.to_string().as_bytes()), "exactly one item was expected, not 2");
}
