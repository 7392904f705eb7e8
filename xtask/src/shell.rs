//! Running programs: the repository root, cargo with a clean environment, output streamed line by line.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use crate::failure::Failure;

/// The repository: the folder above this crate.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The cargo that runs this task, in the repository root. Variables that make a test rewrite what it
/// should compare do not reach it.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    for variable in ["UPDATE", "INSTA_FORCE_PASS", "INSTA_FORCE_UPDATE"] {
        command.env_remove(variable);
    }
    command.env("INSTA_UPDATE", "no");
    command
}

/// Runs to the end with the terminal attached; anything but exit code 0 is a failure.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(Failure::while_(describe(command)))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{}: {status}", describe(command)))) }
}

/// Runs to the end and gives what it wrote to stdout; anything but exit code 0 is a failure.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(Failure::while_(describe(command)))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{}: {}", describe(command), output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end, passes each line of stdout through at once and shows it to `see`; says whether the
/// exit code was 0.
pub(crate) fn stream(command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool, Failure> {
    let doing = describe(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(Failure::while_(&doing))?;
    if let Some(stdout) = child.stdout.take() {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(Failure::while_(&doing))? > 0 {
            std::io::stdout().lock().write_all(&line).map_err(Failure::while_("stdout"))?;
            see(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
    }
    Ok(child.wait().map_err(Failure::while_(&doing))?.success())
}

/// Where a program is, if it is on the search path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The repository's files with this ending, tracked or new, ignored ones left out.
pub(crate) fn files(ending: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", ending]);
    let listed = output(&mut git)?;
    let mut files: Vec<PathBuf> = listed
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file()) // deleted, but not yet in the index
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().take(6).map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
