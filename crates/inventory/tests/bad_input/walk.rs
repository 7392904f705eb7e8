//! Bad input: what a walk through folders meets: links, loops, pipes, nothing, and what the user may not read.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use ringfence_finding::Reason;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Source;
use ringfence_inventory::collect;

use crate::POD;
use crate::folder;
use crate::reasons;
use crate::scan;

#[cfg(unix)]
#[test]
fn links_loops_pipes_and_odd_names_do_not_stop_the_walk() {
    use std::os::unix::fs::symlink;
    let (path, outside) = (folder("links"), folder("links-outside"));
    fs::write(outside.join("secret.yaml"), POD.replace("name: p", "name: outside")).unwrap();
    fs::create_dir(path.join("a")).unwrap();
    fs::write(path.join("a/pod.yaml"), POD).unwrap();
    symlink(&path, path.join("a/up")).unwrap();
    symlink("a", path.join("b")).unwrap();
    symlink(path.join("self"), path.join("self")).unwrap();
    symlink(outside.join("secret.yaml"), path.join("out.yaml")).unwrap();
    symlink(&outside, path.join("out")).unwrap();
    symlink("nowhere.yaml", path.join("dangling.yaml")).unwrap();
    fs::create_dir(path.join(".git")).unwrap();
    fs::write(path.join(".git/pod.yaml"), POD.replace("name: p", "name: git")).unwrap();
    let made = Command::new("mkfifo").arg(path.join("pipe.yaml")).status().unwrap();
    assert!(made.success());
    let odd = "x\u{1b}[31m\n\u{202e}.yaml";
    fs::write(path.join(odd), POD.replace("name: p", "name: odd")).unwrap();
    let started = Instant::now();
    let inventory = scan(&path);
    assert!(started.elapsed() < Duration::from_secs(5), "the pipe was opened");
    let names: Vec<&str> = inventory.pods().map(|pod| &*pod.object().name).collect();
    assert_eq!(names, ["p", "odd"]);
    let mut places: Vec<(String, Reason)> = inventory
        .coverage
        .blind
        .iter()
        .filter_map(|blind| {
            Some((blind.location.as_ref()?.file.rsplit('/').next()?.to_owned(), blind.reason))
        })
        .collect();
    places.sort();
    let not = |name: &str| (name.to_owned(), Reason::NotSearched);
    assert_eq!(
        places,
        [not(".git"), not("dangling.yaml"), not("out"), not("out.yaml"), not("pipe.yaml"), not("self")]
    );
    assert!(!inventory.coverage.is_incomplete());
}

#[test]
fn nothing_to_read_is_nothing_not_an_error() {
    let inventory = scan(&folder("empty"));
    assert_eq!(inventory.objects().len(), 0);
    assert_eq!(inventory.coverage.percent(), None);
    assert_eq!(inventory.coverage.files.seen, 0);
    let missing = collect(&[Source::Path(folder("missing").join("x"))], &Options::default());
    assert!(missing.is_err_and(|error| error.to_string().contains("missing/x")));
    for text in ["", "\n\n", "# only\n", "---\n---\n", "\u{feff}"] {
        let inventory = Inventory::from_text(text);
        assert_eq!(inventory.coverage.documents.parsed, 0, "{text:?}");
        assert_eq!(inventory.coverage.documents.empty, inventory.coverage.documents.found, "{text:?}");
        assert_eq!(reasons(&inventory.coverage), [], "{text:?}");
    }
}

/// Set in the child that plays a user without rights: the folder to scan.
const AS_NOBODY: &str = "RINGFENCE_TEST_AS_NOBODY";

#[cfg(unix)]
#[test]
fn what_the_user_may_not_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(path) = std::env::var_os(AS_NOBODY) {
        return scan_without_rights(Path::new(&path));
    }
    let path = std::env::temp_dir().join(format!("ringfence-no-rights-{}", std::process::id()));
    fs::create_dir_all(path.join("closed")).unwrap();
    fs::write(path.join("closed/pod.yaml"), POD).unwrap();
    fs::write(path.join("closed.yaml"), POD).unwrap();
    fs::write(path.join("open.yaml"), POD).unwrap();
    let binary = path.join("test");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&path, 0o755);
    mode(&binary, 0o755);
    mode(&path.join("closed"), 0);
    mode(&path.join("closed.yaml"), 0);
    if fs::read(path.join("closed.yaml")).is_err() {
        scan_without_rights(&path);
    } else {
        as_nobody(&path, &binary);
    }
    mode(&path.join("closed"), 0o700);
    fs::remove_dir_all(&path).unwrap();
}

/// Root reads everything: the same test again, in a child that is nobody.
#[cfg(unix)]
fn as_nobody(path: &Path, binary: &Path) {
    let child = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(binary)
        .args(["--exact", "walk::what_the_user_may_not_read_is_named", "--nocapture"])
        .env(AS_NOBODY, path)
        .current_dir("/")
        .output()
        .expect("as root this test needs setpriv of util-linux; or run it as another user");
    let told = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{told}\n{}", String::from_utf8_lossy(&child.stderr));
    assert!(told.contains("scanned without rights"), "{told}");
}

fn scan_without_rights(path: &Path) {
    let inventory = scan(path);
    let mut denied: Vec<&str> = inventory
        .coverage
        .blind
        .iter()
        .filter(|blind| blind.reason == Reason::NoAccess)
        .filter_map(|blind| blind.location.as_ref()?.file.rsplit('/').next())
        .collect();
    denied.sort_unstable();
    assert_eq!(denied, ["closed", "closed.yaml"]);
    assert_eq!(inventory.pods().len(), 1);
    assert!(inventory.coverage.is_incomplete());
    println!("scanned without rights");
}
