//! `ringfence model`: commands about model files.

mod keygen;
mod password;
mod scan;
mod sign;
mod verify;

use clap::Args;
use clap::Subcommand;
use ringfence_finding::ExitCode;

/// Say whether a model file can run code; sign models, and verify what was signed.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Model {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Scan(scan::Scan),
    Sign(sign::Sign),
    Verify(verify::Verify),
    Keygen(keygen::Keygen),
}

impl Model {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::Scan(scan) => scan.run(),
            Verb::Sign(sign) => sign.run(),
            Verb::Verify(verify) => verify.run(),
            Verb::Keygen(keygen) => keygen.run(),
        }
    }
}
