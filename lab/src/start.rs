//! The start of a lab: a specification -> processes that are ready, step by step. It may be dropped at any
//! await: what was started by then is on the list of children.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::Client;

use crate::client::client;
use crate::component::Component;
use crate::config;
use crate::error::Error;
use crate::error::Result;
use crate::flags;
use crate::lab::Lab;
use crate::lab::Published;
use crate::netns;
use crate::node;
use crate::pki::Pki;
use crate::site::Site;
use crate::tier::Tier;

/// A crowded machine needs tens of seconds; what is wrong for two minutes stays wrong.
const READY: Duration = Duration::from_mins(2);
/// Between two questions to the API server.
const PAUSE: Duration = Duration::from_millis(50);
/// Starts with other ports before giving up.
const ATTEMPTS: u32 = 3;

/// Starts everything that the tier holds and publishes the lab.
pub(crate) async fn everything(lab: &mut Lab) -> Result<()> {
    let pki = Pki::create(&lab.home)?;
    config::audit_policy(&lab.home)?;
    config::encryption(&lab.home)?;
    if lab.spec.tier == Tier::Node {
        node::prepare(lab).await?;
    }
    let client = with_free_ports(lab, &pki).await?;
    lab.reached("readyz");
    if lab.spec.tier >= Tier::ControlPlane {
        for component in [Component::ControllerManager, Component::Scheduler] {
            let command = flags::command(lab, component)?;
            lab.children.start(component, command)?;
        }
        default_service_account(lab, &client).await?;
        lab.reached("service-account");
    }
    if lab.spec.tier == Tier::Node {
        node::start(lab).await?;
        lab.reached("node-ready");
    }
    publish(lab)
}

/// etcd and API server; once more with other ports if another process took one of them.
async fn with_free_ports(lab: &mut Lab, pki: &Pki) -> Result<Client> {
    let mut attempt = 1;
    loop {
        let outside = match &lab.site {
            Site::Host(_) => lab.site.api_address(),
            Site::Namespace(file) => forwarder(file, lab.site.api_address())?,
        };
        config::kubeconfigs(&lab.home, pki, lab.site.api_address(), outside)?;
        match api_server(lab).await {
            Err(error) if attempt < ATTEMPTS && is_port_taken(&error, &lab.site) => {
                attempt += 1;
                lab.children.end_all(&[Component::ApiServer, Component::Etcd], Duration::ZERO).await;
                let values = lab.home.state().join("etcd");
                match fs::remove_dir_all(&values) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Error::at(&values)(error));
                    }
                    _ => {}
                }
                lab.site = Site::on_host()?;
            }
            other => return other,
        }
    }
}

/// The host's port that leads to the API server in the namespace.
fn forwarder(namespace: &Path, inside: SocketAddr) -> Result<SocketAddr> {
    let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("free loopback port"))?;
    let address = outside.local_addr().map_err(Error::io("own port"))?;
    netns::forward(namespace, outside, inside).map_err(Error::io("forwarder to the API server"))?;
    Ok(address)
}

/// Inside a namespace the ports are ours alone, and a taken one is an error.
fn is_port_taken(error: &Error, site: &Site) -> bool {
    matches!(site, Site::Host(_)) && error.to_string().contains("address already in use")
}

async fn api_server(lab: &mut Lab) -> Result<Client> {
    for component in [Component::Etcd, Component::ApiServer] {
        let command = flags::command(lab, component)?;
        lab.children.start(component, command)?;
    }
    let client = client(&lab.home.kubeconfig("admin"), None).await?;
    readyz(lab, &client).await?;
    Ok(client)
}

/// Waits until the API server says that it is ready: also after a restart.
pub(crate) async fn readyz(lab: &mut Lab, client: &Client) -> Result<()> {
    let end = Instant::now() + READY;
    loop {
        let request = http::Request::get("/readyz").body(Vec::new()).map_err(Error::while_("/readyz"))?;
        let answer = tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await;
        if let Ok(Ok(_)) = answer {
            return Ok(());
        }
        lab.children.check(Component::Etcd)?;
        lab.children.check(Component::ApiServer)?;
        if Instant::now() >= end {
            let what = format!("was not ready within {} s", READY.as_secs());
            return Err(lab.children.failure(Component::ApiServer, what));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Without it no pod is admitted: the controllers work when it is there.
async fn default_service_account(lab: &mut Lab, client: &Client) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let end = Instant::now() + READY;
    loop {
        if let Ok(Ok(Some(_))) =
            tokio::time::timeout(Duration::from_secs(5), accounts.get_opt("default")).await
        {
            return Ok(());
        }
        for component in [Component::Etcd, Component::ApiServer, Component::ControllerManager] {
            lab.children.check(component)?;
        }
        if Instant::now() >= end {
            let what = format!("made no default service account within {} s", READY.as_secs());
            return Err(lab.children.failure(Component::ControllerManager, what));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn publish(lab: &mut Lab) -> Result<()> {
    let kubectl = lab.spec.programs.get("kubectl").map(PathBuf::from);
    let kubectl = kubectl.ok_or_else(|| Error::other("no kubectl among the programs"))?;
    config::kubectl_link(&lab.home, &kubectl)?;
    let supervisor = std::env::current_exe().map_err(Error::io("own program"))?;
    let (tier, site) = (lab.spec.tier, lab.site.clone());
    let milestones: BTreeMap<String, u64> = lab.milestones.clone();
    Published { tier, site, kubectl, supervisor, milestones }.write(&lab.home)
}
