//! Which cluster, as whom, within which limits: the flags that `kubectl` users know -> a snapshot.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ringfence_inventory::Snapshot;
use ringfence_inventory::cluster::Access;
use ringfence_inventory::cluster::Ask;
use ringfence_inventory::cluster::Cluster;
use ringfence_inventory::cluster::ClusterError;
use ringfence_inventory::cluster::Env;

use crate::exit::Unreachable;
use crate::exit::Usage;
use crate::exit::Wrong;
use crate::progress;

/// Flags of every command that talks to a cluster; without any, the cluster that `kubectl` would talk to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// Kubeconfig file, in place of KUBECONFIG and ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig, in place of the current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Cluster of the kubeconfig, in place of the context's.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// User of the kubeconfig, in place of the context's.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Address of the API server, in place of the cluster's.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Act as this user (impersonation; your own user needs the right to).
    #[arg(long = "as", value_name = "USER")]
    impersonate: Option<String>,
    /// Act as a member of this group; repeat it for several.
    #[arg(long = "as-group", value_name = "GROUP", requires = "impersonate")]
    impersonate_groups: Vec<String>,
    /// Seconds for everything; what was not reached by then is told.
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Seconds that a credential plugin of the kubeconfig may run: 30, or 300 where it may ask you.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    exec_timeout: Option<u64>,
    /// Objects of one page; smaller pages are easier on a small API server.
    #[arg(long, default_value_t = 500, hide = true, value_name = "OBJECTS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    page: u32,
}

impl ClusterArgs {
    /// The cluster they name; `instead` is what the command can do without one. Nothing is sent.
    pub(crate) fn find(&self, instead: &str) -> anyhow::Result<Cluster> {
        let mut access = Access::new(Env::of_process(), ringfence_report::clean_text);
        access.kubeconfig.clone_from(&self.kubeconfig);
        access.context.clone_from(&self.context);
        access.cluster.clone_from(&self.cluster);
        access.user.clone_from(&self.user);
        access.server.clone_from(&self.server);
        access.impersonate.clone_from(&self.impersonate);
        access.impersonate_groups.clone_from(&self.impersonate_groups);
        access.exec_timeout = self.exec_timeout.map(Duration::from_secs);
        access.interactive = std::io::IsTerminal::is_terminal(&std::io::stdin());
        Cluster::find(&access).map_err(|found| match found {
            ClusterError::Nowhere => Usage(format!("{found}; name one with --kubeconfig{instead}")).into(),
            found => error(found),
        })
    }

    /// How long everything may take.
    #[cfg(feature = "domain")]
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Everything that a scan wants of it.
    pub(crate) fn read(
        &self,
        cluster: &Cluster,
        namespaces: &[String],
        selector: Option<&str>,
        quiet: bool,
    ) -> anyhow::Result<Snapshot> {
        let mut ask = Ask {
            namespaces: namespaces.to_vec(),
            selector: selector.map(str::to_owned),
            page: self.page,
            deadline: Duration::from_secs(self.timeout),
            ..Ask::default()
        };
        progress::during("reading the cluster", progress::Total::Open("lists"), quiet, |done| {
            ask.done = Some(Arc::clone(&done));
            cluster.read(&ask).map_err(error)
        })
    }
}

/// A wrong kubeconfig is the user's to mend (exit 2); a cluster that does not let itself be asked was not looked at
/// (exit 3).
pub(crate) fn error(error: ClusterError) -> anyhow::Error {
    match error {
        ClusterError::Nowhere => Usage(error.to_string()).into(),
        ClusterError::Config(words) => Wrong::new("", words).into(),
        error => Unreachable(error.to_string()).into(),
    }
}

/// The cluster in words: context and server.
pub(crate) fn words(cluster: &Cluster) -> String {
    match cluster.context() {
        Some(context) => format!("{context}  {}", cluster.server()),
        None => cluster.server(),
    }
}
