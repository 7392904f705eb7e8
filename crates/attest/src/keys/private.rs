//! Room `attest`: private keys: from any form of file, new ones, and what they sign.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::EcdsaSigningAlgorithm;
use aws_lc_rs::signature::KeyPair as _;
use zeroize::Zeroizing;

use super::Algorithm;
use super::KeyError;
use super::Password;
use super::PublicKey;
use super::cosign;
use super::pbes2;
use super::rsa;
use crate::der;
use crate::der::Der;
use crate::pem;

/// Curves that sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Curve {
    /// With SHA-256.
    #[default]
    P256,
    /// With SHA-384.
    P384,
    /// With SHA-512.
    P521,
}

impl Curve {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            Self::P521 => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }

    fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::P256,
            Self::P384 => Algorithm::P384,
            Self::P521 => Algorithm::P521,
        }
    }
}

/// Forms in which a new key is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyFormat {
    /// cosign's own file.
    #[default]
    Cosign,
    /// PKCS#8, which model-signing and OpenSSL read.
    Pem,
}

/// A key that signs.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// Reads a key file; `password` is asked only where the file is encrypted.
    pub fn read(
        bytes: &[u8],
        password: &mut dyn FnMut() -> Result<Password, KeyError>,
    ) -> Result<Self, KeyError> {
        let text = str::from_utf8(bytes).map_err(|_| KeyError::NotPrivate)?;
        let blocks = pem::blocks(text).ok_or(KeyError::NotPem)?;
        let keys = blocks.into_iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
        let keys: Vec<_> =
            keys.map(|block| (block.label, block.old_encryption, Zeroizing::new(block.bytes))).collect();
        let mut keys = keys.into_iter();
        let (label, old_encryption, bytes) = keys.next().ok_or(KeyError::NotPrivate)?;
        if keys.next().is_some() {
            return Err(KeyError::Several);
        }
        if old_encryption {
            return Err(KeyError::OldEncryption);
        }
        let der = match label {
            "PRIVATE KEY" | "EC PRIVATE KEY" => bytes,
            "ENCRYPTED PRIVATE KEY" => pbes2::open(&bytes, password)?,
            cosign::LABEL | cosign::OLD_LABEL => cosign::open(&bytes, password)?,
            "RSA PRIVATE KEY" => return Err(KeyError::VerifiesOnly("RSA")),
            _ => return Err(KeyError::Unsupported),
        };
        Self::from_der(&der)
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let pair =
            |curve: Curve| Some((curve, EcdsaKeyPair::from_private_key_der(curve.signing(), der).ok()?));
        let found = Curve::ALL.into_iter().find_map(pair);
        let (curve, pair) = found.ok_or_else(|| verifies_only(der).unwrap_or(KeyError::Unsupported))?;
        let public = PublicKey::from_point(curve.algorithm(), pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// A new key, and its file: encrypted unless `password` is empty and the form is PEM.
    pub fn generate(
        curve: Curve,
        format: KeyFormat,
        password: &Password,
    ) -> Result<(Self, Zeroizing<String>), KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(curve.signing(), &SystemRandom::new());
        let document = document.map_err(|_| KeyError::Random)?;
        let der = Zeroizing::new(document.as_ref().to_vec());
        let key = Self::from_der(&der)?;
        let file = match format {
            KeyFormat::Cosign => cosign::seal(&der, password)?,
            KeyFormat::Pem if password.is_empty() => pem::write("PRIVATE KEY", &der),
            KeyFormat::Pem => pbes2::seal(&der, password)?,
        };
        Ok((key, Zeroizing::new(file)))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// DER of the ECDSA signature; the hash is the curve's.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Random)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Why a PKCS#8 key (RFC 5208) of a kind that is known does not sign.
fn verifies_only(der: &[u8]) -> Option<KeyError> {
    let mut key = Der::new(der).sequence()?;
    key.number()?;
    match key.sequence()?.take(der::OID)? {
        rsa::OID => Some(KeyError::VerifiesOnly("RSA")),
        b"\x2b\x65\x70" => Some(KeyError::VerifiesOnly("Ed25519")),
        _ => None,
    }
}
