//! `ringfence controls list`: the catalogue.

use clap::Args;
use clap::Subcommand;
use ringfence_finding::ExitCode;

use crate::cli::Screen;
use crate::cli::ScreenFormat;
use crate::output;
use crate::terminal;

/// Show the controls of this build.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Controls {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List every control with its severity, the class of its fix and its title.
    List(List),
}

#[derive(Args, Debug)]
struct List {
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: ScreenFormat,
    #[command(flatten)]
    screen: Screen,
}

impl Controls {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let Verb::List(list) = &self.verb;
        let controls = ringfence_controls::info();
        output::to_stdout(|out| match list.format {
            ScreenFormat::Text => {
                let style = terminal::style(list.screen.color, false, false);
                ringfence_report::controls_table(&controls, &style, out)
            }
            ScreenFormat::Json => ringfence_report::controls_json(&controls, out),
        })?;
        Ok(ExitCode::Clean)
    }
}
