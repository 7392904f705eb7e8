//! `ringfence model scan PATH`: files -> verdicts.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap::Args;
use clap::ValueEnum;
use ringfence_finding::ExitCode;
use ringfence_finding::ModelScan;
use ringfence_model::Limits;
use ringfence_model::Policy;
use ringfence_report::ModelFormat;

use super::names::NameFlags;
use crate::cli::Color;
use crate::exit::Usage;
use crate::output;
use crate::progress;
use crate::progress::Total;
use crate::terminal;

/// Say whether a model file or repository can run code when it is loaded.
///
/// Reads bytes only: no Python, no network, nothing is loaded. A file is clean only if every byte was explained and every
/// name that a loader would look up is allowed for its use. Unknown names are review, unknown formats are incomplete.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model scan model.pkl
  ringfence model scan models/ -v                 every file with the names it looks up
  ringfence model scan models/ --format json
  ringfence model scan models/ --allow names.toml
  ringfence model scan models/ --sha256           digests of what was judged, as sha256sum prints them

Exit codes: 0 clean, 1 review or malicious, 2 usage, 3 incomplete or nothing to scan, 5 internal error.")]
#[cfg_attr(
    feature = "signing",
    expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")
)]
pub(crate) struct Scan {
    /// File or folder.
    path: PathBuf,
    /// Format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// File for the result, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    names: NameFlags,
    /// SHA-256 of every file as well, of exactly the bytes that were judged.
    #[cfg(feature = "signing")]
    #[arg(long)]
    sha256: bool,
    /// Exit 0 even where something could not be looked at; it is still printed.
    #[arg(long)]
    allow_incomplete: bool,
    /// Clean files too, and every finding and name.
    #[arg(short, long)]
    verbose: bool,
    /// One line.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    #[command(flatten)]
    screen: crate::cli::Screen,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One line per finding and per gap.
    Concise,
    /// For programs, with a published schema.
    Json,
}

impl Scan {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let names = self.names.load(&self.path)?;
        let scanned = progress::during("scanning", Total::Open("files"), self.quiet, |done| {
            let count = || _ = done.fetch_add(1, Ordering::Relaxed);
            self.look(&names.policy, &count)
        });
        let mut scan = scanned?.map_err(|error| Usage(format!("{}: {error}", self.path.display())))?;
        names.tell(&mut scan);
        scan.seconds = start.elapsed().as_secs_f64();
        let exit = scan.exit(self.allow_incomplete);
        let color = if self.output.is_some() { Color::Never } else { self.screen.color };
        let style = terminal::style(color, self.verbose, self.quiet);
        let format = match self.format {
            Format::Text => ModelFormat::Text,
            Format::Concise => ModelFormat::Concise,
            Format::Json => ModelFormat::Json,
        };
        output::write(self.output.as_deref(), |out| {
            ringfence_report::write_models(&scan, exit, format, &style, out)
        })?;
        Ok(exit)
    }

    /// The scan, with digests where they were asked for; the outer error is this machine's.
    fn look(&self, policy: &Policy, count: &(dyn Fn() + Sync)) -> anyhow::Result<std::io::Result<ModelScan>> {
        #[cfg(feature = "signing")]
        if self.sha256 {
            let digests = std::sync::Arc::new(ringfence_attest::Digests::new()?);
            return Ok(ringfence_model::scan_with(&self.path, policy, &Limits::default(), &digests, count));
        }
        Ok(ringfence_model::scan(&self.path, policy, &Limits::default(), count))
    }
}
