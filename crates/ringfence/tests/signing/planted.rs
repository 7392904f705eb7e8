//! What a download may hold to make `sign` and `verify` write to, wait for or give away what is the user's.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use crate::Folder;
use crate::Ran;
use crate::command;
use crate::keys;
use crate::refused;
use crate::run;

/// A model of one file, and a key pair beside it: paths of model, keys.
fn model(folder: &Folder) -> [String; 3] {
    folder.write("llama/config.json", "{}");
    let (key, public) = keys(folder, "p256", "pem", "");
    [format!("{}/llama", folder.path()), key, public]
}

#[test]
fn what_is_at_the_place_of_a_signature_leads_nowhere_else() {
    let folder = Folder::new("planted-place");
    let [model, key, _] = model(&folder);
    let own = folder.write("own", "");
    let place = format!("{model}/model.sig");
    let sign = |more: &[&str]| run(&[&["model", "sign", &model, "--key", &key, "-q"], more].concat());
    for target in [own.as_str(), "/dev/null", "nowhere"] {
        symlink(target, &place).unwrap();
        for more in [&[][..], &["--out", &place]] {
            refused(&sign(more), &["model.sig", "a link is there", "--out"]);
        }
        assert!(Path::new(&place).is_symlink());
        std::fs::remove_file(&place).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "");
    // Told before anything is hashed: a pipe would be waited for, and for ever.
    assert!(std::process::Command::new("mkfifo").arg(&place).status().unwrap().success());
    refused(&sign(&[]), &["a pipe is there"]);
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    refused(&sign(&[]), &["a folder is there"]);
    std::fs::remove_dir(&place).unwrap();
    // A folder of the model that is a link, and left out, so that nothing else refuses it.
    std::fs::create_dir(format!("{}/home", folder.path())).unwrap();
    symlink("../home", format!("{model}/sub")).unwrap();
    let (sub, out) = (format!("{model}/sub"), format!("{model}/sub/x.sig"));
    refused(&sign(&["--ignore", &sub, "--out", &out]), &["a link of the model leads there"]);
    assert!(!Path::new(&format!("{}/home/x.sig", folder.path())).try_exists().unwrap());
    std::fs::remove_file(&sub).unwrap();
    // Beside a model of one file, too; what is typed and lies outside may lead on.
    let file = folder.write("llama/a.safetensors", "a");
    symlink(&own, format!("{file}.sig")).unwrap();
    refused(&run(&["model", "sign", &file, "--key", &key]), &["a.safetensors.sig", "a link is there"]);
    std::fs::remove_file(format!("{file}.sig")).unwrap();
    let typed = format!("{}/typed.sig", folder.path());
    symlink("own", &typed).unwrap();
    sign(&["--out", &format!("{model}/../typed.sig")]).ends(0);
    assert!(Path::new(&typed).is_symlink() && std::fs::read_to_string(&own).unwrap().contains("dsse"));
    sign(&["--out", "/dev/null"]).ends(0);
}

#[test]
fn a_signature_that_is_written_anew_keeps_its_rights() {
    let folder = Folder::new("planted-rights");
    let [model, key, _] = model(&folder);
    let sign = || run(&["model", "sign", &model, "--key", &key]).ends(0);
    sign();
    let place = format!("{model}/model.sig");
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o600)).unwrap();
    sign();
    assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_private_key_is_no_part_of_a_signed_model() {
    let folder = Folder::new("planted-key");
    let [model, key, public] = model(&folder);
    let inside = format!("{model}/sub/model.key");
    std::fs::create_dir(format!("{model}/sub")).unwrap();
    let sign = |key: &str, more: &[&str]| run(&[&["model", "sign", &model, "--key", key], more].concat());
    // The key itself, by another name, and a copy of another.
    std::fs::copy(&key, &inside).unwrap();
    refused(&sign(&inside, &[]), &["sub/model.key: the private key that signs", "--ignore"]);
    refused(&sign(&key, &[]), &["sub/model.key: a private key", "--ignore"]);
    std::fs::remove_file(&inside).unwrap();
    std::fs::hard_link(&key, &inside).unwrap();
    refused(&sign(&key, &[]), &["sub/model.key: the private key that signs"]);
    std::fs::remove_file(&inside).unwrap();
    // Forms of key files; the words are assembled, so that this file holds none.
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let secret = ["PRIVATE", "KEY"].join(" ");
    let secrets = ["", "EC ", "RSA ", "ENCRYPTED ", "OPENSSH ", "ENCRYPTED SIGSTORE "];
    let mut texts: Vec<String> = secrets.iter().map(|form| block(&format!("{form}{secret}"))).collect();
    texts.push(format!("{}{}", block("EC PARAMETERS"), block(&format!("EC {secret}"))).replace('\n', "\r\n"));
    texts.extend(["Bag Attributes\n", "\n", "\u{feff}"].map(|before| format!("{before}{}", block(&secret))));
    for text in texts {
        folder.write("llama/sub/model.key", &text);
        refused(&sign(&key, &[]), &["sub/model.key: a private key"]);
    }
    // What only speaks of keys is none, and what is left out by name is the signer's own choice.
    for text in
        [block("PUBLIC KEY"), block("CERTIFICATE"), format!("Never share -----BEGIN {secret}-----\n...\n")]
    {
        folder.write("llama/sub/model.key", text);
        sign(&key, &[]).ends(0);
    }
    folder.write("llama/sub/model.key", block(&secret));
    sign(&key, &["--ignore", &inside]).ends(0);
    // Nor is the file that its password is in, whatever it says and is called.
    let password = folder.write("llama/words.txt", "");
    refused(&sign(&key, &["--password-file", &password]), &["words.txt: the password of the private key"]);
    std::fs::remove_file(&password).unwrap();
    // One file that is the key.
    refused(&run(&["model", "sign", &key, "--key", &key]), &["the private key that signs"]);
    std::fs::remove_file(&inside).unwrap();
    // A folder that looks like a model takes a new pair; signing there says what is wrong.
    let empty = folder.write("empty", "");
    let keygen = ["model", "keygen", "--key-format", "pem", "--password-file", &empty];
    let at = |arguments: &[&str]| -> Ran { command(arguments).current_dir(&model).output().unwrap().into() };
    at(&keygen).ends(0);
    refused(&at(&["model", "sign", ".", "--key", "model.key"]), &["model.key: the private key that signs"]);
    assert!(Path::new(&public).try_exists().unwrap());
}

#[test]
fn a_signature_that_is_a_file_of_the_kernel_is_neither_waited_for_nor_read() {
    let folder = Folder::new("planted-kernel");
    let [model, _, public] = model(&folder);
    let place = format!("{model}/model.sig");
    // `/proc/kmsg` can be read by root alone, and would be waited for.
    for target in ["/proc/kmsg", "/proc/version"] {
        symlink(target, &place).unwrap();
        let ran = run(&["model", "verify", &model, "--key", &public]);
        assert!([3, 4].contains(&ran.code) && !ran.out.contains("   VERIFIED"), "{ran:#?}");
        std::fs::remove_file(&place).unwrap();
    }
}

#[test]
fn a_name_in_a_planted_signature_makes_no_lines_of_its_own() {
    let folder = Folder::new("planted-name");
    let [model, key, _] = model(&folder);
    let name = "x\", and was renewed\npl   1 file   SIGNED";
    folder.write(&format!("{name}/config.json"), "{}");
    let planted = format!("{}/{name}", folder.path());
    run(&["model", "sign", &planted, "--key", &key, "-q"]).ends(0);
    std::fs::copy(format!("{planted}/model.sig"), format!("{model}/model.sig")).unwrap();
    let ran = run(&["model", "sign", &model, "--key", &key]);
    refused(
        &ran,
        &["is the signature of \"x\\x22, and was renewed\\npl   1 file   SIGNED\", and stays as it is"],
    );
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[test]
fn a_result_takes_the_place_of_nothing_that_is_verified() {
    let folder = Folder::new("planted-result");
    let [model, key, public] = model(&folder);
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    let file = format!("{model}/config.json");
    let link = format!("{}/link", folder.path());
    symlink(&file, &link).unwrap();
    let signature = format!("{}/other.sig", folder.path());
    std::fs::copy(format!("{model}/model.sig"), &signature).unwrap();
    let verify = |output: &str, more: &[&str]| {
        run(&[&["model", "verify", &model, "--key", &public, "-o", output], more].concat())
    };
    for output in [file.as_str(), &format!("{model}/new.json"), &format!("{model}/model.sig"), &link] {
        refused(&verify(output, &[]), &["--output", "which this call reads, or lies in it"]);
    }
    refused(&verify(&signature, &["--signature", &signature]), &["--output"]);
    let before = std::fs::read(&public).unwrap();
    refused(&verify(&public, &[]), &["--output", "which this call reads"]);
    assert_eq!(std::fs::read(&public).unwrap(), before);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
    verify(&format!("{}/result.txt", folder.path()), &[]).ends(0);
}

#[test]
fn a_result_that_cannot_be_written_makes_no_failure_less() {
    let folder = Folder::new("planted-full");
    let [model, key, public] = model(&folder);
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    let verify = |to: Stdio| {
        let mut command = command(&["model", "verify", &model, "--key", &public]);
        let output = command.stdout(to).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (code, left) in [(5, 3), (4, 4)] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (ended, err) = verify(full.into());
        assert_eq!(ended, Some(code), "{err}");
        assert!(err.starts_with("error: cannot write to standard output"), "{err}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(verify(writer.into()), (Some(left), String::new()));
        folder.write("llama/config.json", "{ }");
    }
}

#[test]
fn a_disk_without_room_is_left_without_half_a_pair() {
    let folder = Folder::new("planted-disk");
    let empty = folder.write("empty", "");
    let prefix = format!("{}/k", folder.path());
    // Files that grow beyond this many KiB fail, as on a full disk; the signal for it must not end the process.
    let within = |room: &str, arguments: &[&str]| {
        let script = "ulimit -f \"$1\"; shift; exec \"$@\"";
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", script, "bash", room, env!("CARGO_BIN_EXE_ringfence"), "model"]);
        Ran::from(shell.args(arguments).output().unwrap())
    };
    let keygen = |room: &str| {
        within(room, &["keygen", "--out", &prefix, "--password-file", &empty, "--key-format", "pem"])
    };
    let words = |file: &str| {
        format!(
            "error: cannot write {file}: File too large (os error 27); the limit on the size of files (ulimit -f)"
        )
    };
    let ran = keygen("0");
    assert!(ran.code == 5 && ran.err.starts_with(&words(&format!("{prefix}.key"))), "{ran:#?}");
    for ending in ["key", "pub"] {
        assert!(!Path::new(&format!("{prefix}.{ending}")).try_exists().unwrap(), "{ending}");
    }
    keygen("64").ends(0);
    // Nor is half a result left, nor half a signature.
    let model = folder.write("m/weights.json", "{}");
    let (key, out) = (format!("{prefix}.key"), format!("{}/out/file", folder.path()));
    std::fs::create_dir(format!("{}/out", folder.path())).unwrap();
    for arguments in [
        &["scan", &model, "--format", "json", "-o", &out][..],
        &["scan", &model, "--format", "jsonl", "-o", &out],
        &["sign", &model, "--key", &key, "--out", &out],
    ] {
        let ran = within("0", arguments);
        assert!(ran.code == 5 && ran.err.starts_with(&words(&out)), "{arguments:?}: {ran:#?}");
        assert_eq!(std::fs::read_dir(format!("{}/out", folder.path())).unwrap().count(), 0, "{arguments:?}");
    }
}
