//! `cargo xtask check`: what a reviewer should not have to look for. Cheap steps first; the first that
//! fails ends the task. It installs nothing.

use std::fmt::Write;
use std::fs;

use crate::failure::Failure;
use crate::format;
use crate::generate;
use crate::shell;
use crate::tools;

pub(crate) fn run() -> Result<(), Failure> {
    let mut skipped = Vec::new();
    step("every .rs file says which room it is", first_lines)?;
    step("every dependency says what it is for", dependency_comments)?;
    step("format", format::check)?;
    match tools::cargo_deny() {
        Some(deny) => step("licences, bans and sources", || tools::deny(&deny))?,
        None => {
            skipped
                .push("licences, bans and sources: cargo-deny is not here; `cargo xtask test` installs it");
        }
    }
    step("lints", || clippy(&["--workspace", "--all-targets", "--all-features"]))?;
    step("lints without the Kubernetes client", || clippy(&["-p", "ringfence", "--no-default-features"]))?;
    step("generated files are fresh", generate::check)?;
    for skip in &skipped {
        println!("check: SKIPPED {skip}");
    }
    println!("check: all steps hold, {} skipped", skipped.len());
    Ok(())
}

fn step(name: &str, check: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    println!("check: {name}");
    check()
}

fn first_lines() -> Result<(), Failure> {
    let mut silent = String::new();
    for path in shell::files("*.rs")? {
        let text = fs::read_to_string(shell::root().join(&path)).map_err(Failure::while_(path.display()))?;
        if !text.starts_with("//!") {
            let _ = write!(silent, "\n  {}:1", path.display());
        }
    }
    all_named("first line is not `//!` (what enters, what leaves, what it must not know)", &silent)
}

fn dependency_comments() -> Result<(), Failure> {
    let manifest =
        fs::read_to_string(shell::root().join("Cargo.toml")).map_err(Failure::while_("Cargo.toml"))?;
    let bare = bare_dependencies(&manifest)
        .iter()
        .fold(String::new(), |list, line| list + &format!("\n  Cargo.toml:{line}"));
    all_named("dependency line has no comment on what it is for", &bare)
}

/// Numbers of the dependency lines without a comment; our own rooms need none.
fn bare_dependencies(manifest: &str) -> Vec<usize> {
    let mut inside = false;
    let mut bare = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.starts_with("[workspace.dependencies]");
        } else if inside
            && line.starts_with(|first: char| first.is_ascii_alphanumeric())
            && !line.contains("path = ")
            && !line.contains(" # ")
        {
            bare.push(index + 1);
        }
    }
    bare
}

fn all_named(wrong: &str, list: &str) -> Result<(), Failure> {
    if list.is_empty() { Ok(()) } else { Err(Failure::new(format!("{wrong}:{list}"))) }
}

fn clippy(what: &[&str]) -> Result<(), Failure> {
    let mut clippy = shell::cargo(["clippy", "--quiet"]);
    shell::run(clippy.args(what).args(["--", "-D", "warnings"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_line_of_a_dependency_without_comment() {
        let manifest = "[workspace]\nresolver = \"3\"\n[workspace.dependencies]\n# Shipped.\n\
                        a = \"1\" # for this\nours = { path = \"x\" }\nb = \"2\"\n[profile.dev]\nc = 1\n";
        assert_eq!(bare_dependencies(manifest), [7]);
    }
}
