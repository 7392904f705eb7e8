//! Pods that real controllers made: one root cause is one finding with their number, and a pod that a webhook changed is
//! its own.

use std::time::Duration;

use ringfence_lab::until;
use serde_json::Value;

use crate::lab;
use crate::object;

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: fleet}
spec:
  replicas: 40
  selector: {matchLabels: {app: fleet}}
  template:
    metadata: {labels: {app: fleet}}
    spec:
      containers:
      - name: server
        image: registry.example/vllm/vllm-openai:v0.9.1
        securityContext: {privileged: true}
";

#[test]
#[ignore = "needs lab tier 1b: controllers make forty pods"]
fn forty_pods_of_one_replica_set_are_one_finding() {
    let Some(lab) = lab() else { return };
    let namespace = lab.namespace("owners");
    namespace.apply(DEPLOYMENT).ok();
    let pods = ["get", "pods", "--output", "jsonpath={.items[*].spec.nodeName}"];
    until("forty scheduled pods", Duration::from_mins(1), || {
        let nodes = namespace.kubectl(&pods).ok();
        (nodes.split_whitespace().count() == 40).then_some(())
    });
    let ran = crate::run(lab, &["scan", "--format", "json", "--namespace", namespace.name(), "--page", "7"]);
    let result = ran.json();
    let findings: Vec<&Value> = result["findings"].as_array().unwrap().iter().collect();
    let privileged: Vec<&&Value> = findings.iter().filter(|one| one["control"] == "RF-RUN-001").collect();
    assert_eq!(privileged.len(), 1, "{privileged:#?}");
    assert_eq!(object(privileged[0]), format!("Deployment/{}/fleet", namespace.name()));
    assert_eq!(privileged[0]["pods"], 40);
    // A live pod carries the node it runs on: nobody walked past the scheduler.
    assert!(findings.iter().all(|one| one["control"] != "RF-GPU-024"), "{findings:#?}");
    assert_eq!(result["narrowed"][0], format!("--namespace {}", namespace.name()));

    let text = crate::run(lab, &["scan", "-v", "--namespace", namespace.name()]).out;
    assert!(text.contains("40 running"), "{text}");
}

#[test]
#[ignore = "needs lab tier 1b: a selector is the API server's to judge"]
fn a_selector_narrows_to_the_workloads_that_match() {
    let Some(lab) = lab() else { return };
    let namespace = lab.namespace("selector");
    for (name, tier) in [("kept", "gpu"), ("left", "web")] {
        namespace.apply(&pod(name, tier)).ok();
    }
    let name = namespace.name();
    let selected = |selector: &str| -> Vec<String> {
        let ran = crate::run(lab, &["scan", "--format", "json", "-n", name, "-l", selector]);
        let objects = crate::fails(&ran.json()).into_iter();
        objects.filter(|(control, _)| control == "RF-RUN-001").map(|(_, object)| object).collect()
    };
    assert_eq!(selected("tier=gpu"), [format!("Pod/{name}/kept")]);
    assert_eq!(selected("tier in (gpu,web)").len(), 2);
    assert_eq!(selected("tier=none"), [""; 0]);
    let wrong = crate::run(lab, &["scan", "-n", name, "-l", "tier in (gpu"]);
    assert_ne!(wrong.code, 0, "a selector that no server takes is not an empty answer: {wrong:#?}");
}

fn pod(name: &str, tier: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{tier: {tier}}}}}
spec:
  containers:
  - {{name: server, image: 'registry.example/vllm/vllm-openai:v0.9.1', securityContext: {{privileged: true}}}}
"
    )
}
