//! The command tree: what may be typed, with the words that teach it.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::Path;

use clap::ArgMatches;
use clap::Args;
use clap::CommandFactory as _;
use clap::FromArgMatches as _;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
use ringfence_finding::ExitCode;

#[cfg(feature = "cluster")]
use crate::command::check::Check;
use crate::command::completion::Completion;
use crate::command::controls::Controls;
#[cfg(feature = "domain")]
use crate::command::domain::Domain;
use crate::command::explain::Explain;
#[cfg(feature = "domain")]
use crate::command::install::Install;
#[cfg(feature = "models")]
use crate::command::model::Model;
use crate::command::scan::Scan;
#[cfg(feature = "domain")]
use crate::command::serve::Serve;
use crate::command::version::Version;

/// Name under which kubectl finds the binary as a plugin.
const PLUGIN: &str = "kubectl-ringfence";

#[derive(Debug, Parser)]
#[command(
    name = "ringfence",
    version,
    about = "Close the door on your GPUs, and prove it.",
    long_about = "Close the door on your GPUs, and prove it.\n\nRingfence treats AI infrastructure on Kubernetes as a security \
                  domain of its own: it finds the open doors of a live cluster or of manifests, inside custom resources too, \
                  says what stands open in dollars per hour, and how to close it. It reads and changes nothing, but for commands \
                  that are there to write: `domain apply`, `domain delete` and `serve controller` write to the cluster, `model \
                  sign`, `model keygen` and `model allow` write the file that you name. It talks to the API server that you name \
                  and to nobody else.",
    after_help = "Exit codes: 0 clean, 1 findings at or above --fail-on, 2 usage, 3 something could not be looked at, 4 \
                  something checked does not hold, 5 internal error.",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Scan(Box<Scan>),
    #[cfg(feature = "cluster")]
    Check(Check),
    #[cfg(feature = "domain")]
    Domain(Domain),
    #[cfg(feature = "domain")]
    Install(Install),
    #[cfg(feature = "domain")]
    Serve(Serve),
    #[cfg(feature = "models")]
    Model(Model),
    Explain(Explain),
    Controls(Controls),
    Completion(Completion),
    Version(Version),
}

/// A command ready to run.
#[derive(Debug)]
pub(crate) struct Command {
    verb: Verb,
    matches: ArgMatches,
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let own = self.matches.subcommand().map(|(_, matches)| matches);
        match self.verb {
            Verb::Scan(scan) => scan.run(own),
            #[cfg(feature = "models")]
            Verb::Model(model) => model.run(),
            #[cfg(feature = "cluster")]
            Verb::Check(check) => check.run(),
            #[cfg(feature = "domain")]
            Verb::Domain(domain) => domain.run(),
            #[cfg(feature = "domain")]
            Verb::Install(install) => install.run(),
            #[cfg(feature = "domain")]
            Verb::Serve(serve) => serve.run(),
            Verb::Explain(explain) => explain.run(),
            Verb::Controls(controls) => controls.run(),
            Verb::Completion(completion) => completion.run(),
            Verb::Version(version) => version.run(),
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that is not a CI log, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// Flags of every command that prints a screen.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// When to colour.
    #[arg(long, value_enum, default_value_t, env = "RINGFENCE_COLOR", hide_env = true, value_name = "WHEN")]
    pub(crate) color: Color,
}

/// Format of a screen that also exists for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScreenFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Format of `model verify`.
#[cfg(feature = "signing")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyFormat {
    /// For people.
    #[default]
    Text,
    /// For programs, with a published schema.
    Json,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
    /// A test case for the signature and each file, for CI systems.
    Junit,
}

#[cfg(feature = "signing")]
impl From<VerifyFormat> for ringfence_report::VerificationFormat {
    fn from(format: VerifyFormat) -> Self {
        match format {
            VerifyFormat::Text => Self::Text,
            VerifyFormat::Json => Self::Json,
            VerifyFormat::Sarif => Self::Sarif,
            VerifyFormat::Junit => Self::Junit,
        }
    }
}

/// Reads the arguments. Under the name `kubectl-ringfence` help speaks of `kubectl ringfence`.
pub(crate) fn parse(
    name: Option<&OsStr>,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Command, clap::Error> {
    let matches = command(name).try_get_matches_from(arguments)?;
    let cli = Cli::from_arg_matches(&matches)?;
    Ok(Command { verb: cli.verb, matches })
}

/// The command tree under the name it was called by.
pub(crate) fn command(name: Option<&OsStr>) -> clap::Command {
    let command = Cli::command();
    // It works until it is told to end: a time for everything bounds nothing there.
    #[cfg(feature = "domain")]
    let command = command.mut_subcommand("serve", |serve| {
        serve.mut_subcommand("controller", |it| it.mut_arg("timeout", |timeout| timeout.hide(true)))
    });
    if is_plugin(name) { command.bin_name("kubectl ringfence") } else { command }
}

/// Whether kubectl called it, by the name it was called by.
pub(crate) fn is_plugin(name: Option<&OsStr>) -> bool {
    name.map(Path::new).and_then(Path::file_stem) == Some(OsStr::new(PLUGIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        command(None).debug_assert();
    }
}
