//! `cargo xtask bench benign`: the formats' own libraries write ordinary files, the binary scans them: how many are not clean.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;

use super::Bar;
use crate::failure::Failure;
use crate::shell;
use crate::tools;

/// Where the scripts are, one per library.
const SCRIPTS: &str = "crates/model/peers/benign";
const FILES: usize = 500;

pub(super) fn run() -> Result<(), Failure> {
    let python = tools::install_benign_writers()?;
    let binary = build()?;
    let folder = super::folder("benign")?;
    println!("{}:\n", super::setting("cargo xtask bench benign"));
    println!(
        "| script | by | files | clean | review | incomplete | malicious |\n|---|---|---|---|---|---|---|"
    );
    let (mut total, mut different, mut told) = (Tally::default(), HashSet::new(), Vec::new());
    for script in scripts()? {
        let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (written, by) = write(&python, &script, &folder)?;
        different.extend(contents(&written)?);
        let scanned = scan(&binary, &written)?;
        let tally = tally(&scanned, &name, &mut told);
        println!("| {name} | {by} | {tally} |");
        total.add(&tally);
    }
    println!("| all | | {total} |\n");
    for line in &told {
        println!("- {line}");
    }
    println!();
    let (files, clean, malicious) = (different.len(), total.count("clean"), total.count("malicious"));
    let not_clean = total.files() - clean;
    super::print_bars(&[
        Bar {
            figure: "different files",
            promise: "at least 500",
            measured: files.to_string(),
            holds: files >= FILES,
        },
        Bar {
            figure: "ordinary files that are not clean",
            promise: "at most 1 %",
            measured: format!("{not_clean} of {}", total.files()),
            holds: not_clean * 100 <= total.files(),
        },
        Bar {
            figure: "ordinary files that are malicious",
            promise: "none",
            measured: malicious.to_string(),
            holds: malicious == 0,
        },
    ])
}

/// Files by verdict.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&self, verdict: &str) -> usize {
        self.0.get(verdict).copied().unwrap_or(0)
    }

    fn files(&self) -> usize {
        self.0.values().sum()
    }

    fn add(&mut self, other: &Self) {
        for (verdict, count) in &other.0 {
            *self.0.entry(verdict.clone()).or_default() += count;
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [clean, review, incomplete, malicious] =
            ["clean", "review", "incomplete", "malicious"].map(|verdict| self.count(verdict));
        write!(f, "{} | {clean} | {review} | {incomplete} | {malicious}", self.files())
    }
}

fn build() -> Result<PathBuf, Failure> {
    let mut cargo = shell::cargo(["build", "--quiet", "--locked", "--package", "ringfence"]);
    shell::run(cargo.args(["--target-dir", "target"]))?;
    Ok(shell::root().join("target/debug/ringfence"))
}

fn scripts() -> Result<Vec<PathBuf>, Failure> {
    let folder = shell::root().join(SCRIPTS);
    let entries = fs::read_dir(&folder).map_err(Failure::while_(folder.display()))?;
    let mut scripts: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|ending| ending == "py"));
    scripts.sort();
    Ok(scripts)
}

/// The folder that a script filled, and what it says it wrote with.
fn write(python: &Path, script: &Path, folder: &Path) -> Result<(PathBuf, String), Failure> {
    let written = folder.join(script.file_stem().unwrap_or_default());
    let mut command = Command::new(python);
    let by = shell::output(command.arg("-I").arg(script).arg(&written).stdin(Stdio::null()))?;
    Ok((written, by.trim().to_owned()))
}

/// Every file's bytes, so that two alike count once.
fn contents(folder: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Failure::while_(folder.display()))? {
        let path = entry.map_err(Failure::while_(folder.display()))?.path();
        if path.is_dir() {
            found.extend(contents(&path)?);
        } else {
            found.push(fs::read(&path).map_err(Failure::while_(path.display()))?);
        }
    }
    Ok(found)
}

fn scan(binary: &Path, folder: &Path) -> Result<Value, Failure> {
    let mut command = Command::new(binary);
    command.args(["model", "scan", "--format", "json"]).arg(folder).stderr(Stdio::inherit());
    let output = command.output().map_err(Failure::while_(binary.display()))?;
    if !matches!(output.status.code(), Some(0 | 1 | 3)) {
        return Err(Failure::new(format!("{} model scan: {}", binary.display(), output.status)));
    }
    serde_json::from_slice(&output.stdout).map_err(Failure::while_("the result of model scan"))
}

/// Counts, and tells of each file that is not clean.
fn tally(scan: &Value, script: &str, told: &mut Vec<String>) -> Tally {
    let mut tally = Tally::default();
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    for file in scan["files"].as_array().into_iter().flatten() {
        let verdict = text(&file["verdict"]);
        if verdict != "clean" {
            let words = |key: &str| {
                file[key].as_array().into_iter().flatten().map(|one| text(&one["message"])).collect()
            };
            let words: [Vec<String>; 2] = ["findings", "gaps"].map(words);
            told.push(format!("{script}/{}: {verdict}: {}", text(&file["path"]), words.concat().join("; ")));
        }
        *tally.0.entry(verdict).or_default() += 1;
    }
    tally
}
