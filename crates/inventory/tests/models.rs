//! Which models a pod loads, from every place that names one, read through the whole inventory.

use ringfence_inventory::Immutable;
use ringfence_inventory::Inventory;
use ringfence_inventory::ModelRole;
use ringfence_inventory::ModelSource;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// `role source name revision immutable place` of each reference.
fn models(text: &str) -> Vec<String> {
    let inventory = Inventory::from_text(text);
    let lines = inventory.pods().flat_map(|pod| {
        let lines = pod.ai().models.iter().map(move |model| {
            let value = pod.object().value(model.at);
            let shell = if model.in_shell { " in-shell" } else { "" };
            format!(
                "{} {:?} {}{} {:?} at {}{shell}",
                model.role.as_str(),
                model.source,
                model.name,
                model.revision.as_ref().map(|revision| format!(" @{revision}")).unwrap_or_default(),
                model.immutable,
                pod.object().field(value),
            )
        });
        lines.collect::<Vec<_>>()
    });
    lines.collect()
}

/// A pod with one container named `c`, whose further fields are `fields` in flow style.
fn pod(fields: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, image: i, {fields}}}]}}}}"
    )
}

const C: &str = "spec.containers[name=c]";

#[test]
fn flags_name_models_in_every_spelling() {
    for (fields, expected) in [
        ("args: [--model, a/b]", format!("model Hub a/b No at {C}.args[--model=]")),
        ("args: ['--model=a/b']", format!("model Hub a/b No at {C}.args[--model=]")),
        ("args: [--model-path, a/b]", format!("model Hub a/b No at {C}.args[--model-path=]")),
        ("args: [--model-id, gpt2]", format!("model Hub gpt2 No at {C}.args[--model-id=]")),
        (
            "args: ['--model_name_or_path=a/b']",
            format!("model Hub a/b No at {C}.args[--model_name_or_path=]"),
        ),
        ("args: [--model-name-or-path, a/b]", format!("model Hub a/b No at {C}.args[--model-name-or-path=]")),
        (
            "args: [--pretrained_model_name_or_path, a/b]",
            format!("model Hub a/b No at {C}.args[--pretrained_model_name_or_path=]"),
        ),
        ("args: [--tokenizer, a/b]", format!("tokenizer Hub a/b No at {C}.args[--tokenizer=]")),
        ("args: [--dataset, a/b]", format!("dataset Hub a/b No at {C}.args[--dataset=]")),
        ("args: [--dataset_name, a/b]", format!("dataset Hub a/b No at {C}.args[--dataset_name=]")),
        ("args: ['--dataset-name=a/b']", format!("dataset Hub a/b No at {C}.args[--dataset-name=]")),
        ("command: [vllm, serve, gpt2]", format!("model Hub gpt2 No at {C}.command[2]")),
        ("command: [vllm, serve], args: [a/b]", format!("model Hub a/b No at {C}.args[0]")),
        ("command: [/opt/bin/vllm, serve, a/b]", format!("model Hub a/b No at {C}.command[2]")),
        (
            "command: [sh, -c, 'exec vllm serve a/b']",
            format!("model Hub a/b No at {C}.command[-c=] in-shell"),
        ),
        ("command: [hf, download, a/b]", format!("model Hub a/b No at {C}.command[2]")),
        (
            "command: [huggingface-cli, download, a/b, --repo-type, dataset]",
            format!("dataset Hub a/b No at {C}.command[2]"),
        ),
        ("args: [--model, s3://x/y]", format!("model S3 s3://x/y No at {C}.args[--model=]")),
        ("args: [--model, /models/x]", format!("model Local /models/x Yes at {C}.args[--model=]")),
        (
            "args: [--model, '{{inputs.m}}']",
            format!("model Unknown {{{{inputs.m}}}} Unknown at {C}.args[--model=]"),
        ),
    ] {
        assert_eq!(models(&pod(fields)), [expected], "{fields}");
    }
}

#[test]
fn what_is_no_model_reference_is_left_alone() {
    for fields in [
        "args: [--model, resnet50]",
        "args: [--model]",
        "args: [--model, --other]",
        "args: [--models-are, a/b]",
        "command: [web, serve, a/b]",
        "args: ['vllm serve a/b is how you start it']",
        "args: [--tokenizer-mode, auto]",
        "env: [{name: MODEL_NAME, value: golf}]",
        "env: [{name: MODEL, value: a/b}]",
        "env: [{name: MODEL_ID, value: ''}]",
    ] {
        assert_eq!(models(&pod(fields)), [""; 0], "{fields}");
    }
}

#[test]
fn revisions_belong_to_what_they_pin() {
    for (fields, expected) in [
        (format!("args: [--model, a/b, --revision, {COMMIT}]"), vec![("a/b", true)]),
        ("args: [--model, a/b, --revision, main]".to_owned(), vec![("a/b", false)]),
        (format!("args: [--model, a/b, --tokenizer-revision, {COMMIT}]"), vec![("a/b", false)]),
        (
            format!("args: [--model, a/b, --tokenizer, a/t, --revision, {COMMIT}]"),
            vec![("a/b", true), ("a/t", false)],
        ),
        (
            format!("args: [--model, a/b, --tokenizer, a/t, '--tokenizer-revision={COMMIT}']"),
            vec![("a/b", false), ("a/t", true)],
        ),
        // Weights are pinned, the code loaded beside them is not.
        (format!("args: [--model, a/b, --revision, {COMMIT}, --code-revision, main]"), vec![("a/b", false)]),
        (
            format!("args: [--model, a/b, --revision, {COMMIT}, --code-revision, {COMMIT}]"),
            vec![("a/b", true)],
        ),
        // The last flag wins.
        (format!("args: [--model, a/b, --revision, {COMMIT}, --revision, main]"), vec![("a/b", false)]),
        (
            format!("env: [{{name: MODEL_ID, value: a/b}}, {{name: REVISION, value: {COMMIT}}}]"),
            vec![("a/b", true)],
        ),
    ] {
        let inventory = Inventory::from_text(&pod(&fields));
        let pod = inventory.pods().next().unwrap();
        let found: Vec<_> = pod
            .ai()
            .models
            .iter()
            .map(|model| (model.name.as_str(), model.immutable == Immutable::Yes))
            .collect();
        assert_eq!(found, expected, "{fields}");
    }
}

#[test]
fn variables_of_the_same_container_are_resolved() {
    let env = "env: [{name: M, value: a/b}, {name: S, valueFrom: {configMapKeyRef: {name: x, key: y}}}]";
    for (args, expected) in [
        ("args: [--model, $(M)]", "Hub a/b No"),
        ("args: [--model, 's3://$(M)']", "S3 s3://a/b No"),
        ("args: [--model, $(S)]", "Unknown $(S) Unknown"),
        ("args: [--model, $(T)]", "Unknown $(T) Unknown"),
        // Without a shell nobody expands these.
        ("args: [--model, '${M}']", "Unknown ${M} Unknown"),
        ("command: [sh, -c, 'x --model ${M}']", "Hub a/b No"),
        ("command: [sh, -c, 'x --model $M']", "Hub a/b No"),
        ("command: [sh, -c, 'x --model $M/c']", "Local a/b/c Yes"),
        ("command: [sh, -c, 'x --model $(M)']", "Hub a/b No"),
        ("command: [sh, -c, 'x --model `cat m`']", "Unknown `cat m` Unknown"),
    ] {
        let found = models(&pod(&format!("{args}, {env}")));
        assert_eq!(found.len(), 1, "{args}");
        assert!(found[0].contains(expected), "{args}: {found:?}");
    }
}

#[test]
fn variables_name_models() {
    for (name, value) in [
        ("MODEL_ID", "a/b"),
        ("HF_MODEL_ID", "gpt2"),
        ("MODEL_NAME", "a/b"),
        ("NIM_MODEL_NAME", "hf://a/b"),
        ("MODEL_URL", "hf://a/b"),
    ] {
        let found = models(&pod(&format!("env: [{{name: {name}, value: '{value}'}}]")));
        let name_seen = value.trim_start_matches("hf://");
        assert_eq!(found, [format!("model Hub {name_seen} No at {C}.env[name={name}].value")]);
    }
    let elsewhere = "env: [{name: MODEL_ID, valueFrom: {secretKeyRef: {name: s, key: k}}}]";
    assert_eq!(
        models(&pod(elsewhere)),
        [format!("model Unknown $(MODEL_ID) Unknown at {C}.env[name=MODEL_ID]")]
    );
}

#[test]
fn mounted_paths_are_no_hub_ids() {
    let mount = "volumeMounts: [{name: v, mountPath: /models}, {name: w, mountPath: /work/data}]";
    assert_eq!(
        models(&pod(&format!("args: [--model, models/llama], {mount}"))),
        [format!("model Local models/llama Yes at {C}.args[--model=]")]
    );
    assert_eq!(
        models(&pod(&format!("args: [--model, data/llama], workingDir: /work, {mount}"))),
        [format!("model Local data/llama Yes at {C}.args[--model=]")]
    );
    assert_eq!(
        models(&pod(&format!("args: [--model, modelsx/llama], {mount}"))),
        [format!("model Hub modelsx/llama No at {C}.args[--model=]")]
    );
}

#[test]
fn adapters_come_in_lists_and_as_json() {
    let text = pod(
        "args: [--model, a/b, --lora-modules, 'one=a/c', 'two=/d', '{\"name\":\"three\",\"path\":\"a/e\"}', --port, '1=2']",
    );
    assert_eq!(
        models(&text),
        [
            format!("model Hub a/b No at {C}.args[--model=]"),
            format!("adapter Hub a/c No at {C}.args[3]"),
            format!("adapter Local /d Yes at {C}.args[4]"),
            format!("adapter Hub a/e No at {C}.args[5]"),
        ]
    );
}

#[test]
fn a_server_image_takes_its_first_argument_as_model() {
    let text = pod("args: [gpt2, --port, '80']").replace("image: i", "image: vllm/vllm-openai:v0.11.0");
    assert_eq!(models(&text), [format!("model Hub gpt2 No at {C}.args[0]")]);
    let shared = pod("args: [--model, gpt2]").replace("image: i", "image: vllm/vllm-openai:v0.9.0");
    assert_eq!(models(&shared), [format!("model Hub gpt2 No at {C}.args[--model=]")]);
    let own_command =
        pod("command: [sh], args: [gpt2]").replace("image: i", "image: vllm/vllm-openai:v0.11.0");
    assert_eq!(models(&own_command), [""; 0]);
}

#[test]
fn custom_kinds_name_models_in_fields_of_their_own() {
    let isvc = "
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: i}
spec:
  predictor:
    storageUris: [{uri: gs://b/second}]
    model: {modelFormat: {name: x}, storageUri: hf://a/b}
";
    assert_eq!(
        models(isvc),
        [
            "model Hub a/b No at spec.predictor.model.storageUri",
            "model Gcs gs://b/second No at spec.predictor.storageUris[0].uri",
        ]
    );
    let train = "
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: t}
spec:
  runtimeRef: {name: r}
  trainer: {image: i}
  initializer:
    model: {storageUri: hf://a/b, env: [{name: A, value: b}]}
    dataset: {storageUri: hf://a/data}
";
    assert_eq!(
        models(train),
        [
            "dataset Hub a/data No at spec.initializer.dataset.storageUri",
            "model Hub a/b No at spec.initializer.model.storageUri",
        ]
    );
    let vllm = "
apiVersion: production-stack.vllm.ai/v1alpha1
kind: VLLMRuntime
metadata: {name: v}
spec:
  model: {modelURL: a/b}
  vllmConfig: {extraArgs: [--x], env: []}
  deploymentConfig: {image: {name: i}}
";
    assert_eq!(models(vllm), ["model Hub a/b No at spec.model.modelURL"]);
}

#[test]
fn image_volumes_are_references_that_prove_no_ai() {
    let digest = "a".repeat(64);
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, image: i}}], volumes: [\
         {{name: v, image: {{reference: 'r.io/m:v1'}}}}, {{name: w, image: {{reference: 'r.io/m@sha256:{digest}'}}}}]}}}}"
    );
    let inventory = Inventory::from_text(&text);
    let pod = inventory.pods().next().unwrap();
    let found: Vec<_> =
        pod.ai().models.iter().map(|model| (model.source, model.name.as_str(), model.immutable)).collect();
    assert_eq!(
        found,
        [(ModelSource::Oci, "r.io/m:v1", Immutable::No), (ModelSource::Oci, "r.io/m", Immutable::Yes)]
    );
    assert!(pod.ai().models.iter().all(|model| model.is_volume && model.role == ModelRole::Model));
    assert_eq!(pod.ai().scope, ringfence_inventory::Scope::No);
}
