//! RF-GPU-007: one pod in, accelerators that it asks for in a shape that bounds nothing, or too many of them, out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Container;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;
use ringfence_inventory::accelerator::bytes;
use ringfence_inventory::accelerator::is_accelerator;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A GPU is asked for as a limit; a request beside it says the same number or nothing.
///
/// ## What it sees
/// Containers of AI workloads whose `resources.requests` name an accelerator that their `resources.limits` do not, or in
/// another number: extended resources cannot be overcommitted, and the API server refuses such a pod. And pods that ask
/// for more accelerators than one pod may in their SecurityDomain: `limits.maxGPUsPerPod` of a domain of the set, or the
/// annotation `ringfence.dev/max-gpus-per-pod` that its controller keeps on the namespace. Init containers run one after
/// the other before the rest; sidecars and devices of DRA claims count with the main containers.
///
/// ## Why it matters for AI
/// A custom resource takes both fields without a word; its operator makes pods that never start, and the job holds its
/// place in the queue, or the operator drops what it does not know and quotas count one number while the pod gets
/// another. One pod with all GPUs of a node is what a miner asks for, and what starves everybody else's serving.
///
/// ## Bad
/// ```yaml
/// resources:
///   requests: {nvidia.com/gpu: 8}
///   limits: {memory: 64Gi}
/// ```
///
/// ## Good
/// ```yaml
/// resources:
///   requests: {nvidia.com/gpu: 1}
///   limits: {nvidia.com/gpu: 1, memory: 64Gi}
/// ```
///
/// ## Fix and its side effects
/// Write the number into `limits`; the request follows by itself. Above the bound of a domain ask for fewer, split the
/// work over several pods, or have the bound raised. Pods that run keep what they have until they are made anew.
///
/// ## When it is unknown
/// One of both quantities is a variable; under a bound the number that a pod asks for is one, or the bound cannot be read.
///
/// ## References
/// - guide: G45
/// - OWASP AISVS 1.0: 4.6.1
/// - OWASP LLM 2025: LLM10
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 7),
        slug: "accelerator-limit-shape",
        title: "accelerators asked for without a limit, or more than one pod may have",
        risk: "a quota counts another number than the pod gets, or one pod takes the GPUs that a whole team shares",
        cure: "write the number of accelerators into `resources.limits`, at most what one pod may have",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("", "Namespace"), ("ringfence.dev", "SecurityDomain")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G45" },
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.6.1" },
            Reference { framework: "OWASP LLM", version: "2025", id: "LLM10" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    for container in pod.containers().filter(|one| !matches!(one.role, Role::Ephemeral | Role::Process)) {
        shape(container, results);
    }
    let Some((object, at)) = bound(cx, pod) else { return };
    let asked = pod.accelerators();
    if asked == 0 {
        return;
    }
    let Some(most) = at.text().and_then(|text| text.parse::<u32>().ok()) else {
        return results.unknown(object, Some(at), "the most that one pod may ask for cannot be read");
    };
    if asked <= most {
        // What cannot be read counts as one device; it may be more.
        for (container, name, quantity) in pod.containers().flat_map(unread) {
            let words = format!("the number of {name} cannot be read, and {most} is the most in one pod");
            results.unknown_in(pod.object(), Some(quantity), Some(container), words);
        }
        return;
    }
    let place = pod.containers().max_by_key(|container| container.accelerator_count());
    let place = place.and_then(resources).unwrap_or(pod.body());
    let message = format!("asks for {asked} accelerators in one pod, where {most} is the most");
    // Which container asks for most moves with the numbers.
    let field = format!("{}.containers", pod.object().field(pod.body()));
    results.fail(Hit::at(pod.object(), place, message).field(field).supported_by(object, at));
}

/// Requests of a container against its limits.
fn shape(container: Container<'_>, results: &mut Results<'_>) {
    let Some(requests) = resources(container).and_then(|resources| resources.get("requests")) else { return };
    let object = container.pod.object();
    for (name, request) in requests.entries().filter(|(name, _)| is_accelerator(name)) {
        let Some(limit) = limit(container, name) else {
            if bytes(request) != Some(0) {
                let message = format!("requests {name} without a limit");
                results.fail(Hit::at(object, request, message).container(container));
            }
            continue;
        };
        match (bytes(request), bytes(limit)) {
            _ if request.text() == limit.text() => {}
            (Some(asked), Some(given)) if asked == given => {}
            (Some(asked), Some(given)) => {
                let message = format!("requests {asked} {name} and limits {given}");
                results.fail(Hit::at(object, request, message).container(container).also_at(object, limit));
            }
            _ => {
                let words = format!("the number of {name} is a variable");
                results.unknown_in(object, Some(request), Some(container), words);
            }
        }
    }
}

/// A TrainJob says it for each node.
fn resources(container: Container<'_>) -> Option<Value<'_>> {
    container.get("resources").or_else(|| container.get("resourcesPerNode"))
}

fn limit<'i>(container: Container<'i>, name: &str) -> Option<Value<'i>> {
    let per_node = container.get("resourcesPerNode");
    container.resource("limits", name).or_else(|| per_node?.at(&["limits", name]))
}

/// Quantities of accelerators that cannot be read and that [`shape`] says nothing of: one for each name, the limit first.
fn unread(container: Container<'_>) -> Vec<(Container<'_>, &str, Value<'_>)> {
    let resources = resources(container);
    let lists = ["limits", "requests"].into_iter().filter_map(|list| resources?.get(list));
    let all = lists.flat_map(Value::entries).filter(|(name, _)| is_accelerator(name));
    let mut unread: Vec<(Container<'_>, &str, Value<'_>)> = Vec::new();
    for (name, quantity) in all {
        let request = resources.and_then(|resources| resources.at(&["requests", name]));
        let is_told = request.is_some_and(|request| {
            limit(container, name).is_some_and(|limit| request.text() != limit.text())
        });
        if bytes(quantity).is_none() && !is_told && !unread.iter().any(|(_, known, _)| *known == name) {
            unread.push((container, name, quantity));
        }
    }
    unread
}

/// The place where the most that one pod may ask for is written.
fn bound<'i>(cx: &Cx<'i>, pod: Pod<'i>) -> Option<(&'i Object, Value<'i>)> {
    let domain = cx.domain_of(pod.namespace());
    let of_domain =
        domain.and_then(|domain| Some((domain, domain.spec()?.at(&["limits", "maxGPUsPerPod"])?)));
    of_domain.or_else(|| {
        let namespace = cx.inventory.namespaces.named(pod.namespace())?.object?;
        let namespace = cx.inventory.object(namespace);
        let notes = namespace.body().at(&["metadata", "annotations"])?;
        Some((namespace, notes.get("ringfence.dev/max-gpus-per-pod")?))
    })
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_request() {
        insta::assert_snapshot!(one_line("accelerator-limit-shape", "bad"), @"MEDIUM RF-GPU-007 Deployment/ml/model[server]: requests nvidia.com/gpu without a limit");
    }

    #[test]
    fn good_fixture_says_it_once_or_twice_the_same() {
        insta::assert_snapshot!(one_line("accelerator-limit-shape", "good"), @"");
    }

    #[test]
    fn a_number_that_is_a_variable_is_unknown() {
        let said = one_line("accelerator-limit-shape", "unknown");
        let own: Vec<&str> = said.lines().filter(|line| line.contains("RF-GPU-007")).collect();
        assert_eq!(
            own,
            ["UNKNOWN RF-GPU-007 Deployment/ml/model[server]: the number of nvidia.com/gpu is a variable"]
        );
    }

    fn pod(containers: &str, more: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ml}}\nspec: {{{more}containers: [{containers}]}}\n"
        )
    }

    fn one(resources: &str) -> String {
        format!("{{name: c, image: vllm/vllm-openai, resources: {{{resources}}}}}")
    }

    fn said(text: &str) -> Vec<String> {
        let line = |finding: ringfence_finding::Finding| match finding.outcome {
            Outcome::Fail => finding.message,
            _ => format!("unknown: {}", finding.message),
        };
        judged("RF-GPU-007", text).into_iter().map(line).collect()
    }

    #[test]
    fn both_say_the_same_number_in_any_spelling_or_the_limit_stands_alone() {
        for (resources, expected) in [
            ("limits: {nvidia.com/gpu: 1}", &[][..]),
            ("requests: {nvidia.com/gpu: 1}, limits: {nvidia.com/gpu: '1'}", &[]),
            ("requests: {nvidia.com/gpu: 1000m}, limits: {nvidia.com/gpu: 1}", &[]),
            ("requests: {nvidia.com/gpu: 0}", &[]),
            ("requests: {rdma/hca: 1}", &[]),
            ("requests: {nvidia.com/gpu: 1}", &["requests nvidia.com/gpu without a limit"]),
            (
                "requests: {nvidia.com/gpu: 1}, limits: {amd.com/gpu: 1}",
                &["requests nvidia.com/gpu without a limit"],
            ),
            (
                "requests: {nvidia.com/gpu: 1}, limits: {nvidia.com/gpu: 2}",
                &["requests 1 nvidia.com/gpu and limits 2"],
            ),
            (
                "requests: {nvidia.com/gpu: '${N}'}, limits: {nvidia.com/gpu: 2}",
                &["unknown: the number of nvidia.com/gpu is a variable"],
            ),
            ("requests: {nvidia.com/gpu: '${N}'}, limits: {nvidia.com/gpu: '${N}'}", &[]),
        ] {
            assert_eq!(said(&pod(&one(resources), "")), expected, "{resources}");
        }
    }

    #[test]
    fn a_domain_bounds_the_sum_of_what_runs_together() {
        let domain = "---
apiVersion: ringfence.dev/v1alpha1
kind: SecurityDomain
metadata: {name: d}
spec: {namespaces: {names: [ml]}, limits: {maxGPUsPerPod: 2}}
";
        let note = "---
apiVersion: v1
kind: Namespace
metadata: {name: ml, annotations: {ringfence.dev/max-gpus-per-pod: '2'}}
";
        let gpus = |count: u32| one(&format!("limits: {{nvidia.com/gpu: {count}}}"));
        for bound in [domain, note] {
            let said = |text: String| said(&(text + bound));
            assert_eq!(said(pod(&gpus(2), "")), [""; 0]);
            let three = ["asks for 3 accelerators in one pod, where 2 is the most"];
            assert_eq!(said(pod(&gpus(3), "")), three);
            assert_eq!(said(pod(&format!("{}, {}", gpus(2), gpus(1)), "")), three);
            // Before the rest, not beside it; unless it keeps running.
            let init = |restart: &str| {
                let container = gpus(1).replace("name: c", &format!("name: i{restart}"));
                format!("initContainers: [{container}], ")
            };
            assert_eq!(said(pod(&gpus(2), &init(""))), [""; 0]);
            assert_eq!(said(pod(&gpus(2), &init(", restartPolicy: Always"))), three);
        }
        let elsewhere = domain.replace("[ml]", "[web]");
        assert_eq!(said(&(pod(&gpus(3), "") + &elsewhere)), [""; 0]);
    }

    #[test]
    fn what_cannot_be_read_is_unknown_under_a_bound() {
        let bound = |most: &str| {
            format!(
                "---
apiVersion: v1
kind: Namespace
metadata: {{name: ml, annotations: {{ringfence.dev/max-gpus-per-pod: '{most}'}}}}
"
            )
        };
        let unread = ["unknown: the number of nvidia.com/gpu cannot be read, and 2 is the most in one pod"];
        let variable = one("limits: {nvidia.com/gpu: '${GPUS}'}");
        assert_eq!(said(&(pod(&variable, "") + &bound("2"))), unread);
        let twice = one("requests: {nvidia.com/gpu: '${GPUS}'}, limits: {nvidia.com/gpu: '${GPUS}'}");
        assert_eq!(said(&(pod(&twice, "") + &bound("2"))), unread);
        // Nothing bounds it.
        assert_eq!(said(&pod(&variable, "")), [""; 0]);
        // Too many beside it already, and said once by its shape.
        let three = format!("{variable}, {}", one("limits: {nvidia.com/gpu: 2}"));
        let many = ["asks for 3 accelerators in one pod, where 2 is the most"];
        assert_eq!(said(&(pod(&three, "") + &bound("2"))), many);
        let shape = one("requests: {nvidia.com/gpu: '${GPUS}'}, limits: {nvidia.com/gpu: 2}");
        let told = ["unknown: the number of nvidia.com/gpu is a variable"];
        assert_eq!(said(&(pod(&shape, "") + &bound("2"))), told);
        let eight = one("limits: {nvidia.com/gpu: 8}");
        let no_bound = ["unknown: the most that one pod may ask for cannot be read"];
        assert_eq!(said(&(pod(&eight, "") + &bound("${MOST}"))), no_bound);
        assert_eq!(said(&(pod(&one("limits: {cpu: 1}"), "") + &bound("${MOST}"))), [""; 0]);
    }

    #[test]
    fn a_worker_of_ray_counts() {
        let text = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec:
  workerGroupSpecs:
  - groupName: w
    template: {spec: {containers: [{name: w, image: ray, resources: {requests: {nvidia.com/gpu: 4}}}]}}
";
        assert_eq!(said(text), ["requests nvidia.com/gpu without a limit"]);
    }
}
