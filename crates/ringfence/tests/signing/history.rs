//! What PyPI's model-signing signs by its API and signed in its earlier releases: BLAKE2b, BLAKE3 and shards, the key inside of
//! the bundle (1.0), and the form of 0.2.

use std::path::Path;
use std::process::Command;

use rcgen::KeyUsagePurpose;

use crate::FILES;
use crate::chain;
use crate::keys;
use crate::model;
use crate::model_signing;
use crate::support::Folder;
use crate::support::Ran;
use crate::support::run;

/// Runs a script with the library of today (`release` none), or with that of a release that xtask keeps beside it.
fn python(script: &str, release: Option<&str>, arguments: &[&str]) {
    let program =
        std::env::var_os("RINGFENCE_MODEL_SIGNING").expect("RINGFENCE_MODEL_SIGNING names the program");
    let mut python = Command::new(Path::new(&program).with_file_name("python"));
    if let Some(release) = release {
        let folder = std::env::var_os("RINGFENCE_MODEL_SIGNING_HISTORY")
            .expect("RINGFENCE_MODEL_SIGNING_HISTORY names the folder");
        let folder = Path::new(&folder);
        let paths = [folder.join(release), folder.join("shared")];
        python.env("PYTHONPATH", std::env::join_paths(paths).unwrap());
    }
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
    python(BY_API, None, &[&model, &key, folder.path()]);
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
        // A signer of shards says nothing of the empty file: it is one that nobody signed.
        let mut flags = vec!["--format", "json"];
        if hash.is_none() {
            let out = verify(&model, &signature, &public, &[]).ends(4).out;
            assert!(out.contains("unsigned    empty: empty, and a signature of shards"), "{name}: {out}");
            flags.push("--allow-unsigned-files");
        }
        let json = verify(&model, &signature, &public, &flags).ends(0).out;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let files = json["files"].as_array().unwrap();
        let weights_told = files.iter().find(|file| file["path"] == "weights.bin").unwrap();
        assert_eq!(
            (weights_told["hash"].as_str(), weights_told["status"].as_str()),
            (hash, Some("match")),
            "{name}"
        );
        let matching = files.iter().filter(|file| file["status"] == "match").count();
        assert_eq!(matching, if hash.is_some() { FILES } else { FILES - 1 }, "{name}");
        std::fs::write(&weights, &flipped).unwrap();
        let out = verify(&model, &signature, &public, &[]).ends(4).out;
        assert!(out.contains(&format!("weights.bin: its {words} is")), "{name}: {out}");
    }
}

/// Model, and for each signature: private key, file, and certificates from the leaf on, if any, with commas between. What
/// the command line of 0.2.0 did (`sign.py` of the repository, no part of the wheel).
const BY_0_2: &str = "
import pathlib, sys
from model_signing import model
from model_signing.hashing import file, memory
from model_signing.serialization import serialize_by_file
from model_signing.signature import key, pki
from model_signing.signing import in_toto, in_toto_signature
hasher = lambda path: file.SimpleFileHasher(path, memory.SHA256())
serializer = serialize_by_file.ManifestSerializer(file_hasher_factory=hasher)
for job in sys.argv[2:]:
    private, out, *certificates = job.split(',')
    if certificates:
        signer = pki.PKISigner.from_path(private, certificates[0], certificates[1:])
    else:
        signer = key.ECKeySigner.from_path(private)
    signer = in_toto_signature.IntotoSigner(signer)
    payload = in_toto.DigestsIntotoPayload.from_manifest
    model.sign(pathlib.Path(sys.argv[1]), signer, payload, serializer).write(pathlib.Path(out))
";

/// A model whose names Python escapes, in JSON and in bytes.
fn quoted(folder: &Folder) -> String {
    for (name, bytes) in
        [("it's", "1"), ("a\"b", "2"), ("Zürich/ß 🦀", "3"), ("empty", ""), ("weights.bin", "4")]
    {
        folder.write(&format!("m/{name}"), bytes);
    }
    format!("{}/m", folder.path())
}

#[test]
#[ignore = "needs model-signing-history: what 0.2.0 signs, on each curve and by certificate, verifies with --oms-v02 alone"]
fn what_model_signing_0_2_signs_verifies_only_where_it_is_asked_for() {
    let folder = Folder::new("peer-0.2");
    let model = quoted(&folder);
    let chain = chain(&folder, &[KeyUsagePurpose::DigitalSignature], (2025, 2080));
    let certified = format!("{}/certified.sig", folder.path());
    let mut jobs = vec![format!("{},{certified},{},{}", chain.key, chain.leaf, chain.between)];
    let mut signed = Vec::new();
    for curve in ["p256", "p384", "p521"] {
        let (key, public) = keys(&folder, curve, "pem", "");
        let signature = format!("{}/{curve}.sig", folder.path());
        jobs.push(format!("{key},{signature}"));
        signed.push((signature, ["--key".to_owned(), public]));
    }
    signed.push((certified, ["--ca".to_owned(), chain.root]));
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    python(BY_0_2, Some("0.2.0"), &[&[model.as_str()], &jobs[..]].concat());
    // The reader of today takes it too, where the hash is the curve's by chance.
    let (first, [_, public]) = &signed[0];
    assert!(model_signing(&["verify", "key", &model, "--signature", first, "--public_key", public]));
    for (signature, [option, file]) in &signed {
        let verify = |more: &[&str]| {
            let words = ["model", "verify", &model, "--signature", signature, option, file];
            run(&[&words[..], more].concat())
        };
        let told = |out: String| out.split_whitespace().collect::<Vec<_>>().join(" ");
        let refused = told(verify(&[]).ends(4).out);
        assert!(refused.contains("which counts with --oms-v02 alone"), "{refused}");
        let out = told(verify(&["--oms-v02"]).ends(0).out);
        assert!(out.contains("5 match") && out.contains("relaxed --oms-v02:"), "{out}");
        assert!(out.contains("note signed in the form of model-signing 0.2"), "{out}");
        std::fs::write(format!("{model}/it's"), "2").unwrap();
        let out = verify(&["--oms-v02"]).ends(4).out;
        assert!(out.contains("it's: its SHA-256 is"), "{out}");
        std::fs::write(format!("{model}/it's"), "1").unwrap();
        folder.write("m/new", "");
        assert!(verify(&["--oms-v02"]).ends(4).out.contains("new: there, and nobody signed it"));
        std::fs::remove_file(format!("{model}/new")).unwrap();
    }
    // Another key; and one file, which has no name there.
    let (signature, _) = &signed[1];
    let other = &signed[0].1[1];
    run(&["model", "verify", &model, "--signature", signature, "--key", other, "--oms-v02"]).ends(4);
    let one = folder.write("one.bin", "bytes");
    let key = format!("{}/p384-pem.key", folder.path());
    let alone = format!("{one}.sig");
    python(BY_0_2, Some("0.2.0"), &[&one, &format!("{key},{alone}")]);
    let out = run(&["model", "verify", &one, "--key", &signed[1].1[1], "--oms-v02"]).ends(0).out;
    assert!(out.contains("1 match") && out.contains("signed without a name"), "{out}");
}

/// Model, and for each signature private key and file, with a comma between. Its own `Config` cannot be made any more: it
/// asks a later sigstore for what that has under another name.
const BY_1_0: &str = "
import pathlib, sys
from model_signing import hashing
from model_signing._signing import sign_ec_key, signing
for job in sys.argv[2:]:
    private, out = map(pathlib.Path, job.split(','))
    payload = signing.Payload(hashing.Config().hash(pathlib.Path(sys.argv[1])))
    sign_ec_key.Signer(private).sign(payload).write(out)
";

#[test]
#[ignore = "needs model-signing-history: what 1.0.1 signs carries its key, which is compared and never trusted"]
fn what_model_signing_1_0_signs_verifies_by_the_key_that_is_given() {
    let folder = Folder::new("peer-1.0");
    let model = quoted(&folder);
    let (mut jobs, mut signed) = (Vec::new(), Vec::new());
    for curve in ["p256", "p384", "p521"] {
        let (key, public) = keys(&folder, curve, "pem", "");
        let signature = format!("{}/{curve}.sig", folder.path());
        jobs.push(format!("{key},{signature}"));
        signed.push((signature, public));
    }
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    python(BY_1_0, Some("1.0.1"), &[&[model.as_str()], &jobs[..]].concat());
    for (at, (signature, public)) in signed.iter().enumerate() {
        let bundle = std::fs::read_to_string(signature).unwrap();
        assert!(
            bundle.contains("rawBytes") && bundle.contains("keyDetails") && !bundle.contains("hint"),
            "{bundle}"
        );
        let out = verify(&model, signature, public, &[]).ends(0).out;
        assert!(out.contains("5 match") && !out.contains("relaxed"), "{out}");
        // The key that it carries is not asked: another one is given, and so the signature is nobody's.
        let (_, other) = &signed[(at + 1) % signed.len()];
        let out = verify(&model, signature, other, &[]).ends(4).out;
        let told = out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("is none of those given"), "{out}");
        // Details that are another key's.
        let wrong = if at == 0 { "PKIX_ECDSA_P384_SHA_384" } else { "PKIX_ECDSA_P256_SHA_256" };
        let mut lie: serde_json::Value = serde_json::from_str(&bundle).unwrap();
        lie["verificationMaterial"]["publicKey"]["keyDetails"] = wrong.into();
        let lie = folder.write("lie.sig", lie.to_string());
        verify(&model, &lie, public, &[]).ends(4);
    }
}
