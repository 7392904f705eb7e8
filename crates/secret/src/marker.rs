//! Room `secret`: a found key -> a mark that stands in its place in a saved text and is found again -> the same hit,
//! without the key ever having been there.
//!
//! `‹key:huggingface:hf_Q…n9:37:0123456789abcdef›`: the detector's id, the six characters that may be shown (none for a
//! short key), the length, the salted tag. A mark has no blanks, so that it stays one word of a command.

use crate::detector::DETECTORS;
use crate::hit::KeyHit;
use crate::hit::Redacted;
use crate::hit::SecretTag;

/// How every mark begins; no shape of the table holds it.
pub(crate) const START: &str = "‹key:";
const END: &str = "›";
/// Longest mark, in bytes.
const MAX: usize = 160;

impl KeyHit {
    /// The mark of this key. [`Engine::scan`](crate::Engine::scan) finds it as it finds the key.
    pub fn mark(&self) -> String {
        format!("{START}{}:{}:{}:{}{END}", self.detector, self.shown.ends(), self.shown.length(), self.tag)
    }
}

/// The hit whose mark begins at `start`.
pub(crate) fn read(text: &[u8], start: usize) -> Option<KeyHit> {
    let window = text.get(start..)?;
    let window = window.get(..MAX).unwrap_or(window);
    // A cut inside a character is beyond any mark.
    let valid = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(window.get(..error.valid_up_to())?).ok()?,
    };
    let body = valid.strip_prefix(START)?;
    let body = body.get(..body.find(END)?)?;
    let mut parts = body.split(':');
    let (detector, ends, length, tag) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let row = DETECTORS.iter().find(|row| row.id == detector)?;
    let length = length.parse().ok().filter(|length| *length <= row.max_len)?;
    let bytes = START.len().checked_add(body.len())?.checked_add(END.len())?;
    Some(KeyHit {
        detector: row.id,
        provider: row.provider,
        kind: row.kind,
        confidence: row.confidence,
        admin: row.admin,
        range: start..start.checked_add(bytes)?,
        shown: Redacted::from_ends(ends, length)?,
        tag: SecretTag::from_hex(tag)?,
    })
}

#[cfg(test)]
mod tests {
    use crate::Engine;
    use crate::synthetic;

    #[test]
    fn a_mark_is_found_as_its_key_is() {
        for id in synthetic::detectors() {
            let key = synthetic::key(id, 7).unwrap();
            let found = Engine::shared().scan(key.as_bytes()).remove(0);
            let text = format!("run --token={} x", found.mark());
            let again = Engine::shared().scan(text.as_bytes());
            assert_eq!(again.len(), 1, "{text}");
            assert_eq!(&text[again[0].range.clone()], found.mark());
            let mut same = again[0].clone();
            same.range = found.range.clone();
            assert_eq!(same, found);
            assert!(Engine::shared().may_match(text.as_bytes()));
            assert!(!text.contains(&key[4..key.len() - 2]), "the key is not in its mark");
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_is_none() {
        for text in [
            "‹key:",
            "‹key:huggingface›",
            "‹key:huggingface:hf_Q…n9:37:0123›",
            "‹key:huggingface:hf_Q…n9:37:0123456789abcdeg›",
            "‹key:unknown:hf_Q…n9:37:0123456789abcdef›",
            "‹key:huggingface:hf_Qabcdefghijklmnop…n9:37:0123456789abcdef›",
            "‹key:huggingface:\u{1b}[31…n9:37:0123456789abcdef›",
            "‹key:huggingface:hf_Q…n9:99999:0123456789abcdef›",
            "‹key:huggingface:hf_Q…n9:-1:0123456789abcdef›",
            "‹key:huggingface:hf_Q…n9:37:0123456789abcdef:x›",
        ] {
            assert_eq!(Engine::shared().scan(text.as_bytes()), [], "{text}");
        }
    }
}
