//! Room `inventory`: a file that a user named -> its bytes, up to a bound. It waits for no pipe that has a name, and reads no
//! device that never ends.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;

/// Opens a file that is meant to be one. What somebody has opened already is taken as it is (`<(...)` of a shell,
/// `/dev/stdin`), and `/dev/null` is an empty file.
///
/// Neither this nor reading the file waits for anybody, also where a pipe takes the place of the file between two looks at it,
/// or the file is one of the kernel's (`/proc/kmsg`).
pub fn open_named(path: &Path) -> io::Result<File> {
    if is_opened(path) {
        return File::open(path);
    }
    // Opening a device may do something: a tape is wound back.
    regular(path, &fs::metadata(path)?)?;
    let file = open_at_once(path)?;
    regular(path, &file.metadata()?)?;
    Ok(file)
}

fn regular(path: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    let Some(kind) = special(path, metadata) else { return Ok(()) };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{kind}, where a file was expected")))
}

#[cfg(unix)]
fn open_at_once(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// All of such a file, or an error that states the bound where it has more than `limit` bytes.
pub fn read_named(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_opened(open_named(path)?, limit)
}

/// All of a file that is open already, with the same bound.
pub fn read_opened(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len().min(limit);
    // What a password or key is read into is not moved, so that wiping it leaves no copy.
    let room = usize::try_from(length).unwrap_or(0).saturating_add(1);
    read_into(Vec::with_capacity(room), file, limit)
}

/// As [`read_named`], where text is meant.
pub fn read_named_text(path: &Path, limit: u64) -> io::Result<String> {
    text(read_named(path, limit)?)
}

/// All text of a stream, up to a bound.
pub fn read_bounded_text(stream: impl Read, limit: u64) -> io::Result<String> {
    text(read_into(Vec::new(), stream, limit)?)
}

fn read_into(mut bytes: Vec<u8>, stream: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    stream.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8: {}", error.utf8_error()))
    })
}

/// Names of what a process has open.
fn is_opened(path: &Path) -> bool {
    path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd") || path == Path::new("/dev/stdin")
}

/// What it is, if reading it could wait or go on for ever.
#[cfg(unix)]
fn special(path: &Path, metadata: &fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        return Some("a pipe");
    }
    let is_device = kind.is_char_device() || kind.is_block_device();
    let is_null = || fs::canonicalize(path).is_ok_and(|path| path == Path::new("/dev/null"));
    (is_device && !is_null()).then_some("a device")
}

#[cfg(not(unix))]
fn special(_: &Path, _: &fs::Metadata) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_kept_and_stated() {
        let file = std::env::temp_dir().join(format!("ringfence-named-{}", std::process::id()));
        fs::write(&file, "12345").unwrap();
        assert_eq!(read_named(&file, 5).unwrap(), b"12345");
        assert_eq!(read_named(&file, 4).unwrap_err().to_string(), "larger than 4 bytes");
        fs::write(&file, b"a\xff").unwrap();
        assert!(read_named_text(&file, 5).unwrap_err().to_string().starts_with("not UTF-8"));
        fs::remove_file(&file).unwrap();
        assert_eq!(read_named(&file, 5).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(read_bounded_text(io::repeat(b'x'), 9).unwrap_err().to_string(), "larger than 9 bytes");
    }

    #[test]
    fn what_never_ends_is_refused_and_nothing_is_nothing() {
        let error = read_named(Path::new("/dev/zero"), 9).unwrap_err();
        assert_eq!(error.to_string(), "a device, where a file was expected");
        assert_eq!(read_named(Path::new("/dev/null"), 9).unwrap(), b"");
    }

    /// Exchanges a file for a pipe and back while it is opened: the open that comes between must not wait.
    #[test]
    fn a_pipe_that_takes_the_place_of_a_file_is_not_waited_for() {
        use std::sync::atomic::AtomicBool;
        use std::sync::atomic::Ordering;
        let folder = std::env::temp_dir().join(format!("ringfence-exchanged-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (file, pipe, shown) = (folder.join("file"), folder.join("pipe"), folder.join("shown"));
        fs::write(&file, "x").unwrap();
        let (kind, rights) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, rights, 0).unwrap();
        fs::hard_link(&file, &shown).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let next = folder.join("next");
                while !done.load(Ordering::Relaxed) {
                    for from in [&pipe, &file] {
                        fs::hard_link(from, &next).unwrap();
                        fs::rename(&next, &shown).unwrap();
                        // Two names of one file: the system leaves both.
                        let _ = fs::remove_file(&next);
                    }
                }
            });
            let (mut read, mut refused) = (0, 0);
            // Both, often enough that some exchanges fell between two looks.
            while read < 1000 || refused < 1000 {
                match read_named(&shown, 9) {
                    Ok(bytes) => {
                        assert_eq!(bytes, b"x");
                        read += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.to_string(), "a pipe, where a file was expected");
                        refused += 1;
                    }
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        fs::remove_dir_all(folder).unwrap();
    }
}
