//! `cargo xtask lab`: the lab's own program, run through cargo; and the lab of a test run, shared by all
//! test binaries. It knows the program by its words and its environment only.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;

use crate::failure::Failure;
use crate::shell;
use crate::tools;

/// Passes the words on; standard output is the program's alone, for a shell to eval.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let mut cargo = shell::cargo(["run", "--quiet", "--package", "ringfence-lab", "--"]);
    let status = cargo.args(words).status().map_err(Failure::while_("cargo run"))?;
    if status.success() { Ok(()) } else { Err(Failure::already_said()) }
}

/// A skip that a test recorded because this machine lacks something.
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// Turns a run of `cargo test` into one inside a lab that ends with it, as high as this machine goes. A
/// cluster that the environment names is used instead.
pub(crate) fn around(cargo: &Command) -> Result<Command, Failure> {
    let skipped = skipped_file();
    match fs::remove_file(&skipped) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::while_(skipped.display())(error));
        }
        _ => {}
    }
    let named = ["RINGFENCE_TEST_KUBECONFIG", "RINGFENCE_LAB"].into_iter().find(|name| is_set(name));
    let program = program()?;
    let wrapped = if let Some(name) = named {
        println!("test: uses the cluster that {name} names");
        None
    } else {
        install_packages(&program);
        is_possible(&program).then_some(program)
    };
    let mut command = Command::new(wrapped.as_deref().unwrap_or(Path::new(cargo.get_program())));
    if wrapped.is_some() {
        command.args(["exec", "--"]).arg(cargo.get_program());
    }
    command.args(cargo.get_args()).current_dir(shell::root());
    for (name, value) in cargo.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("RINGFENCE_LAB_SKIPPED", skipped);
    Ok(command)
}

/// The skips that the tests of the last run recorded.
pub(crate) fn skips() -> Result<Vec<Skip>, Failure> {
    let file = skipped_file();
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(Failure::while_(file.display()))?,
    };
    text.lines().map(|line| skip(line).map_err(Failure::while_(file.display()))).collect()
}

fn skip(line: &str) -> Result<Skip, serde_json::Error> {
    let record: Value = serde_json::from_str(line)?;
    let text = |key: &str| record[key].as_str().unwrap_or("?").to_owned();
    let what: Vec<&str> = record["what"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let reason = format!("no lab tier {}: {} ({})", text("tier"), what.join(", "), text("hint"));
    Ok(Skip { test: text("test"), reason })
}

/// The program lies beside this one: the tests of the workspace have just been built there, this among them.
fn program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(Failure::while_("own program"))?;
    let program = own.with_file_name("ringfence-lab");
    if program.is_file() {
        Ok(program)
    } else {
        Err(Failure::new(format!("{}: not built; the tests of the workspace build it", program.display())))
    }
}

/// Whether this machine has what any lab needs. Says what it lacks, as the tests will.
fn is_possible(program: &Path) -> bool {
    let mut check = Command::new(program);
    check.arg("programs").current_dir(shell::root()).stdout(Stdio::null());
    check.status().is_ok_and(|status| status.code() != Some(3))
}

fn install_packages(program: &Path) {
    let listed = shell::output(Command::new(program).arg("packages")).unwrap_or_default();
    let packages: Vec<&str> = listed.lines().collect();
    if let Err(failure) = tools::install_packages(&packages) {
        println!("test: not installed: {failure}; what needs it will be skipped");
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn skipped_file() -> PathBuf {
    shell::root().join("target/lab/skipped.jsonl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_a_reason() {
        let line = r#"{"test":"facts::taint::x","tier":"2","what":["not root","runc not found"],"hint":"run as root"}"#;
        let skip = skip(line).unwrap();
        assert_eq!(skip.test, "facts::taint::x");
        assert_eq!(skip.reason, "no lab tier 2: not root, runc not found (run as root)");
        assert!(super::skip("{").is_err());
    }
}
