//! RF-RUN-009: one pod in, containers with capabilities that lead out of the container out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Container;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A capability is a piece of root on the node; some of them are all of it.
///
/// ## What it sees
/// `securityContext.capabilities.add` in any container of an AI workload with one of `ALL`, `SYS_ADMIN`, `SYS_MODULE`,
/// `SYS_PTRACE`, `SYS_RAWIO`, `NET_ADMIN`, `NET_RAW`, `DAC_READ_SEARCH`, `BPF`, `PERFMON` and `SYSLOG`, with or without
/// `CAP_` before it. Core kinds and custom resources; accelerator infrastructure is left out. `IPC_LOCK`, which RDMA
/// needs to pin memory, is none of them, and what every container has by default is not asked for here.
///
/// ## Why it matters for AI
/// `SYS_ADMIN` comes with profilers, `NET_ADMIN` with "NCCL does not find the network card", `SYS_PTRACE` with a
/// debugger in a notebook. With the first a poisoned model mounts the node's disk, with the second it redirects the
/// gradients of its neighbours, with the third it reads the keys out of the process beside it.
///
/// ## Bad
/// ```yaml
/// securityContext:
///   capabilities: {add: [SYS_ADMIN]}
/// ```
///
/// ## Good
/// ```yaml
/// securityContext:
///   capabilities: {drop: [ALL], add: [IPC_LOCK]} # beside a device of RDMA
/// ```
///
/// ## Fix and its side effects
/// Drop `ALL` and add what is left to need. CUDA and NCCL need none of these. Hardware counters need `SYS_ADMIN` or
/// `PERFMON` where the driver restricts them: profile in a job of its own, on a node of its own. `ping` needs `NET_RAW`
/// on old kernels.
///
/// ## When it is unknown
/// The kind cannot say it because its operator builds the pod, or a name is a template variable.
///
/// ## References
/// - CIS Kubernetes 2.0.1: 5.2.8
/// - Pod Security Standards: baseline, capabilities
/// - MITRE ATT&CK: T1611
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Run, 9),
        slug: "dangerous-capability",
        title: "AI container has a capability that leads out of it",
        risk: "code that runs in this container takes over its node, or reads and redirects its neighbours",
        cure: "drop `ALL` capabilities and add only what is left to need, such as `IPC_LOCK` for RDMA",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.2.8" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1611" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

const DANGEROUS: &[&str] = &[
    "ALL",
    "BPF",
    "DAC_READ_SEARCH",
    "NET_ADMIN",
    "NET_RAW",
    "PERFMON",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
];

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    let mut unsaid = false;
    for container in pod.containers() {
        match container.security("capabilities").map(|capabilities| capabilities.get("add")) {
            Some(Some(added)) => judge(container, added, results),
            None if container.role == Role::Part && pod.built_by_operator() => unsaid = true,
            Some(None) | None => {}
        }
    }
    if unsaid {
        results.built_by_operator(pod, "securityContext.capabilities");
    }
}

fn judge(container: Container<'_>, added: Value<'_>, results: &mut Results<'_>) {
    let object = container.pod.object();
    let mut found = added.items().filter_map(|item| Some((item, dangerous(item)?)));
    if let Some((at, first)) = found.next() {
        // The list is the field: places in it move.
        let mut hit = Hit::at(object, at, String::new()).container(container).field(object.field(added));
        let mut more = 0_usize;
        for (at, _) in found {
            hit = hit.also_at(object, at);
            more = more.saturating_add(1);
        }
        return results.fail(hit.message(match (first, more) {
            ("ALL", _) => "adds every capability".to_owned(),
            (first, 0) => format!("adds the capability {first}"),
            (first, more) => format!("adds the capability {first} and {more} more"),
        }));
    }
    let is_variable =
        |item: &Value<'_>| item.text().is_some_and(|name| name.contains('$') || name.contains("{{"));
    if let Some(at) = added.items().find(is_variable) {
        results.unknown_in(object, Some(at), Some(container), "the name of a capability is a variable");
    }
}

/// By its name in the table. Runtimes take names in any case, some with their prefix.
fn dangerous(item: Value<'_>) -> Option<&'static str> {
    let name = item.text()?.trim();
    let name =
        name.get(..4).filter(|start| start.eq_ignore_ascii_case("CAP_")).and(name.get(4..)).unwrap_or(name);
    DANGEROUS.iter().copied().find(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn said(add: &str) -> Option<String> {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ml}}\nspec: {{containers: [{{name: c, image: x, securityContext: {{capabilities: {{add: {add}}}}}, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}\n"
        );
        let findings = judged("RF-RUN-009", &text);
        assert!(findings.len() < 2, "{findings:?}");
        findings.into_iter().next().map(|finding| finding.message)
    }

    #[test]
    fn bad_fixture_fails_at_the_container() {
        insta::assert_snapshot!(one_line("dangerous-capability", "bad"), @"HIGH RF-RUN-009 Deployment/ml/model[server]: adds the capability SYS_ADMIN");
    }

    #[test]
    fn names_count_in_every_spelling_and_rdma_is_let_through() {
        for (add, expected) in [
            ("[SYS_ADMIN]", Some("adds the capability SYS_ADMIN")),
            ("[CAP_SYS_ADMIN]", Some("adds the capability SYS_ADMIN")),
            ("[net_raw]", Some("adds the capability NET_RAW")),
            ("[IPC_LOCK, SYS_PTRACE, NET_ADMIN, BPF]", Some("adds the capability SYS_PTRACE and 2 more")),
            ("[ALL]", Some("adds every capability")),
            ("['${CAPABILITY}']", Some("the name of a capability is a variable")),
            ("[IPC_LOCK]", None),
            ("[CHOWN, SETUID, NET_BIND_SERVICE]", None),
            ("[]", None),
        ] {
            assert_eq!(said(add).as_deref(), expected, "{add}");
        }
    }

    #[test]
    fn an_init_container_inside_a_job_set_counts() {
        let findings = judged(
            "RF-RUN-009",
            "apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: j, namespace: ml}
spec:
  replicatedJobs:
  - name: w
    template:
      spec:
        template:
          spec:
            initContainers: [{name: tune, image: x, securityContext: {capabilities: {add: [SYS_MODULE]}}}]
            containers: [{name: t, image: x, resources: {limits: {nvidia.com/gpu: 1}}}]
",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].container.as_deref(), Some("tune"));
        assert!(findings[0].field.ends_with("securityContext.capabilities.add"), "{}", findings[0].field);
    }

    #[test]
    fn a_kind_whose_operator_builds_the_pod_is_unknown_and_a_driver_is_not_judged() {
        let findings = judged(
            "RF-RUN-009",
            "apiVersion: production-stack.vllm.ai/v1alpha1
kind: VLLMRuntime
metadata: {name: v, namespace: ml}
spec: {deploymentConfig: {image: {registry: r, name: vllm}, resources: {limits: {nvidia.com/gpu: 1}}}}
",
        );
        assert!(!findings.is_empty() && findings.iter().all(|finding| finding.outcome == Outcome::Unknown));
        let driver = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d, namespace: gpu-operator}
spec: {template: {spec: {containers: [{name: d, image: nvcr.io/nvidia/dcgm-exporter, securityContext: {capabilities: {add: [SYS_ADMIN]}}}]}}}
";
        assert_eq!(judged("RF-RUN-009", driver).len(), 0);
    }
}
