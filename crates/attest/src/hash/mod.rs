//! Room `attest`: files and bytes -> SHA-256, two streams at a time or many; BLAKE2b and BLAKE3 for what others signed.

mod digest;
mod known;
mod lane;
mod schedule;
mod tee;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod wide;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::fmt;

pub(crate) use digest::Digest;
pub(crate) use digest::HashType;
pub use known::WrongAnswer;
pub use known::checked;
pub use lane::Engine;
pub use lane::Lane;
pub(crate) use schedule::Hashed;
pub(crate) use schedule::Hasher;
pub(crate) use schedule::Job;
pub(crate) use schedule::PIECE;
pub(crate) use schedule::Unread;
pub(crate) use schedule::run;
pub use tee::Digests;

/// A SHA-256 digest; shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        let mut lane = Lane::new(Engine::detect());
        lane.update(bytes);
        lane.finish()
    }

    /// Reads 64 lower-case hex digits and nothing else.
    pub fn from_hex(text: &str) -> Option<Self> {
        digest::bytes(text).map(Self)
    }

    /// The raw digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}
