//! Room `controls`: what of an object may stand in a saved inventory. Keys leave their marks, so that the search finds
//! them again; values that their names or places give away are masked; what controls read stays.

use ringfence_inventory::Redact;
use ringfence_inventory::write_redacted;
use ringfence_inventory::yaml::Value;
use ringfence_inventory::yaml::decode_base64;
use ringfence_inventory::yaml::encode_base64;
use ringfence_inventory::yaml::read_json;
use ringfence_secret::Engine;
use ringfence_secret::Redactor;
use ringfence_secret::redact::MASK;

use crate::mask;

/// The redactor of saved inventories.
#[derive(Clone, Copy, Debug, Default)]
pub struct Saved;

/// The copy that `kubectl apply` keeps of an object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Redact for Saved {
    fn value(&self, value: Value<'_>) -> Option<String> {
        let text = value.text()?;
        if value.key() == Some(LAST_APPLIED)
            && let Ok(Some((copy, used))) = read_json(text)
            && text.get(used..).is_some_and(|rest| rest.trim().is_empty())
        {
            let mut out = String::new();
            write_redacted(copy.root(), self, &mut out);
            return Some(out);
        }
        if is_encoded(value) {
            return Some(encode_base64(keys_of(&decode_base64(text)?).as_bytes()));
        }
        if mask::is_secret(value) {
            let marks = keys_of(text.as_bytes());
            return Some(if marks.is_empty() { MASK.to_owned() } else { marks });
        }
        let marked = Redactor::shared().mark_text(text);
        (marked != text).then(|| marked.into_owned())
    }

    fn key(&self, key: &str) -> Option<String> {
        let hits = Engine::shared().scan(key.as_bytes());
        // Names of fields are no values: only what is a key by its shape goes.
        (!hits.is_empty())
            .then(|| hits.iter().map(ringfence_secret::KeyHit::mark).collect::<Vec<_>>().join(" "))
    }
}

/// Marks of the keys in a text, and nothing else of it.
fn keys_of(text: &[u8]) -> String {
    let hits = Engine::shared().scan(text);
    hits.iter().map(ringfence_secret::KeyHit::mark).collect::<Vec<_>>().join(" ")
}

/// Base64 of a Secret's `data` and of a ConfigMap's `binaryData`.
fn is_encoded(value: Value<'_>) -> bool {
    let Some(field) = value.parent() else { return false };
    let kind = || field.parent().and_then(|object| object.str_at("kind"));
    match field.key() {
        Some("binaryData") => kind() == Some("ConfigMap"),
        Some("data") => kind() == Some("Secret"),
        _ => false,
    }
}
