//! The real node in a test author's hands: images in, pods that run, what they say and whom they reach out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use k8s_openapi::api::core::v1::Node as NodeObject;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::Client;
use kube::ResourceExt;
use kube::api::LogParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use serde_json::json;

use crate::client::client;
use crate::component::Component;
use crate::control;
use crate::control::Request;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::image::Image;
use crate::image::LABTOOL;
use crate::image::Packed;
use crate::lab::Published;
use crate::netns::NODE_ADDRESS6;
use crate::node::Runtime;
use crate::pki::NODE_NAME;
use crate::reach::Reach;
use crate::reach::Target;
use crate::site::NODE_ADDRESS;
use crate::tier::Missing;
use crate::tier::Tier;

/// How long a pod may take to run on a crowded machine.
const RUNNING: Duration = Duration::from_secs(60);
/// How long a component may take to work again.
const RESTART: Duration = Duration::from_secs(180);
/// How long a command in a pod may take.
const EXEC: Duration = Duration::from_secs(60);
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

/// The real node of a lab of tier 2.
#[derive(Clone, Debug)]
pub struct Node {
    home: Home,
    published: Published,
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
}

/// What a command in a pod left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error, with what kubectl adds when the code is not 0.
    pub stderr: String,
}

impl Node {
    /// Name of the Node object.
    pub const NAME: &str = NODE_NAME;
    /// Addresses of the node and of the API server, for pods.
    pub const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(NODE_ADDRESS), IpAddr::V6(NODE_ADDRESS6)];
    /// Port of the API server at these addresses.
    pub const API_PORT: u16 = 16443;

    /// The node of a lab that is ready; [`Missing`] if it has none.
    pub fn attach(home: &Home) -> Result<Self> {
        let published = Published::read(home)?;
        if published.tier == Tier::Node {
            return Ok(Self { home: home.clone(), published });
        }
        let what = vec![format!("the lab {} is of tier {}", home.name(), published.tier)];
        Err(Missing { tier: Tier::Node, what, hint: "start it as root with `--tier 2`".into() }.into())
    }

    /// Makes an image available to pods, under `imagePullPolicy: Never`.
    pub async fn image(&self, image: &Image) -> Result<Packed> {
        Runtime::of(&self.home).import(image).await
    }

    /// Creates a pod in a namespace and waits until its containers run and are ready.
    pub async fn run(&self, namespace: &str, pod: &Pod) -> Result<Running> {
        let pods: Api<Pod> = Api::namespaced(self.client().await?, namespace);
        let what = format!("pod {namespace}/{}", pod.name_any());
        pods.create(&PostParams::default(), pod).await.map_err(Error::while_(&what))?;
        self.running(namespace, &pod.name_any()).await
    }

    /// Waits until the containers of a pod run and are ready: of one that somebody else created.
    pub async fn running(&self, namespace: &str, name: &str) -> Result<Running> {
        let pods: Api<Pod> = Api::namespaced(self.client().await?, namespace);
        let what = format!("pod {namespace}/{name}");
        let end = Instant::now() + RUNNING;
        loop {
            let pod = pods.get(name).await.map_err(Error::while_(&what))?;
            if let Some(running) = ready(&pod) {
                return Ok(running);
            }
            if let Some(reason) = hopeless(&pod) {
                return Err(Error::other(format!("{what}: {reason}")));
            }
            if Instant::now() >= end {
                let status = serde_json::to_string(&pod.status).unwrap_or_default();
                return Err(Error::other(format!(
                    "{what}: not running within {} s: {status}",
                    RUNNING.as_secs()
                )));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Runs a command in the first container of a pod: through API server, kubelet and containerd.
    pub async fn exec(&self, pod: &Running, argv: &[&str]) -> Result<Output> {
        let doing = format!("kubectl exec in {}/{}", pod.namespace, pod.name);
        let mut kubectl = tokio::process::Command::new(&self.published.kubectl);
        kubectl.arg("--kubeconfig").arg(self.home.kubeconfig("admin"));
        kubectl.args(["exec", "--namespace", &pod.namespace, &pod.name, "--"]).args(argv);
        kubectl.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(EXEC, kubectl.output())
            .await
            .map_err(|_| Error::Deadline { what: doing.clone(), after: EXEC })?
            .map_err(Error::io(&doing))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }

    /// Tries to reach a TCP port from a pod of the image `lab.local/labtool:1`.
    pub async fn reach(&self, from: &Running, to: impl Into<IpAddr>, port: u16) -> Result<Reach> {
        let mut reached = self.probe(from, &[Target::tcp(to, port)]).await?;
        reached.pop().ok_or_else(|| Error::other("labtool: no line"))
    }

    /// Tries many targets at once, from a pod of the image `lab.local/labtool:1`; the answers come in their order.
    pub async fn probe(&self, from: &Running, targets: &[Target]) -> Result<Vec<Reach>> {
        let words: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let mut argv = vec!["/bin/labtool", "probe", ATTEMPT_MS];
        argv.extend(words.iter().map(String::as_str));
        let output = self.exec(from, &argv).await?;
        let lines: Vec<&str> = output.stdout.lines().collect();
        if output.code != 0 || lines.len() != targets.len() {
            return Err(Error::other(format!(
                "labtool: exit code {}, {}{}",
                output.code, output.stdout, output.stderr
            )));
        }
        lines.into_iter().map(Reach::read).collect()
    }

    /// What the first container of a pod has said so far.
    pub async fn logs(&self, namespace: &str, pod: &str) -> Result<String> {
        let pods: Api<Pod> = Api::namespaced(self.client().await?, namespace);
        let logs = pods.logs(pod, &LogParams::default()).await;
        logs.map_err(Error::while_(format!("log of pod {namespace}/{pod}")))
    }

    /// What the stand-ins have said so far: a line per visitor, `tcp 93.184.215.14:443 from 10.77.1.2:40000`.
    pub fn visits(&self) -> Result<String> {
        let log = self.home.log_of(Component::StandIns.name());
        std::fs::read_to_string(&log).map_err(Error::at(&log))
    }

    /// Gives the node `count` of an extended resource; 0 takes it away. The kubelet keeps what it does not manage.
    pub async fn set_extended(&self, resource: &str, count: u32) -> Result<()> {
        let nodes: Api<NodeObject> = Api::all(self.client().await?);
        let amount = if count == 0 { serde_json::Value::Null } else { json!(count.to_string()) };
        let patch = json!({"status": {"capacity": {resource: amount}, "allocatable": {resource: amount}}});
        let patched = nodes.patch_status(NODE_NAME, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(|_| ()).map_err(Error::while_(format!("{resource} of {NODE_NAME}")))
    }

    /// Ends a component and starts it anew; returns when it works again.
    pub fn restart(&self, component: Component) -> Result<()> {
        control::ask(&self.home, Request::Restart(component), RESTART).map(|_| ())
    }

    async fn client(&self) -> Result<Client> {
        client(&self.home.kubeconfig("admin"), None).await
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
