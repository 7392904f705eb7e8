//! `kubectl ringfence`: a real kubectl finds the binary as its plugin and hands it the cluster.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::Ran;
use crate::lab;
use crate::support::Folder;

#[test]
#[ignore = "needs lab tier 1b: a real kubectl and a cluster behind it"]
fn kubectl_runs_it_as_a_plugin() {
    let Some(lab) = lab() else { return };
    let folder = Folder::new("plugin");
    symlink(env!("CARGO_BIN_EXE_ringfence"), format!("{}/kubectl-ringfence", folder.path())).unwrap();
    let kubectl = |arguments: &[&str]| -> Ran {
        let mut kubectl = Command::new(lab.folder().join("bin/kubectl"));
        kubectl.args(arguments).env_clear().env("PATH", folder.path()).env("HOME", folder.path());
        kubectl.env("KUBECONFIG", lab.kubeconfig()).env("LANG", "C.UTF-8").output().unwrap().into()
    };
    let listed = kubectl(&["plugin", "list"]);
    assert!(listed.out.contains("kubectl-ringfence"), "{listed:#?}");
    let help = kubectl(&["ringfence", "scan", "--help"]);
    assert!(help.code == 0 && help.out.contains("Usage: kubectl ringfence scan"), "{help:#?}");
    // It asks the cluster that kubectl would ask.
    let checked = kubectl(&["ringfence", "check", "--format", "json"]).json();
    let says = checked["groups"][0]["checks"][0]["says"].as_str().unwrap().to_owned();
    assert!(says.starts_with(&lab.version()), "{says}");
    let scanned = kubectl(&["ringfence", "scan", "--format", "json"]).json();
    assert!(scanned["coverage"]["lists"]["answered"].as_u64().unwrap() > 10, "{:#}", scanned["coverage"]);
}
