//! Room `artifact`: one open file enters; whoever judges it reads where it likes, and whoever takes its bytes gets each of
//! them once and in order. Reads that come in order serve both; the rest is read at the end, from the same descriptor.

use std::sync::Arc;
use std::sync::Mutex;

use crate::OpenFile;
use crate::ReadError;
use crate::Source;

/// Takes the bytes of files, for a digest or a copy, and knows nothing of what else they are read for.
pub trait Taker: Send + Sync + 'static {
    /// What it keeps of one file on the way.
    type State: Send;

    /// The state before the first byte; none where nobody wants the bytes.
    fn start(&self) -> Option<Self::State>;

    /// The next bytes of one file.
    fn take(&self, state: &mut Self::State, bytes: &[u8]);

    /// Takes what nobody has read yet, and says what came of each file, in the order given. The answer counts only for a
    /// file that is still the one that was opened: [`OpenFile::verify`] behind the last read.
    fn finish(&self, rests: Vec<Rest<Self::State>>) -> Vec<Result<String, ReadError>>;
}

/// Nobody wants the bytes.
impl Taker for () {
    type State = ();

    fn start(&self) -> Option<()> {
        None
    }

    fn take(&self, (): &mut (), _: &[u8]) {}

    fn finish(&self, _: Vec<Rest<()>>) -> Vec<Result<String, ReadError>> {
        Vec::new()
    }
}

/// A file that is judged, of which a taker has seen the bytes up to one place.
#[derive(Debug)]
pub struct Rest<S> {
    /// The file, as it was opened before the first read.
    pub file: OpenFile,
    /// The first byte that was not taken.
    pub from: u64,
    /// What was made of those before it.
    pub state: S,
}

impl<S> Rest<S> {
    /// Bytes that are still to be read.
    pub fn left(&self) -> u64 {
        self.file.len().saturating_sub(self.from)
    }
}

/// An open file whose reads a taker sees.
pub struct Teed<T: Taker> {
    file: OpenFile,
    /// None where nobody wants the bytes.
    flow: Option<Mutex<Flow<T>>>,
}

struct Flow<T: Taker> {
    /// Held here: to count one more holder for each file that nobody takes would cost all cores the same line of memory.
    taker: Arc<T>,
    /// The first byte that was not taken.
    next: u64,
    state: T::State,
}

impl<T: Taker> Teed<T> {
    /// Reads of `file` that `taker` sees.
    pub fn new(file: OpenFile, taker: &Arc<T>) -> Self {
        let flow = |state| Mutex::new(Flow { taker: Arc::clone(taker), next: 0, state });
        Self { file, flow: taker.start().map(flow) }
    }

    /// The file, and how far it was taken; none of that where nobody wants the bytes, or a taker was lost in a panic.
    pub fn into_rest(self) -> Result<Rest<T::State>, OpenFile> {
        match self.flow.and_then(|flow| flow.into_inner().ok()) {
            Some(Flow { next, state, .. }) => Ok(Rest { file: self.file, from: next, state }),
            None => Err(self.file),
        }
    }
}

impl<T: Taker> Source for Teed<T> {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let count = self.file.read_at(at, buffer)?;
        if let Some(flow) = &self.flow
            && let Ok(mut flow) = flow.lock()
            && let Some(known) = flow.next.checked_sub(at).and_then(|known| usize::try_from(known).ok())
            && let Some(new) = buffer.get(known..count).filter(|new| !new.is_empty())
        {
            let Flow { taker, next, state } = &mut *flow;
            taker.take(state, new);
            *next += new.len() as u64;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;

    use super::*;

    /// Keeps all bytes.
    struct Copy;

    impl Taker for Copy {
        type State = Vec<u8>;

        fn start(&self) -> Option<Vec<u8>> {
            Some(Vec::new())
        }

        fn take(&self, state: &mut Vec<u8>, bytes: &[u8]) {
            state.extend_from_slice(bytes);
        }

        fn finish(&self, rests: Vec<Rest<Vec<u8>>>) -> Vec<Result<String, ReadError>> {
            let finish = |mut rest: Rest<Vec<u8>>| {
                let mut buffer = vec![0; usize::try_from(rest.left()).unwrap()];
                rest.file.read_at(rest.from, &mut buffer)?;
                rest.file.verify()?;
                rest.state.extend(buffer);
                Ok(String::from_utf8(rest.state).unwrap())
            };
            rests.into_iter().map(finish).collect()
        }
    }

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ringfence-artifact-tee-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn teed(path: &std::path::Path) -> Teed<Copy> {
        Teed::new(OpenFile::open(path, false).unwrap(), &Arc::new(Copy))
    }

    #[test]
    fn each_byte_is_taken_once_and_in_order_however_it_is_read() {
        let path = file("order", b"0123456789");
        for (reads, from) in [
            (&[][..], 0),
            (&[(0, 4), (4, 6)], 10),
            // The tail first, as an archive is read; then the start, over what was read, and past the end.
            (&[(8, 2), (0, 3), (1, 1), (1, 4), (7, 3)], 5),
            (&[(0, 99), (0, 99), (10, 1)], 10),
            (&[(1, 9)], 0),
        ] {
            let teed = teed(&path);
            for &(at, count) in reads {
                teed.read_at(at, &mut vec![0; count]).unwrap();
            }
            let rest = teed.into_rest().unwrap();
            assert_eq!((rest.from, rest.left()), (from, 10 - from), "{reads:?}");
            assert_eq!(rest.state, b"0123456789"[..usize::try_from(from).unwrap()], "{reads:?}");
            assert_eq!(Copy.finish(vec![rest])[0].as_ref().unwrap(), "0123456789", "{reads:?}");
        }
        let nobody = Teed::new(OpenFile::open(&path, false).unwrap(), &Arc::new(()));
        assert_eq!(nobody.into_rest().unwrap_err().len(), 10);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_changes_between_the_first_read_and_the_last_has_no_answer() {
        let path = file("changes", b"0123456789");
        let changed = |change: &dyn Fn()| {
            let teed = teed(&path);
            teed.read_at(0, &mut [0; 4]).unwrap();
            change();
            Copy.finish(vec![teed.into_rest().unwrap()]).remove(0)
        };
        assert!(changed(&|| ()).is_ok());
        let append = || {
            std::fs::File::options().append(true).open(&path).unwrap().write_all(b"x").unwrap();
        };
        assert!(matches!(changed(&append), Err(ReadError::Changed)));
        // The same length, and a time that another process has set back: the inode's own time moves all the same.
        let overwrite = || {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            (&file).write_all(b"9876").unwrap();
            file.set_modified(before).unwrap();
        };
        // Clocks of file systems tick in milliseconds: the first look must be of an earlier tick.
        let earlier = std::time::SystemTime::UNIX_EPOCH;
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(earlier).unwrap();
        let changed_time = std::fs::metadata(&path).unwrap();
        until_the_clock_moves(&changed_time);
        assert!(matches!(changed(&overwrite), Err(ReadError::Changed)));
        std::fs::remove_file(path).unwrap();
    }

    /// Until a new file has a later time than this one.
    fn until_the_clock_moves(seen: &std::fs::Metadata) {
        use std::os::unix::fs::MetadataExt as _;
        let probe = file("clock", b"");
        loop {
            std::fs::write(&probe, b"x").unwrap();
            let now = std::fs::metadata(&probe).unwrap();
            if (now.ctime(), now.ctime_nsec()) > (seen.ctime(), seen.ctime_nsec()) {
                break;
            }
        }
        std::fs::remove_file(probe).unwrap();
    }
}
