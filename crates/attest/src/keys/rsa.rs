//! Room `attest`: RSA public keys: `RSAPublicKey` (RFC 8017, A.1.1) <-> SubjectPublicKeyInfo, and which are of a size that is
//! trusted. They verify and never sign.

use super::KeyError;
use crate::der;
use crate::der::Der;

/// `rsaEncryption` with its parameters, NULL (RFC 3279, section 2.3.1).
const ALGORITHM: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// The OID in it.
pub(super) const OID: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";

/// The `RSAPublicKey` inside a SubjectPublicKeyInfo; none where this is not the one way to write an RSA key.
pub(super) fn from_spki(der: &[u8]) -> Option<&[u8]> {
    let mut info = Der::new(der).sequence()?;
    info.sequence()?;
    let (unused, key) = info.take(der::BIT_STRING)?.split_first()?;
    (*unused == 0 && to_spki(key) == der).then_some(key)
}

/// SubjectPublicKeyInfo.
pub(super) fn to_spki(key: &[u8]) -> Vec<u8> {
    let bits = der::element(der::BIT_STRING, &[&[0], key].concat());
    der::element(der::SEQUENCE, &[ALGORITHM, &bits].concat())
}

/// Whether DER is an `RSAPublicKey` itself: two whole numbers.
pub(super) fn is_bare(der: &[u8]) -> bool {
    bits(der).is_some()
}

/// Refuses what is no key, and sizes that nobody should sign with: 2048 bits are the least of NIST SP 800-131A; beyond 4096
/// no signer of models goes.
pub(super) fn check(key: &[u8]) -> Result<(), KeyError> {
    match bits(key) {
        Some(2048..=4096) => Ok(()),
        Some(bits) => Err(KeyError::RsaSize(bits)),
        None => Err(KeyError::Malformed("no RSA public key in it".to_owned())),
    }
}

/// Bits of the modulus of an `RSAPublicKey`, strictly written.
pub(super) fn bits(key: &[u8]) -> Option<usize> {
    let mut outer = Der::new(key);
    let mut numbers = outer.sequence()?;
    let modulus = numbers.take(der::INTEGER)?;
    let modulus = match modulus {
        [0, second, ..] if *second >= 0x80 => modulus.get(1..)?,
        [first, ..] if (1..0x80).contains(first) => modulus,
        _ => return None, // negative, zero, or not the shortest
    };
    numbers.number()?;
    let zeros = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    (outer.is_empty() && numbers.is_empty()).then_some(modulus.len() * 8 - zeros)
}
