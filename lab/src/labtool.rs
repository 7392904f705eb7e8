//! The static program that runs in the lab's pods: the crate beside this one -> one file, built once per user
//! and kept by the hash of its sources and of the compiler.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use sha2::Digest as _;
use sha2::Sha256;

use crate::error::Error;
use crate::error::Result;
use crate::image::hex;

/// Name of the program, and of its place among a lab's programs.
pub(crate) const LABTOOL: &str = "labtool";

/// The program, built if it is not in the cache.
///
/// glibc is linked into it (`+crt-static`): no other target of the toolchain has to be installed for that. The
/// target is named although it is the host's: without `--target` the flag would reach build scripts and
/// procedural macros too, and those cannot be static.
pub(crate) fn program(cache: &Path) -> Result<PathBuf> {
    let target = host()?;
    let folder = cache.join(format!("{LABTOOL}-{}", key(&target)?));
    let program = folder.join(LABTOOL);
    if program.is_file() {
        return Ok(program);
    }
    let work = cache.join(format!("{LABTOOL}-target"));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--offline", "--locked", "--release", "--package", "ringfence-labtool"]);
    cargo.arg("--target").arg(triple(&target)).arg("--target-dir").arg(&work).current_dir(sources());
    // Flags of whoever runs the tests (coverage, sanitizers) have no place in the pods.
    for variable in
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"]
    {
        cargo.env_remove(variable);
    }
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static").stdin(Stdio::null());
    let output = cargo.output().map_err(Error::io("cargo build of labtool"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::other(format!("cargo build of labtool: {said}")));
    }
    fs::create_dir_all(&folder).map_err(Error::at(&folder))?;
    let built = work.join(triple(&target)).join("release").join(LABTOOL);
    // Under its name only when it is whole: another process may look at the same time.
    let beside = folder.join(format!("{LABTOOL}.{}", std::process::id()));
    fs::copy(&built, &beside).map_err(Error::at(&built))?;
    fs::rename(&beside, &program).map_err(Error::at(&program))?;
    forget_old(cache, &folder)?;
    Ok(program)
}

/// Removes what earlier sources gave, but for the newest. A lab that runs has a link of its own.
fn forget_old(cache: &Path, present: &Path) -> Result<()> {
    let entries = fs::read_dir(cache).map_err(Error::at(cache))?;
    let is_key = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix("labtool-").is_some_and(|key| key.len() == 16) && path != present
    };
    let mut old: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_key(path)).collect();
    old.sort_by_key(|path| fs::metadata(path).and_then(|folder| folder.modified()).ok());
    old.pop();
    old.iter().try_for_each(|path| fs::remove_dir_all(path).map_err(Error::at(path)))
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(LABTOOL)
}

/// What the compiler says about itself: version and host.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        Command::new(rustc).arg("-vV").current_dir(sources()).output().map_err(Error::io("rustc -vV"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `x86_64-unknown-linux-gnu` of `host: x86_64-unknown-linux-gnu`.
fn triple(version: &str) -> &str {
    version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default()
}

/// Hash over compiler, lock file and sources.
fn key(version: &str) -> Result<String> {
    let mut files =
        vec![sources().join("Cargo.toml"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock")];
    let folder = sources().join("src");
    let entries = fs::read_dir(&folder).map_err(Error::at(&folder))?;
    files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    files.sort();
    let mut hash = Sha256::new();
    hash.update(version);
    for file in &files {
        hash.update(fs::read(file).map_err(Error::at(file))?);
    }
    Ok(hex(&hash.finalize()[..8]))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use super::*;
    use crate::home::Home;

    #[test]
    fn the_key_follows_the_compiler() {
        assert_eq!(
            triple("rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n"),
            "x86_64-unknown-linux-gnu"
        );
        assert_eq!(key("a").unwrap().len(), 16);
        assert_ne!(key("a").unwrap(), key("b").unwrap());
    }

    #[test]
    fn the_cache_keeps_this_key_and_the_newest_of_the_others() {
        let home = Home::create().unwrap();
        let folder = |name: &str| home.state().join(name);
        let names = ["labtool-00000000000000aa", "labtool-00000000000000bb", "labtool-00000000000000cc"];
        for (age, name) in names.iter().enumerate() {
            fs::create_dir(folder(name)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_hours(u64::try_from(age).unwrap());
            fs::File::open(folder(name)).unwrap().set_modified(time).unwrap();
        }
        for name in ["labtool-target", "00000000000000aa"] {
            fs::create_dir(folder(name)).unwrap();
        }
        forget_old(&home.state(), &folder(names[0])).unwrap();
        let mut left: Vec<String> = fs::read_dir(home.state())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["00000000000000aa", names[0], names[2], "labtool-target"]);
        home.remove().unwrap();
    }
}
