//! `ringfence model`: commands about model files.

mod scan;

use clap::Args;
use clap::Subcommand;
use ringfence_finding::ExitCode;

/// Say whether a model file can run code.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Model {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Scan(scan::Scan),
}

impl Model {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::Scan(scan) => scan.run(),
        }
    }
}
