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
#[derive(Clone, Copy, Debug)]
pub struct Digests(Engine);

impl Digests {
    /// With the fastest engine of this machine.
    pub fn new() -> Result<Self, WrongAnswer> {
        known::checked().map(Self)
    }
}

impl Taker for Digests {
    type State = Lane;

    fn start(&self) -> Option<Lane> {
        Some(Lane::new(self.0))
    }

    fn take(&self, state: &mut Lane, bytes: &[u8]) {
        state.update(bytes);
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
        schedule::complete(rests).into_iter().map(hex).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringfence_artifact::OpenFile;
    use ringfence_artifact::Source as _;
    use ringfence_artifact::Teed;
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn digests_are_those_of_the_whole_files_wherever_the_reading_stopped() {
        let folder = std::env::temp_dir().join(format!("ringfence-attest-tee-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let digests = Arc::new(Digests::new().unwrap());
        let (mut rests, mut expected) = (Vec::new(), Vec::new());
        for (number, (length, read)) in
            [(0, 0), (1, 1), (63, 20), (200_000, 70_001), (300_000, 0), (65_536, 65_536)]
                .into_iter()
                .enumerate()
        {
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8 ^ number as u8).collect();
            let path = folder.join(number.to_string());
            std::fs::write(&path, &bytes).unwrap();
            let teed = Teed::new(OpenFile::open(&path, false).unwrap(), &digests);
            teed.read_at(0, &mut vec![0; read]).unwrap();
            rests.push(teed.into_rest().unwrap());
            expected.push(
                sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            );
        }
        let path = folder.join("1");
        let whole = Teed::new(OpenFile::open(&path, false).unwrap(), &digests);
        whole.read_at(0, &mut [0; 9]).unwrap();
        let alone = digests.finish(vec![whole.into_rest().unwrap()]);
        assert_eq!(alone[0].as_ref().unwrap(), &expected[1], "a file alone that was read whole");
        let hashed: Vec<String> = digests.finish(rests).into_iter().map(Result::unwrap).collect();
        assert_eq!(hashed, expected);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
