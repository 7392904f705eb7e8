//! `ringfence domain`: one object that draws the boundary of an AI team. One file per verb.

mod apply;
mod diff;
mod files;
pub(crate) mod init;
mod plan;
pub(crate) mod remote;
mod simulate;
mod status;

use std::io;
use std::io::Write;

use clap::Args;
use clap::Subcommand;
use ringfence_finding::ExitCode;

use crate::terminal;

/// Draw a boundary around AI workloads with one object, see what it would change, and keep it.
///
/// A SecurityDomain names namespaces and GPU nodes; what may reach them and what they may reach; who may do what; how much
/// they may take. The controller (`ringfence serve controller`) writes what that means and keeps it. A domain begins by
/// watching (Observe) and blocks (Enforce) only after a simulation has shown what that would break.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = "From nothing to a closed door:
  ringfence install --print | kubectl apply --server-side -f -   once
  ringfence domain init ml -n ml-training > ml.yaml    ten lines to begin
  ringfence domain plan -f ml.yaml                     what it would write
  ringfence domain simulate -f ml.yaml                 whom Enforce would hurt
  ringfence domain apply -f ml.yaml --wait             until it holds
  ringfence domain status ml")]
pub(crate) struct Domain {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    Plan(plan::Plan),
    Simulate(simulate::Simulate),
    Apply(apply::Apply),
    Status(status::Status),
    Diff(diff::Diff),
    Delete(apply::Delete),
}

impl Domain {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::Init(it) => it.run(),
            Verb::Plan(it) => it.run(),
            Verb::Simulate(it) => it.run(),
            Verb::Apply(it) => it.run(),
            Verb::Status(it) => it.run(),
            Verb::Diff(it) => it.run(),
            Verb::Delete(it) => it.run(),
        }
    }
}

/// Of the documents for programs: major, a reader must change; minor, something was added.
const SCHEMA_VERSION: &str = "1.0";

/// One line of a screen, in as many of the terminal's as it takes. Names and messages of a cluster are foreign: control
/// characters end here.
fn say(out: &mut dyn Write, line: &str) -> io::Result<()> {
    let lines = ringfence_report::clean_lines(line, terminal::columns());
    lines.iter().try_for_each(|it| writeln!(out, "{it}"))
}

/// One line that is copied, or read by a script: as long as it is.
fn say_whole(out: &mut dyn Write, line: &str) -> io::Result<()> {
    writeln!(out, "{}", ringfence_report::clean_line(line))
}
