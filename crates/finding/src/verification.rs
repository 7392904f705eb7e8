//! Room `finding`: the result of one `model verify`: who signed, what is covered, what is not.

use serde::Serialize;
use serde::Serializer;

use crate::ConfigFile;
use crate::ExitCode;

/// What one signature says about one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The model, as it was typed.
    pub source: String,
    /// The signature file, as it was typed.
    pub signature: String,
    /// Name of the model at the signer; told, never compared.
    pub subject: Option<String>,
    /// What decides whom to believe, where it is a file.
    pub policy: Option<TrustInForce>,
    /// The signer, once the signature held; the first of several.
    pub signed_by: Option<SignedBy>,
    /// Every signer whose signature held.
    pub signers: Vec<SignedBy>,
    /// SHA-256 of what is signed, in hex: the identity of the signed model.
    pub payload: Option<String>,
    /// Digest over all file digests, in hex. It has no names in it.
    pub root: Option<String>,
    /// Every file, signed or there, sorted by path.
    pub files: Vec<VerifiedFile>,
    /// Paths that were left out.
    pub skipped: Vec<Skipped>,
    /// Everything that does not hold.
    pub reasons: Vec<VerifyReason>,
    /// What is worth knowing and decides nothing.
    pub notes: Vec<String>,
    /// Options in force that let more through than the default does.
    pub relaxed: Vec<String>,
    /// Wall time.
    pub seconds: f64,
    /// CPU time of the process.
    pub cpu_seconds: f64,
}

/// Whom a configuration trusts for one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustInForce {
    /// The file.
    #[serde(flatten)]
    pub file: ConfigFile,
    /// Name of the model that its globs were held against.
    pub repo: String,
    /// Names of those who are trusted for it, in the order of the file.
    pub signers: Vec<String>,
    /// How many of them have to agree: `any`, `all` or a number.
    pub require: String,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignedBy {
    /// What the one who trusts it calls it: a name in the configuration, or the file of its key.
    pub signer: String,
    /// The signature file, as it was typed.
    pub signature: String,
    /// `key` or `certificate`.
    pub method: &'static str,
    /// `P-256`, `RSA` and so on; the hash follows from it.
    pub algorithm: &'static str,
    /// SHA-256 of the public key's DER, in hex.
    pub key: String,
    /// SHA-256 of the certificate's DER, in hex.
    pub certificate: Option<String>,
    /// Common name in the certificate.
    pub subject: Option<String>,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifiedFile {
    /// Path below the model.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// Digest of the bytes read, in hex; none where the file was not read as a whole.
    pub digest: Option<String>,
    /// By which hash: `sha256`, `blake2b` or `blake3`, as the signature has it; none where there is no digest.
    pub hash: Option<&'static str>,
    /// Against what was signed.
    pub status: FileStatus,
}

/// A file against what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStatus {
    /// The same bytes.
    Match,
    /// Other bytes.
    Differs,
    /// Signed, and not there.
    Missing,
    /// There, and nobody signed it.
    Unsigned,
    /// It changed while it was read.
    Changed,
    /// It could not be read.
    Unread,
}

/// Why a path is not covered that the caller named himself.
pub const BY_CALLER: &str = "left out by --ignore";

/// A path that no signature covers, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Path below the model.
    pub path: String,
    /// Who left it out.
    pub reason: &'static str,
    /// Files at and below it.
    pub files: u64,
    /// Those of them that are not known to be inert, so that a loader may load them, sorted.
    pub loadable: Vec<String>,
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReason {
    /// `signature`, `signers`, `no-signer`, `uncovered`, `differs`, `missing`, `unsigned`, `changed`, `refused-file` or `unread`.
    pub kind: &'static str,
    /// The signature file that says so, where it is one of several or could not be read itself.
    pub signature: Option<String>,
    /// The file it is about, below the model. Any text: a name may hold what parts name and words elsewhere.
    pub path: Option<String>,
    /// In words, without the two.
    pub why: String,
    /// Whether it could not be looked at, rather than was looked at and does not hold.
    pub incomplete: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyOutcome {
    /// Signed by a trusted signer, and every file is as it was.
    Verified,
    /// Something does not hold.
    Failed,
    /// Something could not be looked at, and nothing else is wrong.
    Incomplete,
}

impl VerifyReason {
    /// Looked at, and it does not hold.
    pub fn failed(kind: &'static str, why: impl Into<String>) -> Self {
        Self { kind, signature: None, path: None, why: why.into(), incomplete: false }
    }

    /// Not looked at.
    pub fn incomplete(kind: &'static str, why: impl Into<String>) -> Self {
        Self { incomplete: true, ..Self::failed(kind, why) }
    }

    /// About this file of the model.
    #[must_use]
    pub fn of(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// By this signature.
    #[must_use]
    pub fn by(self, signature: impl Into<String>) -> Self {
        Self { signature: Some(signature.into()), ..self }
    }

    /// `signature: path: why`, of what is known.
    pub fn message(&self) -> String {
        let parts = [self.signature.as_deref(), self.path.as_deref(), Some(self.why.as_str())];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

/// With the whole message: whoever shows it needs nothing else.
impl Serialize for VerifyReason {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told<'r> {
            kind: &'static str,
            signature: Option<&'r str>,
            path: Option<&'r str>,
            message: String,
            incomplete: bool,
        }
        let (signature, path) = (self.signature.as_deref(), self.path.as_deref());
        Told { kind: self.kind, signature, path, message: self.message(), incomplete: self.incomplete }
            .serialize(to)
    }
}

impl Verification {
    /// Failed wins over incomplete; nothing signed or nothing there is never verified.
    pub fn outcome(&self) -> VerifyOutcome {
        let nothing = self.signed_by.is_none() || self.count(FileStatus::Match) == 0;
        if self.reasons.iter().any(|reason| !reason.incomplete) || nothing && self.reasons.is_empty() {
            VerifyOutcome::Failed
        } else if self.reasons.is_empty() {
            VerifyOutcome::Verified
        } else {
            VerifyOutcome::Incomplete
        }
    }

    /// Files with this status.
    pub fn count(&self, status: FileStatus) -> usize {
        self.files.iter().filter(|file| file.status == status).count()
    }

    /// What is not known to be inert and no signature covers, a sentence for each path that was left out: whoever can write there
    /// needs no key. What the caller left out himself is no news to him.
    pub fn uncovered(&self) -> Vec<VerifyReason> {
        let left_out = self.skipped.iter().filter(|it| it.reason != BY_CALLER);
        let told = left_out.filter_map(|it| {
            let first = it.loadable.first()?;
            let (why, count) = (it.reason, it.loadable.len());
            let message = format!("{why}, and {count} there not known to be inert, such as {first}");
            Some(VerifyReason::failed("uncovered", message).of(&it.path))
        });
        told.collect()
    }

    /// What the process tells its caller.
    pub fn exit(&self) -> ExitCode {
        match self.outcome() {
            VerifyOutcome::Verified if !self.uncovered().is_empty() => ExitCode::Findings,
            VerifyOutcome::Verified => ExitCode::Clean,
            VerifyOutcome::Failed => ExitCode::VerificationFailed,
            VerifyOutcome::Incomplete => ExitCode::Incomplete,
        }
    }
}
