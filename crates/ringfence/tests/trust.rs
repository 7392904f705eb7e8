//! `ringfence.yaml` through the real binary: whom `model verify` trusts without a flag, and what never decides it.
#![cfg(feature = "signing")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

#[path = "trust/named.rs"]
mod named;
mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;
use ringfence_attest::Sha256;
use support::Folder;
use support::Ran;
use support::command;
use support::run;

/// A key pair in a folder: `NAME.key` and `NAME.pub`.
fn keygen(folder: &Folder, name: &str) -> String {
    let (prefix, empty) = (format!("{}/{name}", folder.path()), folder.write("empty", ""));
    run(&["model", "keygen", "--key-format", "pem", "--out", &prefix, "--password-file", &empty]).ends(0);
    format!("{prefix}.key")
}

/// A model of one file at `at`, signed with `key`.
fn signed(folder: &Folder, at: &str, key: &str) -> String {
    folder.write(&format!("{at}/weights.bin"), at);
    let path = format!("{}/{at}", folder.path());
    run(&["model", "sign", &path, "--key", key]).ends(0);
    path
}

/// Verifies from the folder `from` of the test.
fn verify(folder: &Folder, from: &str, arguments: &[&str]) -> Ran {
    let from = Path::new(folder.path()).join(from);
    command(&[&["model", "verify"], arguments].concat()).current_dir(from).output().unwrap().into()
}

/// Ends with 2, nothing on stdout, and these words on stderr.
#[track_caller]
fn refused(ran: &Ran, words: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
    assert!(ran.err.contains(words), "no `{words}` in {}", ran.err);
}

/// A project with a configuration, two signers and a model of each.
fn project(name: &str) -> Folder {
    let folder = Folder::new(name);
    keys_folder(&folder);
    let (release, toys) = (keygen(&folder, "keys/release"), keygen(&folder, "keys/toys"));
    folder.write(
        "ringfence.yaml",
        "signers:\n- {name: release, scheme: oms, key: keys/release.pub, repos: [\"acme/*\"]}\n- {name: toys, scheme: oms, key: keys/toys.pub, repos: [\"toys/*\"]}\n",
    );
    signed(&folder, "acme/llama", &release);
    signed(&folder, "toys/bear", &toys);
    folder.write("sub/deep/file", "");
    folder
}

fn keys_folder(folder: &Folder) {
    support::folders(Path::new(&format!("{}/keys", folder.path())));
}

#[test]
fn daily_use_needs_no_flags() {
    let folder = project("trust-daily");
    let config = std::fs::read(format!("{}/ringfence.yaml", folder.path())).unwrap();
    let out = verify(&folder, "", &["acme/llama"]).ends(0).out;
    let policy = format!("ringfence.yaml (sha256:{})", Sha256::of(&config));
    for part in ["VERIFIED", &policy, "any of release", "release: key sha256:"] {
        assert!(out.replace("\n              ", " ").contains(part), "no `{part}` in {out}");
    }
    verify(&folder, "sub/deep", &["../../acme/llama"]).ends(0);
    verify(&folder, "", &["toys/bear"]).ends(0);
    // The signer of one is nobody for the other, whatever key has signed.
    std::fs::create_dir_all(format!("{}/else", folder.path())).unwrap();
    std::fs::rename(format!("{}/toys/bear", folder.path()), format!("{}/acme/bear", folder.path())).unwrap();
    assert!(verify(&folder, "", &["acme/bear"]).ends(4).out.contains("names the key"));
    verify(&folder, "", &["acme/bear", "--repo", "toys/bear"]).ends(0);
    std::fs::rename(format!("{}/acme/bear", folder.path()), format!("{}/else/bear", folder.path())).unwrap();
    let none = verify(&folder, "", &["else/bear", "--format", "json"]).ends(4).json();
    assert_eq!(none["reasons"][0]["kind"], "no-signer");
    assert_eq!(none["policy"]["repo"], "else/bear");
    let schema =
        std::fs::read_to_string(support::root().join("docs/schema/model-verify.v1.schema.json")).unwrap();
    let schema = serde_json::from_str(&schema).unwrap();
    let good = verify(&folder, "", &["acme/llama", "--format", "json"]).ends(0).json();
    for document in [&none, &good] {
        assert!(jsonschema::validator_for(&schema).unwrap().is_valid(document), "{document}");
    }
    assert_eq!(
        (&good["signedBy"]["signer"], &good["signers"][0]["signer"]),
        (&"release".into(), &"release".into())
    );
    // Flags win, and then the file is not read at all.
    let wins = verify(&folder, "", &["acme/llama", "--key", "keys/toys.pub"]).ends(4).out;
    assert!(!wins.contains("ringfence.yaml"), "{wins}");
    folder.write("ringfence.yaml", "broken: [");
    verify(&folder, "", &["acme/llama", "--key", "keys/release.pub"]).ends(0);
}

#[test]
fn a_result_takes_the_place_of_nothing_that_says_whom_to_trust() {
    let folder = project("trust-result");
    for file in ["ringfence.yaml", "keys/release.pub"] {
        let place = format!("{}/{file}", folder.path());
        let before = std::fs::read(&place).unwrap();
        let ran = verify(&folder, "sub", &["../acme/llama", "-q", "-o", &format!("../{file}")]);
        refused(&ran, "which this call reads");
        assert_eq!(std::fs::read(&place).unwrap(), before);
    }
    // What is not read for this model is in nobody's way.
    verify(&folder, "", &["acme/llama", "-q", "-o", "keys/none.pub"]).ends(0);
}

#[test]
fn what_is_verified_never_decides_whom_to_trust() {
    let folder = Folder::new("trust-inside");
    keys_folder(&folder);
    let evil = keygen(&folder, "keys/evil");
    let own = "signers:\n- {name: evil, scheme: oms, key: evil.pub, repos: [\"**\"]}\n";
    folder.write("dl/evil/ringfence.yaml", own);
    std::fs::copy(format!("{}/keys/evil.pub", folder.path()), format!("{}/dl/evil/evil.pub", folder.path()))
        .unwrap();
    let model = signed(&folder, "dl/evil", &evil);
    // With the key on the command line it is a sound model: only whom to trust is in question.
    verify(&folder, "", &["dl/evil", "--key", "keys/evil.pub"]).ends(0);
    refused(&verify(&folder, "", &["dl/evil"]), "dl/evil/ringfence.yaml decides nothing");
    refused(&verify(&folder, "dl/evil", &["."]), "ringfence.yaml decides nothing");
    refused(&verify(&folder, "dl/evil", &["weights.bin"]), "ringfence.yaml decides nothing");
    refused(&verify(&folder, "", &["dl/evil/weights.bin"]), "dl/evil/ringfence.yaml decides nothing");
    signed(&folder, "dl/evil/sub", &evil);
    refused(&verify(&folder, "", &["dl/evil/sub"]), "dl/evil/ringfence.yaml decides nothing");
    refused(&verify(&folder, "dl/evil/sub", &["."]), "dl/evil/ringfence.yaml decides nothing");
    std::fs::remove_dir_all(format!("{model}/sub")).unwrap();
    refused(&verify(&folder, "", &["dl/evil", "--config", "dl/evil/ringfence.yaml"]), "lies inside of what");
    // Neither by a link, nor by a key that a sound file fetches from there.
    std::os::unix::fs::symlink("dl/evil/ringfence.yaml", format!("{}/ringfence.yaml", folder.path()))
        .unwrap();
    refused(&verify(&folder, "", &["dl/evil"]), "lies inside of what");
    std::fs::remove_file(format!("{}/ringfence.yaml", folder.path())).unwrap();
    folder.write("ringfence.yaml", own.replace("evil.pub", "dl/evil/evil.pub"));
    refused(&verify(&folder, "", &["dl/evil"]), "signer evil: key");
    // The one that counts says no, and that the other was there.
    let release = keygen(&folder, "keys/release");
    assert!(release.ends_with("release.key"));
    folder.write("ringfence.yaml", own.replace("evil.pub", "keys/release.pub"));
    let out = verify(&folder, "", &["dl/evil"]).ends(4).out;
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("decides nothing"), "{out}");
}

/// A download as a hub's cache holds it: the snapshot has links alone, what they lead to lies elsewhere.
fn cache(folder: &Folder) -> String {
    keys_folder(folder);
    let key = keygen(folder, "keys/evil");
    let public = std::fs::read(format!("{}/keys/evil.pub", folder.path())).unwrap();
    let own = "signers:\n- {name: evil, scheme: oms, key: evil.pub, repos: [\"**\"]}\n";
    folder.write("hub/blobs/weights.bin", "x");
    folder.write("hub/blobs/ringfence.yaml", own);
    folder.write("hub/blobs/evil.pub", public);
    std::fs::create_dir_all(format!("{}/hub/snapshots/abc", folder.path())).unwrap();
    for name in ["weights.bin", "ringfence.yaml", "evil.pub"] {
        let link = format!("{}/hub/snapshots/abc/{name}", folder.path());
        std::os::unix::fs::symlink(format!("../../blobs/{name}"), link).unwrap();
    }
    key
}

#[test]
fn a_cache_of_links_decides_nothing_where_one_stands_in_it() {
    let folder = Folder::new("trust-cache");
    let key = cache(&folder);
    let file = format!("{}/hub/snapshots/abc/weights.bin", folder.path());
    let signature = format!("{}/hub/snapshots/abc/weights.bin.sig", folder.path());
    run(&["model", "sign", &file, "--key", &key, "--out", &signature]).ends(0);
    let arguments = ["weights.bin", "--signature", "weights.bin.sig"];
    let key = "../../../keys/evil.pub";
    verify(&folder, "hub/snapshots/abc", &[&arguments[..], &["--key", key]].concat()).ends(0);
    let words = "hub/snapshots/abc/ringfence.yaml decides nothing";
    refused(&verify(&folder, "hub/snapshots/abc", &arguments), words);
    // Nor where it stands in the folder that is loaded from.
    let by_path = ["../snapshots/abc/weights.bin", "--signature", &signature];
    refused(&verify(&folder, "hub/blobs", &by_path), "hub/blobs/ringfence.yaml decides nothing");
}

#[test]
fn a_named_file_that_came_with_what_is_judged_is_refused() {
    let folder = Folder::new("trust-beside");
    cache(&folder);
    let (file, whole) = ("hub/snapshots/abc/weights.bin", "hub/snapshots/abc");
    // Where it was typed, and where it lies.
    for config in ["hub/snapshots/abc/ringfence.yaml", "hub/blobs/ringfence.yaml"] {
        refused(&verify(&folder, "", &[file, "--config", config]), "lies inside of what");
    }
    // A link out of the folder is as much the folder's word as a file in it, also as a folder on the way.
    refused(&verify(&folder, "", &[whole, "--config", "hub/snapshots/abc/ringfence.yaml"]), "lies inside of");
    std::os::unix::fs::symlink("../../blobs", format!("{}/hub/snapshots/abc/conf", folder.path())).unwrap();
    let by_folder = "hub/snapshots/abc/conf/ringfence.yaml";
    refused(&verify(&folder, "", &[whole, "--config", by_folder]), "lies inside of");
    // Standing there makes it no better.
    for from in ["hub/snapshots/abc", "hub/snapshots/abc/conf"] {
        refused(&verify(&folder, from, &["weights.bin", "--config", "ringfence.yaml"]), "lies inside of");
    }
    // Keys and authorities of a sound file, too; what lies elsewhere is read, whatever way was typed.
    for (root, path) in [("key", "hub/blobs/evil.pub"), ("ca", "hub/snapshots/abc/evil.pub")] {
        let text = format!("signers:\n- {{name: evil, scheme: oms, {root}: {path}, repos: [\"**\"]}}\n");
        folder.write("ringfence.yaml", text);
        refused(&verify(&folder, "", &[file]), &format!("signer evil: {root}"));
        refused(&verify(&folder, "", &[file]), "lies inside of");
    }
    let sound =
        "signers:\n- {name: evil, scheme: oms, key: hub/blobs/../../keys/evil.pub, repos: [\"**\"]}\n";
    folder.write("ringfence.yaml", sound);
    let ran = verify(&folder, "", &[file, "--config", "hub/blobs/../../ringfence.yaml"]);
    assert!(!ran.err.contains("lies inside of"), "{ran:#?}");
}

#[test]
fn a_link_does_not_choose_the_signers_of_another_model() {
    let folder = project("trust-link");
    std::os::unix::fs::symlink("../toys/bear", format!("{}/acme/bear", folder.path())).unwrap();
    assert!(verify(&folder, "", &["acme/bear"]).ends(4).out.contains("names the key"));
}

#[test]
fn a_file_of_others_is_not_obeyed() {
    let folder = project("trust-others");
    let file = format!("{}/ringfence.yaml", folder.path());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o646)).unwrap();
    refused(&verify(&folder, "", &["acme/llama"]), "can be written by everybody");
    verify(&folder, "", &["acme/llama", "--config", "ringfence.yaml"]).ends(0);
    // Only root can give a file to a group of others; the user's own group is nobody else.
    if std::os::unix::fs::chown(&file, None, Some(65_534)).is_ok() {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o664)).unwrap();
        refused(&verify(&folder, "", &["acme/llama"]), "can be written by its group");
        verify(&folder, "", &["acme/llama", "--config", "ringfence.yaml"]).ends(0);
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    // Only root can give a file away.
    if std::os::unix::fs::chown(&file, Some(65_534), None).is_ok() {
        refused(&verify(&folder, "", &["acme/llama"]), "belongs to another user");
        verify(&folder, "", &["acme/llama", "--config", "ringfence.yaml"]).ends(0);
        std::os::unix::fs::chown(&file, Some(0), None).unwrap();
        // A link of another user leads to a file of one's own: it is that user's word which.
        let (own, middle) = (format!("{}/own.yaml", folder.path()), format!("{}/middle", folder.path()));
        std::fs::rename(&file, &own).unwrap();
        std::os::unix::fs::symlink("own.yaml", &middle).unwrap();
        std::os::unix::fs::symlink("middle", &file).unwrap();
        verify(&folder, "", &["acme/llama"]).ends(0);
        for link in [&file, &middle] {
            std::os::unix::fs::lchown(link, Some(65_534), None).unwrap();
            refused(&verify(&folder, "", &["acme/llama"]), "belongs to another user");
            std::os::unix::fs::lchown(link, Some(0), None).unwrap();
        }
    }
}

#[test]
fn a_named_file_counts_wherever_one_stands() {
    let folder = project("trust-named");
    let (model, config) =
        (format!("{}/acme/llama", folder.path()), format!("{}/ringfence.yaml", folder.path()));
    run(&["model", "verify", &model, "--config", &config]).ends(0);
    let by_variable: Ran =
        command(&["model", "verify", &model]).env("RINGFENCE_CONFIG", &config).output().unwrap().into();
    by_variable.ends(0);
    refused(&run(&["model", "verify", &model]), "nothing says whom to trust");
    refused(&run(&["model", "verify", &model, "--config", "/no/such.yaml"]), "/no/such.yaml");
    folder.write("empty.yaml", "require: any\n");
    refused(&verify(&folder, "", &["acme/llama", "--config", "empty.yaml"]), "nothing says whom to trust");
    folder.write("nobody.yaml", "signers: []\n");
    assert!(
        verify(&folder, "", &["acme/llama", "--config", "nobody.yaml"]).ends(4).out.contains("no-signer")
    );
}

#[test]
fn what_is_wrong_in_the_file_is_named_with_line_and_column() {
    let folder = project("trust-wrong");
    let signer = "signers:\n- name: release\n  scheme: oms\n  repos: [\"acme/*\"]\n";
    for (text, words) in [
        (format!("{signer}  kex: keys/release.pub\n"), ":5:3: unknown key `kex`: did you mean `key`?"),
        (format!("{signer}  key: keys/release.pub\nfailon: high\n"), ":6:1: unknown key `failon`: known are"),
        (
            format!("{signer}  key: keys/release.pub\n  notAfter: 2027-02-30\n"),
            ":6:13: `notAfter`: `2027-02-30`",
        ),
        (format!("{signer}  key: keys/none.pub\n"), "signer release: key"),
        (format!("{signer}  ca: keys/release.pub\n"), "no certificate in it"),
        (
            format!("{signer}  key: keys/release.pub\n  notAfter: 0001-01-01\n"),
            ":6:13: `notAfter`: `0001-01-01` is before 1970",
        ),
        (format!("{signer}  key: keys/release.pub\n  notAfter: 1969-12-31\n"), "is before 1970"),
        ("signers: [\n".to_owned(), "ringfence.yaml:"),
        ("\u{feff}\0".to_owned(), "ringfence.yaml:"),
    ] {
        folder.write("ringfence.yaml", &text);
        refused(&verify(&folder, "", &["acme/llama"]), words);
    }
}

#[test]
fn so_many_signers_agree_as_the_file_or_the_flag_requires() {
    let folder = project("trust-require");
    let (model, config) = (format!("{}/acme/llama", folder.path()), "ringfence.yaml");
    let audit = keygen(&folder, "keys/audit");
    let second = format!("{}/audit.sig", folder.path());
    std::fs::rename(format!("{model}/model.sig"), format!("{}/release.sig", folder.path())).unwrap();
    run(&["model", "sign", &model, "--key", &audit, "--out", &second]).ends(0);
    let file = "signers:\n- {name: release, scheme: oms, key: keys/release.pub, repos: [\"acme/*\"]}\n- {name: audit, scheme: oms, key: keys/audit.pub, repos: [\"**\"]}\nrequire: all\n";
    folder.write(config, file);
    let both = ["acme/llama", "--signature", "release.sig", "--signature", "audit.sig"];
    let out = verify(&folder, "", &both).ends(0).out;
    assert!(out.contains("all of release, audit") && out.matches("signed by").count() == 2, "{out}");
    let one = &both[..3];
    let out = verify(&folder, "", one).ends(4).out;
    assert!(out.contains("by release, and not by audit"), "{out}");
    verify(&folder, "", &[one, &["--require", "any"]].concat()).ends(0);
    verify(&folder, "", &[one, &["--require", "2"]].concat()).ends(4);
    assert_eq!(verify(&folder, "", &[one, &["--require", "0"]].concat()).code, 2);
    // A day counts to its end; then the signer is nobody.
    for (day, code) in [("2999-12-31", 0), ("1970-01-01", 4), ("2026-01-31", 4)] {
        let ending = format!("\"**\"], notAfter: {day}}}");
        folder.write(config, file.replace("\"**\"]}", &ending));
        let ran = verify(&folder, "", &both).ends(code);
        assert_eq!(
            ran.out.contains(&format!("audit was trusted until {day}T23:59:59Z")),
            code == 4,
            "{}",
            ran.out
        );
    }
}

#[test]
fn every_relaxed_option_in_force_is_told_and_a_flag_takes_it_back() {
    let folder = project("trust-relaxed");
    folder.write("acme/llama/new.txt", "nobody signed it");
    verify(&folder, "", &["acme/llama"]).ends(4);
    let config = std::fs::read_to_string(format!("{}/ringfence.yaml", folder.path())).unwrap();
    folder.write("ringfence.yaml", format!("{config}allowUnsignedFiles: true\n"));
    let out = verify(&folder, "", &["acme/llama"]).ends(0).out;
    assert!(out.contains("relaxed     allowUnsignedFiles in"), "{out}");
    verify(&folder, "", &["acme/llama", "--allow-unsigned-files=false"]).ends(4);
    folder.write("ringfence.yaml", config);
    let out = verify(&folder, "", &["acme/llama", "--allow-unsigned-files"]).ends(0).out;
    assert!(out.contains("relaxed     --allow-unsigned-files: files"), "{out}");
}

/// A root, and a leaf of it for these names: paths of root, leaf and key.
fn certified(folder: &Folder, common: &str, mail: Option<&str>) -> [String; 3] {
    let key = || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        params
    };
    let mut authority = named("root");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let (root_key, leaf_key) = (key(), key());
    let root = authority.clone().self_signed(&root_key).unwrap();
    let mut leaf = named(common);
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.subject_alt_names.extend(mail.map(|mail| SanType::Rfc822Name(mail.try_into().unwrap())));
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(authority, root_key)).unwrap();
    [
        folder.write("ca/root.pem", root.pem()),
        folder.write("ca/leaf.pem", leaf.pem()),
        folder.write("ca/leaf.key", leaf_key.serialize_pem()),
    ]
}

#[test]
fn an_identity_is_an_alternative_name_or_else_the_common_name() {
    let folder = Folder::new("trust-identity");
    folder.write("acme/llama/weights.bin", "x");
    let model = format!("{}/acme/llama", folder.path());
    let mail = "release@acme.example";
    for (common, san, identity, code) in [
        ("release", None, "release", 0),
        ("release", None, "Release", 4),
        ("release", Some(mail), mail, 0),
        // An authority that checks mail addresses has not checked what else is written on it.
        ("release", Some(mail), "release", 4),
        ("release", Some("other@acme.example"), mail, 4),
    ] {
        let [root, leaf, key] = certified(&folder, common, san);
        run(&["model", "sign", &model, "--key", &key, "--cert", &leaf]).ends(0);
        let file = format!(
            "signers:\n- {{name: ci, scheme: oms, ca: ca/root.pem, identity: \"{identity}\", repos: [\"acme/*\"]}}\n"
        );
        folder.write("ringfence.yaml", file);
        let ran = verify(&folder, "", &["acme/llama"]).ends(code);
        assert_eq!(ran.out.contains("the certificate is for"), code == 4, "{}", ran.out);
        run(&["model", "verify", &model, "--ca", &root, "--identity", identity]).ends(code);
        let wide = run(&["model", "verify", &model, "--ca", &root]).ends(0).out;
        assert!(wide.contains("an identity would narrow it"), "{wide}");
    }
}
