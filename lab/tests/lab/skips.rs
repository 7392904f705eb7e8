//! A tier that is missing is loud: the tests of this binary, run again where there is no Go.

use std::fs;
use std::process::Command;

use ringfence_lab::need;
use serde_json::Value;

use crate::place::Place;
use crate::place::said;

/// This binary with one ignored test, on a machine without programs.
fn without_programs(place: &Place, test: &str) -> Command {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--include-ignored", "--exact", test]).env("TMPDIR", place.path());
    again.env("PATH", "/nonexistent").env("RINGFENCE_LAB_CACHE", place.path().join("cache"));
    again.env("RINGFENCE_LAB_SKIPPED", place.path().join("skipped.jsonl"));
    for variable in ["RINGFENCE_LAB", "RINGFENCE_LAB_BIN", "KUBEBUILDER_ASSETS", "RINGFENCE_TEST_KUBECONFIG"]
    {
        again.env_remove(variable);
    }
    again
}

#[test]
fn a_test_without_its_tier_is_counted_as_skipped() {
    let place = Place::new();
    let test = "cluster::is_the_version_that_the_module_pins";
    let output = without_programs(&place, test).env_remove("RINGFENCE_REQUIRE_TIER").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("SKIPPED no lab tier 1a: Go toolchain not found")
            && stderr.contains(&format!("[{test}]")),
        "{}",
        said(&output)
    );
    let record = fs::read_to_string(place.path().join("skipped.jsonl")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!((&record["test"], &record["tier"]), (&test.into(), &"1a".into()));
}

#[test]
#[ignore = "needs lab tier 1b: takes it for a cluster of the user's"]
fn a_cluster_of_the_users_serves_the_tests_that_leave_no_trace() {
    let cluster = need!(ControlPlane, own);
    let place = Place::new();
    let again = |test: &str, disposable: &str| {
        let mut again = without_programs(&place, test);
        again.env("PATH", std::env::var_os("PATH").unwrap()).env("RINGFENCE_REQUIRE_TIER", "1b");
        again.env("RINGFENCE_TEST_KUBECONFIG", cluster.kubeconfig());
        again.env("RINGFENCE_TEST_CLUSTER_DISPOSABLE", disposable);
        let output = again.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    // It may be a guest, with the kubectl of the search path; not break anything, and not look behind the API.
    let label = "facts::namespace_label::an_editor_of_a_namespace_makes_it_the_model_registry";
    assert!(!again(label, "").contains("SKIPPED"));
    let budget = "facts::gpu_budget::six_of_eight_gpus_leave_a_second_six_pending";
    let refused = again(budget, "");
    assert!(
        refused.contains("SKIPPED") && refused.contains("RINGFENCE_TEST_CLUSTER_DISPOSABLE=1"),
        "{refused}"
    );
    assert!(!again(budget, "1").contains("SKIPPED"));
    let etcd = "cluster::secrets_lie_encrypted_in_etcd_and_config_maps_do_not";
    assert!(again(etcd, "1").contains("the cluster in use is not a lab"));
    let record = fs::read_to_string(place.path().join("skipped.jsonl")).unwrap();
    assert_eq!(record.lines().count(), 2);
}

#[test]
fn a_required_tier_that_is_missing_fails_the_test() {
    let place = Place::new();
    let test = "cluster::is_the_version_that_the_module_pins";
    let output = without_programs(&place, test).env("RINGFENCE_REQUIRE_TIER", "1b").output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("RINGFENCE_REQUIRE_TIER: no lab tier 1a"), "{}", said(&output));
}
