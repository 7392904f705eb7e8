//! A place -> a new file that appears there whole or not at all. Where the system can, it has no name until it is whole:
//! whatever ends the process leaves nothing of it.

use std::fs;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::hash::RandomState;
use std::io;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

/// Names that are tried for a temporary file: one in 2^64 is there already, unless somebody guesses.
const TRIES: u32 = 16;

/// A file that is not in its place yet.
pub(super) struct Fresh {
    pub(super) file: File,
    /// The name that it has until then, beside its place. Nothing of that name is left behind.
    name: Option<PathBuf>,
}

impl Fresh {
    /// A new file for `place`. Until it has its rights it is the owner's alone, where it takes the place of another.
    pub(super) fn new(place: &Path, is_private: bool) -> io::Result<Self> {
        // A name that cannot be one is told before the work.
        if let Err(error) = fs::symlink_metadata(place)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mode = if is_private { 0o600 } else { 0o666 };
        match unnamed(place, mode) {
            Some(file) => Ok(Self { file, name: None }),
            None => Self::named(place, mode),
        }
    }

    /// One with a name. Whoever fills the folder may have put links to files of the user there: none is followed, and nobody
    /// can foretell the name.
    fn named(place: &Path, mode: u32) -> io::Result<Self> {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(mode);
        #[cfg(not(unix))]
        let _ = mode;
        let (file, name) = at_new_name(place, |name| options.open(name))?;
        Ok(Self { file, name: Some(name) })
    }

    /// Puts it in its place, and takes away what was there.
    pub(super) fn put(mut self, place: &Path) -> io::Result<()> {
        if self.name.is_none() {
            match link(&self.file, place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                linked => return linked,
            }
            // A link takes nobody's place: it needs a name for the moment of the exchange.
            let ((), name) = at_new_name(place, |name| link(&self.file, name))?;
            self.name = Some(name);
        }
        if let Some(name) = &self.name {
            fs::rename(name, place)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Half a file must not stay; that it cannot be removed either changes nothing.
            let _ = fs::remove_file(name);
        }
    }
}

/// What `make` makes under a name beside `place` that nobody has, and that name.
fn at_new_name<T>(place: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
    let mut left = TRIES;
    loop {
        // Keyed by the random numbers of the system.
        let random = RandomState::new().hash_one(left);
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{random:016x}.tmp"));
        let name = place.with_file_name(name);
        match make(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && left > 0 => left -= 1,
            made => return made.map(|made| (made, name)),
        }
    }
}

/// A file in the folder of `place` that has no name (open(2), O_TMPFILE), if the file system has such and it can get one later.
#[cfg(all(target_os = "linux", feature = "models"))]
fn unnamed(place: &Path, mode: u32) -> Option<File> {
    use rustix::fs::Mode;
    use rustix::fs::OFlags;

    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(folder, flags, Mode::from_raw_mode(mode)).ok()?.into();
    fs::metadata(of_system(&file)).is_ok().then_some(file)
}

#[cfg(not(all(target_os = "linux", feature = "models")))]
fn unnamed(_: &Path, _: u32) -> Option<File> {
    None
}

/// Gives a file without a name this one (open(2), O_TMPFILE).
#[cfg(all(target_os = "linux", feature = "models"))]
fn link(file: &File, name: &Path) -> io::Result<()> {
    use rustix::fs::AtFlags;
    use rustix::fs::CWD;

    Ok(rustix::fs::linkat(CWD, of_system(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(all(target_os = "linux", feature = "models")))]
fn link(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What the system calls a file that is open.
#[cfg(all(target_os = "linux", feature = "models"))]
fn of_system(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    use super::super::tests::folder;
    use super::super::tests::names;
    use super::*;

    #[test]
    fn no_link_by_the_name_of_a_temporary_file_is_followed() {
        let folder = folder("planted");
        let (own, place) = (folder.join("own"), folder.join("r.json"));
        fs::write(&own, "of the user").unwrap();
        let planted = format!("r.json.{}.tmp", std::process::id());
        symlink("own", folder.join(&planted)).unwrap();
        // No two have one name, and nothing that ends early leaves one.
        let (one, other) = (Fresh::named(&place, 0o600).unwrap(), Fresh::named(&place, 0o600).unwrap());
        assert_ne!(one.name, other.name);
        assert_eq!(names(&folder).len(), 4);
        drop((one, other));
        assert_eq!(names(&folder), ["own".to_owned(), planted.clone()]);
        let mut fresh = Fresh::named(&place, 0o600).unwrap();
        fresh.file.write_all(b"new").unwrap();
        fresh.put(&place).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "new");
        assert_eq!(fs::read_to_string(&own).unwrap(), "of the user");
        assert_eq!(names(&folder), ["own".to_owned(), "r.json".to_owned(), planted]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_without_a_name_takes_a_place_that_is_free_or_taken() {
        let folder = folder("unnamed");
        let place = folder.join("r.json");
        let Some(file) = unnamed(&place, 0o600) else { return };
        assert_eq!(names(&folder), [""; 0]);
        Fresh { file, name: None }.put(&place).unwrap();
        for text in ["one", "other"] {
            let mut fresh = Fresh::new(&place, true).unwrap();
            fresh.file.write_all(text.as_bytes()).unwrap();
            assert_eq!(names(&folder), ["r.json"]);
            fresh.put(&place).unwrap();
            assert_eq!(
                (names(&folder), fs::read_to_string(&place).unwrap()),
                (vec!["r.json".to_owned()], text.to_owned())
            );
        }
        // A folder is nobody's place, and nothing stays of what was to go there.
        fs::create_dir(folder.join("taken")).unwrap();
        Fresh::new(&folder.join("taken"), true).unwrap().put(&folder.join("taken")).unwrap_err();
        assert_eq!(names(&folder), ["r.json", "taken"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
