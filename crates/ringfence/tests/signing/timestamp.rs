//! OpenSSL as the authority that tells the time (RFC 3161), of what we and cosign sign; and what of it is refused.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::FILES;
use crate::cosign::accepts;
use crate::keys;
use crate::model;
use crate::openssl::base64;
use crate::openssl::openssl;
use crate::openssl::told;
use crate::refused;
use crate::support::Folder;
use crate::support::Ran;
use crate::support::run;

const CONFIG: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = time root
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[clock]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
serial = ./serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha1, sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
";

const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const CURVE: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];

/// `root.pem` and `clock.pem` with keys of this kind, in the folder.
fn authority(folder: &Folder, kind: &[&str]) {
    folder.write("tsa.cnf", CONFIG);
    folder.write("v2.cnf", format!("{CONFIG}ess_cert_id_alg = sha256\n"));
    for name in ["time", "clock"] {
        openssl(folder, &[&["genpkey", "-out", &format!("{name}.key")], kind].concat(), &[]);
    }
    let own = ["req", "-x509", "-new", "-key", "time.key", "-days", "3", "-extensions", "authority"];
    openssl(folder, &[&own[..], &["-out", "time.pem", "-config", "tsa.cnf"]].concat(), &[]);
    let request = ["req", "-new", "-key", "clock.key", "-subj", "/CN=clock", "-out", "clock.csr"];
    openssl(folder, &[&request[..], &["-config", "tsa.cnf"]].concat(), &[]);
    let issue = ["x509", "-req", "-in", "clock.csr", "-CA", "time.pem", "-CAkey", "time.key", "-days", "2"];
    let to = ["-set_serial", "2", "-extfile", "tsa.cnf", "-extensions", "clock", "-out", "clock.pem"];
    openssl(folder, &[&issue[..], &to].concat(), &[]);
}

/// What the authority answers to a query.
fn reply(folder: &Folder, query: &[u8], config: &str) -> Vec<u8> {
    folder.write("query", query);
    let reply = ["ts", "-reply", "-config", config, "-section", "tsa", "-queryfile", "query"];
    openssl(folder, &[&reply[..], &["-inkey", "clock.key", "-signer", "clock.pem"]].concat(), &[])
}

/// A timestamp of these bytes.
fn stamp(folder: &Folder, bytes: &[u8], query: &[&str], config: &str) -> Vec<u8> {
    folder.write("stamped", bytes);
    let query = openssl(folder, &[&["ts", "-query", "-data", "stamped"], query].concat(), &[]);
    reply(folder, &query, config)
}

/// A bundle, and the signature in it.
fn bundle(folder: &Folder, file: &str) -> (Value, Vec<u8>) {
    let bundle: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap();
    let signature = openssl(folder, &["base64", "-d", "-A"], signature.as_bytes());
    (bundle, signature)
}

/// A signature file with these timestamps.
fn stamped(folder: &Folder, bundle: &Value, responses: &[&[u8]]) -> String {
    let list: Vec<Value> =
        responses.iter().map(|bytes| json!({"signedTimestamp": base64(folder, bytes)})).collect();
    let mut bundle = bundle.clone();
    bundle["verificationMaterial"]["timestampVerificationData"] = json!({"rfc3161Timestamps": list});
    folder.write("stamped.sig", bundle.to_string())
}

/// Verified, and told so: at what time it is, the file knows alone.
#[track_caller]
fn says_when(ran: &Ran) {
    let out = told(ran);
    assert!(ran.code == 0 && out.contains(&format!("{FILES} match")), "{ran:#?}");
    assert!(out.contains("Z or before, says clock"), "{out}");
}

#[test]
#[ignore = "needs openssl: its timestamps of our signature tell when it was there, and no broken one passes"]
fn what_openssl_stamps_says_when_and_everything_else_fails() {
    let folder = Folder::new("stamp-openssl");
    let model = model(&folder);
    let (key, public) = keys(&folder, "p256", "pem", "");
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    let (good, signature) = bundle(&folder, &format!("{model}/model.sig"));
    let path = |file: &str| format!("{}/{file}", folder.path());
    let verify = |file: &str, tsa: &str| {
        run(&["model", "verify", &model, "--signature", file, "--key", &public, "--tsa-ca", &path(tsa)])
    };
    for kind in [RSA, CURVE] {
        authority(&folder, kind);
        let sound = stamp(&folder, &signature, &["-sha256", "-cert"], "v2.cnf");
        let file = stamped(&folder, &good, &[&sound]);
        says_when(&verify(&file, "time.pem"));
        says_when(&verify(
            &stamped(&folder, &good, &[&stamp(&folder, &signature, &["-sha512", "-cert"], "v2.cnf")]),
            "time.pem",
        ));
        // Without a certificate in it, it is the one that is given.
        let bare = stamp(&folder, &signature, &["-sha256"], "v2.cnf");
        let file = stamped(&folder, &good, &[&bare]);
        says_when(&verify(&file, "clock.pem"));
        assert!(told(&verify(&file, "time.pem").ends(4)).contains("is neither in it nor among those"));
        let ignored =
            told(&run(&["model", "verify", &model, "--signature", &file, "--key", &public]).ends(0));
        assert!(ignored.contains("its timestamp was not looked at"), "{ignored}");
        for (responses, words) in [
            (
                vec![stamp(&folder, b"another", &["-sha256", "-cert"], "v2.cnf")],
                "a timestamp of something else than this signature",
            ),
            (vec![stamp(&folder, &signature, &["-sha1", "-cert"], "v2.cnf")], "damaged: its TSTInfo"),
            (vec![stamp(&folder, &signature, &["-sha256", "-cert"], "tsa.cnf")], "signingCertificateV2"),
            (vec![reply(&folder, b"no query", "v2.cnf")], "the authority granted no timestamp"),
            (vec![sound.clone(), sound.clone()], "exactly one item was expected, not 2"),
        ] {
            let responses: Vec<&[u8]> = responses.iter().map(Vec::as_slice).collect();
            let out = told(&verify(&stamped(&folder, &good, &responses), "time.pem").ends(4));
            assert!(out.contains(words), "no `{words}` in {out}");
        }
        every_byte(&sound, &signature, &std::fs::read(path("time.pem")).unwrap());
    }
}

/// Each byte of a response changed: refused, or it says the same.
fn every_byte(sound: &[u8], signature: &[u8], root: &[u8]) {
    let given = ringfence_attest::certificates(root).unwrap();
    let tsa = ringfence_attest::TimeAuthorities::new(given).unwrap();
    let honest = tsa.verify(sound, signature, u64::MAX).unwrap();
    let mut harmless = 0;
    for at in 0..sound.len() {
        for bit in [0x01, 0x08, 0x80] {
            let mut changed = sound.to_vec();
            changed[at] ^= bit;
            match tsa.verify(&changed, signature, u64::MAX) {
                Ok(told) => {
                    assert_eq!(told, honest, "byte {at}");
                    harmless += 1;
                }
                Err(why) => assert!(!why.is_empty()),
            }
        }
    }
    // The status; with RSA also the name of what it signs with, which says the hash once more or leaves it out.
    assert!((1..=4).contains(&harmless), "{harmless} changes");
}

/// Certificate and key of a signer who ends after `seconds`, and of its authority.
fn short_lived(folder: &Folder, seconds: i64) -> [String; 3] {
    let (mut root, root_key) = (rcgen::CertificateParams::default(), rcgen::KeyPair::generate().unwrap());
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = root.self_signed(&root_key).unwrap();
    let (mut leaf, leaf_key) = (rcgen::CertificateParams::default(), rcgen::KeyPair::generate().unwrap());
    leaf.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let end = i64::try_from(since.as_secs()).unwrap() + seconds;
    leaf.not_after = rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(end.unsigned_abs());
    let leaf = leaf.signed_by(&leaf_key, &rcgen::Issuer::new(root, root_key)).unwrap();
    [
        folder.write("signer-root.pem", certificate.pem()),
        folder.write("signer.pem", leaf.pem()),
        folder.write("signer.key", leaf_key.serialize_pem()),
    ]
}

#[test]
#[ignore = "needs openssl: a certificate ends, and what it signed before verifies by the timestamp alone"]
fn what_was_signed_before_the_certificate_ended_verifies_by_its_timestamp() {
    let folder = Folder::new("stamp-expired");
    let model = model(&folder);
    authority(&folder, CURVE);
    let [root, certificate, key] = short_lived(&folder, 4);
    run(&["model", "sign", &model, "--key", &key, "--cert", &certificate]).ends(0);
    let (good, signature) = bundle(&folder, &format!("{model}/model.sig"));
    let response = stamp(&folder, &signature, &["-sha256", "-cert"], "v2.cnf");
    let file = stamped(&folder, &good, &[&response]);
    let by_clock = || run(&["model", "verify", &model, "--signature", &file, "--ca", &root]);
    let out = loop {
        let ran = by_clock();
        if ran.code != 0 {
            break told(&ran.ends(4));
        }
    };
    assert!(out.contains("the first certificate is valid from"), "{out}");
    let tsa = format!("{}/time.pem", folder.path());
    let verify = |file: &str, more: &[&str]| {
        let given = ["model", "verify", &model, "--signature", file, "--ca", &root, "--tsa-ca", &tsa];
        run(&[&given[..], more].concat())
    };
    let ran = verify(&file, &[]);
    says_when(&ran);
    assert!(told(&ran).contains("certificates were judged as of then"), "{ran:#?}");
    // A timestamp of now is too late, and a time that is asked for wins.
    let late = stamp(&folder, &signature, &["-sha256", "-cert"], "v2.cnf");
    verify(&stamped(&folder, &good, &[&late]), &[]).ends(4);
    let file = stamped(&folder, &good, &[&response]);
    verify(&file, &["--at", "2100-01-01"]).ends(4);
    // The same by the configuration; for another signer nobody tells the time.
    let config = |tsa: &str| {
        let signer = format!("{{name: build, scheme: oms, ca: {root}, repos: [\"**\"]{tsa}}}");
        folder.write("trust.yaml", format!("signers:\n- {signer}\n"))
    };
    let by = |config: &str| run(&["model", "verify", &model, "--signature", &file, "--config", config]);
    says_when(&by(&config(&format!(", tsa: {tsa}"))));
    by(&config("")).ends(4);
}

#[test]
fn who_tells_the_time_is_said_beside_whom_to_trust_and_is_a_certificate() {
    let folder = Folder::new("stamp-usage");
    let model = model(&folder);
    let (key, public) = keys(&folder, "p256", "pem", "");
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    let verify = |more: &[&str]| run(&[&["model", "verify", &model], more].concat());
    refused(&verify(&["--key", &public, "--tsa-ca", &public]), &["--tsa-ca", "no certificate in it"]);
    refused(&verify(&["--key", &public, "--tsa-ca", "nowhere.pem"]), &["--tsa-ca nowhere.pem"]);
    let config = |tsa: &str| {
        let signer = format!("{{name: release, scheme: oms, key: {public}, repos: [\"**\"]{tsa}}}");
        folder.write("trust.yaml", format!("signers:\n- {signer}\n"))
    };
    let plain = config("");
    refused(
        &verify(&["--config", &plain, "--tsa-ca", &public]),
        &["--tsa-ca: ", "with `tsa` also of the time"],
    );
    verify(&["--config", &plain]).ends(0);
    let wrong = config(&format!(", tsa: {public}"));
    refused(&verify(&["--config", &wrong]), &["signer release: tsa", "no certificate in it"]);
    let [root, ..] = short_lived(&folder, 60);
    let out = told(&verify(&["--key", &public, "--tsa-ca", &root]).ends(0));
    assert!(out.contains("there is no timestamp in it"), "{out}");
}

/// Answers queries by HTTP, as Sigstore's clients ask.
fn serve(listener: &TcpListener, folder: &Folder) {
    while let Ok((mut stream, _)) = listener.accept() {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).unwrap() > 2 {
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut query = vec![0; length];
        reader.read_exact(&mut query).unwrap();
        let response = reply(folder, &query, "v2.cnf");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            response.len()
        );
        stream.write_all(&[head.as_bytes(), &response].concat()).unwrap();
    }
}

#[test]
#[ignore = "needs cosign: it signs our statement with its own client of timestamps"]
fn what_cosign_signs_and_has_stamped_verifies() {
    let folder = Arc::new(Folder::new("stamp-cosign"));
    let model = model(&folder);
    authority(&folder, RSA);
    let (key, public) = keys(&folder, "p256", "cosign", "secret");
    let (plain, _) = keys(&folder, "p256", "pem", "");
    // The statement is ours, whoever signs it.
    run(&["model", "sign", &model, "--key", &plain]).ends(0);
    let (ours, _) = bundle(&folder, &format!("{model}/model.sig"));
    let statement = ours["dsseEnvelope"]["payload"].as_str().unwrap();
    folder.write("statement", openssl(&folder, &["base64", "-d", "-A"], statement.as_bytes()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let service = json!([{"url": format!("http://{at}"), "majorApiVersion": 1, "operator": "test", "validFor": {"start": "2024-01-01T00:00:00Z"}}]);
    let config = json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "rekorTlogConfig": {},
        "tsaUrls": service,
        "tsaConfig": {"selector": "ANY"},
    });
    folder.write("signing-config", config.to_string());
    let file = format!("{}/theirs.sig", folder.path());
    let sign = ["attest-blob", "--statement", "statement", "--key", &key, "--yes", "--bundle", &file];
    // Nobody waits for it: it ends with the test.
    let served = Arc::clone(&folder);
    std::thread::spawn(move || serve(&listener, &served));
    assert!(accepts(&folder, &[&sign[..], &["--signing-config", "signing-config"]].concat()));
    let (theirs, signature) = bundle(&folder, &file);
    let path = |file: &str| format!("{}/{file}", folder.path());
    let verify = |file: &str| {
        let given = ["--signature", file, "--key", &public, "--tsa-ca"];
        run(&[&["model", "verify", &model], &given[..], &[&path("clock.pem")]].concat())
    };
    says_when(&verify(&file));
    let other = stamp(&folder, b"another", &["-sha256"], "v2.cnf");
    verify(&stamped(&folder, &theirs, &[&other])).ends(4);
    says_when(&verify(&stamped(&folder, &theirs, &[&stamp(&folder, &signature, &["-sha256"], "v2.cnf")])));
}
