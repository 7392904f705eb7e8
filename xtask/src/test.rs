//! `cargo xtask test`: installs what is missing after saying so, runs everything, counts everything.
//! A test that did not run is skipped, with its reason, and never passed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::cosign;
use crate::failure::Failure;
use crate::lab;
use crate::libtest;
use crate::libtest::Ignored;
use crate::libtest::Tally;
use crate::shell;
use crate::tools;

pub(crate) fn run() -> Result<(), Failure> {
    let mut total = Tally::default();
    let mut notes = Vec::new();
    total += dependencies(&mut notes);
    let (tally, ignored) = workspace(&mut notes)?;
    total += tally;
    total += without_client(&mut notes)?;
    let (lab, others): (Vec<_>, Vec<_>) = ignored.into_iter().partition(needs_cluster);
    for tally in [components(others, &mut notes)?, clusters(&lab, &mut notes)?] {
        total.skipped = total.skipped.saturating_sub(tally.passed + tally.failed + tally.skipped);
        total += tally;
    }
    for module in go_modules()? {
        total += go_tests(&module, &mut notes)?;
    }
    close(total, &notes)
}

/// Prints the closing line: the last thing on stdout.
fn close(total: Tally, notes: &[String]) -> Result<(), Failure> {
    println!();
    for note in notes {
        println!("test: {note}");
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed > 0 { Err(Failure::already_said()) } else { Ok(()) }
}

fn dependencies(notes: &mut Vec<String>) -> Tally {
    match tools::install_cargo_deny().and_then(|deny| tools::deny(&deny)) {
        Ok(()) => Tally::PASS,
        Err(failure) => {
            notes.push(format!("FAILED licences, bans and sources: {failure}"));
            Tally::FAIL
        }
    }
}

fn workspace(notes: &mut Vec<String>) -> Result<(Tally, Vec<Ignored>), Failure> {
    let mut ignored = Vec::new();
    let mut cargo = shell::cargo(["test", "--workspace", "--no-fail-fast"]);
    let tally = cargo_test(&mut cargo, notes, |line| ignored.extend(Ignored::read(line)))?;
    Ok((tally, ignored))
}

/// The binary again, without the Kubernetes client: what reads files must not need it.
fn without_client(notes: &mut Vec<String>) -> Result<Tally, Failure> {
    let mut cargo =
        shell::cargo(["test", "--package", "ringfence", "--no-default-features", "--no-fail-fast"]);
    cargo_test(&mut cargo, notes, |_| ())
}

/// Runs the ignored tests whose component is here. What they add to the count they take off the skipped.
fn components(ignored: Vec<Ignored>, notes: &mut Vec<String>) -> Result<Tally, Failure> {
    let signing = model_signing(&ignored, notes);
    let history = model_signing_history(&ignored, notes);
    let peers = model_peers(&ignored, notes);
    let cosign = cosign_if_built(&ignored, notes);
    let here = |component: &str| match component {
        MODEL_SIGNING => signing.is_some(),
        MODEL_SIGNING_HISTORY => signing.is_some() && history.is_some(),
        MODEL_PEERS => peers.is_some(),
        COSIGN => cosign.is_some(),
        other => present(other),
    };
    let (runnable, missing): (Vec<_>, Vec<_>) =
        ignored.into_iter().partition(|test| test.component().is_some_and(here));
    for test in missing {
        let reason = if test.reason.is_empty() { "ignored without a reason" } else { &test.reason };
        notes.push(format!("SKIPPED {}: {reason}", test.name));
    }
    if runnable.is_empty() {
        return Ok(Tally::default());
    }
    let mut tests = ignored_tests(&runnable);
    tests.envs(signing.map(|program| ("RINGFENCE_MODEL_SIGNING", program)));
    tests.envs(history.map(|folder| ("RINGFENCE_MODEL_SIGNING_HISTORY", folder)));
    tests.envs(peers.map(|python| ("RINGFENCE_MODEL_PEERS", python)));
    tests.envs(cosign.map(|program| ("RINGFENCE_COSIGN", program)));
    cargo_test(&mut tests, notes, |_| ())
}

/// The peer of `model sign`, installed where a test asks for it.
const MODEL_SIGNING: &str = "model-signing";

fn model_signing(ignored: &[Ignored], notes: &mut Vec<String>) -> Option<PathBuf> {
    ignored.iter().find(|test| test.component() == Some(MODEL_SIGNING))?;
    let installed = tools::install_model_signing();
    installed.map_err(|failure| notes.push(format!("{MODEL_SIGNING} is not installed: {failure}"))).ok()
}

/// What that peer was before.
const MODEL_SIGNING_HISTORY: &str = "model-signing-history";

fn model_signing_history(ignored: &[Ignored], notes: &mut Vec<String>) -> Option<PathBuf> {
    ignored.iter().find(|test| test.component() == Some(MODEL_SIGNING_HISTORY))?;
    let installed = tools::install_model_signing_history();
    installed
        .map_err(|failure| notes.push(format!("{MODEL_SIGNING_HISTORY} is not installed: {failure}")))
        .ok()
}

/// A python3 with the libraries of formats, installed where a test asks for it.
const MODEL_PEERS: &str = "model-peers";

fn model_peers(ignored: &[Ignored], notes: &mut Vec<String>) -> Option<PathBuf> {
    ignored.iter().find(|test| test.component() == Some(MODEL_PEERS))?;
    let installed = tools::install_model_peers();
    installed.map_err(|failure| notes.push(format!("{MODEL_PEERS} are not installed: {failure}"))).ok()
}

/// Another judge of `model sign`: too long a build for every run of the tests.
const COSIGN: &str = "cosign";

fn cosign_if_built(ignored: &[Ignored], notes: &mut Vec<String>) -> Option<PathBuf> {
    ignored.iter().find(|test| test.component() == Some(COSIGN))?;
    let built = cosign::built();
    if built.is_none() {
        notes.push("cosign is not built: `cargo xtask install cosign` builds it, once for this user".into());
    }
    built
}

/// Runs the tests that need a cluster, in one lab that all test binaries share. A test that recorded a skip
/// has not passed.
fn clusters(tests: &[Ignored], notes: &mut Vec<String>) -> Result<Tally, Failure> {
    if tests.is_empty() {
        return Ok(Tally::default());
    }
    let mut inside = lab::around(&ignored_tests(tests))?;
    let mut tally = cargo_test(&mut inside, notes, |_| ())?;
    for skip in lab::skips()? {
        notes.push(format!("SKIPPED {}: {}", skip.test, skip.reason));
        tally.passed = tally.passed.saturating_sub(1);
        tally.skipped += 1;
    }
    Ok(tally)
}

/// `needs lab tier 1b: ...`, or `needs cluster: ...` for which the lab will do.
fn needs_cluster(test: &Ignored) -> bool {
    matches!(test.component(), Some("lab" | "cluster"))
}

fn ignored_tests(tests: &[Ignored]) -> Command {
    let mut cargo = shell::cargo(["test", "--workspace", "--no-fail-fast", "--tests", "--"]);
    cargo.args(["--ignored", "--exact"]).args(tests.iter().map(|test| &test.name));
    cargo
}

/// A component is a program on the search path; `root` is the user.
fn present(component: &str) -> bool {
    match component {
        "root" => shell::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0"),
        program => shell::on_path(program).is_some(),
    }
}

fn cargo_test(
    cargo: &mut Command,
    notes: &mut Vec<String>,
    mut see: impl FnMut(&str),
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let success = shell::stream(cargo, |line| {
        if let Some(binary) = libtest::closing_line(line) {
            tally += binary;
        }
        notes.extend(libtest::failed_test(line).map(|name| format!("FAILED {name}")));
        see(line);
    })?;
    if !success && tally.failed == 0 {
        notes.push("FAILED cargo test ended without a result: a build error or an aborted test".into());
        tally += Tally::FAIL;
    }
    Ok(tally)
}

/// The judges written in Go: each folder of `lab/` with a go.mod.
fn go_modules() -> Result<Vec<PathBuf>, Failure> {
    let lab = shell::root().join("lab");
    let entries = fs::read_dir(&lab).map_err(Failure::while_(lab.display()))?;
    let mut modules: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|folder| folder.join("go.mod").is_file())
        .collect();
    modules.sort();
    Ok(modules)
}

fn go_tests(module: &PathBuf, notes: &mut Vec<String>) -> Result<Tally, Failure> {
    let name = module.strip_prefix(shell::root()).unwrap_or(module).display();
    if shell::on_path("go").is_none() {
        notes.push(format!("SKIPPED {name}: needs go, 1.22 or newer"));
        return Ok(Tally::SKIP);
    }
    let mut go = Command::new("go");
    go.current_dir(module).args(["test", "-v", "./..."]);
    go.env("GOFLAGS", "-mod=readonly -buildvcs=false").env("GOTOOLCHAIN", "local");
    let mut tally = Tally::default();
    let success = shell::stream(&mut go, |line| {
        if let Some(test) = libtest::go_line(line) {
            tally += test;
        }
    })?;
    if !success && tally.failed == 0 {
        notes.push(format!("FAILED {name}: go test ended without a result"));
        tally += Tally::FAIL;
    }
    Ok(tally)
}
