//! Room `report`, SARIF: what is written is valid SARIF 2.1.0 and says what the scan says.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Format;
use crate::testing;

/// The official schema, out of the package that carries it: `cargo` knows where the locked dependency lies.
fn official_schema() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version=1", "--locked", "--filter-platform=host-tuple"];
    let output =
        Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let package =
        metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "serde-sarif");
    let manifest = PathBuf::from(package.unwrap()["manifest_path"].as_str().unwrap());
    let schema = std::fs::read(manifest.with_file_name("src").join("schema.json")).unwrap();
    let mut schema: Value = serde_json::from_slice(&schema).unwrap();
    // `...[a-zA-Z]{2}]?$`: the stray bracket is no valid pattern for a strict reader. No log of ours has the property.
    for holder in ["run", "toolComponent"] {
        let language = schema["definitions"][holder]["properties"]["language"].as_object_mut().unwrap();
        language.remove("pattern").unwrap();
    }
    schema
}

fn printed(scan: &ringfence_finding::Scan) -> Value {
    serde_json::from_str(&testing::print(scan, Format::Sarif)).unwrap()
}

#[test]
fn every_log_is_valid_against_the_official_schema() {
    let schema = official_schema();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for scan in testing::all() {
        let log = printed(&scan);
        let errors: Vec<_> =
            validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    // The validator is no rubber stamp.
    let mut broken = printed(&testing::standard());
    broken["runs"][0]["results"][0]["level"] = "high".into();
    assert!(!validator.is_valid(&broken));
    let mut broken = printed(&testing::standard());
    broken["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] =
        "a b".into();
    assert!(!validator.is_valid(&broken));
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
