//! cosign as the judge: of our bundles, of our key files, and as the writer of key files that we read.

use std::process::Command;
use std::process::Output;

use crate::keys;
use crate::model;
use crate::support::Folder;
use crate::support::run;
use crate::with_password;

const PREDICATE: &str = "https://model_signing/signature/v1.0";

/// The program that `cargo xtask install cosign` builds, with a home of its own: it keeps trust roots there.
fn cosign(folder: &Folder, arguments: &[&str]) -> Output {
    let program = std::env::var_os("RINGFENCE_COSIGN").expect("RINGFENCE_COSIGN names the program");
    let mut cosign = Command::new(program);
    cosign.args(arguments).current_dir(folder.path()).env_clear().env("HOME", folder.path());
    let output = cosign.env("COSIGN_PASSWORD", "secret").output().unwrap();
    eprintln!(
        "{arguments:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn accepts(folder: &Folder, arguments: &[&str]) -> bool {
    cosign(folder, arguments).status.success()
}

#[test]
#[ignore = "needs cosign: it accepts our bundles and refuses another digest, key, payload"]
fn cosign_accepts_our_bundle_and_refuses_another_digest() {
    for curve in ["p256", "p384", "p521"] {
        let folder = Folder::new(&format!("cosign-{curve}"));
        let model = model(&folder);
        let (key, public) = keys(&folder, curve, "pem", "");
        let (_, stranger) = keys(&folder, curve, "cosign", "secret");
        run(&["model", "sign", &model, "--key", &key]).ends(0);
        let told = run(&["model", "verify", &model, "--key", &public, "--format", "json"]).ends(0).json();
        let root = told["root"].as_str().unwrap();
        let bundle = format!("{model}/model.sig");
        let accepts = |bundle: &str, public: &str, root: &str| {
            accepts(
                &folder,
                &[
                    "verify-blob-attestation",
                    "--bundle",
                    bundle,
                    "--key",
                    public,
                    "--type",
                    PREDICATE,
                    "--digest",
                    root,
                    "--digestAlg",
                    "sha256",
                    "--insecure-ignore-tlog",
                ],
            )
        };
        assert!(accepts(&bundle, &public, root), "{curve}");
        assert!(!accepts(&bundle, &public, &"ab".repeat(32)), "{curve}: another digest");
        assert!(!accepts(&bundle, &stranger, root), "{curve}: another key");
        let changed =
            std::fs::read_to_string(&bundle).unwrap().replacen("\"payload\":\"e", "\"payload\":\"f", 1);
        let changed = folder.write("changed.sig", changed);
        assert!(!accepts(&changed, &public, root), "{curve}: another payload");
    }
}

#[test]
#[ignore = "needs cosign: it writes an encrypted key file, which signs for us"]
fn a_key_file_of_cosign_signs_for_us() {
    let folder = Folder::new("cosign-key");
    let model = model(&folder);
    assert!(accepts(&folder, &["generate-key-pair", "--output-key-prefix", "theirs"]));
    let path = |ending: &str| format!("{}/theirs.{ending}", folder.path());
    let text = std::fs::read_to_string(path("key")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"), "cosign encrypts");
    with_password(&["model", "sign", &model, "--key", &path("key")]).ends(0);
    run(&["model", "verify", &model, "--key", &path("pub")]).ends(0);
    let wrong = folder.write("wrong", "other");
    let ran = run(&["model", "sign", &model, "--key", &path("key"), "--password-file", &wrong]);
    assert!(ran.code == 2 && ran.err.contains("wrong password"), "{ran:#?}");
}

#[test]
#[ignore = "needs cosign: it opens our encrypted key files and signs with them"]
fn our_key_file_signs_for_cosign() {
    for curve in ["p256", "p384", "p521"] {
        let folder = Folder::new(&format!("cosign-our-key-{curve}"));
        let (key, public) = keys(&folder, curve, "cosign", "secret");
        let told = cosign(&folder, &["public-key", "--key", &key]);
        assert_eq!(String::from_utf8_lossy(&told.stdout), std::fs::read_to_string(&public).unwrap());
        let blob = folder.write("blob", "what is signed");
        let other = folder.write("other", "what is not");
        assert!(accepts(&folder, &["signing-config", "create", "--out", "no-log.json"]));
        let bundle = format!("{}/blob.sigstore.json", folder.path());
        let sign = &[
            "sign-blob",
            &blob,
            "--key",
            &key,
            "--bundle",
            &bundle,
            "--signing-config",
            "no-log.json",
            "--yes",
        ];
        assert!(accepts(&folder, sign), "{curve}");
        let verifies = |blob: &str| {
            let arguments =
                ["verify-blob", blob, "--key", &public, "--bundle", &bundle, "--insecure-ignore-tlog"];
            accepts(&folder, &arguments)
        };
        assert!(verifies(&blob) && !verifies(&other), "{curve}");
    }
}
