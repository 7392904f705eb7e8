//! One child process, or the same one many times over -> its CPU time, peak memory and wall time.

use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use crate::failure::Failure;
use crate::shell;

/// Runs a child so many times and prints what the kernel accounted to it and to the children it waited for.
/// `wait4` without unsafe code: python3 is there for Checkov anyway. The child starts as a copy of this
/// interpreter, so a peak below about 15 MB cannot be seen: an error against us only.
const WRAPPER: &str = r#"
import json, resource, subprocess, sys, time
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
def used():
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime, use.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before, _ = used() # of a launcher script that became this interpreter
start = time.monotonic()
codes = {subprocess.run(sys.argv[2:], **quiet).returncode for _ in range(int(sys.argv[1]))}
wall = time.monotonic() - start
cpu, rss = used()
print(json.dumps({"codes": sorted(codes), "cpu": cpu - before, "wall": wall, "rss": rss}))
"#;

#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) cpu_seconds: f64,
    pub(super) peak_megabytes: f64,
    pub(super) wall_seconds: f64,
}

impl Cost {
    /// The cheapest of several runs, each figure by itself: what is left of noise can only add.
    pub(super) fn least(runs: &[Self]) -> Self {
        let least = |figure: fn(&Self) -> f64| runs.iter().map(figure).fold(f64::INFINITY, f64::min);
        Self {
            cpu_seconds: least(|run| run.cpu_seconds),
            peak_megabytes: least(|run| run.peak_megabytes),
            wall_seconds: least(|run| run.wall_seconds),
        }
    }
}

/// Runs the program once, output thrown away; an exit code that is not among `expected` is a failure.
pub(super) fn cost(
    program: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    expected: &[i64],
) -> Result<Cost, Failure> {
    mean_cost(1, program, arguments, variables, expected)
}

/// The same so many times, one after the other: what one run costs in the mean, for work too short for the kernel's clock.
pub(super) fn mean_cost(
    times: u32,
    program: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    expected: &[i64],
) -> Result<Cost, Failure> {
    let mut python = Command::new("python3");
    python.current_dir(shell::root()).args(["-c", WRAPPER, &times.to_string()]).arg(program).args(arguments);
    let printed = shell::output(python.envs(variables.iter().copied()))?;
    let figures: serde_json::Value =
        serde_json::from_str(&printed).map_err(Failure::while_("output of the measuring script"))?;
    let number = |key: &str| figures[key].as_f64().ok_or_else(|| Failure::new(format!("no {key} measured")));
    let codes: Vec<i64> =
        figures["codes"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_i64).collect();
    if codes.is_empty() || codes.iter().any(|code| !expected.contains(code)) {
        let words = format!("{} {}: exit codes {codes:?}", program.display(), arguments.join(" "));
        return Err(Failure::new(words));
    }
    Ok(Cost {
        cpu_seconds: number("cpu")? / f64::from(times),
        peak_megabytes: number("rss")? / 1e6,
        wall_seconds: number("wall")? / f64::from(times),
    })
}

/// Median wall time from process start to exit.
pub(super) fn median_wall(program: &Path, arguments: &[&str], runs: usize) -> Result<Duration, Failure> {
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        command.status().map_err(Failure::while_(program.display()))?;
        times.push(start.elapsed());
    }
    times.sort();
    times.get(runs / 2).copied().ok_or_else(|| Failure::new("no run to take the median of"))
}
