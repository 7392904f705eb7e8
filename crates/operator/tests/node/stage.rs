//! What these tests stand on: one lab with everything installed, a controller under the rights of its own account, and the
//! questions by which one knows that policies act.

use std::sync::OnceLock;
use std::time::Duration;

use ringfence_domain::Install;
use ringfence_domain::install;
use ringfence_domain::names;
use ringfence_lab::ControlPlane;
use ringfence_lab::Done;
use ringfence_lab::Identity;
use ringfence_lab::Namespace;
use ringfence_lab::Node;
use ringfence_lab::Options;
use ringfence_lab::Tier;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;
use tokio::sync::MutexGuard;

use crate::ground::Running;
use crate::ground::config;
use crate::ground::turn;

/// Policies act seconds after they are written, later on a crowded machine.
pub(crate) const ACTS: Duration = Duration::from_mins(1);
/// What the GPUs of the node are called.
pub(crate) const GPU: &str = "nvidia.com/gpu";
/// A name that the cluster's own DNS knows.
pub(crate) const INSIDE_NAME: &str = "models.cluster.local";
/// Outside every domain, and there before all tests.
const ELSEWHERE: &str = "kube-public";

/// The lab in the hands of one test at a time.
pub(crate) struct Stage {
    pub(crate) lab: &'static ControlPlane,
    pub(crate) node: Node<'static>,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// Waits for the turn of this test; none: the skip was recorded for it.
    pub(crate) async fn enter() -> Option<Self> {
        let lab = lab()?;
        let stage = Self { lab, node: Node::of(lab), _turn: turn().await };
        until("nothing of the test before is refused", ACTS, || {
            stage.dry_run(ELSEWHERE, &stranger()).is_ok().then_some(())
        });
        Some(stage)
    }

    /// The controller, under the rights that are installed for it.
    pub(crate) async fn controller(&self) -> Running {
        let mut config = config("controller");
        config.namespace = names::OPERATOR_NAMESPACE.into();
        Running::with(self.lab.client_as(&operator()).await, config)
    }

    /// Creates an object on paper only.
    pub(crate) fn dry_run(&self, namespace: &str, object: &Value) -> Done {
        let words = ["create", "--dry-run=server", "--output=json", "--namespace", namespace, "--filename=-"];
        self.lab.kubectl_with(&words, &object.to_string())
    }

    /// Waits until the policies of a domain do what they are for, in one of its namespaces.
    pub(crate) fn acts(&self, namespace: &Namespace<'_>) {
        let name = namespace.name();
        let wait = |what: &str, ask: &dyn Fn() -> bool| until(what, ACTS, || ask().then_some(()));
        wait("pods inside are judged", &|| {
            let done = self.dry_run(name, &stranger());
            !done.is_ok() && done.stderr().contains("RF-GPU-002")
        });
        wait("NetworkPolicies are guarded", &|| {
            let words = ["delete", "networkpolicy", "rf-default-deny", "--dry-run=server"];
            !namespace.kubectl(&words).is_ok()
        });
        wait("pods are filled in", &|| {
            let done = self.dry_run(name, &pod("gpu", &json!({}), &gpus(1, "64Mi")));
            done.is_ok() && done.ok().contains("ringfence-shm")
        });
    }

    /// Ends all domains in order, and waits until they are gone.
    pub(crate) fn end(&self) {
        self.lab.kubectl(&["delete", "sdom", "--all", "--timeout=60s"]).ok();
    }
}

/// A test that failed leaves policies and a taint, which would fail all others.
impl Drop for Stage {
    fn drop(&mut self) {
        let kinds = "validatingadmissionpolicybindings,mutatingadmissionpolicybindings,\
                     validatingadmissionpolicies,mutatingadmissionpolicies";
        let ours = "--selector=app.kubernetes.io/managed-by=ringfence";
        let _ = self.lab.kubectl(&["delete", kinds, ours, "--wait=false"]);
        // The policies may act a moment longer, on everybody but the controller.
        let bare = json!({"metadata": {"labels": {names::NODE_LABEL: null}}, "spec": {"taints": null}});
        let patch = ["patch", "node", Node::NAME, "--type=merge", "--patch", &bare.to_string()];
        let _ = self.lab.kubectl_as(&operator(), &patch);
    }
}

/// The controller's account.
pub(crate) fn operator() -> Identity {
    Identity::service_account(names::OPERATOR_NAMESPACE, names::OPERATOR_ACCOUNT)
}

/// A pod of the lab's image with fields merged into its spec and into its container. Without arguments it waits.
pub(crate) fn pod(name: &str, spec: &Value, container: &Value) -> Value {
    let mut main = json!({"name": "main", "image": ringfence_lab::LABTOOL, "imagePullPolicy": "Never", "args": ["pause"]});
    merge(&mut main, container);
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [main], "terminationGracePeriodSeconds": 1},
    });
    merge(&mut object["spec"], spec);
    object
}

/// Limits of a container that asks for GPUs.
pub(crate) fn gpus(count: u32, memory: &str) -> Value {
    json!({"resources": {"limits": {GPU: count.to_string(), "cpu": "100m", "memory": memory}}})
}

pub(crate) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// A pod that no domain lets in.
fn stranger() -> Value {
    pod("stranger", &json!({"tolerations": [{"operator": "Exists"}]}), &json!({}))
}

fn lab() -> Option<&'static ControlPlane> {
    static LAB: OnceLock<Option<ControlPlane>> = OnceLock::new();
    let options = Options { tier: Some(Tier::Node), ..Options::default() };
    let mut is_first = false;
    let lab = LAB.get_or_init(|| {
        is_first = true;
        ringfence_lab::need_private(&options).inspect(set_up)
    });
    // Each test that cannot run is a skip of its own.
    lab.as_ref().or_else(|| (!is_first).then(|| ringfence_lab::need_private(&options)).and(None))
}

fn set_up(lab: &ControlPlane) {
    lab.install(&ringfence_domain::yaml(&ringfence_domain::definition()));
    let all = install(&Install {
        namespace: names::OPERATOR_NAMESPACE.into(),
        image: None,
        workloads: ringfence_operator::simulation_reads(),
    });
    lab.apply(&json!({"apiVersion": "v1", "kind": "List", "items": all}).to_string()).ok();
    lab.apply(DNS).ok();
    Node::of(lab).running("kube-system", "kube-dns");
}

/// The cluster's DNS, which the lab does not have. Its pod answers on another port than its Service, as many do.
const DNS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - {name: main, image: 'lab.local/labtool:1', imagePullPolicy: Never, args: [dns, '1053', models.cluster.local=10.96.0.9]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  selector: {k8s-app: kube-dns}
  ipFamilyPolicy: RequireDualStack
  ports:
    - {name: dns, port: 53, protocol: UDP, targetPort: 1053}
    - {name: dns-tcp, port: 53, protocol: TCP, targetPort: 1053}
";
