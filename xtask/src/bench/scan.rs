//! `cargo xtask bench scan`: Ringfence beside Checkov on the generated repository, interleaved.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use super::Bar;
use super::measure;
use super::measure::Cost;
use super::tree;
use crate::failure::Failure;
use crate::shell;
use crate::tools;

const RUNS: usize = 3;
const OBJECTS: usize = 10_000;
const CHECKOV: [&str; 7] =
    ["--framework", "kubernetes", "--quiet", "--compact", "--skip-download", "-o", "json"];

/// Exit codes of a scan that did its work: clean, findings, incomplete.
const SCANNED: [i64; 3] = [0, 1, 3];

const SMALL: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: 'registry.example/web:1.4', ports: [{containerPort: 8080}]}
";

pub(super) fn run() -> Result<(), Failure> {
    let ringfence = build()?;
    let (checkov, version) = tools::install_checkov()?;
    let repository = super::folder("tree")?;
    let tally = tree::write_repository(&repository)?;
    let objects = super::folder("objects")?;
    tree::write_objects(&objects, OBJECTS)?;

    println!("{}, Checkov {version}.\nThe repository: {tally}.\n", super::setting("cargo xtask bench scan"));
    let (ours, theirs) = compare(&ringfence, &checkov, &repository)?;
    let many = (0..RUNS).map(|_| scan(&ringfence, &objects)).collect::<Result<Vec<_>, _>>()?;
    let small = super::folder("small")?.join("deployment.yaml");
    fs::write(&small, SMALL).map_err(Failure::while_(small.display()))?;
    let wall = measure::median_wall(&ringfence, &["scan", &small.to_string_lossy()], 20)?;
    let size = fs::metadata(&ringfence).map_err(Failure::while_(ringfence.display()))?.len();
    super::print_bars(&bars(ours, theirs, Cost::least(&many), wall.as_secs_f64() * 1e3, size))
}

fn build() -> Result<PathBuf, Failure> {
    let mut cargo =
        shell::cargo(["build", "--quiet", "--locked", "--profile", "dist", "--package", "ringfence"]);
    shell::run(cargo.args(["--no-default-features", "--target-dir", "target"]))?;
    Ok(shell::root().join("target/dist/ringfence"))
}

/// Three interleaved runs of each, printed as they come; the least of each.
fn compare(ringfence: &Path, checkov: &Path, repository: &Path) -> Result<(Cost, Cost), Failure> {
    println!("| run | Ringfence CPU-s | peak MB | Checkov CPU-s | peak MB | less CPU | memory |");
    println!("|---|---|---|---|---|---|---|");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        let (our, their) = (scan(ringfence, repository)?, scan_with_checkov(checkov, repository)?);
        print_run(&run.to_string(), our, their);
        ours.push(our);
        theirs.push(their);
    }
    let (ours, theirs) = (Cost::least(&ours), Cost::least(&theirs));
    print_run("least", ours, theirs);
    println!();
    Ok((ours, theirs))
}

fn print_run(name: &str, ours: Cost, theirs: Cost) {
    println!(
        "| {name} | {:.3} | {:.0} | {:.1} | {:.0} | {:.0}x | 1/{:.0} |",
        ours.cpu_seconds,
        ours.peak_megabytes,
        theirs.cpu_seconds,
        theirs.peak_megabytes,
        theirs.cpu_seconds / ours.cpu_seconds,
        theirs.peak_megabytes / ours.peak_megabytes,
    );
}

fn scan(ringfence: &Path, folder: &Path) -> Result<Cost, Failure> {
    measure::cost(ringfence, &["scan", &folder.to_string_lossy()], &[], &SCANNED)
}

fn scan_with_checkov(checkov: &Path, folder: &Path) -> Result<Cost, Failure> {
    let folder = folder.to_string_lossy();
    let arguments = [["-d", &folder].as_slice(), &CHECKOV].concat();
    measure::cost(checkov, &arguments, &[], &[0, 1])
}

fn bars(ours: Cost, theirs: Cost, many: Cost, wall_ms: f64, size: u64) -> [Bar; 6] {
    let less_cpu = theirs.cpu_seconds / ours.cpu_seconds;
    let less_memory = theirs.peak_megabytes / ours.peak_megabytes;
    [
        Bar {
            figure: "CPU, beside Checkov",
            promise: "at least 250 times less",
            measured: format!("{less_cpu:.0} times less"),
            holds: less_cpu >= 250.0,
        },
        Bar {
            figure: "peak memory, beside Checkov",
            promise: "at most 1/20",
            measured: format!("1/{less_memory:.1}"),
            holds: less_memory >= 20.0,
        },
        Bar {
            figure: "10,000 objects",
            promise: "under 2 CPU-s",
            measured: format!("{:.2} CPU-s", many.cpu_seconds),
            holds: many.cpu_seconds < 2.0,
        },
        Bar {
            figure: "10,000 objects, peak memory",
            promise: "under 150 MB",
            measured: format!("{:.0} MB", many.peak_megabytes),
            holds: many.peak_megabytes < 150.0,
        },
        Bar {
            figure: "one small manifest, process start to exit",
            promise: "under 50 ms",
            measured: format!("{wall_ms:.1} ms, median of 20"),
            holds: wall_ms < 50.0,
        },
        Bar {
            figure: "stripped `dist` binary",
            promise: "at most 10 MB",
            measured: format!("{:.1} MB", to_megabytes(size)),
            holds: size <= 10_000_000,
        },
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a file size, printed with one decimal")]
fn to_megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
