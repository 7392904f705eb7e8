//! `ringfence check`: what is needed, what is seen and what a cluster supports, one line each.

use clap::Args;
use ringfence_controls::Purpose;
use ringfence_finding::ExitCode;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;

use crate::cli::Screen;
use crate::cli::ScreenFormat;
use crate::command::scan::cluster::ClusterArgs;
use crate::output;
use crate::terminal;

/// Check what a scan needs of a cluster, what it sees there, and what the cluster supports.
///
/// One line each, with a hint below every line that does not hold. It lists as a scan does, and changes nothing. An
/// enforcer of NetworkPolicy that is found is not proven: nothing is sent through the network of the cluster.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence check
  ringfence check --pre --context prod
  ringfence check --as jane --format json

Exit codes: 0 all hold, 2 usage, 3 something could not be asked, 4 a line failed.")]
pub(crate) struct Check {
    /// Before an installation: what one needs must be there.
    #[arg(long)]
    pre: bool,
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: ScreenFormat,
    #[command(flatten)]
    screen: Screen,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Check {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let cluster = self.cluster.find("")?;
        let snapshot = self.cluster.read(&cluster, &[], None, false)?;
        let inventory = Inventory::from_snapshot(snapshot, &Options::default());
        let purpose = if self.pre { Purpose::Install } else { Purpose::Scan };
        let checkup = ringfence_controls::checkup(&inventory, purpose)
            .ok_or_else(|| anyhow::anyhow!("an inventory of a cluster that says it is none"))?;
        output::to_stdout(|out| match self.format {
            ScreenFormat::Text => ringfence_report::checkup_text(
                &checkup,
                &terminal::style(self.screen.color, false, false),
                out,
            ),
            ScreenFormat::Json => ringfence_report::checkup_json(&checkup, out),
        })?;
        Ok(checkup.exit())
    }
}
