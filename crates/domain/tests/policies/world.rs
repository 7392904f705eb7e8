//! The cluster of these tests: one domain in each mode with the same limits, one without limits, a GPU node, and a
//! namespace outside.

use std::sync::OnceLock;
use std::time::Duration;

use ringfence_domain::Asked;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Desired;
use ringfence_domain::NodeFact;
use ringfence_domain::SecurityDomain;
use ringfence_domain::Write;
use ringfence_domain::desired;
use ringfence_domain::spec::Mode;
use ringfence_lab::ControlPlane;
use ringfence_lab::Done;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::Identity;
use ringfence_lab::Options;
use ringfence_lab::Tier;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

/// Namespaces: of the three modes, of a domain without limits, and outside.
pub(crate) const ENFORCED: &str = "ml-enforced";
pub(crate) const WARNED: &str = "ml-warned";
pub(crate) const OBSERVED: &str = "ml-observed";
pub(crate) const FREE: &str = "ml-free";
pub(crate) const OUTSIDE: &str = "shop";
/// Key of the taint of nodes that are not closed.
pub(crate) const OPEN_TAINT: &str = "example.com/open";
/// The GPU node.
pub(crate) const NODE: &str = "gpu-1";

/// Policies act seconds after they are written, later on a crowded machine.
const ACTS: Duration = Duration::from_mins(1);

/// The lab with all policies acting; none: the skip was recorded for the calling test.
pub(crate) fn world() -> Option<&'static ControlPlane> {
    static LAB: OnceLock<Option<ControlPlane>> = OnceLock::new();
    let options = Options {
        tier: Some(Tier::ControlPlane),
        fake_nodes: vec![FakeNodeSpec::new(NODE, 8)],
        ..Options::default()
    };
    let mut is_first = false;
    let lab = LAB.get_or_init(|| {
        is_first = true;
        ringfence_lab::need_private(&options).inspect(set_up)
    });
    // Each test that cannot run is a skip of its own.
    lab.as_ref().or_else(|| (!is_first).then(|| ringfence_lab::need_private(&options)).and(None))
}

/// The controller.
pub(crate) fn operator() -> Identity {
    Identity::service_account("ringfence-system", "ringfence")
}

/// What is wanted of this cluster.
pub(crate) fn wanted() -> Desired {
    let domains = domains();
    desired(&asked(&domains), &facts())
}

/// The domains, each with its mode.
pub(crate) fn domains() -> Vec<(SecurityDomain, Mode)> {
    let limited = json!({
        "tier": "Restricted",
        "nodes": {"selector": {"matchLabels": {"ringfence-test/nodes": "nobody"}}},
        "access": {"mountable": {"secrets": ["hf"], "serviceAccounts": ["trainer"], "claims": ["data"]}},
        "limits": {"maxGPUsPerPod": 4},
        "podSecurity": {"enforce": "privileged", "warn": "privileged", "audit": "privileged",
            "allowDevices": ["/dev/infiniband"]},
    });
    let mut enforced = limited.clone();
    enforced["nodes"]["selector"]["matchLabels"] = json!({"lab/fake": "true"});
    // It only watches: what it lets in does not come to the nodes of one that refuses.
    let mut observed = limited.clone();
    observed["nodes"]["systemAllowList"] = json!({"namespaces": [OUTSIDE]});
    let free = json!({
        // Nodes that are open to everybody, and whose taint it leaves to the workloads.
        "nodes": {"selector": {"matchLabels": {"ringfence-test/nodes": "nobody"}}, "dedicated": false,
            "taint": {"key": OPEN_TAINT}, "injectToleration": false, "injectNodeSelector": false},
        "jobs": {"activeDeadlineSeconds": 3600, "ttlSecondsAfterFinished": 600},
        "podSecurity": limited["podSecurity"],
    });
    [
        ("enforced", ENFORCED, Mode::Enforce, enforced),
        ("warned", WARNED, Mode::Warn, limited),
        ("observed", OBSERVED, Mode::Observe, observed),
        ("free", FREE, Mode::Enforce, free),
    ]
    .map(|(name, namespace, mode, mut spec)| {
        spec["namespaces"] = json!({"names": [namespace]});
        let object = json!({
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "SecurityDomain",
            "metadata": {"name": name, "uid": format!("uid-{name}")},
            "spec": spec,
        });
        (serde_json::from_value(object).unwrap(), mode)
    })
    .into()
}

pub(crate) fn asked(domains: &[(SecurityDomain, Mode)]) -> Vec<Asked<'_>> {
    domains.iter().map(|(domain, mode)| Asked::new(domain, *mode)).collect()
}

pub(crate) fn facts() -> ClusterFacts {
    let node = NodeFact {
        name: NODE.into(),
        labels: [("lab/fake".to_owned(), "true".to_owned())].into(),
        accelerators: [("nvidia.com/gpu".to_owned(), 8)].into(),
    };
    ClusterFacts { nodes: Some(vec![node]), ..ClusterFacts::default() }
}

/// Sends an object to `create`, dry, as the administrator.
pub(crate) fn try_create(lab: &ControlPlane, namespace: &str, object: &Value) -> Done {
    lab.create_in(namespace, object, &["--dry-run=server"])
}

/// Flags by which a request is that of a controller in the cluster.
pub(crate) const AS_CONTROLLER: [&str; 2] =
    ["--as=system:serviceaccount:jobset-system:jobset-controller-manager", "--as-group=system:masters"];

/// What kubectl can say in one call.
pub(crate) trait Calls {
    fn create_in(&self, namespace: &str, object: &Value, flags: &[&str]) -> Done;
}

impl Calls for ControlPlane {
    fn create_in(&self, namespace: &str, object: &Value, flags: &[&str]) -> Done {
        let file = scratch(object);
        let mut arguments = vec!["create", "--namespace", namespace, "--filename", file.to_str().unwrap()];
        arguments.extend(flags);
        let done = self.kubectl(&arguments);
        std::fs::remove_file(file).unwrap();
        done
    }
}

/// A file that holds the object.
fn scratch(object: &Value) -> std::path::PathBuf {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;

    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("ringfence-policy-{}-{number}.json", std::process::id()));
    std::fs::write(&file, object.to_string()).unwrap();
    file
}

fn set_up(lab: &ControlPlane) {
    for namespace in [ENFORCED, WARNED, OBSERVED, FREE, OUTSIDE, "ringfence-system"] {
        lab.kubectl(&["create", "namespace", namespace]).ok();
    }
    let account = "--serviceaccount=ringfence-system:ringfence";
    lab.kubectl(&["create", "clusterrolebinding", "ringfence", "--clusterrole=cluster-admin", account]).ok();
    let runtime = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"},
        "handler": "nvidia"});
    lab.apply(&runtime.to_string()).ok();
    for namespace in [ENFORCED, WARNED, OBSERVED, FREE, OUTSIDE] {
        until("account default", ACTS, || {
            lab.kubectl(&["get", "sa", "default", "-n", namespace]).is_ok().then_some(())
        });
        lab.kubectl(&["create", "serviceaccount", "trainer", "--namespace", namespace]).ok();
        lab.kubectl(&["create", "serviceaccount", "other", "--namespace", namespace]).ok();
    }
    let (patches, objects): (Vec<_>, Vec<_>) =
        wanted().objects.into_iter().partition(|it| it.write == Write::NodePatch);
    let items: Vec<_> = objects.into_iter().map(|it| it.body.tree()).collect();
    lab.apply_as(&operator(), &json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).ok();
    for patch in patches {
        let [name, body] = [patch.id.name, patch.body.tree().to_string()];
        lab.kubectl_as(&operator(), &["patch", "node", &name, "--type=merge", "--patch", &body]).ok();
    }
    wait(lab);
}

/// Until each policy does what it is for.
fn wait(lab: &ControlPlane) {
    let acts = |what: &str, ask: &dyn Fn() -> bool| until(what, ACTS, || ask().then_some(()));
    let bad =
        super::twins::pod(&json!({"hostPID": true, "tolerations": [{"operator": "Exists"}]}), &json!({}));
    acts("pods-inside enforces", &|| !try_create(lab, ENFORCED, &bad).is_ok());
    acts("pods-inside warns", &|| try_create(lab, WARNED, &bad).stderr().contains("RF-RUN-010"));
    acts("pods-inside enforces without limits", &|| !try_create(lab, FREE, &bad).is_ok());
    acts("pods-outside enforces", &|| !try_create(lab, OUTSIDE, &bad).is_ok());
    let gpu = super::twins::gpu_pod();
    acts("pod-defaults fill in", &|| {
        let filled = lab.create_in(ENFORCED, &gpu, &["--dry-run=server", "--output=json"]);
        filled.is_ok() && filled.ok().contains("ringfence-shm")
    });
    acts("pods of other domains are kept apart", &|| {
        let kept = lab.create_in(OBSERVED, &gpu, &["--dry-run=server", "--output=json"]);
        kept.is_ok() && kept.ok().contains("DoesNotExist")
    });
    acts("labels are guarded", &|| {
        !lab.kubectl(&["label", "namespace", ENFORCED, "ringfence.dev/domain-", "--dry-run=server"]).is_ok()
    });
    acts("networks are guarded", &|| {
        !lab.kubectl(&["delete", "networkpolicy", "rf-default-deny", "-n", ENFORCED, "--dry-run=server"])
            .is_ok()
    });
}
