//! What the fuzz targets do with their bytes, shared by `fuzz/` and the replay of the corpora on stable.

use ringfence_attest::KeyError;
use ringfence_attest::PrivateKey;
use ringfence_attest::PublicKey;

/// A bundle is read the same way twice, or refused with a place and a rule.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn bundle(bytes: &[u8]) {
    refused_with_words(&ringfence_attest::read_bundle(bytes), &ringfence_attest::read_bundle(bytes));
}

/// The same for statements.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn statement(bytes: &[u8]) {
    refused_with_words(&ringfence_attest::read_statement(bytes), &ringfence_attest::read_statement(bytes));
}

/// Keys and certificates of any bytes; a public key that is read is written back as it was.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn key(bytes: &[u8]) {
    // Without a password nothing is derived: what is fuzzed is the reading, not scrypt.
    let _ = PrivateKey::read(bytes, &mut || Err(KeyError::NoPassword(String::new())));
    if let Ok(key) = PublicKey::read(bytes) {
        assert!(PublicKey::from_der(&key.to_der()).is_ok_and(|again| again == key));
    }
    for certificate in ringfence_attest::certificates(bytes).into_iter().flatten() {
        let _ = ringfence_attest::certificate_key(&certificate);
    }
}

fn refused_with_words(
    once: &Result<(), ringfence_attest::Refusal>,
    again: &Result<(), ringfence_attest::Refusal>,
) {
    assert_eq!(once, again);
    if let Err(refusal) = once {
        assert!(refusal.path.starts_with('$') && !refusal.rule.is_empty(), "{refusal}");
    }
}
