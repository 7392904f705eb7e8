//! Room `secret`: the table of key shapes, one row per shape. A new shape is one row here and nothing else:
//! engine, redactor, generator and tests walk the table.

use ringfence_finding::Confidence;

/// One row.
pub(crate) struct Detector {
    pub(crate) id: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) confidence: Confidence,
    pub(crate) admin: bool,
    /// Bytes that stand in every value of this shape; at least three, case-sensitive, a pair of the engine among them. Only
    /// where they stand is the pattern tried.
    pub(crate) literal: &'static str,
    /// How far the value may begin before the literal; zero when it begins with it.
    pub(crate) lead: usize,
    /// Longest value of this shape.
    pub(crate) max_len: usize,
    /// The whole value, in `regex` syntax on ASCII bytes; group 1 is the part that differs between keys.
    pub(crate) pattern: &'static str,
    /// A piece of such a value, cut or glued to other text, that the redactor masks; it holds one of the engine's pairs, too.
    pub(crate) remnant: &'static str,
    /// Least Shannon entropy of group 1 in bits per character; zero asks for none.
    pub(crate) min_entropy: f64,
    /// Pieces of a value of this shape, one list for each of its lengths: what the generator assembles.
    pub(crate) examples: &'static [&'static [Piece]],
}

/// A piece of a synthetic value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    /// So many of `[A-Za-z0-9]`.
    Alphanumeric(usize),
    /// So many of `[0-9]`.
    Digits(usize),
    /// These characters.
    Literal(&'static str),
    /// So many of `[A-Za-z0-9_-]`.
    Word(usize),
}

use Piece::Alphanumeric;
use Piece::Digits;
use Piece::Literal;
use Piece::Word;

/// All shapes. Where two fit one value, the earlier row claims it.
///
/// `T3BlbkFJ` is the base64 of a word: it also stands inside unrelated base64 text, so the lengths around it
/// decide.
pub(crate) const DETECTORS: &[Detector] = &[
    Detector {
        id: "openai-project",
        kind: "project key",
        pattern: r"sk-proj-([\w-]{74}T3BlbkFJ[\w-]{74}|[\w-]{58}T3BlbkFJ[\w-]{58})",
        examples: &[
            &[Literal("sk-proj-"), Word(74), Literal("T3BlbkFJ"), Word(74)],
            &[Literal("sk-proj-"), Word(58), Literal("T3BlbkFJ"), Word(58)],
        ],
        ..OPENAI
    },
    Detector {
        id: "openai-service",
        kind: "service account key",
        pattern: r"sk-svcacct-([\w-]{74}T3BlbkFJ[\w-]{74}|[\w-]{58}T3BlbkFJ[\w-]{58})",
        examples: &[
            &[Literal("sk-svcacct-"), Word(74), Literal("T3BlbkFJ"), Word(74)],
            &[Literal("sk-svcacct-"), Word(58), Literal("T3BlbkFJ"), Word(58)],
        ],
        ..OPENAI
    },
    Detector {
        id: "openai-admin",
        kind: "admin key",
        admin: true,
        pattern: r"sk-admin-([\w-]{74}T3BlbkFJ[\w-]{74}|[\w-]{58}T3BlbkFJ[\w-]{58})",
        examples: &[
            &[Literal("sk-admin-"), Word(74), Literal("T3BlbkFJ"), Word(74)],
            &[Literal("sk-admin-"), Word(58), Literal("T3BlbkFJ"), Word(58)],
        ],
        ..OPENAI
    },
    Detector {
        id: "openai-named",
        kind: "named service key",
        confidence: Confidence::Medium,
        pattern: r"sk-[A-Za-z0-9][\w-]{0,60}-([\w-]{20,74}T3BlbkFJ[\w-]{20,74})",
        // No dash and so no second way to read the name: near misses of these lengths are true misses.
        examples: &[
            &[Literal("sk-batch-"), Alphanumeric(20), Literal("T3BlbkFJ"), Alphanumeric(20)],
            &[Literal("sk-eval-"), Alphanumeric(74), Literal("T3BlbkFJ"), Alphanumeric(74)],
        ],
        ..OPENAI
    },
    Detector {
        id: "openai-legacy",
        kind: "legacy user key",
        pattern: r"sk-([A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})",
        examples: &[&[Literal("sk-"), Alphanumeric(20), Literal("T3BlbkFJ"), Alphanumeric(20)]],
        ..OPENAI
    },
    Detector {
        id: "anthropic-api",
        kind: "API key",
        literal: "sk-ant-api",
        pattern: r"sk-ant-api\d{2,4}-([\w-]{93})AA",
        examples: &[
            &[Literal("sk-ant-api03-"), Word(93), Literal("AA")],
            &[Literal("sk-ant-api"), Digits(4), Literal("-"), Word(93), Literal("AA")],
        ],
        ..ANTHROPIC
    },
    Detector {
        id: "anthropic-admin",
        kind: "admin key",
        admin: true,
        literal: "sk-ant-admin",
        pattern: r"sk-ant-admin\d{2}-([\w-]{93})AA",
        examples: &[&[Literal("sk-ant-admin01-"), Word(93), Literal("AA")]],
        ..ANTHROPIC
    },
    Detector {
        id: "anthropic-oauth",
        kind: "OAuth token",
        literal: "sk-ant-oat",
        pattern: r"sk-ant-oat\d{2}-([\w-]{60,200})",
        examples: &[
            &[Literal("sk-ant-oat01-"), Word(60)],
            &[Literal("sk-ant-oat"), Digits(2), Literal("-"), Word(200)],
        ],
        ..ANTHROPIC
    },
    Detector {
        id: "huggingface",
        kind: "user access token",
        literal: "hf_",
        max_len: 43,
        pattern: r"hf_([A-Za-z0-9]{34,40})",
        // `hf_` also starts Python identifiers (`hf_hub_download`).
        min_entropy: 3.5,
        examples: &[&[Literal("hf_"), Alphanumeric(34)], &[Literal("hf_"), Alphanumeric(40)]],
        ..HUGGING_FACE
    },
    Detector {
        id: "huggingface-org",
        kind: "organization token",
        literal: "api_org_",
        max_len: 42,
        pattern: r"api_org_([A-Za-z0-9]{34})",
        examples: &[&[Literal("api_org_"), Alphanumeric(34)]],
        ..HUGGING_FACE
    },
];

const OPENAI: Detector = Detector {
    id: "",
    provider: "OpenAI",
    kind: "",
    confidence: Confidence::High,
    admin: false,
    literal: "T3BlbkFJ",
    lead: 140,
    max_len: 222,
    pattern: "",
    remnant: r"sk-(?:proj|svcacct|admin)-[\w-]{12,}|[\w-]{8,}T3BlbkFJ[\w-]{8,}",
    min_entropy: 0.0,
    examples: &[],
};
const ANTHROPIC: Detector =
    Detector { provider: "Anthropic", lead: 0, max_len: 213, remnant: r"sk-ant-[\w-]{12,}", ..OPENAI };
const HUGGING_FACE: Detector = Detector {
    provider: "Hugging Face",
    lead: 0,
    remnant: r"hf_[A-Za-z0-9]{20,}|api_org_[A-Za-z0-9]{12,}",
    ..OPENAI
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole() {
        for row in DETECTORS {
            assert!(row.literal.len() >= 3, "{}: literal too short to trigger on", row.id);
            assert!(!row.id.is_empty() && !row.kind.is_empty() && !row.pattern.is_empty());
            assert!(!row.examples.is_empty(), "{}: nothing to test it with", row.id);
            assert_eq!(DETECTORS.iter().filter(|other| other.id == row.id).count(), 1, "{}", row.id);
        }
    }
}
