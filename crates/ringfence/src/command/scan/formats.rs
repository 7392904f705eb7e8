//! `--format` and `-o` of one run, each format with the file after it.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::Args;
use ringfence_report::Format;

use crate::exit::Usage;

/// Formats of a result and where they go.
#[derive(Args, Debug)]
pub(crate) struct Formats {
    /// Format: text, concise, json or sarif. Repeat it, each with its own -o, for several from one run.
    #[arg(long, value_name = "FORMAT")]
    format: Vec<String>,
    /// File for the format before it, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
}

impl Formats {
    /// Pairs each format with the `-o` that follows it; one may be left for stdout.
    pub(crate) fn pairs(
        &self,
        matches: Option<&ArgMatches>,
    ) -> anyhow::Result<Vec<(Format, Option<PathBuf>)>> {
        let places = |name: &str| -> Vec<usize> {
            matches.and_then(|matches| matches.indices_of(name)).into_iter().flatten().collect()
        };
        let mut formats: Vec<(usize, Format, Option<PathBuf>)> = Vec::new();
        for (place, text) in places("format").into_iter().zip(&self.format) {
            formats.push((place, text.parse().map_err(|error| Usage(format!("--format: {error}")))?, None));
        }
        for (place, file) in places("output").into_iter().zip(&self.output) {
            // A lone `-o` belongs to the one format there is, wherever it stands.
            let lone = self.output.len() == 1 && formats.len() <= 1;
            if lone && formats.is_empty() {
                formats.push((place, Format::Text, None));
            }
            match formats.iter_mut().rev().find(|(before, ..)| lone || *before < place) {
                Some((_, _, slot)) if slot.is_none() => *slot = Some(file.clone()),
                _ => {
                    let message = format!("-o {} has no --format of its own before it", file.display());
                    return Err(Usage(message).into());
                }
            }
        }
        if formats.is_empty() {
            formats.push((0, Format::Text, None));
        }
        if formats.iter().filter(|(_, _, file)| file.is_none()).count() > 1 {
            let message = "only one --format may go to standard output; give the others a file with -o";
            return Err(Usage(message.to_owned()).into());
        }
        Ok(formats.into_iter().map(|(_, format, file)| (format, file)).collect())
    }
}
