//! `ringfence model scan PATH`: files -> verdicts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use clap::Args;
use clap::ValueEnum;
use ringfence_finding::ExitCode;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelScan;
use ringfence_model::Limits;
use ringfence_model::Policy;
use ringfence_model::Tell;
use ringfence_report::ModelFormat;
use ringfence_report::Style;

use super::names::NameFlags;
use super::names::Names;
use crate::cli::Color;
use crate::exit;
use crate::exit::Wrong;
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
  ringfence model scan models/ -v                every file, every name
  ringfence model scan models/ --format json
  ringfence model scan models/ --format jsonl \\
      | jq -r 'select(.verdict==\"malicious\").path'
  ringfence model scan models/ --format sarif -o models.sarif
  ringfence model scan models/ --format junit -o models.xml
  ringfence model scan models/ --allow names.toml
  ringfence model scan models/ --sha256          digests as well

Exit codes: 0 clean, 1 review or malicious, 2 usage, 3 incomplete or nothing to scan, 5 internal error.")]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
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
    /// For programs: a line for each file as soon as it is judged, then one with the verdict.
    Jsonl,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
    /// A test case for each file, for CI systems.
    Junit,
}

impl Scan {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let names = self.names.load(&self.path)?;
        let read = [&self.path].into_iter().chain(names.read());
        output::spares("--output", self.output.as_deref(), read.map(PathBuf::as_path))?;
        if self.format == Format::Jsonl {
            // Lines that come one by one are their own progress.
            let is_quiet = self.quiet || self.output.is_none();
            let scan = |done: Arc<AtomicUsize>| self.lines(&names, &self.hash(&done)?, &done, start);
            return progress::during("scanning", self.total(), is_quiet, scan);
        }
        let mut scan = progress::during("scanning", self.total(), self.quiet, |done| {
            let scanned = self.look(&names.policy, &self.hash(&done)?, &done, None);
            scanned.map_err(|error| anyhow::Error::from(self.no_path(&error)))
        })?;
        names.tell(&mut scan);
        scan.seconds = start.elapsed().as_secs_f64();
        let exit = scan.exit(self.allow_incomplete);
        let color = if self.output.is_some() { Color::Never } else { self.screen.color };
        let style = terminal::style(color, self.verbose, self.quiet);
        let format = match self.format {
            Format::Text => ModelFormat::Text,
            Format::Concise => ModelFormat::Concise,
            Format::Json => ModelFormat::Json,
            Format::Jsonl => ModelFormat::Lines,
            Format::Sarif => ModelFormat::Sarif,
            Format::Junit => ModelFormat::Junit,
        };
        let written = output::write(self.output.as_deref(), |out| {
            ringfence_report::write_models(&scan, exit, format, &style, out)
        });
        // The process ends here: to free ten thousand results one by one is work that nobody waits for in parallel.
        std::mem::forget(scan);
        exit::after(exit, written)
    }

    /// Writes files while others are still being looked at.
    fn lines(
        &self,
        names: &Names,
        hash: &Hash,
        done: &AtomicUsize,
        start: Instant,
    ) -> anyhow::Result<ExitCode> {
        // Before anything is written: a file for a scan that cannot begin would be an empty one.
        std::fs::metadata(&self.path).map_err(|error| self.no_path(&error))?;
        let mut exit = ExitCode::Internal;
        output::write(self.output.as_deref(), |out| {
            let (send, files) = mpsc::channel::<ModelFile>();
            let mut scan = thread::scope(|scope| {
                let scan = scope.spawn(move || {
                    // Whoever reads may have left: that is told where the line is written.
                    let tell = |file: &ModelFile| _ = send.send(file.clone());
                    self.look(&names.policy, hash, done, Some(&tell))
                });
                for file in files {
                    let written = ringfence_report::write_model_line(&file, out).and_then(|()| out.flush());
                    written.inspect_err(exit::if_reader_left)?;
                }
                scan.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            names.tell(&mut scan);
            scan.seconds = start.elapsed().as_secs_f64();
            exit = scan.exit(self.allow_incomplete);
            ringfence_report::write_models(&scan, exit, ModelFormat::Lines, &Style::default(), out)
        })?;
        Ok(exit)
    }

    fn no_path(&self, error: &std::io::Error) -> Wrong {
        Wrong::new(self.path.display().to_string(), error)
    }

    /// What `done` counts: bytes where all of them are read.
    fn total(&self) -> Total {
        #[cfg(feature = "signing")]
        if self.sha256 {
            return Total::Bytes(self.path.clone());
        }
        Total::Open("files")
    }

    /// What takes the bytes, where digests were asked for; it raises `done` by them.
    #[cfg_attr(not(feature = "signing"), expect(unused_variables, reason = "nothing is hashed"))]
    fn hash(&self, done: &Arc<AtomicUsize>) -> anyhow::Result<Hash> {
        #[cfg(feature = "signing")]
        if self.sha256 {
            let digests = ringfence_attest::Digests::new(progress::bytes(Arc::clone(done)))?;
            return Ok(Some(Arc::new(digests)));
        }
        Ok(Hash::default())
    }

    fn look(
        &self,
        policy: &Policy,
        hash: &Hash,
        done: &AtomicUsize,
        tell: Option<&Tell<'_>>,
    ) -> std::io::Result<ModelScan> {
        #[cfg(feature = "signing")]
        if let Some(digests) = hash {
            return ringfence_model::scan_with(&self.path, policy, &Limits::default(), digests, &|| (), tell);
        }
        let count = || _ = done.fetch_add(1, Ordering::Relaxed);
        ringfence_model::scan_with(&self.path, policy, &Limits::default(), &Arc::new(()), &count, tell)
    }
}

#[cfg(feature = "signing")]
type Hash = Option<Arc<ringfence_attest::Digests>>;
#[cfg(not(feature = "signing"))]
type Hash = Option<std::convert::Infallible>;
