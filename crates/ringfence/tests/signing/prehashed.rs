//! Go's crypto/ed25519 as the signer of a SHA-512 (Ed25519ph): what model-transparency-go calls for every Ed25519 key.

use std::io::Write as _;
use std::process::Command;
use std::process::Stdio;

use serde_json::json;

use crate::FILES;
use crate::model;
use crate::openssl::Signed;
use crate::openssl::told;
use crate::support::Folder;
use crate::support::run;

/// Signs what it reads, and writes the public key beside it.
const SIGN: &str = r#"package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
)

func main() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	message, err := io.ReadAll(os.Stdin)
	check(err)
	var signed []byte
	if os.Args[1] == "prehashed" {
		digest := sha512.Sum512(message)
		signed, err = key.Sign(nil, digest[:], crypto.SHA512)
	} else {
		signed, err = key.Sign(nil, message, crypto.Hash(0))
	}
	check(err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	check(err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	check(os.WriteFile("go.pub", text, 0o644))
	_, err = os.Stdout.Write(signed)
	check(err)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
"#;

fn sign(folder: &Folder, how: &str, message: &[u8]) -> Vec<u8> {
    folder.write("sign.go", SIGN);
    let mut go = Command::new("go");
    go.args(["run", "sign.go", how]).current_dir(folder.path());
    go.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("GOFLAGS", "").env("GOPROXY", "off");
    let mut child = go.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{how}");
    output.stdout
}

#[test]
#[ignore = "needs go: it signs a SHA-512 with Ed25519, and the message itself with the same key"]
fn what_go_signs_in_two_ways_verifies_in_each_and_is_told() {
    let folder = Folder::new("prehashed");
    let model = model(&folder);
    let signed = Signed::new(&folder, &model);
    let path = |file: &str| format!("{}/{file}", folder.path());
    for (how, algorithm, details, other) in [
        ("prehashed", "OMS, Ed25519ph payload", "PKIX_ED25519_PH", "PKIX_ED25519"),
        ("plain", "OMS, Ed25519 payload", "PKIX_ED25519", "PKIX_ED25519_PH"),
    ] {
        let signature = sign(&folder, how, &signed.message);
        let public = std::fs::read_to_string(path("go.pub")).unwrap();
        let verify = |material: &serde_json::Value| {
            let file = signed.with(&folder, material.clone(), &signature);
            run(&["model", "verify", &model, "--signature", &file, "--key", &path("go.pub")])
        };
        // As model-transparency-go writes it: nothing says in which way.
        let key = ringfence_attest::PublicKey::read(public.as_bytes()).unwrap();
        let out = told(&verify(&json!({"publicKey": {"hint": key.hint()}})).ends(0));
        assert!(out.contains(algorithm) && out.contains(&format!("{FILES} match")), "{how}: {out}");
        let carried = |details: &str| {
            let pem = crate::openssl::base64(&folder, public.as_bytes());
            json!({"publicKey": {"rawBytes": pem, "keyDetails": details}})
        };
        verify(&carried(details)).ends(0);
        let out = told(&verify(&carried(other)).ends(4));
        assert!(out.contains("not a signature of this payload"), "{how}: {out}");
        std::fs::write(format!("{model}/a/b"), "0ne").unwrap();
        verify(&carried(details)).ends(4);
        std::fs::write(format!("{model}/a/b"), "one").unwrap();
    }
}
