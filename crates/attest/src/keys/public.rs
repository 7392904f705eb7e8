//! Room `attest`: public keys, and the ways in which bundles name one.

use aws_lc_rs::digest;
use aws_lc_rs::signature;
use aws_lc_rs::signature::UnparsedPublicKey;
use aws_lc_rs::signature::VerificationAlgorithm;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signature;
use ed25519_dalek::VerifyingKey;
use sha2::Digest as _;

use super::KeyError;
use super::rsa;
use crate::Sha256;
use crate::pem;

/// What a key signs with; the hash follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// ECDSA on P-521 with SHA-512.
    P521,
    /// Ed25519 (RFC 8032, section 5.1) over the message itself, or over its SHA-512 (Ed25519ph): verified, never used to sign.
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-256, whatever the size: verified, never used to sign.
    Rsa,
}

impl Algorithm {
    /// Those whose keys all have one length.
    const FIXED: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::Ed25519];

    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        }
    }

    /// What DER has before the key itself (RFC 5480, RFC 8410), and the length of the key in bytes, where it has one.
    fn prefix(self) -> Option<(&'static [u8], usize)> {
        Some(match self {
            Self::P256 => (b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00", 65),
            Self::P384 => (b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00", 97),
            Self::P521 => (b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00", 133),
            Self::Ed25519 => (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 32),
            Self::Rsa => return None,
        })
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::P384 => &signature::ECDSA_P384_SHA384_ASN1,
            Self::P521 => &signature::ECDSA_P521_SHA512_ASN1,
            Self::Ed25519 => &signature::ED25519,
            Self::Rsa => &signature::RSA_PKCS1_2048_8192_SHA256,
        }
    }

    /// With this hash, whatever belongs to the kind of key; none where they do not go together (RFC 8419, section 3.1:
    /// Ed25519 goes with SHA-512 alone).
    fn verification_with(self, hash: Sha2) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self, hash) {
            (Self::P256, Sha2::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Self::P256, Sha2::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Self::P256, Sha2::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
            (Self::P384, Sha2::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Self::P384, Sha2::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
            (Self::P384, Sha2::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
            (Self::P521, Sha2::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
            (Self::P521, Sha2::Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
            (Self::P521, Sha2::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
            (Self::Rsa, Sha2::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (Self::Rsa, Sha2::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa, Sha2::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
            (Self::Ed25519, Sha2::Sha512) => &signature::ED25519,
            (Self::Ed25519, Sha2::Sha256 | Sha2::Sha384) => return None,
        })
    }
}

/// A hash that a signature names beside its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sha2 {
    Sha256,
    Sha384,
    Sha512,
}

impl Sha2 {
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let how = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(how, bytes).as_ref().to_vec()
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// The point, uncompressed; the 32 bytes of Ed25519; DER of an `RSAPublicKey`.
    key: Vec<u8>,
}

impl PublicKey {
    /// Reads PEM or DER: a SubjectPublicKeyInfo, or an `RSAPublicKey` (PKCS#1).
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        let text = str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN "));
        // DER is a SEQUENCE (X.690): what begins with another tag is no key of any kind.
        let Some(text) = text else {
            return match bytes.first() {
                Some(0x30) if rsa::is_bare(bytes) => Self::from_rsa(bytes),
                Some(0x30) => Self::from_der(bytes),
                _ => Err(KeyError::NotPublic),
            };
        };
        let blocks = pem::blocks(text).ok_or(KeyError::NotPem)?;
        let is_public = |label| matches!(label, "PUBLIC KEY" | "RSA PUBLIC KEY");
        let found: Vec<_> = blocks.iter().filter(|block| is_public(block.label)).collect();
        match found.as_slice() {
            [block] if block.label == "RSA PUBLIC KEY" => Self::from_rsa(&block.bytes),
            [block] => Self::from_der(&block.bytes),
            [] if blocks.iter().any(|block| block.label.contains("PRIVATE KEY")) => Err(KeyError::Private),
            [] if blocks.iter().any(|block| block.label == "CERTIFICATE") => Err(KeyError::Certificate),
            [] => Err(KeyError::NotPublic),
            _ => Err(KeyError::Several),
        }
    }

    /// Reads the DER of a SubjectPublicKeyInfo: one way to write each key, so that equal keys have equal bytes.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let fits = |algorithm: &Algorithm| {
            let (prefix, length) = algorithm.prefix()?;
            let key = der.strip_prefix(prefix).filter(|key| key.len() == length)?;
            Some(Self { algorithm: *algorithm, key: key.to_vec() })
        };
        let Some(key) = Algorithm::FIXED.iter().find_map(fits) else {
            return Self::from_rsa(rsa::from_spki(der).ok_or(KeyError::Unsupported)?);
        };
        // A point that is not on its curve is found here, not at the first signature.
        UnparsedPublicKey::new(key.algorithm.verification(), &key.key)
            .parse()
            .map_err(|_| KeyError::NotOnCurve)?;
        Ok(key)
    }

    /// Reads the DER of an `RSAPublicKey`.
    fn from_rsa(der: &[u8]) -> Result<Self, KeyError> {
        rsa::check(der)?;
        let key = Self { algorithm: Algorithm::Rsa, key: der.to_vec() };
        let parsed = UnparsedPublicKey::new(key.algorithm.verification(), &key.key).parse();
        parsed.map_err(|_| KeyError::Malformed("no RSA public key in it".to_owned()))?;
        Ok(key)
    }

    /// The point of a key pair.
    pub(crate) fn from_point(algorithm: Algorithm, point: &[u8]) -> Self {
        Self { algorithm, key: point.to_vec() }
    }

    /// What it verifies with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// SubjectPublicKeyInfo.
    pub fn to_der(&self) -> Vec<u8> {
        match self.algorithm.prefix() {
            Some((prefix, _)) => [prefix, &self.key].concat(),
            None => rsa::to_spki(&self.key),
        }
    }

    /// SubjectPublicKeyInfo in PEM.
    pub fn to_pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.to_der())
    }

    /// SHA-256 of the DER: what people compare.
    pub fn fingerprint(&self) -> Sha256 {
        Sha256::of(&self.to_der())
    }

    /// The hint of model-signing: hex SHA-256 of the PEM text.
    pub fn hint(&self) -> String {
        Sha256::of(self.to_pem().as_bytes()).to_string()
    }

    /// The hint of cosign: base64 SHA-256 of the DER.
    pub fn cosign_hint(&self) -> String {
        STANDARD.encode(self.fingerprint().as_bytes())
    }

    /// As Sigstore's bundles write it in `keyDetails` (`PublicKeyDetails` of its protobuf-specs). RSA has three sizes there;
    /// model-transparency-go, which signs with it, takes the next larger one.
    pub(crate) fn key_details(&self) -> &'static str {
        match self.algorithm {
            Algorithm::P256 => "PKIX_ECDSA_P256_SHA_256",
            Algorithm::P384 => "PKIX_ECDSA_P384_SHA_384",
            Algorithm::P521 => "PKIX_ECDSA_P521_SHA_512",
            Algorithm::Ed25519 => "PKIX_ED25519",
            Algorithm::Rsa => match rsa::bits(&self.key) {
                Some(..=2048) => "PKIX_RSA_PKCS1V15_2048_SHA256",
                Some(..=3072) => "PKIX_RSA_PKCS1V15_3072_SHA256",
                _ => "PKIX_RSA_PKCS1V15_4096_SHA256",
            },
        }
    }

    /// Whether `signature` of `message` is by this key with SHA-256, whatever its curve; never for keys on none.
    pub(crate) fn verifies_with_sha256(&self, message: &[u8], signature: &[u8]) -> bool {
        let is_on_curve = matches!(self.algorithm, Algorithm::P256 | Algorithm::P384 | Algorithm::P521);
        is_on_curve && self.verifies_with(Sha2::Sha256, message, signature)
    }

    /// Whether `signature` of `message` is by this key with this hash.
    pub(crate) fn verifies_with(&self, hash: Sha2, message: &[u8], signature: &[u8]) -> bool {
        let verify = |how| UnparsedPublicKey::new(how, &self.key).verify(message, signature).is_ok();
        self.algorithm.verification_with(hash).is_some_and(verify)
    }

    /// Whether `signature` is by this key over SHA-512 of `message`: Ed25519ph without a context (RFC 8032, section 5.1); never
    /// for keys of other kinds.
    pub(crate) fn verifies_prehashed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key =
            <[u8; 32]>::try_from(self.key.as_slice()).ok().filter(|_| self.algorithm == Algorithm::Ed25519);
        let key = key.and_then(|key| VerifyingKey::from_bytes(&key).ok());
        let (Some(key), Ok(signature)) = (key, Signature::from_slice(signature)) else { return false };
        let digest = sha2::Sha512::new_with_prefix(message);
        key.verify_prehashed_strict(digest, None, &signature).is_ok()
    }

    /// Whether `signature` (DER for ECDSA) of `message` is by this key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm.verification(), &self.key).verify(message, signature).is_ok()
    }
}
