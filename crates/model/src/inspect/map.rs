//! Room `model`, inspection: ranges that formats have told of, one over another -> a map of a stream without holes. What
//! nobody has told of is unexplained.

use std::collections::BTreeSet;

use ringfence_finding::GapReason;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelSpan;
use ringfence_finding::ModelStream;
use ringfence_finding::SpanKind;

/// The stream with its map. What was told later lies above what was told before.
pub(super) fn stream(
    mut stream: ModelStream,
    mut told: Vec<ModelSpan>,
    gaps: &[ModelGap],
    limit: usize,
) -> ModelStream {
    let own = gaps.iter().filter(|gap| gap.place.path == stream.path && gap.reason == GapReason::Unexplained);
    for gap in own {
        let start = gap.place.offset;
        let end = gap.bytes.map_or(stream.bytes, |bytes| start.saturating_add(bytes));
        told.push(ModelSpan { start, end, what: SpanKind::Unexplained, name: gap.message.clone() });
    }
    let mut spans = flat(&told, stream.bytes);
    // Never more than the reader itself accounts for.
    let claimed: u64 = spans
        .iter()
        .filter(|span| span.what != SpanKind::Unexplained)
        .map(|span| span.end - span.start)
        .sum();
    stream.explained = stream.explained.min(claimed);
    if spans.len() > limit {
        let rest = spans.split_off(limit.saturating_sub(1));
        stream.more_spans = rest.len() as u64;
        let worst = rest.iter().map(|span| span.what).max().unwrap_or_default();
        if let (Some(first), Some(last)) = (rest.first(), rest.last()) {
            let name = format!("{} ranges that are not listed", rest.len());
            spans.push(ModelSpan { start: first.start, end: last.end, what: worst, name });
        }
    }
    stream.spans = spans;
    stream
}

/// Ranges side by side.
fn flat(told: &[ModelSpan], len: u64) -> Vec<ModelSpan> {
    let mut edges: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * told.len());
    for (index, span) in told.iter().enumerate() {
        let (start, end) = (span.start.min(len), span.end.min(len));
        if start < end {
            edges.extend([(start, true, index), (end, false, index)]);
        }
    }
    edges.sort_unstable();
    let (mut open, mut from) = (BTreeSet::new(), 0);
    let mut spans: Vec<ModelSpan> = Vec::new();
    for (at, begins, index) in edges.into_iter().chain([(len, true, usize::MAX)]) {
        if at > from {
            let over = open.last().and_then(|index: &usize| told.get(*index));
            let (what, name) =
                over.map_or((SpanKind::Unexplained, ""), |span| (span.what, span.name.as_str()));
            match spans.last_mut() {
                Some(last) if last.what == what && last.name == name && last.end == from => last.end = at,
                _ => spans.push(ModelSpan { start: from, end: at, what, name: name.to_owned() }),
            }
            from = at;
        }
        if begins {
            open.insert(index);
        } else {
            open.remove(&index);
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64, what: SpanKind, name: &str) -> ModelSpan {
        ModelSpan { start, end, what, name: name.to_owned() }
    }

    #[test]
    fn what_is_told_later_lies_above_and_nothing_is_left_out() {
        let told = [
            span(0, 90, SpanKind::Parsed, "zip"),
            span(10, 20, SpanKind::Member, "a"),
            span(20, 30, SpanKind::Member, "b"),
            span(95, 300, SpanKind::Padding, ""),
        ];
        assert_eq!(
            flat(&told, 100),
            [
                span(0, 10, SpanKind::Parsed, "zip"),
                span(10, 20, SpanKind::Member, "a"),
                span(20, 30, SpanKind::Member, "b"),
                span(30, 90, SpanKind::Parsed, "zip"),
                span(90, 95, SpanKind::Unexplained, ""),
                span(95, 100, SpanKind::Padding, ""),
            ]
        );
        assert_eq!(flat(&[], 7), [span(0, 7, SpanKind::Unexplained, "")]);
        assert_eq!(flat(&[], 0), []);
    }

    #[test]
    fn what_is_not_listed_counts_as_the_worst_in_it() {
        let told = vec![
            span(0, 10, SpanKind::Parsed, "a"),
            span(10, 20, SpanKind::Parsed, "b"),
            span(30, 40, SpanKind::Parsed, "c"),
        ];
        let of = ModelStream { bytes: 40, explained: 30, ..ModelStream::default() };
        let listed = stream(of, told, &[], 2);
        assert_eq!(listed.spans[1], span(10, 40, SpanKind::Unexplained, "3 ranges that are not listed"));
        assert_eq!((listed.more_spans, listed.explained), (3, 30));
    }
}
