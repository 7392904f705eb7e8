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

use std::path::Path;

use clap::Args;
use clap::Subcommand;
use ringfence_finding::ExitCode;

use crate::config::leads_through;
use crate::exit::Wrong;

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

/// Refuses a result that would take the place of something it speaks of, or that the next run would find in the model.
fn spares<'p>(output: Option<&Path>, judged: impl IntoIterator<Item = &'p Path>) -> Result<(), Wrong> {
    let Some(output) = output else { return Ok(()) };
    if judged.into_iter().any(|judged| leads_through(output, judged)) {
        let words = "is part of what is judged, or lies in it: choose another place for the result";
        return Err(Wrong::new(format!("--output {}", output.display()), words));
    }
    Ok(())
}
