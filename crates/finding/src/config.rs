//! Room `finding`: the configuration file in force, so that every result names it.

use std::fmt;
use std::fmt::Write as _;

use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

/// A configuration file and what it was when it was read: two results with equal digests obeyed the same words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConfigFile {
    /// Where it is, as it was typed or found.
    pub path: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

impl ConfigFile {
    /// The file at `path`, with these bytes.
    pub fn new(path: String, bytes: &[u8]) -> Self {
        let mut sha256 = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            // Writing to a String cannot fail.
            _ = write!(sha256, "{byte:02x}");
        }
        Self { path, sha256 }
    }
}

impl fmt::Display for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (sha256:{})", self.path, self.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        // printf abc | sha256sum
        let file = ConfigFile::new("ringfence.yaml".to_owned(), b"abc");
        assert_eq!(
            file.to_string(),
            "ringfence.yaml (sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad)"
        );
    }
}
