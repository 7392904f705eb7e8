//! Starting a lab: what is wanted -> programs, folder, supervisor -> a lab that is ready, or why not. The
//! supervisor outlives a test that is killed, and then ends the lab.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;

use crate::assets::Programs;
use crate::assets::Sources;
use crate::children::tail;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::home::SUPERVISOR;
use crate::lab::FakeNodeSpec;
use crate::lab::Published;
use crate::lab::Spec;
use crate::labtool;
use crate::node;
use crate::sweep::Care;
use crate::sweep::care;
use crate::sweep::clear;
use crate::tier::Missing;
use crate::tier::Tier;

/// What is asked of a new lab.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much of a cluster; the most that this machine can give where it is left open.
    pub tier: Option<Tier>,
    /// Further flags of the API server: `--feature-gates=X=true`.
    pub apiserver_flags: Vec<String>,
    /// Nodes without a kubelet that live as long as the lab.
    pub fake_nodes: Vec<FakeNodeSpec>,
}

/// A lab that is ready.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) home: Home,
    pub(crate) published: Published,
    /// The supervisor; its end of file begins the end of an owned lab.
    pub(crate) owner: Option<ChildStdin>,
    pub(crate) supervisor: Child,
}

/// Starts a lab and waits until it is ready. An owned one ends with this process.
pub(crate) fn launch(options: &Options, owned: bool) -> Result<Launched> {
    let (tier, mut programs) = choose(options.tier)?;
    if tier == Tier::Node {
        programs.add(labtool::LABTOOL, labtool::program(&Sources::of_environment()?.cache)?);
    }
    let program = supervisor_program()?;
    let home = Home::create()?;
    let spec = Spec {
        tier,
        programs: programs.linked_into(&home.programs()),
        apiserver_flags: options.apiserver_flags.clone(),
        fake_nodes: options.fake_nodes.clone(),
        owned,
        keep: std::env::var_os("RINGFENCE_LAB_KEEP").is_some_and(|keep| !keep.is_empty() && keep != "0"),
    };
    let mut supervisor = spec.write(&home).and_then(|()| spawn(&program, &home)).inspect_err(|_| {
        let _ = home.remove();
    })?;
    let owner = supervisor.stdin.take();
    let told = supervisor.stdout.take().map(|stdout| first_line(stdout, &home)).transpose();
    match told.and_then(|failure| failure.flatten().map_or(Ok(()), |failure| Err(Error::other(failure)))) {
        Ok(()) => {
            let published = Published::read(&home)?;
            Ok(Launched { home, published, owner, supervisor })
        }
        Err(failure) => {
            drop(owner);
            let _ = supervisor.wait();
            // It cleans up itself, unless it crashed.
            if care(&home) == Care::LeftBehind && !spec.keep {
                clear(&home)?;
            }
            Err(failure)
        }
    }
}

/// The tier that is wanted, or the highest that this machine gives, with the programs for it.
pub(crate) fn choose(wanted: Option<Tier>) -> Result<(Tier, Programs)> {
    let programs = Sources::of_environment()?.programs().map_err(|error| match error {
        Error::Missing(missing) => Missing { tier: wanted.unwrap_or(missing.tier), ..missing }.into(),
        other => other,
    })?;
    let lacks = node::lacks();
    let highest = match programs.tier() {
        Some(Tier::Node) if !lacks.is_empty() => Tier::ControlPlane,
        Some(tier) => tier,
        None => Tier::Api,
    };
    let tier = wanted.unwrap_or(highest);
    if tier <= highest {
        return Ok((tier, programs));
    }
    let missing = programs.lacking(tier);
    let of_programs = missing.iter().map(|name| format!("{name} not found"));
    let of_machine = lacks.iter().filter(|_| tier == Tier::Node).map(|(what, _)| what.clone());
    let mut hints: Vec<String> =
        lacks.iter().filter(|_| tier == Tier::Node).map(|(_, hint)| hint.clone()).collect();
    if !missing.is_empty() {
        hints.push("unset KUBEBUILDER_ASSETS and RINGFENCE_LAB_BIN, or complete their folders".into());
    }
    hints.dedup();
    let what = of_programs.chain(of_machine).collect();
    Err(Missing { tier, what, hint: hints.join("; ") }.into())
}

fn spawn(program: &Path, home: &Home) -> Result<Child> {
    let log_path = home.log_of(SUPERVISOR);
    let log = File::create(&log_path).map_err(Error::at(&log_path))?;
    let mut supervisor = Command::new(program);
    supervisor.arg("supervise").arg(home.path()).current_dir("/");
    supervisor.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    supervisor.spawn().map_err(Error::at(program))
}

/// What the supervisor tells: `None` if it is ready, else why not.
fn first_line(stdout: impl std::io::Read, home: &Home) -> Result<Option<String>> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(Error::io("supervisor"))?;
    let told: Value = serde_json::from_str(&line).unwrap_or_default();
    if told["ready"] == true {
        return Ok(None);
    }
    let reason = told["failed"].as_str().map_or_else(
        || format!("the supervisor of {} ended early: {}", home.name(), tail(&home.log_of(SUPERVISOR))),
        str::to_owned,
    );
    Ok(Some(reason))
}

/// The program that supervises. The library of a test process cannot do it itself: it is that of a running
/// lab, this one, or built from here.
fn supervisor_program() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(Error::io("own program"))?;
    if own.file_name() == Some(OsStr::new(PROGRAM)) {
        return Ok(own);
    }
    let attached = std::env::var_os("RINGFENCE_LAB").map(Home::at);
    let running = attached.and_then(|home| Some(Published::read(&home).ok()?.supervisor));
    if let Some(program) = running.filter(|program| program.is_file()) {
        return Ok(program);
    }
    build_program(&own)
}

/// File name of the supervisor's program.
const PROGRAM: &str = "ringfence-lab";

/// Cargo builds no programs of a dev-dependency: it is asked to, in the folder where this test lies
/// (`target/debug/deps/NAME`), so that it comes at once where everything is compiled.
fn build_program(own: &Path) -> Result<PathBuf> {
    let profile = own.ancestors().find(|folder| folder.ends_with("deps")).and_then(Path::parent);
    let (Some(profile), Some(target)) = (profile, profile.and_then(Path::parent)) else {
        return Err(Error::other(format!(
            "{}: not a test of cargo; the lab's program is unknown",
            own.display()
        )));
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--offline", "--package", PROGRAM, "--bin", PROGRAM, "--target-dir"]);
    cargo.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    match profile.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => {}
        Some(name) => drop(cargo.args(["--profile", name])),
    }
    let output = cargo.output().map_err(Error::io("cargo build"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::other(format!("cargo build of the lab's program: {message}")));
    }
    Ok(profile.join(PROGRAM))
}
