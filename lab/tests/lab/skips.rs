//! A tier that is missing is loud: the tests of this binary, run again where there is no Go.

use std::fs;
use std::process::Command;

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
fn a_required_tier_that_is_missing_fails_the_test() {
    let place = Place::new();
    let test = "cluster::is_the_version_that_the_module_pins";
    let output = without_programs(&place, test).env("RINGFENCE_REQUIRE_TIER", "1b").output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("RINGFENCE_REQUIRE_TIER: no lab tier 1a"), "{}", said(&output));
}
