//! Room `attest`: certificates -> the key of a leaf that a given authority stands behind, at a given time. RFC 5280.
//!
//! The path is `rustls-webpki`'s; it ignores what a key may be used for, so those rules are ours.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::UnixTime;
use webpki::Cert;
use webpki::EndEntityCert;
use webpki::KeyPurposeIdIter;
use webpki::VerifiedPath;

use crate::PublicKey;
use crate::Refusal;
use crate::Sha256;
use crate::der;
use crate::der::Der;
use crate::pem;
use crate::time;

/// At what time a certificate must be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyTime {
    /// Now, in seconds since 1970.
    Now(u64),
    /// Another time, which the result tells.
    At(u64),
    /// The first second of the leaf's own validity, as model-signing does; the result tells it.
    LeafNotBefore,
}

/// Certificates that are trusted, and when.
#[derive(Debug)]
pub struct Authorities {
    roots: Vec<CertificateDer<'static>>,
    time: VerifyTime,
}

/// The certificate of a signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedLeaf {
    /// SHA-256 of its DER.
    pub fingerprint: Sha256,
    /// Common name of its subject, as the authority wrote it.
    pub name: Option<String>,
    /// Mail addresses, host names and URIs that it is for.
    pub alternatives: Vec<String>,
}

impl VerifiedLeaf {
    /// Whether it is for `identity`, letter by letter. An authority that wrote alternative names has checked those, and
    /// often not the common name, which counts where there are none (RFC 9525, section 2).
    fn is_for(&self, identity: &str) -> bool {
        if self.alternatives.is_empty() {
            return self.name.as_deref() == Some(identity);
        }
        self.alternatives.iter().any(|name| name == identity)
    }

    /// Whom it is for, in words.
    fn whom(&self) -> String {
        if self.alternatives.is_empty() {
            return self.name.clone().unwrap_or_else(|| "nobody by name".to_owned());
        }
        self.alternatives.join(", ")
    }
}

/// Reads the certificates of a PEM file, or one DER.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let text = str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN "));
    let Some(text) = text else {
        return if Certificate::read(bytes).is_some() {
            Ok(vec![bytes.to_vec()])
        } else {
            Err("no certificate in it")
        };
    };
    let blocks = pem::blocks(text).ok_or("damaged PEM: a block does not end, or is not base64")?;
    let blocks = blocks.into_iter().filter(|block| block.label == "CERTIFICATE").map(|block| block.bytes);
    let found: Vec<Vec<u8>> = blocks.collect();
    if found.is_empty() { Err("no certificate in it") } else { Ok(found) }
}

/// The key of a certificate, to hold it against a private one.
pub fn certificate_key(der: &[u8]) -> Option<PublicKey> {
    PublicKey::from_der(Certificate::read(der)?.key).ok()
}

impl Authorities {
    /// Trusts these roots, and nobody else.
    pub fn new(roots: Vec<Vec<u8>>, time: VerifyTime) -> Result<Self, &'static str> {
        let roots: Vec<_> = roots.into_iter().map(CertificateDer::from).collect();
        if roots.iter().any(|root| webpki::anchor_from_trusted_cert(root).is_err()) {
            return Err("a damaged certificate");
        }
        Ok(Self { roots, time })
    }

    /// Options in force that say yes to more than the default does.
    pub(crate) fn relaxed(&self) -> Option<String> {
        match self.time {
            VerifyTime::Now(_) => None,
            VerifyTime::At(seconds) => {
                Some(format!("--at {}: certificates were judged at that time", time::text(seconds)))
            }
            VerifyTime::LeafNotBefore => {
                Some("--at leaf-not-before: an expired certificate is taken for a valid one".to_owned())
            }
        }
    }

    /// The key of the first certificate, if a path of valid ones leads from it to a root and it is for `identity`; and how many
    /// certificates are on no such path, which makes them free to change.
    pub(crate) fn verify(
        &self,
        chain: &[Vec<u8>],
        identity: Option<&str>,
    ) -> Result<(PublicKey, VerifiedLeaf, usize), Refusal> {
        let refuse =
            |rule: String| Refusal { path: "$.verificationMaterial.x509CertificateChain".to_owned(), rule };
        let (first, rest) = chain.split_first().ok_or_else(|| refuse("no certificates".to_owned()))?;
        let leaf =
            Certificate::read(first).ok_or_else(|| refuse("the first certificate is damaged".to_owned()))?;
        let seconds = match self.time {
            VerifyTime::Now(seconds) | VerifyTime::At(seconds) => seconds,
            VerifyTime::LeafNotBefore => leaf.not_before,
        };
        if !leaf.may_sign() {
            let rule =
                "the first certificate may not sign: neither key usage digitalSignature nor codeSigning";
            return Err(refuse(rule.to_owned()));
        }
        if seconds < leaf.not_before || seconds > leaf.not_after {
            let (from, to, at) =
                (time::text(leaf.not_before), time::text(leaf.not_after), time::text(seconds));
            return Err(refuse(format!(
                "the first certificate is valid from {from} to {to}, not at {at} (--at sets the time)"
            )));
        }
        let key = PublicKey::from_der(leaf.key).map_err(|error| refuse(error.to_string()))?;
        // A leaf that is itself trusted needs no path; webpki has no word for that.
        let between = if self.is_root(first) {
            Vec::new()
        } else {
            self.path(first, rest, seconds)
                .map_err(|error| refuse(format!("no valid path to a given authority: {error}")))?
        };
        let beside = rest.iter().filter(|der| !between.contains(der) && !self.is_root(der)).count();
        let leaf =
            VerifiedLeaf { fingerprint: Sha256::of(first), name: leaf.name, alternatives: leaf.alternatives };
        match identity {
            Some(identity) if !leaf.is_for(identity) => {
                Err(refuse(format!("the certificate is for {}, not for {identity}", leaf.whom())))
            }
            _ => Ok((key, leaf, beside)),
        }
    }

    fn is_root(&self, der: &[u8]) -> bool {
        self.roots.iter().any(|root| root.as_ref() == der)
    }

    /// The certificates between leaf and root.
    fn path(&self, leaf: &[u8], rest: &[Vec<u8>], seconds: u64) -> Result<Vec<Vec<u8>>, webpki::Error> {
        let anchors =
            self.roots.iter().map(webpki::anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>()?;
        let between: Vec<CertificateDer<'_>> =
            rest.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let leaf = CertificateDer::from(leaf);
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let leaf = EndEntityCert::try_from(&leaf)?;
        let path = leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &between,
            time,
            AnyUsage,
            None,
            Some(&may_certify),
        )?;
        Ok(path.intermediate_certificates().map(|issuer| issuer.der().to_vec()).collect())
    }
}

/// RFC 5280, 6.1.4 (n): where an issuer says what its key is for, that is signing certificates.
fn may_certify(path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
    let may = |issuer: &Cert<'_>| Certificate::read(&issuer.der()).is_some_and(|issuer| issuer.may_certify());
    if path.intermediate_certificates().all(may) { Ok(()) } else { Err(webpki::Error::EndEntityUsedAsCa) }
}

/// The usage of a leaf is judged by [`Certificate::may_sign`].
struct AnyUsage;

impl webpki::ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_CERT_SIGN: u8 = 0x04;
const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";
const CODE_SIGNING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x03";
const COMMON_NAME: &[u8] = b"\x55\x04\x03";
const ALTERNATIVE_NAME: &[u8] = b"\x55\x1d\x11";
/// Tags of a GeneralName that names somebody: rfc822Name, dNSName, uniformResourceIdentifier (RFC 5280, section 4.2.1.6).
const NAMES_SOMEBODY: [u8; 3] = [0x81, 0x82, 0x86];

/// What is asked of a certificate.
#[derive(Debug)]
struct Certificate<'d> {
    not_before: u64,
    not_after: u64,
    name: Option<String>,
    alternatives: Vec<String>,
    /// DER of its SubjectPublicKeyInfo.
    key: &'d [u8],
    /// First octet of its key usage, RFC 5280, 4.2.1.3.
    usage: Option<u8>,
    code_signing: bool,
}

impl<'d> Certificate<'d> {
    fn read(bytes: &'d [u8]) -> Option<Self> {
        let mut outer = Der::new(bytes);
        let mut body = outer.sequence()?.sequence()?;
        body.take(0xa0)?; // version: extensions exist from 3 on
        body.take(der::INTEGER)?; // serial number
        body.sequence()?; // signature algorithm
        body.sequence()?; // issuer
        let mut validity = body.sequence()?;
        let (not_before, not_after) = (time::from_der(validity.any()?)?, time::from_der(validity.any()?)?);
        let name = common_name(body.sequence()?);
        let content = body.take(der::SEQUENCE)?;
        let key = whole(bytes, content)?;
        let mut certificate = Self {
            not_before,
            not_after,
            name,
            alternatives: Vec::new(),
            key,
            usage: None,
            code_signing: false,
        };
        let mut extensions = loop {
            if body.is_empty() {
                break body;
            }
            match body.any()? {
                (0xa1 | 0xa2 | 0x81 | 0x82, _) => {}
                (0xa3, content) => break Der::new(content).sequence()?,
                _ => return None,
            }
        };
        while !extensions.is_empty() {
            certificate.extension(extensions.sequence()?)?;
        }
        outer.is_empty().then_some(certificate)
    }

    fn extension(&mut self, mut extension: Der<'d>) -> Option<()> {
        let oid = extension.take(der::OID)?;
        if extension.peek() == Some(der::BOOLEAN) {
            extension.take(der::BOOLEAN)?;
        }
        let mut value = Der::new(extension.take(der::OCTET_STRING)?);
        match oid {
            KEY_USAGE => {
                // The octet before them counts unused bits.
                let bits = value.take(der::BIT_STRING)?;
                self.usage = Some(bits.get(1).copied().unwrap_or(0));
            }
            EXTENDED_KEY_USAGE => {
                let mut purposes = value.sequence()?;
                while !purposes.is_empty() {
                    self.code_signing |= purposes.take(der::OID)? == CODE_SIGNING;
                }
            }
            ALTERNATIVE_NAME => {
                let mut names = value.sequence()?;
                while !names.is_empty() {
                    let (tag, name) = names.any()?;
                    if NAMES_SOMEBODY.contains(&tag) {
                        // IA5String: what is not is no name that anybody could write down.
                        self.alternatives.push(str::from_utf8(name).ok()?.to_owned());
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    fn may_sign(&self) -> bool {
        self.usage.is_some_and(|bits| bits & DIGITAL_SIGNATURE != 0) || self.code_signing
    }

    fn may_certify(&self) -> bool {
        self.usage.is_none_or(|bits| bits & KEY_CERT_SIGN != 0)
    }
}

/// An element with its tag and length, from its content: both lie in `bytes`.
fn whole<'d>(bytes: &'d [u8], content: &[u8]) -> Option<&'d [u8]> {
    let at = bytes
        .windows(content.len().max(1))
        .position(|window| std::ptr::eq(window.as_ptr(), content.as_ptr()))?;
    let header = match content.len() {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        _ => 4,
    };
    bytes.get(at.checked_sub(header)?..at + content.len())
}

fn common_name(mut names: Der<'_>) -> Option<String> {
    while let Some((0x31, set)) = names.any() {
        let mut attribute = Der::new(set).sequence()?;
        if attribute.take(der::OID)? == COMMON_NAME {
            let (_, text) = attribute.any()?;
            return str::from_utf8(text).ok().map(str::to_owned);
        }
    }
    None
}
