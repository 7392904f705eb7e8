//! What a YAML text means is what the API server stores of it: awkward texts are sent as they are, in objects of a kind
//! that keeps whatever it is given, and read back.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "support/awkward/mod.rs"]
mod awkward;
#[path = "support/tree.rs"]
mod tree;

use http::Request;
use http::header::CONTENT_TYPE;
use kube::Client;
use ringfence_inventory::split;
use ringfence_inventory::yaml::read_yaml;
use ringfence_lab::need;
use serde_json::Value;

use awkward::READ_ANYWAY;
use awkward::REFUSED;
use awkward::TEXTS;
use tree::same;
use tree::to_json;

const PATH: &str = "/apis/stored.test/v1/awkwards";

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: awkwards.stored.test}
spec:
  group: stored.test
  scope: Cluster
  names: {plural: awkwards, singular: awkward, kind: Awkward}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// What an object says beside what makes it one.
fn rest(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        for key in ["apiVersion", "kind", "metadata"] {
            fields.remove(key);
        }
    }
    object
}

fn ours(text: &str) -> Result<Value, String> {
    let pieces = split(text);
    let [piece] = pieces.as_slice() else { return Err(format!("{} documents", pieces.len())) };
    let tree = read_yaml(&text[piece.range.clone()]).map_err(|error| error.to_string())?;
    to_json(tree.ok_or("nothing")?.root()).map(rest)
}

/// What the server stored, asked for anew after it took the text.
async fn stored(client: &Client, name: &str, text: String) -> Result<Value, String> {
    let post = Request::post(PATH).header(CONTENT_TYPE, "application/yaml").body(text.into_bytes()).unwrap();
    client.request::<Value>(post).await.map_err(|error| error.to_string())?;
    let get = Request::get(format!("{PATH}/{name}")).body(Vec::new()).unwrap();
    Ok(rest(client.request(get).await.unwrap()))
}

#[test]
#[ignore = "needs lab tier 1a: asks what a real API server stored"]
fn every_awkward_text_means_what_the_api_server_stored() {
    let cluster = need!(Api);
    cluster.install(DEFINITION);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut agreed, mut differ) = (0, Vec::new());
    runtime.block_on(async {
        let client = cluster.client().await;
        for (index, awkward) in TEXTS.iter().enumerate() {
            let name = format!("t{index}");
            let text =
                format!("apiVersion: stored.test/v1\nkind: Awkward\nmetadata: {{name: {name}}}\n{awkward}\n");
            // The server reads the first document and drops the others without a word; files of several are read whole.
            if split(&text).len() != 1 {
                continue;
            }
            match (ours(&text), stored(&client, &name, text).await) {
                (Ok(ours), Ok(stored)) if same(&ours, &stored) => agreed += 1,
                (Ok(ours), Ok(stored)) if ROUNDED.contains(awkward) && is_near(&ours["v"], &stored["v"]) => {}
                (Err(_), Err(_)) => {}
                (Ok(_), Err(_)) if READ_ANYWAY.contains(awkward) => {}
                (Err(_), Ok(_)) if REFUSED.contains(awkward) || awkward.starts_with('\u{feff}') => {}
                (ours, stored) => {
                    differ.push(format!("{awkward:?}\n  stored {stored:?}\n  ours   {ours:?}"));
                }
            }
        }
    });
    cluster.kubectl(&["delete", "customresourcedefinition", "awkwards.stored.test"]).ok();
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(agreed >= 500, "only {agreed} of {} texts agree", TEXTS.len());
}

/// Beyond 2^63 the server keeps a float of 53 bits.
const ROUNDED: &[&str] = &["v: 9223372036854775808", "v: 0x8000000000000000"];

fn is_near(left: &Value, right: &Value) -> bool {
    let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) else { return false };
    (left - right).abs() <= left.abs() * f64::EPSILON
}
