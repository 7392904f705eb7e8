//! What the fuzz targets do with their bytes, shared by `fuzz/` and the replay of the corpora on stable.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringfence_attest::Authorities;
use ringfence_attest::KeyError;
use ringfence_attest::PrivateKey;
use ringfence_attest::PublicKey;
use ringfence_attest::Request;
use ringfence_attest::Require;
use ringfence_attest::Signature;
use ringfence_attest::TrustRoot;
use ringfence_attest::TrustedSigner;
use ringfence_attest::VerifyTime;
use ringfence_finding::VerifyOutcome;

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

/// The same for timestamps.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn timestamp(bytes: &[u8]) {
    refused_with_words(&ringfence_attest::read_timestamp(bytes), &ringfence_attest::read_timestamp(bytes));
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

/// Elements of DER in a row, leaf first, as the chain of a bundle whose last certificate is the trusted authority: the chain is
/// judged before the signature, which is none, so that no certificate whatever makes it hold.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn certificate(bytes: &[u8]) {
    let chain = elements(bytes);
    let Some(root) = chain.last() else { return };
    for certificate in &chain {
        let read = ringfence_attest::certificates(certificate);
        let key = ringfence_attest::certificate_key(certificate);
        assert!(key.is_none() || read.is_ok_and(|read| read == [*certificate]));
    }
    for (time, identity) in [(VerifyTime::LeafNotBefore, None), (VerifyTime::At(1_795_596_000), Some("x"))] {
        let Ok(authorities) = Authorities::new(vec![root.to_vec()], time) else { return };
        let root = TrustRoot::Authority { authorities, identity: identity.map(str::to_owned) };
        let trust = [TrustedSigner { name: "ours".to_owned(), root, until: None, tsa: None }];
        let signature = Signature { name: "x.sig".to_owned(), bundle: bundle_of(&chain), own: None };
        let verified = ringfence_attest::verify(&Request {
            path: Path::new(""),
            signatures: &[signature],
            trust: &trust,
            require: Require::Any,
            ignore: &[],
            allow_unsigned: None,
            oms_v02: false,
            now: 1_795_596_000,
            threads: None,
            count: &|_| (),
        });
        let Ok(verified) = verified else { return };
        assert_eq!(verified.outcome(), VerifyOutcome::Failed);
        assert!(verified.signed_by.is_none() && !verified.reasons.is_empty());
    }
}

/// Sequences that follow each other; what is left is one, too.
fn elements(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut elements, mut rest) = (Vec::new(), bytes);
    while let [0x30, 0x82, high, low, ..] = rest {
        let Some((element, more)) = rest.split_at_checked(4 + usize::from(u16::from_be_bytes([*high, *low])))
        else {
            break;
        };
        elements.push(element);
        rest = more;
    }
    if !rest.is_empty() {
        elements.push(rest);
    }
    elements
}

/// A bundle with this chain, and a signature of nothing.
fn bundle_of(chain: &[&[u8]]) -> Vec<u8> {
    let certificates: Vec<String> =
        chain.iter().map(|der| format!(r#"{{"rawBytes":"{}"}}"#, STANDARD.encode(der))).collect();
    format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"x509CertificateChain":{{"certificates":[{}]}}}},"dsseEnvelope":{{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{{"sig":"MAA="}}]}}}}"#,
        certificates.join(",")
    )
    .into_bytes()
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
