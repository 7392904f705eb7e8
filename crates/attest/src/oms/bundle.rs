//! Room `attest`: bundle bytes -> method, payload, signature -> whose signature it is. Sigstore bundle 0.3 around DSSE.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Algorithm;
use crate::PublicKey;
use crate::Refusal;
use crate::Sha256;
use crate::json::Json;
use crate::json::Place;
use crate::oms::trust::TrustRoot;
use crate::oms::trust::TrustedSigner;
use crate::oms::v02;
use crate::time;
use crate::x509::Authorities;
use crate::x509::VerifiedLeaf;

/// The one media type that key and certificate bundles have.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The one type of payload.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Largest bundle, in bytes.
pub(super) const MAX_BYTES: u64 = 16 << 20;
/// Most values of its JSON; a chain of ten certificates makes forty.
const MOST_VALUES: usize = 4096;
/// Most certificates of a chain.
const MAX_CHAIN: usize = 10;

/// Where the certificates stand, and where one alone does: model-transparency-go writes it so, as keyless bundles do, but
/// without a log entry.
const CHAIN: &str = "$.verificationMaterial.x509CertificateChain";
const ALONE: &str = "$.verificationMaterial.certificate";

const TIMESTAMP: &str =
    "$.verificationMaterial.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp";

/// A bundle as read: nothing of it is believed yet.
#[derive(Debug)]
pub(super) struct Bundle {
    method: Method,
    pub(super) payload: Vec<u8>,
    signature: Vec<u8>,
    /// A `TimeStampResp` of the signature.
    timestamp: Option<Vec<u8>>,
    /// Path and value of `keyid`, unless it says nothing.
    key_id: Option<(String, String)>,
}

#[derive(Debug)]
enum Method {
    Key {
        hint: Option<String>,
        carried: Option<Carried>,
    },
    /// Leaf first, and where they stand.
    Certificates {
        chain: Vec<Vec<u8>>,
        path: &'static str,
    },
}

/// Over what a signature is, and with which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// DSSE v1, with the hash of the curve.
    Dsse,
    /// That of model-signing 0.2: SHA-256 on each curve.
    V02,
}

/// What bundles call Ed25519ph, and what results do.
const PREHASHED: (&str, &str) = ("PKIX_ED25519_PH", "Ed25519ph");

/// A key inside the bundle, as old ones have it: compared, never trusted.
#[derive(Debug)]
struct Carried {
    bytes: Vec<u8>,
    details: Option<String>,
}

/// Whose signature it is.
#[derive(Debug)]
pub(super) struct Signer {
    /// Name of the trusted one that it is.
    pub(super) name: String,
    pub(super) key: PublicKey,
    /// How it signs, as people write it.
    pub(super) algorithm: &'static str,
    pub(super) leaf: Option<VerifiedLeaf>,
    pub(super) notes: Vec<String>,
}

impl Bundle {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let json = Json::read(bytes, MOST_VALUES)?;
        let root = json.root();
        if root.get("messageSignature")?.is_some() {
            return Err(root.refuse("a signature of one blob, not of a model: it has `messageSignature`"));
        }
        root.only(&["mediaType", "verificationMaterial", "dsseEnvelope"])?;
        root.required("mediaType")?.exactly(MEDIA_TYPE)?;
        let material = root.required("verificationMaterial")?;
        let method = Method::read(&material)?;
        let timestamp = timestamp(&material)?;
        let envelope = root.required("dsseEnvelope")?;
        envelope.only(&["payload", "payloadType", "signatures"])?;
        envelope.required("payloadType")?.exactly(PAYLOAD_TYPE)?;
        let payload = base64(&envelope.required("payload")?)?;
        let signature = envelope.required("signatures")?.single()?;
        signature.only(&["sig", "keyid"])?;
        let key_id = match signature.get("keyid")? {
            Some(place) if !place.is_null() => {
                let text = place.text()?;
                (!text.is_empty()).then(|| ("$.dsseEnvelope.signatures[0].keyid".to_owned(), text.to_owned()))
            }
            _ => None,
        };
        let signature = base64(&signature.required("sig")?)?;
        Ok(Self { method, payload, signature, timestamp, key_id })
    }

    /// The trusted signer whose signature this is, or why there is none; `now` in seconds since 1970.
    pub(super) fn verify(&self, trust: &[&TrustedSigner], form: Form, now: u64) -> Result<Signer, Refusal> {
        let signer = match &self.method {
            Method::Key { hint, carried } => {
                self.by_key(hint.as_deref(), carried.as_ref(), trust, form, now)?
            }
            Method::Certificates { chain, path } => self.by_certificate(chain, path, trust, form, now)?,
        };
        match &self.key_id {
            Some((path, id)) if *id != signer.key.hint() && *id != signer.key.cosign_hint() => {
                Err(refuse(path, "names another key than the one that signed"))
            }
            _ => Ok(signer),
        }
    }

    fn by_key(
        &self,
        hint: Option<&str>,
        carried: Option<&Carried>,
        trust: &[&TrustedSigner],
        form: Form,
        now: u64,
    ) -> Result<Signer, Refusal> {
        let mut notes = Vec::new();
        let keys = trust.iter().filter_map(|signer| match &signer.root {
            TrustRoot::Key(key) => Some((*signer, key)),
            TrustRoot::Authority { .. } => None,
        });
        let mut candidates: Vec<(&TrustedSigner, &PublicKey)> = keys.collect();
        if candidates.is_empty() {
            let why = "signed with a key, and certificates alone are trusted: trust the key as well (--key)";
            return Err(refuse("$.verificationMaterial", why));
        }
        if let Some(hint) = hint.filter(|hint| !hint.is_empty()) {
            if is_digest(hint) {
                candidates.retain(|(_, key)| key.hint() == hint || key.cosign_hint() == hint);
                if candidates.is_empty() {
                    let why = format!("names the key {hint}, which is none of those given");
                    return Err(refuse("$.verificationMaterial.publicKey.hint", &why));
                }
            } else {
                notes.push("the hint of the bundle is free text: it says nothing about the key".to_owned());
            }
        }
        if let Some(carried) = carried {
            candidates.retain(|(_, key)| carried.is(key, form));
            if candidates.is_empty() {
                let why = "the key that the bundle carries is none of those given";
                return Err(refuse("$.verificationMaterial.publicKey.rawBytes", why));
            }
        }
        let message = form.message(&self.payload);
        let details = carried.and_then(|carried| carried.details.as_deref());
        let mut found = candidates.iter().filter_map(|(signer, key)| {
            Some((*signer, *key, form.verifies(key, &message, &self.signature, details)?))
        });
        let (signer, key, algorithm) = found.next().ok_or_else(|| wrong_signature("any key given"))?;
        let (_, told) = self.stamp(signer, now)?;
        notes.extend(told);
        Ok(Signer { name: signer.name.clone(), key: key.clone(), algorithm, leaf: None, notes })
    }

    fn by_certificate(
        &self,
        chain: &[Vec<u8>],
        path: &str,
        trust: &[&TrustedSigner],
        form: Form,
        now: u64,
    ) -> Result<Signer, Refusal> {
        let mut refusals = Vec::new();
        for signer in trust {
            let TrustRoot::Authority { authorities, identity } = &signer.root else { continue };
            match self.certified((chain, path), signer, authorities, identity.as_deref(), form, now) {
                Ok(signer) => return Ok(signer),
                Err(refusal) => refusals.push((signer, refusal)),
            }
        }
        if refusals.len() > 1 {
            let each = refusals.iter().map(|(signer, refusal)| format!("{}: {}", signer.name, refusal.rule));
            return Err(refuse("$", &each.collect::<Vec<_>>().join("; ")));
        }
        Err(refusals.pop().map_or_else(
            || {
                let why = "signed with a certificate, and keys alone are trusted: trust its authority (--ca)";
                refuse("$.verificationMaterial", why)
            },
            |(_, refusal)| refusal,
        ))
    }

    /// The signer, if these authorities stand behind the chain, which stands at this path.
    fn certified(
        &self,
        (chain, path): (&[Vec<u8>], &str),
        signer: &TrustedSigner,
        authorities: &Authorities,
        identity: Option<&str>,
        form: Form,
        now: u64,
    ) -> Result<Signer, Refusal> {
        // First of all: when a certificate must be valid rests on it.
        let (stamped, told) = self.stamp(signer, now)?;
        let verified = authorities.verify(chain, identity, stamped);
        let (key, leaf, beside) = verified.map_err(|rule| refuse(path, &rule))?;
        let algorithm = form
            .verifies(&key, &form.message(&self.payload), &self.signature, None)
            .ok_or_else(|| wrong_signature("the key of its certificate"))?;
        let beside =
            (beside > 0).then(|| format!("certificates of the bundle on no path to an authority: {beside}"));
        let notes = signer.is_wide().into_iter().chain(beside).chain(told).collect();
        Ok(Signer { name: signer.name.clone(), key, algorithm, leaf: Some(leaf), notes })
    }

    /// When the signature was there at the latest, for one who trusts this signer, and what is to be told of it. Who trusts
    /// nobody to tell the time has nothing from a timestamp: it is not looked at, whatever it is.
    fn stamp(&self, signer: &TrustedSigner, now: u64) -> Result<(Option<u64>, Option<String>), Refusal> {
        let (response, tsa) = match (&self.timestamp, &signer.tsa) {
            (Some(response), Some(tsa)) => (response, tsa),
            (Some(_), None) => {
                let told = "its timestamp was not looked at: nobody is trusted to tell the time (--tsa-ca)";
                return Ok((None, Some(told.to_owned())));
            }
            (None, Some(_)) => return Ok((None, Some("there is no timestamp in it".to_owned()))),
            (None, None) => return Ok((None, None)),
        };
        let stamp = tsa.verify(response, &self.signature, now).map_err(|rule| refuse(TIMESTAMP, &rule))?;
        let judged = match &signer.root {
            TrustRoot::Authority { authorities, .. } if authorities.goes_by_clock() => {
                "; certificates were judged as of then"
            }
            _ => "",
        };
        let told = format!("signed at {} or before, says {}{judged}", time::text(stamp.seconds), stamp.by);
        Ok((Some(stamp.seconds), Some(told)))
    }

    /// Identity of what is signed: the root digest has no names in it.
    pub(super) fn payload_digest(&self) -> Sha256 {
        Sha256::of(&self.payload)
    }
}

impl Method {
    fn read(material: &Place<'_>) -> Result<Self, Refusal> {
        let entries = match material.get("tlogEntries")? {
            Some(entries) => entries.list()?.len(),
            None => 0,
        };
        if entries > 0 {
            return Err(material.refuse(
                "a keyless signature with a log entry, which this version does not verify: use `cosign` or `model_signing`",
            ));
        }
        material.only(&[
            "publicKey",
            "x509CertificateChain",
            "certificate",
            "tlogEntries",
            "timestampVerificationData",
        ])?;
        let get = |name| material.get(name);
        match (get("publicKey")?, get("x509CertificateChain")?, get("certificate")?) {
            (Some(key), None, None) => Self::key(&key),
            (None, Some(chain), None) => Self::chain(&chain),
            (None, None, Some(alone)) => {
                Ok(Self::Certificates { chain: vec![certificate(&alone)?], path: ALONE })
            }
            _ => {
                let words = "one of `publicKey`, `x509CertificateChain` and `certificate` was expected";
                Err(material.refuse(words))
            }
        }
    }

    fn key(key: &Place<'_>) -> Result<Self, Refusal> {
        key.only(&["hint", "rawBytes", "keyDetails"])?;
        let text = |name| match key.get(name)? {
            Some(place) if !place.is_null() => place.text().map(|text| Some(text.to_owned())),
            _ => Ok(None),
        };
        let carried = match key.get("rawBytes")? {
            Some(bytes) => Some(Carried { bytes: base64(&bytes)?, details: text("keyDetails")? }),
            None => match key.get("keyDetails")? {
                Some(details) => return Err(details.refuse("details of a key that is not there")),
                None => None,
            },
        };
        Ok(Self::Key { hint: text("hint")?, carried })
    }

    fn chain(chain: &Place<'_>) -> Result<Self, Refusal> {
        chain.only(&["certificates"])?;
        let list = chain.required("certificates")?;
        let certificates = list.list()?;
        if certificates.len() == 0 || certificates.len() > MAX_CHAIN {
            return Err(list
                .refuse(format!("1 to {MAX_CHAIN} certificates were expected, not {}", certificates.len())));
        }
        let chain = certificates.map(|it| certificate(&it)).collect::<Result<_, _>>()?;
        Ok(Self::Certificates { chain, path: CHAIN })
    }
}

impl Form {
    fn message(self, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Dsse => pre_authentication(payload),
            Self::V02 => v02::pre_authentication(payload),
        }
    }

    /// How the key has signed it; `details` is what the bundle says of that. Where it says nothing, Ed25519 may have signed in
    /// two ways: no signature holds in both, whatever its message, and a key may be used for both (RFC 8032, "Mixing Different Prehashes").
    fn verifies(
        self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
        details: Option<&str>,
    ) -> Option<&'static str> {
        let own = key.algorithm().as_str();
        match self {
            Self::V02 => key.verifies_with_sha256(message, signature).then_some(own),
            Self::Dsse if details != Some(PREHASHED.0) && key.verifies(message, signature) => Some(own),
            Self::Dsse if details.is_none_or(|it| it == PREHASHED.0) => {
                key.verifies_prehashed(message, signature).then_some(PREHASHED.1)
            }
            Self::Dsse => None,
        }
    }
}

impl Carried {
    fn is(&self, key: &PublicKey, form: Form) -> bool {
        let bytes = self.bytes == key.to_der() || self.bytes == key.to_pem().as_bytes();
        // 0.2 wrote that a key is on P-256 whatever it was.
        let details = |told: &String| {
            let is_prehashed = told == PREHASHED.0 && key.algorithm() == Algorithm::Ed25519;
            told == key.key_details() || is_prehashed || form == Form::V02 && told == v02::KEY_DETAILS
        };
        bytes && self.details.as_ref().is_none_or(details)
    }
}

/// Whether a hint has the form of one: 64 hex digits, or base64 of 32 bytes.
fn is_digest(hint: &str) -> bool {
    let hex = hint.len() == 64 && hint.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex || STANDARD.decode(hint).is_ok_and(|bytes| bytes.len() == 32)
}

/// What is signed: DSSE v1, `PAE(type, payload)`.
pub(super) fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// The one `TimeStampResp` of the signature, if there is any.
fn timestamp(material: &Place<'_>) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(data) = material.get("timestampVerificationData")? else { return Ok(None) };
    data.only(&["rfc3161Timestamps"])?;
    let Some(list) = data.get("rfc3161Timestamps")? else { return Ok(None) };
    if list.list()?.len() == 0 {
        return Ok(None);
    }
    let one = list.single()?;
    one.only(&["signedTimestamp"])?;
    base64(&one.required("signedTimestamp")?).map(Some)
}

fn certificate(place: &Place<'_>) -> Result<Vec<u8>, Refusal> {
    place.only(&["rawBytes"])?;
    base64(&place.required("rawBytes")?)
}

fn base64(place: &Place<'_>) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(place.text()?).map_err(|error| place.refuse(format!("not strict base64: {error}")))
}

fn refuse(path: &str, rule: &str) -> Refusal {
    Refusal { path: path.to_owned(), rule: rule.to_owned() }
}

fn wrong_signature(whose: &str) -> Refusal {
    refuse("$.dsseEnvelope.signatures[0].sig", &format!("not a signature of this payload by {whose}"))
}
