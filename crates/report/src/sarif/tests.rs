//! Room `report`, SARIF: what is written is valid SARIF 2.1.0 and says what the scan says.

use serde_json::Value;

use crate::Format;
use crate::testing;
use crate::testing::sarif::errors;

fn printed(scan: &ringfence_finding::Scan) -> Value {
    serde_json::from_str(&testing::print(scan, Format::Sarif)).unwrap()
}

#[test]
fn every_log_is_valid_against_the_official_schema() {
    for scan in testing::all() {
        assert_eq!(errors(&printed(&scan)), [""; 0]);
    }
    // The validator is no rubber stamp.
    let mut broken = printed(&testing::standard());
    broken["runs"][0]["results"][0]["level"] = "high".into();
    assert_ne!(errors(&broken), [""; 0]);
    let mut broken = printed(&testing::standard());
    broken["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] =
        "a b".into();
    assert_ne!(errors(&broken), [""; 0]);
}

#[test]
fn a_fail_points_at_its_place_and_object() {
    let log = printed(&testing::standard());
    let run = &log["runs"][0];
    let result = &run["results"][2];
    assert_eq!(result["ruleId"], "RF-GPU-005");
    assert_eq!(
        run["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()]["id"],
        "RF-GPU-005"
    );
    assert_eq!((&result["kind"], &result["level"]), (&"fail".into(), &"error".into()));
    let location = &result["locations"][0];
    assert_eq!(location["physicalLocation"]["artifactLocation"]["uri"], "demo/open/web.yaml");
    let region = &location["physicalLocation"]["region"];
    assert_eq!(
        region,
        &serde_json::json!({"startLine": 31, "startColumn": 18, "byteOffset": 700, "byteLength": 3})
    );
    assert_eq!(location["physicalLocation"]["contextRegion"]["endLine"], 32);
    assert_eq!(location["logicalLocations"][0]["fullyQualifiedName"], "Deployment/web/checkout[app]");
    assert!(result["partialFingerprints"]["ringfence/v1"].as_str().unwrap().starts_with("v1:"));
}

#[test]
fn unknown_is_open_and_what_was_not_seen_is_a_notification() {
    let log = printed(&testing::standard());
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 7, "an error is no result");
    let unknown = &results[6];
    assert_eq!((&unknown["kind"], &unknown["level"]), (&"open".into(), &"none".into()));
    let invocation = &run["invocations"][0];
    assert_eq!((&invocation["executionSuccessful"], &invocation["exitCode"]), (&false.into(), &1.into()));
    let ids: Vec<_> = invocation["toolExecutionNotifications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| &n["descriptor"]["id"])
        .collect();
    assert_eq!(ids, ["incomplete/unparsable", "incomplete/template-not-rendered", "control-error"]);
    let closed = printed(&testing::closed());
    assert_eq!(closed["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn foreign_text_makes_no_link() {
    let log = printed(&testing::hostile());
    let message = log["runs"][0]["results"][0]["message"]["text"].as_str().unwrap();
    assert!(message.contains("\\[click](http://evil)"), "{message}");
}
