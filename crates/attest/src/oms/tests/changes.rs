//! Room `attest`, tests: every change of one field, of a bundle and of what its signer signs: refused with the place and the
//! rule that are predicted for it, but for the harmless.

use super::*;

/// The only changes after which a bundle may still verify, and what they do.
pub(super) const HARMLESS: [&str; 7] = [
    "/dsseEnvelope/signatures/0/keyid null",
    "/dsseEnvelope/signatures/0/keyid removed",
    "/verificationMaterial/publicKey/hint empty",
    "/verificationMaterial/publicKey/hint free text",
    "/verificationMaterial/publicKey/hint null",
    "/verificationMaterial/publicKey/hint removed",
    "/verificationMaterial/tlogEntries removed",
];

/// What a signer may sign instead, and the same files verify: the name of the folder, which is told and not compared; links,
/// where there are none; other paths that are left out, none of which is there.
const SIGNED_HARMLESS: [&str; 18] = [
    "/predicate/serialization/allow_symlinks a boolean",
    "/predicate/serialization/ignore_paths a list",
    "/predicate/serialization/ignore_paths removed",
    "/predicate/serialization/ignore_paths/0 a digest",
    "/predicate/serialization/ignore_paths/0 free text",
    "/predicate/serialization/ignore_paths/0 removed",
    "/predicate/serialization/ignore_paths/1 a digest",
    "/predicate/serialization/ignore_paths/1 free text",
    "/predicate/serialization/ignore_paths/1 removed",
    "/predicate/serialization/ignore_paths/2 a digest",
    "/predicate/serialization/ignore_paths/2 free text",
    "/predicate/serialization/ignore_paths/2 removed",
    "/predicate/serialization/ignore_paths/3 a digest",
    "/predicate/serialization/ignore_paths/3 free text",
    "/predicate/serialization/ignore_paths/3 removed",
    "/subject/0/name a digest",
    "/subject/0/name empty",
    "/subject/0/name free text",
];

const ENVELOPE: &str = "$.dsseEnvelope";
const WRONG_SIGNATURE: &str = "$.dsseEnvelope.signatures[0].sig: not a signature of this payload";

/// Place, change and the start of the refusal, where that is neither of a field that is missing nor of a value of another
/// kind. A row without a change is for every other.
type Rows = Vec<(String, &'static str, String)>;

/// Of what bundles of both methods have.
pub(super) fn of_any_bundle() -> Rows {
    let material = "$.verificationMaterial";
    let rows = [
        (
            "/mediaType",
            "",
            "$.mediaType: `application/vnd.dev.sigstore.bundle.v0.3+json` was expected, not `",
        ),
        ("/verificationMaterial", "", "$.verificationMaterial: unknown key `x`, which no signature covers"),
        ("/dsseEnvelope", "", "$.dsseEnvelope: unknown key `x`, which no signature covers"),
        ("/dsseEnvelope/payload", "free text", "$.dsseEnvelope.payload: not strict base64"),
        ("/dsseEnvelope/payload", "", WRONG_SIGNATURE),
        (
            "/dsseEnvelope/payloadType",
            "",
            "$.dsseEnvelope.payloadType: `application/vnd.in-toto+json` was expected, not `",
        ),
        (
            "/dsseEnvelope/signatures/0/sig",
            "free text",
            "$.dsseEnvelope.signatures[0].sig: not strict base64",
        ),
        ("/dsseEnvelope/signatures/0/sig", "", WRONG_SIGNATURE),
    ];
    let mut rows: Rows =
        rows.map(|(path, what, told)| (path.to_owned(), what, told.to_owned())).into_iter().collect();
    let mut more = |path: &str, what, told: String| rows.push((path.to_owned(), what, told));
    more(
        "/verificationMaterial/tlogEntries",
        "",
        format!("{material}: a keyless signature with a log entry"),
    );
    let signatures = "/dsseEnvelope/signatures";
    more(signatures, "", format!("{ENVELOPE}.signatures[0]: an object was expected, not a string"));
    let one = format!("{signatures}/0");
    more(&one, "removed", format!("{ENVELOPE}.signatures: exactly one item was expected, not 0"));
    more(&one, "", format!("{ENVELOPE}.signatures[0]: unknown key `x`"));
    let names = "names another key than the one that signed";
    more(&format!("{one}/keyid"), "", format!("{ENVELOPE}.signatures[0].keyid: {names}"));
    rows
}

/// The start of the message that a refusal of this place has.
pub(super) fn at(root: &str, pointer: &str) -> String {
    let is_index = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let step = |part: &str| if is_index(part) { format!("[{part}]") } else { format!(".{part}") };
    let steps: Vec<String> = pointer.split('/').skip(1).map(step).collect();
    let path = format!("{root}{}", steps.concat());
    if path == "$" { String::new() } else { format!("{path}: ") }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Every change of one place of a document. Beside the usual values `more` is put there.
fn changes(good: &Value, more: &[(&'static str, Value)]) -> Vec<(String, &'static str, Value)> {
    let usual = [
        ("null", Value::Null),
        ("a number", json!(1)),
        ("a boolean", json!(true)),
        ("a list", json!(["x"])),
        ("an object", json!({"x": 1})),
        ("free text", json!("release key")),
        ("empty", json!("")),
    ];
    let mut paths = Vec::new();
    places(good, "", &mut paths);
    let mut all = Vec::new();
    for path in paths {
        let mut gone = good.clone();
        remove(&mut gone, &path);
        all.push((path.clone(), "removed", gone));
        for (what, value) in usual.iter().chain(more) {
            let mut changed = good.clone();
            let place = changed.pointer_mut(&path).unwrap();
            if place != value {
                place.clone_from(value);
                all.push((path.clone(), *what, changed));
            }
        }
    }
    all
}

/// The refusal of a field that is missing, and of a value of another kind.
fn general(root: &str, good: &Value, path: &str, changed: &Value) -> Option<String> {
    let (parent, own) = path.rsplit_once('/').unwrap();
    let old = kind(good.pointer(path).unwrap());
    match changed.pointer(path).map(kind) {
        None => Some(format!("{}`{own}` is missing", at(root, parent))),
        Some(new) => (new != old).then(|| format!("{}{old} was expected, not {new}", at(root, path))),
    }
}

/// Holds each refusal against what is predicted, and gives the changes that still verify, in order. `root` is what paths
/// start with.
pub(super) fn still_verify(
    root: &str,
    good: &Value,
    more: &[(&'static str, Value)],
    rows: &Rows,
    verify: &dyn Fn(&Value) -> Verification,
) -> Vec<String> {
    let (mut passed, mut used) = (Vec::new(), vec![false; rows.len()]);
    for (path, what, changed) in &changes(good, more) {
        let result = verify(changed);
        if result.outcome() == VerifyOutcome::Verified {
            passed.push(format!("{path} {what}"));
            continue;
        }
        let row = |what: &str| rows.iter().position(|row| row.0 == *path && row.1 == what);
        let expected = match row(what) {
            None => general(root, good, path, changed),
            Some(_) => None,
        };
        let expected = expected.unwrap_or_else(|| {
            let row = row(what).or_else(|| row(""));
            let row = row.unwrap_or_else(|| panic!("no refusal is predicted: {path} {what}: {result:#?}"));
            used[row] = true;
            rows[row].2.clone()
        });
        let told = &result.reasons[0].message();
        assert!(told.starts_with(&expected), "{path} {what}: {told}\nand not: {expected}");
    }
    let unused: Vec<_> = rows.iter().zip(used).filter(|(_, used)| !used).collect();
    assert!(unused.is_empty(), "nothing is refused so: {unused:?}");
    passed.sort_unstable();
    passed
}

/// The changes that still verify, in order, whatever the others are refused for.
pub(super) fn harmless(
    good: &Value,
    more: &[(&'static str, Value)],
    verify: &dyn Fn(&Value) -> Verification,
) -> Vec<String> {
    let verifies = |changed: &Value| verify(changed).outcome() == VerifyOutcome::Verified;
    let all = changes(good, more).into_iter().filter(|(.., changed)| verifies(changed));
    let mut passed: Vec<String> = all.map(|(path, what, _)| format!("{path} {what}")).collect();
    passed.sort_unstable();
    passed
}

/// A document with each byte of what stands there in base64 changed, one at a time, and which.
pub(super) fn of_bytes<'g>(good: &'g Value, path: &'g str) -> impl Iterator<Item = (usize, Value)> + 'g {
    let bytes = STANDARD.decode(good.pointer(path).unwrap().as_str().unwrap()).unwrap();
    (0..bytes.len()).map(move |at| {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let mut document = good.clone();
        *document.pointer_mut(path).unwrap() = Value::from(STANDARD.encode(changed));
        (at, document)
    })
}

/// Of a bundle that is signed with a key.
pub(super) fn of_key_bundle() -> Rows {
    let mut rows = of_any_bundle();
    for (what, told) in [
        (
            "removed",
            "$.verificationMaterial: one of `publicKey`, `x509CertificateChain` and `certificate` was expected",
        ),
        ("", "$.verificationMaterial.publicKey: unknown key `x`"),
    ] {
        rows.push(("/verificationMaterial/publicKey".to_owned(), what, told.to_owned()));
    }
    rows
}

#[test]
fn every_change_of_one_field_is_refused_with_its_rule_but_for_the_harmless() {
    let bench = Bench::new("fields");
    let good = bench.sign();
    assert!(bench.verifies(&good));
    let verify = |bundle: &Value| bench.verify(bundle.to_string().as_bytes());
    assert_eq!(still_verify("$", &good, &[], &of_key_bundle(), &verify), HARMLESS);
}

#[test]
fn a_key_that_the_bundle_carries_is_held_against_the_given_one() {
    let bench = Bench::new("carried");
    let (mut good, public) = (bench.sign(), bench.key.public());
    let key = &mut good["verificationMaterial"]["publicKey"];
    key["rawBytes"] = json!(STANDARD.encode(public.to_der()));
    key["keyDetails"] = json!(public.key_details());
    assert!(bench.verifies(&good));
    let mut rows = of_key_bundle();
    let (path, told) = ("/verificationMaterial/publicKey", "$.verificationMaterial.publicKey");
    let other = format!("{told}.rawBytes: the key that the bundle carries is none of those given");
    for (field, what, told) in [
        ("rawBytes", "removed", format!("{told}.keyDetails: details of a key that is not there")),
        ("rawBytes", "free text", format!("{told}.rawBytes: not strict base64")),
        ("rawBytes", "", other.clone()),
        ("keyDetails", "", other),
    ] {
        rows.push((format!("{path}/{field}"), what, told));
    }
    let verify = |bundle: &Value| bench.verify(bundle.to_string().as_bytes());
    let passed = still_verify("$", &good, &[], &rows, &verify);
    // Without details the bytes say it all.
    let details = ["null", "removed"].map(|what| format!("{path}/keyDetails {what}"));
    let mut harmless: Vec<&str> = HARMLESS.into_iter().chain(details.iter().map(String::as_str)).collect();
    harmless.sort_unstable();
    assert_eq!(passed, harmless);
}

#[test]
fn every_change_of_what_is_signed_is_refused_with_its_rule_but_for_the_harmless() {
    let bench = Bench::new("signed-fields");
    let good = bench.payload();
    assert_eq!(bench.seal(&good).outcome(), VerifyOutcome::Verified);
    let root = "payload $.subject[0].digest.sha256: the root digest is not that of the resources";
    let unknown_key = "unknown key `x`, which no signature covers";
    let mut rows: Rows = Vec::new();
    let mut row = |path: &str, what, told: &str| rows.push((path.to_owned(), what, told.to_owned()));
    let expected = "payload $._type: `https://in-toto.io/Statement/v1` was expected, not `";
    row("/_type", "", expected);
    let expected = "payload $.predicateType: `https://model_signing/signature/v1.0` was expected, not `";
    row("/predicateType", "", expected);
    row("/subject", "", "payload $.subject[0]: an object was expected, not a string");
    row("/subject/0", "removed", "payload $.subject: exactly one item was expected, not 0");
    row("/subject/0", "", "payload $.subject[0]: `digest` is missing");
    row("/subject/0/digest", "", "payload $.subject[0].digest: `sha256` is missing");
    row("/subject/0/digest/sha256", "a digest", root);
    row("/subject/0/digest/sha256", "", "payload $.subject[0].digest.sha256: 64 lower-case hex digits");
    row("/predicate", "", "payload $.predicate: `serialization` is missing");
    let serialization = "payload $.predicate.serialization";
    row("/predicate/serialization", "", &format!("{serialization}: `method` is missing"));
    let expected = format!("{serialization}.method: `files` or `shards` was expected, not `");
    row("/predicate/serialization/method", "", &expected);
    row("/predicate/serialization/hash_type", "", &format!("{serialization}.hash_type: unknown hash `"));
    for index in 0..4 {
        let path = format!("/predicate/serialization/ignore_paths/{index}");
        row(&path, "", &format!("{serialization}.ignore_paths[{index}]: leaves out the whole model"));
    }
    row("/predicate/resources", "", "payload $.predicate.resources[0]: an object was expected, not a string");
    for (index, name) in ["one", "sub/two"].into_iter().enumerate() {
        let (path, told) =
            (format!("/predicate/resources/{index}"), format!("payload $.predicate.resources[{index}]"));
        row(&path, "removed", root);
        row(&path, "", &format!("{told}: {unknown_key}"));
        row(&format!("{path}/name"), "empty", &format!("{told}.name: a name with an empty part"));
        row(&format!("{path}/name"), "", &format!("{name}: there, and nobody signed it"));
        let expected = format!("{told}.algorithm: not the algorithm of the serialization: `");
        row(&format!("{path}/algorithm"), "", &expected);
        row(&format!("{path}/digest"), "a digest", root);
        row(&format!("{path}/digest"), "", &format!("{told}.digest: 64 lower-case hex digits"));
    }
    let digest = [("a digest", json!(Sha256::of(b"x").to_string()))];
    let passed = still_verify("payload $", &good, &digest, &rows, &|payload| bench.seal(payload));
    assert_eq!(passed, SIGNED_HARMLESS);
}
