//! Where signatures lie: each beside what it signs, and none takes the place of another.

use std::process::Command;

use crate::Folder;
use crate::Ran;
use crate::keys;
use crate::refused;
use crate::run;

/// A folder with two files, and a key pair beside it: paths of model, both files, keys.
fn two(folder: &Folder) -> [String; 5] {
    let (one, other) = (folder.write("two/a.safetensors", "a"), folder.write("two/b.gguf", "b"));
    let (key, public) = keys(folder, "p256", "pem", "");
    [format!("{}/two", folder.path()), one, other, key, public]
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_anything_is_read() {
    let folder = Folder::new("places-unwritable");
    let (key, _) = keys(&folder, "p256", "pem", "");
    folder.write("llama/config.json", "{}");
    let model = format!("{}/llama", folder.path());
    // What is found only while the model is read: it holds the key.
    folder.write("llama/own.pem", std::fs::read(&key).unwrap());
    refused(&run(&["model", "sign", &model, "--key", &key]), &["cannot sign this model"]);
    // A file system that takes no new files, from root neither.
    for out in ["/proc/x.sig", &format!("{}/none/x.sig", folder.path())] {
        refused(&run(&["model", "sign", &model, "--key", &key, "--out", out]), &["cannot write", "x.sig"]);
    }
}

#[test]
fn two_files_of_a_folder_have_a_signature_each() {
    let folder = Folder::new("places-two");
    let [model, one, other, key, public] = two(&folder);
    for file in [&one, &other] {
        run(&["model", "sign", file, "--key", &key]).ends(0);
    }
    for file in [&one, &other] {
        run(&["model", "verify", file, "--key", &public]).ends(0);
    }
    // A signature of the folder is another one, and stays when a file of it is signed.
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    run(&["model", "sign", &one, "--key", &key]).ends(0);
    let own = format!("{model}/model.sig");
    refused(&run(&["model", "sign", &one, "--key", &key, "--out", &own]), &["signature of \"two\"", "--out"]);
    std::fs::remove_file(format!("{one}.sig")).unwrap();
    // The one of the folder is found for a file of it, and does not sign that file alone.
    assert!(run(&["model", "verify", &one, "--key", &public]).ends(4).out.contains("b.gguf: signed"));
}

#[test]
fn a_file_signed_as_before_verifies_by_the_signature_beside_it() {
    let folder = Folder::new("places-beside");
    let [model, one, _, key, public] = two(&folder);
    let beside = format!("{model}/model.sig");
    assert!(run(&["model", "verify", &one, "--key", &public]).ends(4).out.contains("a.safetensors.sig"));
    run(&["model", "sign", &one, "--key", &key, "--out", &beside]).ends(0);
    run(&["model", "verify", &one, "--key", &public]).ends(0);
    // Its own comes first, also where it holds no longer.
    std::fs::write(format!("{one}.sig"), "{}").unwrap();
    run(&["model", "verify", &one, "--key", &public]).ends(4);
}

#[test]
fn only_a_signature_of_the_same_name_is_written_anew() {
    let folder = Folder::new("places-anew");
    let [model, one, other, key, public] = two(&folder);
    let sign = |path: &str, out: &str| run(&["model", "sign", path, "--key", &key, "--out", out]);
    let out = format!("{}/one.sig", folder.path());
    sign(&one, &out).ends(0);
    let before = std::fs::read(&out).unwrap();
    for path in [&other, &model] {
        refused(&sign(path, &out), &["one.sig: is the signature of \"a.safetensors\"", "--out"]);
    }
    assert_eq!(std::fs::read(&out).unwrap(), before);
    std::fs::write(&one, "changed").unwrap();
    sign(&one, &out).ends(0);
    run(&["model", "verify", &one, "--signature", &out, "--key", &public]).ends(0);
    // Of PGP, a program, weights: whatever it is, it is not ours to replace.
    let foreign = folder.write("a.safetensors.asc", "-----BEGIN PGP SIGNATURE-----");
    refused(&sign(&one, &foreign), &["no signature of a model"]);
    assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "-----BEGIN PGP SIGNATURE-----");
    let empty = folder.write("empty.sig", "");
    sign(&one, &empty).ends(0);
    sign(&one, "/dev/null").ends(0);
}

#[test]
fn a_signature_without_a_place_is_a_usage_error() {
    let folder = Folder::new("places-none");
    let [model, _, _, key, _] = two(&folder);
    let nowhere = format!("{}/none/x.sig", folder.path());
    // Told before the model is looked at, which could not be signed either.
    std::os::unix::fs::symlink("b.gguf", format!("{model}/link")).unwrap();
    refused(
        &run(&["model", "sign", &model, "--key", &key, "--out", &nowhere]),
        &["cannot write", "none/x.sig"],
    );
}

#[test]
fn what_was_signed_is_told_within_the_columns() {
    let folder = Folder::new("places-told");
    let [_, one, _, key, _] = two(&folder);
    let out = crate::command(&["model", "sign", "two/a.safetensors", "--key", &key])
        .env("COLUMNS", "80")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let out = Ran::from(out).ends(0).out;
    assert!(out.starts_with("two/a.safetensors   1 file, 1 byte   SIGNED\n"), "{out}");
    assert!(out.contains("\n  signature   two/a.safetensors.sig\n"), "{out}");
    // A digest with its name alone is 71 wide, behind a column of 14.
    assert!(out.lines().all(|line| line.len() <= 14 + 72), "{out}");
    assert!(run(&["model", "sign", &one, "--key", &key, "--quiet"]).ends(0).out.is_empty());
}

#[test]
fn what_a_loader_could_load_and_no_signature_covers_is_a_finding() {
    let folder = Folder::new("places-uncovered");
    let [model, _, _, key, public] = two(&folder);
    folder.write("two/.git/config", "[core]\n");
    let (key, public) = (key.as_str(), public.as_str());
    run(&["model", "sign", &model, "--key", key, "--ignore", &format!("{model}/cache")]).ends(0);
    let verify = |more: &[&str]| run(&[&["model", "verify", &model, "--key", public], more].concat());
    verify(&[]).ends(0);
    folder.write("two/.git/hooks/sitecustomize.py", "import os\n");
    let out = verify(&[]).ends(1).out;
    assert!(out.contains("VERIFIED") && !out.contains("NOT VERIFIED"), "{out}");
    assert!(out.contains("not covered .git") && out.contains("sitecustomize.py"), "{out}");
    let json: serde_json::Value = serde_json::from_str(&verify(&["--format", "json"]).ends(1).out).unwrap();
    assert_eq!((&json["outcome"], &json["exit"]), (&"verified".into(), &1.into()), "{json}");
    std::fs::remove_file(folder.write("two/.git/hooks/sitecustomize.py", "")).unwrap();
    // What the signer leaves out is told as well; what is left out on this command line was asked for.
    folder.write("two/cache/x.bin", "x");
    assert!(verify(&[]).ends(1).out.contains("cache"));
    folder.write("two/more/x.bin", "x");
    std::fs::remove_dir_all(format!("{model}/cache")).unwrap();
    verify(&["--ignore", &format!("{model}/more")]).ends(0);
}

/// What git has made where a commit is made; a layout of the same names where there is no git.
fn commit(folder: &Folder, model: &str) {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-C", model, "-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").output()
    };
    if git(&["--version"]).is_err() {
        let hex = "0123456789abcdef0123456789abcdef01234567";
        let object = format!("objects/ab/{}", &hex[2..]);
        for name in ["HEAD", "index", "refs/heads/main", "logs/HEAD", "hooks/update.sample", &object] {
            folder.write(&format!("two/.git/{name}"), "x");
        }
        folder.write("two/.git/config", "[core]\n\tbare = false\n");
        return;
    }
    for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "x"], &["gc", "-q"]] {
        let ran = git(arguments).unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    // Behind the packed ones, loose ones.
    folder.write("two/README.md", "more");
    for arguments in [&["add", "."][..], &["commit", "-q", "-m", "y"], &["tag", "v1"]] {
        assert!(git(arguments).unwrap().status.success(), "{arguments:?}");
    }
}

#[test]
fn a_real_repository_is_inert_and_everything_put_into_it_is_not() {
    let folder = Folder::new("places-git");
    let [model, _, _, key, public] = two(&folder);
    folder.write("two/.gitattributes", "*.bin filter=lfs\n");
    commit(&folder, &model);
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    let verify = || run(&["model", "verify", &model, "--key", &public]);
    assert!(!verify().ends(0).out.contains("not known to be inert"));
    for name in [".git/weights", ".git/hooks/post-checkout", ".git/objects/ab/x.zip", ".github/x/model.pt2"] {
        let path = folder.write(&format!("two/{name}"), "x");
        let out = verify().ends(1).out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(name) && out.contains("1 of them not known to be inert"), "{name}: {out}");
        std::fs::remove_file(path).unwrap();
    }
    verify().ends(0);
    // A program that the next `git status` runs.
    let config = std::fs::read_to_string(format!("{model}/.git/config")).unwrap();
    folder.write("two/.git/config", config + "[core]\n\tfsmonitor = \"touch x; false\"\n");
    assert!(verify().ends(1).out.contains(".git/config"));
}

#[test]
fn what_has_the_name_of_the_signature_is_a_signature_or_a_finding() {
    let folder = Folder::new("places-name");
    let [model, _, _, key, public] = two(&folder);
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    let (own, kept) = (format!("{model}/model.sig"), format!("{}/kept.sig", folder.path()));
    let verify = |more: &[&str]| run(&[&["model", "verify", &model, "--key", &public], more].concat());
    std::fs::copy(&own, &kept).unwrap();
    let elsewhere: &[&str] = &["--signature", &kept];
    verify(elsewhere).ends(0);
    // As every file of a hub's cache is.
    std::fs::remove_file(&own).unwrap();
    std::os::unix::fs::symlink(&kept, &own).unwrap();
    verify(&[]).ends(0);
    verify(elsewhere).ends(1);
    std::fs::remove_file(&own).unwrap();
    folder.write("two/model.sig", "cos\nsystem\n");
    assert!(verify(elsewhere).ends(1).out.contains("model.sig"));
    std::fs::remove_file(&own).unwrap();
    folder.write("two/model.sig/weights", "x");
    assert!(verify(elsewhere).ends(1).out.contains("model.sig/weights"));
}
