//! Room `report`: numbers and machine words enter, the words people read leave. The same for every format.

use std::fmt::Write as _;

use ringfence_finding::Blind;
use ringfence_finding::Exposure;
use ringfence_finding::Finding;
use ringfence_finding::Location;
use ringfence_finding::Outcome;
use ringfence_finding::PricedGpus;
use ringfence_finding::Reason;
use ringfence_finding::ResourceRef;
use ringfence_secret::MASK;

use crate::clean;

/// `1 key`, `5 keys`, `1,200 keys`.
pub(crate) fn count(number: u64, one: &str) -> String {
    plural(number, one, &format!("{one}s"))
}

/// `1 family`, `2 families`.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// A length as a count; never loses one, as no machine holds more than 2^64 of anything.
pub(crate) fn many(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// `1,284`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A path as a shell takes it; none when it would not be printed as it is: characters that nobody can type, commands of
/// CI systems, a key that is hidden.
pub(crate) fn typed(source: &str) -> Option<String> {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./+,@%:=".contains(char);
    if source.is_empty() || source.contains(MASK) || clean::line(source) != source {
        return None;
    }
    if source.chars().all(plain) {
        return Some(source.to_owned());
    }
    Some(format!("'{}'", source.replace('\'', "'\\''")))
}

/// `16.1 GB`, in powers of a thousand.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return count(bytes, "byte");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS.get(unit).copied().unwrap_or_default())
}

/// `$96` or `$96.50`; `$4.00` when `cents` are always wanted, as for a price.
pub(crate) fn dollars(amount: f64, cents: bool) -> String {
    let text = format!("{amount:.2}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    if fraction == "00" && !cents { format!("${whole}") } else { format!("${whole}.{fraction}") }
}

/// What stands open, in dollars where a price is known, in GPU-hours where none is; none when nothing does.
pub(crate) fn exposure(exposure: &Exposure) -> Option<String> {
    let (unpriced, all) = (exposure.unpriced(), exposure.gpus());
    let priced = all.saturating_sub(unpriced);
    if all == 0 {
        return None;
    }
    if priced == 0 {
        return Some(format!("exposed {}", gpu_hours(unpriced)));
    }
    let mut rates: Vec<f64> = exposure.exposed.iter().filter_map(rate).collect();
    rates.dedup();
    let at = match rates.as_slice() {
        [one] => format!(" at {}", dollars(*one, true)),
        _ => String::new(),
    };
    let of = if exposure.total_gpus >= priced {
        format!("{} of {}", thousands(priced), count(exposure.total_gpus, "GPU"))
    } else {
        count(priced, "GPU")
    };
    let mut text = format!("exposed {}/hour: {of}{at}", dollars(exposure.dollars_per_hour, false));
    if !exposure.prices_date.is_empty() {
        _ = write!(text, " (prices of {})", clean::name(&exposure.prices_date));
    }
    if unpriced > 0 {
        _ = write!(text, "; also {}", gpu_hours(unpriced));
    }
    Some(text)
}

fn rate(row: &PricedGpus) -> Option<f64> {
    row.dollars_per_gpu_hour.filter(|_| row.gpus > 0)
}

fn gpu_hours(gpus: u64) -> String {
    format!("{} per hour, no price", count(gpus, "GPU-hour"))
}

/// The finding as a sentence: whom it is about, then what is wrong there.
pub(crate) fn subject(finding: &Finding) -> String {
    let message = clean::sentence(&finding.message);
    match &finding.resource {
        Some(resource) => format!("{} {message}", clean::name(&resource.short())),
        None => message,
    }
}

/// `high`, `unknown`, `error`: what a list says in the column of severities.
pub(crate) fn verdict(finding: &Finding) -> &'static str {
    match finding.outcome {
        Outcome::Fail => finding.severity.as_str(),
        Outcome::Unknown => "unknown",
        Outcome::Error => "error",
    }
}

/// `Kind/namespace/name`, inert.
pub(crate) fn object(resource: &ResourceRef) -> String {
    let ResourceRef { kind, namespace, name, .. } = resource;
    match namespace {
        Some(namespace) => format!("{}/{}/{}", clean::name(kind), clean::name(namespace), clean::name(name)),
        None => format!("{}/{}", clean::name(kind), clean::name(name)),
    }
}

/// `file:line`, the file relative to what the user pointed at; the path of an object of a cluster.
pub(crate) fn place(location: &Location, source: &str) -> String {
    if location.is_live() {
        return clean::path(&location.file);
    }
    format!("{}:{}", clean::path(relative(&location.file, source)), location.line)
}

/// `file:line:column`, or the object of a cluster with its revision.
pub(crate) fn full_place(location: &Location) -> String {
    let path = clean::path(&location.file);
    match &location.revision {
        Some(revision) => format!("{path} (resourceVersion {})", clean::name(revision)),
        None => format!("{path}:{}:{}", location.line, location.column),
    }
}

fn relative<'f>(file: &'f str, source: &str) -> &'f str {
    if file == "-" {
        return "stdin";
    }
    if file == source {
        return file.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(file);
    }
    let source = source.trim_end_matches('/');
    let inside = file.strip_prefix(source).and_then(|rest| rest.strip_prefix('/'));
    inside.or_else(|| file.strip_prefix("./")).filter(|rest| !rest.is_empty()).unwrap_or(file)
}

/// Where a blind spot is: `file:line`, or the file where no line of it was read.
pub(crate) fn blind_place(blind: &Blind, source: &str) -> Option<String> {
    let location = blind.location.as_ref()?;
    let whole_file = match blind.reason {
        Reason::Encoding
        | Reason::TooLarge
        | Reason::NotRendered
        | Reason::SavedInventory
        | Reason::NoAccess
        | Reason::NothingFound
        | Reason::Empty
        | Reason::ExcludedByUser
        | Reason::NotSearched => true,
        Reason::Unparsable
        | Reason::Budget
        | Reason::Depth
        | Reason::AliasLimit
        | Reason::TemplateNotRendered
        | Reason::DuplicateKey
        | Reason::EmbeddedLimit
        | Reason::Internal
        | Reason::FactMissing
        | Reason::ListForbidden
        | Reason::ListPartial
        | Reason::NotKubernetes
        | Reason::SchemaOnly
        | Reason::NoSchema
        | Reason::UnresolvedJoin
        | Reason::WouldBeRejected
        | Reason::Assumption => false,
    };
    Some(if whole_file { clean::path(relative(&location.file, source)) } else { place(location, source) })
}

/// A reason as a reader without the manual understands it, behind a place or a number: `3 not rendered (template)`.
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Unparsable => "not readable as YAML or JSON",
        Reason::Encoding => "not UTF-8 or UTF-16 text",
        Reason::TooLarge => "above the size limit",
        Reason::Budget => "above the object limit",
        Reason::Depth => "nested too deep",
        Reason::AliasLimit => "above the alias limit",
        Reason::TemplateNotRendered => "not rendered (template)",
        Reason::NotRendered => "not rendered (chart or kustomization)",
        Reason::SavedInventory => "a saved cluster, not looked into",
        Reason::NoAccess => "not permitted to open",
        Reason::ListForbidden => "not permitted to list",
        Reason::ListPartial => "not listed, or not whole",
        Reason::DuplicateKey => "ambiguous (same key twice)",
        Reason::EmbeddedLimit => "above the limit of embedded objects",
        Reason::Internal => "lost to an internal error",
        Reason::FactMissing => "missing (fact that was demanded)",
        Reason::NothingFound => "empty (nothing to scan)",
        Reason::NotKubernetes => "no Kubernetes object",
        Reason::Empty => "empty",
        Reason::ExcludedByUser => "excluded by a flag",
        Reason::NotSearched => "not searched",
        Reason::SchemaOnly => "schema only",
        Reason::NoSchema => "definition without fields",
        Reason::UnresolvedJoin => "refers to an object outside the scan",
        Reason::WouldBeRejected => "refused by any API server",
        Reason::Assumption => "assumed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(gpus: u64, dollars_per_gpu_hour: Option<f64>) -> PricedGpus {
        PricedGpus { model: None, gpus, dollars_per_gpu_hour }
    }

    fn exposed(rows: Vec<PricedGpus>, total_gpus: u64, dollars_per_hour: f64) -> String {
        let prices_date = "2026-05-31".to_owned();
        exposure(&Exposure { exposed: rows, total_gpus, dollars_per_hour, prices_date }).unwrap_or_default()
    }

    #[test]
    fn exposure_is_never_a_guess() {
        let one = exposed(vec![gpus(24, Some(4.0))], 32, 96.0);
        assert_eq!(one, "exposed $96/hour: 24 of 32 GPUs at $4.00 (prices of 2026-05-31)");
        let same_rate = exposed(vec![gpus(16, Some(4.0)), gpus(8, Some(4.0))], 32, 96.0);
        assert_eq!(same_rate, one);
        let two = exposed(vec![gpus(16, Some(4.0)), gpus(8, Some(1.5))], 40, 76.0);
        assert_eq!(two, "exposed $76/hour: 24 of 40 GPUs (prices of 2026-05-31)");
        let mixed = exposed(vec![gpus(1, Some(2.5)), gpus(1, None)], 2, 2.5);
        assert_eq!(
            mixed,
            "exposed $2.50/hour: 1 of 2 GPUs at $2.50 (prices of 2026-05-31); also 1 GPU-hour per hour, no price"
        );
        assert_eq!(exposed(vec![gpus(8, None)], 32, 0.0), "exposed 8 GPU-hours per hour, no price");
        assert_eq!(exposed(vec![], 32, 0.0), "");
        let unknown_total = exposed(vec![gpus(8, Some(4.0))], 0, 32.0);
        assert_eq!(unknown_total, "exposed $32/hour: 8 GPUs at $4.00 (prices of 2026-05-31)");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!((count(1, "key"), count(1284, "key")), ("1 key".to_owned(), "1,284 keys".to_owned()));
        assert_eq!(thousands(12_345_678), "12,345,678");
        assert_eq!(
            (dollars(1234.5, false), dollars(4.0, true)),
            ("$1,234.50".to_owned(), "$4.00".to_owned())
        );
    }

    #[test]
    fn suggested_commands_can_be_typed() {
        assert_eq!(typed("demo/open").as_deref(), Some("demo/open"));
        assert_eq!(typed("my files/it's").as_deref(), Some("'my files/it'\\''s'"));
        for inert in ["a\u{1b}b", "a##[error]", "a ::error::b", ""] {
            assert_eq!(typed(inert), None, "{inert}");
        }
    }

    #[test]
    fn places_are_relative_to_what_was_scanned() {
        assert_eq!(relative("demo/open/web.yaml", "demo/open"), "web.yaml");
        assert_eq!(relative("demo/open/a/web.yaml", "demo/open/"), "a/web.yaml");
        assert_eq!(relative("demo/openly/web.yaml", "demo/open"), "demo/openly/web.yaml");
        assert_eq!(relative("demo/web.yaml", "demo/web.yaml"), "web.yaml");
        assert_eq!(relative("./web.yaml", "."), "web.yaml");
        assert_eq!(relative("-", "-"), "stdin");
        assert_eq!(relative("/abs/web.yaml", "/"), "abs/web.yaml");
    }
}
