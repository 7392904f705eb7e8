//! Room `attest`, tests: the form of model-signing 0.2: refused unless it is asked for, and then never mixed with that of today.

use super::*;
use crate::oms::bundle::pre_authentication;

/// The only changes of a bundle of this form after which it may still verify: nobody signed them, and nothing rests on them.
const HARMLESS: [&str; 4] = [
    "/dsseEnvelope/signatures/0/keyid empty",
    "/dsseEnvelope/signatures/0/keyid removed",
    "/verificationMaterial/publicKey/keyDetails null",
    "/verificationMaterial/publicKey/keyDetails removed",
];

fn bench(name: &str) -> Bench {
    let mut bench = Bench::new(name);
    bench.oms_v02 = true;
    bench
}

fn subject(name: &str, bytes: &str) -> Value {
    json!({
        "name": name,
        "digest": {"sha256": Sha256::of(bytes.as_bytes()).to_string()},
        "annotations": {"actual_hash_algorithm": "file-sha256"},
    })
}

/// The statement that 0.2.0 writes of the model of a bench.
fn payload() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject("one", "1"), subject("sub/two", "2")],
        "predicateType": "https://model_signing/Digests/v0.1",
        "predicate": {"unused": "Unused, just passed due to API requirements"},
    })
}

impl Bench {
    /// The bundle that 0.2.0 writes around these bytes, over which it signs what `message` makes of them.
    fn old(&self, payload: &str, message: fn(&[u8]) -> Vec<u8>) -> Value {
        let signature = self.key.sign(&message(payload.as_bytes())).unwrap();
        let pem = STANDARD.encode(self.key.public().to_pem());
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"rawBytes": pem, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}},
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"sig": STANDARD.encode(signature), "keyid": null}],
            },
        })
    }

    fn judge(&self, payload: &Value) -> Verification {
        // Lines, as it wrote them.
        let payload = serde_json::to_string_pretty(payload).unwrap();
        self.verify(self.old(&payload, v02::pre_authentication).to_string().as_bytes())
    }
}

#[track_caller]
fn refused(result: &Verification, rule: &str) {
    assert_eq!(result.outcome(), VerifyOutcome::Failed, "{rule}");
    assert!(result.reasons[0].message().contains(rule), "no `{rule}` in {:?}", result.reasons);
}

#[test]
fn it_counts_only_where_it_is_asked_for_and_is_told() {
    let mut bench = bench("v02");
    let result = bench.judge(&payload());
    assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
    assert_eq!(result.relaxed, ["--oms-v02: signatures in the form of model-signing 0.2 count"]);
    assert!(result.notes.iter().any(|note| note.starts_with("signed in the form of model-signing 0.2")));
    assert_eq!((result.root, result.subject), (None, None));
    std::fs::write(bench.folder.join("one"), "one").unwrap();
    refused(&bench.judge(&payload()), "one: its SHA-256 is");
    std::fs::write(bench.folder.join("one"), "1").unwrap();
    bench.oms_v02 = false;
    refused(&bench.judge(&payload()), "in the form of model-signing 0.2, which counts with --oms-v02 alone");
    assert_eq!(bench.judge(&payload()).relaxed, [""; 0]);
    // Who asks for the old form gets that of today as well, and is told that he asked.
    bench.oms_v02 = true;
    let today = bench.verify(bench.sign().to_string().as_bytes());
    assert_eq!(today.outcome(), VerifyOutcome::Verified);
    assert!(today.notes.is_empty() && today.relaxed.len() == 1, "{today:?}");
}

#[test]
fn no_payload_of_one_form_is_believed_by_a_signature_of_the_other() {
    let mut bench = bench("v02-mixed");
    let (old, new) = (payload().to_string(), bench.payload().to_string());
    for asked in [true, false] {
        bench.oms_v02 = asked;
        for (payload, message) in [
            (&old, pre_authentication as fn(&[u8]) -> Vec<u8>),
            (&new, v02::pre_authentication as fn(&[u8]) -> Vec<u8>),
        ] {
            let result = bench.verify(bench.old(payload, message).to_string().as_bytes());
            assert_eq!(result.outcome(), VerifyOutcome::Failed, "{asked}: {payload}");
        }
    }
}

#[test]
fn every_change_of_one_field_or_byte_is_refused_but_for_the_harmless() {
    let bench = bench("v02-fields");
    let good = bench.old(&payload().to_string(), v02::pre_authentication);
    assert!(bench.verifies(&good));
    let verify = |bundle: &Value| bench.verify(bundle.to_string().as_bytes());
    assert_eq!(changes::harmless(&good, &[("a byte", json!("AA=="))], &verify), HARMLESS);
    for path in [
        "/dsseEnvelope/payload",
        "/dsseEnvelope/signatures/0/sig",
        "/verificationMaterial/publicKey/rawBytes",
    ] {
        for (at, bundle) in changes::of_bytes(&good, path) {
            assert!(!bench.verifies(&bundle), "{path}, byte {at}");
        }
    }
}

#[test]
fn signed_lies_are_refused_with_the_rule() {
    let bench = bench("v02-lies");
    let (good, digest) = (payload(), Sha256::of(b"1").to_string());
    for (path, value, rule) in [
        ("/_type", json!("https://in-toto.io/Statement/v0.1"), "was expected"),
        ("/subject", json!([]), "subjects were expected"),
        ("/subject/0/name", json!("../one"), "`..`"),
        ("/subject/0/name", json!("/one"), "absolute"),
        ("/subject/0/name", json!("."), "`.`"),
        ("/subject/0/name", json!("sub/two"), "one name"),
        ("/subject/0/name", json!("three"), "signed, and not there"),
        ("/subject/0/digest", json!({"sha256": digest.to_uppercase()}), "lower-case"),
        ("/subject/0/digest", json!({"sha256": digest, "sha512": "00"}), "unknown key `sha512`"),
        ("/subject/0/digest", json!({"blake3": digest}), "unknown key `blake3`"),
        ("/subject/0/annotations", json!({"actual_hash_algorithm": "file-blake2b"}), "not `file-blake2b`"),
        ("/subject/0/annotations", json!({"actual_hash_algorithm": "file-sha256-1000000"}), "was expected"),
        ("/subject/1", subject("sub/two", "3"), "sub/two: its SHA-256 is"),
        (
            "/predicateType",
            json!("https://model_signing/ShardDigests/v0.1"),
            "not a signature of this payload",
        ),
    ] {
        let mut lie = good.clone();
        *lie.pointer_mut(path).unwrap() = value;
        let result = bench.judge(&lie);
        assert_eq!(result.outcome(), VerifyOutcome::Failed, "{path}");
        let told = result.reasons.iter().any(|reason| reason.message().contains(rule));
        assert!(told, "{path}: no `{rule}` in {:?}", result.reasons);
    }
    let mut plain = good.clone();
    plain["subject"][0].as_object_mut().unwrap().remove("annotations");
    assert_eq!(bench.judge(&plain).outcome(), VerifyOutcome::Verified);
}
