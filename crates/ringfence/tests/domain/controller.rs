//! Tests: from installation to its end with the real binary as a process: `serve controller` under a token of its own
//! account, beside it the commands that people use.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;

use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::Options;
use ringfence_lab::Tier;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::kept::Usage;
use crate::kept::WHO;
use crate::run;
use crate::set_up;
use crate::support::Folder;
use crate::support::flat;
use crate::written::what_is_planned_is_what_was_written;

/// For what takes the controller moments, on a crowded machine.
const SOON: Duration = Duration::from_mins(1);
/// What a cluster has of its DNS.
const DNS: &str = "
{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}},
 spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP, targetPort: 53}]}}
";

#[test]
#[ignore = "needs lab tier 1b: a lab of its own, from installation to its end"]
fn from_installation_to_its_end_the_binary_keeps_a_domain_with_no_rights_but_its_own() {
    let node = FakeNodeSpec {
        labels: [("pool".to_owned(), "gpu".to_owned())].into(),
        ..FakeNodeSpec::new("gpu-1", 8)
    };
    let options = Options { tier: Some(Tier::ControlPlane), fake_nodes: vec![node], ..Options::default() };
    let Some(lab) = ringfence_lab::need_private(&options) else { return };
    let lab = &lab;
    set_up(lab);
    lab.apply(DNS).ok();
    let folder = Folder::new("controller");
    let kubeconfig = folder.write("kubeconfig", of_the_account(lab).to_string());
    let (stays, goes) = (lab.namespace("stays"), lab.namespace("goes"));
    for namespace in [&stays, &goes] {
        namespace.apply(&workload().to_string()).ok();
    }
    let pods = || [stays.name(), goes.name()].map(|namespace| pod(lab, namespace));
    let before = pods();

    let mut audit = lab.audit();
    let controller = Controller::start(&kubeconfig);
    for (namespace, nodes) in
        [(stays.name(), json!({"selector": {"matchLabels": {"pool": "gpu"}}})), (goes.name(), json!({}))]
    {
        enforce(lab, &domain(namespace, &nodes));
    }
    what_is_planned_is_what_was_written(
        lab,
        &domain(stays.name(), &json!({"selector": {"matchLabels": {"pool": "gpu"}}})),
    );
    health_and_metrics_are_served(&controller, lab);
    a_probe_is_refused_and_a_hole_is_found(lab, stays.name(), controller, &kubeconfig);

    let controller = Controller::start(&kubeconfig);
    for (namespace, policy) in [(stays.name(), "Orphan"), (goes.name(), "Delete")] {
        let arguments =
            ["domain", "delete", namespace, "--policy", policy, "--yes", "--wait", "--timeout", "60"];
        let said = run(lab, &arguments, "").ends(0);
        assert!(said.out.ends_with(&format!("securitydomain {namespace} deleted\n")), "{said:#?}");
    }
    until("no policy is left", SOON, || policies(lab).is_empty().then_some(()));
    let refused: Vec<_> =
        audit.of_user(WHO).iter().filter(|it| it.code() == 403).map(|it| it.uri().to_owned()).collect();
    assert!(refused.is_empty(), "rights that it lacks: {refused:?}");
    assert_eq!(controller.term(lab).code(), Some(0));

    uninstall(lab);
    // Workloads run on; of the one domain the fences stand, of the other nothing does.
    assert_eq!(pods(), before);
    let left = |namespace: &str| {
        let kinds = "networkpolicies,resourcequotas,rolebindings";
        let all = items(lab, &["-n", namespace, kinds]).into_iter();
        all.filter(|it| name(it).starts_with("rf-")).collect::<Vec<_>>()
    };
    let fences: BTreeSet<_> = left(stays.name()).iter().map(name).collect();
    assert!(fences.contains("rf-default-deny") && fences.contains("rf-quota"), "{fences:?}");
    for fence in left(stays.name()) {
        let notes = fence["metadata"]["annotations"].to_string();
        assert!(!notes.contains("owner-uid"), "nobody keeps it: {fence}");
    }
    assert_eq!(left(goes.name()), Vec::<Value>::new());
    let node = get(lab, &["node", "gpu-1"]).unwrap();
    let marks = format!("{}{}", node["metadata"]["labels"], node["spec"]);
    assert!(!marks.contains("ringfence") && !marks.contains("nvidia.com/gpu"), "{marks}");
}

fn domain(namespace: &str, nodes: &Value) -> Value {
    json!({
        "apiVersion": "ringfence.dev/v1alpha1",
        "kind": "SecurityDomain",
        "metadata": {"name": namespace},
        "spec": {
            "namespaces": {"names": [namespace]},
            "enforcement": {"mode": "Enforce"},
            "nodes": nodes,
            "network": {
                "internalCIDRs": ["10.20.0.0/16"],
                "egress": [{"name": "models", "to": {"namespace": "models"}, "ports": [{"port": 443}]}],
                "ingress": [{"name": "web", "fromNamespace": "web", "ports": [{"port": 8080}]}],
            },
            "access": {"roles": [{"preset": "ml-viewer", "subjects": [{"kind": "Group", "name": "data"}]}]},
            "quota": {"cpu": "64", "memory": "256Gi", "gpu": 8, "pods": 50, "deviceClasses": {"gpu.nvidia.com": 0}},
            // All that the server would fill in, into a list that is owned as a whole.
            "limits": {
                "default": {"cpu": "1", "memory": "1Gi"},
                "defaultRequest": {"cpu": "500m", "memory": "512Mi"},
                "max": {"memory": "64Gi"},
            },
        },
    })
}

/// Applies it and puts Enforce in force past the gate: what a simulation says is not asked here.
fn enforce(lab: &ControlPlane, domain: &Value) {
    let name = domain["metadata"]["name"].as_str().unwrap();
    run(lab, &["domain", "apply", "-f", "-"], &domain.to_string()).ends(0);
    let mut accepted = domain["spec"].clone();
    accepted.as_object_mut().unwrap().remove("enforcement");
    let inventory = json!([{"namespaces": [name], "objects": ["ServiceAccount/default"]}]);
    let status = json!({"effectiveModes": {"mode": "Enforce"}, "acceptedSpec": accepted.to_string(), "inventory": inventory});
    let status = json!({"status": status}).to_string();
    lab.kubectl(&["patch", "sdom", name, "--subresource=status", "--type=merge", "-p", &status]).ok();
    let written = || get(lab, &["-n", name, "networkpolicy/rf-default-deny"]);
    until("Enforce is in force", SOON, written);
    // Applied once more, it is the same; and the wait is for what the controller says.
    let said = run(lab, &["domain", "apply", "-f", "-", "--wait", "--timeout", "60"], &domain.to_string());
    let state = get(lab, &["sdom", name]);
    assert_eq!(
        said.out,
        format!("securitydomain {name} unchanged\nsecuritydomain {name} is ready\n"),
        "{state:?}"
    );
}

fn health_and_metrics_are_served(controller: &Controller, lab: &ControlPlane) {
    // The paths that kubelets will ask are those of the manifest.
    let printed =
        crate::support::run(&["install", "--print", "--image", "lab.local/ringfence:1", "--format", "json"])
            .ends(0)
            .json();
    let items = printed["items"].as_array().unwrap();
    let deployment = items.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    for probe in ["livenessProbe", "readinessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(controller.scrape(path), ("HTTP/1.1 200 OK".into(), "ok\n".into()), "{probe} {path}");
    }
    assert_eq!(controller.scrape("/healthz").1, "ok\n");
    assert_eq!(controller.scrape("/secrets").0, "HTTP/1.1 404 Not Found");
    let (status, text) = controller.scrape("/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    for line in ["ringfence_leader 1", "ringfence_synced 1", "ringfence_domains 2"] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    let written =
        text.lines().find_map(|it| it.strip_prefix("ringfence_writes_total{kind=\"NetworkPolicy\"} "));
    assert!(written.is_some_and(|it| it.parse::<u64>().unwrap() >= 8), "{text}");
    let lease = get(lab, &["-n", "ringfence-system", "lease/ringfence-controller"]).unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(
        lease["spec"]["holderIdentity"].as_str().unwrap().starts_with(&format!("{}-", host.trim())),
        "{lease}"
    );
}

/// The probe of `status`, while the policies hold and when somebody took one away.
fn a_probe_is_refused_and_a_hole_is_found(
    lab: &ControlPlane,
    name: &str,
    controller: Controller,
    kubeconfig: &str,
) {
    let status = run(lab, &["domain", "status", name, "--probe"], "").ends(0);
    let line = format!("[ok] probe in {name}: a pod that skips the scheduler is refused (RF-GPU-024)");
    assert!(flat(&status.out).contains(line.trim()), "{status:#?}");
    assert!(status.out.contains("nodes: 1/1 tainted, 1/1 labelled"), "{status:#?}");
    // While nobody keeps them.
    assert_eq!(controller.term(lab).code(), Some(0));
    lab.kubectl(&["delete", "validatingadmissionpolicybinding", "ringfence-pods-inside-enforce"]).ok();
    let open = until("the hole is open", SOON, || {
        let status = run(lab, &["domain", "status", name, "--probe"], "");
        (status.code == 4).then_some(status)
    });
    assert!(flat(&open.out).contains("ACCEPTED; RF-GPU-024 does not hold"), "{open:#?}");
    let controller = Controller::start(kubeconfig);
    until("the hole is closed", SOON, || {
        (run(lab, &["domain", "status", name, "--probe"], "").code == 0).then_some(())
    });
    assert_eq!(controller.term(lab).code(), Some(0));
}

/// Removes what `install --print` prints.
fn uninstall(lab: &ControlPlane) {
    let printed = crate::support::run(&["install", "--print"]).ends(0);
    lab.kubectl_with(&["delete", "-f", "-", "--timeout=60s"], &printed.out).ok();
    let kinds = "customresourcedefinitions,clusterroles,clusterrolebindings,namespaces,validatingadmissionpolicies,\
                 validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings";
    let left = items(lab, &[kinds]);
    let names = left.iter().map(name);
    let ours: Vec<_> = names.filter(|it| it.contains("ringfence")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

/// The names of our policies and bindings.
fn policies(lab: &ControlPlane) -> Vec<String> {
    let kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,\
                 mutatingadmissionpolicybindings";
    items(lab, &[kinds, "-l", "app.kubernetes.io/managed-by=ringfence"]).iter().map(name).collect()
}

/// A workload from before the domain, on its node.
fn workload() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "train"},
        "spec": {
            "selector": {"matchLabels": {"app": "train"}},
            "template": {
                "metadata": {"labels": {"app": "train"}},
                "spec": {
                    "nodeSelector": {"pool": "gpu"},
                    "containers": [{"name": "train", "image": "lab.local/train:1"}],
                },
            },
        },
    })
}

/// UID of its pod, which runs.
fn pod(lab: &ControlPlane, namespace: &str) -> String {
    until("the workload runs", SOON, || {
        let pods = get(lab, &["-n", namespace, "pods", "-l", "app=train"])?;
        let [pod] = pods["items"].as_array()?.as_slice() else { return None };
        (pod["status"]["phase"] == "Running").then(|| pod["metadata"]["uid"].to_string())
    })
}

/// An object or list as JSON; none if there is none.
pub(crate) fn get(lab: &ControlPlane, what: &[&str]) -> Option<Value> {
    let arguments = [&["get", "-o", "json", "--show-managed-fields", "--ignore-not-found"], what].concat();
    serde_json::from_str(&lab.kubectl(&arguments).ok()).ok()
}

/// Objects; of what is not there, none.
fn items(lab: &ControlPlane, what: &[&str]) -> Vec<Value> {
    let list = get(lab, what).unwrap_or_default();
    list["items"].as_array().cloned().unwrap_or_default()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

/// A kubeconfig with a token of the controller's account and nothing else.
pub(crate) fn of_the_account(lab: &ControlPlane) -> Value {
    let admin: Value =
        serde_json::from_str(&lab.kubectl(&["config", "view", "--raw", "-o", "json"]).ok()).unwrap();
    let token =
        lab.kubectl(&["create", "token", "ringfence", "-n", "ringfence-system", "--duration=1h"]).ok();
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "own",
        "clusters": [{"name": "lab", "cluster": admin["clusters"][0]["cluster"]}],
        "users": [{"name": "own", "user": {"token": token.trim()}}],
        "contexts": [{"name": "own", "context": {"cluster": "lab", "user": "own"}}],
    })
}

/// `ringfence serve controller`. It ends with this, and by itself some minutes after a test that was killed.
pub(crate) struct Controller {
    process: Child,
    port: u16,
}

impl Controller {
    pub(crate) fn start(kubeconfig: &str) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let (binary, listen) = (env!("CARGO_BIN_EXE_ringfence"), format!("127.0.0.1:{port}"));
        let process = Command::new("timeout")
            .args([
                "--kill-after=5",
                "300",
                binary,
                "serve",
                "controller",
                "--listen",
                &listen,
                "--kubeconfig",
                kubeconfig,
            ])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let controller = Self { process, port };
        until("it has seen everything", SOON, || {
            controller.try_scrape("/readyz").filter(|(status, _)| status.contains("200")).map(drop)
        });
        controller
    }

    fn scrape(&self, path: &str) -> (String, String) {
        self.try_scrape(path).unwrap()
    }

    /// First line and body.
    fn try_scrape(&self, path: &str) -> Option<(String, String)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.lines().next()?.to_owned(), body.to_owned()))
    }

    /// What the kernel counts of it: `timeout` has one child.
    pub(crate) fn usage(&self) -> Usage {
        let own = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        Usage::of(children.trim().parse().unwrap()).unwrap()
    }

    /// Asks it to end, as a kubelet does. How it ended, with the lease given up.
    pub(crate) fn term(mut self, lab: &ControlPlane) -> ExitStatus {
        assert!(self.signal("TERM"));
        let status = until("it ends", Duration::from_secs(20), || self.process.try_wait().unwrap());
        let lease = get(lab, &["-n", "ringfence-system", "lease/ringfence-controller"]).unwrap();
        assert_eq!(lease["spec"]["holderIdentity"].as_str().unwrap_or_default(), "", "{lease}");
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err(), "the process is gone");
        status
    }

    /// `timeout` hands it on.
    fn signal(&self, name: &str) -> bool {
        let sent = Command::new("kill").args([format!("-{name}"), self.process.id().to_string()]).status();
        sent.is_ok_and(|it| it.success())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|it| it.is_none()) {
            self.signal("TERM");
            let _ = self.process.wait();
        }
    }
}
