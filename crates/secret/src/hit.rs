//! Room `secret`: what a found key looks like from outside. Nothing here holds the value, and there is no
//! accessor for one.

use std::fmt;
use std::ops::Range;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use ringfence_finding::Confidence;
use sha2::Sha256;

/// One key found in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyHit {
    /// Stable id of the shape, such as `openai-project`.
    pub detector: &'static str,
    /// Who issued the key, as people write it: `Hugging Face`.
    pub provider: &'static str,
    /// What kind of key it is, in words that fit after the provider: `project key`.
    pub kind: &'static str,
    /// How sure the shape alone makes us: high for a provider's literal at the right place of a value of the right
    /// length, medium where the shape leaves room for something else.
    pub confidence: Confidence,
    /// True for keys that create other keys or read a whole organization.
    pub admin: bool,
    /// Bytes of the scanned text that the key covers.
    pub range: Range<usize>,
    /// The form that may be printed.
    pub shown: Redacted,
    /// Answers "the same key in two places?" without the key.
    pub tag: SecretTag,
}

/// A value's printable rest: first four and last two characters, and its length.
///
/// Only this crate builds one, from bytes it has just read, so no caller can put a whole value in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redacted {
    ends: Option<(String, String)>,
    length: usize,
}

impl Redacted {
    pub(crate) fn of(value: &[u8]) -> Self {
        let text = String::from_utf8_lossy(value);
        let length = text.chars().count();
        // Six of fewer than sixteen characters would give too much of the value away.
        let ends = (length >= SHOWN_FROM).then(|| {
            let head = text.chars().take(HEAD).collect();
            let tail = text.chars().skip(length - TAIL).collect();
            (head, tail)
        });
        Self { ends, length }
    }

    /// Its length in characters.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// `hf_Q…n9`; empty for a short value.
    pub(crate) fn ends(&self) -> String {
        self.ends.as_ref().map_or_else(String::new, |(head, tail)| format!("{head}{ELLIPSIS}{tail}"))
    }

    /// The inverse. No more characters are taken than a printed form has, and none that a key cannot have.
    pub(crate) fn from_ends(ends: &str, length: usize) -> Option<Self> {
        if ends.is_empty() {
            return (length < SHOWN_FROM).then_some(Self { ends: None, length });
        }
        let (head, tail) = ends.split_once(ELLIPSIS)?;
        let is_part = |text: &str, count: usize| {
            text.len() == count
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let fits = is_part(head, HEAD) && is_part(tail, TAIL) && length >= SHOWN_FROM;
        fits.then(|| Self { ends: Some((head.to_owned(), tail.to_owned())), length })
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((head, tail)) = &self.ends {
            write!(f, "{head}{ELLIPSIS}{tail} ")?;
        }
        write!(f, "({} chars)", self.length)
    }
}

pub(crate) const HEAD: usize = 4;
pub(crate) const TAIL: usize = 2;
pub(crate) const ELLIPSIS: char = '…';
const SHOWN_FROM: usize = 16;

/// Salted hash of a key: HMAC-SHA256 cut to eight bytes, printed as sixteen hex digits.
///
/// With the fixed salt anybody can test a guess against a tag. Every shape of this crate has more than 100
/// random bits, so a guess is the key itself; a caller with a secret salt passes it to
/// [`Engine::with_salt`](crate::Engine::with_salt).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SecretTag([u8; 8]);

impl SecretTag {
    /// The inverse of its printed form.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 8];
        if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for SecretTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Makes tags under one salt.
#[derive(Clone, Debug)]
pub(crate) struct Tagger(Hmac<Sha256>);

impl Tagger {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104, section 3)")]
    pub(crate) fn new(salt: &[u8]) -> Self {
        Self(Hmac::new_from_slice(salt).expect("HMAC takes keys of every length"))
    }

    pub(crate) fn tag(&self, value: &[u8]) -> SecretTag {
        let digest: [u8; 32] = self.0.clone().chain_update(value).finalize().into_bytes().into();
        let mut short = [0; 8];
        short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        SecretTag(short)
    }
}

/// Output must not be random, so the salt is a constant unless the caller has a private one.
pub(crate) const FIXED_SALT: &[u8] = b"ringfence.dev/secret-tag/v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_six_characters_and_the_length() {
        let value: String = ('a'..='z').chain('A'..='Z').collect();
        assert_eq!(Redacted::of(value.as_bytes()).to_string(), "abcd…YZ (52 chars)");
        assert_eq!(Redacted::of(&value.as_bytes()[..16]).to_string(), "abcd…op (16 chars)");
    }

    #[test]
    fn shows_only_the_length_of_a_short_value() {
        assert_eq!(Redacted::of(b"hunter2hunte").to_string(), "(12 chars)");
        assert_eq!(Redacted::of(b"123456789012345").to_string(), "(15 chars)");
        assert!(!format!("{:?}", Redacted::of(b"hunter2")).contains("hunter"));
    }

    #[test]
    fn counts_characters_not_bytes_and_survives_broken_text() {
        assert_eq!(Redacted::of("ééééééééééééééééé".as_bytes()).to_string(), "éééé…éé (17 chars)");
        assert_eq!(Redacted::of(&[0xff; 20]).to_string(), "����…�� (20 chars)");
    }

    #[test]
    fn tags_are_stable_and_depend_on_salt_and_value() {
        // RFC 4231, test case 2.
        let reference = Tagger::new(b"Jefe").tag(b"what do ya want for nothing?");
        assert_eq!(reference.to_string(), "5bdcc146bf60754e");
        let fixed = Tagger::new(FIXED_SALT);
        assert_eq!(fixed.tag(b"a"), fixed.tag(b"a"));
        assert_ne!(fixed.tag(b"a"), fixed.tag(b"b"));
        assert_ne!(fixed.tag(b"a"), Tagger::new(b"private").tag(b"a"));
    }
}
