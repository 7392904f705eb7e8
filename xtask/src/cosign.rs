//! cosign, which judges what `model sign` and `model keygen` write: a Go module with locked sums -> one program, built by
//! command only, kept per user and version.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::shell;
use crate::tools;

/// The module file is the one place where the version stands.
const GO_MOD: &str = include_str!("../peers/cosign/go.mod");
const PACKAGE: &str = "github.com/sigstore/cosign/v3";

/// The program, if it was built.
pub(crate) fn built() -> Option<PathBuf> {
    Some(folder().join("cosign")).filter(|program| program.is_file())
}

/// Builds it unless it is there, and says what that takes before it starts.
pub(crate) fn install() -> Result<(), Failure> {
    if let Some(program) = built() {
        println!("{} is there", program.display());
        return Ok(());
    }
    let folder = folder();
    println!(
        "builds cosign {} into {}, once for this user: 200 CPU-seconds where Go has built Kubernetes before, more where not",
        version(),
        folder.display()
    );
    let beside = folder.with_extension(format!("build-{}", std::process::id()));
    fs::create_dir_all(&beside).map_err(Failure::while_(beside.display()))?;
    let made = compile(&beside.join("cosign"))
        .and_then(|()| fs::rename(&beside, &folder).map_err(Failure::while_(folder.display())));
    if made.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    made
}

fn compile(program: &Path) -> Result<(), Failure> {
    let mut go = Command::new("go");
    go.current_dir(shell::root().join("xtask/peers/cosign"));
    go.args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-p", "4", "-o"]);
    go.arg(program).arg(format!("{PACKAGE}/cmd/cosign"));
    go.env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOTOOLCHAIN", "local");
    shell::run(&mut go)
}

fn folder() -> PathBuf {
    tools::cache().join(format!("cosign-{}", version()))
}

/// `v3.1.1`.
fn version() -> &'static str {
    let line = GO_MOD
        .lines()
        .find_map(|line| line.trim_start().trim_start_matches("require ").strip_prefix(PACKAGE));
    line.and_then(|line| line.split_whitespace().next()).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_module_files() {
        assert_eq!(version(), "v3.1.1");
    }
}
