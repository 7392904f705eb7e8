//! Room `report`, tests: a SARIF log enters, what the official schema has against it leaves.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

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

/// What the schema has against a log, formats such as URIs included.
pub(crate) fn errors(log: &Value) -> Vec<String> {
    let validator = jsonschema::options().should_validate_formats(true).build(&official_schema()).unwrap();
    validator.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect()
}
