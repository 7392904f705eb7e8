//! A lab's life: it comes up, goes down and leaves nothing, whoever is killed when.

use std::process::Command;

use ringfence_lab::Tier;
use ringfence_lab::need;
use ringfence_lab::until;

use crate::place::GONE;
use crate::place::PATIENCE;
use crate::place::Place;
use crate::place::has_ended;
use crate::place::kill;
use crate::place::members;
use crate::place::name;
use crate::place::recorded;

#[test]
#[ignore = "needs lab tier 1b: starts labs by command"]
fn goes_up_for_a_shell_and_down_without_a_trace() {
    need!(ControlPlane, own);
    let place = Place::new();
    let exports = place.run(&["up", "--tier", "1b", "--fake-node", "gpu-1=8"]);
    assert_eq!(exports.lines().count(), 1, "{exports}");
    // What a user types: eval, then kubectl, which is the lab's.
    let mut shell = Command::new("sh");
    let script = format!(
        "{exports}kubectl version -o json && kubectl get node gpu-1 -o jsonpath='{{.status.allocatable}}'"
    );
    let output = shell.args(["-ec", &script]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.matches("\"gitVersion\": \"v1.36.").count(), 2, "client and server: {printed}");
    assert!(printed.contains("\"nvidia.com/gpu\":\"8\""), "{printed}");

    let status = place.status();
    assert_eq!((status.len(), &status[0]["tier"]), (1, &"1b".into()));
    let components = status[0]["components"].as_array().unwrap();
    assert_eq!(components.len(), 4);
    assert!(components.iter().all(|component| component["runs"] == true), "{status:?}");

    let names = [name(&place.homes()[0])];
    assert!(members(&names).len() >= 5, "four components and the supervisor");
    place.run(&["down"]);
    assert!(place.homes().is_empty() && members(&names).is_empty(), "down waits until nothing is left");
    assert_eq!(place.run(&["status"]), "no lab runs\n");
}

#[test]
#[ignore = "needs lab tier 1a: starts ten labs"]
fn ten_labs_three_at_a_time_leave_nothing() {
    need!(Api, own);
    let place = Place::new();
    for round in [3, 3, 3, 1] {
        let ups: Vec<_> = (0..round).map(|_| place.spawn(&["up", "--tier", "1a"])).collect();
        for mut up in ups {
            assert!(up.wait().unwrap().success());
        }
        let names: Vec<String> = place.homes().iter().map(|home| name(home)).collect();
        assert_eq!(names.len(), round);
        let downs: Vec<_> = names.iter().map(|name| place.spawn(&["down", name])).collect();
        for mut down in downs {
            assert!(down.wait().unwrap().success());
        }
        assert!(place.homes().is_empty() && members(&names).is_empty());
    }
}

/// Kills the owner of a lab once the lab's folder has a file; nothing may be left.
fn killed_owner(file: &str) {
    let place = Place::new();
    let mut owner = place.spawn(&["exec", "--tier", "1b", "--", "sleep", "30"]);
    let home = place.home_with(file);
    owner.kill().unwrap();
    owner.wait().unwrap();
    place.is_left_empty(&[name(&home)], GONE);
}

#[test]
#[ignore = "needs lab tier 1b: kills what starts one"]
fn an_owner_killed_during_the_start_leaves_nothing() {
    need!(ControlPlane, own);
    killed_owner("run/kube-apiserver.json");
}

#[test]
#[ignore = "needs lab tier 1b: kills what uses one"]
fn an_owner_killed_while_it_works_leaves_nothing() {
    need!(ControlPlane, own);
    killed_owner("lab.json");
}

#[test]
#[ignore = "needs lab tier 1b: kills what ends one"]
fn an_owner_killed_during_the_stop_leaves_nothing() {
    need!(ControlPlane, own);
    let place = Place::new();
    let mut owner = place.spawn(&["exec", "--tier", "1b", "--", "true"]);
    let home = place.home_with("lab.json");
    let stopping = || (!home.join("run/kube-scheduler.json").is_file()).then_some(());
    until("the first end of a component", PATIENCE, stopping);
    owner.kill().unwrap();
    owner.wait().unwrap();
    place.is_left_empty(&[name(&home)], GONE);
}

#[test]
#[ignore = "needs lab tier 1b: kills supervisors"]
fn sweep_removes_a_lab_without_supervisor_and_no_other() {
    need!(ControlPlane, own);
    let place = Place::new();
    place.run(&["up", "--tier", "1b"]);
    let orphan = place.homes().remove(0);
    place.run(&["up", "--tier", "1a"]);
    let neighbour = place.homes().into_iter().find(|home| *home != orphan).unwrap();
    let supervisor = recorded(&orphan, "supervisor");
    kill(supervisor);
    let names = [name(&orphan)];
    until("end of the supervisor", PATIENCE, || has_ended(supervisor).then_some(()));
    assert!(members(&names).len() >= 4, "its components go on without it");
    assert!(place.run(&["status"]).contains(&format!("{}  left behind", names[0])));

    assert_eq!(place.run(&["sweep"]), format!("removed {}\n", names[0]));
    assert!(members(&names).is_empty());
    let status = place.status();
    assert_eq!((status.len(), &status[0]["name"]), (1, &name(&neighbour).into()));
    assert_eq!(status[0]["phase"], "ready");
    assert_eq!(place.run(&["sweep"]), "");
    place.run(&["down", &name(&neighbour)]);
    place.is_left_empty(&[name(&neighbour)], GONE);
}

#[test]
#[ignore = "needs lab tier 1a: starts one of its own"]
fn a_private_lab_is_gone_when_its_test_is_over() {
    let options = ringfence_lab::Options { tier: Some(Tier::Api), ..Default::default() };
    let lab = need!(private options);
    let home = lab.folder().to_owned();
    assert!(home.join("lab.json").is_file());
    drop(lab);
    assert!(!home.try_exists().unwrap());
    assert!(members(&[name(&home)]).is_empty());
}
