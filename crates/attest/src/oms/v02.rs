//! Room `attest`: what model-signing 0.2 signed (March 2025, before the specification): bytes to sign and statement. Read on
//! demand alone, and never tried on a bundle of another form.
//!
//! Its source: `signature/encoding.py`, `signature/key.py` and `signing/in_toto.py` of PyPI's model-signing 0.2.0.

use std::collections::BTreeMap;

use super::bundle::PAYLOAD_TYPE;
use super::statement;
use super::statement::ALONE;
use super::statement::Content;
use super::statement::MAX_RESOURCES;
use super::statement::MOST_VALUES;
use super::statement::Statement;
use super::statement::TYPE;
use crate::Refusal;
use crate::hash::HashType;
use crate::json::Json;
use crate::json::Place;

/// One subject for each file, hashed as a whole.
const PREDICATE: &str = "https://model_signing/Digests/v0.1";
/// What it said of the key that it carried, also where that was on another curve.
pub(super) const KEY_DETAILS: &str = "PKIX_ECDSA_P256_SHA_256";
/// What it calls SHA-256 of a whole file, by default and at most.
const WHOLE: [&str; 2] = ["file-sha256", "sha256"];

/// Whether a payload says that it is of this form. Nobody has vouched for it yet: it decides over what the signature must be,
/// and that alone.
pub(super) fn is(payload: &[u8]) -> bool {
    let predicate = |json: &Json| Some(json.root().get("predicateType").ok()??.text().ok()? == PREDICATE);
    Json::read(payload, MOST_VALUES).is_ok_and(|json| predicate(&json) == Some(true))
}

/// What was signed: `DSSEV1` with a capital V, and the payload as Python prints bytes.
pub(super) fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEV1 {} {PAYLOAD_TYPE} {} b'", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    for &byte in payload {
        match byte {
            // A payload is an object with keys: as it holds double quotes, Python takes single ones around it.
            b'\\' | b'\'' => bytes.extend_from_slice(&[b'\\', byte]),
            b'\n' => bytes.extend_from_slice(b"\\n"),
            b'\r' => bytes.extend_from_slice(b"\\r"),
            b'\t' => bytes.extend_from_slice(b"\\t"),
            b' '..=b'~' => bytes.push(byte),
            _ => bytes.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    bytes.push(b'\'');
    bytes
}

/// Reads the statement of this form: it has no name of the model, no root digest, no links and nothing that is left out.
pub(super) fn read(payload: &[u8]) -> Result<Statement, Refusal> {
    let json = Json::read(payload, MOST_VALUES)?;
    let root = json.root();
    let mut notes = Vec::new();
    statement::note_unknown(&root, &["_type", "subject", "predicateType", "predicate"], &mut notes)?;
    root.required("_type")?.exactly(TYPE)?;
    root.required("predicateType")?.exactly(PREDICATE)?;
    statement::note_unknown(&root.required("predicate")?, &["unused"], &mut notes)?;
    let list = root.required("subject")?;
    let subjects = list.list()?;
    let count = subjects.len();
    if count == 0 || count > MAX_RESOURCES {
        return Err(list.refuse(format!("1 to {MAX_RESOURCES} subjects were expected, not {count}")));
    }
    let files = subjects.map(|subject| file(&subject, count == 1)).collect::<Result<Vec<_>, _>>()?;
    statement::distinct(&list, files.iter().map(|(name, _)| name))?;
    Ok(Statement {
        name: None,
        root: None,
        hash: HashType::Sha256,
        allow_symlinks: false,
        ignore: Vec::new(),
        files: BTreeMap::from_iter(files),
        notes,
    })
}

fn file(subject: &Place<'_>, alone: bool) -> Result<(String, Content), Refusal> {
    subject.only(&["name", "digest", "annotations"])?;
    let name = subject.required("name")?;
    let text = name.text()?;
    if let Some(wrong) = statement::wrong_name(text).filter(|_| !(alone && text == ALONE)) {
        return Err(name.refuse(wrong));
    }
    if let Some(annotations) = subject.get("annotations")? {
        annotations.only(&["actual_hash_algorithm"])?;
        let algorithm = annotations.required("actual_hash_algorithm")?;
        if !WHOLE.contains(&algorithm.text()?) {
            return Err(
                algorithm.refuse(format!("SHA-256 of the file was expected, not `{}`", algorithm.text()?))
            );
        }
    }
    let digests = subject.required("digest")?;
    digests.only(&["sha256"])?;
    let digest = statement::hex(&digests.required("sha256")?, HashType::Sha256)?;
    Ok((text.to_owned(), Content::Whole(digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_printed_as_python_prints_them() {
        // python3 -c "print(repr(bytes(range(256))))", with the double quote that decides which quotes stand around.
        let all: Vec<u8> = (0..=255).collect();
        let printed = String::from_utf8(pre_authentication(&all)).unwrap();
        let start = r"DSSEV1 28 application/vnd.in-toto+json 256 b'\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e";
        assert!(printed.starts_with(start), "{printed}");
        assert!(printed.contains(r"\x1f !") && printed.contains(r##""#$%&\'()"##), "{printed}");
        assert!(printed.contains(r"[\\]^") && printed.contains(r"}~\x7f\x80") && printed.ends_with(r"\xff'"));
    }
}
