//! The lab binary: the Go module beside this crate -> one program, built once per user and kept by the hash
//! of everything it is made of, with a hard link for each component.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use rustix::fs::FlockOperation;
use sha2::Digest;
use sha2::Sha256;

use crate::assets::PROGRAMS;
use crate::children::tail;
use crate::error::Error;
use crate::error::Result;
use crate::random::in_hex;
use crate::tier::Missing;
use crate::tier::Tier;

/// The module file is the one place where the version of Kubernetes stands.
const GO_MOD: &str = include_str!("../go.mod");
/// Oldest Go that builds it: the `go` line of the module file.
const OLDEST_GO: (u32, u32) = (1, 26);
/// A second line after fifteen seconds says that it goes on.
const PROGRESS: Duration = Duration::from_secs(15);
/// Keys that stay in the cache: the present one and that of another branch.
const KEPT: usize = 2;

/// The version of Kubernetes that the module pins: `v1.36.4`.
pub(crate) fn kubernetes_version() -> &'static str {
    let line = GO_MOD.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "));
    line.unwrap_or("v0.0.0").trim()
}

/// The folder with a link per component. Builds it if it is not there and `build` allows that.
pub(crate) fn folder(cache: &Path, build: bool) -> Result<PathBuf> {
    let go = Go::find()?;
    let folder = cache.join(go.key()?);
    if is_complete(&folder) {
        return Ok(folder);
    }
    if !build {
        let what = vec!["the lab binary is not built".into()];
        let hint = "unset RINGFENCE_LAB_BUILD, then `cargo xtask lab up` builds it once".into();
        return Err(Missing { tier: Tier::Api, what, hint }.into());
    }
    fs::create_dir_all(cache).map_err(Error::at(cache))?;
    let _alone = lock(cache)?;
    if !is_complete(&folder) {
        go.build(cache, &folder)?;
    }
    forget_old(cache, &folder)?;
    Ok(folder)
}

/// The Go toolchain on the search path.
struct Go {
    /// `go1.26.8`, operating system and architecture it builds for.
    target: Vec<String>,
}

impl Go {
    fn find() -> Result<Self> {
        let mut go = Command::new("go");
        let answer = go.args(["env", "GOVERSION", "GOOS", "GOARCH"]).current_dir(module()).output();
        let lacks = |what: String| {
            let (major, minor) = OLDEST_GO;
            let hint = format!(
                "install Go {major}.{minor} or newer and put `go` on the search path, \
                 or name a folder of programs in RINGFENCE_LAB_BIN"
            );
            Missing { tier: Tier::Api, what: vec![what], hint }
        };
        let output = answer.map_err(|error| lacks(format!("Go toolchain not found ({error})")))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if !output.status.success() {
            // A newer line in go.mod than the toolchain, and GOTOOLCHAIN=local.
            return Err(lacks(format!("Go toolchain too old ({})", text(&output.stderr))).into());
        }
        let target: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        let version = target.first().cloned().unwrap_or_default();
        match go_version(&version) {
            Some(found) if found >= OLDEST_GO => Ok(Self { target }),
            _ => Err(lacks(format!("Go toolchain too old ({version})")).into()),
        }
    }

    /// First 16 hex digits of the hash over the module's files, toolchain and target.
    fn key(&self) -> Result<String> {
        let mut files = vec![module().join("go.mod"), module().join("go.sum")];
        let entries = fs::read_dir(module()).map_err(Error::at(module()))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut sources: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "go")).collect();
        sources.sort();
        files.append(&mut sources);
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(bytes);
        };
        for file in files {
            add(file.file_name().unwrap_or_default().as_encoded_bytes());
            add(&fs::read(&file).map_err(Error::at(&file))?);
        }
        self.target.iter().for_each(|part| add(part.as_bytes()));
        Ok(in_hex(&hash.finalize(), 8))
    }

    /// Builds beside the folder and renames: a build that is cut off leaves nothing that looks complete.
    fn build(&self, cache: &Path, folder: &Path) -> Result<()> {
        let beside = cache.join(format!("build-{}", std::process::id()));
        remove(&beside)?;
        fs::create_dir(&beside).map_err(Error::at(&beside))?;
        let version = kubernetes_version();
        let go = self.target.first().map_or("go", String::as_str);
        say(&format!(
            "builds Kubernetes {version} with {go}, once for this user: 6 to 30 minutes, 5 GB of disk"
        ));
        let log = beside.join("build.log");
        compile(&beside.join("lab"), &log)?;
        for (name, _) in PROGRAMS {
            let link = beside.join(name);
            fs::hard_link(beside.join("lab"), &link).map_err(Error::at(&link))?;
        }
        remove(folder)?;
        fs::rename(&beside, folder).map_err(Error::at(folder))
    }
}

/// Runs the compiler, its output in a file, and says every 15 s that it goes on.
fn compile(program: &Path, log: &Path) -> Result<()> {
    let begin = Instant::now();
    let output = File::create(log).map_err(Error::at(log))?;
    let output_too = output.try_clone().map_err(Error::at(log))?;
    let mut go = Command::new("go");
    go.args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &linker_flags()]);
    // Four compilers at once need 3 GB of memory, more of them more than many machines have.
    go.args(["-p", "4"]).arg("-o").arg(program).arg(".").current_dir(module());
    go.env("CGO_ENABLED", "0").env("GOWORK", "off");
    go.stdin(Stdio::null()).stdout(output).stderr(output_too);
    let mut child = go.spawn().map_err(Error::io("go build"))?;
    let mut said = begin;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(Error::io("go build"))? {
            break status;
        }
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            let last = tail(log).lines().last().unwrap_or_default().to_owned();
            say(&format!("still building, {} s so far {last}", begin.elapsed().as_secs()));
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    if !status.success() {
        return Err(Error::other(format!("go build: {status}; the end of its output:\n{}", tail(log))));
    }
    say(&format!("built in {} s", begin.elapsed().as_secs()));
    Ok(())
}

/// Without these the server calls itself v0.0.0-master, and clients that look at its version fail.
fn linker_flags() -> String {
    let version = kubernetes_version();
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} \
         -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
    )
}

/// `(1, 26)` of `go1.26.8`.
fn go_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("go")?.split(['.', 'r', 'b', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The Go module: the folder of this crate. The lab only ever runs from a checkout.
fn module() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_complete(folder: &Path) -> bool {
    let complete = PROGRAMS.iter().all(|(name, _)| folder.join(name).is_file());
    // Its time says when the folder was last used. A cache that cannot be written is still one.
    let _ = complete.then(|| fs::write(folder.join("used"), ""));
    complete
}

fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("lock");
    let file = File::create(&path).map_err(Error::at(&path))?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        say("waits for another process that builds");
        let locked = rustix::fs::flock(&file, FlockOperation::LockExclusive);
        locked.map_err(|error| Error::at(&path)(error.into()))?;
    }
    Ok(file)
}

/// Removes what is neither the present key nor among the newest, and what a killed build left. Only under
/// the lock.
fn forget_old(cache: &Path, present: &Path) -> Result<()> {
    let entries = fs::read_dir(cache).map_err(Error::at(cache))?;
    let paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_key = |name: &str| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let used = |path: &PathBuf| {
        fs::metadata(path.join("used")).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut keys: Vec<PathBuf> =
        paths.iter().filter(|path| is_key(&name(path)) && *path != present).cloned().collect();
    keys.sort_by_key(|path| std::cmp::Reverse(used(path)));
    let unfinished = paths.iter().filter(|path| name(path).starts_with("build-"));
    keys.iter().skip(KEPT - 1).chain(unfinished).try_for_each(|path| remove(path))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::at(folder)(error)),
        _ => Ok(()),
    }
}

/// Straight to file descriptor 2: the output of a test that passes is not shown.
fn say(message: &str) {
    let _ = std::io::stderr().write_all(format!("lab: {message}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Temporary;

    #[test]
    fn the_module_file_gives_version_and_linker_flags() {
        assert!(kubernetes_version().starts_with("v1.36."), "{}", kubernetes_version());
        assert!(linker_flags().contains("gitMinor=36 "), "{}", linker_flags());
        assert!(GO_MOD.contains(&format!("\ngo {}.{}", OLDEST_GO.0, OLDEST_GO.1)));
        assert_eq!(go_version("go1.26.8"), Some((1, 26)));
        assert_eq!(go_version("go1.27rc1"), Some((1, 27)));
        assert_eq!(go_version("devel"), None);
    }

    #[test]
    fn the_two_newest_keys_stay() {
        let home = Temporary::new();
        let cache = home.state();
        let key = |digit: char| cache.join(String::from(digit).repeat(16));
        for (age, digit) in ['1', '2', '3'].into_iter().enumerate() {
            fs::create_dir(key(digit)).unwrap();
            let used = File::create(key(digit).join("used")).unwrap();
            used.set_modified(SystemTime::now() - Duration::from_secs(u64::try_from(age).unwrap() * 60))
                .unwrap();
        }
        fs::create_dir(cache.join("build-1")).unwrap();
        fs::create_dir(cache.join("other")).unwrap();
        // The present one is the oldest: another branch has just been built.
        forget_old(&cache, &key('3')).unwrap();
        let mut left: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        assert_eq!(left, [key('1'), key('3'), cache.join("other")]);
    }
}
