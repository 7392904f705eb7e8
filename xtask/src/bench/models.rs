//! `cargo xtask bench models`: the scan of models as a whole process, beside PyPI's picklescan, interleaved.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use super::Bar;
use super::live::built;
use super::measure;
use super::measure::Cost;
use crate::failure::Failure;
use crate::shell;
use crate::tools;

const RUNS: usize = 3;
const FILES: usize = 10_000;
/// One thread against all, by the clock: of so many pairs the fastest of each.
const PAIRS: usize = 7;
/// What `pickle.dumps` gives for a list of one number.
const TINY: &[u8] = b"\x80\x04\x95\x06\0\0\0\0\0\0\0]\x94K\x01a.";

pub(super) fn run() -> Result<(), Failure> {
    let (peer, version) = tools::install_picklescan()?;
    let mut cargo = shell::cargo(["build", "--quiet", "--locked", "--release", "--target-dir", "target"]);
    shell::run(cargo.args(["--package", "ringfence"]))?;
    println!("{}, picklescan {version}.\n", super::setting("cargo xtask bench models"));
    let folder = super::folder("models")?;
    let (tiny, small) = (folder.join("tiny.pkl"), folder.join("small"));
    fs::write(&tiny, TINY).map_err(Failure::while_(tiny.display()))?;
    write_small(&small)?;

    let sides = Sides { ours: built("ringfence"), theirs: peer };
    println!("| what | run | Ringfence CPU-s | wall s | peak MB | picklescan CPU-s | wall s | peak MB |");
    println!("|---|---|---|---|---|---|---|---|");
    let start = sides.compare("start and a tiny file", &tiny, (200, 5))?;
    let many = sides.compare("10,000 small pickles", &small, (1, 1))?;
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        one.push(sides.scan(&small, 1, &[("RAYON_NUM_THREADS", "1")])?);
        all.push(sides.scan(&small, 1, &[])?);
    }
    println!();
    super::print_bars(&bars(start, many, (Cost::least(&one), Cost::least(&all))))
}

struct Sides {
    ours: PathBuf,
    theirs: PathBuf,
}

impl Sides {
    /// The least of the runs, each the mean of so many.
    fn compare(&self, what: &str, path: &Path, times: (u32, u32)) -> Result<(Cost, Cost), Failure> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 1..=RUNS {
            let our = self.scan(path, times.0, &[])?;
            let their = self.scan_with_peer(path, times.1)?;
            println!(
                "| {what} | {run} | {:.4} | {:.4} | {:.0} | {:.3} | {:.3} | {:.0} |",
                our.cpu_seconds,
                our.wall_seconds,
                our.peak_megabytes,
                their.cpu_seconds,
                their.wall_seconds,
                their.peak_megabytes,
            );
            ours.push(our);
            theirs.push(their);
        }
        Ok((Cost::least(&ours), Cost::least(&theirs)))
    }

    fn scan(&self, path: &Path, times: u32, variables: &[(&str, &str)]) -> Result<Cost, Failure> {
        let path = path.to_string_lossy();
        measure::mean_cost(times, &self.ours, &["model", "scan", &path], variables, &[0])
    }

    fn scan_with_peer(&self, path: &Path, times: u32) -> Result<Cost, Failure> {
        let path = path.to_string_lossy();
        measure::mean_cost(times, &self.theirs, &["--path", &path], &[], &[0])
    }
}

/// An `OrderedDict` of 64 words and numbers in each, 200 opcodes in 3 kB.
fn write_small(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::while_(folder.display()))?;
    let mut bytes = b"\x80\x04ccollections\nOrderedDict\n)R(".to_vec();
    for number in 0..64_u8 {
        bytes.extend([0x8c, 40]);
        bytes.extend([b'a' + number % 26; 40]);
        bytes.extend([0x94, b'K', number]);
    }
    bytes.extend(b"u.");
    for number in 0..FILES {
        let path = folder.join(format!("{number}.pkl"));
        fs::write(&path, &bytes).map_err(Failure::while_(path.display()))?;
    }
    Ok(())
}

fn bars(start: (Cost, Cost), many: (Cost, Cost), (one, all): (Cost, Cost)) -> [Bar; 5] {
    let milliseconds = start.0.wall_seconds * 1e3;
    let cpu = |cost: Cost| cost.cpu_seconds;
    let (less_start, less_many) = (cpu(start.1) / cpu(start.0), cpu(many.1) / cpu(many.0));
    let faster = one.wall_seconds / all.wall_seconds;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    [
        Bar {
            figure: "start and a tiny file, process start to exit",
            promise: "at most 5 ms",
            measured: format!("{milliseconds:.1} ms, {:.1} ms of CPU, mean of 200", cpu(start.0) * 1e3),
            holds: milliseconds <= 5.0,
        },
        Bar {
            figure: "the same, CPU beside picklescan",
            promise: "at least 16 times less",
            measured: format!("{less_start:.0} times less"),
            holds: less_start >= 16.0,
        },
        Bar {
            figure: "10,000 small pickles",
            promise: "at most 0.2 CPU-s",
            measured: format!("{:.3} CPU-s", cpu(many.0)),
            holds: cpu(many.0) <= 0.2,
        },
        Bar {
            figure: "the same, beside picklescan",
            promise: "at least 15 times less",
            measured: format!("{less_many:.0} times less"),
            holds: less_many >= 15.0,
        },
        Bar {
            figure: "10,000 small pickles, all cores against one thread, by the clock",
            promise: "at least 1.8 times faster on two",
            measured: format!(
                "{faster:.2} times on {cores}: {:.3} and {:.3} s",
                all.wall_seconds, one.wall_seconds
            ),
            holds: faster >= 1.8,
        },
    ]
}
