//! Room `attest`, tests: a bundle is the signer's or it is refused: every field changed, every signed lie told.

mod certificates;
mod changes;
mod entries;
mod hashes;
mod kinds;
mod names;
mod old;
mod races;
mod signers;
mod single;
mod stamps;
mod tsa;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringfence_finding::FileStatus;
use ringfence_finding::Verification;
use ringfence_finding::VerifyOutcome;
use ringfence_finding::VerifyReason;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::Curve;
use crate::KeyFormat;
use crate::PrivateKey;
use crate::PublicKey;
use crate::Sha256;

/// A second of 2026-11-25.
const NOW: u64 = 1_795_600_000;

fn trusted(name: &str, key: &PrivateKey) -> TrustedSigner {
    let root = TrustRoot::Key(key.public().clone());
    TrustedSigner { name: name.to_owned(), root, until: None, tsa: None }
}

struct Bench {
    /// What is removed at the end.
    root: PathBuf,
    /// The model.
    folder: PathBuf,
    key: PrivateKey,
    trust: Vec<TrustedSigner>,
    /// Whether the form of model-signing 0.2 counts.
    oms_v02: bool,
}

impl Bench {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ringfence-attest-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::write(folder.join("one"), "1").unwrap();
        std::fs::write(folder.join("sub/two"), "2").unwrap();
        let (key, _) =
            PrivateKey::generate(Curve::P256, KeyFormat::Pem, &crate::Password::default()).unwrap();
        let trust = vec![trusted("release", &key)];
        Self { root: folder.clone(), folder, key, trust, oms_v02: false }
    }

    fn sign(&self) -> Value {
        self.sign_with(&self.key)
    }

    fn sign_with(&self, key: &PrivateKey) -> Value {
        let signing = Signing {
            path: &self.folder,
            key,
            chain: &[],
            ignore: &[],
            key_file: None,
            password_file: None,
            threads: None,
            count: &|_| (),
        };
        serde_json::from_str(&sign(&signing).unwrap().bundle).unwrap()
    }

    fn verify(&self, bundle: &[u8]) -> Verification {
        self.verify_all(&[bundle], Require::Any)
    }

    fn verify_all(&self, bundles: &[&[u8]], require: Require) -> Verification {
        self.verify_by(bundles, |request| request.require = require)
    }

    /// Verifies by a request that has been changed like this.
    fn verify_by<'b>(&'b self, bundles: &[&[u8]], change: impl FnOnce(&mut Request<'b>)) -> Verification {
        let named = bundles.iter().enumerate().map(|(at, bundle)| Signature {
            name: format!("{at}.sig"),
            bundle: bundle.to_vec(),
            own: None,
        });
        let named: Vec<Signature> = named.collect();
        let mut request = Request {
            path: &self.folder,
            signatures: &[],
            trust: &self.trust,
            require: Require::Any,
            ignore: &[],
            allow_unsigned: None,
            oms_v02: self.oms_v02,
            now: NOW,
            threads: None,
            count: &|_| (),
        };
        change(&mut request);
        verify(&Request { signatures: &named, ..request }).unwrap()
    }

    fn verifies(&self, bundle: &Value) -> bool {
        self.verify(bundle.to_string().as_bytes()).outcome() == VerifyOutcome::Verified
    }

    /// A bundle whose signature holds, around a payload that no honest signer writes.
    fn seal(&self, payload: &Value) -> Verification {
        let bundle = sign::envelope(payload.to_string().as_bytes(), &self.key, &[]).unwrap();
        self.verify(bundle.as_bytes())
    }

    fn payload(&self) -> Value {
        let payload = STANDARD.decode(self.sign()["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// Refused, for this.
#[track_caller]
fn failed(result: &Verification, rule: &str) {
    assert_eq!(result.outcome(), VerifyOutcome::Failed, "{rule}");
    assert!(result.reasons[0].message().contains(rule), "{rule}: {:?}", result.reasons);
}

/// Paths of everything in a document, the document itself left out.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut each = |name: String, value: &Value| {
        let path = format!("{path}/{name}");
        places(value, &path, found);
        found.push(path);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| each(name.clone(), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| each(at.to_string(), value)),
        _ => {}
    }
}

fn remove(bundle: &mut Value, path: &str) {
    let (parent, own) = path.rsplit_once('/').unwrap();
    match bundle.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(own).unwrap()),
        Value::Array(items) => drop(items.remove(own.parse().unwrap())),
        _ => unreachable!("a leaf has no parts"),
    }
}

#[test]
fn every_byte_of_signature_and_payload_counts() {
    let bench = Bench::new("bytes");
    let good = bench.sign();
    for path in ["/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig"] {
        for (at, bundle) in changes::of_bytes(&good, path) {
            let told = bench.verify(bundle.to_string().as_bytes());
            assert_eq!(told.outcome(), VerifyOutcome::Failed, "{path}, byte {at}");
            let rule = "$.dsseEnvelope.signatures[0].sig: not a signature of this payload by any key given";
            assert!(told.reasons[0].message().starts_with(rule), "{path}, byte {at}: {:?}", told.reasons);
        }
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    let bench = Bench::new("readers");
    let good = bench.sign().to_string();
    assert_eq!(bench.verify(good.as_bytes()).outcome(), VerifyOutcome::Verified);
    let (other, _) = PrivateKey::generate(Curve::P256, KeyFormat::Pem, &crate::Password::default()).unwrap();
    let twice = "not strict JSON: key ";
    let hint = "$.verificationMaterial.publicKey.hint: names the key";
    let key_id = "$.dsseEnvelope.signatures[0].keyid: names another key than the one that signed";
    for (from, to, rule) in [
        ("{\"mediaType\"", "{\"x\":1,\"mediaType\"", "unknown key `x`, which no signature covers"),
        ("{\"mediaType\"", "{\"mediaType\":\"a\",\"mediaType\"", twice),
        ("\"payloadType\":", "\"payload\":\"\",\"payloadType\":", twice),
        (
            "v0.3+json",
            "v0.2+json",
            "$.mediaType: `application/vnd.dev.sigstore.bundle.v0.3+json` was expected",
        ),
        ("\"tlogEntries\":[]", "\"tlogEntries\":[{}]", "$.verificationMaterial: a keyless signature"),
        (
            "\"signatures\":[",
            "\"signatures\":[{\"sig\":\"AAAA\",\"keyid\":\"\"},",
            "$.dsseEnvelope.signatures: exactly one item was expected, not 2",
        ),
        ("\"keyid\":\"\"", "\"keyid\":\"somebody\"", key_id),
        ("\"keyid\":\"\"", &format!("\"keyid\":\"{}\"", other.public().hint()), key_id),
        (&bench.key.public().hint(), &other.public().hint(), hint),
        (&bench.key.public().hint(), &other.public().cosign_hint(), hint),
        (
            "\"hint\":",
            &format!("\"rawBytes\":\"{}\",\"hint\":", STANDARD.encode(other.public().to_der())),
            "$.verificationMaterial.publicKey.rawBytes: the key that the bundle carries is none",
        ),
        (
            "application/vnd.in-toto+json",
            "application/json",
            "$.dsseEnvelope.payloadType: `application/vnd.in-toto+json` was expected, not `application/json`",
        ),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        let told = bench.verify(changed.as_bytes());
        assert_eq!(told.outcome(), VerifyOutcome::Failed, "{to}");
        assert!(told.reasons[0].message().starts_with(rule), "{to}: {:?}", told.reasons);
    }
    let known = |key: &PublicKey| [key.hint(), key.cosign_hint()];
    for hint in known(bench.key.public()) {
        assert_eq!(
            bench
                .verify(good.replace("\"keyid\":\"\"", &format!("\"keyid\":\"{hint}\"")).as_bytes())
                .outcome(),
            VerifyOutcome::Verified
        );
    }
}

#[test]
fn signed_lies_are_refused_with_the_rule() {
    let bench = Bench::new("lies");
    let good = bench.payload();
    assert_eq!(bench.seal(&good).outcome(), VerifyOutcome::Verified);
    let digest = good["predicate"]["resources"][0]["digest"].as_str().unwrap().to_owned();
    let name = "/predicate/resources/0/name";
    for (path, value, rule) in [
        ("/_type", json!("https://in-toto.io/Statement/v0.1"), "was expected"),
        ("/predicateType", json!("https://model_signing/Digests/v0.1"), "was expected"),
        ("/subject", json!([]), "exactly one"),
        ("/subject/0/digest/sha256", json!(digest), "root digest"),
        ("/predicate/resources", json!([]), "resources were expected"),
        ("/predicate/resources/0/digest", json!(digest.to_uppercase()), "lower-case"),
        ("/predicate/resources/0/digest", json!(digest[1..]), "64"),
        ("/predicate/resources/0/algorithm", json!("sha512"), "algorithm"),
        (name, json!("../one"), "`..`"),
        (name, json!("/one"), "absolute"),
        (name, json!("./one"), "`.`"),
        (name, json!("."), "`.`"),
        (name, json!("a//b"), "empty part"),
        (name, json!("a\\b"), "backslash"),
        (name, json!("a\0b"), "NUL"),
        (name, json!(""), "empty part"),
        ("/predicate/serialization/method", json!("tar"), "shards"),
        ("/predicate/serialization/hash_type", json!("md5"), "unknown hash"),
        ("/predicate/serialization/allow_symlinks", json!("false"), "boolean"),
        ("/predicate/serialization/ignore_paths", json!(["."]), "whole model"),
    ] {
        let mut lie = good.clone();
        *lie.pointer_mut(path).unwrap() = value;
        let result = bench.seal(&lie);
        assert_eq!(result.outcome(), VerifyOutcome::Failed, "{path}");
        let told = result.reasons[0].message();
        let place = changes::at("payload $", path);
        assert!(told.starts_with(place.trim_end_matches(": ")) && told.contains(rule), "{path}: {told}");
    }
    // Another hash than that of the resources is told at the first of them.
    let mut mixed = good.clone();
    mixed["predicate"]["serialization"]["hash_type"] = json!("blake3");
    let told = bench.seal(&mixed).reasons[0].message();
    assert!(
        told.starts_with("payload $.predicate.resources[0].algorithm: not the algorithm of the"),
        "{told}"
    );
    let mut extra = good.clone();
    extra["predicate"]["card"] = json!("x");
    let result = bench.seal(&extra);
    assert_eq!(result.outcome(), VerifyOutcome::Verified);
    assert!(result.notes.iter().any(|note| note.contains("`card`")), "{:?}", result.notes);
}

/// Resources and their true root.
fn with_resources(good: &Value, resources: &[(&str, &str)], serialization: Value) -> Value {
    let list = |(name, bytes): &(&str, &str)| json!({"name": name, "algorithm": "sha256", "digest": Sha256::of(bytes.as_bytes()).to_string()});
    let root: Vec<u8> =
        resources.iter().flat_map(|(_, bytes)| *Sha256::of(bytes.as_bytes()).as_bytes()).collect();
    let mut payload = good.clone();
    payload["predicate"]["resources"] = resources.iter().map(list).collect();
    payload["predicate"]["serialization"] = serialization;
    payload["subject"][0]["digest"]["sha256"] = json!(Sha256::of(&root).to_string());
    payload
}

#[test]
fn names_that_are_one_name_are_refused_and_any_order_verifies() {
    let bench = Bench::new("names");
    let good = bench.payload();
    let files = json!({"method": "files", "hash_type": "sha256", "allow_symlinks": false});
    let seal = |resources: &[(&str, &str)]| bench.seal(&with_resources(&good, resources, files.clone()));
    assert_eq!(seal(&[("sub/two", "2"), ("one", "1")]).outcome(), VerifyOutcome::Verified);
    let one_name = "are one name after normalisation (NFC)";
    for (wrong, rule) in [
        (&[("one", "1"), ("one", "1"), ("sub/two", "2")][..], one_name),
        (&[("one", "1"), ("sub/two", "2"), ("\u{e9}", ""), ("e\u{301}", "")], one_name),
        (&[("one", "2"), ("sub/two", "1")], "one: its SHA-256 is"),
        (&[("one", "1")], "sub/two: there, and nobody signed it"),
    ] {
        failed(&seal(wrong), rule);
    }
}

#[test]
fn shards_cover_each_file_without_a_gap() {
    let bench = Bench::new("shards");
    std::fs::write(bench.folder.join("one"), "abcde").unwrap();
    let good = bench.payload();
    let seal = |size: Value, resources: &[(&str, &str)]| {
        let serialization =
            json!({"method": "shards", "hash_type": "sha256", "allow_symlinks": false, "shard_size": size});
        bench.seal(&with_resources(&good, resources, serialization))
    };
    let outcome = |size, resources: &[(&str, &str)]| seal(size, resources).outcome();
    let whole = [("one:0:2", "ab"), ("one:2:4", "cd"), ("one:4:5", "e"), ("sub/two:0:1", "2")];
    assert_eq!(outcome(json!(2), &whole), VerifyOutcome::Verified);
    assert_eq!(outcome(json!(2.0), &whole), VerifyOutcome::Verified);
    let number = "shard_size: a whole number from 0 to 2^53 was expected, not ";
    for (size, rule) in [
        (json!(3), "shard 0 to 2 of `one`: one from 0 on was expected, of 3 bytes"),
        (json!(2.5), number),
        (json!(-2), number),
        (json!(1e300), number),
        (json!(0), "shard_size: shards of no bytes"),
        (json!("2"), "shard_size: a whole number was expected, not a string"),
    ] {
        failed(&seal(size, &whole), rule);
    }
    let two = ("sub/two:0:1", "2");
    for (wrong, rule) in [
        (
            &[("one:0:2", "ab"), ("one:4:5", "e"), two][..],
            "shard 4 to 5 of `one`: one from 2 on was expected",
        ),
        (&[("one:0:2", "ab"), ("one:2:4", "cd"), two], "one: 4 bytes were signed, it has 5"),
        (
            &[("one:0:2", "ab"), ("one:1:3", "bc"), ("one:4:5", "e"), two],
            "shard 1 to 3 of `one`: one from 2 on was expected",
        ),
        (
            &[("one:0:2", "ab"), ("one:2:4", "cd"), ("one:4:6", "e"), two],
            "one: 6 bytes were signed, it has 5",
        ),
        (
            &[("one:00:2", "ab"), ("one:2:4", "cd"), ("one:4:5", "e"), two],
            "`one:00:2` is not `path:start:end`",
        ),
        (&[("one:0", "ab"), two], "`one:0` is not `path:start:end`"),
        (&[("one:0:2", "ab"), ("one:2:4", "xx"), ("one:4:5", "e"), two], "one: its SHA-256 is"),
    ] {
        failed(&seal(json!(2), wrong), rule);
    }
    // No shard is empty: a signer of shards says nothing of an empty file, and that is told, with the option.
    std::fs::write(bench.folder.join("empty"), "").unwrap();
    std::fs::write(bench.folder.join("empty"), "1").unwrap();
    failed(&seal(json!(2), &whole), "empty: there, and nobody signed it");
    std::fs::write(bench.folder.join("empty"), "").unwrap();
    let size = json!({"method": "shards", "hash_type": "sha256", "allow_symlinks": false, "shard_size": 2});
    let payload = with_resources(&good, &whole, size);
    let result = bench.seal(&payload);
    let told: Vec<String> = result.reasons.iter().map(VerifyReason::message).collect();
    assert_eq!((told.len(), result.outcome()), (1, VerifyOutcome::Failed), "{told:?}");
    assert!(told[0].starts_with("empty: empty, ") && told[0].contains("--allow-unsigned-files"), "{told:?}");
    let bundle = sign::envelope(payload.to_string().as_bytes(), &bench.key, &[]).unwrap();
    let allowed = bench.verify_by(&[bundle.as_bytes()], |request| request.allow_unsigned = Some("x"));
    assert_eq!(allowed.outcome(), VerifyOutcome::Verified, "{:?}", allowed.reasons);
    assert_eq!(allowed.notes, ["empty: nobody signed it"]);
}
