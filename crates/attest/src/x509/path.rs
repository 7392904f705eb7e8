//! Room `attest`: a certificate, others and trusted roots -> a path between them that is valid at a given time. RFC 5280.
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

use super::Held;
use super::certificate::ANY_PURPOSE;
use super::certificate::CODE_SIGNING;
use super::certificate::Certificate;
use super::certificate::TIME_STAMPING;
use crate::KeyError;
use crate::PublicKey;
use crate::time;

/// Certificates that are trusted.
#[derive(Clone, Debug)]
pub(crate) struct Roots(Vec<CertificateDer<'static>>);

/// What a leaf signs. Where leaf or issuer say what keys are for, that is it: both extensions have to allow it (RFC 5280,
/// section 4.2.1.12). The rest of a leaf's usage is judged by [`Certificate::why_not_sign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Code, and models.
    Code,
    /// Times.
    Time,
}

impl Roots {
    pub(crate) fn new(roots: Vec<Vec<u8>>) -> Result<Self, &'static str> {
        let roots: Vec<_> = roots.into_iter().map(CertificateDer::from).collect();
        if roots.iter().any(|root| webpki::anchor_from_trusted_cert(root).is_err()) {
            return Err("a damaged certificate");
        }
        Ok(Self(roots))
    }

    /// DER of each.
    pub(crate) fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    pub(crate) fn contain(&self, der: &[u8]) -> bool {
        self.each().any(|root| root == der)
    }

    /// The certificates between leaf and root, and what their issuers are held to; or why there is no path, with what rules the
    /// given certificates out.
    pub(crate) fn path(
        &self,
        purpose: Purpose,
        leaf: &[u8],
        rest: &[Vec<u8>],
        seconds: u64,
    ) -> Result<(Vec<Vec<u8>>, Held), String> {
        // A leaf that is itself trusted needs no path; webpki has no word for that.
        if self.contain(leaf) {
            return Ok((Vec::new(), None));
        }
        self.search(purpose, leaf, rest, seconds).map_err(|error| self.no_path(&error, rest, seconds))
    }

    fn no_path(&self, error: &webpki::Error, rest: &[Vec<u8>], seconds: u64) -> String {
        let out = self.0.iter().filter_map(|root| {
            let root = Certificate::read(root)?;
            let name = root.name.clone().unwrap_or_else(|| "a given certificate".to_owned());
            if !root.is_authority() {
                return Some(format!("{name} may not issue certificates, and stands for itself alone"));
            }
            let (from, to) = (time::text(root.not_before), time::text(root.not_after));
            (!root.is_valid(seconds))
                .then(|| format!("{name} is valid from {from} to {to}, not at {}", time::text(seconds)))
        });
        let issuers = self.each().chain(rest.iter().map(Vec::as_slice));
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

    fn search(
        &self,
        purpose: Purpose,
        leaf: &[u8],
        rest: &[Vec<u8>],
        seconds: u64,
    ) -> Result<(Vec<Vec<u8>>, Held), webpki::Error> {
        // webpki takes an anchor for a name and a key: what its certificate says of itself is judged here.
        let stands = |root: &&CertificateDer<'static>| {
            Certificate::read(root).is_some_and(|root| root.is_authority() && root.is_valid(seconds))
        };
        let roots: Vec<&CertificateDer<'static>> = self.0.iter().filter(stands).collect();
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
            purpose,
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

impl webpki::ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let allowed = [self.oid(), ANY_PURPOSE].map(KeyPurposeId::new);
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
        let required = webpki::KeyUsage::required(self.oid());
        Err(webpki::Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

impl Purpose {
    fn oid(self) -> &'static [u8] {
        match self {
            Self::Code => CODE_SIGNING,
            Self::Time => TIME_STAMPING,
        }
    }
}
