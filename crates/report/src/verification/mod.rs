//! Room `report`: a [`Verification`] enters, a screen or one document for programs leaves. Names and signers are foreign
//! text: masked here for every form, and made inert by each.

mod junit;
mod sarif;
mod signed;

use std::fmt::Write as _;
use std::io;

use ringfence_finding::ExitCode;
use ringfence_finding::FileStatus;
use ringfence_finding::SignedBy;
use ringfence_finding::TrustInForce;
use ringfence_finding::Verification;
use ringfence_finding::VerifyOutcome;
use ringfence_finding::VerifyReason;
use serde::Serialize;

pub use signed::SignedModel;
pub use signed::write_signed;

use crate::clean;
use crate::machine;
use crate::model::mask;
use crate::style::Style;
use crate::style::Tone;
use crate::text::page::Page;
use crate::words;

/// Major: a reader must change; minor: something was added.
const SCHEMA_VERSION: &str = "1.1";
/// Reasons that are shown; `-v` shows all.
const SHOWN: usize = 20;
/// Columns before the words.
const COLUMN: usize = 14;

/// Forms of a verification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerificationFormat {
    /// The screen for people.
    #[default]
    Text,
    /// One document for programs, `docs/schema/model-verify.v1.schema.json`.
    Json,
    /// A test case for the signature and each file, for CI systems.
    Junit,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}

/// Writes a verification. `style` matters to text alone.
pub fn write_verification(
    verification: &Verification,
    format: VerificationFormat,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let verification = masked(verification);
    match format {
        VerificationFormat::Text => text(&verification, style, out),
        VerificationFormat::Json => json(verification, out),
        VerificationFormat::Junit => junit::write(&verification, out),
        VerificationFormat::Sarif => sarif::write(&verification, out),
    }
}

fn text(verification: &Verification, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style);
    let outcome = verification.outcome();
    let (word, tone) = match outcome {
        VerifyOutcome::Verified => ("VERIFIED", Tone::Good),
        VerifyOutcome::Failed => ("NOT VERIFIED", Tone::Worst),
        VerifyOutcome::Incomplete => ("COULD NOT LOOK AT ALL OF IT", Tone::Warn),
    };
    let bytes: u64 = verification.files.iter().map(|file| file.bytes).sum();
    let files = words::count(words::many(verification.files.len()), "file");
    let headline = format!("{}   {files}, {}", clean::path(&verification.source), words::size(bytes));
    if style.quiet {
        page.line(&format!("{word}: {headline}"));
        return out.write_all(page.into_text().as_bytes());
    }
    page.line(&format!("{headline}   {}", style.paint(tone, word)));
    if let Some(policy) = &verification.policy {
        page.labelled("  policy", Tone::Plain, COLUMN, &in_force(policy));
    }
    if verification.signers.is_empty() {
        page.labelled("  signed by", Tone::Warn, COLUMN, "nobody who is trusted");
    }
    // Where the command line names the keys, their own names say nothing more.
    let is_named = verification.policy.is_some();
    verification.signers.iter().for_each(|signer| signed_by(signer, is_named, &mut page));
    if let (Some(payload), Some(root)) = (&verification.payload, &verification.root) {
        let name = verification.subject.as_deref().unwrap_or_default();
        let words = format!("sha256:{payload}; root sha256:{root}; named {}", clean::quoted(name));
        page.labelled("  payload", Tone::Plain, COLUMN, &words);
        page.labelled("  files", Tone::Plain, COLUMN, &counts(verification));
    }
    let reasons = &verification.reasons;
    let shown = if style.verbose { reasons.len() } else { SHOWN.min(reasons.len()) };
    for reason in reasons.iter().take(shown) {
        let tone = if reason.incomplete { Tone::Warn } else { Tone::Worst };
        page.labelled(&format!("  {}", reason.kind), tone, COLUMN, &clean::sentence(&reason.message));
    }
    if shown < reasons.len() {
        page.line(&format!("  {} more: -v shows all", words::thousands(words::many(reasons.len() - shown))));
    }
    left_out(verification, &mut page);
    for note in &verification.notes {
        page.labelled("  note", Tone::Plain, COLUMN, &clean::sentence(note));
    }
    for option in &verification.relaxed {
        page.labelled("  relaxed", Tone::Warn, COLUMN, &clean::sentence(option));
    }
    let exit = verification.exit().code();
    page.labelled(
        "  hashed",
        Tone::Plain,
        COLUMN,
        &format!(
            "{} in {:.2} CPU-s, {:.2} s; exit {exit}",
            words::size(bytes),
            verification.cpu_seconds,
            verification.seconds
        ),
    );
    out.write_all(page.into_text().as_bytes())
}

fn json(mut verification: Verification, out: &mut dyn io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'v> {
        schema_version: &'static str,
        outcome: VerifyOutcome,
        #[serde(flatten)]
        verification: &'v Verification,
        exit: ExitCode,
    }
    verification.seconds = machine::milliseconds(verification.seconds);
    verification.cpu_seconds = machine::milliseconds(verification.cpu_seconds);
    let (outcome, exit) = (verification.outcome(), verification.exit());
    machine::write(
        &Document { schema_version: SCHEMA_VERSION, outcome, verification: &verification, exit },
        out,
    )
}

/// `ringfence.yaml (sha256:..); acme/llama: any of release, build`
fn in_force(policy: &TrustInForce) -> String {
    let names: Vec<String> = policy.signers.iter().map(|name| clean::name(name)).collect();
    let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    let (path, repo) = (clean::path(&policy.file.path), clean::name(&policy.repo));
    format!("{path} (sha256:{}); for {repo}: {} of {names}", policy.file.sha256, policy.require)
}

fn signed_by(signer: &SignedBy, is_named: bool, page: &mut Page<'_>) {
    let who = match (&signer.certificate, &signer.subject) {
        (Some(certificate), Some(subject)) => {
            format!("certificate sha256:{certificate} {}", clean::quoted(subject))
        }
        (Some(certificate), None) => format!("certificate sha256:{certificate}"),
        (None, _) => format!("key sha256:{}", signer.key),
    };
    let name = if is_named { format!("{}: ", clean::name(&signer.signer)) } else { String::new() };
    let words = format!("{name}{who}; OMS, {}", signer.algorithm);
    page.labelled("  signed by", Tone::Plain, COLUMN, &words);
}

fn counts(verification: &Verification) -> String {
    let of = [
        (FileStatus::Match, "match"),
        (FileStatus::Differs, "differ"),
        (FileStatus::Missing, "missing"),
        (FileStatus::Unsigned, "unsigned"),
        (FileStatus::Changed, "changed"),
        (FileStatus::Unread, "unread"),
    ];
    let always = [FileStatus::Match, FileStatus::Differs, FileStatus::Missing, FileStatus::Unsigned];
    let counted = of.into_iter().map(|(status, word)| (status, verification.count(status), word));
    let shown = counted.filter(|(status, count, _)| *count > 0 || always.contains(status));
    let parts: Vec<String> =
        shown.map(|(_, count, word)| format!("{} {word}", words::thousands(words::many(count)))).collect();
    parts.join(", ")
}

fn left_out(verification: &Verification, page: &mut Page<'_>) {
    for skipped in &verification.skipped {
        let files = words::count(skipped.files, "file");
        let mut words = format!("{} ({files}): {}", clean::path(&skipped.path), skipped.reason);
        if let Some(first) = skipped.loadable.first() {
            let more = words::thousands(words::many(skipped.loadable.len()));
            _ = write!(words, "; {more} of them a loader could load, such as {}", clean::path(first));
        }
        let tone = if skipped.loadable.is_empty() { Tone::Plain } else { Tone::Warn };
        page.labelled("  not covered", tone, COLUMN, &words);
    }
}

fn masked(verification: &Verification) -> Verification {
    let mut verification = verification.clone();
    mask(&mut verification.source);
    mask(&mut verification.signature);
    verification.subject.as_mut().map(mask);
    for signer in verification.signed_by.iter_mut().chain(&mut verification.signers) {
        [&mut signer.signer, &mut signer.signature].into_iter().for_each(mask);
        signer.subject.as_mut().map(mask);
    }
    if let Some(policy) = &mut verification.policy {
        [&mut policy.file.path, &mut policy.repo].into_iter().for_each(mask);
        policy.signers.iter_mut().for_each(mask);
    }
    verification.files.iter_mut().for_each(|file| mask(&mut file.path));
    verification.reasons.iter_mut().for_each(mask_reason);
    verification.notes.iter_mut().chain(&mut verification.relaxed).for_each(mask);
    for skipped in &mut verification.skipped {
        mask(&mut skipped.path);
        skipped.loadable.iter_mut().for_each(mask);
    }
    verification
}

/// What is wrong with a file is our text: not masked because the file is called `token.bin`.
fn mask_reason(reason: &mut VerifyReason) {
    let is_of_file =
        ["changed", "differs", "missing", "refused-file", "unread", "unsigned"].contains(&reason.kind);
    match reason.message.rsplit_once(": ").filter(|_| is_of_file) {
        Some((name, why)) => reason.message = format!("{}: {}", clean::mask(name), clean::mask(why)),
        None => mask(&mut reason.message),
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::ConfigFile;
    use ringfence_finding::Skipped;
    use ringfence_finding::VerifiedFile;
    use serde_json::Value;

    use super::*;
    use crate::testing::schema;
    use crate::testing::xml;

    fn verification(name: &str) -> Verification {
        let file = |path: &str, status| VerifiedFile {
            path: path.to_owned(),
            bytes: 1_500_000,
            digest: None,
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
            reasons: vec![VerifyReason::failed("unsigned", format!("{name}: there, and nobody signed it"))],
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
          not covered .git (12 files): left out by the signer; 1 of them a loader could load, such as
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
            verification.reasons =
                vec![VerifyReason::failed("missing", format!("{name}: signed, and not there"))];
            for printed in [text(&verification), json(&verification)] {
                assert!(printed.contains(&format!("{shown}: signed, and not there")), "{printed}");
                assert!(!printed.contains("hunter2"), "{printed}");
            }
        }
    }

    fn incomplete() -> Verification {
        let mut verification = verification("x");
        verification.files[1].status = FileStatus::Unread;
        verification.reasons = vec![VerifyReason::incomplete("unread", "x: permission denied".to_owned())];
        verification
    }

    #[test]
    fn junit_has_a_case_for_the_signature_and_each_file() {
        let cases = |verification: &Verification| -> Vec<(String, String)> {
            let root = xml::read(&print(verification, VerificationFormat::Junit));
            let told = |case: &xml::Element| {
                case.children.first().map_or("passed".to_owned(), |told| told.name.clone())
            };
            root.children[0]
                .children
                .iter()
                .map(|case| (case.attribute("name").to_owned(), told(case)))
                .collect()
        };
        let case = |name: &str, outcome: &str| (name.to_owned(), outcome.to_owned());
        let (signature, first) =
            (case("signature llama/model.sig", "passed"), case("a.safetensors", "passed"));
        let beside = case("what no signature covers", "failure");
        assert_eq!(
            cases(&verification("x")),
            [signature.clone(), first.clone(), case("x", "failure"), beside.clone()]
        );
        assert_eq!(cases(&incomplete()), [signature, first, case("x", "error"), beside]);
        let nobody = Verification {
            source: "llama".to_owned(),
            signature: "llama/model.sig".to_owned(),
            reasons: vec![VerifyReason::failed(
                "signature",
                "no signature: llama/model.sig is not there".to_owned(),
            )],
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
        assert_eq!(
            log(&Verification::default())["runs"][0]["results"][0]["ruleId"],
            "model-verify/signature"
        );
    }
}
