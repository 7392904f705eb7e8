//! `ringfence model inspect PATH`: a file -> what it holds: tensors, what it says of itself, names, what each byte is.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use ringfence_finding::ExitCode;
use ringfence_finding::ModelInspection;
use ringfence_model::Limits;
use ringfence_model::Policy;
use ringfence_model::Wish;

use crate::cli::Color;
use crate::cli::ScreenFormat;
use crate::exit::Wrong;
use crate::output;
use crate::terminal;

/// Look into a model file without loading it: tensors, metadata, the names it looks up, what each byte is.
///
/// Reads headers and opcodes, never numbers: a file of any size is shown in a moment. Archives and compressed files are
/// looked into; `FILE!/MEMBER` shows one member alone. For a pickle every call that matters is told in Python's words,
/// with the opcodes around it. The verdict and the exit code are those of `model scan`; names that a team allows count as
/// unknown here.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence model inspect model.safetensors          tensors, metadata
  ringfence model inspect model.pt                   and names it looks up
  ringfence model inspect model.pt --coverage        what each byte is
  ringfence model inspect 'a.tar!/b.pt!/b/data.pkl'  an archive in an archive
  ringfence model inspect llama.gguf --limit 100000 --format json | jq '.totals'

Exit codes: 0 clean, 1 review or malicious, 2 usage, 3 incomplete, 5 internal error.")]
pub(crate) struct Inspect {
    /// File, or FILE!/MEMBER for one member of an archive.
    path: PathBuf,
    /// Most tensors that are listed, the largest first, and most ranges of one stream.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
    /// What each byte is: for every stream a bar, and its ranges by name.
    #[arg(long)]
    coverage: bool,
    /// Format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: ScreenFormat,
    /// File for the result, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Every name, finding, entry and range.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    screen: crate::cli::Screen,
}

impl Inspect {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let (file, member) = match split(&self.path) {
            Some((file, member)) => (file, Some(member)),
            None => (self.path.clone(), None),
        };
        output::spares("--output", self.output.as_deref(), [file.as_path()])?;
        let inspection = self.inspect(&file, member)?;
        let exit = match inspection.scan.exit(false) {
            // A list that was ended early is not the whole file.
            ExitCode::Clean if inspection.is_cut => ExitCode::Incomplete,
            exit => exit,
        };
        let color = if self.output.is_some() { Color::Never } else { self.screen.color };
        let style = terminal::style(color, self.verbose, false);
        let is_json = self.format == ScreenFormat::Json;
        output::write(self.output.as_deref(), |out| {
            ringfence_report::write_inspection(&inspection, exit, is_json, &style, out)
        })?;
        Ok(exit)
    }

    fn inspect(&self, file: &Path, member: Option<String>) -> anyhow::Result<ModelInspection> {
        let shown = self.path.display().to_string();
        if file.is_dir() {
            let hint = "a folder: `ringfence model scan` judges all of it, `model inspect` shows one file";
            return Err(Wrong::new(shown, hint).into());
        }
        let is_member = member.is_some();
        let wish = Wish { limit: self.limit.max(1), coverage: self.coverage, member };
        let inspected = ringfence_model::inspect(file, Policy::embedded(), &Limits::default(), &wish);
        let inspection = inspected.map_err(|error| Wrong::new(file.display().to_string(), error))?;
        if is_member && !inspection.is_met {
            let hint =
                format!("there is no such member in {} that holds anything of its own", file.display());
            return Err(Wrong::new(shown, hint).into());
        }
        Ok(inspection)
    }
}

/// `FILE!/MEMBER`, unless a file has the whole name.
fn split(path: &Path) -> Option<(PathBuf, String)> {
    if path.try_exists().is_ok_and(|is_there| is_there) {
        return None;
    }
    let text = path.to_str()?;
    let mut places = text.match_indices("!/").map(|(at, _)| at);
    let at = places.find(|at| text.get(..*at).is_some_and(|file| Path::new(file).is_file()))?;
    Some((PathBuf::from(text.get(..at)?), text.get(at + 2..)?.to_owned()))
}
