//! RF-RUN-002: one pod in, containers that may take all memory or CPU of their node out.

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Base;
use ringfence_inventory::Container;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;
use ringfence_inventory::Seen;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;
use crate::requests::is_runtime;

/// A container without limits takes what its node has.
///
/// ## What it sees
/// Containers of AI workloads (main, init and sidecar ones) without a limit for memory or for CPU, where neither the pod
/// as a whole has one, nor a LimitRange of the namespace gives one (`default`, or `max`, which the API server takes for
/// it), nor the runtime that a service is built on. A runtime is judged with those who use it.
///
/// ## Why it matters for AI
/// Data loaders and model servers take all they get: one of them drives the node out of memory, and the kernel kills the
/// training of another team, hours in. Without a CPU limit the loaders of one pod starve the process that feeds the
/// GPUs of the next, and a prompt that makes a server work hard becomes a bill.
///
/// ## Bad
/// ```yaml
/// resources:
///   limits: {nvidia.com/gpu: 1}
/// ```
///
/// ## Good
/// ```yaml
/// resources:
///   limits: {nvidia.com/gpu: 1, cpu: "8", memory: 64Gi}
/// ```
///
/// ## Fix and its side effects
/// Set both from what the workload has used, with room for loading a model; a memory limit that is too low ends the
/// process, a CPU limit slows it down. A LimitRange gives a namespace its default. `/dev/shm` counts as memory.
///
/// ## When it is unknown
/// The kind has no such field because its operator builds the pod; the runtime of a service is not in the set, or nobody
/// who uses a runtime is; LimitRanges were not all seen.
///
/// ## References
/// - guide: G45
/// - OWASP AISVS 1.0: 4.6.1
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Run, 2),
        slug: "limits-missing",
        title: "AI container without a memory or CPU limit",
        risk: "one workload takes the memory or CPU of its node, and other teams' trainings die or starve",
        cure: "set `resources.limits` for `memory` and `cpu`, or give the namespace a LimitRange with defaults",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("", "LimitRange")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G45" },
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.6.1" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

/// Resources with a limit.
#[derive(Clone, Copy)]
struct Limits {
    memory: bool,
    cpu: bool,
}

impl Limits {
    fn of(has: impl Fn(&str) -> bool) -> Self {
        Self { memory: has("memory"), cpu: has("cpu") }
    }

    fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self.are_set() {
            return self;
        }
        let other = other();
        Self { memory: self.memory || other.memory, cpu: self.cpu || other.cpu }
    }

    fn and(self, other: Self) -> Self {
        Self { memory: self.memory && other.memory, cpu: self.cpu && other.cpu }
    }

    fn are_set(self) -> bool {
        self.memory && self.cpu
    }
}

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    let mut unsaid = false;
    for container in pod.containers() {
        if matches!(container.role, Role::Ephemeral | Role::Process) {
            continue;
        }
        let own = of_container(container).or(|| of_pod(pod));
        if own.are_set() {
            continue;
        }
        if container.role == Role::Part {
            unsaid = true;
            continue;
        }
        match of_others(cx, pod) {
            Ok(others) => {
                let limits = own.or(|| others).or(|| of_namespace(cx, pod));
                if !limits.are_set() {
                    judge(cx, container, limits, results);
                }
            }
            Err((at, fact)) => results.unknown_in(pod.object(), at, Some(container), fact),
        }
    }
    if unsaid {
        results.built_by_operator(pod, "resources.limits");
    }
}

fn judge(cx: &Cx<'_>, container: Container<'_>, limits: Limits, results: &mut Results<'_>) {
    let pod = container.pod;
    let object = pod.object();
    let seen = cx.inventory.sight.namespaced("", "LimitRange", pod.namespace());
    if let Some(reason) = seen.doubt() {
        let words = format!("a LimitRange may be missing: {reason}");
        return results.unknown_in(object, None, Some(container), words);
    }
    let (message, field) = match (limits.memory, limits.cpu) {
        (false, false) => ("has no memory and no CPU limit", "resources.limits"),
        (false, _) => ("has no memory limit", "resources.limits.memory"),
        (true, _) => ("has no CPU limit", "resources.limits.cpu"),
    };
    let place = container.get("resources").or_else(|| container.get("image")).unwrap_or(container.value);
    let hit = Hit::at(object, place, message)
        .container(container)
        .missing(format!("{}.{field}", object.field(container.value)));
    results.fail(if seen == Seen::All { hit } else { hit.confidence(Confidence::Medium) });
}

fn of_container(container: Container<'_>) -> Limits {
    // A TrainJob says it for each node.
    let per_node = container.get("resourcesPerNode").and_then(|resources| resources.get("limits"));
    Limits::of(|name| {
        container.resource("limits", name).or_else(|| per_node.and_then(|limits| limits.get(name))).is_some()
    })
}

/// Pod-level resources bound all containers together.
fn of_pod(pod: Pod<'_>) -> Limits {
    let limits = pod.get("resources").and_then(|resources| resources.get("limits"));
    Limits::of(|name| limits.and_then(|limits| limits.get(name)).is_some())
}

/// What a LimitRange gives to containers that say nothing: `default`, else `max` (`SetDefaults_LimitRangeItem`).
fn of_namespace(cx: &Cx<'_>, pod: Pod<'_>) -> Limits {
    let ranges = cx.in_namespace("LimitRange", pod.namespace()).iter();
    let items = ranges.filter_map(|range| range.spec()?.get("limits")).flat_map(Value::items);
    let items: Vec<Value<'_>> = items.filter(|item| item.str_at("type") == Some("Container")).collect();
    Limits::of(|name| {
        items.iter().any(|item| ["default", "max"].iter().any(|list| item.at(&[list, name]).is_some()))
    })
}

/// What the runtime gives to those built on it, or all who use a runtime give to it.
fn of_others<'i>(cx: &Cx<'i>, pod: Pod<'i>) -> Result<Limits, (Option<Value<'i>>, String)> {
    let joins = cx.inventory.joins();
    let of_object = |id: &ObjectId| {
        let containers = cx.inventory.pods_of(*id).flat_map(Pod::containers);
        containers.map(of_container).reduce(|one, other| one.or(|| other)).unwrap_or(NONE)
    };
    let mut limits = NONE;
    for base in joins.bases(pod.object_id()) {
        match base {
            Base::Given(base) => limits = limits.or(|| of_object(base)),
            Base::Missing { at, fact } => return Err((Some(pod.object().value(*at)), fact.clone())),
        }
    }
    if is_runtime(pod) {
        let users = joins.users(pod.object_id()).iter().map(of_object).reduce(Limits::and);
        limits = users.ok_or_else(|| (None, "who uses this runtime is not in the set".to_owned()))?;
    }
    Ok(limits)
}

const NONE: Limits = Limits { memory: false, cpu: false };

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn pod(limits: &str, more: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ml}}\nspec: {{{more}containers: [{{name: c, image: x, resources: {{limits: {{{limits}nvidia.com/gpu: 1}}}}}}]}}\n"
        )
    }

    fn said(text: &str) -> Vec<String> {
        let findings = judged("RF-RUN-002", text).into_iter();
        findings
            .map(|finding| match finding.outcome {
                Outcome::Fail => finding.message,
                _ => format!("unknown: {}", finding.message),
            })
            .collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_container() {
        insta::assert_snapshot!(one_line("limits-missing", "bad"), @"MEDIUM RF-RUN-002 Deployment/ml/model[server]: has no memory limit");
    }

    #[test]
    fn either_limit_counts_and_those_of_the_pod_hold_for_all() {
        assert_eq!(said(&pod("", "")), ["has no memory and no CPU limit"]);
        assert_eq!(said(&pod("cpu: 1, ", "")), ["has no memory limit"]);
        assert_eq!(said(&pod("memory: 1Gi, ", "")), ["has no CPU limit"]);
        assert_eq!(said(&pod("memory: 1Gi, cpu: 1, ", "")), [""; 0]);
        assert_eq!(said(&pod("", "resources: {limits: {cpu: 4, memory: 8Gi}}, ")), [""; 0]);
        let init = "initContainers: [{name: i, image: x}], ";
        assert_eq!(said(&pod("memory: 1Gi, cpu: 1, ", init)), ["has no memory and no CPU limit"]);
    }

    #[test]
    fn a_limit_range_gives_its_namespace_what_containers_leave_out() {
        let range = |namespace: &str, limits: &str| {
            format!(
                "{}---\napiVersion: v1\nkind: LimitRange\nmetadata: {{name: r, namespace: {namespace}}}\nspec: {{limits: [{limits}]}}\n",
                pod("", "")
            )
        };
        let default = "{type: Container, default: {cpu: 1, memory: 1Gi}}";
        assert_eq!(said(&range("ml", default)), [""; 0]);
        assert_eq!(said(&range("web", default)), ["has no memory and no CPU limit"]);
        // The API server takes `max` for a missing default, and gives nothing for requests alone or for whole pods.
        assert_eq!(said(&range("ml", "{type: Container, max: {cpu: 1, memory: 1Gi}}")), [""; 0]);
        assert_eq!(said(&range("ml", "{type: Container, max: {cpu: 1}}")), ["has no memory limit"]);
        assert_eq!(
            said(&range("ml", "{type: Pod, max: {cpu: 1, memory: 1Gi}}")),
            ["has no memory and no CPU limit"]
        );
    }

    #[test]
    fn the_limits_of_a_kserve_service_may_stand_in_its_runtime_and_the_other_way_round() {
        let service = |resources: &str| {
            format!(
                "apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: s, namespace: ml}}
spec: {{predictor: {{model: {{runtime: r, modelFormat: {{name: x}}{resources}}}}}}}
"
            )
        };
        let runtime = |limits: &str| {
            format!(
                "---
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {{name: r, namespace: ml}}
spec: {{containers: [{{name: kserve-container, image: vllm{limits}}}]}}
"
            )
        };
        let both = ", resources: {limits: {cpu: 1, memory: 1Gi}}";
        assert_eq!(said(&(service("") + &runtime(both))), [""; 0]);
        assert_eq!(said(&(service(both) + &runtime(""))), [""; 0]);
        assert_eq!(said(&(service("") + &runtime(""))).len(), 2);
        assert_eq!(said(&service("")), ["unknown: ServingRuntime r is not in the set"]);
        assert_eq!(said(&runtime("")), ["unknown: who uses this runtime is not in the set"]);
    }

    #[test]
    fn a_ray_head_counts_and_a_web_pod_does_not() {
        let ray = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: head, image: ray}]}}}}
";
        assert_eq!(said(ray), ["has no memory and no CPU limit"]);
        let web = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: web}\nspec: {containers: [{name: c, image: nginx}]}\n";
        assert_eq!(said(web), [""; 0]);
    }
}
