//! `ringfence version`: what this build is.

use clap::Args;
use ringfence_controls::PriceTable;
use ringfence_finding::ExitCode;

use crate::cli::ScreenFormat;
use crate::output;

/// Print the version, the number of controls and the date of the price table.
#[derive(Args, Debug)]
pub(crate) struct Version {
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: ScreenFormat,
}

impl Version {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let version = env!("CARGO_PKG_VERSION");
        let controls = ringfence_controls::catalogue().len();
        let prices = PriceTable::embedded().date;
        output::to_stdout(|out| match self.format {
            ScreenFormat::Text => {
                writeln!(out, "ringfence {version}, {controls} controls, prices of {prices}")
            }
            ScreenFormat::Json => {
                writeln!(
                    out,
                    "{{\"version\":\"{version}\",\"controls\":{controls},\"pricesDate\":\"{prices}\"}}"
                )
            }
        })?;
        Ok(ExitCode::Clean)
    }
}
