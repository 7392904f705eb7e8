//! Flags that mean nothing beside others: an error, and never passed over.

use crate::Folder;
use crate::Ran;
use crate::command;
use crate::keys;
use crate::refused;
use crate::run;

/// A signed model, and a key pair that signed it: paths of model, keys.
fn signed(folder: &Folder) -> [String; 3] {
    folder.write("acme/llama/weights.bin", "x");
    let model = format!("{}/acme/llama", folder.path());
    let (key, public) = keys(folder, "p256", "pem", "");
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    [model, key, public]
}

#[test]
fn what_says_nothing_about_a_key_is_refused_beside_one() {
    let folder = Folder::new("flags-key");
    let [model, _, public] = signed(&folder);
    let with_key = ["model", "verify", &model, "--key", &public];
    for (more, hint) in [
        (["--identity", "release@acme.example"], "--identity"),
        (["--at", "2026-01-31"], "--at"),
        (["--repo", "acme/llama"], "--repo"),
    ] {
        refused(&run(&[&with_key[..], &more].concat()), &[hint, "cannot be used with"]);
    }
    refused(&run(&["model", "verify", &model, "--identity", "x"]), &["--ca <FILE>"]);
    // Where the configuration trusts keys alone, too.
    let signers = format!("signers:\n- {{name: a, scheme: oms, key: {public}, repos: [\"acme/*\"]}}\n");
    folder.write("ringfence.yaml", signers);
    let verify = |more: &[&str]| -> Ran {
        let arguments = [&["model", "verify", "acme/llama"], more].concat();
        command(&arguments).current_dir(folder.path()).output().unwrap().into()
    };
    verify(&[]).ends(0);
    refused(&verify(&["--at", "2026-01-31"]), &["--at", "trusts keys alone"]);
}

#[test]
fn the_reason_is_told_whatever_the_file_is_called() {
    let folder = Folder::new("flags-names");
    let [model, key, _] = signed(&folder);
    let (sealed, _) = keys(&folder, "p384", "pem", "secret");
    let path = |name: &str| format!("{}/{name}", folder.path());
    folder.write("token.pub", "no key");
    let (secret, missing) = (path("secret.txt"), "No such file or directory");
    for (arguments, what, reason) in [
        (&["sign", &model, "--key", &sealed, "--password-file", &secret][..], "secret.txt", missing),
        (&["keygen", "--out", &path("new"), "--password-file", &secret], "secret.txt", missing),
        (&["sign", &model, "--key", &path("secret.key")], "secret.key", "; `ringfence model keygen` makes"),
        (&["verify", &model, "--key", &path("token.pub")], "token.pub", "no public key in it"),
        (&["verify", &model, "--key", &path("api_token")], "api_token", missing),
        (&["sign", &model, "--key", &key, "--cert", &path("token.pub")], "token.pub", "no certificate"),
        (&["scan", &path("api_key.pkl")], "api_key.pkl", missing),
        (&["inspect", &path("api_key.pkl")], "api_key.pkl", missing),
        (&["allow", &path("api_key.pkl")], "api_key.pkl", missing),
        (&["scan", &model, "--allow", &path("secret.toml")], "secret.toml", missing),
    ] {
        refused(&run(&[&["model"], arguments].concat()), &[&format!("{what}: "), reason]);
    }
    // Where links lead, and where that is nowhere.
    std::os::unix::fs::symlink("../../api_key.pkl", path("acme/llama/link")).unwrap();
    folder.write("api_key.pkl", "");
    let scan = run(&["model", "scan", &model, "--format", "concise"]).ends(3).out;
    assert!(scan.contains("api_key.pkl\n") && scan.contains("scan what it leads to as well"), "{scan}");
    let signed = run(&["model", "sign", &model, "--key", &key]);
    assert!(
        signed.err.contains("replace it by what it leads to") && !signed.err.contains("masked"),
        "{signed:#?}"
    );
}

#[test]
fn what_cannot_be_read_or_written_says_why_and_what_to_do() {
    let folder = Folder::new("flags-cures");
    let [model, key, public] = signed(&folder);
    let (pipe, nowhere) = (pipe(&folder), format!("{}/nowhere/x", folder.path()));
    let empty = folder.write("empty", "");
    let make = "No such file or directory (os error 2); make its folder first, or name another place";
    let no_place = format!("cannot write {nowhere}: {make}");
    let outside =
        format!("--ignore weights.bin: not inside the model: as seen from here it would begin with {model}");
    for (arguments, words) in [
        (&["sign", &pipe, "--key", &key][..], "pipe: a pipe, socket or device, where a file was expected"),
        (&["sign", &model, "--key", &key, "--out", &nowhere], &no_place),
        (&["keygen", "--out", &nowhere, "--password-file", &empty], &no_place.replace("/x:", "/x.key:")),
        (&["verify", &model, "--key", &public, "-o", &nowhere], &no_place),
        (&["scan", &format!("{model}/model.sig"), "-o", &nowhere], &no_place),
        (&["sign", &model, "--key", &key, "--ignore", "weights.bin"], &outside),
        (&["verify", &model, "--key", &public, "--ignore", "weights.bin"], &outside),
        (
            &["verify", &model, "--ca", &public],
            "no certificate in it: expected PEM with CERTIFICATE, or the DER",
        ),
        (&["scan", &model, "--config", &nowhere], &format!("--config {nowhere}: No such file")),
        (
            &["inspect", &pipe],
            &format!("{pipe}: a folder, pipe, socket or device, where a file was expected"),
        ),
        (
            &[
                "allow",
                &model,
                "--name",
                "acme.x",
                "--owner",
                "a",
                "--reason",
                "b",
                "--expires",
                "2099-01-01",
                "--to",
                &nowhere,
            ],
            "--name acme.x: is not looked up; without --name those that are looked up are listed",
        ),
    ] {
        refused(&run(&[&["model"], arguments].concat()), &[words]);
    }
    // Nothing is in the list, and something is wrong all the same.
    let out = run(&["model", "allow", &model]).ends(3).out;
    assert!(
        out.ends_with("with these names: incomplete, exit 3: `ringfence model scan` says why\n"),
        "{out}"
    );
}

/// A pipe that nobody writes to.
fn pipe(folder: &Folder) -> String {
    let path = format!("{}/pipe", folder.path());
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn what_never_ends_is_not_read_as_a_file_and_a_pipe_of_a_shell_is() {
    let folder = Folder::new("flags-endless");
    let [model, key, public] = signed(&folder);
    let (sealed, _) = keys(&folder, "p384", "pem", "secret");
    let large = folder.write("large", "");
    std::fs::File::options().write(true).open(&large).unwrap().set_len((4 << 20) + 1).unwrap();
    for (file, words) in [
        ("/dev/zero", "a device, where a file was expected"),
        (&pipe(&folder), "a pipe, where a file was expected"),
        (&large, "larger than"),
    ] {
        for arguments in [
            &["verify", &model, "--key", file][..],
            &["verify", &model, "--ca", file],
            &["verify", &model, "--config", file],
            &["sign", &model, "--key", file],
            &["sign", &model, "--key", &key, "--cert", file],
            &["sign", &model, "--key", &sealed, "--password-file", file],
            &["scan", &model, "--allow", file],
        ] {
            refused(&run(&[&["model"], arguments].concat()), &[words, &format!("{file}: ")]);
        }
    }
    let ran = crate::support::run_with(
        &["model", "verify", &model, "--key", "/dev/stdin"],
        &std::fs::read(&public).unwrap(),
    );
    ran.ends(0);
}

#[test]
fn each_reason_has_a_line_and_no_name_makes_one() {
    let folder = Folder::new("flags-lines");
    let [model, key, _] = signed(&folder);
    std::os::unix::fs::symlink("weights.bin", format!("{model}/secret.bin")).unwrap();
    std::os::unix::fs::symlink("weights.bin", format!("{model}/a\nerror: b")).unwrap();
    let ran = run(&["model", "sign", &model, "--key", &key]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
    let lines: Vec<_> = ran.err.lines().collect();
    assert_eq!(lines[0], format!("error: {model}: cannot sign this model:"));
    let link = |name: &str| format!("  {name}: a link; replace it by what it leads to, ");
    for name in ["secret.bin", "a\\nerror: b"] {
        let is_it = |line: &&str| line.starts_with(&link(name)) && line.ends_with("weights.bin");
        assert!(lines.iter().any(is_it), "{name}: {lines:#?}");
    }
    assert_eq!(lines.len(), 3, "{lines:#?}");
}

#[test]
fn what_is_wrong_with_a_signature_names_its_file_and_no_place_in_nothing() {
    let folder = Folder::new("flags-sentences");
    let [model, _, public] = signed(&folder);
    let broken = folder.write("token.sig", "no JSON");
    let verify = |more: &[&str]| run(&[&["model", "verify", &model, "--signature", &broken], more].concat());
    let told = |ran: Ran| ran.ends(4).out.split_whitespace().collect::<Vec<_>>().join(" ");
    let out = told(verify(&["--key", &public]));
    assert!(out.contains("signature not strict JSON: ") && out.contains(&format!(", in {broken} ")), "{out}");
    let over = format!(
        "signers:\n- {{name: a, scheme: oms, key: {public}, repos: [\"**\"], notAfter: 2026-01-31}}\n"
    );
    let config = folder.write("over.yaml", over);
    let out = told(verify(&["--config", &config]));
    assert!(out.contains("signature nobody is trusted for this model any more"), "{out}");
    refused(&verify(&["--key", &public, "--require", "2"]), &["--require 2: only 1 signer is given"]);
    refused(&verify(&["--key", &broken]), &["no public key in it: expected PEM with PUBLIC KEY"]);
}

#[test]
fn a_secret_file_that_anybody_opens_is_told() {
    let folder = Folder::new("flags-keygen");
    for (form, password, words) in [
        ("cosign", "", "encrypted with an empty password: whoever reads it can sign"),
        ("pem", "", "not encrypted: whoever reads it can sign"),
        ("cosign", "secret", "secret: signs\n"),
        ("pem", "secret", "secret: signs\n"),
    ] {
        let file = folder.write("password", password);
        let out = format!("{}/{form}-{}", folder.path(), password.len());
        let keygen = ["model", "keygen", "--out", &out, "--key-format", form, "--password-file", &file];
        let said = run(&keygen).ends(0).out;
        assert!(said.contains(words) && said.contains("whoever") == password.is_empty(), "{form}: {said}");
    }
}
