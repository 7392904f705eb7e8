//! Room `attest`: encrypted PKCS#8 (RFC 5958) with PBES2 (RFC 8018): PBKDF2 or scrypt (RFC 7914), then AES in CBC mode.

use std::num::NonZeroU32;

use aws_lc_rs::cipher;
use aws_lc_rs::cipher::DecryptionContext;
use aws_lc_rs::cipher::PaddedBlockDecryptingKey;
use aws_lc_rs::cipher::PaddedBlockEncryptingKey;
use aws_lc_rs::cipher::UnboundCipherKey;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::KeyError;
use super::Password;
use super::cosign;
use crate::der;
use crate::der::Der;
use crate::pem;

const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SCRYPT: &[u8] = b"\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";
const HMAC_SHA256: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x02\x09";
const AES_256_CBC: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a";

/// Rounds of PBKDF2 in files that are written: OWASP's figure of 2023 for HMAC-SHA-256.
const ROUNDS: u32 = 600_000;
/// Rounds that are done for a file that is read: about five seconds.
const MAX_ROUNDS: u64 = 10_000_000;

type Key = Zeroizing<Vec<u8>>;

/// Opens an EncryptedPrivateKeyInfo.
pub(super) fn open(
    bytes: &[u8],
    password: &mut dyn FnMut() -> Result<Password, KeyError>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let malformed = || KeyError::Malformed("not an encrypted PKCS#8 key with PBES2".to_owned());
    let (derivation, cipher, iv, sealed) = parts(bytes).ok_or_else(malformed)?;
    let cipher = Cipher::of(cipher).ok_or_else(|| {
        KeyError::Malformed("unknown cipher: AES-128-CBC, AES-192-CBC and AES-256-CBC are known".to_owned())
    })?;
    let derivation = Derivation::read(derivation)?;
    let key = derivation.derive(&password()?, cipher.key)?;
    let iv = FixedLength::<16>::try_from(iv).map_err(|_| malformed())?;
    let key = UnboundCipherKey::new(cipher.algorithm, &key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
    let key = key.map_err(|_| KeyError::Decrypt)?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    let length = key.decrypt(&mut plain, DecryptionContext::Iv128(iv)).map_err(|_| KeyError::Decrypt)?.len();
    plain.truncate(length);
    Ok(plain)
}

/// Derivation, object identifier of the cipher, its initial vector, what is encrypted.
type Parts<'d> = (Der<'d>, &'d [u8], &'d [u8], &'d [u8]);

fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let mut outer = Der::new(bytes);
    let mut info = outer.sequence()?;
    let mut scheme = info.sequence()?;
    let sealed = info.take(der::OCTET_STRING)?;
    let mut parameters = (scheme.take(der::OID)? == PBES2).then(|| scheme.sequence())??;
    let derivation = parameters.sequence()?;
    let mut cipher = parameters.sequence()?;
    let (oid, iv) = (cipher.take(der::OID)?, cipher.take(der::OCTET_STRING)?);
    (outer.is_empty() && info.is_empty()).then_some((derivation, oid, iv, sealed))
}

#[derive(Clone, Copy)]
struct Cipher {
    algorithm: &'static cipher::Algorithm,
    /// Length of its key in bytes.
    key: usize,
}

impl Cipher {
    fn of(oid: &[u8]) -> Option<Self> {
        let (algorithm, key) = match oid.strip_prefix(b"\x60\x86\x48\x01\x65\x03\x04\x01")? {
            [0x02] => (&cipher::AES_128, 16),
            [0x16] => (&cipher::AES_192, 24),
            [0x2a] => (&cipher::AES_256, 32),
            _ => return None,
        };
        Some(Self { algorithm, key })
    }
}

enum Derivation<'d> {
    Pbkdf2 { salt: &'d [u8], rounds: NonZeroU32, hash: pbkdf2::Algorithm },
    Scrypt { salt: &'d [u8], params: scrypt::Params },
}

impl<'d> Derivation<'d> {
    fn read(mut der: Der<'d>) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed("unknown derivation: PBKDF2 and scrypt are known".to_owned());
        let oid = der.take(der::OID).ok_or_else(malformed)?;
        let mut fields = der.sequence().ok_or_else(malformed)?;
        let salt = fields.take(der::OCTET_STRING).ok_or_else(malformed)?;
        let mut number = || fields.number().ok_or_else(malformed);
        match oid {
            PBKDF2 => {
                let rounds = number()?;
                let hash = Self::hash(fields).ok_or_else(malformed)?;
                if rounds > MAX_ROUNDS {
                    let asked = format!("{rounds} rounds of PBKDF2");
                    return Err(KeyError::Excessive { asked, limit: "10,000,000" });
                }
                let rounds = u32::try_from(rounds).ok().and_then(NonZeroU32::new).ok_or_else(malformed)?;
                Ok(Self::Pbkdf2 { salt, rounds, hash })
            }
            SCRYPT => Ok(Self::Scrypt { salt, params: cosign::bounded(number()?, number()?, number()?)? }),
            _ => Err(malformed()),
        }
    }

    /// The hash behind the rounds, and an optional length of the key before it; HMAC-SHA-1 where none is named.
    fn hash(mut fields: Der<'_>) -> Option<pbkdf2::Algorithm> {
        if fields.peek() == Some(der::INTEGER) {
            fields.number()?;
        }
        if fields.is_empty() {
            return Some(pbkdf2::PBKDF2_HMAC_SHA1);
        }
        let oid = fields.sequence()?.take(der::OID)?;
        Some(match oid.strip_prefix(b"\x2a\x86\x48\x86\xf7\x0d\x02")? {
            [0x07] => pbkdf2::PBKDF2_HMAC_SHA1,
            [0x09] => pbkdf2::PBKDF2_HMAC_SHA256,
            [0x0a] => pbkdf2::PBKDF2_HMAC_SHA384,
            [0x0b] => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return None,
        })
    }

    fn derive(&self, password: &[u8], length: usize) -> Result<Key, KeyError> {
        let mut key = Zeroizing::new(vec![0; length]);
        match self {
            Self::Pbkdf2 { salt, rounds, hash } => pbkdf2::derive(*hash, *rounds, salt, password, &mut key),
            Self::Scrypt { salt, params } => {
                scrypt::scrypt(password, salt, params, &mut key).map_err(|_| KeyError::Decrypt)?;
            }
        }
        Ok(key)
    }
}

/// The text of an encrypted key file: PBKDF2 with HMAC-SHA-256, AES-256-CBC.
pub(super) fn seal(plain: &[u8], password: &Password) -> Result<String, KeyError> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| KeyError::Random)?;
    let rounds = NonZeroU32::new(ROUNDS).ok_or(KeyError::Random)?;
    let key =
        Derivation::Pbkdf2 { salt: &salt, rounds, hash: pbkdf2::PBKDF2_HMAC_SHA256 }.derive(password, 32)?;
    let key = UnboundCipherKey::new(&cipher::AES_256, &key).and_then(PaddedBlockEncryptingKey::cbc_pkcs7);
    let mut sealed = plain.to_vec();
    let context = key.and_then(|key| key.encrypt(&mut sealed)).map_err(|_| KeyError::Random)?;
    let DecryptionContext::Iv128(iv) = context else { return Err(KeyError::Random) };
    let oid = |oid| der::element(der::OID, oid);
    let sequence = |parts: &[&[u8]]| der::element(der::SEQUENCE, &parts.concat());
    let octets = |bytes| der::element(der::OCTET_STRING, bytes);
    let rounds = der::element(der::INTEGER, ROUNDS.to_be_bytes().strip_prefix(&[0]).unwrap_or_default());
    let hash = sequence(&[&oid(HMAC_SHA256), &[5, 0]]);
    let derivation = sequence(&[&oid(PBKDF2), &sequence(&[&octets(&salt), &rounds, &hash])]);
    let cipher = sequence(&[&oid(AES_256_CBC), &octets(iv.as_ref())]);
    let scheme = sequence(&[&oid(PBES2), &sequence(&[&derivation, &cipher])]);
    Ok(pem::write("ENCRYPTED PRIVATE KEY", &sequence(&[&scheme, &octets(&sealed)])))
}
