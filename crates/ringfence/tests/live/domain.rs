//! A SecurityDomain drawn around a live namespace by what `domain plan` prints: what a scan found is closed, and what it
//! found of others' making is refused from then on, under the same ids.

use std::collections::BTreeSet;
use std::time::Duration;

use ringfence_lab::Done;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::Identity;
use ringfence_lab::until;
use serde_json::json;

use crate::lab;
use crate::support;

/// A workload with a GPU, the quota of its team, and a user who may label the namespace.
const PLATFORM: &str = "
apiVersion: v1
kind: Pod
metadata: {name: llm, labels: {app: llm}}
spec:
  automountServiceAccountToken: false
  containers:
  - {name: server, image: 'registry.example/vllm/vllm-openai:v1', resources: {limits: {nvidia.com/gpu: 1}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: team}
spec: {hard: {requests.nvidia.com/gpu: '8'}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: owner}
rules:
- {apiGroups: [''], resources: [namespaces], verbs: [get, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: owner}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: owner}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: fenced-owner}]
";

/// Opens the internet, and the metadata address with it.
const OPEN: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-hub}
spec: {podSelector: {matchLabels: {app: llm}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}
";

/// Devices by claims, past the team's quota.
const CLASS: &str = "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: fenced.gpu.nvidia.com}
spec: {selectors: [{cel: {expression: \"device.driver == 'gpu.nvidia.com'\"}}]}
";

/// An admission policy comes into force within a second; a crowded machine takes longer.
const SOON: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs lab tier 1b: a domain is drawn around a live namespace"]
fn a_domain_closes_what_a_scan_finds_and_refuses_it_under_the_same_ids() {
    let Some(lab) = lab() else { return };
    let _nodes = crate::nodes();
    let namespace = lab.namespace("fenced");
    let name = namespace.name();
    let node = format!("{name}-gpu");
    let labels = [("pool".to_owned(), name.to_owned())].into();
    let _node = lab.fake_node_with(FakeNodeSpec { labels, ..FakeNodeSpec::new(node.clone(), 8) });
    let owner = Identity::human("fenced-owner", &[]);
    lab.apply(CLASS).ok();
    namespace.apply(PLATFORM).ok();
    namespace.apply(OPEN).ok();
    let found = || -> BTreeSet<(String, String)> {
        let fails = crate::fails(&crate::run(lab, &["scan", "--format", "json"]).json());
        fails.into_iter().filter(|(_, object)| object.contains(name)).collect()
    };
    let row = |control: &str, object: String| (control.to_owned(), object);
    let closed_by_the_plan = [
        row("RF-GPU-001", format!("Node/{node}")),
        row("RF-GPU-021", format!("ResourceQuota/{name}/team")),
        row("RF-NET-001", format!("Namespace/{name}")),
        row("RF-RUN-004", format!("Namespace/{name}")),
    ];
    let of_the_policy =
        ["RF-NET-002", "RF-NET-003"].map(|id| row(id, format!("NetworkPolicy/{name}/allow-hub")));
    let of_the_role = row("RF-RBAC-007", format!("Role/{name}/owner"));
    let before = found();
    for flaw in closed_by_the_plan.iter().chain(&of_the_policy).chain([&of_the_role]) {
        assert!(before.contains(flaw), "{flaw:?} is not among {before:#?}");
    }

    // NetworkPolicies only add up: one of a team has to go.
    namespace.kubectl(&["delete", "networkpolicy", "allow-hub"]).ok();
    let domain = json!({
        "apiVersion": "ringfence.dev/v1alpha1",
        "kind": "SecurityDomain",
        "metadata": {"name": name},
        "spec": {
            "namespaces": {"names": [name]},
            "nodes": {"selector": {"matchLabels": {"pool": name}}},
            "quota": {"gpu": 8, "deviceClasses": {"fenced.gpu.nvidia.com": 0}},
        },
    });
    let kubeconfig = lab.kubeconfig().to_str().unwrap();
    let arguments =
        ["domain", "plan", "-f", "-", "--mode", "Enforce", "--format", "yaml", "--kubeconfig", kubeconfig];
    let plan = support::run_with(&arguments, domain.to_string().as_bytes());
    assert!(plan.out.contains("kind: NetworkPolicy"), "{plan:#?}");
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    lab.kubectl_with(&apply, &plan.out).ok();
    let after = found();
    for flaw in closed_by_the_plan.iter().chain(&of_the_policy) {
        assert!(!after.contains(flaw), "{flaw:?} is still among {after:#?}");
    }

    // The right itself is its owner's to take away; what it could do is refused.
    assert!(after.contains(&of_the_role), "{after:#?}");
    let refused = |what: &str, ask: &dyn Fn() -> Done| {
        until(what, SOON, || {
            let done = ask();
            (!done.is_ok()).then(|| done.stderr()).filter(|said| said.contains(what))
        })
    };
    // Tried on the server and not written.
    refused("RF-NET-002", &|| {
        let tried = ["create", "--dry-run=server", "-f", "-"];
        let open = format!("{OPEN}\n")
            .replace("{name: allow-hub}", &format!("{{name: allow-hub, namespace: {name}}}"));
        lab.kubectl_with(&tried, &open)
    });
    refused("RF-RBAC-007", &|| {
        let label = "ringfence.dev/domain-";
        lab.kubectl_as(&owner, &["label", "--dry-run=server", "namespace", name, label])
    });
    lab.kubectl(&["delete", "deviceclass", "fenced.gpu.nvidia.com"]).ok();
}
