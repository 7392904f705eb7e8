//! Trouble at the start: a component that fails, a port that is taken, a starter that is interrupted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ringfence_lab::need;

use crate::place::GONE;
use crate::place::Place;
use crate::place::fails;
use crate::place::name;
use crate::place::text;
use crate::programs::folder_with;

const PROGRAMS: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];

/// Puts a script in the place of a program, which it finds as `$REAL`.
fn replace(folder: &Path, program: &str, script: &str) {
    let real = folder.join(format!("real/{program}"));
    fs::create_dir_all(real.parent().unwrap()).unwrap();
    fs::rename(folder.join(program), &real).unwrap();
    let text = format!("#!/bin/sh\nREAL={}\n{script}\n", real.display());
    fs::write(folder.join(program), text).unwrap();
    fs::set_permissions(folder.join(program), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
#[ignore = "needs lab tier 1a: takes its programs"]
fn a_failed_start_shows_the_end_of_the_guilty_log_and_leaves_nothing() {
    let cluster = need!(Api, own);
    let place = Place::new();
    let folder = folder_with(cluster, &place, &PROGRAMS);
    replace(&folder, "kube-apiserver", "echo first line >&2; echo unknown flag: --nonsense >&2; exit 1");
    let mut up = place.lab(&["up", "--tier", "1a"]);
    let said = fails(up.env("RINGFENCE_LAB_BIN", &folder), 1);
    assert!(said.contains("kube-apiserver ended: exit status: 1"), "{said}");
    assert!(said.contains("first line\nunknown flag: --nonsense"), "{said}");
    place.is_left_empty(&[format!("TMPDIR={}", place.path().display())], GONE);
}

#[test]
#[ignore = "needs lab tier 1a: takes its programs"]
fn a_port_that_somebody_took_is_replaced_by_another() {
    let cluster = need!(Api, own);
    let place = Place::new();
    let folder = folder_with(cluster, &place, &PROGRAMS);
    let marker = place.path().join("tried");
    let script = format!(
        "if ! test -e {0}; then touch {0}; echo listen tcp 127.0.0.1:1: bind: address already in use >&2; exit 1; fi
         exec $REAL \"$@\"",
        marker.display()
    );
    replace(&folder, "etcd", &script);
    let mut up = place.lab(&["up", "--tier", "1a"]);
    let output = up.env("RINGFENCE_LAB_BIN", &folder).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(marker.is_file());
    let home = place.homes().remove(0);
    let log = fs::read_to_string(home.join("log/etcd.log")).unwrap();
    assert!(log.contains("address already in use"), "{log}");
    place.run(&["down"]);
    place.is_left_empty(&[name(&home)], GONE);
}

#[test]
#[ignore = "needs lab tier 1a: interrupts a start"]
fn an_interrupted_up_leaves_nothing() {
    need!(Api, own);
    let place = Place::new();
    let mut up = place.spawn(&["up", "--tier", "1a"]);
    let home = place.home_with("run/etcd.json");
    up.kill().unwrap();
    up.wait().unwrap();
    place.is_left_empty(&[name(&home)], GONE);
}
