//! Room `attest`: DER of a timestamp response -> what is signed in it, and by whom. RFC 3161, in the one form of RFC 5652 that
//! it prescribes, with the certificate named as RFC 5816 has it.
//!
//! What nobody signed is refused where nothing needs it: unsigned attributes, revocation lists, a second signer.

use crate::Algorithm;
use crate::PublicKey;
use crate::der;
use crate::der::Der;
use crate::keys::Sha2;
use crate::time;
use crate::x509::Certificate;

const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
/// `id-ct-TSTInfo`.
const TIME: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04";
const CONTENT_TYPE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03";
const MESSAGE_DIGEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
/// `id-aa-signingCertificateV2`.
const SIGNING_CERTIFICATE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x2f";
/// Hashes; those of before SHA-2 are none.
const HASHES: [(&[u8], Sha2); 3] = [
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x01", Sha2::Sha256),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x02", Sha2::Sha384),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x03", Sha2::Sha512),
];
/// Ways to sign, and the hash in the name of some: ECDSA (RFC 5758), RSA with PKCS#1 v1.5 (RFC 3370, RFC 5754), Ed25519 (RFC
/// 8419).
const SCHEMES: [(&[u8], Scheme, Option<Sha2>); 8] = [
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", Scheme::Ecdsa, Some(Sha2::Sha256)),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", Scheme::Ecdsa, Some(Sha2::Sha384)),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", Scheme::Ecdsa, Some(Sha2::Sha512)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", Scheme::Rsa, None),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", Scheme::Rsa, Some(Sha2::Sha256)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", Scheme::Rsa, Some(Sha2::Sha384)),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", Scheme::Rsa, Some(Sha2::Sha512)),
    (b"\x2b\x65\x70", Scheme::Ed25519, Some(Sha2::Sha512)),
];
/// Longest response, in bytes: a token with ten certificates has a third of it.
const LONGEST: usize = 65_535;
/// Most certificates of a token.
const MOST: usize = 10;

/// A response as read: nothing of it is believed yet.
#[derive(Debug)]
pub(super) struct Token<'d> {
    pub(super) info: Info,
    /// What `info` was read from.
    content: &'d [u8],
    /// DER of each; the order says nothing.
    pub(super) certificates: Vec<&'d [u8]>,
    signer: Signer<'d>,
}

/// What the authority says.
#[derive(Debug)]
pub(super) struct Info {
    hash: Sha2,
    digest: Vec<u8>,
    /// Since 1970, rounded down.
    pub(super) seconds: u64,
}

#[derive(Debug)]
struct Signer<'d> {
    id: Id<'d>,
    hash: Sha2,
    scheme: Scheme,
    /// Content of the signed attributes.
    attributes: &'d [u8],
    message_digest: &'d [u8],
    certificate: Named<'d>,
    signature: &'d [u8],
}

/// The signer's certificate, by its digest.
#[derive(Debug)]
struct Named<'d> {
    hash: Sha2,
    digest: &'d [u8],
}

#[derive(Debug)]
enum Id<'d> {
    IssuerAndSerial { issuer: &'d [u8], serial: &'d [u8] },
    Key(&'d [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Ecdsa,
    Ed25519,
    Rsa,
}

impl<'d> Token<'d> {
    /// Reads a `TimeStampResp` that grants a token.
    pub(super) fn read(bytes: &'d [u8]) -> Result<Self, &'static str> {
        if bytes.len() > LONGEST {
            return Err("larger than 65,535 bytes");
        }
        let (status, token) = response(bytes).ok_or("damaged: no TimeStampResp (RFC 3161, section 2.4.2)")?;
        // granted, grantedWithMods
        if status > 1 {
            return Err("the authority granted no timestamp");
        }
        let mut token = token.ok_or("no timestamp in the response")?;
        let mut data = signed_data(&mut token).ok_or("damaged: its token is no SignedData")?;
        let (hashes, content) = content(&mut data).ok_or("damaged: what is signed is no TSTInfo")?;
        let certificates = certificates(&mut data)?;
        let signer = Signer::read(&mut data)?;
        if hashes != [signer.hash] {
            return Err("damaged: its digestAlgorithms are not that of its signer");
        }
        let info = Info::read(content)
            .ok_or("damaged: its TSTInfo has fields, a hash or critical extensions that are not known")?;
        Ok(Self { info, content, certificates, signer })
    }

    /// Whether it is of these bytes.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        self.info.hash.digest(bytes) == self.info.digest
    }

    /// Whether it says that this certificate is its signer's, in both places where it names one.
    pub(super) fn names(&self, der: &[u8], certificate: &Certificate<'_>) -> bool {
        let Named { hash, digest } = &self.signer.certificate;
        let is_named = match self.signer.id {
            Id::IssuerAndSerial { issuer, serial } => {
                issuer == certificate.issuer && serial == certificate.serial
            }
            Id::Key(key) => certificate.key_identifier == Some(key),
        };
        is_named && hash.digest(der) == *digest
    }

    /// Whether all of it is signed by this key (RFC 5652, section 5.4).
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let Signer { hash, scheme, attributes, message_digest, signature, .. } = self.signer;
        // Signed as the SET that they are; in the token they have a tag of their own.
        let signed = der::element(der::SET, attributes);
        scheme.is_of(key)
            && hash.digest(self.content) == message_digest
            && key.verifies_with(hash, &signed, signature)
    }
}

/// Status, and the token where there is one.
fn response(bytes: &[u8]) -> Option<(u64, Option<Der<'_>>)> {
    let mut outer = Der::new(bytes);
    let mut response = outer.sequence()?;
    let mut status = response.sequence()?;
    let granted = status.number()?;
    if status.peek() == Some(der::SEQUENCE) {
        status.sequence()?; // text for people
    }
    if granted > 1 {
        return Some((granted, None));
    }
    let token = if response.is_empty() { None } else { Some(response.sequence()?) };
    (status.is_empty() && response.is_empty() && outer.is_empty()).then_some((granted, token))
}

fn signed_data<'d>(token: &mut Der<'d>) -> Option<Der<'d>> {
    let is_signed = token.take(der::OID)? == SIGNED_DATA;
    let mut explicit = Der::new(token.take(0xa0)?);
    let mut data = explicit.sequence()?;
    // Version 3: what is signed is no plain data (RFC 5652, section 5.1).
    let version = data.number()?;
    (is_signed && version == 3 && token.is_empty() && explicit.is_empty()).then_some(data)
}

/// Hashes, and what is signed.
fn content<'d>(data: &mut Der<'d>) -> Option<(Vec<Sha2>, &'d [u8])> {
    let (mut list, mut hashes) = (Der::new(data.take(der::SET)?), Vec::new());
    while !list.is_empty() {
        hashes.push(hash(&mut list)?);
    }
    let mut inner = data.sequence()?;
    let is_time = inner.take(der::OID)? == TIME;
    let mut explicit = Der::new(inner.take(0xa0)?);
    let content = explicit.take(der::OCTET_STRING)?;
    (is_time && explicit.is_empty() && inner.is_empty()).then_some((hashes, content))
}

fn certificates<'d>(data: &mut Der<'d>) -> Result<Vec<&'d [u8]>, &'static str> {
    let mut certificates = Vec::new();
    if data.peek() == Some(0xa0) {
        let damaged = "damaged: something else than certificates among its certificates";
        let mut list = Der::new(data.take(0xa0).ok_or(damaged)?);
        while !list.is_empty() {
            certificates.push(list.whole(der::SEQUENCE).ok_or(damaged)?);
        }
    }
    if certificates.len() > MOST {
        return Err("more than 10 certificates in it");
    }
    match data.peek() {
        Some(0xa1) => Err("revocation lists in it, which nothing here looks at"),
        _ => Ok(certificates),
    }
}

impl Info {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut outer = Der::new(bytes);
        let mut info = outer.sequence()?;
        let version = info.number()?;
        info.take(der::OID)?; // policy
        let mut imprint = info.sequence()?;
        let hash = hash(&mut imprint)?;
        let digest = imprint.take(der::OCTET_STRING)?.to_vec();
        info.take(der::INTEGER)?; // serial number
        let seconds = time::from_stamp(info.take(der::GENERALIZED_TIME)?)?;
        // accuracy, ordering, nonce, name of the authority: signed, and nothing rests on them
        for tag in [der::SEQUENCE, der::BOOLEAN, der::INTEGER, 0xa0] {
            if info.peek() == Some(tag) {
                info.any()?;
            }
        }
        if info.peek() == Some(0xa1) {
            let mut extensions = Der::new(info.take(0xa1)?);
            while !extensions.is_empty() {
                let mut extension = extensions.sequence()?;
                extension.take(der::OID)?;
                extension.take(der::OCTET_STRING)?; // a critical one has a BOOLEAN before it
            }
        }
        let is_whole = version == 1 && imprint.is_empty() && info.is_empty() && outer.is_empty();
        is_whole.then_some(Self { hash, digest, seconds })
    }
}

impl<'d> Signer<'d> {
    fn read(data: &mut Der<'d>) -> Result<Self, &'static str> {
        let damaged = "damaged: its SignerInfo has fields or algorithms that are not known";
        let mut list = Der::new(data.take(der::SET).ok_or(damaged)?);
        let mut info = list.sequence().ok_or(damaged)?;
        if !list.is_empty() {
            return Err("exactly one signer was expected");
        }
        let version = info.number().ok_or(damaged)?;
        let id = Id::read(&mut info, version).ok_or(damaged)?;
        let hash = hash(&mut info).ok_or(damaged)?;
        let attributes =
            info.take(0xa0).ok_or("nothing says what its signer signed: no signed attributes")?;
        let (message_digest, certificate) = self::attributes(attributes)?;
        let scheme = Scheme::read(&mut info, hash).ok_or(damaged)?;
        let signature = info.take(der::OCTET_STRING).ok_or(damaged)?;
        if info.peek() == Some(0xa1) {
            return Err("unsigned attributes in it, which no signature covers");
        }
        let signer = Self { id, hash, scheme, attributes, message_digest, certificate, signature };
        (info.is_empty() && data.is_empty()).then_some(signer).ok_or(damaged)
    }
}

/// Digest of what is signed, and the signer's certificate.
fn attributes(bytes: &[u8]) -> Result<(&[u8], Named<'_>), &'static str> {
    let damaged = "damaged: its signed attributes";
    let (mut list, mut found) = (Der::new(bytes), [None, None, None]);
    while !list.is_empty() {
        let mut attribute = list.sequence().ok_or(damaged)?;
        let name = attribute.take(der::OID).ok_or(damaged)?;
        let values = attribute.take(der::SET).filter(|_| attribute.is_empty()).ok_or(damaged)?;
        let known = [CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE].iter().position(|it| *it == name);
        let Some(place) = known.and_then(|at| found.get_mut(at)) else { continue };
        if place.replace(values).is_some() {
            return Err("a signed attribute twice");
        }
    }
    let [content_type, message_digest, certificate] = found;
    if content_type.and_then(|values| only(values, der::OID)) != Some(TIME) {
        return Err("its signed attributes are not of a TSTInfo");
    }
    let digest = message_digest.and_then(|values| only(values, der::OCTET_STRING)).ok_or(damaged)?;
    let certificate = certificate
        .ok_or("its signer names no certificate of its own by SHA-2 (signingCertificateV2, RFC 5816)")?;
    Ok((digest, named(certificate).ok_or(damaged)?))
}

/// The one value of an attribute.
fn only(values: &[u8], tag: u8) -> Option<&[u8]> {
    let mut values = Der::new(values);
    values.take(tag).filter(|_| values.is_empty())
}

/// The first `ESSCertIDv2` of a `SigningCertificateV2`, which is the signer's (RFC 5035, section 3).
fn named(values: &[u8]) -> Option<Named<'_>> {
    let mut value = Der::new(only(values, der::SEQUENCE)?);
    let mut first = value.sequence()?.sequence()?;
    let hash = if first.peek() == Some(der::SEQUENCE) { hash(&mut first)? } else { Sha2::Sha256 };
    Some(Named { hash, digest: first.take(der::OCTET_STRING)? })
}

impl<'d> Id<'d> {
    fn read(info: &mut Der<'d>, version: u64) -> Option<Self> {
        match (version, info.peek()?) {
            (1, der::SEQUENCE) => {
                let mut id = info.sequence()?;
                let (issuer, serial) = (id.whole(der::SEQUENCE)?, id.whole(der::INTEGER)?);
                id.is_empty().then_some(Self::IssuerAndSerial { issuer, serial })
            }
            (3, 0x80) => info.take(0x80).map(Self::Key),
            _ => None,
        }
    }
}

impl Scheme {
    fn read(info: &mut Der<'_>, hash: Sha2) -> Option<Self> {
        let oid = algorithm(info)?;
        let known = SCHEMES.iter().find(|(known, ..)| *known == oid)?;
        known.2.is_none_or(|named| named == hash).then_some(known.1)
    }

    fn is_of(self, key: &PublicKey) -> bool {
        match key.algorithm() {
            Algorithm::P256 | Algorithm::P384 | Algorithm::P521 => self == Self::Ecdsa,
            Algorithm::Ed25519 => self == Self::Ed25519,
            Algorithm::Rsa => self == Self::Rsa,
        }
    }
}

fn hash(from: &mut Der<'_>) -> Option<Sha2> {
    let oid = algorithm(from)?;
    HASHES.iter().find(|(known, _)| *known == oid).map(|(_, hash)| *hash)
}

/// An `AlgorithmIdentifier` without parameters, or with NULL.
fn algorithm<'d>(from: &mut Der<'d>) -> Option<&'d [u8]> {
    let mut algorithm = from.sequence()?;
    let oid = algorithm.take(der::OID)?;
    let is_bare = algorithm.is_empty() || algorithm.take(der::NULL)?.is_empty() && algorithm.is_empty();
    is_bare.then_some(oid)
}
