//! What the fuzz target does with its bytes, shared by `fuzz/` and the replay of the corpus on stable: it ends with a panic
//! when something that holds for every input does not.

use ringfence_secret::Engine;
use ringfence_secret::Redactor;

/// Masked text has as many lines, holds none of the keys that were found, and masked again it stays as it is; a text with
/// marks shows the same.
pub(crate) fn mask(bytes: &[u8]) {
    let hits = Engine::shared().scan(bytes);
    let mut end = 0;
    for hit in &hits {
        assert!(end <= hit.range.start && hit.range.start < hit.range.end && hit.range.end <= bytes.len());
        end = hit.range.end;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let redactor = Redactor::shared();
    let masked = redactor.mask_text(text);
    let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
    assert_eq!(lines(&masked), lines(text), "{text:?} {masked:?}");
    assert_eq!(redactor.mask_text(&masked), masked, "{text:?}");
    for hit in hits {
        let key = text.get(hit.range);
        assert!(key.is_some_and(|key| !masked.contains(key)), "{text:?} {masked:?}");
    }
    assert_eq!(redactor.mask_text(&redactor.mark_text(text)), masked, "{text:?}");
    let middle = text.len() / 2;
    let (same, range) = redactor.mask_with_range(text, middle / 2..middle);
    assert!(same == masked && same.get(range).is_some(), "{text:?}");
}
