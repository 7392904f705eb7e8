//! The result of `check`: what this program needs, what it sees and what a cluster supports, one line each.

use serde::Serialize;

use crate::ExitCode;

/// What a line says about its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It holds.
    Ok,
    /// It does not hold, and something that was asked for cannot work without it.
    Failed,
    /// It could not be asked; nothing is known.
    Unknown,
    /// A fact without judgement: a feature that this cluster does not have, and what is left out for it.
    Note,
}

impl Mark {
    /// The word in machine forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Note => "note",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it says.
    pub mark: Mark,
    /// Its subject, a few words: `list nodes`.
    pub name: String,
    /// What was seen, in one sentence.
    pub says: String,
    /// What to do about it; every failed and unknown line has one.
    pub hint: Option<String>,
}

/// Lines about one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckGroup {
    /// `reach`, `rights`, `sees`, `supports`.
    pub name: &'static str,
    /// Lines, in the order they were asked.
    pub checks: Vec<Check>,
}

/// All groups of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkup {
    /// The cluster, as the user knows it.
    pub source: String,
    /// Groups in reading order.
    pub groups: Vec<CheckGroup>,
}

impl Checkup {
    /// All lines.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.groups.iter().flat_map(|group| &group.checks)
    }

    /// Lines with a mark.
    pub fn count(&self, mark: Mark) -> usize {
        self.checks().filter(|check| check.mark == mark).count()
    }

    /// A failed line wins over one that could not be asked.
    pub fn exit(&self) -> ExitCode {
        if self.count(Mark::Failed) > 0 {
            ExitCode::VerificationFailed
        } else if self.count(Mark::Unknown) > 0 || self.checks().next().is_none() {
            ExitCode::Incomplete
        } else {
            ExitCode::Clean
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_wins_over_what_could_not_be_asked_and_nothing_is_never_clean() {
        let exit = |marks: &[Mark]| {
            let line = |mark: &Mark| Check { mark: *mark, name: "n".into(), says: "s".into(), hint: None };
            let checks = marks.iter().map(line).collect();
            Checkup { source: String::new(), groups: vec![CheckGroup { name: "reach", checks }] }
                .exit()
                .code()
        };
        assert_eq!(exit(&[Mark::Ok, Mark::Note]), 0);
        assert_eq!(exit(&[Mark::Ok, Mark::Unknown]), 3);
        assert_eq!(exit(&[Mark::Unknown, Mark::Failed]), 4);
        assert_eq!(exit(&[]), 3);
    }
}
