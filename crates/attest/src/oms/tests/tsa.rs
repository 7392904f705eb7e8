//! Room `attest`, tests: an authority that tells the time, and lies where a test wants it to. Its certificates are rcgen's.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CustomExtension;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;

use crate::der::INTEGER;
use crate::der::OCTET_STRING;
use crate::der::OID;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::der::element;
use crate::keys::Sha2;

pub(super) const TIME_STAMPING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x08";
const PKCS9: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09";

/// Who tells the time: a root, and the one whom it certified.
pub(super) struct Tsa {
    pub(super) root: CertificateParams,
    pub(super) leaf: CertificateParams,
    key: KeyPair,
    hash: Sha2,
}

/// What is told; each field is written as it is.
pub(super) struct Told {
    pub(super) status: Vec<u8>,
    pub(super) imprint: Vec<u8>,
    pub(super) time: String,
    /// What follows the time.
    pub(super) more: Vec<u8>,
    pub(super) content_type: Vec<u8>,
    pub(super) message_digest: Option<Vec<u8>>,
    /// Values of the signed attributes beside these two, by the end of their OID below PKCS#9.
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) id: Vec<u8>,
    pub(super) certificates: Vec<Vec<u8>>,
    /// What follows the certificates.
    pub(super) lists: Vec<u8>,
    pub(super) unsigned: Vec<u8>,
    pub(super) signers: usize,
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// The last arc of SHA-2's OIDs, of ECDSA's names with them.
fn arc(hash: Sha2) -> u8 {
    match hash {
        Sha2::Sha256 => 1,
        Sha2::Sha384 => 2,
        Sha2::Sha512 => 3,
    }
}

pub(super) fn algorithm(hash: Sha2) -> Vec<u8> {
    sequence(&[&element(OID, &[b"\x60\x86\x48\x01\x65\x03\x04\x02".as_slice(), &[arc(hash)]].concat())])
}

/// `MessageImprint` of some bytes.
pub(super) fn imprint(hash: Sha2, bytes: &[u8]) -> Vec<u8> {
    sequence(&[&algorithm(hash), &element(OCTET_STRING, &hash.digest(bytes))])
}

/// An extended key usage.
pub(super) fn purposes(oids: &[&[u8]], critical: bool) -> CustomExtension {
    let list: Vec<Vec<u8>> = oids.iter().map(|oid| element(OID, oid)).collect();
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], element(SEQUENCE, &list.concat()));
    extension.set_criticality(critical);
    extension
}

impl Tsa {
    pub(super) fn new() -> Self {
        Self::of(&rcgen::PKCS_ECDSA_P256_SHA256, Sha2::Sha256)
    }

    pub(super) fn of(kind: &'static rcgen::SignatureAlgorithm, hash: Sha2) -> Self {
        let params = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            (params.not_before, params.not_after) =
                (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2090, 1, 1));
            params
        };
        let mut root = params("time root");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let mut leaf = params("clock");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.custom_extensions = vec![purposes(&[TIME_STAMPING], true)];
        Self { root, leaf, key: KeyPair::generate_for(kind).unwrap(), hash }
    }

    /// DER of root and leaf.
    pub(super) fn issue(&self) -> [Vec<u8>; 2] {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let root = self.root.self_signed(&key).unwrap();
        let leaf = self.leaf.signed_by(&self.key, &Issuer::new(self.root.clone(), key)).unwrap();
        [root.der().to_vec(), leaf.der().to_vec()]
    }

    /// The truth about a signature, at `time`.
    pub(super) fn told(&self, leaf: &[u8], signature: &[u8], time: &str) -> Told {
        let certificate = crate::x509::Certificate::read(leaf).unwrap();
        let named = sequence(&[&algorithm(self.hash), &element(OCTET_STRING, &self.hash.digest(leaf))]);
        let named = sequence(&[&sequence(&[&named])]);
        Told {
            status: sequence(&[&element(INTEGER, &[0])]),
            imprint: imprint(Sha2::Sha256, signature),
            time: time.to_owned(),
            more: Vec::new(),
            content_type: element(OID, &[PKCS9, b"\x10\x01\x04"].concat()),
            message_digest: None,
            attributes: vec![(b"\x10\x02\x2f".to_vec(), named)],
            id: [element(INTEGER, &[1]), sequence(&[certificate.issuer, certificate.serial])].concat(),
            certificates: vec![leaf.to_vec()],
            lists: Vec::new(),
            unsigned: Vec::new(),
            signers: 1,
        }
    }

    /// `TimeStampResp`.
    pub(super) fn response(&self, told: &Told) -> Vec<u8> {
        let info = sequence(&[
            &element(INTEGER, &[1]),
            &element(OID, &[0x2a, 3]),
            &told.imprint,
            &element(INTEGER, &[7]),
            &element(crate::der::GENERALIZED_TIME, told.time.as_bytes()),
            &told.more,
        ]);
        let digest = told.message_digest.clone().unwrap_or_else(|| self.hash.digest(&info));
        let attribute = |oid: &[u8], value: &[u8]| {
            sequence(&[&element(OID, &[PKCS9, oid].concat()), &element(SET, value)])
        };
        let mut attributes = vec![attribute(b"\x03", &told.content_type)];
        attributes.push(attribute(b"\x04", &element(OCTET_STRING, &digest)));
        attributes.extend(told.attributes.iter().map(|(oid, value)| attribute(oid, value)));
        let attributes = attributes.concat();
        let (scheme, signature) = self.sign(&element(SET, &attributes));
        let signer = sequence(&[
            &told.id,
            &algorithm(self.hash),
            &element(0xa0, &attributes),
            &sequence(&[&element(OID, &scheme)]),
            &element(OCTET_STRING, &signature),
            &told.unsigned,
        ]);
        let certificates = told.certificates.concat();
        let certificates = if certificates.is_empty() { Vec::new() } else { element(0xa0, &certificates) };
        let data = sequence(&[
            &element(INTEGER, &[3]),
            &element(SET, &algorithm(self.hash)),
            &sequence(&[
                &element(OID, &[PKCS9, b"\x10\x01\x04"].concat()),
                &element(0xa0, &element(OCTET_STRING, &info)),
            ]),
            &certificates,
            &told.lists,
            &element(SET, &signer.repeat(told.signers)),
        ]);
        let token =
            sequence(&[&element(OID, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"), &element(0xa0, &data)]);
        sequence(&[&told.status, &token])
    }

    /// The scheme's OID, and what it makes of a message.
    fn sign(&self, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let pkcs8 = self.key.serialize_der();
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(&pkcs8) {
            return (b"\x2b\x65\x70".to_vec(), pair.sign(message).as_ref().to_vec());
        }
        let how = match self.hash {
            Sha2::Sha256 => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            Sha2::Sha384 => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            Sha2::Sha512 => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        };
        let pair = EcdsaKeyPair::from_pkcs8(how, &pkcs8).unwrap();
        let signature = pair.sign(&SystemRandom::new(), message).unwrap();
        let oid = [b"\x2a\x86\x48\xce\x3d\x04\x03".as_slice(), &[arc(self.hash) + 1]].concat();
        (oid, signature.as_ref().to_vec())
    }
}
