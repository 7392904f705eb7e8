//! Where the programs come from: the folder of envtest, another user, no Go at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use ringfence_lab::ControlPlane;
use ringfence_lab::need;
use serde_json::Value;

use crate::place::Place;
use crate::place::fails;
use crate::place::name;
use crate::place::text;

/// The folder of programs that the lab in use was started from, with these of them.
pub(crate) fn folder_with(cluster: &ControlPlane, place: &Place, programs: &[&str]) -> PathBuf {
    let spec: Value = serde_json::from_slice(&fs::read(cluster.folder().join("spec.json")).unwrap()).unwrap();
    let folder = place.path().join("programs");
    fs::create_dir(&folder).unwrap();
    for program in programs {
        let original = Path::new(spec["programs"][program].as_str().unwrap());
        let link = folder.join(program);
        // 140 MB each: a copy only where the folders are on two file systems.
        fs::hard_link(original, &link).or_else(|_| fs::copy(original, &link).map(drop)).unwrap();
    }
    folder
}

#[test]
fn without_go_it_says_what_to_install() {
    let place = Place::new();
    let mut up = place.lab(&["up"]);
    up.env("PATH", "/nonexistent").env("RINGFENCE_LAB_CACHE", place.path().join("cache"));
    up.env_remove("RINGFENCE_LAB_BIN").env_remove("KUBEBUILDER_ASSETS");
    let said = fails(&mut up, 3);
    assert!(said.contains("Go toolchain not found") && said.contains("install Go 1.26 or newer"), "{said}");
    assert!(place.homes().is_empty());
}

#[test]
#[ignore = "needs lab tier 1b: takes its programs"]
fn three_programs_of_envtest_give_tier_1a_and_name_what_1b_lacks() {
    let cluster = need!(ControlPlane, own);
    let place = Place::new();
    let envtest = folder_with(cluster, &place, &["etcd", "kube-apiserver", "kubectl"]);
    let lab = |words: &[&str]| {
        let mut command = place.lab(words);
        command.env("KUBEBUILDER_ASSETS", &envtest).env_remove("RINGFENCE_LAB_BIN");
        command.env("RINGFENCE_LAB_CACHE", place.path().join("cache")).env("RINGFENCE_LAB_BUILD", "0");
        command
    };
    let said = fails(&mut lab(&["up", "--tier", "1b"]), 3);
    assert!(
        said.contains("no lab tier 1b: kube-controller-manager not found, kube-scheduler not found"),
        "{said}"
    );
    let output = lab(&["up"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let status = place.status();
    assert_eq!((&status[0]["tier"], &status[0]["phase"]), (&"1a".into(), &"ready".into()));
    place.run(&["down"]);
}

#[test]
#[ignore = "needs lab tier 1b: takes its programs"]
fn runs_as_a_user_without_rights() {
    let cluster = need!(ControlPlane, own);
    let place = Place::new();
    let programs = ["etcd", "kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler"];
    let folder = folder_with(cluster, &place, &programs);
    let program = folder.join("ringfence-lab");
    fs::copy(env!("CARGO_BIN_EXE_ringfence-lab"), &program).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Root gives its rights up; another user has none to begin with.
    let is_root = rustix::process::geteuid().is_root();
    let drop_rights: &[&str] =
        if is_root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } else { &["env"] };
    let lab = |words: &[&str]| {
        let mut command = place.lab(&[]);
        let inherited = std::mem::replace(&mut command, std::process::Command::new(drop_rights[0]));
        command.args(&drop_rights[1..]).arg(&program).args(words);
        for (name, value) in inherited.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("RINGFENCE_LAB_BIN", &folder).env_remove("HOME").env_remove("XDG_CACHE_HOME");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    lab(&["up", "--tier", "1b"]);
    let home = place.homes().remove(0);
    let status: Value = serde_json::from_str(&lab(&["status", "--format=json"])).unwrap();
    let status = &status["labs"][0];
    assert_eq!((&status["tier"], &status["phase"]), (&"1b".into(), &"ready".into()));
    if is_root {
        let pid = &status["components"][1]["process"]["pid"];
        let owner = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(owner.contains("Uid:\t65534\t65534\t65534"), "{owner}");
    }
    lab(&["down"]);
    place.is_left_empty(&[name(&home)], crate::place::GONE);
}
