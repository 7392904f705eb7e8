//! What `ringfence.yaml` names, and where it stands: who may write a key decides as much as who may write the file, one volume
//! may be at two places, and one person may be trusted twice.

use std::os::unix::fs::PermissionsExt as _;

use rcgen::KeyPair;

use crate::certified;
use crate::keygen;
use crate::keys_folder;
use crate::project;
use crate::refused;
use crate::signed;
use crate::support::Folder;
use crate::support::Ran;
use crate::support::flat;
use crate::support::run;
use crate::verify;

#[test]
fn what_a_found_file_names_is_held_to_its_rules() {
    let folder = project("trust-named-keys");
    let [root, _, _] = certified(&folder, "release", None);
    let key = format!("{}/keys/release.pub", folder.path());
    let rights = |file: &str, mode: u32| {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // Only root can give a file to a group of others; the user's own group is nobody else.
    let has_others = std::os::unix::fs::chown(&key, None, Some(65_534)).is_ok();
    for (mode, words) in
        [(0o646, "can be written by everybody"), (0o664, "can be written by its group"), (0o644, "")]
    {
        if mode == 0o664 && !has_others {
            continue;
        }
        rights(&key, mode);
        let ran = verify(&folder, "", &["acme/llama"]);
        if words.is_empty() {
            ran.ends(0);
            continue;
        }
        refused(&ran, words);
        assert!(ran.err.contains("ringfence.yaml: signer release: key"), "{}", ran.err);
        // Whoever names the file answers for all of it.
        verify(&folder, "", &["acme/llama", "--config", "ringfence.yaml"]).ends(0);
    }
    // Only root can give a file away.
    if std::os::unix::fs::chown(&key, Some(65_534), None).is_ok() {
        refused(&verify(&folder, "", &["acme/llama"]), "belongs to another user");
        std::os::unix::fs::chown(&key, Some(0), None).unwrap();
    }
    let ca = "signers:\n- {name: ci, scheme: oms, ca: ca/root.pem, repos: [\"acme/*\"]}\n";
    folder.write("ringfence.yaml", ca);
    verify(&folder, "", &["acme/llama"]).ends(4);
    rights(&root, 0o666);
    refused(&verify(&folder, "", &["acme/llama"]), "signer ci: ca");
}

#[test]
fn folders_in_which_others_may_exchange_a_file_are_refused() {
    let folder = project("trust-folders");
    let base = folder.path();
    std::fs::create_dir_all(format!("{base}/shared")).unwrap();
    std::os::unix::fs::symlink("../keys/release.pub", format!("{base}/shared/link.pub")).unwrap();
    let by_link = "signers:\n- {name: release, scheme: oms, key: shared/link.pub, repos: [\"acme/*\"]}\n";
    folder.write("by-link/ringfence.yaml", by_link.replace("shared", "../shared"));
    let rights = |of: &str, mode: u32| {
        std::fs::set_permissions(format!("{base}{of}"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let places = ["", "/keys", "/shared"].map(|of| format!("{base}{of}"));
    let has_others = places.iter().all(|place| std::os::unix::fs::chown(place, None, Some(65_534)).is_ok());
    rights("/shared", 0o755);
    verify(&folder, "by-link", &["../acme/llama"]).ends(0);
    // The folder of the key, of the configuration, and of a link on the way.
    for (of, from) in [("/keys", ""), ("", ""), ("/shared", "by-link"), ("", "by-link")] {
        let model = if from.is_empty() { "acme/llama" } else { "../acme/llama" };
        for (mode, words) in [
            (0o777, "can be written by everybody"),
            (0o775, "can be written by its group"),
            (0o1777, ""),
            (0o1775, ""),
            (0o755, ""),
        ] {
            if mode == 0o775 && !has_others {
                continue;
            }
            rights(of, mode);
            let ran = verify(&folder, from, &[model]);
            if words.is_empty() {
                ran.ends(0);
                continue;
            }
            refused(&ran, &format!("its folder {base}{of} {words}"));
            refused(&ran, &format!("`chmod go-w {base}{of}`"));
            // Whoever names the file answers for all of it.
            verify(&folder, from, &[model, "--config", "ringfence.yaml"]).ends(0);
        }
    }
    // Only root can give a folder away; what is sticky is its owner's all the same.
    if std::os::unix::fs::chown(format!("{base}/keys"), Some(65_534), None).is_ok() {
        rights("/keys", 0o1755);
        refused(&verify(&folder, "", &["acme/llama"]), "/keys belongs to another user");
    }
}

#[test]
#[ignore = "needs unshare: has one folder at two places"]
fn a_volume_that_is_mounted_twice_is_one_place() {
    let folder = Folder::new("trust-mounted");
    keys_folder(&folder);
    let evil = keygen(&folder, "keys/evil");
    folder.write(
        "dl/acme/llama/ringfence.yaml",
        "signers:\n- {name: evil, scheme: oms, key: evil.pub, repos: [\"**\"]}\n",
    );
    let public = std::fs::read(format!("{}/keys/evil.pub", folder.path())).unwrap();
    folder.write("dl/acme/llama/evil.pub", public);
    signed(&folder, "dl/acme/llama", &evil);
    let base = folder.path();
    let verify = |stand: &str, arguments: &str| -> Ran {
        let program = env!("CARGO_BIN_EXE_ringfence");
        let script = format!(
            "mkdir -p {base}/models && mount --bind {base}/dl {base}/models && cd {base}/{stand} && exec {program} model verify {arguments}"
        );
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c", &script]).output().unwrap().into()
    };
    let (model, config) = (format!("{base}/models/acme/llama"), "dl/acme/llama/ringfence.yaml");
    refused(&verify("dl/acme/llama", &model), "nothing says whom to trust");
    refused(&verify("", &format!("{model} --config {config}")), "lies inside of what it would judge");
    // Elsewhere, the same model verifies by the same key.
    verify("", &format!("{model} --key keys/evil.pub")).ends(0);
}

#[test]
fn one_key_is_one_signer_whatever_it_is_trusted_by() {
    let folder = Folder::new("trust-one-person");
    folder.write("acme/llama/weights.bin", "x");
    let model = format!("{}/acme/llama", folder.path());
    let [_, leaf, key] = certified(&folder, "alice", None);
    let pair = KeyPair::from_pem(&std::fs::read_to_string(&key).unwrap()).unwrap();
    folder.write("alice.pub", pair.public_key_pem());
    let (one, other) = (format!("{}/1.sig", folder.path()), format!("{}/2.sig", folder.path()));
    run(&["model", "sign", &model, "--key", &key, "--out", &one]).ends(0);
    run(&["model", "sign", &model, "--key", &key, "--cert", &leaf, "--out", &other]).ends(0);
    folder.write(
        "ringfence.yaml",
        "signers:\n- {name: release, scheme: oms, key: alice.pub, repos: [\"acme/*\"]}\n- {name: build, scheme: oms, ca: ca/root.pem, repos: [\"acme/*\"]}\nrequire: 2\n",
    );
    let both = ["acme/llama", "--signature", &one, "--signature", &other];
    let out = verify(&folder, "", &both).ends(4).out;
    assert!(flat(&out).contains("a key counts for one signer only"), "{out}");
    verify(&folder, "", &[&both[..], &["--require", "any"]].concat()).ends(0);
}
