//! Room `attest`: cosign's key file: scrypt, then XSalsa20-Poly1305 (NaCl's secretbox) around PKCS#8.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::XSalsa20;
use salsa20::cipher::KeyIvInit as _;
use salsa20::cipher::StreamCipher as _;
use zeroize::Zeroizing;

use super::KeyError;
use super::Password;
use crate::json::Json;
use crate::json::Place;
use crate::json::Refusal;
use crate::pem;

/// What cosign writes today.
pub(super) const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// What it wrote before.
pub(super) const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";

/// N, r and p that cosign writes: 64 MiB.
const COST: (u64, u64, u64) = (65_536, 8, 1);
/// Length of the tag before the ciphertext.
const TAG: usize = 16;

/// Opens the body of a PEM block.
pub(super) fn open(
    body: &[u8],
    password: &mut dyn FnMut() -> Result<Password, KeyError>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let malformed = |refusal: Refusal| KeyError::Malformed(refusal.to_string());
    let json = Json::read(body, 100).map_err(malformed)?;
    let file = File::read(&json.root()).map_err(malformed)?;
    let params = bounded(file.cost.0, file.cost.1, file.cost.2)?;
    let key = derive(&password()?, &file.salt, &params)?;
    let (tag, sealed) = file.ciphertext.split_at_checked(TAG).ok_or(KeyError::Decrypt)?;
    let (mut cipher, authenticator) = secretbox(&key, &file.nonce)?;
    let expected = authenticator.compute_unpadded(sealed);
    aws_lc_rs::constant_time::verify_slices_are_equal(&expected, tag).map_err(|_| KeyError::Decrypt)?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    cipher.apply_keystream(&mut plain);
    Ok(plain)
}

/// The text of a key file.
pub(super) fn seal(der: &[u8], password: &Password) -> Result<String, KeyError> {
    let (mut salt, mut nonce) = ([0; 32], [0; 24]);
    rand::fill(&mut salt).and_then(|()| rand::fill(&mut nonce)).map_err(|_| KeyError::Random)?;
    let key = derive(password, &salt, &bounded(COST.0, COST.1, COST.2)?)?;
    let (mut cipher, authenticator) = secretbox(&key, &nonce)?;
    let mut sealed = der.to_vec();
    cipher.apply_keystream(&mut sealed);
    let mut ciphertext = authenticator.compute_unpadded(&sealed).to_vec();
    ciphertext.append(&mut sealed);
    let (n, r, p) = COST;
    let (salt, nonce, ciphertext) =
        (STANDARD.encode(salt), STANDARD.encode(nonce), STANDARD.encode(ciphertext));
    let json = format!(
        r#"{{"kdf":{{"name":"scrypt","params":{{"N":{n},"r":{r},"p":{p}}},"salt":"{salt}"}},"cipher":{{"name":"nacl/secretbox","nonce":"{nonce}"}},"ciphertext":"{ciphertext}"}}"#
    );
    Ok(pem::write(LABEL, json.as_bytes()))
}

struct File {
    cost: (u64, u64, u64),
    salt: Vec<u8>,
    nonce: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl File {
    fn read(root: &Place<'_>) -> Result<Self, Refusal> {
        let (kdf, cipher) = (root.required("kdf")?, root.required("cipher")?);
        kdf.required("name")?.exactly("scrypt")?;
        cipher.required("name")?.exactly("nacl/secretbox")?;
        let params = kdf.required("params")?;
        let number = |name| params.required(name)?.whole();
        let bytes = |place: Place<'_>| {
            STANDARD.decode(place.text()?).map_err(|error| place.refuse(format!("not base64: {error}")))
        };
        Ok(Self {
            cost: (number("N")?, number("r")?, number("p")?),
            salt: bytes(kdf.required("salt")?)?,
            nonce: bytes(cipher.required("nonce")?)?,
            ciphertext: bytes(root.required("ciphertext")?)?,
        })
    }
}

/// scrypt's parameters, refused where they would take more memory or time than any honest file needs.
pub(super) fn bounded(n: u64, r: u64, p: u64) -> Result<scrypt::Params, KeyError> {
    let memory = n.checked_mul(r).and_then(|product| product.checked_mul(128));
    let within = n <= 1 << 20 && (1..=16).contains(&r) && (1..=4).contains(&p);
    if !within || memory.is_none_or(|memory| memory > 256 << 20) {
        let asked = format!("scrypt with N = {n}, r = {r}, p = {p}");
        return Err(KeyError::Excessive { asked, limit: "N = 2^20, r = 16, p = 4 or 256 MiB" });
    }
    let malformed = || KeyError::Malformed(format!("scrypt with N = {n}: a power of two was expected"));
    if n < 2 || !n.is_power_of_two() {
        return Err(malformed());
    }
    let (log_n, r, p) = (u8::try_from(n.ilog2()), u32::try_from(r), u32::try_from(p));
    let (Ok(log_n), Ok(r), Ok(p)) = (log_n, r, p) else { return Err(malformed()) };
    scrypt::Params::new(log_n, r, p).map_err(|_| malformed())
}

fn derive(password: &[u8], salt: &[u8], params: &scrypt::Params) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, params, key.as_mut()).map_err(|_| KeyError::Decrypt)?;
    Ok(key)
}

/// The cipher, behind its first 32 bytes, which are the authenticator's key. NaCl, crypto_secretbox_xsalsa20poly1305.
fn secretbox(key: &[u8; 32], nonce: &[u8]) -> Result<(XSalsa20, Poly1305), KeyError> {
    let mut cipher = XSalsa20::new_from_slices(key, nonce)
        .map_err(|_| KeyError::Malformed("$.cipher.nonce: 24 bytes were expected".to_owned()))?;
    let mut authenticator = Zeroizing::new([0; 32]);
    cipher.apply_keystream(authenticator.as_mut());
    let authenticator = Poly1305::new_from_slice(authenticator.as_ref()).map_err(|_| KeyError::Decrypt)?;
    Ok((cipher, authenticator))
}
