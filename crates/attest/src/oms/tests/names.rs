//! Room `attest`, tests: whom a certificate is for: kinds of names, what issuers are held to, common names.

use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::DnValue;
use rcgen::GeneralSubtree;
use rcgen::NameConstraints;
use rcgen::SanType;

use super::certificates::Authority;
use super::certificates::NOW;
use super::certificates::bench;
use super::certificates::judge;
use super::certificates::refused;
use super::*;
use crate::Authorities;
use crate::VerifyTime;
use crate::x509::common_name_of as name_of;

/// A name counts as what it is written as, and where an issuer is held to names, as a kind that it is held in: else a branch that
/// may speak for its own hosts alone could write anybody's mail address as something else.
#[test]
fn a_name_is_what_it_is_written_as_and_an_issuer_is_held_in_its_kind() {
    const WHOM: &str = "build@acme.example";
    const HOST: &str = "ci.acme.example";
    let mail = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
    let host = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let uri = |name: &str| SanType::URI(name.try_into().unwrap());
    let acme = || GeneralSubtree::DnsName("acme.example".to_owned());
    let mails = || GeneralSubtree::Rfc822Name("acme.example".to_owned());
    let cases = [
        (mail(WHOM), vec![], vec![], WHOM, None),
        (uri(WHOM), vec![], vec![], WHOM, Some("has build@acme.example as a URI")),
        (
            host(WHOM),
            vec![],
            vec![],
            WHOM,
            Some("as a host name, and an identity of this form is a mail address"),
        ),
        (mail(HOST), vec![], vec![], HOST, Some("an identity of this form is a host name")),
        (host(HOST), vec![], vec![], HOST, None),
        (uri("https://acme.example/ci@main"), vec![], vec![], "https://acme.example/ci@main", None),
        (mail("https:x@acme.example"), vec![], vec![], "https:x@acme.example", Some("of this form is a URI")),
        (
            mail("other@acme.example"),
            vec![],
            vec![],
            WHOM,
            Some("for other@acme.example, not for build@acme"),
        ),
        // Held to hosts of its own; constraints of mail addresses hold too, by refusing each.
        (host(HOST), vec![acme()], vec![], HOST, None),
        (
            mail(WHOM),
            vec![acme()],
            vec![],
            WHOM,
            Some("held to names of its own, but not for a mail address"),
        ),
        (
            host("ci.partner.example"),
            vec![acme()],
            vec![],
            "ci.partner.example",
            Some("NameConstraintViolation"),
        ),
        (mail(WHOM), vec![mails()], vec![], WHOM, Some("NameConstraintViolation")),
        // Who is held writes constraints for those below, which hold nobody, and lets each of them in for its own kind alone.
        (host(HOST), vec![mails()], vec![acme()], HOST, Some("but not for a host name")),
        (host(HOST), vec![acme()], vec![mails()], HOST, Some("but not for a host name")),
        (host(HOST), vec![acme()], vec![mails(), acme()], HOST, None),
    ];
    for (name, upper, lower, identity, rule) in cases {
        let mut authority = Authority::new();
        authority.leaf.subject_alt_names = vec![name.clone()];
        for (params, permitted_subtrees) in authority.params[1..].iter_mut().zip([upper, lower]) {
            let names = NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() };
            params.name_constraints = (!names.permitted_subtrees.is_empty()).then_some(names);
        }
        let (mut bench, [root, upper, lower, leaf]) = bench("cert-names", &authority, VerifyTime::Now(NOW));
        let authorities = Authorities::new(vec![root], VerifyTime::Now(NOW)).unwrap();
        bench.trust[0].root = TrustRoot::Authority { authorities, identity: Some(identity.to_owned()) };
        let result = bench.with(&[&leaf, &lower, &upper]);
        match rule {
            Some(rule) => refused(&result, rule),
            None => assert_eq!(result.outcome(), VerifyOutcome::Verified, "{name:?}: {:?}", result.reasons),
        }
    }
}

/// Names that are excluded hold nobody in their kind: every other one is free.
#[test]
fn who_is_kept_from_a_name_is_not_held() {
    const HOST: &str = "ci.acme.example";
    let secret = || vec![GeneralSubtree::DnsName("secret.example".to_owned())];
    let acme = || vec![GeneralSubtree::DnsName("acme.example".to_owned())];
    let mails = || vec![GeneralSubtree::Rfc822Name("partner.example".to_owned())];
    let free = Some("but not for a host name");
    for (permitted_subtrees, excluded_subtrees, rule) in
        [(mails(), secret(), free), (vec![], secret(), free), (acme(), secret(), None)]
    {
        let mut authority = Authority::new();
        authority.leaf.subject_alt_names = vec![SanType::DnsName(HOST.try_into().unwrap())];
        authority.params[1].name_constraints =
            Some(NameConstraints { permitted_subtrees, excluded_subtrees });
        let (mut bench, [root, upper, lower, leaf]) = bench("cert-kept", &authority, VerifyTime::Now(NOW));
        let authorities = Authorities::new(vec![root], VerifyTime::Now(NOW)).unwrap();
        bench.trust[0].root = TrustRoot::Authority { authorities, identity: Some(HOST.to_owned()) };
        let result = bench.with(&[&leaf, &lower, &upper]);
        match rule {
            Some(rule) => refused(&result, rule),
            None => assert_eq!(result.outcome(), VerifyOutcome::Verified, "{:?}", result.reasons),
        }
    }
}

/// The one common name, as text: other kinds of strings may spell anything in their bytes.
#[test]
fn a_common_name_is_one_and_text() {
    let name = "release 2026";
    let wide: String = name
        .as_bytes()
        .chunks(2)
        .map(|pair| char::from_u32(u32::from(pair[0]) << 8 | u32::from(pair[1])).unwrap())
        .collect();
    let bmp = DnValue::BmpString(rcgen::string::BmpString::try_from(wide.as_str()).unwrap());
    let printable = || DnValue::PrintableString(name.try_into().unwrap());
    let cases: [(DnValue, Option<&str>); 2] = [(printable(), None), (bmp, Some("for nobody by name"))];
    for (value, rule) in cases {
        let mut authority = Authority::new();
        authority.leaf.distinguished_name = DistinguishedName::new();
        authority.leaf.distinguished_name.push(DnType::CommonName, value);
        judge(200, &authority, rule);
    }
    // rcgen writes one name of a kind: a second as another attribute of three octets, whose last is changed then.
    let mut authority = Authority::new();
    authority.leaf.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 77]), "somebody else");
    let (certificates, _) = authority.issue();
    let mut leaf = certificates[3].clone();
    let at = leaf.windows(3).position(|bytes| bytes == b"\x55\x04\x4d").unwrap();
    assert_eq!(name_of(&leaf).as_deref(), Some(name));
    leaf[at + 2] = 3;
    assert_eq!(name_of(&leaf), None);
}

#[test]
fn a_certificate_without_end_is_not_read() {
    let mut authority = Authority::new();
    let names = (0..3_000)
        .map(|it| SanType::Rfc822Name(format!("a{it}@acme.example.org").as_str().try_into().unwrap()));
    authority.leaf.subject_alt_names = names.collect();
    judge(300, &authority, Some("a certificate of more than 65536 bytes"));
}
