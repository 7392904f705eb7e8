//! Room `model`: the classes of threats, RF-MOD-101 and up. Ids are never reused; docs/models.md lists them.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::ModelFinding;
use ringfence_finding::ModelPlace;
use ringfence_finding::Severity;
use ringfence_finding::Verdict;

/// A class of what can be wrong with a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threat {
    /// Number behind RF-MOD-.
    pub number: u16,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What can happen, a sentence.
    pub why: &'static str,
}

impl Threat {
    /// The id as it is printed.
    pub const fn id(self) -> ControlId {
        ControlId::new(Family::Mod, self.number)
    }

    /// A finding of this class: malicious is critical, an unknown name medium, the rest high.
    pub(crate) fn finding(self, verdict: Verdict, place: ModelPlace, message: String) -> ModelFinding {
        let severity = match verdict {
            Verdict::Malicious => Severity::Critical,
            _ if self == UNKNOWN_NAME => Severity::Medium,
            _ => Severity::High,
        };
        let (id, title, why) = (self.id(), self.title, self.why.to_owned());
        let (subject, python, trace) = (None, None, vec![]);
        ModelFinding { id, title, verdict, severity, place, subject, message, why, python, trace }
    }

    const fn new(number: u16, title: &'static str, why: &'static str) -> Self {
        Self { number, title, why }
    }
}

macro_rules! threats {
    ($($name:ident = $number:literal, $title:literal, $why:literal;)*) => {
        $(pub(crate) const $name: Threat = Threat::new($number, $title, $why);)*

        /// Every class of this build, by number.
        pub const THREATS: &[Threat] = &[$($name),*];
    };
}

threats! {
    DENIED_NAME = 101, "denied-name", "loading the file reaches a name that runs code, opens files or connections";
    UNKNOWN_NAME = 102, "unknown-name", "loading the file imports a module and reaches a name that nobody has judged";
    OTHER_USE = 103, "other-use", "an allowed name is used in a way, or with arguments, that nobody has judged";
    INDIRECT = 104, "indirect-name", "a name is reached through another one, so that no list can hold it";
    FOREIGN_CHANGE = 105, "foreign-change", "loading the file changes something it did not make; every later name may then be anything";
    EXTENSION = 106, "extension-code", "the process that loads it decides which name an extension code stands for";
    TRAILING = 107, "behind-the-end", "loaders differ in whether they read what stands behind the end of a stream";
    BROKEN = 108, "broken-stream", "a payload runs before the loader notices that the rest is broken";
    FRAME = 109, "frame", "loaders disagree on where the next opcode is";
    MEMO = 110, "memo", "the stream refers to something it never stored, or by a name nobody writes";
    PERSISTENT = 116, "storage", "a tensor or persistent id does not fit the data it names; loaders read or write outside of it";
    OTHER_CONTENT = 120, "content-differs-from-name", "a file that is called harmless and is not passes gates that go by names";
    CHECK_SUM = 123, "false-record", "some loaders read what others refuse: a check sum or flag is not that of the data";
    VIEWS = 124, "loaders-disagree", "loaders see different members, names or sizes, and a gate may see others than the loader";
    PATH = 126, "path-traversal", "unpacking writes outside of the folder";
    REACHES_OUT = 145, "reaches-out", "loading the model reads files outside of it, or runs operators that are code of the host";
    TEMPLATE = 146, "template", "the server runs the template for each request, and the template leaves the data it is given";
    LAYOUT = 147, "layout", "loaders differ in what they make of a layout that no writer leaves";
    CODE_ON_USE = 149, "code-that-runs-on-use", "whoever uses the model as its configuration says runs code of the repository";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_titles_are_slugs() {
        assert!(THREATS.is_sorted_by(|one, next| one.number < next.number));
        assert!(THREATS.iter().all(|threat| threat.number >= 101));
        let slug = |title: &str| title.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(THREATS.iter().all(|threat| slug(threat.title)));
    }
}
