//! The real node in a test author's hands: images in, pods that run, what they say and whom they reach out.
//! Calls block and panic with the reason, as those of the cluster do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use k8s_openapi::api::core::v1::ContainerStateTerminated;
use k8s_openapi::api::core::v1::Node as NodeObject;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::Client;
use kube::ResourceExt;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use serde_json::json;

use crate::background::block;
use crate::client::client;
use crate::component::Component;
use crate::control_plane::ControlPlane;
use crate::control_plane::fail;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::image::Image;
use crate::image::LABTOOL;
use crate::image::Packed;
use crate::kubectl::Done;
use crate::lab::Spec;
use crate::labtool::LABTOOL as LABTOOL_PROGRAM;
use crate::namespace::Namespace;
use crate::netns::NODE_ADDRESS6;
use crate::node::Runtime;
use crate::pki::NODE_NAME;
use crate::reach::Reach;
use crate::reach::Target;
use crate::site::NODE_ADDRESS;
use crate::tier::Tier;

/// How long a pod may take to run, or to end, on a crowded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the enforcer may take to see a change: fractions of a second when all is well.
const TAKEN_OVER: Duration = Duration::from_secs(30);
/// Between two looks at a pod.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an attempt waits, milliseconds. Over IPv6 the kernel takes the second refusal of a connection for
/// final, and the second attempt comes after a second.
const ATTEMPT_MS: &str = "3000";

/// The reasons of a container that will not run by itself.
const HOPELESS: [&str; 5] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "RunContainerError",
];

/// The real node of a lab of tier 2: `Node::of(need!(Node, own))`.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    cluster: &'a ControlPlane,
    home: Home,
}

/// A pod that runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Running {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its IPv4 address.
    pub v4: Ipv4Addr,
    /// Its IPv6 address.
    pub v6: Ipv6Addr,
}

impl Running {
    /// Both addresses.
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }

    /// The same target at both addresses.
    pub fn both(&self, target: impl Fn(IpAddr) -> Target) -> [Target; 2] {
        self.addresses().map(target)
    }
}

impl<'a> Node<'a> {
    /// Name of the Node object.
    pub const NAME: &'static str = NODE_NAME;
    /// Addresses of the node and of the API server, for pods.
    pub const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(NODE_ADDRESS), IpAddr::V6(NODE_ADDRESS6)];
    /// Port of the API server at these addresses.
    pub const API_PORT: u16 = 16443;

    /// The node of a lab.
    ///
    /// # Panics
    /// Not a lab of tier 2: ask with `need!(Node, own)`.
    pub fn of(cluster: &'a ControlPlane) -> Self {
        if cluster.tier() != Tier::Node {
            fail(format!("a lab of tier {} has no real node: ask with `need!(Node, own)`", cluster.tier()));
        }
        Self { cluster, home: Home::at(cluster.folder()) }
    }

    /// Makes an image available to pods, under `imagePullPolicy: Never`.
    pub fn image(&self, image: &Image) -> Packed {
        let (runtime, image) = (Runtime::of(&self.home), image.clone());
        done(async move { runtime.import(&image).await })
    }

    /// The static program of the lab, for images of the test's own.
    pub fn labtool(&self) -> PathBuf {
        let spec = Spec::read(&self.home).unwrap_or_else(|error| fail(error));
        spec.programs
            .get(LABTOOL_PROGRAM)
            .map_or_else(|| fail("no labtool among the programs"), PathBuf::from)
    }

    /// Creates a pod and waits until its containers run and are ready.
    pub fn run(&self, namespace: &Namespace<'_>, pod: &Pod) -> Running {
        self.create(namespace, pod);
        self.running(namespace.name(), &pod.name_any())
    }

    /// Creates a pod and waits for nothing.
    pub fn create(&self, namespace: &Namespace<'_>, pod: &Pod) {
        let (name, pod) = (namespace.name().to_owned(), pod.clone());
        let what = format!("pod {name}/{}", pod.name_any());
        self.with(async move |client| {
            let pods: Api<Pod> = Api::namespaced(client, &name);
            pods.create(&PostParams::default(), &pod).await.map(|_| ()).map_err(Error::while_(what))
        });
    }

    /// Waits until the containers of a pod run and are ready.
    pub fn running(&self, namespace: &str, name: &str) -> Running {
        self.wait(namespace, name, "running", |pod| match ready(pod) {
            Some(running) => Some(Ok(running)),
            None => hopeless(pod).map(Err),
        })
    }

    /// Waits until the first container of a pod has ended for good, and tells how.
    pub fn ended(&self, namespace: &str, name: &str) -> ContainerStateTerminated {
        self.wait(namespace, name, "ended", |pod| {
            let status = pod.status.as_ref()?;
            let ended = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
            let state = status.container_statuses.as_ref()?.first()?.state.as_ref()?;
            state.terminated.clone().filter(|_| ended).map(Ok)
        })
    }

    /// Runs a command in the first container of a pod: through API server, kubelet and containerd.
    pub fn exec(&self, pod: &Running, argv: &[&str]) -> Done {
        let words = ["exec", pod.name.as_str(), "--"];
        self.cluster.call().namespace(&pod.namespace).run(&[&words, argv].concat())
    }

    /// Tries to reach a TCP port from a pod of the image `lab.local/labtool:1`.
    pub fn reach(&self, from: &Running, to: impl Into<IpAddr>, port: u16) -> Reach {
        self.probe(from, &[Target::tcp(to, port)]).remove(0)
    }

    /// Tries many targets at once, from a pod of the image `lab.local/labtool:1`; the answers come in their order.
    pub fn probe(&self, from: &Running, targets: &[Target]) -> Vec<Reach> {
        self.try_probe(from, targets).unwrap_or_else(|error| fail(error))
    }

    /// Waits until the targets are reached as said. An attempt that could not be made is no answer and is made
    /// again: before kube-proxy knows a Service, nothing routes to its address.
    ///
    /// # Panics
    /// After 30 s, with the last answers.
    #[track_caller]
    pub fn until_reached(&self, from: &Running, targets: &[Target], wanted: &[Reach]) {
        self.until_reached_as("", from, targets, wanted);
    }

    /// The same, with a word for the message: of a table of cases, which one.
    ///
    /// # Panics
    /// After 30 s, with the last answers.
    #[track_caller]
    pub fn until_reached_as(&self, case: &str, from: &Running, targets: &[Target], wanted: &[Reach]) {
        let end = Instant::now() + TAKEN_OVER;
        loop {
            let last = self.try_probe(from, targets);
            let Ok(answers) = &last else {
                assert!(Instant::now() < end, "{case}: {last:?}");
                continue;
            };
            if answers == wanted {
                return;
            }
            let wrong =
                |((target, wanted), got)| (wanted != got).then(|| format!("{target} {wanted:?} {got:?}"));
            let wrong: Vec<_> = targets.iter().zip(wanted).zip(answers).filter_map(wrong).collect();
            assert!(Instant::now() < end, "{case}: target, wanted, got\n{}", wrong.join("\n"));
        }
    }

    fn try_probe(&self, from: &Running, targets: &[Target]) -> Result<Vec<Reach>> {
        let words: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let mut argv = vec!["/bin/labtool", "probe", ATTEMPT_MS];
        argv.extend(words.iter().map(String::as_str));
        let done = self.exec(from, &argv);
        if !done.is_ok() {
            return Err(Error::other(done.stderr()));
        }
        let output = done.ok();
        let lines: Vec<&str> = output.lines().collect();
        if lines.len() != targets.len() {
            return Err(Error::other(format!(
                "labtool: {} answers instead of {}",
                lines.len(),
                targets.len()
            )));
        }
        lines.into_iter().map(Reach::read).collect()
    }

    /// What the first container of a pod has said so far.
    pub fn logs(&self, pod: &Running) -> String {
        self.cluster.call().namespace(&pod.namespace).run(&["logs", &pod.name]).ok()
    }

    /// What the stand-ins have said so far: a line per visitor, `tcp 93.184.215.14:443 from 10.77.1.2:40000`.
    pub fn visits(&self) -> String {
        let log = self.home.log_of(Component::StandIns.name());
        std::fs::read_to_string(&log).unwrap_or_else(|error| fail(Error::at(&log)(error)))
    }

    /// Gives the node `count` of an extended resource; 0 takes it away. The kubelet keeps what it does not manage.
    pub fn set_extended(&self, resource: &str, count: u32) {
        let amount = if count == 0 { serde_json::Value::Null } else { json!(count.to_string()) };
        let patch = json!({"status": {"capacity": {resource: amount}, "allocatable": {resource: amount}}});
        let what = format!("{resource} of {NODE_NAME}");
        self.with(async move |client| {
            let nodes: Api<NodeObject> = Api::all(client);
            let patched = nodes.patch_status(NODE_NAME, &PatchParams::default(), &Patch::Merge(patch)).await;
            patched.map(|_| ()).map_err(Error::while_(what))
        });
    }

    /// Looks at a pod until it is as wanted, or never will be.
    fn wait<T: Send + 'static>(
        &self,
        namespace: &str,
        name: &str,
        wanted: &'static str,
        look: impl Fn(&Pod) -> Option<Result<T, String>> + Send + 'static,
    ) -> T {
        let (what, namespace, name) =
            (format!("pod {namespace}/{name}"), namespace.to_owned(), name.to_owned());
        self.with(async move |client| {
            let pods: Api<Pod> = Api::namespaced(client, &namespace);
            let end = Instant::now() + PATIENCE;
            loop {
                let pod = pods.get(&name).await.map_err(Error::while_(&what))?;
                if let Some(answer) = look(&pod) {
                    return answer.map_err(Error::while_(&what));
                }
                if Instant::now() >= end {
                    let status = serde_json::to_string(&pod.status).unwrap_or_default();
                    return Err(Error::other(format!(
                        "{what}: not {wanted} within {} s: {status}",
                        PATIENCE.as_secs()
                    )));
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
    }

    fn with<T, F>(&self, work: impl FnOnce(Client) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let kubeconfig = self.cluster.kubeconfig().to_owned();
        done(async move { work(client(&kubeconfig, None).await?).await })
    }
}

/// Waits for work of the library's own runtime.
fn done<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> T {
    match block(work) {
        Some(Ok(value)) => value,
        Some(Err(error)) => fail(error),
        None => fail("the work panicked"),
    }
}

/// A pod of the image `lab.local/labtool:1` with these labels, whose only container does what the arguments say.
/// It ends at once when it is told to.
pub fn labtool_pod(name: &str, labels: &[(&str, &str)], arguments: &[&str]) -> Pod {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let container = json!({"name": "main", "image": LABTOOL, "imagePullPolicy": "Never", "args": arguments});
    let pod = json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    });
    serde_json::from_value(pod).unwrap_or_default()
}

/// The pod as running, if all its containers are ready and it has an address of each family.
fn ready(pod: &Pod) -> Option<Running> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.as_ref()?;
    if status.phase.as_deref() != Some("Running") || !containers.iter().all(|container| container.ready) {
        return None;
    }
    let ips: Vec<IpAddr> = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.parse().ok()).collect();
    Some(Running {
        namespace: pod.namespace()?,
        name: pod.name_any(),
        v4: ips.iter().find_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None })?,
        v6: ips.iter().find_map(|ip| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None })?,
    })
}

/// Why a pod will not run, once that is certain.
fn hopeless(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        let ended = serde_json::to_string(&status.container_statuses).unwrap_or_default();
        return Some(format!("ended ({}): {ended}", status.reason.as_deref().unwrap_or("no reason given")));
    }
    status.container_statuses.iter().flatten().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|reason| HOPELESS.contains(reason))?;
        Some(format!("{reason}: {}", waiting.message.as_deref().unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "t"}, "status": status}))
            .unwrap()
    }

    #[test]
    fn a_pod_is_running_when_it_is_ready_and_has_both_addresses() {
        let status = |ready: bool, ips: &[&str]| {
            let ips: Vec<_> = ips.iter().map(|ip| json!({"ip": ip})).collect();
            let container =
                json!({"name": "main", "ready": ready, "image": "", "imageID": "", "restartCount": 0});
            pod(&json!({"phase": "Running", "podIPs": ips, "containerStatuses": [container]}))
        };
        let running = ready(&status(true, &["10.77.1.2", "fd77:1::2"])).unwrap();
        assert_eq!(running.addresses(), [IpAddr::from([10, 77, 1, 2]), "fd77:1::2".parse().unwrap()]);
        assert_eq!(ready(&status(false, &["10.77.1.2", "fd77:1::2"])), None);
        assert_eq!(ready(&status(true, &["10.77.1.2"])), None);
    }

    #[test]
    fn a_pod_that_waits_for_an_image_that_never_comes_is_hopeless() {
        let waiting = |reason: &str| {
            let state = json!({"waiting": {"reason": reason, "message": "why"}});
            let container = json!({"name": "main", "ready": false, "image": "", "imageID": "", "restartCount": 0, "state": state});
            pod(&json!({"phase": "Pending", "containerStatuses": [container]}))
        };
        assert_eq!(hopeless(&waiting("ErrImageNeverPull")).unwrap(), "ErrImageNeverPull: why");
        assert_eq!(hopeless(&waiting("ContainerCreating")), None);
    }

    #[test]
    fn a_labtool_pod_has_its_labels_and_arguments() {
        let pod = labtool_pod("web", &[("app", "web")], &["serve", "443", "web"]);
        assert_eq!(pod.labels()["app"], "web");
        assert_eq!(pod.spec.unwrap().containers[0].args.as_deref().unwrap(), ["serve", "443", "web"]);
    }
}
