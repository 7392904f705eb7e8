//! What a test makes for itself and leaves nothing of: a namespace, a node without a kubelet.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::PostParams;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::background::block;
use crate::background::runtime;
use crate::client::client;
use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::error::Result;
use crate::fake_node;
use crate::identity::Identity;
use crate::kubectl::Done;
use crate::lab::FakeNodeSpec;
use crate::random;
use crate::tier::Tier;

/// For the controllers of a crowded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Removal is best effort: the lab goes anyway.
const REMOVAL: Duration = Duration::from_secs(10);

/// A namespace of one test.
#[derive(Debug)]
pub struct Namespace<'a> {
    cluster: &'a ControlPlane,
    name: String,
}

impl<'a> Namespace<'a> {
    pub(crate) fn create(cluster: &'a ControlPlane, stem: &str) -> Result<Self> {
        let name = format!("t-{stem}-{}", random::suffix()?);
        let (kubeconfig, tier, made) = (cluster.kubeconfig().to_owned(), cluster.tier(), name.clone());
        let work = async move { make(&kubeconfig, tier, &made).await };
        block(work).unwrap_or_else(|| Err(Error::other("the request panicked")))?;
        Ok(Self { cluster, name })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs kubectl in it, as administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Done {
        self.cluster.call().namespace(&self.name).run(arguments)
    }

    /// Runs kubectl in it, as somebody else.
    pub fn kubectl_as(&self, who: &Identity, arguments: &[&str]) -> Done {
        self.cluster.call().namespace(&self.name).impersonate(who).run(arguments)
    }

    /// Server-side apply of YAML documents that name no namespace, as administrator.
    pub fn apply(&self, yaml: &str) -> Done {
        self.cluster.call().namespace(&self.name).apply(yaml)
    }

    /// Server-side apply of YAML documents that name no namespace, as somebody else.
    pub fn apply_as(&self, who: &Identity, yaml: &str) -> Done {
        self.cluster.call().namespace(&self.name).impersonate(who).apply(yaml)
    }

    /// Creates YAML documents that name no namespace, as somebody who may not patch.
    pub fn create_as(&self, who: &Identity, yaml: &str) -> Done {
        self.cluster.call().namespace(&self.name).impersonate(who).create(yaml)
    }
}

impl fmt::Display for Namespace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let (kubeconfig, name) = (self.cluster.kubeconfig().to_owned(), self.name.clone());
        let removal = async move {
            let namespaces: Api<k8s_openapi::api::core::v1::Namespace> =
                Api::all(client(&kubeconfig, None).await?);
            namespaces.delete(&name, &DeleteParams::background()).await.map_err(Error::while_(name))
        };
        block(async { tokio::time::timeout(REMOVAL, removal).await });
    }
}

async fn make(kubeconfig: &std::path::Path, tier: Tier, name: &str) -> Result<()> {
    let client = client(kubeconfig, None).await?;
    let doing = || Error::while_(format!("namespace {name}"));
    let object = serde_json::from_value(json!({"metadata": {"name": name}}));
    let object = object.map_err(Error::while_("namespace"))?;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &object).await.map_err(doing())?;
    if tier == Tier::Api {
        return Ok(()); // no controller makes accounts
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(client, name);
    let end = Instant::now() + PATIENCE;
    while accounts.get_opt("default").await.map_err(doing())?.is_none() {
        if Instant::now() >= end {
            return Err(Error::Deadline {
                what: format!("service account of namespace {name}"),
                after: PATIENCE,
            });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A node without a kubelet that lives until it is dropped.
#[derive(Debug)]
pub struct FakeNode {
    name: String,
    kubeconfig: PathBuf,
    heart: JoinHandle<()>,
}

impl FakeNode {
    pub(crate) fn start(kubeconfig: PathBuf, tier: Tier, spec: FakeNodeSpec) -> Result<Self> {
        let (name, path) = (spec.name.clone(), kubeconfig.clone());
        let started = block(async move {
            let client = client(&path, None).await?;
            fake_node::create(&client, &spec).await?;
            let heart = runtime().spawn(fake_node::live(client.clone(), spec.clone()));
            if tier >= Tier::ControlPlane {
                fake_node::schedulable(&client, &spec.name).await?;
            }
            Ok(heart)
        });
        let heart = started.unwrap_or_else(|| Err(Error::other("the request panicked")))?;
        Ok(Self { name, kubeconfig, heart })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.heart.abort();
        let (kubeconfig, name) = (self.kubeconfig.clone(), self.name.clone());
        let removal = async move {
            if let Ok(client) = client(&kubeconfig, None).await {
                fake_node::delete(&client, &name).await;
            }
        };
        block(async { tokio::time::timeout(REMOVAL, removal).await });
    }
}
