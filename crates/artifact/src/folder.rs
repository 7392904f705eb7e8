//! Room `artifact`: a folder enters, files below it leave that no link leads to, each the one that was listed or an error.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::CWD;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::Identity;
use crate::OpenError;
use crate::OpenFile;

/// What of a path is needed to look at what is below it.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A folder, open: what its path shows later is of no concern to what is opened below it.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// A file that was listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What the path is below of, and no link is followed in any part of it; none where a file was asked for by its own path.
    pub folder: Option<Arc<Folder>>,
    /// Where it is.
    pub path: PathBuf,
    /// What it was.
    pub identity: Identity,
}

impl Folder {
    /// Opens the folder at `path`, which may be a link.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        Ok(Self { descriptor: rustix::fs::openat(CWD, &path, FOLDER, Mode::empty())?, path })
    }

    /// Opens the file at `below`. A link in any part of it is an error, and so is `..`.
    pub fn file(&self, below: &Path) -> Result<OpenFile, OpenError> {
        // As for a file by its path: a pipe without a writer would block the open itself.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match self.resolve(below, flags) {
            // An old kernel, or a filter of system calls that does not know this one.
            Err(Errno::NOSYS | Errno::PERM) => self.step(below, flags),
            opened => opened,
        };
        OpenFile::new(File::from(opened.map_err(io::Error::from)?), self.path.join(below))
    }

    #[cfg(target_os = "linux")]
    fn resolve(&self, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        use rustix::fs::ResolveFlags;
        let rule = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.descriptor, below, flags, Mode::empty(), rule)
    }

    #[cfg(not(target_os = "linux"))]
    fn resolve(&self, _: &Path, _: OFlags) -> Result<OwnedFd, Errno> {
        Err(Errno::NOSYS)
    }

    /// The same, one part after the other.
    fn step(&self, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut folder = None;
        let mut parts = below.components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(part) = part else { return Err(Errno::XDEV) };
            let from = folder.as_ref().unwrap_or(&self.descriptor);
            if parts.peek().is_none() {
                return rustix::fs::openat(from, part, flags, Mode::empty());
            }
            folder = Some(rustix::fs::openat(from, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?);
        }
        Err(Errno::NOENT)
    }
}

impl Listed {
    /// Opens the very version that was listed. Where it is another, or is there no more, it has changed.
    pub fn open(&self) -> Result<OpenFile, OpenError> {
        let opened = match &self.folder {
            Some(folder) => folder.file(&self.path),
            None => OpenFile::open(&self.path, true),
        };
        match opened {
            Ok(file) if file.identity() == self.identity => Ok(file),
            Ok(_) | Err(OpenError::NotRegular) => Err(OpenError::Changed),
            Err(OpenError::Io(error)) if is_another(&error) => Err(OpenError::Changed),
            Err(error) => Err(error),
        }
    }
}

/// Whether what was a file before is none now, or is behind a link.
fn is_another(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::Source as _;

    #[test]
    fn no_part_of_a_path_may_be_a_link() {
        let root = std::env::temp_dir().join(format!("ringfence-artifact-folder-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("model/sub")).unwrap();
        fs::create_dir_all(root.join("outside")).unwrap();
        fs::write(root.join("model/sub/file"), b"1").unwrap();
        fs::write(root.join("outside/file"), b"1").unwrap();
        symlink("sub", root.join("model/inside")).unwrap();
        symlink("../outside", root.join("model/leaves")).unwrap();
        symlink("file", root.join("model/sub/link")).unwrap();
        let folder = Folder::open(root.join("model")).unwrap();
        assert_eq!(folder.file(Path::new("sub/file")).unwrap().len(), 1);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
        assert!(folder.step(Path::new("sub/file"), flags).is_ok());
        for path in ["inside/file", "leaves/file", "sub/link", "../outside/file", "sub/none", "/proc/version"]
        {
            assert!(folder.file(Path::new(path)).is_err(), "{path}");
            assert!(folder.step(Path::new(path), flags).is_err(), "{path}, part by part");
        }
        // The folder that was opened, whatever its name leads to by now.
        fs::rename(root.join("model"), root.join("moved")).unwrap();
        symlink("outside", root.join("model")).unwrap();
        assert!(folder.file(Path::new("sub/file")).is_ok());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_not_what_was_listed_has_changed() {
        let root = std::env::temp_dir().join(format!("ringfence-artifact-listed-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/file"), b"1").unwrap();
        let identity = Identity::of(&fs::symlink_metadata(root.join("sub/file")).unwrap());
        let folder = Some(Arc::new(Folder::open(&root).unwrap()));
        let listed = Listed { folder, path: "sub/file".into(), identity };
        assert!(listed.open().is_ok());
        fs::write(root.join("other"), b"1").unwrap();
        fs::rename(root.join("other"), root.join("sub/file")).unwrap();
        assert!(matches!(listed.open(), Err(OpenError::Changed)), "another file of the same length");
        fs::remove_dir_all(root.join("sub")).unwrap();
        assert!(matches!(listed.open(), Err(OpenError::Changed)), "gone");
        symlink("/", root.join("sub")).unwrap();
        assert!(matches!(listed.open(), Err(OpenError::Changed)), "behind a link");
        fs::remove_dir_all(root).unwrap();
    }
}
