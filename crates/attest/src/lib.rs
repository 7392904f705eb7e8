//! files -> digests -> statement -> bundle; bundle + trust + files -> verification
//!
//! Room `attest`: models and keys enter, signatures leave; signatures enter, what they cover and what not leaves. It has no
//! network, and knows neither formats nor clusters.
//!
//! `unsafe` stands in two files, `hash/{x86,wide}.rs`: calls of functions that need CPU features, after these were looked for.
#![deny(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod der;
mod hash;
mod json;
mod keys;
mod oms;
mod pem;
mod time;
mod timestamp;
mod x509;

pub use hash::Digests;
pub use hash::Engine;
pub use hash::Lane;
pub use hash::Sha256;
pub use hash::WrongAnswer;
pub use hash::checked;
pub use json::Refusal;
pub use keys::Algorithm;
pub use keys::Curve;
pub use keys::KeyError;
pub use keys::KeyFormat;
pub use keys::Password;
pub use keys::PrivateKey;
pub use keys::PublicKey;
pub use oms::ParseRequireError;
pub use oms::Request;
pub use oms::Require;
pub use oms::SignError;
pub use oms::Signature;
pub use oms::Signed;
pub use oms::Signing;
pub use oms::TrustRoot;
pub use oms::TrustedSigner;
pub use oms::read_bundle;
pub use oms::read_statement;
pub use oms::sign;
pub use oms::signs_another;
pub use oms::verify;
pub use time::parse as parse_time;
pub use timestamp::Stamp;
pub use timestamp::TimeAuthorities;
pub use timestamp::read_timestamp;
pub use x509::Alternative;
pub use x509::Authorities;
pub use x509::Held;
pub use x509::NameKind;
pub use x509::VerifiedLeaf;
pub use x509::VerifyTime;
pub use x509::certificate_key;
pub use x509::certificates;
