//! `ringfence model`: commands about model files.

mod allow;
mod entries;
mod inspect;
#[cfg(feature = "signing")]
mod keygen;
mod names;
#[cfg(feature = "signing")]
mod password;
mod scan;
#[cfg(feature = "signing")]
mod sign;
#[cfg(feature = "signing")]
mod trust;
#[cfg(feature = "signing")]
mod verify;

use clap::Args;
use clap::Subcommand;
use ringfence_finding::ExitCode;

/// Say whether a model file can run code, show what is in it; sign models, and verify what was signed.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Model {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Scan(scan::Scan),
    Allow(allow::Allow),
    Inspect(inspect::Inspect),
    #[cfg(feature = "signing")]
    Sign(sign::Sign),
    #[cfg(feature = "signing")]
    Verify(verify::Verify),
    #[cfg(feature = "signing")]
    Keygen(keygen::Keygen),
}

impl Model {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::Scan(scan) => scan.run(),
            Verb::Allow(allow) => allow.run(),
            Verb::Inspect(inspect) => inspect.run(),
            #[cfg(feature = "signing")]
            Verb::Sign(sign) => sign.run(),
            #[cfg(feature = "signing")]
            Verb::Verify(verify) => verify.run(),
            #[cfg(feature = "signing")]
            Verb::Keygen(keygen) => keygen.run(),
        }
    }
}
