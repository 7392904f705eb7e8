//! What a scan of model files tells: a verdict for each file, the findings behind it, and what nobody explained.

use std::fmt;

use serde::Serialize;

use crate::ConfigFile;
use crate::ControlId;
use crate::ExitCode;
use crate::Severity;

/// Whether a model can run code when it is loaded. Order is the order of aggregation: the greatest wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every byte was explained, and every name that is looked up is allowed for its use.
    #[default]
    Clean,
    /// Nothing bad was seen, but not everything was looked at.
    Incomplete,
    /// Something that a person has to look at: a name or a use that nobody has judged, a broken file.
    Review,
    /// It reaches what runs code, opens files or connections, or changes what it did not make.
    Malicious,
}

impl Verdict {
    /// All verdicts, the best first.
    pub const ALL: [Self; 4] = [Self::Clean, Self::Incomplete, Self::Review, Self::Malicious];

    /// The word in screens and machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Incomplete => "incomplete",
            Self::Review => "review",
            Self::Malicious => "malicious",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why bytes were not explained. The word is the machine form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// A limit of depth, count, size or time was reached.
    Budget,
    /// The file is not the one that was opened, or moved under the reader.
    Changed,
    /// Encrypted, so that nobody without the key can look.
    Encrypted,
    /// Contained panic of a reader.
    Internal,
    /// The operating system refused, or it is no regular file, or a link that leaves the folder.
    NoAccess,
    /// Nothing to scan.
    NothingFound,
    /// Data that belongs to the model and is not in the file.
    OutOfBand,
    /// The file ends before what it announces.
    Truncated,
    /// Bytes that no format accounts for.
    Unexplained,
    /// No format was recognised.
    UnknownFormat,
    /// A format that is recognised and not read by this build.
    Unsupported,
}

impl GapReason {
    /// The word in screens and machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Changed => "changed",
            Self::Encrypted => "encrypted",
            Self::Internal => "internal",
            Self::NoAccess => "no-access",
            Self::NothingFound => "nothing-found",
            Self::OutOfBand => "out-of-band",
            Self::Truncated => "truncated",
            Self::Unexplained => "unexplained",
            Self::UnknownFormat => "unknown-format",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A place in a model: the way through containers, and a byte of the innermost decoded stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ModelPlace {
    /// `m.pt` or `m.pt!/archive/data.pkl`: foreign text, printed through `report` only.
    pub path: String,
    /// Byte in that stream, from 0.
    pub offset: u64,
}

impl fmt::Display for ModelPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@0x{:x}", self.path, self.offset)
    }
}

/// A name that a stream looks up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ModelLookup {
    /// Module as the loader imports it.
    pub module: String,
    /// Name in the module.
    pub name: String,
    /// What is done with it: `import`, `call`, `new`, `build`, `mutate`, `persistent`, ...
    pub uses: Vec<&'static str>,
    /// Where it is looked up first.
    pub place: ModelPlace,
}

/// One reason for a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelFinding {
    /// Class of the threat, RF-MOD-101 and up.
    pub id: ControlId,
    /// What the class is called.
    pub title: &'static str,
    /// `review` or `malicious`; `clean` where it is no part of the verdict, as a key that stands in a model.
    pub verdict: Verdict,
    /// Malicious is critical; review is high or medium.
    pub severity: Severity,
    /// Where.
    pub place: ModelPlace,
    /// The name it is about, as Python writes it: `os.system`.
    pub subject: Option<String>,
    /// What was seen.
    pub message: String,
    /// What can happen.
    pub why: String,
    /// What the stream does there, as Python would write it: `os.system('id')`. Foreign text, cut where it is long.
    pub python: Option<String>,
    /// At most [`ModelOpcode::TRACE`] opcodes around the place, in order.
    pub trace: Vec<ModelOpcode>,
}

/// An opcode of a pickle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelOpcode {
    /// Byte of the stream.
    pub offset: u64,
    /// Length with its argument.
    pub bytes: u64,
    /// As `pickletools` calls it.
    pub name: &'static str,
    /// Its argument as Python would write it, at most [`ModelOpcode::ARGUMENT`] characters of it; foreign text.
    pub argument: String,
    /// Whether it is the look-up or the use that the finding is about.
    pub matters: bool,
}

impl ModelOpcode {
    /// Most opcodes of one trace.
    pub const TRACE: usize = 10;
    /// Most characters of an argument.
    pub const ARGUMENT: usize = 80;
}

/// Bytes that were not explained.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ModelGap {
    /// Why.
    pub reason: GapReason,
    /// From where on.
    pub place: ModelPlace,
    /// How many bytes, where that is known.
    pub bytes: Option<u64>,
    /// Cause and cure in one line.
    pub message: String,
}

/// What one file is and what it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelFile {
    /// Path below what was scanned.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// Bytes of it that a format accounts for.
    pub explained: u64,
    /// SHA-256 of all its bytes in hex, where that was asked for: of what was judged, or none.
    pub sha256: Option<String>,
    /// Formats by content, outermost first.
    pub formats: Vec<&'static str>,
    /// The greatest of its findings, and `incomplete` where there are gaps.
    pub verdict: Verdict,
    /// Reasons for `review` and `malicious`, the worst first.
    pub findings: Vec<ModelFinding>,
    /// What nobody explained.
    pub gaps: Vec<ModelGap>,
    /// Every name it looks up.
    pub lookups: Vec<ModelLookup>,
}

impl ModelFile {
    /// Whether every byte was explained. A file may be malicious and complete, or malicious and not.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// The policy that judged: two reports with the same digest were judged alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyId {
    /// Date of the built-in policy.
    pub date: String,
    /// SHA-256 over everything that the policy says, additions included, in hex.
    pub digest: String,
    /// Names that a team has added.
    pub additions: usize,
}

/// A name that a team has added to the policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ModelAddition {
    /// Module.
    pub module: String,
    /// Name in the module.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// Why it may be trusted.
    pub reason: String,
    /// Last day on which it counts, `2027-01-31`.
    pub expires: String,
    /// Whether that day is over: then it allows nothing.
    pub expired: bool,
}

/// The result of one `model scan`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelScan {
    /// What was scanned, as it was typed.
    pub source: String,
    /// Whether that is the one file, rather than the folder that the paths of files are below.
    pub is_file: bool,
    /// One for each file, sorted by path.
    pub files: Vec<ModelFile>,
    /// What could not be read as a file at all.
    pub gaps: Vec<ModelGap>,
    /// What no loader reads and nobody looked at, with the reason.
    pub passed_over: Vec<String>,
    /// The policy in use.
    pub policy: PolicyId,
    /// What a team has added about names that were looked up, by name.
    pub additions: Vec<ModelAddition>,
    /// The configuration that names the files of these additions.
    pub config: Option<ConfigFile>,
    /// What is worth knowing and decides nothing.
    pub notes: Vec<String>,
    /// Wall time.
    pub seconds: f64,
}

impl ModelScan {
    /// The greatest verdict of all files; never clean where something was not looked at, or nothing was.
    pub fn verdict(&self) -> Verdict {
        let of_files = self.files.iter().map(|file| file.verdict).max().unwrap_or(Verdict::Incomplete);
        if self.is_complete() { of_files } else { of_files.max(Verdict::Incomplete) }
    }

    /// Whether every byte of every file was explained.
    pub fn is_complete(&self) -> bool {
        !self.files.is_empty() && self.gaps.is_empty() && self.files.iter().all(ModelFile::is_complete)
    }

    /// Of the files with findings, the one with the greatest verdict; the first of several.
    pub fn worst(&self) -> Option<&ModelFile> {
        let with_findings = self.files.iter().filter(|file| !file.findings.is_empty());
        with_findings.rev().max_by_key(|file| file.verdict)
    }

    fn has_internal(&self) -> bool {
        self.files.iter().flat_map(|file| &file.gaps).any(|gap| gap.reason == GapReason::Internal)
    }

    /// Whether something was found that is no part of a verdict: a key.
    pub fn has_key(&self) -> bool {
        let mut findings = self.files.iter().flat_map(|file| &file.findings);
        findings.any(|finding| finding.verdict < Verdict::Review && finding.severity >= Severity::High)
    }

    /// Review, malicious and keys are findings; findings win over incomplete.
    pub fn exit(&self, allow_incomplete: bool) -> ExitCode {
        match self.verdict() {
            Verdict::Malicious | Verdict::Review => ExitCode::Findings,
            _ if self.has_key() => ExitCode::Findings,
            // Nothing scanned is never a success, whatever was allowed.
            Verdict::Incomplete if allow_incomplete && !self.files.is_empty() && !self.has_internal() => {
                ExitCode::Clean
            }
            Verdict::Incomplete if self.has_internal() => ExitCode::Internal,
            Verdict::Incomplete => ExitCode::Incomplete,
            Verdict::Clean => ExitCode::Clean,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(files: &[(Verdict, bool)]) -> ModelScan {
        let gap = ModelGap {
            reason: GapReason::Unexplained,
            place: ModelPlace::default(),
            bytes: Some(1),
            message: "x".to_owned(),
        };
        let file = |&(verdict, complete): &(Verdict, bool)| ModelFile {
            verdict,
            gaps: if complete { vec![] } else { vec![gap.clone()] },
            ..ModelFile::default()
        };
        ModelScan { files: files.iter().map(file).collect(), ..ModelScan::default() }
    }

    #[test]
    fn findings_win_over_incomplete_and_nothing_scanned_is_never_clean() {
        use Verdict::*;
        for (files, verdict, exit, allowed) in [
            (&[(Clean, true)][..], Clean, 0, 0),
            (&[(Clean, true), (Incomplete, false)], Incomplete, 3, 0),
            (&[(Review, true), (Incomplete, false)], Review, 1, 1),
            (&[(Malicious, false), (Review, true)], Malicious, 1, 1),
            (&[], Incomplete, 3, 3),
        ] {
            let scan = scan(files);
            assert_eq!(scan.verdict(), verdict, "{files:?}");
            assert_eq!((scan.exit(false).code(), scan.exit(true).code()), (exit, allowed), "{files:?}");
        }
        let mut unreadable = scan(&[(Clean, true)]);
        unreadable.gaps = scan(&[(Clean, false)]).files[0].gaps.clone();
        assert_eq!(unreadable.exit(false), ExitCode::Incomplete);
    }

    #[test]
    fn a_key_is_a_finding_and_no_part_of_the_verdict() {
        let key = ModelFinding {
            id: ControlId::new(crate::Family::Sec, 1),
            title: "literal-key",
            verdict: Verdict::Clean,
            severity: Severity::Critical,
            place: ModelPlace::default(),
            subject: None,
            message: String::new(),
            why: String::new(),
            python: None,
            trace: vec![],
        };
        for (file, verdict) in
            [((Verdict::Clean, true), Verdict::Clean), ((Verdict::Incomplete, false), Verdict::Incomplete)]
        {
            let mut scan = scan(&[file]);
            scan.files[0].findings.push(key.clone());
            assert_eq!(
                (scan.verdict(), scan.exit(false), scan.exit(true)),
                (verdict, ExitCode::Findings, ExitCode::Findings)
            );
        }
    }
}
