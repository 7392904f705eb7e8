//! RF-AGT-002: one pod in, code of an agent that runs on the node's own kernel out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Container;
use ringfence_inventory::Field;
use ringfence_inventory::Pod;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// Code that a model wrote is foreign code; a container alone does not hold it.
///
/// ## What it sees
/// Pods of Sandbox and SandboxTemplate, and agent workloads that run code (code interpreters and runners, by image or
/// switch), without a `runtimeClassName` that puts a second kernel between them and the node: handlers `runsc`,
/// `gvisor`, `kata*`, `firecracker`, `edera`. The handler is read from the RuntimeClass object when it is in the set,
/// else the class's own name is taken for it. Agents that only call models and tools are left out.
///
/// ## Why it matters for AI
/// A prompt decides what a sandbox executes, so its content is the attacker's. One kernel bug away stand the node, its
/// GPUs and every other tenant's pod. The kinds are called sandbox and do not isolate by themselves: their pods are
/// plain pods until a runtime class says otherwise.
///
/// ## Bad
/// ```yaml
/// kind: Sandbox
/// spec:
///   podTemplate:
///     spec:
///       containers: [{name: runner, image: python-runner}]
/// ```
///
/// ## Good
/// ```yaml
/// kind: Sandbox
/// spec:
///   podTemplate:
///     spec:
///       runtimeClassName: gvisor
///       containers: [{name: runner, image: python-runner}]
/// ```
///
/// ## Fix and its side effects
/// Install gVisor or Kata on a node pool and name its RuntimeClass. System calls get slower, file-heavy work most;
/// gVisor runs CUDA only with its `nvproxy`, for listed driver versions; Kata needs nodes with virtualization.
///
/// ## When it is unknown
/// The RuntimeClass is not in the set and its name says nothing, or its handler is none that is known here.
///
/// ## References
/// - guide: H8
/// - OWASP Agentic 2026: ASI05
/// - NIST 800-53r5: SC-39
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Agt, 2),
        slug: "sandbox-not-isolated",
        title: "agent code runs without a sandboxing runtime",
        risk: "code that a prompt chose shares the node's kernel with the GPUs and with every other tenant's pod",
        cure: "set `runtimeClassName` to a class with gVisor or Kata behind it",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "H8" },
            Reference { framework: "OWASP Agentic", version: "2026", id: "ASI05" },
            Reference { framework: "NIST 800-53", version: "r5", id: "SC-39" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

/// What is known of a runtime handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handler {
    /// A second kernel, or a virtual machine.
    Isolates,
    /// The node's kernel, whatever else it does.
    SharesKernel,
    Unknown,
}

impl Handler {
    fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let mut parts = name.split(['-', '_', '.']);
        if parts.any(|part| {
            ["runsc", "gvisor", "firecracker", "edera"].contains(&part) || part.starts_with("kata")
        }) {
            Self::Isolates
        } else if matches!(name.as_str(), "runc" | "crun" | "youki") || name.starts_with("nvidia") {
            Self::SharesKernel
        } else {
            Self::Unknown
        }
    }
}

const MESSAGE: &str = "runs agent code on the node's own kernel";

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    if !runs_foreign_code(pod) {
        results.not_applicable();
        return;
    }
    let class = match pod.field("runtimeClassName") {
        Field::CannotSay => {
            results.built_by_operator(pod, "runtimeClassName");
            return;
        }
        Field::Set(class) if class.text().is_some_and(|name| !name.is_empty()) => class,
        Field::Set(_) | Field::Unset => {
            let path = pod.object().field(pod.body());
            let field = format!("{path}{}runtimeClassName", if path.is_empty() { "" } else { "." });
            results.fail(Hit::absent(pod.object(), MESSAGE).missing(field));
            return;
        }
    };
    let name = class.text().unwrap_or("");
    let mut objects = cx.inventory.objects_of("node.k8s.io", "RuntimeClass");
    let object = objects.find(|object| &*object.name == name);
    let handler = object.and_then(|object| object.body().get("handler"));
    let known = Handler::of(handler.and_then(Value::text).unwrap_or(name));
    match (known, object, handler) {
        (Handler::Isolates, ..) => {}
        (Handler::SharesKernel, Some(object), Some(handler)) => {
            results.fail(Hit::at(pod.object(), class, MESSAGE).supported_by(object, handler));
        }
        (_, Some(_), _) => {
            let words = format!("what the handler of RuntimeClass {name} isolates is not known");
            results.unknown(pod.object(), Some(class), words);
        }
        (_, None, _) => {
            results.unknown(pod.object(), Some(class), format!("RuntimeClass {name} is not in the set"));
        }
    }
}

fn runs_foreign_code(pod: Pod<'_>) -> bool {
    let object = pod.object();
    object.is("agents.x-k8s.io", "Sandbox")
        || object.is("extensions.agents.x-k8s.io", "SandboxTemplate")
        || (pod.ai().class == WorkloadClass::Agent && pod.containers().any(runs_code))
}

/// Names of images that run code for agents.
const RUNNERS: &[&str] = &[
    "code-executor",
    "code-interpreter",
    "code-runner",
    "code-sandbox",
    "codeinterpreter",
    "e2b",
    "open-interpreter",
    "openhands",
    "python-runner",
];

/// Switches and variables that let an agent run code in its own container.
const SWITCHES: &[&str] =
    &["--allow-code-execution", "--enable-code-execution", "ALLOW_CODE_EXECUTION", "ENABLE_CODE_EXECUTION"];

fn runs_code(container: Container<'_>) -> bool {
    let image = container.image().unwrap_or_default();
    let name = image.split('@').next().unwrap_or("");
    if RUNNERS.iter().any(|runner| names(name, runner)) {
        return true;
    }
    let by_switch = container.words().iter().any(|word| {
        let (flag, value) = word.text.split_once('=').unwrap_or((&word.text, "true"));
        SWITCHES.contains(&flag) && value != "false"
    });
    let mut on = container.env().filter(|variable| SWITCHES.contains(&variable.name));
    by_switch || on.any(|variable| variable.value.is_some_and(|value| value.means_bool() == Some(true)))
}

/// Whether the words of `runner` stand as whole words in an image's path.
fn names(image: &str, runner: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let bytes = image.as_bytes();
    image.match_indices(runner).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        is_edge(before) && is_edge(bytes.get(at.saturating_add(runner.len())))
    })
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_on_the_sandbox() {
        insta::assert_snapshot!(one_line("sandbox-not-isolated", "bad"), @"HIGH RF-AGT-002 Sandbox/ml/model: runs agent code on the node's own kernel");
    }

    #[test]
    fn good_fixture_takes_the_class_by_its_name() {
        insta::assert_snapshot!(one_line("sandbox-not-isolated", "good"), @"");
    }

    #[test]
    fn a_class_that_nobody_gave_is_unknown() {
        insta::assert_snapshot!(one_line("sandbox-not-isolated", "unknown"), @"UNKNOWN RF-AGT-002 Sandbox/ml/model: RuntimeClass strong is not in the set");
    }

    fn verdict(class: &str, handler: Option<&str>) -> Option<Outcome> {
        let template = format!(
            "apiVersion: extensions.agents.x-k8s.io/v1alpha1
kind: SandboxTemplate
metadata: {{name: s, namespace: ml}}
spec: {{podTemplate: {{spec: {{runtimeClassName: {class}, containers: [{{name: c, image: acme/x}}]}}}}}}
"
        );
        let object = handler.map_or_else(String::new, |handler| {
            format!("---\napiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {{name: {class}}}\nhandler: {handler}\n")
        });
        let text = template + &object;
        judged("RF-AGT-002", &text).first().map(|finding| finding.outcome)
    }

    #[test]
    fn the_handler_decides_over_the_name() {
        assert_eq!(verdict("strong", Some("runsc")), None);
        assert_eq!(verdict("strong", Some("kata-qemu-nvidia-gpu")), None);
        assert_eq!(verdict("gvisor", Some("runc")), Some(Outcome::Fail));
        assert_eq!(verdict("nvidia", Some("nvidia-cdi")), Some(Outcome::Fail));
        assert_eq!(verdict("strong", Some("homemade")), Some(Outcome::Unknown));
        assert_eq!(verdict("kata-fc", None), None);
        assert_eq!(verdict("nvidia", None), Some(Outcome::Unknown));
        assert_eq!(verdict("''", None), Some(Outcome::Fail));
    }

    fn agent(container: &str) -> usize {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: ml}}\nspec: {{containers: [{{name: c, {container}}}]}}\n"
        );
        judged("RF-AGT-002", &text).len()
    }

    #[test]
    fn an_agent_that_runs_code_counts_and_one_that_calls_tools_does_not() {
        assert_eq!(agent("image: ghcr.io/all-hands-ai/openhands:0.40"), 1);
        assert_eq!(agent("image: acme/langgraph, args: [--enable-code-execution]"), 1);
        assert_eq!(agent("image: acme/langgraph, args: [--enable-code-execution=false]"), 0);
        assert_eq!(agent("image: acme/langgraph, env: [{name: ALLOW_CODE_EXECUTION, value: 'yes'}]"), 1);
        assert_eq!(agent("image: ghcr.io/github/github-mcp-server"), 0);
        assert_eq!(agent("image: acme/langgraph"), 0);
        // A runner's name inside another word is none, and a web pod is no agent.
        assert_eq!(agent("image: acme/langgraph-e2bx"), 0);
        assert_eq!(agent("image: acme/code-runner-docs-nginx"), 0);
    }
}
