//! ExternalSecrets (guide 18, 19, 24) against the definition that the External Secrets Operator ships, out of its Go module
//! (`lab/crds.toml` pins it), with the versions that its releases serve.

use std::path::Path;
use std::process::Command;

use ringfence_lab::ControlPlane;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::get;
use crate::stage::ACTS;
use crate::stage::Stage;

const MODULE: &str = "github.com/external-secrets/external-secrets";

/// The definition of ExternalSecret as it is shipped.
fn shipped(lab: &ControlPlane) -> Value {
    let pins = include_str!("../../../../lab/crds.toml").split("[[module]]");
    let pin = pins.into_iter().find(|it| it.contains(&format!("path = \"{MODULE}\""))).unwrap();
    let field = |key: &str| {
        let line = pin.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.unwrap().trim_end_matches('"').to_owned()
    };
    let output = Command::new("go")
        .args(["mod", "download", "-json", &format!("{MODULE}@{}", field("version"))])
        .current_dir(std::env::temp_dir())
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off")
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["Sum"], field("sum"), "{told}");
    let file = Path::new(told["Dir"].as_str().unwrap())
        .join("config/crds/bases/external-secrets.io_externalsecrets.yaml");
    let words = ["create", "--dry-run=client", "--output=json", "--filename", file.to_str().unwrap()];
    serde_json::from_str(&lab.kubectl(&words).ok()).unwrap()
}

/// The definition with these of its versions, each served or not. The first is stored.
fn serving(shipped: &Value, versions: &[(&str, bool)]) -> Value {
    let mut definition = shipped.clone();
    let of = |name: &str| {
        let all = shipped["spec"]["versions"].as_array().unwrap();
        all.iter().find(|it| it["name"] == name).unwrap().clone()
    };
    let versions = versions.iter().enumerate().map(|(place, (name, served))| {
        let mut version = of(name);
        version["served"] = json!(served);
        version["storage"] = json!(place == 0);
        version
    });
    definition["spec"]["versions"] = versions.collect();
    definition
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: beside go, which fetches a definition"]
async fn external_secrets_are_written_in_the_version_that_current_releases_serve_and_in_no_other() {
    let Some(stage) = Stage::enter().await else { return };
    let lab = stage.lab;
    let ml = lab.namespace("ml");
    let shipped = shipped(lab);
    // A release from before 0.16.
    lab.install(&serving(&shipped, &[("v1beta1", true)]).to_string());
    let controller = stage.controller().await;
    let more = json!({"secrets": {
        "store": {"kind": "ClusterSecretStore", "name": "aws-secrets-manager"},
        "refreshInterval": "30m",
        "items": [
            {"name": "openai", "remoteKey": "/prod/ai/openai", "property": "key", "secretKey": "OPENAI_API_KEY"},
            {"name": "hf-token", "remoteKey": "/prod/ai/hf"},
        ],
    }});

    // The domain says what it lacks, and the rest of it is in place.
    let domain = Domain::new(lab, ml.name(), "Enforce", &more);
    let message = until("the old version is named", ACTS, || {
        let ready = domain.condition("Ready").filter(|it| it["status"] == "False")?;
        let message = ready["message"].as_str()?.to_owned();
        message.contains("v1beta1").then_some(message)
    });
    let words = "spec.secrets.items: the cluster serves ExternalSecret only as external-secrets.io/v1beta1, which current \
                 releases no longer serve. Fix: upgrade the External Secrets Operator to 0.16 or newer";
    assert!(message.contains(words), "{message}");
    until("the fence", ACTS, || get(lab, &["-n", ml.name(), "networkpolicy/rf-default-deny"]));
    assert_eq!(ml.kubectl(&["get", "externalsecrets.external-secrets.io", "--output=name"]).ok(), "");

    // The operator is upgraded under the running controller.
    lab.install(&serving(&shipped, &[("v1", true), ("v1beta1", false)]).to_string());
    let written = until("the secret is written", ACTS, || {
        get(lab, &["-n", ml.name(), "externalsecrets.v1.external-secrets.io/rf-openai"])
    });
    domain.settled();
    assert_eq!(written["apiVersion"], "external-secrets.io/v1");
    // Nothing of it was cut off by the schema; what the schema adds is beside it.
    let sent = json!({
        "refreshPolicy": "Periodic",
        "refreshInterval": "30m",
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws-secrets-manager"},
        "target": {"name": "openai", "creationPolicy": "Owner", "deletionPolicy": "Retain"},
        "data": [{"secretKey": "OPENAI_API_KEY", "remoteRef": {"key": "/prod/ai/openai", "property": "key"}}],
    });
    assert!(covers(&written["spec"], &sent), "{}", written["spec"]);
    assert_eq!(
        written["spec"]["data"][0]["remoteRef"]["conversionStrategy"], "Default",
        "the schema is the real one"
    );
    let whole = get(lab, &["-n", ml.name(), "externalsecrets.v1.external-secrets.io/rf-hf-token"]).unwrap();
    assert_eq!(whole["spec"]["data"][0]["secretKey"], "hf-token");
    let mut wrong = written.clone();
    wrong["metadata"] = json!({"name": "wrong"});
    wrong["spec"]["target"]["deletionPolicy"] = json!("Sometimes");
    let said = stage.dry_run(ml.name(), &wrong).refused();
    assert!(said.contains("Unsupported value: \"Sometimes\""), "{said}");
    // The guide's own example has no such luck.
    let said = lab.apply(include_str!("../../../../fixtures/guide/external-secret.yaml")).refused();
    assert!(
        said.contains("no matches for kind \"ExternalSecret\" in version \"external-secrets.io/v1beta1\""),
        "{said}"
    );
    stage.end();
    controller.end().await;
    lab.kubectl(&["delete", "crd", "externalsecrets.external-secrets.io"]).ok();
}

/// Whether everything of `part` is in `whole`.
fn covers(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| covers(whole, part)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| covers(whole, part))
        }
        (whole, part) => whole == part,
    }
}
