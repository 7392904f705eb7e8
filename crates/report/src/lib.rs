//! Room `report`: a [`Scan`] enters, bytes for one kind of reader leave; where findings come from is not known here.
//!
//! `Scan -> redact -> clean -> text | concise | json | sarif`, and likewise for what commands about models give
//!
//! One file per format. Foreign text passes two gates that no format can forget: [`write()`] hands every format a copy
//! whose strings went through the redactor, and each format prints foreign strings through `clean` or the inert JSON
//! writer, so that a name cannot steer a terminal, a CI log or a web page.
#![forbid(unsafe_code)]

mod checkup;
mod clean;
mod concise;
mod explain;
mod format;
mod json;
mod junit;
mod machine;
mod model;
mod redact;
mod sarif;
mod style;
#[cfg(test)]
mod testing;
mod text;
mod verification;
mod words;

use std::io;

use ringfence_finding::Scan;

pub use checkup::checkup_json;
pub use checkup::checkup_text;
pub use explain::controls_json;
pub use explain::controls_table;
pub use explain::explain;
pub use explain::explain_threat;
pub use explain::threat_json;
pub use format::Format;
pub use format::ParseFormatError;
pub use machine::write as write_json;
pub use model::ModelFormat;
pub use model::write_inspection;
pub use model::write_model_line;
pub use model::write_models;
pub use style::Style;
pub use verification::SignedModel;
pub use verification::VerificationFormat;
pub use verification::write_signed;
pub use verification::write_verification;

/// One line for stderr: masked, and nothing in it can steer a terminal.
pub fn clean_line(text: &str) -> String {
    clean::line(&clean::mask(text))
}

/// The same of a text whose line breaks are our own: they stay, and what is very long on a line is cut.
pub fn clean_text(text: &str) -> String {
    clean::mask(text).split('\n').map(clean::sentence).collect::<Vec<_>>().join("\n")
}

/// A foreign name for such a text: between quotes, on one line, the middle of a very long one left out.
pub fn quoted_name(text: &str) -> String {
    clean::quoted(&clean::mask(text))
}

/// The same as lines of at most `columns`, broken at blanks; names are never cut.
pub fn clean_lines(text: &str, columns: usize) -> Vec<String> {
    text::page::fold(&clean_line(text), columns)
}

/// `1 key`, `5 keys`, `1,200 keys`.
pub fn counted(count: usize, one: &str) -> String {
    words::count(words::many(count), one)
}

/// Writes `scan` for the readers of `format`. `style` matters to text alone.
pub fn write(scan: &Scan, format: Format, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let scan = redact::redacted(scan);
    match format {
        Format::Text => text::write(&scan, style, out),
        Format::Concise => concise::write(&scan, out),
        Format::Json => json::write(&scan, out),
        Format::Sarif => sarif::write(&scan, out),
    }
}
