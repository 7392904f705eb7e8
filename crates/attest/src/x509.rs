//! Room `attest`: certificates -> the key of a leaf that a given authority stands behind, at a given time. RFC 5280.
//!
//! The path is `rustls-webpki`'s; it ignores what a key may be used for, so those rules are ours.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::TrustAnchor;
use rustls_pki_types::UnixTime;
use webpki::Cert;
use webpki::EndEntityCert;
use webpki::KeyPurposeId;
use webpki::KeyPurposeIdIter;
use webpki::RequiredEkuNotFoundContext;
use webpki::VerifiedPath;

use crate::KeyError;
use crate::PublicKey;
use crate::Refusal;
use crate::Sha256;
use crate::pem;
use crate::time;

mod certificate;

use certificate::ANY_PURPOSE;
use certificate::CODE_SIGNING;
use certificate::Certificate;

/// Longest certificate of a bundle, bytes: nobody has signed for its length before it is read.
const LONGEST: usize = 64 << 10;

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
    /// Common name of its subject, as the authority wrote it; none where there are several.
    pub name: Option<String>,
    /// Mail addresses, host names and URIs that it is for.
    pub alternatives: Vec<Alternative>,
    /// What its issuers are held to.
    pub held: Held,
    /// Whether the common name says whom it is for: it has no alternative names of whatever kind, and nobody on its path is
    /// held to some names, which bind alternative names alone (RFC 5280, section 4.2.1.10).
    pub is_named: bool,
}

impl VerifiedLeaf {
    /// Why it is not for `identity`, letter by letter; none if it is. An authority that wrote alternative names has checked
    /// those, and often not the common name, which counts where there are none (RFC 9525, section 2). A name counts as what it
    /// was written as: constraints of mail addresses do not hold what is written as a URI (RFC 5280, section 4.2.1.10).
    fn not_for(&self, identity: &str) -> Option<String> {
        if self.is_named && self.name.as_deref() == Some(identity) {
            return None;
        }
        let kind = NameKind::of(identity);
        let same = || self.alternatives.iter().filter(|it| it.text == identity);
        if self.is_named || same().next().is_none() {
            return Some(format!("the certificate is for {}, not for {identity}", self.whom()));
        }
        if let Some(other) = same().find(|it| it.kind != kind).filter(|_| same().all(|it| it.kind != kind)) {
            let (kind, other) = (kind.words(), other.kind.words());
            return Some(format!(
                "the certificate has {identity} as {other}, and an identity of this form is {kind}"
            ));
        }
        let is_free = self.held.as_ref().is_some_and(|held| !held.contains(&kind));
        is_free.then(|| {
            format!(
                "an issuer is held to names of its own, but not for {}, so {identity} may be anybody",
                kind.words()
            )
        })
    }

    /// Whom it is for, in words.
    fn whom(&self) -> String {
        let nobody = || "nobody by name".to_owned();
        match &self.name {
            Some(name) if self.is_named => name.clone(),
            _ if self.alternatives.is_empty() => nobody(),
            _ => self.alternatives.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join(", "),
        }
    }
}

/// A name that a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// As what it is written.
    pub kind: NameKind,
    /// It.
    pub text: String,
}

/// Kinds of names in which everybody on the path is held who is held to some names; none: nobody is held. Names of other kinds
/// may be anybody's.
pub type Held = Option<Vec<NameKind>>;

/// As what a name is written (GeneralName; RFC 5280, section 4.2.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// `rfc822Name`.
    Mail,
    /// `dNSName`.
    Host,
    /// `uniformResourceIdentifier`.
    Uri,
}

impl NameKind {
    /// What an identity is, by its form: a scheme makes it a URI, an `@` a mail address.
    fn of(identity: &str) -> Self {
        let is_scheme = |it: &str| {
            it.starts_with(|first: char| first.is_ascii_alphabetic())
                && it.chars().all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it))
        };
        if identity.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) {
            Self::Uri
        } else if identity.contains('@') {
            Self::Mail
        } else {
            Self::Host
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Mail => "a mail address",
            Self::Host => "a host name",
            Self::Uri => "a URI",
        }
    }
}

const NO_CERTIFICATE: &str = "no certificate in it: expected PEM with CERTIFICATE, or the DER of one";

/// Reads the certificates of a PEM file, or one DER.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let text = str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN "));
    let Some(text) = text else {
        return if Certificate::read(bytes).is_some() {
            Ok(vec![bytes.to_vec()])
        } else {
            Err(NO_CERTIFICATE)
        };
    };
    let blocks = pem::blocks(text).ok_or("damaged PEM: a block does not end, or is not base64")?;
    let blocks = blocks.into_iter().filter(|block| block.label == "CERTIFICATE").map(|block| block.bytes);
    let found: Vec<Vec<u8>> = blocks.collect();
    if found.is_empty() { Err(NO_CERTIFICATE) } else { Ok(found) }
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
        if chain.iter().any(|it| it.len() > LONGEST) {
            return Err(refuse(format!("a certificate of more than {LONGEST} bytes")));
        }
        let leaf =
            Certificate::read(first).ok_or_else(|| refuse("the first certificate is damaged".to_owned()))?;
        let seconds = match self.time {
            VerifyTime::Now(seconds) | VerifyTime::At(seconds) => seconds,
            VerifyTime::LeafNotBefore => leaf.not_before,
        };
        if let Some(why) = leaf.why_not_sign() {
            return Err(refuse(format!("the first certificate may not sign: {why}")));
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
        let (between, held) = if self.is_root(first) {
            (Vec::new(), None)
        } else {
            self.path(first, rest, seconds).map_err(|error| refuse(self.no_path(&error, rest, seconds)))?
        };
        let beside = rest.iter().filter(|der| !between.contains(der) && !self.is_root(der)).count();
        let leaf = VerifiedLeaf {
            fingerprint: Sha256::of(first),
            name: leaf.name,
            alternatives: leaf.alternatives,
            is_named: !leaf.has_alternatives && held.is_none(),
            held,
        };
        match identity.and_then(|identity| leaf.not_for(identity)) {
            Some(why) => Err(refuse(why)),
            None => Ok((key, leaf, beside)),
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

    /// The certificates between leaf and root, and what their issuers are held to.
    fn path(
        &self,
        leaf: &[u8],
        rest: &[Vec<u8>],
        seconds: u64,
    ) -> Result<(Vec<Vec<u8>>, Held), webpki::Error> {
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
            SignsCode,
            None,
            Some(&|path: &VerifiedPath<'_>| may_certify(path, root_of(path, &roots, &anchors))),
        )?;
        let root = root_of(&path, &roots, &anchors).and_then(|root| root.constrains);
        let between: Vec<Vec<u8>> =
            path.intermediate_certificates().map(|issuer| issuer.der().to_vec()).collect();
        let issuers = between.iter().filter_map(|der| Certificate::read(der)?.constrains);
        // Each by itself: who is held to mail addresses alone has been let into a house of hosts for those, and no more.
        let held = issuers.chain(root).reduce(|mut held, other| {
            held.retain(|kind| other.contains(kind));
            held
        });
        Ok((between, held))
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

/// Where leaf or issuer say what keys are for, that is signing code: both extensions have to allow it (RFC 5280, section
/// 4.2.1.12). The rest of a leaf's usage is judged by [`Certificate::why_not_sign`].
struct SignsCode;

impl webpki::ExtendedKeyUsageValidator for SignsCode {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let allowed = [CODE_SIGNING, ANY_PURPOSE].map(KeyPurposeId::new);
        let mut present = Vec::new();
        for purpose in purposes {
            let purpose = purpose?;
            if allowed.contains(&purpose) {
                return Ok(());
            }
            present.push(purpose.to_decoded_oid());
        }
        if present.is_empty() {
            return Ok(());
        }
        let required = webpki::KeyUsage::required(CODE_SIGNING);
        Err(webpki::Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

/// The common name of a certificate, for tests.
#[cfg(test)]
pub(crate) fn common_name_of(der: &[u8]) -> Option<String> {
    Certificate::read(der)?.name
}
