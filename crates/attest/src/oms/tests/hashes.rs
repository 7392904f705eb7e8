//! Room `attest`, tests: signatures of others by BLAKE2b and BLAKE3, whole files and shards; never one hash for another.

use super::*;
use crate::hash::Digest;

const HASHES: [&str; 3] = ["blake2b", "blake3", "sha256"];

fn digest(hash: &str, bytes: &str) -> Digest {
    match hash {
        "blake2b" => Digest::Blake2b(*blake2b_simd::blake2b(bytes.as_bytes()).as_array()),
        "blake3" => Digest::Blake3(*blake3::hash(bytes.as_bytes()).as_bytes()),
        _ => Digest::Sha256(Sha256::of(bytes.as_bytes())),
    }
}

/// What a signer writes who hashes by `hash`: whole files, or shards of two bytes. The root digest is SHA-256 always.
fn payload(good: &Value, hash: &str, sharded: bool) -> Value {
    let (one, two) = ("abc", "2");
    let resources: Vec<(&str, &str)> = if sharded {
        vec![("one:0:2", &one[..2]), ("one:2:3", &one[2..]), ("sub/two:0:1", two)]
    } else {
        vec![("one", one), ("sub/two", two)]
    };
    let algorithm = if sharded { format!("{hash}-sharded-2") } else { hash.to_owned() };
    let list: Vec<Value> = resources
        .iter()
        .map(|(name, bytes)| json!({"name": name, "algorithm": algorithm, "digest": digest(hash, bytes).to_string()}))
        .collect();
    let root: Vec<u8> =
        resources.iter().flat_map(|(_, bytes)| digest(hash, bytes).as_bytes().to_vec()).collect();
    let mut payload = good.clone();
    payload["predicate"]["resources"] = list.into();
    payload["predicate"]["serialization"] = if sharded {
        json!({"method": "shards", "hash_type": hash, "shard_size": 2, "allow_symlinks": false})
    } else {
        json!({"method": "files", "hash_type": hash, "allow_symlinks": false})
    };
    payload["subject"][0]["digest"]["sha256"] = json!(Sha256::of(&root).to_string());
    payload
}

fn bench(name: &str) -> Bench {
    let bench = Bench::new(name);
    std::fs::write(bench.folder.join("one"), "abc").unwrap();
    bench
}

#[test]
fn each_hash_verifies_as_files_and_as_shards_until_a_byte_changes() {
    let bench = bench("hashes");
    let good = bench.payload();
    for (hash, words) in HASHES.iter().zip(["its BLAKE2b is", "its BLAKE3 is", "its SHA-256 is"]) {
        for sharded in [false, true] {
            std::fs::write(bench.folder.join("one"), "abc").unwrap();
            let payload = payload(&good, hash, sharded);
            let result = bench.seal(&payload);
            assert_eq!(result.outcome(), VerifyOutcome::Verified, "{hash} {sharded}: {:?}", result.reasons);
            let told = (result.files[0].digest.clone(), result.files[0].hash);
            let expected = (digest(hash, "abc").to_string(), *hash);
            assert_eq!(told, if sharded { (None, None) } else { (Some(expected.0), Some(expected.1)) });
            std::fs::write(bench.folder.join("one"), "abd").unwrap();
            let result = bench.seal(&payload);
            assert_eq!(result.outcome(), VerifyOutcome::Failed, "{hash} {sharded}");
            assert!(
                result.reasons[0].message().starts_with(&format!("one: {words}")),
                "{:?}",
                result.reasons
            );
        }
    }
}

#[test]
fn no_hash_stands_for_another() {
    let bench = bench("hashes-mixed");
    let good = bench.payload();
    for hash in HASHES {
        for sharded in [false, true] {
            let right = payload(&good, hash, sharded);
            for other in HASHES.into_iter().filter(|other| *other != hash) {
                // Digests of the one with the name of the other, in one place, in the other, in both.
                let mut swapped = right.clone();
                swapped["predicate"]["serialization"]["hash_type"] = json!(other);
                refused(&bench, &swapped, "algorithm");
                let mut mixed = right.clone();
                let algorithm = mixed.pointer_mut("/predicate/resources/1/algorithm").unwrap();
                *algorithm = json!(algorithm.as_str().unwrap().replace(hash, other));
                refused(&bench, &mixed, "algorithm");
                for resource in swapped["predicate"]["resources"].as_array_mut().unwrap() {
                    resource["algorithm"] =
                        json!(resource["algorithm"].as_str().unwrap().replace(hash, other));
                }
                let is_long = |hash| hash == "blake2b";
                let rule =
                    if is_long(hash) == is_long(other) { "was signed" } else { "lower-case hex digits" };
                refused(&bench, &swapped, rule);
                // One digest of the other, under the name of the one.
                let mut foreign = right.clone();
                let parts = if sharded { vec!["ab", "c", "2"] } else { vec!["abc", "2"] };
                let digests = parts
                    .iter()
                    .enumerate()
                    .map(|(at, part)| digest(if at == 0 { other } else { hash }, part));
                let digests: Vec<Digest> = digests.collect();
                let root: Vec<u8> = digests.iter().flat_map(|digest| digest.as_bytes().to_vec()).collect();
                foreign["predicate"]["resources"][0]["digest"] = json!(digests[0].to_string());
                foreign["subject"][0]["digest"]["sha256"] = json!(Sha256::of(&root).to_string());
                refused(&bench, &foreign, rule);
            }
            for digits in [0, 2, 62, 63, 66, 126, 130] {
                let mut cut = right.clone();
                cut["predicate"]["resources"][0]["digest"] = json!("a".repeat(digits));
                refused(&bench, &cut, "lower-case hex digits were expected");
            }
            let mut upper = right.clone();
            let text = right["predicate"]["resources"][0]["digest"].as_str().unwrap().to_uppercase();
            upper["predicate"]["resources"][0]["digest"] = json!(text);
            refused(&bench, &upper, "lower-case hex digits were expected");
        }
    }
    for unknown in ["blake2", "blake2s", "BLAKE3", "sha512", "md5", ""] {
        let mut payload = payload(&good, "sha256", false);
        payload["predicate"]["serialization"]["hash_type"] = json!(unknown);
        refused(&bench, &payload, "unknown hash");
    }
}

#[track_caller]
fn refused(bench: &Bench, payload: &Value, rule: &str) {
    let result = bench.seal(payload);
    assert_eq!(result.outcome(), VerifyOutcome::Failed, "{payload}");
    assert!(result.reasons[0].message().contains(rule), "no `{rule}` in {:?}", result.reasons);
}

#[test]
fn signatures_by_different_hashes_agree_about_one_model() {
    let mut bench = bench("hashes-agree");
    let good = bench.payload();
    let second = PrivateKey::generate(Curve::P256, KeyFormat::Pem, &crate::Password::default()).unwrap().0;
    bench.trust.push(trusted("build", &second));
    let seal = |key: &PrivateKey, hash| {
        sign::envelope(payload(&good, hash, false).to_string().as_bytes(), key, &[]).unwrap().into_bytes()
    };
    let bundles = [seal(&bench.key, "blake3"), seal(&second, "sha256")];
    let bundles: Vec<&[u8]> = bundles.iter().map(Vec::as_slice).collect();
    let result = bench.verify_all(&bundles, Require::All);
    assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
    std::fs::write(bench.folder.join("one"), "abd").unwrap();
    assert_eq!(bench.verify_all(&bundles, Require::All).outcome(), VerifyOutcome::Failed);
}
