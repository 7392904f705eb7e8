//! Room `attest`: the DER of a certificate -> what is asked of it. RFC 5280.

use super::Alternative;
use super::NameKind;
use crate::der;
use crate::der::Der;
use crate::time;

const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
const DIGITAL_SIGNATURE: u8 = 0x80;
const NON_REPUDIATION: u8 = 0x40;
const KEY_CERT_SIGN: u8 = 0x04;
const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";
/// `id-kp-codeSigning`.
pub(super) const CODE_SIGNING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x03";
/// `id-kp-timeStamping`.
pub(super) const TIME_STAMPING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x08";
/// `anyExtendedKeyUsage`.
pub(super) const ANY_PURPOSE: &[u8] = b"\x55\x1d\x25\x00";
const KEY_IDENTIFIER: &[u8] = b"\x55\x1d\x0e";
const COMMON_NAME: &[u8] = b"\x55\x04\x03";
const ALTERNATIVE_NAME: &[u8] = b"\x55\x1d\x11";
const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const NAME_CONSTRAINTS: &[u8] = b"\x55\x1d\x1e";
/// Tag of `permittedSubtrees`.
const PERMITTED: u8 = 0xa0;
/// Tags of text that is read as what it is: UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// What is asked of a certificate.
#[derive(Debug)]
pub(crate) struct Certificate<'d> {
    /// DER of its serial number and of its issuer's name: together they name it.
    pub(crate) serial: &'d [u8],
    pub(crate) issuer: &'d [u8],
    /// Its subject key identifier, which names it as well.
    pub(crate) key_identifier: Option<&'d [u8]>,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
    pub(crate) name: Option<String>,
    pub(super) alternatives: Vec<Alternative>,
    /// DER of its SubjectPublicKeyInfo.
    pub(crate) key: &'d [u8],
    /// First octet of its key usage, RFC 5280, 4.2.1.3.
    usage: Option<u8>,
    /// Its extended key usage, and whether that is critical; none: it has none.
    purposes: Option<(Vec<&'d [u8]>, bool)>,
    /// It has alternative names, of whatever kind.
    pub(super) has_alternatives: bool,
    /// It may issue certificates: `cA` of its basic constraints.
    is_ca: bool,
    /// How many authorities may stand between it and a leaf; none: any number.
    pub(super) path_len: Option<usize>,
    /// What it issues is held to some names, of these kinds.
    pub(super) constrains: Option<Vec<NameKind>>,
}

impl<'d> Certificate<'d> {
    /// Reads one; none if it is damaged.
    pub(crate) fn read(bytes: &'d [u8]) -> Option<Self> {
        let mut outer = Der::new(bytes);
        let mut body = outer.sequence()?.sequence()?;
        body.take(0xa0)?; // version: extensions exist from 3 on
        let serial = body.whole(der::INTEGER)?;
        body.sequence()?; // signature algorithm
        let issuer = body.whole(der::SEQUENCE)?;
        let mut validity = body.sequence()?;
        let (not_before, not_after) = (time::from_der(validity.any()?)?, time::from_der(validity.any()?)?);
        let name = common_name(body.sequence()?);
        let key = body.whole(der::SEQUENCE)?;
        let mut certificate = Self {
            serial,
            issuer,
            key_identifier: None,
            not_before,
            not_after,
            name,
            alternatives: Vec::new(),
            key,
            usage: None,
            purposes: None,
            has_alternatives: false,
            is_ca: false,
            path_len: None,
            constrains: None,
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
        let critical = match extension.peek() {
            Some(der::BOOLEAN) => extension.take(der::BOOLEAN)? == der::TRUE,
            _ => false,
        };
        let mut value = Der::new(extension.take(der::OCTET_STRING)?);
        match oid {
            KEY_USAGE => {
                // The octet before them counts unused bits.
                let bits = value.take(der::BIT_STRING)?;
                self.usage = Some(bits.get(1).copied().unwrap_or(0));
            }
            EXTENDED_KEY_USAGE => {
                let (mut list, mut purposes) = (value.sequence()?, Vec::new());
                while !list.is_empty() {
                    purposes.push(list.take(der::OID)?);
                }
                self.purposes = Some((purposes, critical));
            }
            KEY_IDENTIFIER => self.key_identifier = Some(value.take(der::OCTET_STRING)?),
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
            NAME_CONSTRAINTS => {
                let mut kinds = Vec::new();
                let mut lists = value.sequence()?;
                while !lists.is_empty() {
                    let (which, list) = lists.any()?;
                    // A kind of which names are excluded alone is free but for those (4.2.1.10).
                    if which != PERMITTED {
                        continue;
                    }
                    let mut subtrees = Der::new(list);
                    while !subtrees.is_empty() {
                        let (tag, _) = subtrees.sequence()?.any()?;
                        kinds.extend(kind(tag));
                    }
                }
                self.constrains = Some(kinds);
            }
            ALTERNATIVE_NAME => {
                self.has_alternatives = true;
                let mut names = value.sequence()?;
                while !names.is_empty() {
                    let (tag, name) = names.any()?;
                    if let Some(kind) = kind(tag) {
                        // IA5String: what is not is no name that anybody could write down.
                        self.alternatives
                            .push(Alternative { kind, text: str::from_utf8(name).ok()?.to_owned() });
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Why a leaf may not sign; none if it may. One of its usages has to say so, and the other not to deny it: the key of a
    /// web server signs no models.
    pub(super) fn why_not_sign(&self) -> Option<&'static str> {
        let code = |(purposes, _): &(Vec<&[u8]>, bool)| {
            purposes.iter().any(|purpose| *purpose == CODE_SIGNING || *purpose == ANY_PURPOSE)
        };
        let code = self.purposes.as_ref().map(code);
        match (self.usage.map(|bits| bits & DIGITAL_SIGNATURE != 0), code) {
            (Some(true), None | Some(true)) | (None, Some(true)) => None,
            (_, Some(false)) => Some("its extended key usage is for other things than codeSigning"),
            (Some(false), _) => Some("its key usage is without digitalSignature"),
            (None, None) => Some("neither key usage digitalSignature nor codeSigning"),
        }
    }

    /// Why it may not sign times; none if it may. Its key does nothing else, and whoever does not understand that must not use
    /// it (RFC 3161, section 2.3).
    pub(crate) fn why_not_stamp(&self) -> Option<&'static str> {
        let signs = |bits| bits & (DIGITAL_SIGNATURE | NON_REPUDIATION) != 0;
        match &self.purposes {
            None => Some("it has no extended key usage timeStamping"),
            Some((purposes, _)) if *purposes != [TIME_STAMPING] => {
                Some("its extended key usage is not timeStamping alone")
            }
            Some((_, false)) => Some("its extended key usage timeStamping is not critical"),
            Some(_) if self.is_ca => Some("it is an authority"),
            Some(_) if !self.usage.is_none_or(signs) => Some("its key usage is without digitalSignature"),
            Some(_) => None,
        }
    }

    /// Whether it may stand at the end of a path.
    pub(super) fn is_authority(&self) -> bool {
        self.is_ca && self.may_certify()
    }

    pub(crate) fn is_valid(&self, seconds: u64) -> bool {
        (self.not_before..=self.not_after).contains(&seconds)
    }

    pub(super) fn may_certify(&self) -> bool {
        self.usage.is_none_or(|bits| bits & KEY_CERT_SIGN != 0)
    }
}

/// What a GeneralName with this tag names somebody as: `rfc822Name`, `dNSName`, `uniformResourceIdentifier`.
fn kind(tag: u8) -> Option<NameKind> {
    match tag {
        0x81 => Some(NameKind::Mail),
        0x82 => Some(NameKind::Host),
        0x86 => Some(NameKind::Uri),
        _ => None,
    }
}

/// The one common name of a subject, if it is text.
fn common_name(mut names: Der<'_>) -> Option<String> {
    let mut found = None;
    while let Some((0x31, set)) = names.any() {
        let mut attributes = Der::new(set);
        while !attributes.is_empty() {
            let mut attribute = attributes.sequence()?;
            if attribute.take(der::OID)? != COMMON_NAME {
                continue;
            }
            let (tag, text) = attribute.any()?;
            let text = str::from_utf8(text).ok().filter(|_| TEXTS.contains(&tag))?;
            if found.replace(text.to_owned()).is_some() {
                return None;
            }
        }
    }
    found
}
