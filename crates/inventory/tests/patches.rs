//! YAML inside strings: what Argo's `podSpecPatch` makes of a pod, and the variables of a Ray job's processes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

use ringfence_finding::Reason;
use ringfence_inventory::Container;
use ringfence_inventory::Inventory;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;
use ringfence_inventory::yaml::Value;

/// A workflow with a patch of its own, one template without and one with a patch.
fn workflow(of_workflow: &str, of_template: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{name: w, namespace: ml}}
spec:
  podSpecPatch: {of_workflow}
  hostNetwork: false
  volumes: [{{name: shm, emptyDir: {{medium: Memory}}}}, {{name: data, emptyDir: {{}}}}]
  templates:
  - name: plain
    container: {{image: trainer:1, args: [old], env: [{{name: A, value: a}}], resources: {{limits: {{nvidia.com/gpu: 2, memory: 8Gi}}}}}}
  - name: patched
    podSpecPatch: {of_template}
    script: {{image: script:1, source: run, securityContext: {{privileged: false, runAsUser: 7}}}}
    sidecars: [{{name: aside, image: aside:1}}]
    initContainers: [{{name: main, image: first:1}}]
"
    )
}

/// The pod of a template.
fn pod<'i>(inventory: &'i Inventory, name: &str) -> Pod<'i> {
    inventory.pods().find(|pod| pod.body().str_at("name") == Some(name)).unwrap()
}

/// `name: image privileged gpus`.
fn shown(container: Container<'_>) -> String {
    let privileged = container.security("privileged").and_then(Value::as_bool);
    let image = container.image().unwrap_or_default();
    format!("{}: {image} {privileged:?} {}", container.name(), container.accelerator_count())
}

#[test]
fn a_patch_wins_over_what_is_written_and_adds_what_is_not() {
    let patch = "'{\"hostPID\": true, \"volumes\": [{\"name\": \"shm\", \"emptyDir\": {\"sizeLimit\": \"1Gi\"}}], \
                 \"containers\": [{\"name\": \"main\", \"args\": [\"new\"], \"env\": [{\"name\": \"A\", \"value\": \"b\"}], \
                 \"resources\": {\"limits\": {\"nvidia.com/gpu\": 8}}, \"securityContext\": {\"privileged\": true}}, \
                 {\"name\": \"wait\", \"securityContext\": {\"privileged\": true}}]}'";
    let text = workflow(patch, "''");
    let inventory = Inventory::from_text(&text);
    assert!(!inventory.coverage.is_incomplete(), "{:?}", inventory.coverage.blind);
    let plain = pod(&inventory, "plain");
    assert_eq!(
        plain.containers().map(shown).collect::<Vec<_>>(),
        ["container: trainer:1 Some(true) 8", "wait:  Some(true) 0"]
    );
    let main = plain.containers().next().unwrap();
    let words: Vec<String> = main.words().into_iter().map(|word| word.text).collect();
    assert_eq!(words, ["new"]);
    assert_eq!(main.env_var("A").and_then(|variable| variable.value?.text()), Some("b"));
    assert_eq!(
        main.resource("limits", "memory").and_then(Value::text),
        Some("8Gi"),
        "what it leaves out stays"
    );
    assert_eq!(plain.get("hostPID").and_then(Value::as_bool), Some(true));
    assert_eq!(plain.get("hostNetwork").and_then(Value::as_bool), Some(false));
    let volumes: Vec<bool> =
        plain.volumes().map(|volume| volume.at(&["emptyDir", "sizeLimit"]).is_some()).collect();
    assert_eq!(volumes, [true, false], "the patched volume once, then the other one");
    // A path goes on from the text, and a place is the text's.
    let privileged = main.security("privileged").unwrap();
    let object = plain.object();
    assert_eq!(
        object.field(privileged),
        "spec.podSpecPatch.containers[name=main].securityContext.privileged"
    );
    let location = object.location(privileged);
    assert_eq!(location.line, 5);
    assert!(text[location.start..location.end].contains("privileged"), "{location:?}");
    assert!(main.holds(privileged) && main.holds(main.get("image").unwrap()));
}

#[test]
fn the_patch_of_a_template_wins_over_that_of_its_workflow() {
    let of_workflow =
        "\"containers:\\n- name: main\\n  securityContext: {privileged: false}\\nhostPID: true\\n\"";
    let of_template = "|
      hostPID: false
      initContainers:
      - name: main
        securityContext: {privileged: true}
      containers:
      - {name: main, image: other:2, securityContext: {privileged: true}}
      - {name: aside, securityContext: {privileged: true}}
      - {name: new, image: new:1}";
    let inventory = Inventory::from_text(&workflow(of_workflow, of_template));
    let patched = pod(&inventory, "patched");
    let found: Vec<(Role, String)> =
        patched.containers().map(|container| (container.role, shown(container))).collect();
    let expected = [
        (Role::Main, "script: other:2 Some(true) 0"),
        (Role::Init, "main: first:1 Some(true) 0"),
        (Role::Main, "aside: aside:1 Some(true) 0"),
        (Role::Main, "new: new:1 None 0"),
    ];
    assert_eq!(found, expected.map(|(role, text)| (role, text.to_owned())));
    let script = patched.containers().next().unwrap();
    assert_eq!(script.security("runAsUser").and_then(Value::as_i64), Some(7));
    assert_eq!(patched.get("hostPID").and_then(Value::as_bool), Some(false));
    assert_eq!(pod(&inventory, "plain").get("hostPID").and_then(Value::as_bool), Some(true));
    assert!(inventory.pods().all(|pod| pod.closed_patch().is_none()));
}

#[test]
fn a_patch_of_parameters_is_unknown_and_one_that_nobody_takes_is_told() {
    let told = |patch: &str| {
        let inventory = Inventory::from_text(&workflow(patch, "''"));
        let closed = pod(&inventory, "plain").closed_patch().is_some();
        let reasons = inventory.coverage.blind.iter().map(|blind| blind.reason);
        (closed, reasons.filter(|reason| *reason != Reason::Assumption).collect::<Vec<_>>())
    };
    for (patch, expected) in [
        ("'{{workflow.parameters.patch}}'", (true, vec![])),
        ("'containers: {{=sprig.list()}} {'", (true, vec![])),
        ("'{\"hostPID\": {{inputs.parameters.pid}}}'", (true, vec![])),
        ("'hostPID: \"{{inputs.parameters.pid}}\"'", (false, vec![])),
        ("''", (false, vec![])),
        ("'[hostPID]'", (true, vec![Reason::WouldBeRejected])),
        ("'hostPID: [true'", (true, vec![Reason::WouldBeRejected])),
        ("\"hostPID: true\\nhostPID: false\"", (false, vec![Reason::DuplicateKey])),
    ] {
        assert_eq!(told(patch), expected, "{patch}");
    }
    let deep = format!("'{}'", "[".repeat(300));
    assert_eq!(told(&deep), (true, vec![Reason::Depth]));
}

#[test]
fn many_large_patches_end_at_a_budget() {
    // Each expands to 200,000 values; nothing may ask for all of them.
    let list =
        |name: &str, of: &str, items: usize| format!("{name}: &{name} [{}]", vec![of; items].join(", "));
    let bomb = [list("a", "x", 100), list("b", "*a", 40), list("c", "*b", 40)].join("\\n");
    let templates =
        format!("  - {{name: t, podSpecPatch: \"{bomb}\", container: {{image: i}}}}\n").repeat(60);
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{name: w}}\nspec:\n  templates:\n{templates}"
    );
    let inventory = Inventory::from_text(&text);
    let reasons: Vec<Reason> = inventory.coverage.blind.iter().map(|blind| blind.reason).collect();
    assert!(reasons.contains(&Reason::Budget), "{reasons:?}");
    assert!(inventory.coverage.is_incomplete());
    assert_eq!(inventory.pods().len(), 60);
}

#[test]
fn a_patch_of_absurdly_many_containers_counts_as_unread() {
    let closed = |number: usize| {
        let containers: Vec<String> = (0..number).map(|name| format!("{{name: c{name}}}")).collect();
        let inventory =
            Inventory::from_text(&workflow(&format!("'containers: [{}]'", containers.join(", ")), "''"));
        let plain = pod(&inventory, "plain");
        (plain.closed_patch().is_some(), plain.containers().count())
    };
    assert_eq!(closed(16), (false, 17));
    assert_eq!(closed(17), (true, 1));
}

#[test]
fn patches_are_found_wherever_a_workflow_stands() {
    let patch = "{podSpecPatch: 'hostPID: true', templates: [{name: t, container: {image: i}}]}";
    for text in [
        format!("{{apiVersion: argoproj.io/v1alpha1, kind: WorkflowTemplate, metadata: {{name: w}}, spec: {patch}}}"),
        format!(
            "{{apiVersion: argoproj.io/v1alpha1, kind: CronWorkflow, metadata: {{name: w}}, spec: {{workflowSpec: {patch}}}}}"
        ),
        "{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: w}, spec: {templateDefaults: {podSpecPatch: \
         'hostPID: true'}, templates: [{name: t, container: {image: i}}]}}"
            .to_owned(),
        // The templates stand elsewhere: the patch is all that is here.
        "{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: w}, spec: {podSpecPatch: 'hostPID: true', \
         workflowTemplateRef: {name: t}}}"
            .to_owned(),
    ] {
        let inside = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  w.yaml: |\n    {text}\n");
        for text in [text, inside] {
            let inventory = Inventory::from_text(&text);
            let pods: Vec<_> = inventory.pods().collect();
            let [pod] = pods.as_slice() else { panic!("{text}: {pods:?}") };
            assert_eq!(pod.get("hostPID").and_then(Value::as_bool), Some(true), "{text}");
        }
    }
}

#[test]
fn processes_of_a_ray_job_have_the_variables_of_its_runtime_environment() {
    let spec = "runtimeEnvYAML: |
    env_vars:
      HF_TOKEN: secret
      VLLM_TRUST_REMOTE_CODE: 1
    pip: [vllm]
    working_dir: https://example.com/code.zip
  rayClusterSpec:
    headGroupSpec: {template: {spec: {containers: [{name: head, image: rayproject/ray}]}}}
    workerGroupSpecs: [{groupName: g, template: {spec: {containers: [{name: worker, image: rayproject/ray}]}}}]
";
    let job =
        format!("apiVersion: ray.io/v1\nkind: RayJob\nmetadata: {{name: r, namespace: ml}}\nspec:\n  {spec}");
    let indented = spec.replace('\n', "\n  ");
    let cron = format!(
        "apiVersion: ray.io/v1\nkind: RayCronJob\nmetadata: {{name: r, namespace: ml}}\nspec:\n  jobTemplate:\n    {indented}"
    );
    for (text, path) in [(job, "spec"), (cron, "spec.jobTemplate")] {
        let inventory = Inventory::from_text(&text);
        let containers: Vec<_> = inventory.pods().flat_map(Pod::containers).collect();
        let names: Vec<(Role, &str)> =
            containers.iter().map(|container| (container.role, container.name())).collect();
        assert_eq!(
            names,
            [(Role::Main, "head"), (Role::Process, "runtimeEnvYAML"), (Role::Main, "worker")],
            "{text}"
        );
        let env: Vec<_> = containers[1]
            .env()
            .map(|variable| (variable.name, variable.value.and_then(Value::text)))
            .collect();
        assert_eq!(env, [("HF_TOKEN", Some("secret")), ("VLLM_TRUST_REMOTE_CODE", Some("1"))]);
        let token = containers[1].env_var("HF_TOKEN").unwrap().item;
        let pod = containers[1].pod;
        assert_eq!(pod.object().field(token), format!("{path}.runtimeEnvYAML.env_vars.HF_TOKEN"));
        assert!(!pod.built_by_operator());
    }
}
