//! What is judged, and where somebody stands -> the `ringfence.yaml` in force. docs/adr/0003: it never lies with what it
//! judges, and it belongs to whoever runs the command.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use crate::exit::Usage;
use crate::exit::Wrong;

/// Name of the file.
const NAME: &str = "ringfence.yaml";

/// Linux follows as many links (path_resolution(7)), then it says that they go in circles.
const MAX_LINKS: usize = 40;

/// Where the file is, and those that were passed over.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The file as it is called, and what was opened under that name: nobody can exchange it between check and use.
    pub(super) file: Option<(PathBuf, File)>,
    /// One line for each that stands near and decides nothing, with the reason.
    pub(super) passed_over: Vec<String>,
}

/// The file that was named, if it does not lie inside of what it would judge.
pub(super) fn named(path: &Path, judged: &Path) -> anyhow::Result<Found> {
    outside("--config", path, judged)?;
    let file = ringfence_inventory::open_named(path)
        .map_err(|error| Wrong::new(format!("--config {}", path.display()), error))?;
    Ok(Found { file: Some((path.to_owned(), file)), passed_over: Vec::new() })
}

/// Searches from the working directory upwards, as long as that is no part of what is judged.
pub(super) fn search(judged: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let Ok(stand) = std::env::current_dir() else { return Ok(found) };
    // What cannot be resolved is told by the command itself.
    let Ok(with_it) = folders(judged) else { return Ok(found) };
    let is_inside = is_within(&stand, &with_it);
    for with_it in &with_it {
        let beside = |folder: &Path| {
            folder == with_it.path || is_inside || !is_within(&stand, &[Place::of(folder.to_owned())])
        };
        for folder in with_it.path.ancestors().take_while(|folder| beside(folder)) {
            let path = folder.join(NAME);
            let words = format!(
                "{} decides nothing: it may have come with what is judged (--config names one)",
                path.display()
            );
            if path.symlink_metadata().is_ok() && !found.passed_over.contains(&words) {
                found.passed_over.push(words);
            }
        }
    }
    if is_inside {
        return Ok(found);
    }
    for folder in stand.ancestors() {
        let path = folder.join(NAME);
        match fs::symlink_metadata(&path) {
            Ok(_) => {
                outside(NAME, &path, judged)?;
                let file = ours(&path, &path.display().to_string())?;
                found.file = Some((path, file));
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unread(&path, &error).into()),
        }
    }
    Ok(found)
}

/// Refuses a file that lies inside of what is judged, or beside a file that is judged, also where a link in there leads
/// elsewhere: who fills the folder would decide.
pub(crate) fn outside(what: &str, path: &Path, judged: &Path) -> anyhow::Result<()> {
    // What cannot be resolved is told where it is read.
    let (Ok(trail), Ok(with_it)) = (trail(path), folders(judged)) else { return Ok(()) };
    if trail.iter().any(|place| is_within(place, &with_it)) {
        let words = format!(
            "{what} {}: lies inside of what it would judge, or beside it; keep it elsewhere, once you have read it",
            path.display()
        );
        return Err(Usage(words).into());
    }
    Ok(())
}

/// Whether the way to `path` goes through `model`, a folder or a file: it lies in there, or a link in there leads to it.
pub(crate) fn leads_through(path: &Path, model: &Path) -> bool {
    let (Ok(trail), Ok(model)) = (trail(path), fs::canonicalize(model)) else { return false };
    let model = [Place::of(model)];
    trail.iter().any(|place| is_within(place, &model))
}

/// A folder or file by its path, and by what the system has there: one volume may be mounted at two places.
struct Place {
    path: PathBuf,
    id: Option<(u64, u64)>,
}

impl Place {
    fn of(path: PathBuf) -> Self {
        let id = id(&path);
        Self { path, id }
    }
}

fn id(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Whether `path` is one of these places or lies below one.
fn is_within(path: &Path, places: &[Place]) -> bool {
    let is_one = |above: &Path| {
        let own = id(above);
        places.iter().any(|place| place.path == above || own.is_some() && own == place.id)
    };
    path.ancestors().any(is_one)
}

/// The folders that come with what is judged: itself, or those of a file, where it was typed and where it lies. A hub's cache
/// has links alone in the one, and the bytes in the other.
fn folders(judged: &Path) -> io::Result<Vec<Place>> {
    let real = fs::canonicalize(judged)?;
    if real.is_dir() {
        return Ok(vec![Place::of(real)]);
    }
    let typed = std::path::absolute(judged)?;
    let mut folders: Vec<Place> = Vec::new();
    for file in [&typed, &real] {
        let folder = fs::canonicalize(file.parent().unwrap_or(file))?;
        if folders.iter().all(|other| other.path != folder) {
            folders.push(Place::of(folder));
        }
    }
    Ok(folders)
}

/// Every place that decides where a path leads: the links that are followed, and the end, which need not be there.
fn trail(path: &Path) -> io::Result<Vec<PathBuf>> {
    let backwards = |path: &Path| -> Vec<OsString> {
        path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
    };
    let mut left = backwards(&std::path::absolute(path)?);
    let mut at = PathBuf::new();
    let mut trail = Vec::new();
    while let Some(part) = left.pop() {
        if Path::new(&part).components().next() == Some(Component::ParentDir) {
            at.pop();
            continue;
        }
        at.push(part);
        if let Ok(target) = fs::read_link(&at) {
            trail.push(at.clone());
            if trail.len() > MAX_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            at.pop();
            left.extend(backwards(&target));
        }
    }
    trail.push(at);
    Ok(trail)
}

/// Opens a file that was found, or that such a file names, unless others may write it, or put it there: it, the links that
/// lead to it and all folders on the way belong to the user or to root, and nobody else may write to them. Where a folder is
/// sticky (`/tmp`), nobody exchanges what another user has in it (inode(7)).
pub(super) fn ours(path: &Path, what: &str) -> anyhow::Result<File> {
    let wrong = |error: io::Error| Wrong::new(what, error);
    let refused = |why: &str| {
        Usage(format!("{what}: {why}; --config uses it all the same, --key or --allow does without it"))
    };
    let trail = trail(path).map_err(wrong)?;
    for place in &trail {
        let metadata = fs::symlink_metadata(place).map_err(wrong)?;
        // The rights of a link are none.
        if !is_own(&metadata) {
            return Err(refused(OF_ANOTHER).into());
        }
    }
    let file = ringfence_inventory::open_named(path).map_err(wrong)?;
    if let Some(why) = of_others(&file.metadata().map_err(wrong)?) {
        return Err(refused(why).into());
    }
    for folder in trail.iter().flat_map(|place| place.ancestors().skip(1)) {
        let metadata = fs::symlink_metadata(folder).map_err(wrong)?;
        let is_sticky = metadata.mode() & 0o1000 != 0;
        if let Some(why) = of_others(&metadata).filter(|why| !is_sticky || *why == OF_ANOTHER) {
            let folder = folder.display();
            let cure =
                if why == OF_ANOTHER { String::new() } else { format!(" (`chmod go-w {folder}` ends that)") };
            return Err(
                refused(&format!("its folder {folder} {why}, who may exchange what is in it{cure}")).into()
            );
        }
    }
    Ok(file)
}

const OF_ANOTHER: &str = "belongs to another user";

/// Why others than the user and root decide what a file holds, or a folder.
fn of_others(metadata: &fs::Metadata) -> Option<&'static str> {
    match metadata.mode() {
        _ if !is_own(metadata) => Some(OF_ANOTHER),
        mode if mode & 0o002 != 0 => Some("can be written by everybody"),
        mode if mode & 0o020 != 0 && !is_private(metadata.gid()) => Some("can be written by its group"),
        _ => None,
    }
}

/// Whether a group is the user's alone. Debian, Ubuntu and Fedora make one for each user, and everything that the user makes
/// may be written by it (umask 0002). Groups of a directory service are not looked up: they count as those of others.
fn is_private(group: u32) -> bool {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let user = rustix::process::geteuid().as_raw();
    is_private_in(&text("/etc/passwd"), &text("/etc/group"), user, group)
}

/// passwd(5) and group(5): the group has the user's name and no other member, and is nobody else's first one.
fn is_private_in(passwd: &str, groups: &str, user: u32, group: u32) -> bool {
    let number = |field: Option<&&str>| field.and_then(|field| field.parse::<u32>().ok());
    let users: Vec<Vec<&str>> = passwd.lines().map(|line| line.split(':').collect()).collect();
    let own = users.iter().find(|row| number(row.get(2)) == Some(user)).and_then(|row| row.first());
    let Some(own) = own else { return false };
    let is_first_of_others =
        users.iter().any(|row| number(row.get(3)) == Some(group) && number(row.get(2)) != Some(user));
    let mut groups = groups.lines().map(|line| line.split(':').collect::<Vec<&str>>());
    let found = groups.find(|row| number(row.get(2)) == Some(group));
    let is_named_so = found.is_some_and(|row| {
        let members = row.get(3).copied().unwrap_or_default();
        row.first() == Some(own) && members.split(',').all(|member| member.is_empty() || member == *own)
    });
    is_named_so && !is_first_of_others
}

/// Whether it belongs to the user or to root.
fn is_own(metadata: &fs::Metadata) -> bool {
    [rustix::process::geteuid().as_raw(), 0].contains(&metadata.uid())
}

fn unread(path: &Path, error: &io::Error) -> Usage {
    Usage(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_one_user_is_private_and_no_other_is() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n\
                      eve:x:1002:1003::/home/eve:/bin/sh\n";
        let groups = "root:x:0:\nann:x:1000:\nbob:x:1001:bob,ann\nml:x:1003:\ndot:x:1004:\n";
        for (user, group, expected) in [
            (1000, 1000, true),
            (0, 0, true),
            // With another member, of another name, another's first, of nobody, and of a user who is not listed.
            (1001, 1001, false),
            (1000, 1004, false),
            (1002, 1003, false),
            (1000, 1001, false),
            (1000, 7, false),
            (7, 1000, false),
        ] {
            assert_eq!(is_private_in(passwd, groups, user, group), expected, "{user} and {group}");
        }
        let shared = passwd.replace("eve:x:1002:1003", "eve:x:1002:1000");
        assert!(!is_private_in(&shared, groups, 1000, 1000));
        assert!(!is_private_in("", "", 0, 0));
    }
}
