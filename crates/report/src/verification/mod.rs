//! Room `report`: a [`Verification`] enters, a screen or one document for programs leaves. Names and signers are foreign
//! text: masked here for every form, and made inert by each.

mod junit;
mod sarif;
mod signed;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io;

use ringfence_finding::ExitCode;
use ringfence_finding::FileStatus;
use ringfence_finding::SignedBy;
use ringfence_finding::TrustInForce;
use ringfence_finding::Verification;
use ringfence_finding::VerifyOutcome;
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
const SCHEMA_VERSION: &str = "1.2";
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
    if let Some(payload) = &verification.payload {
        let mut words = format!("sha256:{payload}");
        if let Some(root) = &verification.root {
            let name = verification.subject.as_deref().unwrap_or_default();
            _ = write!(words, "; root sha256:{root}; named {}", clean::quoted(name));
        }
        page.labelled("  payload", Tone::Plain, COLUMN, &words);
        page.labelled("  files", Tone::Plain, COLUMN, &counts(verification));
    }
    let reasons = &verification.reasons;
    let shown = if style.verbose { reasons.len() } else { SHOWN.min(reasons.len()) };
    for reason in reasons.iter().take(shown) {
        let tone = if reason.incomplete { Tone::Warn } else { Tone::Worst };
        page.labelled(&format!("  {}", reason.kind), tone, COLUMN, &clean::sentence(&reason.message()));
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
            _ = write!(words, "; {more} of them not known to be inert, such as {}", clean::path(first));
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
    for reason in &mut verification.reasons {
        // Each by itself: what is wrong with a file is not masked because the file is called `token.bin`.
        reason.signature.iter_mut().chain(&mut reason.path).for_each(mask);
        mask(&mut reason.why);
    }
    verification.notes.iter_mut().chain(&mut verification.relaxed).for_each(mask);
    for skipped in &mut verification.skipped {
        mask(&mut skipped.path);
        skipped.loadable.iter_mut().for_each(mask);
    }
    verification
}
