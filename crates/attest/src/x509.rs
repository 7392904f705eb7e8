//! Room `attest`: certificates -> the key of a leaf that a given authority stands behind, at a given time. RFC 5280.

use crate::PublicKey;
use crate::Sha256;
use crate::pem;
use crate::time;

mod certificate;
mod path;

pub(crate) use certificate::Certificate;
pub(crate) use path::Purpose;
pub(crate) use path::Roots;

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
    roots: Roots,
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
        Ok(Self { roots: Roots::new(roots)?, time })
    }

    /// Asks about another time, for tests.
    #[cfg(test)]
    pub(crate) fn ask(&mut self, time: VerifyTime) {
        self.time = time;
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

    /// Whether it is the clock that says when certificates must be valid; a time that was asked for says it otherwise.
    pub(crate) fn goes_by_clock(&self) -> bool {
        matches!(self.time, VerifyTime::Now(_))
    }

    /// The key of the first certificate, if a path of valid ones leads from it to a root and it is for `identity`; and how many
    /// certificates are on no such path, which makes them free to change. Where the signature is known to have been there at
    /// `stamped`, that takes the place of the clock.
    pub(crate) fn verify(
        &self,
        chain: &[Vec<u8>],
        identity: Option<&str>,
        stamped: Option<u64>,
    ) -> Result<(PublicKey, VerifiedLeaf, usize), String> {
        let (first, rest) = chain.split_first().ok_or("no certificates")?;
        if chain.iter().any(|it| it.len() > LONGEST) {
            return Err(format!("a certificate of more than {LONGEST} bytes"));
        }
        let leaf = Certificate::read(first).ok_or("the first certificate is damaged")?;
        let seconds = match self.time {
            VerifyTime::Now(seconds) => stamped.unwrap_or(seconds),
            VerifyTime::At(seconds) => seconds,
            VerifyTime::LeafNotBefore => leaf.not_before,
        };
        if let Some(why) = leaf.why_not_sign() {
            return Err(format!("the first certificate may not sign: {why}"));
        }
        if seconds < leaf.not_before || seconds > leaf.not_after {
            let (from, to, at) =
                (time::text(leaf.not_before), time::text(leaf.not_after), time::text(seconds));
            return Err(format!(
                "the first certificate is valid from {from} to {to}, not at {at} (--at sets the time, and so does a timestamp with --tsa-ca)"
            ));
        }
        let key = PublicKey::from_der(leaf.key).map_err(|error| error.to_string())?;
        let (between, held) = self.roots.path(Purpose::Code, first, rest, seconds)?;
        let beside = rest.iter().filter(|der| !between.contains(der) && !self.roots.contain(der)).count();
        let leaf = VerifiedLeaf {
            fingerprint: Sha256::of(first),
            name: leaf.name,
            alternatives: leaf.alternatives,
            is_named: !leaf.has_alternatives && held.is_none(),
            held,
        };
        match identity.and_then(|identity| leaf.not_for(identity)) {
            Some(why) => Err(why),
            None => Ok((key, leaf, beside)),
        }
    }
}

/// The common name of a certificate, for tests.
#[cfg(test)]
pub(crate) fn common_name_of(der: &[u8]) -> Option<String> {
    Certificate::read(der)?.name
}
