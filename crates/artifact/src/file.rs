//! Room `artifact`: a path enters, one version of one regular file leaves, or the reason why not.

use std::fs::File;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::ReadError;
use crate::Source;

/// A regular file, open for reading by position.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    path: PathBuf,
    identity: Identity,
}

/// A file that is not read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder, device, pipe or socket: opening it may block, and reading it may never end.
    #[error("a folder, pipe, socket or device, where a file was expected")]
    NotRegular,
    /// It is not the version that was listed, or not there any more.
    #[error("changed since it was listed")]
    Changed,
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What makes two looks at a path the same version of the same file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Identity {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl OpenFile {
    /// Opens `path`. Its last part may be a link only if `follow` says so.
    pub fn open(path: impl Into<PathBuf>, follow: bool) -> Result<Self, OpenError> {
        let path = path.into();
        // A pipe without a writer would block the open itself.
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        if !follow {
            flags |= OFlags::NOFOLLOW;
        }
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        Self::new(OpenOptions::new().read(true).custom_flags(flags).open(&path)?, path)
    }

    /// A file that was opened without blocking, and the path that shows it.
    pub(crate) fn new(file: File, path: PathBuf) -> Result<Self, OpenError> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(OpenError::NotRegular);
        }
        Ok(Self { file, path, identity: Identity::of(&metadata) })
    }

    /// The version that was opened.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether the path still shows the version that was opened, and it ends where it said. Ask it after the last read. The
    /// descriptor keeps the number of its file from being given to another one, so that what the path shows is what the
    /// descriptor has.
    pub fn verify(&self) -> Result<(), ReadError> {
        // procfs, and FUSE with direct_io, tell a length of 0 and have bytes: a loader reads to the end, whatever was told.
        match self.file.read_at(&mut [0], self.identity.len) {
            Ok(0) => {}
            Ok(_) => return Err(ReadError::Changed),
            Err(error) => return Err(ReadError::Io { at: self.identity.len, cause: Arc::new(error) }),
        }
        let shown = std::fs::metadata(&self.path);
        let unchanged = shown.is_ok_and(|metadata| Identity::of(&metadata) == self.identity);
        if unchanged { Ok(()) } else { Err(ReadError::Changed) }
    }
}

impl Source for OpenFile {
    fn len(&self) -> u64 {
        self.identity.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let rest = usize::try_from(self.identity.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = rest.min(buffer.len());
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..want).filter(|rest| !rest.is_empty()) {
            let from = at.saturating_add(done as u64);
            match self.file.read_at(rest, from) {
                // Shorter than it was when it was opened.
                Ok(0) => return Err(ReadError::Changed),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io { at: from, cause: Arc::new(error) }),
            }
        }
        Ok(done)
    }
}

impl Identity {
    /// Of one look; of a link itself where the look was at the link.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Device and inode: the same for each name of one file.
    pub fn place(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Length in bytes.
    pub fn bytes(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ringfence-artifact-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_that_changes_or_is_replaced_is_an_error() {
        let folder = folder("changes");
        let path = folder.join("model");
        std::fs::write(&path, b"0123456789").unwrap();
        let open = OpenFile::open(&path, false).unwrap();
        open.verify().unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"x").unwrap();
        assert!(matches!(open.verify(), Err(ReadError::Changed)));

        let open = OpenFile::open(&path, false).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(4).unwrap();
        let mut buffer = [0; 11];
        assert!(matches!(open.read_at(0, &mut buffer), Err(ReadError::Changed)));

        let open = OpenFile::open(&path, false).unwrap();
        std::fs::write(folder.join("other"), b"0123").unwrap();
        std::fs::rename(folder.join("other"), &path).unwrap();
        assert!(matches!(open.verify(), Err(ReadError::Changed)), "the path shows another file");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_with_more_bytes_than_its_length_is_an_error() {
        // Regular, of 0 bytes, and a line of text.
        let open = OpenFile::open("/proc/version", true).unwrap();
        assert_eq!(open.len(), 0);
        assert!(matches!(open.verify(), Err(ReadError::Changed)));
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let folder = folder("kinds");
        std::fs::write(folder.join("file"), b"x").unwrap();
        std::os::unix::fs::symlink("file", folder.join("link")).unwrap();
        let pipe = folder.join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_bits_truncate(0o600),
            0,
        )
        .unwrap();
        assert!(matches!(OpenFile::open(&pipe, false), Err(OpenError::NotRegular)));
        assert!(matches!(OpenFile::open(&folder, false), Err(OpenError::NotRegular)));
        assert!(OpenFile::open(folder.join("link"), false).is_err());
        assert_eq!(OpenFile::open(folder.join("link"), true).unwrap().len(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
