//! Room `attest`, tests: a bundle with certificates: every byte of them, their order, their time and what their keys are for.

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CustomExtension;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::GeneralSubtree;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::NameConstraints;
use rcgen::SanType;

use super::*;
use crate::Authorities;
use crate::VerifyTime;

/// The only changes of a bundle with leaf, two certificates between and a foreign one after which it may still verify: what
/// nobody signed and nothing rests on. The foreign certificate is the fourth.
const HARMLESS: [&str; 6] = [
    "/dsseEnvelope/signatures/0/keyid null",
    "/dsseEnvelope/signatures/0/keyid removed",
    "/verificationMaterial/tlogEntries removed",
    "/verificationMaterial/x509CertificateChain/certificates/3 removed",
    "/verificationMaterial/x509CertificateChain/certificates/3/rawBytes a byte",
    "/verificationMaterial/x509CertificateChain/certificates/3/rawBytes empty",
];

const CHAIN: &str = "/verificationMaterial/x509CertificateChain/certificates";
/// Noon of 2026-06-01.
pub(super) const NOW: u64 = 1_780_315_200;

/// Who stands behind a leaf: a root, and two authorities between.
pub(super) struct Authority {
    pub(super) params: [CertificateParams; 3],
    pub(super) leaf: CertificateParams,
}

impl Authority {
    pub(super) fn new() -> Self {
        let authority = |name: &str| {
            let mut params = params(name, (2020, 2090));
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params
        };
        let mut leaf = params("release 2026", (2025, 2030));
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        Self { params: ["root", "upper", "lower"].map(authority), leaf }
    }

    /// DER of root, upper, lower and leaf, and the leaf's key.
    pub(super) fn issue(&self) -> ([Vec<u8>; 4], PrivateKey) {
        let key = || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let [root, upper, lower] = &self.params;
        let (root_key, upper_key, lower_key, leaf_key) = (key(), key(), key(), key());
        let first = root.self_signed(&root_key).unwrap();
        let root = Issuer::new(root.clone(), root_key);
        let second = upper.signed_by(&upper_key, &root).unwrap();
        let upper = Issuer::new(upper.clone(), upper_key);
        let third = lower.signed_by(&lower_key, &upper).unwrap();
        let lower = Issuer::new(lower.clone(), lower_key);
        let leaf = self.leaf.signed_by(&leaf_key, &lower).unwrap();
        let pem = leaf_key.serialize_pem();
        let key = PrivateKey::read(pem.as_bytes(), &mut || panic!("asked for a password")).unwrap();
        ([&first, &second, &third, &leaf].map(|certificate| certificate.der().to_vec()), key)
    }
}

fn params(name: &str, years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(years.0, 1, 1), rcgen::date_time_ymd(years.1, 1, 1));
    params
}

/// A bench that signs with the leaf of this authority and trusts its root; and the four certificates.
pub(super) fn bench(name: &str, authority: &Authority, time: VerifyTime) -> (Bench, [Vec<u8>; 4]) {
    let mut bench = Bench::new(name);
    let (certificates, key) = authority.issue();
    bench.key = key;
    trust(&mut bench, vec![certificates[0].clone()], time);
    (bench, certificates)
}

/// Trusts these certificates, and nobody else.
pub(super) fn trust(bench: &mut Bench, roots: Vec<Vec<u8>>, time: VerifyTime) {
    let authorities = Authorities::new(roots, time).unwrap();
    let root = TrustRoot::Authority { authorities, identity: Some("release 2026".to_owned()) };
    bench.trust = vec![TrustedSigner { name: "authority".to_owned(), root, until: None, tsa: None }];
}

impl Bench {
    /// What becomes of a bundle with these certificates.
    pub(super) fn with(&self, chain: &[&Vec<u8>]) -> Verification {
        let payload = self.payload().to_string();
        let chain: Vec<Vec<u8>> = chain.iter().map(|der| (*der).clone()).collect();
        self.verify(sign::envelope(payload.as_bytes(), &self.key, &chain).unwrap().as_bytes())
    }
}

/// Refused, for its certificates and for this.
#[track_caller]
pub(super) fn refused(result: &Verification, rule: &str) {
    assert_eq!(result.outcome(), VerifyOutcome::Failed, "{rule}");
    let told = &result.reasons[0].message();
    assert!(told.starts_with("$.verificationMaterial.x509CertificateChain") && told.contains(rule), "{told}");
}

#[track_caller]
fn verified(result: &Verification) {
    assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons);
}

#[test]
fn every_byte_of_leaf_and_issuers_counts() {
    let (bench, [_, upper, lower, leaf]) = bench("cert-bytes", &Authority::new(), VerifyTime::Now(NOW));
    verified(&bench.with(&[&leaf, &lower, &upper]));
    let payload = bench.payload().to_string();
    let good = [leaf, lower, upper];
    for (which, der) in good.iter().enumerate() {
        for at in 0..der.len() {
            for bit in [0x01, 0x80] {
                let mut chain = good.to_vec();
                chain[which][at] ^= bit;
                let bundle = sign::envelope(payload.as_bytes(), &bench.key, &chain).unwrap();
                refused(&bench.verify(bundle.as_bytes()), "");
            }
        }
        // One byte more, and one less.
        for changed in [[der.as_slice(), &[0]].concat(), der[..der.len() - 1].to_vec()] {
            let mut chain = good.to_vec();
            chain[which] = changed;
            refused(&bench.with(&chain.iter().collect::<Vec<_>>()), "");
        }
    }
}

#[test]
fn every_byte_of_signature_and_payload_counts_with_certificates_too() {
    let (bench, [_, upper, lower, leaf]) = bench("cert-payload", &Authority::new(), VerifyTime::Now(NOW));
    let payload = bench.payload().to_string();
    let good = sign::envelope(payload.as_bytes(), &bench.key, &[leaf, lower, upper]).unwrap();
    let good: Value = serde_json::from_str(&good).unwrap();
    assert!(bench.verifies(&good));
    for path in ["/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig"] {
        for (at, bundle) in changes::of_bytes(&good, path) {
            let told = bench.verify(bundle.to_string().as_bytes());
            assert_eq!(told.outcome(), VerifyOutcome::Failed, "{path}, byte {at}");
            assert!(told.reasons[0].message().contains("not a signature of this payload"), "{told:?}");
        }
    }
}

#[test]
fn every_change_of_one_field_is_refused_but_for_the_harmless_with_certificates_too() {
    let (bench, [_, upper, lower, leaf]) = bench("cert-fields", &Authority::new(), VerifyTime::Now(NOW));
    let ([_, _, _, foreign], _) = Authority::new().issue();
    let payload = bench.payload().to_string();
    let good = sign::envelope(payload.as_bytes(), &bench.key, &[leaf, lower, upper, foreign]).unwrap();
    let good: Value = serde_json::from_str(&good).unwrap();
    assert!(bench.verifies(&good));
    let mut rows = changes::of_any_bundle();
    let mut row = |path: String, what, told: &str| rows.push((path, what, told.to_owned()));
    let (of_chain, told) =
        (CHAIN.trim_end_matches("/certificates"), "$.verificationMaterial.x509CertificateChain");
    let one =
        "$.verificationMaterial: one of `publicKey`, `x509CertificateChain` and `certificate` was expected";
    row(of_chain.to_owned(), "removed", one);
    row(of_chain.to_owned(), "", &format!("{told}: unknown key `x`"));
    row(CHAIN.to_owned(), "", &format!("{told}.certificates[0]: an object was expected, not a string"));
    for index in 0..4 {
        let (path, each) = (format!("{CHAIN}/{index}"), format!("{told}.certificates[{index}]"));
        row(path.clone(), "", &format!("{each}: unknown key `x`"));
        row(format!("{path}/rawBytes"), "free text", &format!("{each}.rawBytes: not strict base64"));
    }
    // Without the leaf the next is taken for it.
    row(format!("{CHAIN}/0"), "removed", &format!("{told}: the first certificate may not sign"));
    row(format!("{CHAIN}/0/rawBytes"), "", &format!("{told}: the first certificate is damaged"));
    for index in 1..3 {
        let no_path = format!("{told}: no valid path to a given authority: ");
        row(format!("{CHAIN}/{index}"), "removed", &no_path);
        row(format!("{CHAIN}/{index}/rawBytes"), "", &no_path);
    }
    let verify = |bundle: &Value| bench.verify(bundle.to_string().as_bytes());
    let passed = changes::still_verify("$", &good, &[("a byte", json!("AA=="))], &rows, &verify);
    assert_eq!(passed, HARMLESS);
}

#[test]
fn a_certificate_that_stands_alone_is_a_chain_of_one_where_no_log_is_spoken_of() {
    let (mut bench, [root, upper, lower, leaf]) =
        bench("cert-alone", &Authority::new(), VerifyTime::Now(NOW));
    let payload = bench.payload().to_string();
    let good = sign::envelope(payload.as_bytes(), &bench.key, std::slice::from_ref(&leaf)).unwrap();
    let mut good: Value = serde_json::from_str(&good).unwrap();
    good["verificationMaterial"] = json!({"certificate": {"rawBytes": STANDARD.encode(&leaf)}});
    // There is no place for the authorities between: who trusts the root alone has no path.
    let told = bench.verify(good.to_string().as_bytes()).reasons[0].message();
    assert!(told.starts_with("$.verificationMaterial.certificate: no valid path"), "{told}");
    trust(&mut bench, vec![root, upper, lower], VerifyTime::Now(NOW));
    let result = bench.verify(good.to_string().as_bytes());
    verified(&result);
    assert_eq!(result.signed_by.unwrap().method, "certificate");
    let mut rows = changes::of_any_bundle();
    rows.retain(|row| row.0 != "/verificationMaterial/tlogEntries");
    let (path, told) = ("/verificationMaterial/certificate", "$.verificationMaterial.certificate");
    let one =
        "$.verificationMaterial: one of `publicKey`, `x509CertificateChain` and `certificate` was expected";
    for (path, what, told) in [
        (path.to_owned(), "removed", one.to_owned()),
        (path.to_owned(), "", format!("{told}: unknown key `x`")),
        (format!("{path}/rawBytes"), "free text", format!("{told}.rawBytes: not strict base64")),
        (format!("{path}/rawBytes"), "", format!("{told}: the first certificate is damaged")),
    ] {
        rows.push((path, what, told));
    }
    let verify = |bundle: &Value| bench.verify(bundle.to_string().as_bytes());
    let passed = changes::still_verify("$", &good, &[("a byte", json!("AA=="))], &rows, &verify);
    assert_eq!(passed, HARMLESS[..2]);
    for (at, bundle) in changes::of_bytes(&good, "/verificationMaterial/certificate/rawBytes") {
        assert!(!bench.verifies(&bundle), "byte {at}");
    }
    // With a log entry it is keyless, and beside another method it is two stories.
    for (field, value, rule) in [
        ("tlogEntries", json!([{}]), "$.verificationMaterial: a keyless signature with a log entry"),
        ("publicKey", json!({"hint": ""}), one),
        ("x509CertificateChain", json!({"certificates": []}), one),
    ] {
        let mut lie = good.clone();
        lie["verificationMaterial"][field] = value;
        let told = bench.verify(lie.to_string().as_bytes()).reasons[0].message();
        assert!(told.starts_with(rule), "{field}: {told}");
    }
    good["verificationMaterial"]["tlogEntries"] = json!([]);
    assert!(bench.verifies(&good));
}

#[test]
fn the_leaf_is_first_and_what_follows_is_in_any_order() {
    let (bench, [root, upper, lower, leaf]) = bench("cert-order", &Authority::new(), VerifyTime::Now(NOW));
    let ([_, other_upper, other_lower, other_leaf], _) = Authority::new().issue();
    for good in [
        &[&leaf, &lower, &upper][..],
        &[&leaf, &upper, &lower],
        &[&leaf, &lower, &upper, &root],
        &[&leaf, &root, &upper, &lower],
    ] {
        let result = bench.with(good);
        verified(&result);
        assert!(result.notes.is_empty(), "{:?}", result.notes);
    }
    // What is on no path is told: nothing holds it in its place.
    for (more, count) in [
        (&[&leaf, &other_lower, &lower, &upper][..], 1),
        (&[&leaf, &lower, &upper, &other_leaf, &other_upper], 2),
        (&[&leaf, &lower, &upper, &leaf], 1),
    ] {
        let result = bench.with(more);
        verified(&result);
        let told = format!("on no path to an authority: {count}");
        assert!(result.notes.iter().any(|note| note.ends_with(&told)), "{:?}", result.notes);
    }
    for (wrong, rule) in [
        (&[&lower, &leaf, &upper][..], "may not sign"),
        (&[&upper, &lower, &leaf], "may not sign"),
        (&[&root, &leaf, &lower, &upper], "may not sign"),
        (&[&other_leaf, &leaf, &lower, &upper], "no valid path"),
        (&[&leaf], "no valid path"),
        (&[&leaf, &lower], "no valid path"),
        (&[&leaf, &upper], "no valid path"),
        (&[&leaf, &lower, &root], "no valid path"),
        (&[&leaf, &other_lower, &other_upper], "no valid path"),
        (&[&[lower.as_slice(), &leaf].concat(), &upper], "damaged"),
        (&[&leaf; 11], "1 to 10 certificates"),
    ] {
        refused(&bench.with(wrong), rule);
    }
    // A leaf of the same authority for another key stands behind another signature.
    let (stranger, _) =
        PrivateKey::generate(Curve::P256, KeyFormat::Pem, &crate::Password::default()).unwrap();
    let payload = bench.payload().to_string();
    let bundle = sign::envelope(payload.as_bytes(), &stranger, &[leaf, lower, upper]).unwrap();
    let told = bench.verify(bundle.as_bytes());
    assert!(
        told.reasons[0].message().contains("not a signature of this payload by the key of its certificate")
    );
}

#[test]
fn every_certificate_is_valid_at_the_time_that_is_asked_about() {
    let at = |text: &str| VerifyTime::At(crate::time::parse(text).unwrap());
    let mut authority = Authority::new();
    // The issuer of the leaf lives shorter than the leaf.
    (authority.params[2].not_before, authority.params[2].not_after) =
        (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2028, 1, 1));
    authority.params[0].not_after = rcgen::date_time_ymd(2028, 6, 1);
    for (time, rule) in [
        (at("2026-01-01"), None),
        (at("2028-01-01"), None),
        (at("2024-12-31T23:59:59Z"), Some("the first certificate is valid from 2025-01-01T00:00:00Z")),
        (at("2030-01-01T00:00:01Z"), Some("to 2030-01-01T00:00:00Z, not at 2030-01-01T00:00:01Z")),
        (at("2025-12-31T23:59:59Z"), Some("no valid path to a given authority: CertNotValidYet")),
        (at("2028-01-01T00:00:01Z"), Some("no valid path to a given authority: CertExpired")),
        (VerifyTime::LeafNotBefore, Some("no valid path to a given authority: CertNotValidYet")),
        (VerifyTime::Now(NOW), None),
        (
            at("2029-01-01"),
            Some("root is valid from 2020-01-01T00:00:00Z to 2028-06-01T00:00:00Z, not at 2029"),
        ),
    ] {
        let (bench, [_, upper, lower, leaf]) = bench("cert-time", &authority, time);
        let result = bench.with(&[&leaf, &lower, &upper]);
        match rule {
            Some(rule) => refused(&result, rule),
            None => verified(&result),
        }
    }
}

#[test]
fn a_key_signs_only_what_its_certificate_says_it_is_for() {
    type Change = fn(&mut Authority);
    let unknown = |params: &mut CertificateParams| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    };
    let cases: [(Change, Option<&str>); 23] = [
        (|a| a.leaf.key_usages.clear(), Some("may not sign")),
        (|a| a.leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement], Some("may not sign")),
        (|a| a.leaf.key_usages = vec![KeyUsagePurpose::ContentCommitment], Some("may not sign")),
        (
            |a| {
                a.leaf.key_usages.clear();
                a.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            },
            Some("may not sign"),
        ),
        (
            |a| {
                a.leaf.key_usages.clear();
                a.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
            },
            None,
        ),
        // The key of a web server, or of what signs times, signs no models; one for anything does.
        (
            |a| a.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            Some("may not sign: its extended key usage is for other things"),
        ),
        (|a| a.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any], None),
        (
            |a| {
                a.leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
                a.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
            },
            Some("may not sign: its key usage is without digitalSignature"),
        ),
        (
            |a| a.params[2].extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            Some("RequiredEkuNotFound"),
        ),
        (|a| a.params[2].extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning], None),
        (|a| a.leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), Some("CaUsedAsEndEntity")),
        (|a| a.params[2].is_ca = IsCa::ExplicitNoCa, Some("EndEntityUsedAsCa")),
        (|a| a.params[2].is_ca = IsCa::NoCa, Some("EndEntityUsedAsCa")),
        (
            |a| a.params[1].is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
            Some("PathLenConstraintViolated"),
        ),
        // An authority for other things than certificates.
        (|a| a.params[2].key_usages = vec![KeyUsagePurpose::CrlSign], Some("EndEntityUsedAsCa")),
        (|a| a.params[2].key_usages.clear(), None),
        // What the given certificate says of itself holds, too.
        (
            |a| a.params[0].is_ca = IsCa::Ca(BasicConstraints::Constrained(1)),
            Some("PathLenConstraintViolated"),
        ),
        (|a| a.params[0].is_ca = IsCa::Ca(BasicConstraints::Constrained(2)), None),
        (|a| a.params[0].is_ca = IsCa::ExplicitNoCa, Some("root may not issue certificates")),
        (|a| a.params[0].is_ca = IsCa::NoCa, Some("root may not issue certificates")),
        (
            |a| a.params[0].key_usages = vec![KeyUsagePurpose::CrlSign],
            Some("root may not issue certificates"),
        ),
        // Whom a certificate is for: alternative names of any kind take the place of the common name, and so does an authority
        // that is held to some of them.
        (
            |a| a.leaf.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())],
            Some("for nobody by name, not for release 2026"),
        ),
        (
            |a| {
                let permitted_subtrees = vec![GeneralSubtree::DnsName("good.example".to_owned())];
                let excluded_subtrees = Vec::new();
                a.params[2].name_constraints =
                    Some(NameConstraints { permitted_subtrees, excluded_subtrees });
            },
            Some("for nobody by name, not for release 2026"),
        ),
    ];
    for (number, (change, rule)) in cases.into_iter().enumerate() {
        let mut authority = Authority::new();
        change(&mut authority);
        judge(number, &authority, rule);
    }
    for certificate in 0..2 {
        let mut authority = Authority::new();
        let params = if certificate == 0 { &mut authority.leaf } else { &mut authority.params[2] };
        unknown(params);
        judge(100 + certificate, &authority, Some("UnsupportedCriticalExtension"));
    }
}

#[track_caller]
pub(super) fn judge(number: usize, authority: &Authority, rule: Option<&str>) {
    // Tests run at the same time, and each has a folder of its own.
    let name = format!("cert-usage-{}", std::thread::current().name().unwrap_or_default().replace("::", "-"));
    let (bench, [_, upper, lower, leaf]) = bench(&name, authority, VerifyTime::Now(NOW));
    let result = bench.with(&[&leaf, &lower, &upper]);
    match rule {
        Some(rule) => refused(&result, rule),
        None => assert_eq!(result.outcome(), VerifyOutcome::Verified, "{number}: {:?}", result.reasons),
    }
}
