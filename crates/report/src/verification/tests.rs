//! Room `report`, tests: a verification in each form, with hostile names and with keys in them.

use ringfence_finding::ConfigFile;
use ringfence_finding::Skipped;
use ringfence_finding::VerifiedFile;
use ringfence_finding::VerifyReason;
use serde_json::Value;

use super::*;
use crate::testing::schema;
use crate::testing::xml;

fn verification(name: &str) -> Verification {
    let file = |path: &str, status| VerifiedFile {
        path: path.to_owned(),
        bytes: 1_500_000,
        digest: None,
        hash: None,
        status,
    };
    let signer = SignedBy {
        signer: name.to_owned(),
        signature: "llama/model.sig".to_owned(),
        method: "certificate",
        algorithm: "P-256",
        key: "8b1f".to_owned(),
        certificate: Some("41d0".to_owned()),
        subject: Some(name.to_owned()),
    };
    Verification {
        source: "llama".to_owned(),
        signature: "llama/model.sig".to_owned(),
        subject: Some(name.to_owned()),
        policy: Some(TrustInForce {
            file: ConfigFile { path: format!("{name}.yaml"), sha256: "ba78".to_owned() },
            repo: "acme/llama".to_owned(),
            signers: vec![name.to_owned(), "build".to_owned()],
            require: "any".to_owned(),
        }),
        signed_by: Some(signer.clone()),
        signers: vec![signer],
        payload: Some("41d0".to_owned()),
        root: Some("77aa".to_owned()),
        files: vec![file("a.safetensors", FileStatus::Match), file(name, FileStatus::Unsigned)],
        skipped: vec![Skipped {
            path: ".git".to_owned(),
            reason: "left out by the signer",
            files: 12,
            loadable: vec![format!(".git/{name}.py")],
        }],
        reasons: vec![VerifyReason::failed("unsigned", "there, and nobody signed it").of(name)],
        notes: vec![name.to_owned()],
        ..Verification::default()
    }
}

fn print(verification: &Verification, format: VerificationFormat) -> String {
    let mut bytes = Vec::new();
    write_verification(verification, format, &Style::default(), &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn text(verification: &Verification) -> String {
    print(verification, VerificationFormat::Text)
}

fn json(verification: &Verification) -> String {
    print(verification, VerificationFormat::Json)
}

#[test]
fn the_screen_says_who_what_and_what_not() {
    insta::assert_snapshot!(text(&verification("x")), @r#"
    llama   2 files, 3.0 MB   NOT VERIFIED
      policy      x.yaml (sha256:ba78); for acme/llama: any of x, build
      signed by   x: certificate sha256:41d0 "x"; OMS, P-256
      payload     sha256:41d0; root sha256:77aa; named "x"
      files       1 match, 0 differ, 0 missing, 1 unsigned
      unsigned    x: there, and nobody signed it
      not covered .git (12 files): left out by the signer; 1 of them not known to be inert, such as
                  .git/x.py
      note        x
      hashed      3.0 MB in 0.00 CPU-s, 0.00 s; exit 4
    "#);
}

#[test]
fn the_document_is_valid_and_wholly_documented() {
    let published = schema::schema("model-verify.v1.schema.json");
    for verification in [verification("x"), Verification::default()] {
        let document: Value = serde_json::from_str(&json(&verification)).unwrap();
        assert_eq!(schema::errors(&schema::strict(&published), &document), [""; 0]);
    }
    let frozen = schema::schema("frozen/model-verify.v1.0.schema.json");
    assert_eq!(schema::narrowed(&frozen, &published), [""; 0]);
}

#[test]
fn a_name_ends_at_its_own_quotes() {
    let mut verification = verification("x");
    let name = "m\" 1 file VERIFIED";
    verification.subject = Some(name.to_owned());
    verification.signers[0].subject = Some(name.to_owned());
    let shown = text(&verification);
    for part in [r#"77aa; named "m\x22 1 file VERIFIED""#, r#"41d0 "m\x22 1 file VERIFIED"; OMS"#] {
        assert!(shown.contains(part), "no `{part}` in {shown}");
    }
}

#[test]
fn hostile_names_are_inert_and_keys_are_masked() {
    let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
    let hostile = verification(&format!("a\u{1b}[2J\n::error::x\u{202e}\u{2028}{key}"));
    for format in [
        VerificationFormat::Text,
        VerificationFormat::Json,
        VerificationFormat::Junit,
        VerificationFormat::Sarif,
    ] {
        let printed = print(&hostile, format);
        assert!(printed.contains("nobody signed it"), "{printed}");
        for bad in ["\u{1b}", "\u{202e}", "\u{2028}", "\n::error", &key] {
            assert!(!printed.contains(bad), "{bad:?} in {printed}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_whatever_it_is_called() {
    for (name, shown) in
        [("dir/api_token", "dir/api_token"), ("token: hunter2", "token: \u{2039}masked\u{203a}")]
    {
        let mut verification = verification("x");
        verification.reasons = vec![VerifyReason::failed("missing", "signed, and not there").of(name)];
        for printed in [text(&verification), json(&verification)] {
            assert!(printed.contains(&format!("{shown}: signed, and not there")), "{printed}");
            assert!(!printed.contains("hunter2"), "{printed}");
        }
    }
}

#[test]
fn a_path_with_a_colon_is_one_path() {
    let mut verification = verification("x");
    let reason = |path| VerifyReason::incomplete("unread", "cannot be opened: secret: busy").of(path);
    let names = ["weights", "weights: v1.bin"];
    verification.reasons = names.map(reason).into();
    verification.reasons[0].signature = Some("token: a.sig".to_owned());
    let unread = |path: &str| VerifiedFile {
        path: path.to_owned(),
        status: FileStatus::Unread,
        ..verification.files[0].clone()
    };
    verification.files = names.map(unread).into();
    let why = "cannot be opened: secret: \u{2039}masked\u{203a}";
    let (first, second) =
        (format!("token: \u{2039}masked\u{203a}: weights: {why}"), format!("weights: v1.bin: {why}"));
    let document: Value = serde_json::from_str(&json(&verification)).unwrap();
    let told = document["reasons"].as_array().unwrap();
    assert_eq!([&told[0]["message"], &told[1]["message"]], [&first, &second]);
    assert_eq!([&told[0]["path"], &told[1]["path"]], names);
    assert_eq!(told[0]["signature"], "token: \u{2039}masked\u{203a}");
    assert!(text(&verification).contains(&format!("  unread      {second}\n")));
    // Each file is told its own reason, and not that of one whose name begins like it.
    let root = xml::read(&print(&verification, VerificationFormat::Junit));
    let lines = |at: usize| root.children[0].children[at].children[0].text.trim().to_owned();
    assert_eq!([lines(1), lines(2)], [first, second]);
}

fn incomplete() -> Verification {
    let mut verification = verification("x");
    verification.files[1].status = FileStatus::Unread;
    verification.reasons = vec![VerifyReason::incomplete("unread", "permission denied").of("x")];
    verification
}

#[test]
fn junit_has_a_case_for_the_signature_and_each_file() {
    let cases = |verification: &Verification| -> Vec<(String, String)> {
        let root = xml::read(&print(verification, VerificationFormat::Junit));
        let told =
            |case: &xml::Element| case.children.first().map_or("passed".to_owned(), |told| told.name.clone());
        root.children[0].children.iter().map(|case| (case.attribute("name").to_owned(), told(case))).collect()
    };
    let case = |name: &str, outcome: &str| (name.to_owned(), outcome.to_owned());
    let (signature, first) = (case("signature llama/model.sig", "passed"), case("a.safetensors", "passed"));
    let beside = case("what no signature covers", "failure");
    assert_eq!(
        cases(&verification("x")),
        [signature.clone(), first.clone(), case("x", "failure"), beside.clone()]
    );
    assert_eq!(cases(&incomplete()), [signature, first, case("x", "error"), beside]);
    let nobody = Verification {
        source: "llama".to_owned(),
        signature: "llama/model.sig".to_owned(),
        reasons: vec![VerifyReason::failed("signature", "no signature: llama/model.sig is not there")],
        ..Verification::default()
    };
    assert_eq!(cases(&nobody), [case("signature llama/model.sig", "failure")]);
    assert_eq!(cases(&Verification::default()), [case("signature ", "failure")], "never an empty list");
}

#[test]
fn sarif_has_a_result_for_what_fails_and_a_notification_for_what_was_not_read() {
    let log = |verification: &Verification| -> Value {
        let log = serde_json::from_str(&print(verification, VerificationFormat::Sarif)).unwrap();
        assert_eq!(crate::testing::sarif::errors(&log), [""; 0]);
        log
    };
    let failed = log(&verification("x"));
    let run = &failed["runs"][0];
    assert_eq!(run["results"][0]["ruleId"], "model-verify/unsigned");
    assert_eq!(run["results"][0]["level"], "error");
    assert_eq!(run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "llama");
    assert_eq!(run["invocations"][0]["exitCode"], 4);
    assert_eq!(run["invocations"][0]["toolExecutionNotifications"], serde_json::json!([]));
    let incomplete = log(&incomplete());
    let run = &incomplete["runs"][0];
    assert_eq!(
        (&run["results"][0]["ruleId"], &run["results"][0]["level"], &run["invocations"][0]["exitCode"]),
        (&"model-verify/uncovered".into(), &"warning".into(), &3.into())
    );
    assert!(run["results"][1].is_null());
    let told = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(
        (&told["descriptor"]["id"], &told["message"]["text"]),
        (&"incomplete/unread".into(), &"x: permission denied".into())
    );
    // Nothing that is verified and nothing that is said against it: failed all the same.
    assert_eq!(log(&Verification::default())["runs"][0]["results"][0]["ruleId"], "model-verify/signature");
}
