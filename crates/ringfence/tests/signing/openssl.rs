//! OpenSSL as the signer: RSA and Ed25519, by key and by certificate, as model-transparency-go signs (PKCS#1 v1.5, SHA-256).

use std::io::Write as _;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::FILES;
use crate::keys;
use crate::model;
use crate::refused;
use crate::support::Folder;
use crate::support::Ran;
use crate::support::run;

/// What openssl says, in the folder, of these bytes.
pub(crate) fn openssl(folder: &Folder, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut openssl = Command::new("openssl");
    openssl.args(arguments).current_dir(folder.path()).stdin(Stdio::piped());
    let mut child = openssl.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Some commands end without a look at it; what is wrong then they say by their code.
    _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn words(out: &[u8]) -> String {
    String::from_utf8(out.to_vec()).unwrap().trim().to_owned()
}

pub(crate) fn base64(folder: &Folder, bytes: &[u8]) -> String {
    words(&openssl(folder, &["base64", "-A"], bytes))
}

/// A screen without its line breaks.
pub(crate) fn told(ran: &Ran) -> String {
    ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A bundle that we signed with another key: what it says is signed anew.
pub(crate) struct Signed {
    bundle: Value,
    /// What a signature is over (DSSE v1).
    pub(crate) message: Vec<u8>,
}

impl Signed {
    pub(crate) fn new(folder: &Folder, model: &str) -> Self {
        let (key, _) = keys(folder, "p256", "pem", "");
        let file = format!("{}/ours.sig", folder.path());
        run(&["model", "sign", model, "--key", &key, "--out", &file]).ends(0);
        let bundle: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
        let payload = openssl(folder, &["base64", "-d", "-A"], payload.as_bytes());
        let mut message = format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len()).into_bytes();
        message.extend(payload);
        folder.write("message", &message);
        Self { bundle, message }
    }

    /// A signature file with this material, signed by openssl with these arguments.
    fn by(&self, folder: &Folder, material: Value, arguments: &[&str]) -> String {
        self.with(folder, material, &openssl(folder, arguments, &self.message))
    }

    /// A signature file with this material and this signature.
    pub(crate) fn with(&self, folder: &Folder, material: Value, signature: &[u8]) -> String {
        let mut bundle = self.bundle.clone();
        bundle["verificationMaterial"] = material;
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64(folder, signature).into();
        folder.write("theirs.sig", bundle.to_string())
    }
}

/// A new key of this kind: files of both halves, and the hint that names it.
fn key(folder: &Folder, name: &str, kind: &[&str]) -> (String, String, Value) {
    let (private, public) = (format!("{name}.key"), format!("{name}.pub"));
    openssl(folder, &[&["genpkey", "-out", &private], kind].concat(), &[]);
    openssl(folder, &["pkey", "-in", &private, "-pubout", "-out", &public], &[]);
    let hint = words(&openssl(folder, &["dgst", "-sha256", "-r", &public], &[]));
    let hint = hint.split_whitespace().next().unwrap();
    let path = |file: &str| format!("{}/{file}", folder.path());
    (path(&private), path(&public), json!({"publicKey": {"hint": hint}, "tlogEntries": []}))
}

#[test]
#[ignore = "needs openssl: it signs with RSA of each size and with Ed25519, and other paddings and hashes are refused"]
fn what_openssl_signs_by_rsa_and_ed25519_verifies_by_one_padding_and_hash() {
    let folder = Folder::new("openssl-kinds");
    let model = model(&folder);
    let signed = Signed::new(&folder, &model);
    let verify = |signature: &str, public: &str| {
        run(&["model", "verify", &model, "--signature", signature, "--key", public])
    };
    for bits in ["2048", "3072", "4096"] {
        let option = format!("rsa_keygen_bits:{bits}");
        let (private, public, material) = key(&folder, bits, &["-algorithm", "RSA", "-pkeyopt", &option]);
        let by = |how: &[&str]| {
            signed.by(&folder, material.clone(), &[&["dgst"], how, &["-sign", &private]].concat())
        };
        let good = by(&["-sha256"]);
        let out = told(&verify(&good, &public).ends(0));
        assert!(out.contains("OMS, RSA") && out.contains(&format!("{FILES} match")), "{bits}: {out}");
        // The same key in the form of PKCS#1.
        let bare = format!("{}/{bits}-bare.pub", folder.path());
        openssl(&folder, &["rsa", "-pubin", "-in", &public, "-RSAPublicKey_out", "-out", &bare], &[]);
        verify(&good, &bare).ends(0);
        std::fs::write(format!("{model}/a/b"), "0ne").unwrap();
        verify(&good, &public).ends(4);
        std::fs::write(format!("{model}/a/b"), "one").unwrap();
        for other in [
            &["-sha512"][..],
            &["-sha256", "-sigopt", "rsa_padding_mode:pss"],
            &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
        ] {
            let out = told(&verify(&by(other), &public).ends(4));
            assert!(out.contains("not a signature of this payload"), "{bits} {other:?}: {out}");
        }
    }
    let (private, public, material) = key(&folder, "edwards", &["-algorithm", "ED25519"]);
    let sign = ["pkeyutl", "-sign", "-rawin", "-in", "message", "-inkey", &private];
    let good = signed.by(&folder, material, &sign);
    assert!(told(&verify(&good, &public).ends(0)).contains("OMS, Ed25519"));
    let other = format!("{}/2048.pub", folder.path());
    assert!(told(&verify(&good, &other).ends(4)).contains("none of those given"));
}

#[test]
#[ignore = "needs openssl: its RSA keys are trusted by ringfence.yaml, too small ones are refused, and none signs"]
fn an_rsa_key_is_trusted_by_its_size_and_never_signs() {
    let folder = Folder::new("openssl-trust");
    let model = model(&folder);
    let signed = Signed::new(&folder, &model);
    let (private, public, material) = key(&folder, "release", &["-algorithm", "RSA"]);
    let good = signed.by(&folder, material, &["dgst", "-sha256", "-sign", &private]);
    let config = format!("signers:\n- {{name: release, scheme: oms, key: {public}, repos: [\"**\"]}}\n");
    let config = folder.write("trust.yaml", config);
    let out = told(&run(&["model", "verify", &model, "--signature", &good, "--config", &config]).ends(0));
    assert!(out.contains("release: key sha256:"), "{out}");
    let (small, small_public, _) =
        key(&folder, "small", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    refused(
        &run(&["model", "verify", &model, "--signature", &good, "--key", &small_public]),
        &["small.pub: an RSA key of 1024 bits: 2048 to 4096 are verified"],
    );
    let (edwards, _, _) = key(&folder, "edwards", &["-algorithm", "ED25519"]);
    for (file, name) in [(&private, "RSA"), (&small, "RSA"), (&edwards, "Ed25519")] {
        let words = format!("a key of {name}, which Ringfence verifies and never signs with");
        refused(&run(&["model", "sign", &model, "--key", file]), &[&words, "`ringfence model keygen`"]);
    }
}

const CONFIG: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = root
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[leaf]
keyUsage = critical, digitalSignature
";

/// Certificate of an authority and of a leaf, with keys of these kinds: files of the root, the leaf, and of the leaf's key.
fn certify(folder: &Folder, root: &[&str], leaf: &[&str]) -> [String; 3] {
    folder.write("openssl.cnf", CONFIG);
    for (name, kind) in [("root", root), ("leaf", leaf)] {
        openssl(folder, &[&["genpkey", "-out", &format!("{name}.key")], kind].concat(), &[]);
    }
    let config = ["-config", "openssl.cnf"];
    let authority = [
        "req",
        "-x509",
        "-new",
        "-key",
        "root.key",
        "-days",
        "3",
        "-extensions",
        "authority",
        "-out",
        "root.pem",
    ];
    openssl(folder, &[&authority[..], &config].concat(), &[]);
    let request = ["req", "-new", "-key", "leaf.key", "-subj", "/CN=release 2026", "-out", "leaf.csr"];
    openssl(folder, &[&request[..], &config].concat(), &[]);
    let issue =
        ["x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2"];
    let leaf = ["-days", "2", "-extfile", "openssl.cnf", "-extensions", "leaf", "-out", "leaf.pem"];
    openssl(folder, &[&issue[..], &leaf].concat(), &[]);
    ["root.pem", "leaf.pem", "leaf.key"].map(|file| format!("{}/{file}", folder.path()))
}

#[test]
#[ignore = "needs openssl: leaves and authorities with RSA and Ed25519, and none that is too small"]
fn certificates_with_rsa_and_ed25519_verify_from_2048_bits_on() {
    const EDWARDS: &[&str] = &["-algorithm", "ED25519"];
    const CURVE: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    const SMALL: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
    let folder = Folder::new("openssl-chain");
    let model = model(&folder);
    let signed = Signed::new(&folder, &model);
    for (root, leaf, expected) in [
        (RSA, RSA, Ok("OMS, RSA")),
        (RSA, CURVE, Ok("OMS, P-256")),
        (CURVE, EDWARDS, Ok("OMS, Ed25519")),
        (EDWARDS, RSA, Ok("OMS, RSA")),
        (CURVE, SMALL, Err("an RSA key of 1024 bits: 2048 to 4096 are verified")),
        (SMALL, CURVE, Err("root has an RSA key of 1024 bits")),
    ] {
        let [root, certificate, key] = certify(&folder, root, leaf);
        let der = openssl(&folder, &["x509", "-in", &certificate, "-outform", "DER"], &[]);
        let der = words(&openssl(&folder, &["base64", "-A"], &der));
        let material =
            json!({"x509CertificateChain": {"certificates": [{"rawBytes": der}]}, "tlogEntries": []});
        let edwards = ["pkeyutl", "-sign", "-rawin", "-in", "message", "-inkey", &key];
        let other = ["dgst", "-sha256", "-sign", &key];
        let how: &[&str] = if leaf == EDWARDS { &edwards } else { &other };
        let signature = signed.by(&folder, material, how);
        let verify = run(&["model", "verify", &model, "--signature", &signature, "--ca", &root]);
        let code = if expected.is_ok() { 0 } else { 4 };
        let out = told(&verify.ends(code));
        let (Ok(words) | Err(words)) = expected;
        assert!(out.contains(words), "no `{words}` in {out}");
    }
}
