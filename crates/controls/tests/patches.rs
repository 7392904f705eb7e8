//! YAML inside strings is judged as what it makes of the pod: Argo's `podSpecPatch`, a Ray job's runtime environment.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use support::judged;

/// What the controls named say, `RF-RUN-001 Fail spec.x`.
fn said(findings: &[Finding], controls: &[&str]) -> Vec<String> {
    let wanted = findings.iter().filter(|finding| controls.contains(&finding.control.to_string().as_str()));
    wanted.map(|finding| format!("{} {:?} {}", finding.control, finding.outcome, finding.field)).collect()
}

fn workflow(patch: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{name: w, namespace: ml}}
spec:
  activeDeadlineSeconds: 60
  templates:
  - name: train
    podSpecPatch: {patch}
    container: {{image: trainer:1, resources: {{limits: {{nvidia.com/gpu: 1}}}}, securityContext: {{privileged: false}}}}
"
    )
}

#[test]
fn a_patch_decides_over_the_container_it_is_laid_over() {
    let controls = ["RF-RUN-001", "RF-GPU-024", "RF-GPU-005", "RF-DATA-008"];
    let open = judged(&workflow(
        "'{\"nodeName\": \"gpu-1\", \"volumes\": [{\"name\": \"m\", \"emptyDir\": {\"medium\": \"Memory\"}}], \"containers\": \
         [{\"name\": \"main\", \"securityContext\": {\"privileged\": true}, \"env\": [{\"name\": \"NVIDIA_VISIBLE_DEVICES\", \
         \"value\": \"all\"}]}]}'",
    ));
    let at = "spec.templates[name=train].podSpecPatch";
    assert_eq!(
        said(&open, &controls),
        [
            format!("RF-RUN-001 Fail {at}.containers[name=main].securityContext.privileged"),
            format!("RF-GPU-024 Fail {at}.nodeName"),
            format!("RF-DATA-008 Fail {at}.volumes[name=m].emptyDir.sizeLimit"),
        ],
        "the container asks for a GPU, so the variable opens nothing"
    );
    let closed = "|
      containers:
      - name: main
        securityContext: {privileged: false}";
    let text = workflow(closed).replace("privileged: false}}\n", "privileged: true}}\n");
    assert_eq!(said(&judged(&text), &controls), [""; 0], "the patch takes the privilege away");
}

#[test]
fn a_patch_that_depends_on_parameters_is_unknown_and_never_a_pass() {
    let findings = judged(&workflow("'{{workflow.parameters.patch}}'"));
    assert_eq!(
        said(&findings, &["RF-RUN-001", "RF-GPU-024"]),
        [
            "RF-RUN-001 Unknown spec.templates[name=train].podSpecPatch",
            "RF-GPU-024 Unknown spec.templates[name=train].podSpecPatch",
        ]
    );
    let value = judged(&workflow("'{containers: [{name: main, securityContext: {privileged: \"{{x}}\"}}]}'"));
    assert_eq!(
        said(&value, &["RF-RUN-001"]),
        [
            "RF-RUN-001 Unknown spec.templates[name=train].podSpecPatch.containers[name=main].securityContext.privileged"
        ]
    );
    // What is written fails whatever the patch may say.
    let text =
        workflow("'{{workflow.parameters.patch}}'").replace("privileged: false}}\n", "privileged: true}}\n");
    assert_eq!(
        said(&judged(&text), &["RF-RUN-001"]),
        ["RF-RUN-001 Fail spec.templates[name=train].container.securityContext.privileged"]
    );
}

#[test]
fn the_runtime_environment_of_a_ray_job_is_judged_and_not_shown() {
    let token = ringfence_secret::synthetic::key("huggingface", 9).unwrap();
    let text = format!(
        "apiVersion: ray.io/v1
kind: RayJob
metadata: {{name: r, namespace: ml}}
spec:
  activeDeadlineSeconds: 60
  runtimeEnvYAML: |
    env_vars:
      HF_TOKEN: {token}
      DB_PASSWORD: correct-horse-battery
      NVIDIA_VISIBLE_DEVICES: all
      VLLM_TRUST_REMOTE_CODE: \"1\"
  rayClusterSpec:
    headGroupSpec:
      template: {{spec: {{containers: [{{name: head, image: rayproject/ray}}]}}}}
"
    );
    let findings = judged(&text);
    assert_eq!(
        said(&findings, &["RF-MOD-004", "RF-SEC-001", "RF-GPU-005"]),
        [
            "RF-SEC-001 Fail spec.runtimeEnvYAML".to_owned(),
            "RF-MOD-004 Fail spec.runtimeEnvYAML.env_vars.VLLM_TRUST_REMOTE_CODE".to_owned(),
        ],
        "no container is opened by a variable of a process in it"
    );
    for finding in findings.iter().filter(|finding| finding.outcome == Outcome::Fail) {
        let shown = format!("{finding:?}");
        assert!(!shown.contains(&token), "{finding:?}");
        assert!(!shown.contains("correct-horse-battery"), "{finding:?}");
    }
}
