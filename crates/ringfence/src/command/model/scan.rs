//! `ringfence model scan PATH`: files -> verdicts.

use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use clap::Args;
use clap::ValueEnum;
use ringfence_finding::ExitCode;
use ringfence_finding::ModelFile;
use ringfence_model::Date;
use ringfence_model::Limits;
use ringfence_model::Policy;
use ringfence_report::ModelFormat;
use ringfence_report::Style;

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
  ringfence model scan models/ --format jsonl | jq -r 'select(.verdict==\"malicious\").path'
  ringfence model scan models/ --format sarif -o models.sarif
  ringfence model scan models/ --format junit -o models.xml
  ringfence model scan models/ --allow names.toml

Exit codes: 0 clean, 1 review or malicious, 2 usage, 3 incomplete or nothing to scan, 5 internal error.")]
pub(crate) struct Scan {
    /// File or folder.
    path: PathBuf,
    /// Format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// File for the result, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Names that your team allows as well: TOML with [[allow]] entries of module, names, uses, owner, reason, expires.
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,
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
        let additions;
        let policy = match &self.allow {
            None => Policy::embedded(),
            Some(file) => {
                additions = with_additions(file)?;
                &additions
            }
        };
        if self.format == Format::Jsonl {
            return self.lines(policy, start);
        }
        let scanned = progress::during("scanning", Total::Open("files"), self.quiet, |done| {
            let count = || _ = done.fetch_add(1, Ordering::Relaxed);
            ringfence_model::scan(&self.path, policy, &Limits::default(), &count)
        });
        let mut scan = scanned.map_err(|error| self.no_path(&error))?;
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
        output::write(self.output.as_deref(), |out| {
            ringfence_report::write_models(&scan, exit, format, &style, out)
        })?;
        Ok(exit)
    }

    /// Writes files while others are still being looked at.
    fn lines(&self, policy: &Policy, start: Instant) -> anyhow::Result<ExitCode> {
        // Before anything is written: a file for a scan that cannot begin would be an empty one.
        std::fs::metadata(&self.path).map_err(|error| self.no_path(&error))?;
        let mut exit = ExitCode::Internal;
        output::write(self.output.as_deref(), |out| {
            let (send, files) = mpsc::channel::<ModelFile>();
            let mut scan = thread::scope(|scope| {
                let scan = scope.spawn(move || {
                    // Whoever reads may have left: that is told where the line is written.
                    let tell = |file: &ModelFile| _ = send.send(file.clone());
                    ringfence_model::scan_telling(&self.path, policy, &Limits::default(), &|| (), Some(&tell))
                });
                for file in files {
                    ringfence_report::write_model_line(&file, out)?;
                    out.flush()?;
                }
                scan.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            scan.seconds = start.elapsed().as_secs_f64();
            exit = scan.exit(self.allow_incomplete);
            ringfence_report::write_models(&scan, exit, ModelFormat::Lines, &Style::default(), out)
        })?;
        Ok(exit)
    }

    fn no_path(&self, error: &std::io::Error) -> Usage {
        Usage(format!("{}: {error}", self.path.display()))
    }
}

/// The built-in policy and the names of a team, judged by today's date.
fn with_additions(file: &Path) -> anyhow::Result<Policy> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Usage(format!("--allow {}: {error}", file.display())))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let policy = Policy::with_additions(&text, Date::from_unix(now.as_secs()));
    policy.map_err(|error| Usage(format!("--allow {}: {error}", file.display())).into())
}
