//! Every exit code of the contract that a scan can reach, through the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use support::Folder;
use support::PRIVILEGED;
use support::Ran;
use support::WEB;
use support::run;
use support::run_with;

#[test]
fn clean_is_0() {
    let ran = run_with(&["scan", "-"], WEB.as_bytes()).ends(0);
    assert!(ran.out.contains("THE DOOR IS CLOSED"), "{}", ran.out);
}

#[test]
fn findings_are_1_and_the_threshold_moves_it() {
    let ran = run_with(&["scan", "-"], PRIVILEGED.as_bytes()).ends(1);
    assert!(ran.out.contains("THE DOOR IS OPEN"), "{}", ran.out);
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: t, namespace: ml}\nspec:\n  volumes: [{name: shm, emptyDir: {medium: Memory}}]\n  containers:\n  - {name: c, image: i, resources: {limits: {nvidia.com/gpu: 1}}}\n";
    let only = ["scan", "-", "--only", "RF-DATA-008"];
    run_with(&only, text.as_bytes()).ends(0);
    run_with(&[&only[..], &["--fail-on", "medium"]].concat(), text.as_bytes()).ends(1);
}

#[test]
fn the_door_is_judged_at_high_whatever_the_threshold() {
    let ran =
        run_with(&["scan", "-", "--fail-on", "critical", "--only", "RF-NET-001"], PRIVILEGED.as_bytes())
            .ends(0);
    assert!(ran.out.contains("THE DOOR IS OPEN"), "{}", ran.out);
}

#[test]
fn usage_is_2_and_names_what_was_meant() {
    // The tests run without a home and so without a kubeconfig.
    let no_cluster = if cfg!(feature = "cluster") { "--kubeconfig" } else { "feature `cluster`" };
    for (arguments, hint) in [
        (&["scan"][..], no_cluster),
        (&["scan", "cluster"], no_cluster),
        (&["scan", "/no/such/path"], "/no/such/path"),
        (&["scan", "demo/open", "--format", "yaml"], "text, concise, json and sarif"),
        (&["scan", "demo/open", "--format", "junit"], "junit"),
        (&["scan", "demo/open", "--fail-on", "severe"], "critical"),
        (&["scan", "demo/open", "--only", "RF-GPU-006"], "RF-GPU-00"),
        (&["scan", "demo/open", "--only", "privleged"], "privileged"),
        (&["scan", "demo/open", "--require", "node"], "nodes"),
        (&["scan", "demo/open", "--prices", "Cargo.toml"], "Cargo.toml:"),
        (&["scan", "demo/open", "--prices", "/no/such/prices"], "/no/such/prices"),
        (&["scan", "demo/open", "--format", "json", "--format", "sarif"], "-o"),
        (&["scan", "demo/open", "-o", "a", "-o", "b"], "-o"),
        (&["explain", "RF-XYZ-001"], "controls list"),
        (&["explain", "gpu-without-reqest"], "gpu-without-request"),
        (&["frobnicate"], "frobnicate"),
        (&["controls", "lst"], "list"),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?} {ran:#?}");
        assert_eq!(ran.out, "", "{arguments:?}");
        assert!(ran.err.contains(hint), "{arguments:?}: no `{hint}` in {}", ran.err);
    }
}

#[test]
fn blind_is_3_and_never_0() {
    for text in [
        "a: [\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.x }}}\n",
        "apiVersion: v1\nmetadata: {name: x}\n",
    ] {
        let both = format!("{WEB}---\n{text}");
        let ran = run_with(&["scan", "-"], both.as_bytes()).ends(3);
        assert!(ran.out.contains("THE DOOR IS NOT PROVEN CLOSED"), "{}", ran.out);
        let allowed = run_with(&["scan", "-", "--allow-incomplete"], both.as_bytes()).ends(0);
        assert!(allowed.out.contains("THE DOOR IS NOT PROVEN CLOSED"), "{}", allowed.out);
    }
}

#[cfg(feature = "domain")]
#[test]
fn manifests_without_a_file_of_domains_are_an_error_also_beside_a_name() {
    for name in [&[][..], &["ml"]] {
        let ran = run(&[&["domain", "simulate", "--manifests", "demo/open"], name].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
        assert!(ran.err.contains("--file <FILE>") || ran.err.contains("cannot be used with"), "{}", ran.err);
    }
}

#[test]
fn nothing_scanned_is_3() {
    let folder = Folder::new("empty");
    run(&["scan", folder.path()]).ends(3);
    run_with(&["scan", "-"], b"").ends(3);
    run_with(&["scan", "-"], b"# only a comment\n").ends(3);
    run_with(&["scan", "-"], b"name: ci\non: [push]\n").ends(3);
}

#[test]
fn findings_win_over_incomplete_and_both_are_printed() {
    let text = format!("{PRIVILEGED}---\na: [\n");
    let ran = run_with(&["scan", "-"], text.as_bytes()).ends(1);
    assert!(ran.out.contains("RF-RUN-001") && ran.out.contains("not readable as YAML"), "{}", ran.out);
}

#[test]
fn a_demanded_fact_that_is_not_there_is_3() {
    run_with(&["scan", "-"], WEB.as_bytes()).ends(0);
    let ran = run_with(&["scan", "-", "--require", "nodes"], WEB.as_bytes()).ends(3);
    assert!(ran.out.contains("no Node objects given"), "{}", ran.out);
}

#[cfg(feature = "domain")]
#[test]
fn what_never_ends_is_not_read_as_a_file() {
    let folder = Folder::new("endless");
    let manifest = folder.write("web.yaml", WEB);
    let pipe = format!("{}/pipe", folder.path());
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let large = folder.write("large", "");
    std::fs::File::options().write(true).open(&large).unwrap().set_len((16 << 20) + 1).unwrap();
    for (file, words) in [
        ("/dev/zero", "a device, where a file was expected"),
        (&pipe, "a pipe, where a file was expected"),
        (&large, "larger than 1"),
    ] {
        for arguments in [
            &["scan", &manifest, "--prices", file][..],
            &["check", "--kubeconfig", file],
            &["domain", "plan", "--offline", "-f", file],
        ] {
            let ran = run(arguments);
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?} {ran:#?}");
            assert!(ran.err.contains(words) && ran.err.contains(file), "{arguments:?}: {}", ran.err);
        }
    }
    let endless = run_with(&["domain", "plan", "--offline", "-f", "-"], &vec![b'#'; (16 << 20) + 1]);
    assert!(endless.code == 2 && endless.err.contains("standard input: larger than"), "{endless:#?}");
}

/// A pipe with a name would be waited for until somebody writes to it; that of a shell has its writer.
#[test]
fn what_never_ends_is_no_manifest_and_a_pipe_of_a_shell_is_read() {
    let folder = Folder::new("endless-manifests");
    let pipe = format!("{}/pipe", folder.path());
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, words) in [(pipe.as_str(), "a pipe, "), ("/dev/zero", "a device, ")] {
        let out = run(&["scan", path, "--format", "concise"]).ends(3).out;
        let told = format!("{path}:1:1: INCOMPLETE no-access {words}where a file was expected");
        assert!(out.contains(&told) && out.contains("`ringfence scan -`"), "{out}");
    }
    let manifest = folder.write("web.yaml", WEB);
    let script = "\"$1\" scan <(cat \"$2\") --format concise";
    let mut shell = std::process::Command::new("bash");
    let shell = shell.args(["-c", script, "bash", env!("CARGO_BIN_EXE_ringfence"), &manifest]);
    let ran: Ran = shell.output().unwrap().into();
    assert!(!ran.ends(0).out.contains("INCOMPLETE"));
}

#[cfg(feature = "cluster")]
#[test]
fn what_is_wrong_with_a_kubeconfig_is_told_on_lines_of_its_own() {
    let folder = Folder::new("kubeconfig-lines");
    let file = folder.write("broken.yaml", "apiVersion: v1\nclusters: [\n");
    let ran = run(&["check", "--kubeconfig", &file]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
    assert!(ran.err.contains("not a kubeconfig") && !ran.err.contains("\\n"), "{}", ran.err);
    assert!(
        ran.err.lines().count() > 1 && ran.err.lines().skip(1).all(|line| line.starts_with("  ")),
        "{}",
        ran.err
    );
}

#[test]
fn a_result_that_has_no_place_is_2_and_one_that_does_not_fit_is_5() {
    let folder = Folder::new("outputs");
    let manifest = folder.write("web.yaml", WEB);
    for (place, words) in [
        (format!("{}/none/result.txt", folder.path()), "No such file or directory"),
        (folder.path().to_owned(), "a folder, where a file was expected"),
        (format!("{manifest}/result.txt"), "Not a directory"),
    ] {
        let ran = run(&["scan", &manifest, "-o", &place]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
        assert!(
            ran.err.contains(&format!("cannot write {place}: ")) && ran.err.contains(words),
            "{}",
            ran.err
        );
    }
    let full = run(&["scan", &manifest, "-o", "/dev/full"]);
    assert!(full.code == 5 && full.err.contains("cannot write /dev/full"), "{full:#?}");
}
