//! `cargo xtask bench`: figures and peers, as Markdown on stdout for docs/performance.md. No bench runs
//! in CI: bars are ratios and CPU-seconds of interleaved runs on one machine.

mod admission;
mod benign;
mod build;
mod controller;
mod domain;
mod kept;
mod live;
mod measure;
mod models;
mod pickles;
mod scan;
mod sign;
mod tree;

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::shell;

pub(crate) fn run(arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        ["scan"] => scan::run(),
        ["benign"] => benign::run(),
        ["build"] => build::run(),
        ["admission"] => admission::run(),
        ["admission", "inside"] => admission::inside(),
        ["models"] => models::run(),
        ["sign"] => sign::run(),
        ["domain"] => domain::run(),
        ["domain", "inside"] => domain::inside(),
        ["live"] => live::run(),
        ["live", "inside"] => live::inside(),
        ["pickles", count] => pickles::run(count, "1"),
        ["pickles", "--from", seed, count] => pickles::run(count, seed),
        ["yaml"] => shell::run(&mut shell::cargo(["bench", "--package", "ringfence-inventory"])),
        ["tree", folder] => tree::write_repository(Path::new(folder)).map(|tally| println!("{tally}")),
        ["tree", "--objects", count, folder] => {
            let count = count.parse().map_err(Failure::while_(format!("--objects {count}")))?;
            tree::write_objects(Path::new(folder), count).map(|tally| println!("{tally}"))
        }
        _ => Err(Failure::new(
            "usage: cargo xtask bench scan | admission | benign | build | domain | live | models | pickles [--from SEED] COUNT | \
             sign | yaml | tree [--objects N] DIR",
        )),
    }
}

/// Where benches write; emptied by each.
fn folder(name: &str) -> Result<PathBuf, Failure> {
    let folder = shell::root().join("target/bench").join(name);
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder).map_err(Failure::while_(folder.display()))?;
    }
    std::fs::create_dir_all(&folder).map_err(Failure::while_(folder.display()))?;
    Ok(folder)
}

/// One line that says on what the figures below it were taken.
fn setting(task: &str) -> String {
    let text = |command: &mut Command| {
        shell::output(command).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
    };
    let commit =
        text(Command::new("git").current_dir(shell::root()).args(["show", "-s", "--format=%h of %cs"]));
    let rustc = text(Command::new("rustc").arg("--version"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("`{task}` at commit {commit}, {cores} cores of {model}, {rustc}")
}

/// A figure beside its bar, as one row of a Markdown table.
struct Bar {
    figure: &'static str,
    promise: &'static str,
    measured: String,
    holds: bool,
}

/// Prints the table; a bar that does not hold ends the bench with a failure.
fn print_bars(bars: &[Bar]) -> Result<(), Failure> {
    println!("| figure | bar | measured | |\n|---|---|---|---|");
    for bar in bars {
        let verdict = if bar.holds { "holds" } else { "**missed**" };
        println!("| {} | {} | {} | {verdict} |", bar.figure, bar.promise, bar.measured);
    }
    let missed = bars.iter().filter(|bar| !bar.holds).count();
    if missed == 0 { Ok(()) } else { Err(Failure::new(format!("{missed} of {} bars missed", bars.len()))) }
}
