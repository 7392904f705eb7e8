//! RF-MOD-002: one pod in, references to models, tokenizers, adapters and datasets that can change under it out.

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Immutable;
use ringfence_inventory::ModelRef;
use ringfence_inventory::ModelSource;
use ringfence_inventory::Pod;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A model named by branch, tag or bucket key is whatever its owner, or who took over the account, put there last.
///
/// ## What it sees
/// References in `command`, `args`, shell strings, variables, `storageUri` and image volumes of AI workloads, one
/// finding each. Immutable are: a hub repository with a 40-digit commit as revision, an OCI reference with a digest, an
/// S3 object with a version, and what lies on a disk of the cluster (a path, a claim). A branch (`main`), a tag, a short
/// commit, a bucket key and a file behind https can change.
///
/// ## Why it matters for AI
/// Loading weights is running code in many formats, and even pure weights decide what the model says. Hub accounts get
/// taken over and deleted names registered anew; then every restart of the pod loads the new owner's files. Nothing in
/// the cluster changes, so no review and no scan sees it.
///
/// ## Bad
/// ```yaml
/// args: [serve, mistralai/Mistral-7B-v0.3, --revision=main]
/// ```
///
/// ## Good
/// ```yaml
/// args:
///   - serve
///   - mistralai/Mistral-7B-v0.3
///   - --revision=0123456789abcdef0123456789abcdef01234567
/// ```
///
/// ## Fix and its side effects
/// Pin the commit (`--revision`, and `--tokenizer-revision`, `--code-revision` where they differ), the digest or the
/// object version. Updates then take a change of the manifest, which is the point. Best is a copy of your own by
/// digest: it also survives the day the hub is down.
///
/// ## When it is unknown
/// The reference or its revision is a variable that nobody gives; it is named.
///
/// ## References
/// - guide: G28
/// - OWASP AISVS 1.0: 4.2.3
/// - MITRE ATLAS 5.6.0: AML.T0010.003
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Mod, 2),
        slug: "mutable-model-ref",
        title: "model reference can change under the workload",
        risk: "whoever takes over the repository or bucket decides what the next restart of the pod loads and runs",
        cure: "pin the 40-digit commit, the digest or the object version, or load a copy of your own by digest",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G28" },
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.2.3" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0010.003" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    for model in &pod.ai().models {
        let object = pod.object();
        let at = object.value(model.at);
        let container = pod.containers().find(|container| container.holds(at));
        match model.immutable {
            Immutable::Yes => {}
            Immutable::No => {
                let sure =
                    if model.in_shell || model.is_volume { Confidence::Medium } else { Confidence::High };
                let hit = Hit::at(object, at, message(model)).confidence(sure);
                results.fail(match container {
                    Some(container) => hit.container(container),
                    None => hit,
                });
            }
            Immutable::Unknown => results.unknown_in(object, Some(at), container, missing(model)),
        }
    }
}

fn message(model: &ModelRef) -> String {
    let name = short(&model.name);
    match (model.source, model.revision.as_deref()) {
        (ModelSource::Hub, Some(revision)) if revision.chars().count() <= 12 && revision != "main" => {
            format!("loads {name} at {revision}")
        }
        (ModelSource::Hub, _) => format!("loads {name} at a branch"),
        (ModelSource::S3, _) => format!("loads {name} without a version"),
        (ModelSource::Oci, _) => format!("loads {name} by tag"),
        _ => format!("loads {name}, which can change"),
    }
}

/// The variable without which nobody knows what is loaded.
fn missing(model: &ModelRef) -> String {
    let role = model.role.as_str();
    if let Some(variable) = variable(&model.name) {
        return format!("the {role} depends on {variable}, which nobody gives");
    }
    match model.revision.as_deref().and_then(variable) {
        Some(variable) => format!("the revision of the {role} is {variable}, which nobody gives"),
        None => format!("where the {role} {} comes from is not written here", short(&model.name)),
    }
}

/// First unresolved variable in a text, as written: `$(NAME)`, `${NAME}`, `$NAME`, `{{name}}`.
fn variable(text: &str) -> Option<&str> {
    if let Some(start) = text.find("{{") {
        let rest = text.get(start..)?;
        return rest.get(..rest.find("}}").map_or(rest.len(), |end| end.saturating_add(2)));
    }
    let rest = text.get(text.find(['$', '`'])?..)?;
    let end = match rest.as_bytes().get(1) {
        Some(b'(') => rest.find(')').map_or(rest.len(), |end| end.saturating_add(1)),
        Some(b'{') => rest.find('}').map_or(rest.len(), |end| end.saturating_add(1)),
        _ => {
            let name = rest.get(1..).unwrap_or("");
            let end = name.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
            end.map_or(rest.len(), |end| end.saturating_add(1))
        }
    };
    rest.get(..end)
}

/// Enough of a name to find it beside the object's: no credentials, no query; of a long one its end.
fn short(name: &str) -> String {
    const LONGEST: usize = 28;
    let name = name.split(['?', '#']).next().unwrap_or(name);
    let (scheme, rest) = name.split_once("://").unwrap_or(("", name));
    // `user:password@host`
    let authority = rest.split('/').next().unwrap_or("");
    let rest = authority.rfind('@').and_then(|at| rest.get(at.saturating_add(1)..)).unwrap_or(rest);
    let whole = if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") };
    let count = whole.chars().count();
    if count <= LONGEST {
        return whole;
    }
    let tail: String = whole.chars().skip(count.saturating_sub(LONGEST)).collect();
    match tail.split_once('/') {
        Some((_, parts)) if !parts.is_empty() => format!("…/{parts}"),
        _ => format!("…{tail}"),
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Confidence;
    use ringfence_finding::Finding;

    use super::*;
    use crate::testing::judged;
    use crate::testing::one_line;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn pod(container: &str) -> Vec<Finding> {
        let text = format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: ml}}
spec:
  containers:
  - {{name: server, image: vllm/vllm-openai, resources: {{limits: {{nvidia.com/gpu: 1}}}}, {container}}}
"
        );
        judged("RF-MOD-002", &text)
    }

    #[test]
    fn bad_fixture_fails_at_the_argument() {
        insta::assert_snapshot!(one_line("mutable-model-ref", "bad"), @"HIGH RF-MOD-002 Deployment/ml/model[server]: loads mistralai/Mistral-7B-v0.3 at a branch");
    }

    #[test]
    fn unknown_fixture_names_the_variable() {
        insta::assert_snapshot!(one_line("mutable-model-ref", "unknown"), @"UNKNOWN RF-MOD-002 Deployment/ml/model[server]: the tokenizer depends on $(TOKENIZER), which nobody gives");
    }

    #[test]
    fn what_can_change_is_found_one_finding_a_reference() {
        let pinned = format!("args: [--model=acme/m, --revision={COMMIT}]");
        let mixed = format!(
            "args: [--model=acme/m, --revision={COMMIT}, --tokenizer=acme/t, --tokenizer-revision=v2]"
        );
        for (container, expected) in [
            ("args: [--model=acme/m]", vec!["loads acme/m at a branch"]),
            ("args: [--model, acme/m, --revision, main]", vec!["loads acme/m at a branch"]),
            ("args: [--model, acme/m, --revision, v1.2]", vec!["loads acme/m at v1.2"]),
            (&pinned, vec![]),
            (&mixed, vec!["loads acme/t at v2"]),
            ("args: [--model=/models/m]", vec![]),
            ("env: [{name: HF_MODEL_ID, value: acme/m}]", vec!["loads acme/m at a branch"]),
            ("env: [{name: MODEL_URL, value: 's3://b/churn'}]", vec!["loads s3://b/churn without a version"]),
            ("env: [{name: MODEL_URL, value: 's3://b/m?versionId=3HL4'}]", vec![]),
            (
                "env: [{name: MODEL_URL, value: 'https://u:pw@h.example/m.pt?sig=abc'}]",
                vec!["loads https://h.example/m.pt, which can change"],
            ),
            ("args: ['--model=$(MODEL)']", vec!["the model depends on $(MODEL), which nobody gives"]),
            (
                "args: [--model=acme/m, '--revision=$(REV)']",
                vec!["the revision of the model is $(REV), which nobody gives"],
            ),
        ] {
            let findings = pod(container);
            let messages: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
            assert_eq!(messages, expected, "{container}");
        }
    }

    #[test]
    fn a_shell_string_is_less_sure() {
        let findings = pod("command: [sh, -c, 'vllm serve acme/m --port 8000']");
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].confidence, Confidence::Medium);
        assert_eq!(findings[0].container.as_deref(), Some("server"));
    }

    #[test]
    fn the_storage_uri_of_an_inference_service_counts() {
        let text = "apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: reranker, namespace: ml}
spec: {predictor: {model: {modelFormat: {name: huggingface}, storageUri: hf://BAAI/bge-reranker-v2-m3}}}
";
        let findings = judged("RF-MOD-002", text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].message, "loads BAAI/bge-reranker-v2-m3 at a branch");
        assert_eq!(findings[0].field, "spec.predictor.model.storageUri");
    }

    #[test]
    fn names_are_shown_short_and_without_credentials() {
        for (name, expected) in [
            ("acme/m", "acme/m"),
            ("sentence-transformers/all-MiniLM-L6-v2", "…/all-MiniLM-L6-v2"),
            ("s3://acme-growth-models/churn/latest", "…/churn/latest"),
            ("https://user:pass@h/m.pt?token=x", "https://h/m.pt"),
            ("averyveryverylongnamewithoutaslash", "…erylongnamewithoutaslash"),
        ] {
            let shown = short(name);
            assert!(shown.chars().count() <= 29, "{shown}");
            if !name.starts_with("avery") {
                assert_eq!(shown, expected);
            }
        }
    }

    #[test]
    fn variables_are_named_as_written() {
        for (text, expected) in [
            ("$(MODEL)/x", Some("$(MODEL)")),
            ("a/${M:-b c}/d", Some("${M:-b c}")),
            ("$MODEL/x", Some("$MODEL")),
            ("s3://{{inputs.bucket}}/x", Some("{{inputs.bucket}}")),
            ("a/b", None),
            ("{{open", Some("{{open")),
        ] {
            assert_eq!(variable(text), expected, "{text}");
        }
    }
}
