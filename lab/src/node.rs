//! The real node: containerd, kubelet, kube-proxy and enforcer in a network namespace and a mount namespace of
//! the lab. The host keeps its files, its mounts and its sysctls.
//!
//! `namespaces, cgroups, files -> mounts held open -> containerd, images -> kubelet, proxy, enforcer -> Ready`

mod files;
mod lacks;
mod runtime;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::Client;
use kube::ResourceExt;
use kube::api::DeleteParams;
use kube::api::ListParams;

use crate::cgroup::Trees;
use crate::children::PATIENCE;
use crate::client::client;
use crate::component::Component;
use crate::error::Error;
use crate::error::Result;
use crate::flags;
use crate::home::Home;
use crate::lab::Lab;
use crate::labtool::LABTOOL;
use crate::netns;
use crate::pki::NODE_NAME;
use crate::site::SERVICE_ADDRESS;
use crate::site::SERVICE_RANGES;
use crate::standin;

pub(crate) use lacks::lacks;
pub(crate) use runtime::Runtime;

/// Ranges of the pods' addresses inside a namespace, one per family.
pub(crate) const POD_RANGES: [&str; 2] = ["10.77.1.0/24", "fd77:1::/64"];

/// A crowded machine needs tens of seconds; what is wrong for two minutes stays wrong.
const READY: Duration = Duration::from_mins(2);
/// Between two looks at something that takes milliseconds when all is well.
const PAUSE: Duration = Duration::from_millis(30);
/// How long pods may take to end after they were deleted without grace.
const PODS_GONE: Duration = Duration::from_secs(20);

/// Enters the cgroups, then becomes the program: `sh -c JOIN sh FILE... -- PROGRAM...`. Some distributions keep
/// what only root needs off the search path of a root shell.
const JOIN: &str = "while [ \"$1\" != -- ]; do echo 0 > \"$1\" || exit 1; shift; done; shift; \
    PATH=\"$PATH:/usr/local/sbin:/usr/sbin:/sbin\"; export PATH; exec \"$@\"";

/// Before the control plane starts: namespaces, cgroups and files of the node, and what needs no API server.
pub(crate) async fn prepare(lab: &mut Lab) -> Result<()> {
    let name = lab.home.name();
    Trees::of_this_machine()?.create(&name)?;
    netns::create(&netns::of(&lab.home))?;
    standin::create(&lab.home)?;
    files::write(&lab.home)?;
    start_one(lab, Component::Mounts).await?;
    for component in [Component::StandIns, Component::Containerd] {
        let command = command(lab, component)?;
        lab.children.start(component, command)?;
    }
    Ok(())
}

/// After the control plane is ready: returns when the node is Ready and the pod network works. The future
/// may be dropped at any await; what was started by then is in `lab.children` or found by `wipe`.
pub(crate) async fn start(lab: &mut Lab) -> Result<()> {
    let begin = SystemTime::now();
    works(lab, Component::Containerd, begin).await?;
    let labtool = flags::program(&lab.spec.programs, LABTOOL)?.to_owned();
    let runtime = Runtime::of(&lab.home);
    for image in files::images(&labtool)? {
        runtime.import(&image).await?;
    }
    lab.reached("images");
    let kubelet = command(lab, Component::Kubelet)?;
    lab.children.start(Component::Kubelet, kubelet)?;
    // Proxy and enforcer ask for the Node object once, at their start.
    let client = client(&lab.home.kubeconfig("admin"), None).await?;
    let registered = async |_: &Lab| {
        Api::<Node>::all(client.clone()).get_opt(NODE_NAME).await.is_ok_and(|it| it.is_some())
    };
    until(lab, Component::Kubelet, "did not register its node", registered).await?;
    let others = [Component::KubeProxy, Component::Enforcer];
    for component in others {
        let command = command(lab, component)?;
        lab.children.start(component, command)?;
    }
    for component in [Component::Kubelet].into_iter().chain(others) {
        works(lab, component, begin).await?;
    }
    Ok(())
}

/// Starts a component of the node, or starts it anew, and waits until it works.
pub(crate) async fn start_one(lab: &mut Lab, component: Component) -> Result<()> {
    let command = command(lab, component)?;
    let begin = SystemTime::now();
    lab.children.start(component, command)?;
    works(lab, component, begin).await
}

/// Waits until a component of the node, started after `begin`, does its work.
async fn works(lab: &mut Lab, component: Component, begin: SystemTime) -> Result<()> {
    match component {
        Component::Mounts => until(lab, component, "did not mount", async |lab| is_pausing(lab)).await,
        Component::Containerd => {
            let runtime = Runtime::of(&lab.home);
            until(lab, component, "did not answer", async |_| runtime.answers().await).await
        }
        Component::Kubelet => {
            let client = client(&lab.home.kubeconfig("admin"), None).await?;
            until(lab, component, "did not make its node Ready", async |_| is_ready(&client, begin).await)
                .await
        }
        Component::KubeProxy => {
            // It answers before its rules are written, and after a restart old rules stand before it answers.
            let health = (Ipv4Addr::LOCALHOST, 10256).into();
            let serves = async |lab: &Lab| lab.site.connect(health).is_ok() && has_service(&lab.home);
            until(lab, component, "wrote no rules", serves).await
        }
        Component::Enforcer => {
            until(lab, component, "wrote no rules", async |lab| has_chains(&lab.home)).await
        }
        _ => Ok(()),
    }
}

/// The command that starts a component of the node.
pub(crate) fn command(lab: &Lab, component: Component) -> Result<Command> {
    let home = lab.home.path().display();
    let name = lab.home.name();
    let program = || flags::program(&lab.spec.programs, component.name());
    let mut command = match component {
        Component::Mounts => {
            let mut command = lab.site.command(Path::new("unshare"));
            command.args(["--mount", "--propagation", "private", "--"]);
            join(&mut command, &name)?;
            command.arg("sh").arg(lab.home.run().join(files::ENTER)).arg(lab.home.path());
            command.arg(flags::program(&lab.spec.programs, LABTOOL)?).arg("pause");
            return Ok(command);
        }
        Component::StandIns => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={}", standin::namespace(&lab.home).display())).arg("--");
            join(&mut command, &name)?;
            command.arg(flags::program(&lab.spec.programs, LABTOOL)?).args(standin::arguments());
            return Ok(command);
        }
        Component::Containerd | Component::Kubelet | Component::KubeProxy | Component::Enforcer => {
            let mounts = lab
                .children
                .id(Component::Mounts)
                .ok_or_else(|| Error::other("the node's mounts are gone"))?;
            let mut command = Command::new("nsenter");
            command.arg(format!("--mount=/proc/{}/ns/mnt", mounts.pid));
            command.arg(format!("--net={}", netns::of(&lab.home).display())).arg("--");
            join(&mut command, &name)?;
            command
        }
        Component::Etcd | Component::ApiServer | Component::ControllerManager | Component::Scheduler => {
            return Err(Error::other(format!("{component} is not part of the node")));
        }
    };
    match component {
        Component::Containerd => {
            command.arg("containerd").arg(format!("--config={home}/run/{}", files::CONTAINERD));
        }
        Component::Kubelet => {
            command.arg(program()?).args([
                format!("--config={home}/run/{}", files::KUBELET),
                format!("--kubeconfig={home}/pki/kubelet.kubeconfig"),
                format!("--hostname-override={NODE_NAME}"),
                format!("--node-ip={},{}", crate::site::NODE_ADDRESS, netns::NODE_ADDRESS6),
                format!("--root-dir={home}/state/kubelet"),
                format!("--cert-dir={home}/state/kubelet-pki"),
            ]);
        }
        Component::KubeProxy => {
            command.arg(program()?).arg(format!("--config={home}/run/{}", files::KUBE_PROXY));
        }
        _ => {
            command.arg(program()?).args([
                format!("--kubeconfig={home}/pki/inside.kubeconfig"),
                format!("--hostname-override={NODE_NAME}"),
                "--run-firewall=true".into(),
                "--run-router=false".into(),
                "--run-service-proxy=false".into(),
                "--run-loadbalancer=false".into(),
                "--enable-ipv6=true".into(),
                "--health-port=0".into(),
                "--metrics-port=0".into(),
            ]);
            command.args(SERVICE_RANGES.map(|range| format!("--service-cluster-ip-range={range}")));
        }
    }
    Ok(command)
}

/// Appends the words that put what follows into the lab's cgroups.
fn join(command: &mut Command, lab: &str) -> Result<()> {
    command.args(["sh", "-c", JOIN, "sh"]).args(Trees::of_this_machine()?.entrances(lab)).arg("--");
    Ok(())
}

/// After controllers and scheduler have ended, while the API server still runs: pods go, then kubelet,
/// proxy, enforcer and containerd. Bounded in time; what remains is for `wipe`.
pub(crate) async fn stop(lab: &mut Lab) {
    if lab.children.id(Component::Kubelet).is_some() {
        let _ = tokio::time::timeout(PODS_GONE, remove_pods(&lab.home)).await;
    }
    lab.children.end_all(&[Component::Kubelet], PATIENCE).await;
    lab.children.end_all(&[Component::KubeProxy, Component::Enforcer, Component::StandIns], PATIENCE).await;
    lab.children.end_all(&[Component::Containerd], PATIENCE).await;
    lab.children.end_all(&[Component::Mounts], PATIENCE).await;
}

/// Deletes all pods without grace and waits until no container is left.
async fn remove_pods(home: &Home) -> Result<()> {
    let client = client(&home.kubeconfig("admin"), None).await?;
    let pods = Api::<Pod>::all(client.clone()).list(&ListParams::default()).await;
    for pod in pods.map_err(Error::while_("pods"))? {
        let of_namespace: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
        let parameters = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        // Gone meanwhile, or a server that ends: nothing to do about either.
        let _ = of_namespace.delete(&pod.name_any(), &parameters).await;
    }
    let runtime = Runtime::of(home);
    while runtime.tasks().await?.lines().any(|line| !line.is_empty()) {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Mounts below the home, cgroups with the processes left in them, the namespaces: removed. Also for a lab
/// whose supervisor is gone; doing it twice, or where there is nothing, is no error.
pub(crate) fn wipe(home: &Home) -> Result<()> {
    let name = home.name();
    Trees::of_this_machine()?.wipe(&name)?;
    runtime::unmount_below(home.path())?;
    netns::delete(&standin::namespace(home))?;
    netns::delete(&netns::of(home))
}

/// Asks until it is so; an error when the component has ended, or after [`READY`].
async fn until(
    lab: &mut Lab,
    component: Component,
    failure: &str,
    mut is_so: impl AsyncFnMut(&Lab) -> bool,
) -> Result<()> {
    let end = Instant::now() + READY;
    while !is_so(lab).await {
        lab.children.check(component)?;
        if Instant::now() >= end {
            return Err(lab.children.failure(component, format!("{failure} within {} s", READY.as_secs())));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// The process that keeps the mounts has made them when it has become the program that waits.
fn is_pausing(lab: &Lab) -> bool {
    let name = lab
        .children
        .id(Component::Mounts)
        .map(|id| std::fs::read_to_string(format!("/proc/{}/comm", id.pid)));
    name.is_some_and(|name| name.is_ok_and(|name| name.trim() == LABTOOL))
}

/// Ready, as said by the kubelet that was started at `begin` and not by one before.
async fn is_ready(client: &Client, begin: SystemTime) -> bool {
    let Ok(Some(node)) = Api::<Node>::all(client.clone()).get_opt(NODE_NAME).await else { return false };
    // Whole seconds are all that the API keeps.
    let second = begin.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    conditions.iter().any(|condition| {
        let heard = condition.last_heartbeat_time.as_ref().map(|time| time.0.as_second());
        condition.type_ == "Ready"
            && condition.status == "True"
            && heard.is_some_and(|heard| u64::try_from(heard).is_ok_and(|heard| heard >= second))
    })
}

/// Whether the enforcer has written the chains that all packets pass, of both families.
fn has_chains(home: &Home) -> bool {
    ["iptables", "ip6tables"]
        .iter()
        .all(|iptables| tell(home, &[iptables, "--wait", "--list-rules", "KUBE-ROUTER-FORWARD"]).is_some())
}

/// Whether the proxy knows the first Service of every cluster.
fn has_service(home: &Home) -> bool {
    let services = tell(home, &["nft", "list", "map", "ip", "kube-proxy", "service-ips"]);
    services.is_some_and(|services| services.contains(&format!("{SERVICE_ADDRESS} . tcp . 443 ")))
}

/// What a program prints in the lab's namespace; `None` if it fails.
fn tell(home: &Home, words: &[&str]) -> Option<String> {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", netns::of(home).display()));
    command.args(["--", "sh", "-c", JOIN, "sh", "--"]).args(words);
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
