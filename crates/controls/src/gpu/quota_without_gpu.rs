//! RF-GPU-020: one AI namespace in, quotas that count everything but its GPUs out.

use std::collections::BTreeMap;

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::Seen;
use ringfence_inventory::accelerator::count;
use ringfence_inventory::accelerator::is_accelerator;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::hit::Hit;
use crate::hit::Results;

/// A quota without the GPUs counts the pennies.
///
/// ## What it sees
/// Namespaces whose AI workloads ask for accelerators and that have ResourceQuotas, none of which limits
/// `requests.<accelerator>` (`requests.nvidia.com/gpu`), for each accelerator asked for. Extended resources take no other
/// prefix: the API server accepts `limits.nvidia.com/gpu` and plain `nvidia.com/gpu` in a quota and never enforces them;
/// `count/pods` is no substitute. A namespace without any quota, and claims of DRA, are other questions.
///
/// ## Why it matters for AI
/// Quota on memory and pods looks like a bound. One stolen account of the namespace starts one job after the other, takes
/// every free GPU of the cluster, and mines at your price until somebody reads the bill; and one team's sweep starves the
/// serving of another without any theft.
///
/// ## Bad
/// ```yaml
/// kind: ResourceQuota
/// spec:
///   hard: {limits.memory: 1Ti, pods: "40"}
/// ```
///
/// ## Good
/// ```yaml
/// kind: ResourceQuota
/// spec:
///   hard: {limits.memory: 1Ti, pods: "40", requests.nvidia.com/gpu: "8"}
/// ```
///
/// ## Fix and its side effects
/// Add `requests.<accelerator>` with the number that the team may hold. Pods beyond it are refused when they are made:
/// their jobs wait and say why in an event. A cap for several namespaces together needs a queue such as Kueue.
///
/// ## When it is unknown
/// ResourceQuotas of the namespace were not all seen.
///
/// ## References
/// - guide: G45, H7
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 20),
        slug: "quota-without-gpu",
        title: "quota of an AI namespace does not count its GPUs",
        risk: "one stolen account takes every free GPU of the cluster, and other teams' models starve",
        cure: "add `requests.nvidia.com/gpu` (or the accelerator in use) to the quota",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("", "ResourceQuota")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G45" },
            Reference { framework: "guide", version: "1", id: "H7" },
        ],
    },
    check: Check::Namespace(check),
};

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let quotas = cx.in_namespace("ResourceQuota", name);
    let Some(first) = quotas.first() else { return results.not_applicable() };
    let used = accelerators(cx, namespace);
    if used.is_empty() {
        return results.not_applicable();
    }
    let is_counted = |accelerator: &str| {
        let key = format!("requests.{accelerator}");
        quotas.iter().filter_map(|quota| hard(quota)).any(|hard| hard.get(&key).is_some())
    };
    let seen = cx.inventory.sight.namespaced("", "ResourceQuota", name);
    for (accelerator, user) in used.into_iter().filter(|(accelerator, _)| !is_counted(accelerator)) {
        if let Some(reason) = seen.doubt() {
            return results.unknown(first, None, format!("a quota may be missing: {reason}"));
        }
        // What looks like a limit and is none is the place to mend.
        let idle = quotas.iter().find_map(|quota| {
            let hard = hard(quota)?;
            let key = hard.get(&format!("limits.{accelerator}")).or_else(|| hard.get(accelerator))?;
            Some((*quota, key))
        });
        let hit = match idle {
            Some((quota, at)) => {
                Hit::at(quota, at, format!("limits {accelerator} by a key that is never enforced"))
            }
            None => match hard(first) {
                Some(hard) => Hit::at(first, hard, format!("does not count {accelerator}")),
                None => Hit::absent(first, format!("does not count {accelerator}")),
            },
        };
        let hit = hit
            .missing(format!("spec.hard[\"requests.{accelerator}\"]"))
            .supported_by_fact(user, format!("asks for {accelerator}"));
        results.fail(if seen == Seen::All { hit } else { hit.confidence(Confidence::Medium) });
    }
}

fn hard(quota: &Object) -> Option<Value<'_>> {
    quota.spec()?.get("hard")
}

/// Extended resources that workloads of the namespace ask for, each with the first that does.
fn accelerators<'i>(cx: &Cx<'i>, namespace: &'i Namespace) -> BTreeMap<&'i str, &'i Object> {
    let mut used = BTreeMap::new();
    for pod in cx.inventory.pods_in(namespace).filter(|pod| is_workload(*pod)) {
        for container in pod.containers() {
            let resources = container.get("resources").or_else(|| container.get("resourcesPerNode"));
            let lists = ["limits", "requests"].into_iter().filter_map(|list| resources?.get(list));
            for (name, quantity) in lists.flat_map(Value::entries) {
                if is_accelerator(name) && count(quantity) > 0 {
                    used.entry(name).or_insert(pod.object());
                }
            }
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use crate::testing::judged;
    use crate::testing::one_line;

    fn said(resource: &str, quotas: &[&str]) -> Vec<String> {
        let job = format!(
            "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {{name: t, namespace: ml}}\nspec: {{pytorchReplicaSpecs: {{Worker: {{template: {{spec: {{containers: [{{name: pytorch, image: x, resources: {{limits: {{{resource}: 1}}}}}}]}}}}}}}}}}\n"
        );
        let quotas = quotas.iter().enumerate().map(|(number, hard)| {
            format!(
                "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: q{number}, namespace: ml}}\nspec: {{hard: {{{hard}}}}}\n"
            )
        });
        let findings = judged("RF-GPU-020", &(job + &quotas.collect::<String>())).into_iter();
        findings.map(|finding| finding.message).collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_quota() {
        insta::assert_snapshot!(one_line("quota-without-gpu", "bad"), @"MEDIUM RF-GPU-020 ResourceQuota/ml/ml: does not count nvidia.com/gpu");
    }

    #[test]
    fn only_requests_of_the_accelerator_in_use_count() {
        let gpu = "nvidia.com/gpu";
        assert_eq!(said(gpu, &["requests.nvidia.com/gpu: 8"]), [""; 0]);
        assert_eq!(said(gpu, &["pods: 40", "requests.nvidia.com/gpu: 8"]), [""; 0]);
        assert_eq!(said(gpu, &["pods: 40, count/pods: 40"]), ["does not count nvidia.com/gpu"]);
        let never = ["limits nvidia.com/gpu by a key that is never enforced"];
        assert_eq!(said(gpu, &["pods: 40", "limits.nvidia.com/gpu: 8"]), never);
        assert_eq!(said(gpu, &["nvidia.com/gpu: 8"]), never);
        let mig = "nvidia.com/mig-1g.10gb";
        assert_eq!(said(mig, &["requests.nvidia.com/gpu: 8"]), ["does not count nvidia.com/mig-1g.10gb"]);
    }

    #[test]
    fn no_quota_and_no_accelerator_are_other_questions() {
        assert_eq!(said("nvidia.com/gpu", &[]), [""; 0]);
        assert_eq!(said("cpu", &["pods: 40"]), [""; 0]);
    }
}
