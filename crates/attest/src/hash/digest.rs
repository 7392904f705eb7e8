//! Room `attest`: the hashes that signatures name bytes by: what each is called, and its digests to and from hex.

use std::fmt;
use std::num::NonZero;

use super::Engine;
use super::Hashed;
use super::Job;
use super::Lane;
use super::Sha256;
use super::schedule;

/// A hash of files. We sign with SHA-256 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HashType {
    /// 64 bytes, without a key (RFC 7693).
    Blake2b,
    /// 32 bytes, without a key.
    Blake3,
    /// 32 bytes.
    Sha256,
}

impl HashType {
    const ALL: [Self; 3] = [Self::Blake2b, Self::Blake3, Self::Sha256];

    /// The one that a signature calls so.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.as_str() == name)
    }

    /// As signatures write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }

    /// As people write it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Blake2b => "BLAKE2b",
            Self::Blake3 => "BLAKE3",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Hex digits of a digest.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::Blake2b => 128,
            Self::Blake3 | Self::Sha256 => 64,
        }
    }

    /// Hashes all, as [`schedule::run`] does.
    pub(crate) fn run(
        self,
        engine: Engine,
        jobs: &[Job],
        threads: Option<NonZero<usize>>,
        count: &(dyn Fn(u64) + Sync),
    ) -> Vec<Hashed<Digest>> {
        match self {
            Self::Blake2b => any(schedule::run(blake2b_simd::State::new, jobs, threads, count), |digest| {
                Digest::Blake2b(*digest.as_array())
            }),
            Self::Blake3 => any(schedule::run(blake3::Hasher::new, jobs, threads, count), |digest| {
                Digest::Blake3(*digest.as_bytes())
            }),
            Self::Sha256 => any(schedule::run(|| Lane::new(engine), jobs, threads, count), Digest::Sha256),
        }
    }
}

fn any<D>(hashed: Vec<Hashed<D>>, digest: impl Fn(D) -> Digest) -> Vec<Hashed<Digest>> {
    hashed.into_iter().map(|hashed| hashed.map(|(length, own)| (length, digest(own)))).collect()
}

/// A digest, and by which hash; shown in lower-case hex. Digests of two hashes are never equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    Blake2b([u8; 64]),
    Blake3([u8; 32]),
    Sha256(Sha256),
}

impl Digest {
    /// Reads as many lower-case hex digits as the hash has, and nothing else.
    pub(crate) fn from_hex(hash: HashType, text: &str) -> Option<Self> {
        match hash {
            HashType::Blake2b => bytes(text).map(Self::Blake2b),
            HashType::Blake3 => bytes(text).map(Self::Blake3),
            HashType::Sha256 => bytes(text).map(Sha256::from_bytes).map(Self::Sha256),
        }
    }

    /// By which hash.
    pub(crate) fn hash(&self) -> HashType {
        match self {
            Self::Blake2b(_) => HashType::Blake2b,
            Self::Blake3(_) => HashType::Blake3,
            Self::Sha256(_) => HashType::Sha256,
        }
    }

    /// The raw digest.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Blake2b(bytes) => bytes,
            Self::Blake3(bytes) => bytes,
            Self::Sha256(digest) => digest.as_bytes(),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// So many bytes in lower-case hex.
pub(super) fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ringfence_artifact::Listed;
    use ringfence_artifact::OpenFile;

    use super::*;

    /// `abc`, by RFC 7693 (appendix A) and by the test vectors that BLAKE3 is published with (of no bytes).
    const BLAKE2B_ABC: &str = "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923";
    const BLAKE3_EMPTY: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    #[test]
    fn each_hash_gives_the_published_digest_of_a_file_and_of_a_part() {
        let folder = std::env::temp_dir().join(format!("ringfence-attest-digest-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        std::fs::write(&path, "xabcx").unwrap();
        let identity = OpenFile::open(&path, false).unwrap().identity();
        let file = Listed { folder: None, path, identity };
        let part = |start, end| Job { file: file.clone(), range: (start, Some(end)), expected: 3 };
        for (hash, job, expected) in [
            (HashType::Blake2b, part(1, 4), BLAKE2B_ABC),
            (HashType::Blake3, part(2, 2), BLAKE3_EMPTY),
            (
                HashType::Sha256,
                part(1, 4),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            // Two, so that one has another beside it.
            for hashed in hash.run(Engine::detect(), &[job.clone(), job], None, &|_| ()) {
                let (_, digest) = hashed.unwrap();
                assert_eq!((digest.to_string().as_str(), digest.hash()), (expected, hash));
                assert_eq!(Digest::from_hex(hash, expected), Some(digest));
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_digest_has_the_length_of_its_hash_and_is_no_other_hashs() {
        for hash in HashType::ALL {
            let text = "ab".repeat(hash.digits() / 2);
            assert_eq!(Digest::from_hex(hash, &text).unwrap().to_string(), text);
            for wrong in
                [text.to_uppercase(), text[2..].to_owned(), format!("{text}ab"), format!("{}g", &text[1..])]
            {
                assert_eq!(Digest::from_hex(hash, &wrong), None, "{wrong}");
            }
            assert_eq!(HashType::from_name(hash.as_str()), Some(hash));
        }
        let same = "ab".repeat(32);
        assert_ne!(Digest::from_hex(HashType::Blake3, &same), Digest::from_hex(HashType::Sha256, &same));
        assert_eq!(HashType::from_name("blake2"), None);
    }
}
