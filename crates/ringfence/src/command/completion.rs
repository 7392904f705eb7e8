//! `ringfence completion SHELL`: a completion script to stdout.

use clap::Args;
use clap_complete::Shell;
use ringfence_finding::ExitCode;

use crate::cli;
use crate::output;

/// Print a completion script for a shell.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  source <(ringfence completion bash)\n  ringfence completion zsh > \"${fpath[1]}/_ringfence\""
)]
pub(crate) struct Completion {
    /// Shell to complete in.
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli::command(None), "ringfence", &mut script);
        output::to_stdout(|out| out.write_all(&script))?;
        Ok(ExitCode::Clean)
    }
}
