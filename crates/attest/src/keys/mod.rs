//! Room `attest`: key files -> keys. What is secret is wiped when it is dropped and never printed.

mod cosign;
mod pbes2;
mod private;
mod public;
mod rsa;
mod seen;
#[cfg(test)]
mod tests;

pub use private::Curve;
pub use private::KeyFormat;
pub use private::PrivateKey;
pub use public::Algorithm;
pub use public::PublicKey;
pub(crate) use public::Sha2;
pub(crate) use seen::has_private_key;

/// A password, wiped when it is dropped.
pub type Password = zeroize::Zeroizing<Vec<u8>>;

/// A key file that is of no use here.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Asked for a public key.
    #[error(
        "a certificate, not a public key: pass it with --ca if it is the root, or take its key with `openssl x509 -pubkey -noout -in FILE`"
    )]
    Certificate,
    /// Damage, or the wrong password: the file's own check cannot tell them apart.
    #[error("wrong password, or the file is damaged")]
    Decrypt,
    /// A derivation that would cost more than any honest file asks for.
    #[error("the file asks for a password derivation of {asked}; more than {limit} is refused")]
    Excessive {
        /// What it asks for.
        asked: String,
        /// What is done at most.
        limit: &'static str,
    },
    /// Fields that are not as they must be.
    #[error("damaged key file: {0}")]
    Malformed(String),
    /// The point is not on the curve.
    #[error("damaged public key: its point is not on its curve")]
    NotOnCurve,
    /// Cut short, or not base64.
    #[error("damaged PEM: a block does not end, or is not base64")]
    NotPem,
    /// No private key in it.
    #[error(
        "no private key in it: expected PEM with PRIVATE KEY, EC PRIVATE KEY, ENCRYPTED PRIVATE KEY or ENCRYPTED SIGSTORE PRIVATE KEY"
    )]
    NotPrivate,
    /// No public key in it.
    #[error("no public key in it: expected PEM with PUBLIC KEY, or its DER")]
    NotPublic,
    /// PEM encryption with MD5 and no salt to speak of.
    #[error(
        "encrypted the old way (Proc-Type: 4,ENCRYPTED), which MD5 protects: convert it with `openssl pkcs8 -topk8 -in OLD -out NEW`"
    )]
    OldEncryption,
    /// A private key where a public one is needed.
    #[error("a private key, where the public one is needed: verify with the file that ends in .pub")]
    Private,
    /// The system's random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// An RSA key of a size that is not trusted.
    #[error("an RSA key of {0} bits: 2048 to 4096 are verified")]
    RsaSize(usize),
    /// Two keys in one file.
    #[error("several keys in one file: pass each with an option of its own")]
    Several,
    /// Another kind of key.
    #[error("unsupported kind of key: P-256, P-384 and P-521 sign and verify; Ed25519 and RSA verify")]
    Unsupported,
    /// Asked to sign with a kind that verifies alone: its name.
    #[error(
        "a key of {0}, which Ringfence verifies and never signs with: model-signing would refuse it; `ringfence model keygen` \
         makes one on P-256"
    )]
    VerifiesOnly(&'static str),
    /// The password's owner gave none.
    #[error("{0}")]
    NoPassword(String),
}
