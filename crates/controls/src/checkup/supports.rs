//! What a cluster holds and what it can do, by discovery and by its objects, never by its version alone.

use ringfence_finding::Check;
use ringfence_finding::Mark;
use ringfence_inventory::Inventory;
use ringfence_inventory::Live;
use ringfence_inventory::Scope;
use ringfence_inventory::Seen;

use super::Purpose;
use super::enforcer;
use super::line;

/// What people call the makers of kinds for AI, with the group of those kinds.
const AI_GROUPS: &[(&str, &str)] = &[
    ("Agent Sandbox", "agents.x-k8s.io"),
    ("NVIDIA NIM", "apps.nvidia.com"),
    ("Volcano", "batch.volcano.sh"),
    ("JobSet", "jobset.x-k8s.io"),
    ("KAITO", "kaito.sh"),
    ("Kubeflow", "kubeflow.org"),
    ("Kueue", "kueue.x-k8s.io"),
    ("LeaderWorkerSet", "leaderworkerset.x-k8s.io"),
    ("Seldon", "machinelearning.seldon.io"),
    ("NVIDIA GPU operator", "nvidia.com"),
    ("vLLM production stack", "production-stack.vllm.ai"),
    ("Ray", "ray.io"),
    ("KServe", "serving.kserve.io"),
    ("Kubeflow Trainer", "trainer.kubeflow.org"),
];

/// What is there.
pub(super) fn sees(inventory: &Inventory, live: &Live) -> Vec<Check> {
    let served = |group: &str| live.served.iter().any(|one| one.group == group);
    let kinds: Vec<&str> =
        AI_GROUPS.iter().filter(|(_, group)| served(group)).map(|(name, _)| *name).collect();
    let mut checks = vec![nodes(inventory)];
    checks.extend(gpu_software(inventory));
    checks.push(match kinds.as_slice() {
        [] => line(
            Mark::Note,
            "AI kinds",
            "none of the known ones is served: pods and Jobs are looked at",
            None,
        ),
        some => line(Mark::Ok, "AI kinds", some.join(", "), None),
    });
    let workloads = inventory.pods().filter(|pod| pod.ai().scope >= Scope::Medium).count();
    checks.push(line(
        Mark::Ok,
        "pod templates",
        format!("{} found, {workloads} of them AI workloads", inventory.pods().len()),
        None,
    ));
    checks
}

fn nodes(inventory: &Inventory) -> Check {
    if let Seen::None(why) | Seen::Partial(why) = inventory.sight.cluster("", "Node") {
        let hint = "let who scans list nodes (ringfence scan --print-rbac): GPUs and their taints are not known else";
        return line(Mark::Unknown, "GPU nodes", why, Some(hint));
    }
    let all = inventory.objects_of("", "Node").count();
    let gpus: Vec<_> = inventory.gpu_nodes().collect();
    let total: u64 = gpus.iter().map(|node| u64::from(node.gpus)).sum();
    match gpus.len() {
        0 => line(
            Mark::Note,
            "GPU nodes",
            format!("none of {all} nodes offers an accelerator (they may be scaled to zero)"),
            None,
        ),
        some => line(Mark::Ok, "GPU nodes", format!("{some} of {all} nodes, {total} accelerators"), None),
    }
}

/// Versions of what hands GPUs out: containers have got out of old ones. None: no GPU, nothing to say.
fn gpu_software(inventory: &Inventory) -> Option<Check> {
    let found = inventory.gpu_software();
    let told: Vec<String> = found
        .iter()
        .map(|software| match &software.version {
            Some(version) => format!("{} {version} ({})", software.name, software.seen_as),
            None => format!("{}, pinned by digest ({})", software.name, software.seen_as),
        })
        .collect();
    if found.iter().any(|software| software.name == "container toolkit") {
        return Some(line(Mark::Ok, "GPU software", told.join(", "), None));
    }
    // Nodes of clouds often have the toolkit in their image, and nothing in the API tells its version.
    let hint = "on a GPU node: nvidia-ctk --version; containers get out of 1.17.7 and older (CVE-2025-23266)";
    let unseen = "the container toolkit shows itself nowhere";
    (!told.is_empty() || inventory.gpu_nodes().next().is_some()).then(|| {
        let says = told.into_iter().chain([unseen.to_owned()]).collect::<Vec<_>>().join(", ");
        line(Mark::Note, "GPU software", says, Some(hint))
    })
}

/// What the cluster can do.
pub(super) fn supports(inventory: &Inventory, live: &Live, purpose: Purpose) -> Vec<Check> {
    vec![
        policy_enforcer(inventory),
        feature(
            live,
            purpose,
            &Feature {
                name: "admission policies",
                group: "admissionregistration.k8s.io",
                kind: "ValidatingAdmissionPolicy",
                needed: Some("upgrade to Kubernetes 1.30 or newer, which serves it as v1"),
                without: "nothing can be refused without a webhook",
            },
        ),
        feature(
            live,
            purpose,
            &Feature {
                name: "admission mutations",
                group: "admissionregistration.k8s.io",
                kind: "MutatingAdmissionPolicy",
                needed: None,
                without: "placement and tolerations stay with who writes the workload",
            },
        ),
        feature(
            live,
            purpose,
            &Feature {
                name: "custom kinds",
                group: "apiextensions.k8s.io",
                kind: "CustomResourceDefinition",
                needed: Some("let the API server serve apiextensions.k8s.io/v1"),
                without: "no SecurityDomain can be kept",
            },
        ),
        feature(
            live,
            purpose,
            &Feature {
                name: "device claims (DRA)",
                group: "resource.k8s.io",
                kind: "ResourceClaim",
                needed: None,
                without: "GPUs come as extended resources alone",
            },
        ),
    ]
}

struct Feature {
    name: &'static str,
    group: &'static str,
    kind: &'static str,
    /// The cure, where an installation cannot do without.
    needed: Option<&'static str>,
    /// What does not work without it.
    without: &'static str,
}

fn feature(live: &Live, purpose: Purpose, feature: &Feature) -> Check {
    if let Some(served) = live.served(feature.group, feature.kind) {
        let versions = served.versions.join(", ");
        return line(Mark::Ok, feature.name, format!("{} {}/{versions}", feature.kind, feature.group), None);
    }
    let says = format!("{} is not served: {}", feature.kind, feature.without);
    match feature.needed.filter(|_| purpose == Purpose::Install) {
        Some(hint) => line(Mark::Failed, feature.name, says, Some(hint)),
        None => line(Mark::Note, feature.name, says, None),
    }
}

fn policy_enforcer(inventory: &Inventory) -> Check {
    let found = enforcer::find(inventory);
    if !found.is_empty() {
        let names: Vec<String> =
            found.iter().map(|enforcer| format!("{} ({})", enforcer.name, enforcer.seen_as)).collect();
        let says = format!("found: {}; found is not proven: nothing was sent", names.join(", "));
        return line(Mark::Ok, "NetworkPolicy enforcer", says, None);
    }
    let hint =
        "install a network plugin that enforces policies, or test yours: a denied connection must fail";
    let says = match inventory.sight.cluster("apps", "DaemonSet") {
        Seen::All | Seen::SetOnly => "no known one among the pods: policies may be words only".to_owned(),
        Seen::Partial(why) | Seen::None(why) => format!("not known: {why}"),
    };
    line(Mark::Unknown, "NetworkPolicy enforcer", says, Some(hint))
}
