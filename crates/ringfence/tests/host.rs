//! The host is never asked: `model scan` says the same, byte for byte, whatever Python packages are in sight of it.
#![cfg(feature = "models")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use support::Folder;
use support::Ran;
use support::command;

/// Names that the hostile and the ordinary files of the corpora look up, or their formats belong to.
const PACKAGES: [&str; 8] = ["os", "collections", "torch", "numpy", "sklearn", "joblib", "onnx", "pickle"];

/// What a scan of the corpora gives with this environment, without the time it took.
fn scan(prepare: impl Fn(&mut Command), format: &str) -> Ran {
    let corpora = support::root().join("fuzz/corpus");
    let mut command = command(&["model", "scan", corpora.to_str().unwrap(), "--verbose", "--format", format]);
    prepare(&mut command);
    let mut ran: Ran = command.output().unwrap().into();
    if format == "json" {
        let mut document = ran.json();
        assert!(
            document.as_object_mut().unwrap().remove("seconds").is_some(),
            "the one part that may differ"
        );
        ran.out = document.to_string();
    } else {
        let without_time =
            |line| if str::starts_with(line, "exit ") { line.rsplit_once(", ").unwrap().0 } else { line };
        ran.out = ran.out.lines().map(without_time).collect::<Vec<_>>().join("\n");
    }
    ran
}

/// A host with packages in every place where a Python looks for them, and a python3 that leaves a mark when it is run.
fn host(folder: &Folder) -> String {
    let mark = format!("{}/python-was-run", folder.path());
    for site in ["home/.local/lib/python3.11/site-packages", "venv/lib/python3.11/site-packages", "work"] {
        for package in PACKAGES {
            folder.write(&format!("{site}/{package}/__init__.py"), format!("open({mark:?}, 'w')\n"));
            folder.write(
                &format!("{site}/{package}-99.0.dist-info/METADATA"),
                format!("Name: {package}\nVersion: 99.0\n"),
            );
        }
        folder.write(&format!("{site}/sitecustomize.py"), format!("open({mark:?}, 'w')\n"));
    }
    for name in ["python3", "python", "pip"] {
        let program = folder.write(&format!("venv/bin/{name}"), format!("#!/bin/sh\n: > '{mark}'\n"));
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    mark
}

fn compare(at: impl Fn(&mut Command)) {
    for format in ["json", "concise", "text"] {
        let bare = scan(|command| _ = command.env("PATH", "").env("HOME", "").env("PYTHONPATH", ""), format);
        assert!(
            bare.code == 1 && bare.out.contains("os.system") && bare.out.len() > 10_000,
            "{}",
            bare.out.len()
        );
        let with = scan(&at, format);
        assert_eq!((with.code, &with.err), (bare.code, &bare.err), "{format}");
        assert!(with.out == bare.out, "{format}: the results differ");
    }
}

#[test]
fn packages_in_sight_change_no_byte_of_the_result() {
    let folder = Folder::new("host");
    let mark = host(&folder);
    let (home, site) =
        (format!("{}/home", folder.path()), format!("{}/venv/lib/python3.11/site-packages", folder.path()));
    compare(|command| {
        command.env("PATH", format!("{}/venv/bin", folder.path())).env("HOME", &home);
        command.env("PYTHONPATH", &site).env("VIRTUAL_ENV", format!("{}/venv", folder.path()));
        command
            .env("PYTHONHOME", format!("{}/venv", folder.path()))
            .current_dir(format!("{}/work", folder.path()));
    });
    let was_run = || Path::new(&mark).try_exists().unwrap();
    assert!(!was_run(), "a Python was run");
    assert!(Command::new(format!("{}/venv/bin/python3", folder.path())).status().unwrap().success());
    assert!(was_run(), "a Python that is run leaves no mark");
}

#[test]
#[ignore = "needs model-peers: the real packages in sight, whose names the files look up"]
fn real_packages_in_sight_change_no_byte_of_the_result() {
    let python = std::env::var_os("RINGFENCE_MODEL_PEERS").expect("RINGFENCE_MODEL_PEERS names the program");
    let bin = Path::new(&python).parent().unwrap();
    let site = Command::new(&python)
        .args(["-I", "-c", "import numpy, onnx, sys; print(numpy.__path__[0])"])
        .output()
        .unwrap();
    let site = String::from_utf8(site.stdout).unwrap();
    let site = site.trim().strip_suffix("/numpy").expect("numpy is installed there");
    compare(|command| {
        command.env("PATH", bin).env("HOME", bin.parent().unwrap()).env("PYTHONPATH", site);
        command.env("VIRTUAL_ENV", bin.parent().unwrap()).current_dir(site);
    });
}
