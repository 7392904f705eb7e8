//! Room `model`: the part of the walk that goes through text: configurations, templates, prose.

use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_finding::GapReason;
use ringfence_finding::SpanKind;
use ringfence_finding::Verdict;

use super::Walk;
use crate::format::jinja;
use crate::format::text;
use crate::keys::Keys;
use crate::sniff::Format;
use crate::threat;

impl Walk<'_> {
    /// What no matcher of bytes knows: text, or a format that is not known.
    pub(super) fn text(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        depth: usize,
    ) -> Result<u64, ReadError> {
        let kind = text::kind(path, source.as_ref())?;
        if depth == 0 && kind.is_some() {
            self.formats.push(match kind {
                Some(text::Kind::Json) => "json",
                Some(text::Kind::Jinja) => "jinja",
                _ => "text",
            });
        }
        if kind.is_some() {
            let keys = Keys::range(source.as_ref(), 0, source.len())?;
            self.tell(path, |judge| judge.keys(&keys));
        }
        let words = match kind {
            Some(text::Kind::Json) => "json",
            Some(text::Kind::Jinja) => "jinja",
            _ => "text",
        };
        if kind.is_some_and(|kind| kind != text::Kind::Other) {
            self.span(0, source.len(), SpanKind::Text, words);
        }
        if let Some(book) = self.book.as_mut().filter(|_| kind.is_some()) {
            book.format(words);
        }
        match kind {
            Some(text::Kind::Prose) => Ok(source.len()),
            Some(text::Kind::Jinja) => self.jinja(path, source),
            Some(text::Kind::Json) => self.json(path, source),
            Some(text::Kind::Other) => {
                let message = "text that something may run or interpret, which is not read by this build";
                self.gap(path, GapReason::Unsupported, source.len(), message.to_owned());
                Ok(0)
            }
            None if text::is_nearly(source.as_ref())? => {
                let message =
                    "text with bytes of another encoding, which is not read by this build".to_owned();
                self.gap(path, GapReason::Unsupported, source.len(), message);
                Ok(0)
            }
            None => {
                let message = "a format that is not known: nothing was looked at".to_owned();
                self.gap(path, GapReason::UnknownFormat, source.len(), message);
                Ok(0)
            }
        }
    }

    /// What programs that go by the name would read out of the file, beside the formats of its bytes.
    pub(super) fn other_readers(&mut self, path: &str, source: &dyn Source, formats: &[Format]) {
        for format in formats.iter().filter(|format| **format != Format::Empty) {
            match text::has_other_reader(path, source, *format) {
                Ok(false) => {}
                Ok(true) => {
                    let message = format!(
                        "its name has it run or read as text, and its bytes are {}: what the text does is not read by this \
                         build",
                        format.as_str()
                    );
                    self.gap(path, GapReason::Unsupported, source.len(), message);
                }
                Err(error) => self.tell(path, |judge| judge.read_error(0, &error)),
            }
        }
    }

    fn json(&mut self, path: &str, source: &Arc<dyn Source>) -> Result<u64, ReadError> {
        let facts = text::json(path, source.as_ref())?;
        self.layout(path, &facts.odd, None);
        self.tell(path, |judge| {
            for (at, message) in facts.named.code {
                judge.found(threat::CODE_ON_USE, Verdict::Review, at, None, message);
            }
            for (at, message) in facts.named.handed {
                judge.found(threat::TEMPLATE, Verdict::Review, at, None, message);
            }
            for (at, message) in facts.named.outside {
                judge.found(threat::REACHES_OUT, Verdict::Malicious, at, None, message);
            }
            for (at, message) in facts.named.astray {
                judge.found(threat::REACHES_OUT, Verdict::Review, at, None, message);
            }
            for (at, message) in facts.unread {
                judge.gap(GapReason::Unsupported, at, None, message);
            }
            judge.template(0, facts.templates);
            for (at, what) in facts.budget {
                judge.budget(at, what);
            }
            if let Some(at) = facts.broken {
                let message = "text that begins as JSON and does not end as such".to_owned();
                judge.gap(GapReason::Unsupported, at, None, message);
            }
        });
        Ok(source.len())
    }

    /// A file that is a template as a whole.
    fn jinja(&mut self, path: &str, source: &Arc<dyn Source>) -> Result<u64, ReadError> {
        let facts = jinja::file(source.as_ref())?;
        self.tell(path, |judge| {
            judge.template(0, facts.found);
            if let Some(what) = facts.budget {
                judge.budget(0, what);
            }
        });
        Ok(source.len())
    }
}
