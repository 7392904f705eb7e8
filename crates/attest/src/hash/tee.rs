//! Room `attest`: files that somebody else reads for another purpose -> their SHA-256, from the same reads where these come
//! in order. The rest of several files is read two at a time.

use ringfence_artifact::ReadError;
use ringfence_artifact::Rest;
use ringfence_artifact::Taker;

use super::Engine;
use super::Lane;
use super::Unread;
use super::WrongAnswer;
use super::known;
use super::schedule;

/// Takes files, and gives the SHA-256 of each in lower-case hex.
pub struct Digests {
    engine: Engine,
    count: Box<dyn Fn(u64) + Send + Sync>,
}

impl Digests {
    /// With the fastest engine of this machine. `count` is told of bytes as they are hashed.
    pub fn new(count: impl Fn(u64) + Send + Sync + 'static) -> Result<Self, WrongAnswer> {
        Ok(Self { engine: known::checked()?, count: Box::new(count) })
    }
}

impl Taker for Digests {
    type State = Lane;

    fn start(&self) -> Option<Lane> {
        Some(Lane::new(self.engine))
    }

    fn take(&self, state: &mut Lane, bytes: &[u8]) {
        state.update(bytes);
        (self.count)(bytes.len() as u64);
    }

    fn finish(&self, rests: Vec<Rest<Lane>>) -> Vec<Result<String, ReadError>> {
        let hex = |hashed: schedule::Hashed| match hashed {
            Ok((_, digest)) => Ok(digest.to_string()),
            Err(Unread::Read(error)) => Err(error),
            // What was open is not opened again; a thread that was lost has its file with it.
            Err(Unread::Lost | Unread::Open(_)) => Err(ReadError::Changed),
        };
        // Most small files are read whole while they are judged: no buffers for them.
        let rests = match <[Rest<Lane>; 1]>::try_from(rests) {
            Ok([rest]) if rest.left() == 0 => {
                return vec![rest.file.verify().map(|()| rest.state.finish().to_string())];
            }
            Ok(one) => one.into(),
            Err(several) => several,
        };
        schedule::complete(rests, &self.count).into_iter().map(hex).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    use ringfence_artifact::OpenFile;
    use ringfence_artifact::Source as _;
    use ringfence_artifact::Teed;
    use sha2::Digest as _;

    use super::*;
    use crate::Sha256;

    #[test]
    fn digests_are_those_of_the_whole_files_wherever_the_reading_stopped() {
        let folder = std::env::temp_dir().join(format!("ringfence-attest-tee-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let counted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&counted);
        let digests =
            Arc::new(Digests::new(move |bytes| _ = count.fetch_add(bytes, Ordering::Relaxed)).unwrap());
        let (mut rests, mut expected) = (Vec::new(), Vec::new());
        let cases = [(0, 0), (1, 1), (63, 20), (200_000, 70_001), (300_000, 0), (65_536, 65_536)];
        for (number, (length, read)) in (0_u8..).zip(cases) {
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8 ^ number).collect();
            let path = folder.join(number.to_string());
            std::fs::write(&path, &bytes).unwrap();
            let teed = Teed::new(OpenFile::open(&path, false).unwrap(), &digests);
            teed.read_at(0, &mut vec![0; read]).unwrap();
            rests.push(teed.into_rest().unwrap());
            let digest = sha2::Sha256::digest(&bytes);
            expected.push(Sha256::from_bytes(digest.into()).to_string());
        }
        let path = folder.join("1");
        let whole = Teed::new(OpenFile::open(&path, false).unwrap(), &digests);
        whole.read_at(0, &mut [0; 9]).unwrap();
        let alone = digests.finish(vec![whole.into_rest().unwrap()]);
        assert_eq!(alone[0].as_ref().unwrap(), &expected[1], "a file alone that was read whole");
        let read: u64 = cases.iter().map(|(_, read)| *read as u64).sum();
        assert_eq!(counted.load(Ordering::Relaxed), read + 1, "bytes that were judged, and the file alone");
        let hashed: Vec<String> = digests.finish(rests).into_iter().map(Result::unwrap).collect();
        assert_eq!(hashed, expected);
        let all: u64 = cases.iter().map(|(length, _)| u64::from(*length)).sum();
        assert_eq!(counted.load(Ordering::Relaxed), all + 1, "each byte once");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
