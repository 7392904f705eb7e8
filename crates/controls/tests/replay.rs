//! A live cluster, saved and read again, says what it said: every finding with every word, and no secret in the file.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends here")]

mod support;

use std::collections::BTreeSet;
use std::fs;

use ringfence_controls::Saved;
use ringfence_controls::catalogue;
use ringfence_controls::judge;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Snapshot;
use ringfence_secret::Engine;
use ringfence_secret::synthetic;
use serde_json::Value as Json;
use serde_json::json;
use support::live::snapshot;

/// Everything that the controls say, as a machine would read it.
fn said(snapshot: Snapshot) -> Json {
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    let findings = judge(&inventory, &catalogue()).findings;
    json!({ "findings": findings, "coverage": inventory.coverage })
}

fn saved(snapshot: &Snapshot) -> String {
    let mut out = Vec::new();
    snapshot.save(&Saved, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn replays(name: &str, text: &str) {
    let snapshot = snapshot(text);
    let file = saved(&snapshot);
    let again = Snapshot::load(file.as_bytes()).unwrap();
    assert_eq!(saved(&again), file, "{name}: saving twice changes nothing");
    let (before, after) = (said(snapshot), said(again));
    assert_eq!(before["coverage"], after["coverage"], "{name}");
    let list = |said: &Json| said["findings"].as_array().unwrap().clone();
    for (before, after) in list(&before).iter().zip(list(&after)) {
        assert_eq!(*before, after, "{name}");
    }
    assert_eq!(list(&before).len(), list(&after).len(), "{name}");
    // A key may stand in any spelling; its text is in none.
    for hit in Engine::shared().scan(text.as_bytes()) {
        assert!(!file.contains(&text[hit.range]), "{name}: {}", hit.shown);
    }
}

#[test]
fn every_fixture_says_the_same_after_a_save() {
    let mut seen = 0;
    for name in ["bad", "good"] {
        for (slug, text) in support::fixtures(name) {
            replays(&format!("{slug}/{name}"), &text);
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn the_demo_says_the_same_after_a_save() {
    let demo = ringfence_fixture::folder().join("../demo");
    for door in ["open", "closed"] {
        let mut paths: BTreeSet<_> = BTreeSet::new();
        for entry in fs::read_dir(demo.join(door)).unwrap() {
            paths.insert(entry.unwrap().path());
        }
        let texts = paths.iter().filter(|path| path.extension().is_some_and(|one| one == "yaml"));
        let all: Vec<String> = texts.map(|path| fs::read_to_string(path).unwrap()).collect();
        replays(door, &all.join("\n---\n"));
    }
}

#[test]
fn secrets_of_every_kind_are_gone_and_what_controls_read_stays() {
    let key = |id: &str, seed| synthetic::key(id, seed).unwrap();
    let (hub, ai, other) = (key("huggingface", 1), key("openai-project", 2), key("anthropic-api", 3));
    let encoded = ringfence_inventory::yaml::encode_base64(format!("token = {other}").as_bytes());
    let text = format!(
        r#"apiVersion: v1
kind: Pod
metadata:
  name: p
  namespace: ml
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{{"apiVersion":"v1","kind":"Pod","spec":{{"containers":[{{"env":[{{"name":"DB_PASSWORD","value":"hunter2"}},{{"name":"A","value":"{ai}"}}]}}]}}}}'
    {hub}: in a key
spec:
  containers:
  - name: c
    image: vllm/vllm-openai:v0.9.1
    args: [--model, meta-llama/Llama-3, --trust-remote-code, --api-key, zebra77, --token={hub}, 'x --password=zebra78 --n 1']
    env:
    - {{name: DB_PASSWORD, value: hunter2}}
    - {{name: HF_TOKEN, value: "{hub}"}}
    - {{name: BOTH, value: "{ai} {hub} tail"}}
    - {{name: DATABASE, value: "postgres://bob:hunter3@db/x"}}
    - {{name: API_KEY, value: $(FROM_ELSEWHERE)}}
    - {{name: ENABLE_AUTH_TOKEN, value: "false"}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: cm, namespace: ml}}
binaryData: {{blob: {encoded}, other: aHVudGVyNA==}}
data:
  app.env: |
    PASSWORD=hunter5
    KEY={ai}
  mode: fast
---
apiVersion: fleet.example/v1
kind: Fleet
metadata: {{name: f, namespace: ml}}
spec:
  apiKey: {{value: hunter6}}
  authOptions: {{mode: token}}
  passwords: [hunter7, {ai}]
"#
    );
    replays("planted", &text);
    let file = saved(&snapshot(&text));
    for gone in [
        "hunter2",
        "hunter3",
        "hunter5",
        "hunter6",
        "hunter7",
        "zebra77",
        "zebra78",
        "aHVudGVyNA",
        &hub,
        &ai,
        &other,
        &encoded,
    ] {
        assert!(!file.contains(gone), "{gone}\n{file}");
    }
    for kept in [
        "meta-llama/Llama-3",
        "--trust-remote-code",
        "vllm/vllm-openai:v0.9.1",
        r#""mode":"fast""#,
        r#""mode":"token""#,
        "$(FROM_ELSEWHERE)",
        r#""value":"false""#,
        "--n 1",
    ] {
        assert!(file.contains(kept), "{kept}\n{file}");
    }
}
