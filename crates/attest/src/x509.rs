//! Room `attest`: certificates -> the key of a leaf that a given authority stands behind, at a given time. RFC 5280.
//!
//! The path is `rustls-webpki`'s; it ignores what a key may be used for, so those rules are ours.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::TrustAnchor;
use rustls_pki_types::UnixTime;
use webpki::Cert;
use webpki::EndEntityCert;
use webpki::KeyPurposeIdIter;
use webpki::VerifiedPath;

use crate::KeyError;
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
    /// Whether the common name says whom it is for: it has no alternative names of whatever kind, and nobody on its path is
    /// held to some names, which bind alternative names alone (RFC 5280, section 4.2.1.10).
    pub is_named: bool,
}

impl VerifiedLeaf {
    /// Whether it is for `identity`, letter by letter. An authority that wrote alternative names has checked those, and
    /// often not the common name, which counts where there are none (RFC 9525, section 2).
    fn is_for(&self, identity: &str) -> bool {
        if self.is_named {
            return self.name.as_deref() == Some(identity);
        }
        self.alternatives.iter().any(|name| name == identity)
    }

    /// Whom it is for, in words.
    fn whom(&self) -> String {
        let nobody = || "nobody by name".to_owned();
        match &self.name {
            Some(name) if self.is_named => name.clone(),
            _ if self.alternatives.is_empty() => nobody(),
            _ => self.alternatives.join(", "),
        }
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
        let (between, constrains) = if self.is_root(first) {
            (Vec::new(), false)
        } else {
            self.path(first, rest, seconds).map_err(|error| refuse(self.no_path(&error, rest, seconds)))?
        };
        let beside = rest.iter().filter(|der| !between.contains(der) && !self.is_root(der)).count();
        let leaf = VerifiedLeaf {
            fingerprint: Sha256::of(first),
            name: leaf.name,
            alternatives: leaf.alternatives,
            is_named: !leaf.has_alternatives && !constrains,
        };
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

    /// Why there is no path, with what rules the given certificates out.
    fn no_path(&self, error: &webpki::Error, rest: &[Vec<u8>], seconds: u64) -> String {
        let out = self.roots.iter().filter_map(|root| {
            let root = Certificate::read(root)?;
            let name = root.name.clone().unwrap_or_else(|| "a given certificate".to_owned());
            if !root.is_authority() {
                return Some(format!("{name} may not issue certificates, and stands for itself alone"));
            }
            let (from, to) = (time::text(root.not_before), time::text(root.not_after));
            (!root.is_valid(seconds))
                .then(|| format!("{name} is valid from {from} to {to}, not at {}", time::text(seconds)))
        });
        let issuers = self.roots.iter().map(AsRef::as_ref).chain(rest.iter().map(Vec::as_slice));
        let weak = issuers.filter_map(|issuer| {
            let issuer = Certificate::read(issuer)?;
            let error = PublicKey::from_der(issuer.key).err()?;
            let name = issuer.name.as_deref().unwrap_or("an issuer");
            matches!(error, KeyError::RsaSize(..2048)).then(|| format!("{name} has {error}"))
        });
        let out: Vec<String> = out.chain(weak).collect();
        let why = if out.is_empty() { error.to_string() } else { out.join("; ") };
        format!("no valid path to a given authority: {why}")
    }

    /// The certificates between leaf and root, and whether one of them or the root is held to some names.
    fn path(
        &self,
        leaf: &[u8],
        rest: &[Vec<u8>],
        seconds: u64,
    ) -> Result<(Vec<Vec<u8>>, bool), webpki::Error> {
        // webpki takes an anchor for a name and a key: what its certificate says of itself is judged here.
        let stands = |root: &&CertificateDer<'static>| {
            Certificate::read(root).is_some_and(|root| root.is_authority() && root.is_valid(seconds))
        };
        let roots: Vec<&CertificateDer<'static>> = self.roots.iter().filter(stands).collect();
        let anchors =
            roots.iter().map(|root| webpki::anchor_from_trusted_cert(root)).collect::<Result<Vec<_>, _>>()?;
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
            Some(&|path: &VerifiedPath<'_>| may_certify(path, root_of(path, &roots, &anchors))),
        )?;
        let root = root_of(&path, &roots, &anchors).is_some_and(|root| root.constrains);
        let between: Vec<Vec<u8>> =
            path.intermediate_certificates().map(|issuer| issuer.der().to_vec()).collect();
        let constrains = |der: &Vec<u8>| Certificate::read(der).is_none_or(|issuer| issuer.constrains);
        let is_held = root || between.iter().any(constrains);
        Ok((between, is_held))
    }
}

/// The certificate that a path ends at. Of two with one name and one key the stricter cannot be told: the first.
fn root_of<'r>(
    path: &VerifiedPath<'_>,
    roots: &[&'r CertificateDer<'static>],
    anchors: &[TrustAnchor<'_>],
) -> Option<Certificate<'r>> {
    let at = anchors.iter().position(|anchor| anchor == path.anchor())?;
    Certificate::read(roots.get(at)?)
}

/// RFC 5280, 6.1.4: where an issuer says what its key is for, that is signing certificates (n); the root's limit of how many
/// may follow holds as those of the others do, which webpki has counted (l, m).
fn may_certify(path: &VerifiedPath<'_>, root: Option<Certificate<'_>>) -> Result<(), webpki::Error> {
    let may = |issuer: &Cert<'_>| Certificate::read(&issuer.der()).is_some_and(|issuer| issuer.may_certify());
    if !path.intermediate_certificates().all(may) {
        return Err(webpki::Error::EndEntityUsedAsCa);
    }
    let between = path.intermediate_certificates().count();
    let most = root.ok_or(webpki::Error::UnknownIssuer)?.path_len;
    if most.is_some_and(|most| between > most) {
        Err(webpki::Error::PathLenConstraintViolated)
    } else {
        Ok(())
    }
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
const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const NAME_CONSTRAINTS: &[u8] = b"\x55\x1d\x1e";
/// Tags of a GeneralName that names somebody: rfc822Name, dNSName, uniformResourceIdentifier (RFC 5280, section 4.2.1.6).
const NAMES_SOMEBODY: [u8; 3] = [0x81, 0x82, 0x86];

/// What is asked of a certificate.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an extension of its own")]
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
    /// It has alternative names, of whatever kind.
    has_alternatives: bool,
    /// It may issue certificates: `cA` of its basic constraints.
    is_ca: bool,
    /// How many authorities may stand between it and a leaf; none: any number.
    path_len: Option<usize>,
    /// What it issues is held to some names.
    constrains: bool,
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
            has_alternatives: false,
            is_ca: false,
            path_len: None,
            constrains: false,
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
            BASIC_CONSTRAINTS => {
                let mut basic = value.sequence()?;
                if basic.peek() == Some(der::BOOLEAN) {
                    self.is_ca = basic.take(der::BOOLEAN)? != [0];
                }
                if basic.peek() == Some(der::INTEGER) {
                    // More than a path can have is as good as none.
                    let digits = basic.take(der::INTEGER)?;
                    self.path_len = digits.iter().try_fold(0_usize, |sum, digit| {
                        sum.checked_mul(256)?.checked_add(usize::from(*digit))
                    });
                }
            }
            NAME_CONSTRAINTS => self.constrains = true,
            ALTERNATIVE_NAME => {
                self.has_alternatives = true;
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

    /// Whether it may stand at the end of a path.
    fn is_authority(&self) -> bool {
        self.is_ca && self.may_certify()
    }

    fn is_valid(&self, seconds: u64) -> bool {
        (self.not_before..=self.not_after).contains(&seconds)
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
