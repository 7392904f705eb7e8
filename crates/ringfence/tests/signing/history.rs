//! What PyPI's model-signing signs by its API and not by its command line: BLAKE2b, BLAKE3 and shards.

use std::path::Path;
use std::process::Command;

use crate::keys;
use crate::model;
use crate::support::Folder;
use crate::support::Ran;
use crate::support::run;

/// Runs a script with the library.
fn python(script: &str, arguments: &[&str]) {
    let program =
        std::env::var_os("RINGFENCE_MODEL_SIGNING").expect("RINGFENCE_MODEL_SIGNING names the program");
    let mut python = Command::new(Path::new(&program).with_file_name("python"));
    let output = python.args(["-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn verify(model: &str, signature: &str, public: &str, more: &[&str]) -> Ran {
    run(&[&["model", "verify", model, "--signature", signature, "--key", public], more].concat())
}

/// Model, key and folder of the signatures. Its shards of BLAKE3 are whole files, and its signature says so.
const BY_API: &str = "
import sys
from model_signing import hashing, signing
model, key, folder = sys.argv[1:]
for algorithm in ['sha256', 'blake2', 'blake3']:
    for method, config in [
        ('files', hashing.Config().use_file_serialization(hashing_algorithm=algorithm)),
        ('shards', hashing.Config().use_shard_serialization(hashing_algorithm=algorithm, shard_size=50_000)),
    ]:
        signer = signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(config)
        signer.sign(model, f'{folder}/{algorithm}-{method}.sig')
";

#[test]
#[ignore = "needs model-signing: what its API signs by BLAKE2b and BLAKE3, files and shards, verifies until a byte changes"]
fn what_model_signing_hashes_by_blake2b_and_blake3_verifies_until_a_byte_changes() {
    let folder = Folder::new("peer-hashes");
    let model = model(&folder);
    let (key, public) = keys(&folder, "p256", "pem", "");
    python(BY_API, &[&model, &key, folder.path()]);
    let weights = format!("{model}/weights.bin");
    let good = std::fs::read(&weights).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (name, hash, words) in [
        ("sha256-files", Some("sha256"), "SHA-256"),
        ("sha256-shards", None, "SHA-256"),
        ("blake2-files", Some("blake2b"), "BLAKE2b"),
        ("blake2-shards", None, "BLAKE2b"),
        ("blake3-files", Some("blake3"), "BLAKE3"),
        ("blake3-shards", Some("blake3"), "BLAKE3"),
    ] {
        let signature = format!("{}/{name}.sig", folder.path());
        std::fs::write(&weights, &good).unwrap();
        let json = verify(&model, &signature, &public, &["--format", "json"]).ends(0).out;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let files = json["files"].as_array().unwrap();
        let weights_told = files.iter().find(|file| file["path"] == "weights.bin").unwrap();
        assert_eq!(
            (weights_told["hash"].as_str(), weights_told["status"].as_str()),
            (hash, Some("match")),
            "{name}"
        );
        let matching = files.iter().filter(|file| file["status"] == "match").count();
        // A signer of shards says nothing of the empty file.
        assert_eq!(matching, if hash.is_some() { 8 } else { 7 }, "{name}");
        std::fs::write(&weights, &flipped).unwrap();
        let out = verify(&model, &signature, &public, &[]).ends(4).out;
        assert!(out.contains(&format!("weights.bin: its {words} is")), "{name}: {out}");
    }
}
