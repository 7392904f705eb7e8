//! RF-GPU-021: one AI namespace in, quotas that do not count the GPUs which claims hand out.

use std::collections::BTreeMap;

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Outcome;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::Seen;
use ringfence_inventory::accelerator::names_accelerator_driver;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A quota on `nvidia.com/gpu` counts no GPU that comes by a claim.
///
/// ## What it sees
/// Namespaces with AI workloads that have ResourceQuotas, none of which limits
/// `<class>.deviceclass.resource.k8s.io/devices`, for each DeviceClass of accelerators: those that claims and claim
/// templates of the namespace name, and those of the cluster, since anybody who may create a claim may name them. A class
/// is one of accelerators by its name or by the driver that its selectors ask for. A namespace without any quota is
/// another question, and so are extended resources (RF-GPU-020).
///
/// ## Why it matters for AI
/// With dynamic resource allocation a pod takes its GPU by a ResourceClaim, past every key that counts extended
/// resources. The quota that held a team at eight GPUs holds it no more from the day the driver is installed, and one
/// stolen account claims the rest of the cluster.
///
/// ## Bad
/// ```yaml
/// kind: ResourceQuota
/// spec:
///   hard: {requests.nvidia.com/gpu: "8"}
/// ```
///
/// ## Good
/// ```yaml
/// kind: ResourceQuota
/// spec:
///   hard: {requests.nvidia.com/gpu: "8", gpu.nvidia.com.deviceclass.resource.k8s.io/devices: "8"}
/// ```
///
/// ## Fix and its side effects
/// Add the key for each class with the number of devices that the team may hold; `0` closes a class that it does not use.
/// Claims beyond it are refused when they are made, and pods that wait for one say so. A SecurityDomain writes the keys
/// of `quota.deviceClasses`.
///
/// ## When it is unknown
/// No DeviceClass is in the set and no claim of the namespace names one; ResourceQuotas were not all seen.
///
/// ## References
/// - guide: H7
/// - Kubernetes, resource quotas for dynamic resource allocation
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 21),
        slug: "quota-without-dra",
        title: "quota of an AI namespace does not count GPUs that come by claims",
        risk: "one stolen account claims every free GPU of the cluster past the quota that seems to bound it",
        cure: "add `<class>.deviceclass.resource.k8s.io/devices` to the quota for each DeviceClass of accelerators",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[
            ("", "ResourceQuota"),
            ("resource.k8s.io", "DeviceClass"),
            ("resource.k8s.io", "ResourceClaim"),
            ("resource.k8s.io", "ResourceClaimTemplate"),
        ],
        references: &[Reference { framework: "guide", version: "1", id: "H7" }],
    },
    check: Check::Namespace(check),
};

const GROUP: &str = "resource.k8s.io";

fn check(cx: &Cx<'_>, name: Option<&str>, _namespace: &Namespace, results: &mut Results<'_>) {
    let mut classes: BTreeMap<&str, &Object> = BTreeMap::new();
    for class in cx.inventory.objects_of(GROUP, "DeviceClass").filter(|class| is_of_accelerators(class)) {
        classes.insert(&class.name, class);
    }
    for claim in claims(cx, name) {
        for class in class_names(claim).filter(|class| names_accelerator_driver(class)) {
            classes.entry(class).or_insert(claim);
        }
    }
    if classes.is_empty() {
        if !cx.inventory.sight.has(GROUP, "DeviceClass") {
            return results.whole(Outcome::Unknown, "no DeviceClass objects given");
        }
        return results.not_applicable();
    }
    let quotas = cx.in_namespace("ResourceQuota", name);
    let Some(first) = quotas.first() else { return results.not_applicable() };
    let is_counted = |class: &str| {
        let key = format!("{class}.deviceclass.resource.k8s.io/devices");
        quotas.iter().filter_map(|quota| hard(quota)).any(|hard| hard.get(&key).is_some())
    };
    let seen = cx.inventory.sight.namespaced("", "ResourceQuota", name);
    for (class, source) in classes.into_iter().filter(|(class, _)| !is_counted(class)) {
        if let Some(reason) = seen.doubt() {
            return results.unknown(first, None, format!("a quota may be missing: {reason}"));
        }
        let message = format!("does not count devices of class {class}");
        let hit = match hard(first) {
            Some(hard) => Hit::at(first, hard, message),
            None => Hit::absent(first, message),
        };
        let hit = hit
            .field(format!("spec.hard[\"{class}.deviceclass.resource.k8s.io/devices\"]"))
            .supported_by_fact(source, "hands out accelerators by claims");
        results.fail(if seen == Seen::All { hit } else { hit.confidence(Confidence::Medium) });
    }
}

/// Claims and templates of claims in the namespace.
fn claims<'i>(cx: &Cx<'i>, name: Option<&'i str>) -> impl Iterator<Item = &'i Object> {
    let of = |kind: &'static str| cx.in_namespace(kind, name).iter().copied();
    of("ResourceClaim").chain(of("ResourceClaimTemplate"))
}

/// Classes that a claim names; a template holds the claim's spec one level deeper.
fn class_names(claim: &Object) -> impl Iterator<Item = &str> {
    let spec = claim.spec().map(|spec| spec.get("spec").unwrap_or(spec));
    let requests = spec.and_then(|spec| spec.at(&["devices", "requests"]));
    // v1 and v1beta2 nest under `exactly` or offer `firstAvailable`, v1beta1 writes on the request itself.
    requests.into_iter().flat_map(Value::items).flat_map(|request| {
        let choices = request.get("firstAvailable").into_iter().flat_map(Value::items);
        let all = std::iter::once(request.get("exactly").unwrap_or(request)).chain(choices);
        all.filter_map(|one| one.str_at("deviceClassName"))
    })
}

fn is_of_accelerators(class: &Object) -> bool {
    let selectors = class.spec().and_then(|spec| spec.get("selectors")).into_iter().flat_map(Value::items);
    let mut asked = selectors.filter_map(|selector| selector.at(&["cel", "expression"])?.text());
    names_accelerator_driver(&class.name) || asked.any(names_accelerator_driver)
}

fn hard(quota: &Object) -> Option<Value<'_>> {
    quota.spec()?.get("hard")
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_quota() {
        insta::assert_snapshot!(one_line("quota-without-dra", "bad"), @"MEDIUM RF-GPU-021 ResourceQuota/ml/ml: does not count devices of class gpu.nvidia.com");
    }

    #[test]
    fn good_fixture_counts_the_class_and_leaves_network_cards_alone() {
        insta::assert_snapshot!(one_line("quota-without-dra", "good"), @"");
    }

    #[test]
    fn without_classes_and_claims_nobody_knows() {
        let said = one_line("quota-without-dra", "unknown");
        let own: Vec<&str> = said.lines().filter(|line| line.contains("RF-GPU-021")).collect();
        assert_eq!(own, ["UNKNOWN RF-GPU-021 -: no DeviceClass objects given"]);
    }

    /// A GPU pod with a quota, and what else stands there.
    fn said(hard: &str, more: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: ml}}
spec: {{containers: [{{name: c, image: vllm/vllm-openai}}]}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {{name: q, namespace: ml}}
spec: {{hard: {{{hard}}}}}
---
{more}"
        );
        let line = |finding: ringfence_finding::Finding| match finding.outcome {
            Outcome::Fail => finding.message,
            _ => format!("unknown: {}", finding.message),
        };
        judged("RF-GPU-021", &text).into_iter().map(line).collect()
    }

    fn class(name: &str, driver: &str) -> String {
        format!(
            "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {{name: {name}}}\nspec: {{selectors: [{{cel: {{expression: \"device.driver == '{driver}'\"}}}}]}}\n"
        )
    }

    #[test]
    fn each_class_of_accelerators_needs_a_key_of_its_own() {
        let gpus = class("fast", "gpu.nvidia.com");
        let open = ["does not count devices of class fast"];
        assert_eq!(said("pods: 4", &gpus), open);
        assert_eq!(said("requests.nvidia.com/gpu: 8", &gpus), open);
        assert_eq!(said("other.deviceclass.resource.k8s.io/devices: 8", &gpus), open);
        assert_eq!(said("fast.deviceclass.resource.k8s.io/devices: 8", &gpus), [""; 0]);
        assert_eq!(said("fast.deviceclass.resource.k8s.io/devices: 0", &gpus), [""; 0]);
        assert_eq!(said("pods: 4", &class("nics", "dra.net")), [""; 0]);
    }

    #[test]
    fn claims_of_the_namespace_name_their_classes() {
        let claim = |kind: &str, spec: &str, namespace: &str| {
            format!(
                "apiVersion: resource.k8s.io/v1\nkind: {kind}\nmetadata: {{name: c, namespace: {namespace}}}\nspec: {spec}\n"
            )
        };
        let spec = "{devices: {requests: [{name: r, exactly: {deviceClassName: gpu.nvidia.com}}]}}";
        let open = ["does not count devices of class gpu.nvidia.com"];
        assert_eq!(said("pods: 4", &claim("ResourceClaim", spec, "ml")), open);
        assert_eq!(
            said("pods: 4", &claim("ResourceClaimTemplate", &format!("{{spec: {spec}}}"), "ml")),
            open
        );
        let first = spec.replace(
            "exactly: {deviceClassName: gpu.nvidia.com}",
            "firstAvailable: [{deviceClassName: mig.nvidia.com}]",
        );
        let mig = ["does not count devices of class mig.nvidia.com"];
        assert_eq!(said("pods: 4", &claim("ResourceClaim", &first, "ml")), mig);
        let unknown = ["unknown: no DeviceClass objects given"];
        assert_eq!(said("pods: 4", &claim("ResourceClaim", spec, "web")), unknown);
    }

    #[test]
    fn a_namespace_without_quota_is_another_question() {
        let text = class("fast", "gpu.nvidia.com");
        assert_eq!(judged("RF-GPU-021", &text).len(), 0);
    }
}
