//! `ringfence serve controller`: keeps what SecurityDomains promise, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use clap::Subcommand;
use ringfence_finding::ExitCode;
use ringfence_operator::Config;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::command::domain::remote::Remote;
use crate::command::scan::cluster::ClusterArgs;
use crate::exit::Unreachable;
use crate::exit::complain;

/// Run a part of Ringfence that stays.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Serve {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    Controller(Controller),
}

/// Write what SecurityDomains mean into the cluster, and keep it there.
///
/// Several may run: one holds the Lease and writes. Health and metrics are plain HTTP: /healthz, /readyz, /metrics.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence serve controller --context prod     by your own rights
  ringfence install --print --image IMAGE       by its own, as a Deployment

Exit codes: 0 it was told to end, 2 usage, 3 the port cannot be opened.")]
struct Controller {
    /// Namespace of its Lease and ServiceAccount.
    #[arg(long, value_name = "NAME", default_value = ringfence_domain::names::OPERATOR_NAMESPACE)]
    namespace: String,
    /// Address of health and metrics.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Serve {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let Part::Controller(controller) = &self.part;
        controller.run()
    }
}

impl Controller {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let remote = Remote::connect(&self.cluster, "")?;
        let mut config = Config::new(&self.namespace, identity());
        config.listen = Some(self.listen);
        config.tell = Arc::new(complain);
        config.explain = remote.explain();
        let work = async {
            let mut term = signal(SignalKind::terminate())?;
            let mut int = signal(SignalKind::interrupt())?;
            let asked_to_end = async move {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
            };
            complain(&format!("keeping SecurityDomains; health and metrics on http://{}", self.listen));
            let ran = ringfence_operator::run(remote.client.clone(), config, asked_to_end).await;
            anyhow::Ok(ran.map_err(|error| Unreachable(error.to_string()))?)
        };
        remote.wait(work)?;
        Ok(ExitCode::Clean)
    }
}

/// A name that no other replica has: that of the machine, which is the pod's in one, with the process.
fn identity() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}-{}", std::process::id())
}
