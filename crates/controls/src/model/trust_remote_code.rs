//! RF-MOD-004: one pod in, switches that let a model bring its own code out.

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Base;
use ringfence_inventory::Container;
use ringfence_inventory::Pod;
use ringfence_inventory::Word;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// With this switch, downloading a model is running the program of whoever published it.
///
/// ## What it sees
/// `--trust-remote-code` in `command`, `args` and shell strings, `trust_remote_code=True` in Python and in model
/// arguments, JSON included, the variables `TRUST_REMOTE_CODE` and `*_TRUST_REMOTE_CODE`, arguments inside other
/// variables, and a RayJob's `entrypoint` or a RayService's `serveConfigV2`. A switch in a KServe runtime or shared
/// configuration is one finding there, with the services that use it.
///
/// ## Why it matters for AI
/// The Python files of the model repository run inside the server: with its GPU, its keys, its network, before the
/// first request comes in. Together with a reference that can change it is remote code execution for whoever owns the
/// repository.
///
/// ## Bad
/// ```yaml
/// args: [serve, acme/reranker, --trust-remote-code]
/// ```
///
/// ## Good
/// ```yaml
/// args: [serve, acme/reranker]
/// ```
///
/// ## Fix and its side effects
/// Remove the switch: current libraries have the code of common architectures built in. A model that really needs its
/// own code stops loading; then review that code, pin it (`--code-revision`), and serve it from a copy of your own in a
/// pod without keys and without egress.
///
/// ## When it is unknown
/// The value comes from elsewhere or is a variable; the runtime or configuration that a service is built on is not in
/// the set.
///
/// ## References
/// - MITRE ATLAS 5.6.0: AML.T0011.000
/// - CVE-2026-22807: in some versions of vLLM such code runs even without the switch
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Mod, 4),
        slug: "trust-remote-code",
        title: "model may bring and run its own code",
        risk: "the publisher of the model runs code in the server, with its GPU, its keys and its network",
        cure: "remove the switch, or review the code, pin it and serve it from a copy of your own",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0011.000" },
            Reference { framework: "CVE", version: "", id: "CVE-2026-22807" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

const MESSAGE: &str = "runs code that the model brings";
const SWITCH: &str = "trust_remote_code";

/// What a switch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Off,
    On,
    Variable,
}

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    for container in pod.containers() {
        arguments(cx, pod, container, results);
        variables(cx, pod, container, results);
    }
    for text in ["entrypoint", "serveConfigV2"] {
        let object = pod.object();
        let value = object.spec().and_then(|spec| spec.get(text)).filter(|_| object.group() == "ray.io");
        if let Some(value) = value.filter(|value| says_in_text(value.text().unwrap_or("")) == Some(Says::On))
        {
            fail(cx, pod, Hit::at(object, value, MESSAGE).confidence(Confidence::Medium), results);
        }
    }
    for base in cx.inventory.joins().bases(pod.object_id()) {
        if let Base::Missing { at, fact } = base {
            results.unknown(pod.object(), Some(pod.object().value(*at)), fact.as_str());
        }
    }
}

fn fail<'i>(cx: &Cx<'i>, pod: Pod<'i>, hit: Hit<'i>, results: &mut Results<'_>) {
    let users = cx.inventory.joins().users(pod.object_id()).iter().map(|user| cx.inventory.object(*user));
    results.fail(users.fold(hit, |hit, user| hit.supported_by_fact(user, "is built on it")));
}

fn arguments(cx: &Cx<'_>, pod: Pod<'_>, container: Container<'_>, results: &mut Results<'_>) {
    let words = container.words();
    for (index, word) in words.iter().enumerate() {
        let hit = || Hit::at(pod.object(), word.at, MESSAGE).container(container);
        match says(&words, index) {
            Some(Says::On) => {
                let sure = if word.in_shell { Confidence::Medium } else { Confidence::High };
                return fail(cx, pod, hit().confidence(sure), results);
            }
            Some(Says::Variable) => {
                results.unknown_in(
                    pod.object(),
                    Some(word.at),
                    Some(container),
                    "whether it trusts remote code is a variable",
                );
            }
            Some(Says::Off) | None => {}
        }
    }
}

fn variables(cx: &Cx<'_>, pod: Pod<'_>, container: Container<'_>, results: &mut Results<'_>) {
    for variable in container.env() {
        let is_switch = variable.name.strip_suffix("TRUST_REMOTE_CODE");
        let is_switch = is_switch.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('_'));
        let object = pod.object();
        let Some(value) = variable.value else {
            if is_switch && variable.item.get("valueFrom").is_some() {
                let fact = format!("the value of {} comes from elsewhere", variable.name);
                results.unknown_in(object, Some(variable.item), Some(container), fact);
            }
            continue;
        };
        let text = value.text().unwrap_or("");
        let (says, sure) = if is_switch {
            (Some(truth(text)), Confidence::High)
        } else {
            // Arguments that a start script or server reads from a variable (`VLLM_ARGS`).
            (says_in_text(text), Confidence::Medium)
        };
        match says {
            Some(Says::On) => {
                fail(cx, pod, Hit::at(object, value, MESSAGE).container(container).confidence(sure), results);
            }
            Some(Says::Variable) => {
                let fact = format!("the value of {} is a variable", variable.name);
                results.unknown_in(object, Some(value), Some(container), fact);
            }
            Some(Says::Off) | None => {}
        }
    }
}

/// What one word says, with those after it where it needs them.
fn says(words: &[Word<'_>], index: usize) -> Option<Says> {
    let word = words.get(index)?.text.to_ascii_lowercase().replace('-', "_");
    let at = word.find(SWITCH)?;
    let (before, after) = (word.get(..at)?, word.get(at.saturating_add(SWITCH.len())..)?);
    let next = |offset: usize| words.get(index.saturating_add(offset)).map_or("", |word| word.text.as_str());
    if before == "__" {
        return match after.strip_prefix('=') {
            Some(value) => Some(truth(value)),
            // `--trust-remote-code false`, as some parsers take it.
            None if after.is_empty() && truth_word(next(1)) == Some(false) => Some(Says::Off),
            None => after.is_empty().then_some(Says::On),
        };
    }
    // `HF_TRUST_REMOTE_CODE=1` in a shell counts; `distrust..` and `no_..` are other words.
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let prefix = before.get(before.trim_end_matches(is_name).len()..)?.trim_start_matches('_');
    if !prefix.is_empty() && (!prefix.ends_with('_') || prefix == "no_") {
        return None;
    }
    match after.trim_start_matches(['"', '\'', ' ']) {
        "" if matches!(next(1), "=" | ":") => Some(truth(next(2))),
        "" => None,
        rest => rest.strip_prefix(['=', ':']).map(truth),
    }
}

/// The same in a text that is not taken apart yet.
fn says_in_text(text: &str) -> Option<Says> {
    let lower = text.to_ascii_lowercase().replace('-', "_");
    let mut rest = lower.as_str();
    let mut found = None;
    while let Some(at) = rest.find(SWITCH) {
        let (before, from) = rest.split_at(at);
        let after = from.get(SWITCH.len()..).unwrap_or("");
        let is_flag = before.ends_with("__");
        let value = after.trim_start_matches(['"', '\'', ' ']);
        let says = match value.strip_prefix(['=', ':']) {
            Some(value) => Some(truth(value)),
            None if is_flag && !value.starts_with("false") => Some(Says::On),
            None => None,
        };
        found = if says == Some(Says::On) { says } else { found.or(says) };
        rest = after;
    }
    found
}

/// Value up to the next separator, read as the libraries read it: anything that is not plainly true is off.
fn truth(text: &str) -> Says {
    let text = text.trim_start_matches(['"', '\'', ' ']);
    if text.starts_with(['$', '{', '`']) {
        return Says::Variable;
    }
    let end = text.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(text.len());
    match truth_word(text.get(..end).unwrap_or("")) {
        Some(true) => Says::On,
        Some(false) | None => Says::Off,
    }
}

fn truth_word(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Finding;
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn pod(container: &str) -> Vec<Finding> {
        let text = format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: ml}}
spec:
  containers:
  - {{name: server, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}, {container}}}
"
        );
        judged("RF-MOD-004", &text)
    }

    #[test]
    fn bad_fixture_fails_at_the_argument() {
        insta::assert_snapshot!(one_line("trust-remote-code", "bad"), @"HIGH RF-MOD-004 Deployment/ml/model[server]: runs code that the model brings");
    }

    #[test]
    fn unknown_fixture_names_the_variable() {
        insta::assert_snapshot!(one_line("trust-remote-code", "unknown"), @"UNKNOWN RF-MOD-004 Deployment/ml/model[server]: the value of VLLM_TRUST_REMOTE_CODE comes from elsewhere");
    }

    #[test]
    fn every_way_to_say_it_is_read() {
        use Outcome::Fail;
        use Outcome::Unknown;
        for (container, expected) in [
            ("args: [--trust-remote-code]", Some(Fail)),
            ("args: [--trust_remote_code]", Some(Fail)),
            ("args: [--trust-remote-code=true]", Some(Fail)),
            ("args: [--trust-remote-code, 'True']", Some(Fail)),
            ("args: [--trust-remote-code=false]", None),
            ("args: [--trust-remote-code, 'False']", None),
            ("args: [--no-trust-remote-code]", None),
            ("args: ['--trust-remote-code=$(TRUST)']", Some(Unknown)),
            ("args: [--model_args, 'pretrained=a/b,trust_remote_code=True,dtype=auto']", Some(Fail)),
            ("args: [--overrides, '{\"trust_remote_code\": true}']", Some(Fail)),
            ("args: [--overrides, '{\"trust_remote_code\": false}']", None),
            ("command: [python, -c, 'load(\"a/b\", trust_remote_code=True)']", Some(Fail)),
            ("command: [python, -c, 'trust_remote_code = True']", Some(Fail)),
            ("command: [sh, -c, 'vllm serve m --trust-remote-code --port 1']", Some(Fail)),
            ("command: [sh, -c, 'TRUST_REMOTE_CODE=0 vllm serve m']", None),
            ("command: [sh, -c, 'HF_TRUST_REMOTE_CODE=1 vllm serve m']", Some(Fail)),
            ("command: [sh, -c, 'export HF_HUB_TRUST_REMOTE_CODE=yes']", Some(Fail)),
            ("command: [sh, -c, 'no_trust_remote_code=1 x']", None),
            ("env: [{name: TRUST_REMOTE_CODE, value: 'true'}]", Some(Fail)),
            ("env: [{name: HF_HUB_TRUST_REMOTE_CODE, value: '1'}]", Some(Fail)),
            ("env: [{name: VLLM_TRUST_REMOTE_CODE, value: 'no'}]", None),
            ("env: [{name: VLLM_TRUST_REMOTE_CODE, value: ''}]", None),
            ("env: [{name: TRUST_REMOTE_CODE, value: '$(X)'}]", Some(Unknown)),
            ("env: [{name: DISTRUST_REMOTE_CODE, value: 'true'}]", None),
            ("env: [{name: VLLM_ARGS, value: '--port 1 --trust-remote-code'}]", Some(Fail)),
            ("args: ['see docs about trust_remote_code']", None),
        ] {
            let findings = pod(container);
            let outcomes: Vec<_> = findings.iter().map(|finding| finding.outcome).collect();
            assert_eq!(outcomes, expected.into_iter().collect::<Vec<_>>(), "{container}");
        }
    }

    const SERVICE: &str = "apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: reranker, namespace: ml}
spec: {predictor: {model: {modelFormat: {name: huggingface}, runtime: vllm, storageUri: pvc://m/x}}}
---
";

    #[test]
    fn a_runtime_is_reported_once_with_its_services() {
        let runtime = "apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: vllm, namespace: ml}
spec: {containers: [{name: kserve-container, image: x, args: [--trust-remote-code]}]}
---
";
        let second = SERVICE.replace("name: reranker", "name: search");
        let findings = judged("RF-MOD-004", &[SERVICE, &second, runtime].concat());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].resource.as_ref().unwrap().name, "vllm");
        let users: Vec<_> = findings[0].evidence.iter().map(|piece| piece.resource.name.as_str()).collect();
        assert_eq!(users, ["vllm", "reranker", "search"]);
    }

    #[test]
    fn a_service_whose_runtime_nobody_gave_is_unknown() {
        let findings = judged("RF-MOD-004", SERVICE);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].outcome, Outcome::Unknown);
        assert_eq!(findings[0].message, "ServingRuntime vllm is not in the set");
    }

    #[test]
    fn the_entrypoint_of_a_ray_job_is_read_once_for_all_its_pods() {
        let findings = judged(
            "RF-MOD-004",
            "apiVersion: ray.io/v1
kind: RayJob
metadata: {name: j, namespace: ml}
spec:
  entrypoint: python eval.py --trust-remote-code --limit 5
  activeDeadlineSeconds: 60
  rayClusterSpec:
    headGroupSpec:
      template: {spec: {containers: [{name: head, image: x}]}}
    workerGroupSpecs:
    - {groupName: w, template: {spec: {containers: [{name: worker, image: x}]}}}
",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].field, "spec.entrypoint");
    }
}
