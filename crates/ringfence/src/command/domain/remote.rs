//! A cluster, asked once: its facts, its domains, a client for what comes next.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ringfence_domain::ClusterFacts;
use ringfence_domain::SecurityDomain;
use ringfence_inventory::cluster::Cluster;
use ringfence_operator::Explain;
use tokio::runtime::Runtime;

use crate::command::scan::cluster::ClusterArgs;
use crate::command::scan::cluster::error;
use crate::exit::Unreachable;
use crate::exit::Usage;

/// Flags of commands that work with a cluster or without one.
#[derive(Args, Debug)]
pub(crate) struct MaybeCluster {
    /// Ask no cluster. What only a cluster knows (which nodes a selector takes, addresses of the API server) is left open
    /// and named.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl MaybeCluster {
    /// The cluster, unless none is to be asked.
    pub(crate) fn read(&self) -> anyhow::Result<Option<Known>> {
        if self.offline { Ok(None) } else { Known::read(&self.cluster, ", or ask none: --offline").map(Some) }
    }
}

/// A connection.
pub(crate) struct Remote {
    runtime: Runtime,
    pub(crate) client: kube::Client,
    cluster: Cluster,
}

impl Remote {
    /// Finds the cluster and its credentials; `instead` is what the command can do without a cluster. Nothing is asked yet.
    pub(crate) fn connect(args: &ClusterArgs, instead: &str) -> anyhow::Result<Self> {
        let cluster = args.find(instead)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // A client belongs to the runtime it is made in.
        let client = runtime.block_on(async { cluster.client() }).map_err(error)?;
        Ok(Self { runtime, client, cluster })
    }

    /// A request that failed, in words with cause and cure.
    pub(crate) fn failed(&self, error: &kube::Error) -> anyhow::Error {
        Unreachable(self.cluster.explain(error).to_string()).into()
    }

    /// The same of a request for SecurityDomains, with the cure for the most usual reason.
    pub(crate) fn no_kind(&self, error: &kube::Error) -> anyhow::Error {
        match error {
            kube::Error::Api(status) if status.code == 404 => Usage(
                "the cluster does not know SecurityDomain: `ringfence install --print | kubectl apply --server-side -f -`"
                    .into(),
            )
            .into(),
            other => self.failed(other),
        }
    }

    /// Says what it means that a request failed, for as long as it is needed.
    pub(crate) fn explain(&self) -> Explain {
        let cluster = self.cluster.clone();
        Arc::new(move |error| cluster.explain(error).to_string())
    }

    /// Runs something with the client to its end.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits between two looks; what the connection has to do meanwhile is done.
    pub(crate) fn pause(&self, pause: Duration) {
        // A timer belongs to the runtime that it is made in.
        self.wait(async { tokio::time::sleep(pause).await });
    }
}

/// A cluster that was asked.
pub(crate) struct Known {
    pub(crate) remote: Remote,
    pub(crate) facts: ClusterFacts,
    pub(crate) domains: Vec<SecurityDomain>,
}

impl Known {
    /// Connects and reads facts and domains.
    pub(crate) fn read(args: &ClusterArgs, instead: &str) -> anyhow::Result<Self> {
        let remote = Remote::connect(args, instead)?;
        let read = remote.wait(ringfence_operator::read(&remote.client));
        let (facts, domains) = read.map_err(|error| Unreachable(error.explained(&*remote.explain())))?;
        Ok(Self { remote, facts, domains })
    }
}
