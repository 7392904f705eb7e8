//! Room `report`: a scan enters, the same scan with every foreign string through the redactor leaves.
//!
//! Findings are masked where they are made. This is the belt to those braces: one place before all formats, so that
//! a control or a format that forgets cannot print a key.

use std::borrow::Cow;
use std::sync::Arc;

use ringfence_finding::Evidence;
use ringfence_finding::Finding;
use ringfence_finding::Location;
use ringfence_finding::ResourceRef;
use ringfence_finding::Scan;
use ringfence_finding::Snippet;

use crate::clean;

/// A copy whose foreign strings are masked. Titles, manuals and fingerprints are our own and stay.
pub(crate) fn redacted(scan: &Scan) -> Scan {
    let mut scan = scan.clone();
    Belt { mask: &clean::mask }.scan(&mut scan);
    scan
}

struct Belt<'m> {
    mask: &'m dyn for<'t> Fn(&'t str) -> Cow<'t, str>,
}

impl Belt<'_> {
    fn scan(&self, scan: &mut Scan) {
        self.text(&mut scan.source);
        scan.narrowed.iter_mut().for_each(|flag| self.text(flag));
        scan.found.gpus.iter_mut().filter_map(|pool| pool.model.as_mut()).for_each(|model| self.text(model));
        for workload in &mut scan.found.workloads {
            self.resource(&mut workload.resource);
            workload.reasons.iter_mut().for_each(|reason| self.text(reason));
        }
        let exposed = &mut scan.assessment.exposure.exposed;
        exposed.iter_mut().filter_map(|row| row.model.as_mut()).for_each(|model| self.text(model));
        for kind in &mut scan.coverage.kinds {
            self.text(&mut kind.group);
            self.text(&mut kind.kind);
        }
        for (kind, count) in std::mem::take(&mut scan.coverage.no_pod_path) {
            // Two kinds may look the same once masked: neither is lost.
            *scan.coverage.no_pod_path.entry((self.mask)(&kind).into_owned()).or_default() += count;
        }
        scan.coverage.not_seen.iter_mut().for_each(|fact| self.text(fact));
        for blind in &mut scan.coverage.blind {
            self.text(&mut blind.cause);
            blind.cure.iter_mut().for_each(|cure| self.text(cure.words_mut()));
            blind.location.iter_mut().for_each(|place| self.location(place));
        }
        scan.findings.iter_mut().for_each(|finding| self.finding(finding));
    }

    fn finding(&self, finding: &mut Finding) {
        finding.resource.iter_mut().for_each(|resource| self.resource(resource));
        finding.container.iter_mut().for_each(|name| self.text(name));
        finding.location.iter_mut().for_each(|place| self.location(place));
        finding.snippet.iter_mut().for_each(|snippet| self.snippet(snippet));
        self.text(&mut finding.field);
        self.text(&mut finding.message);
        self.text(&mut finding.why);
        finding.fix.iter_mut().for_each(|fix| self.text(&mut fix.summary));
        for Evidence { resource, field, shown, location, weight: _ } in &mut finding.evidence {
            self.resource(resource);
            self.text(field);
            self.text(shown);
            if let Some(place) = location {
                self.location(place);
            }
        }
    }

    fn resource(&self, resource: &mut ResourceRef) {
        let mut next = Some(resource);
        while let Some(ResourceRef { api_version, kind, namespace, name, owner }) = next {
            self.text(api_version);
            self.text(kind);
            if let Some(namespace) = namespace {
                self.text(namespace);
            }
            self.text(name);
            next = owner.as_deref_mut();
        }
    }

    fn location(&self, location: &mut Location) {
        if let Cow::Owned(masked) = (self.mask)(&location.file) {
            location.file = Arc::from(masked);
        }
    }

    fn snippet(&self, snippet: &mut Snippet) {
        if let Cow::Owned(masked) = (self.mask)(&snippet.text) {
            snippet.start = moved(&snippet.text, &masked, snippet.start);
            snippet.end = moved(&snippet.text, &masked, snippet.end);
            snippet.text = masked;
        }
    }

    fn text(&self, text: &mut String) {
        if let Cow::Owned(masked) = (self.mask)(text) {
            *text = masked;
        }
    }
}

/// Where byte `at` of `before` stands in `after`: exact in front of the first and behind the last change, at the end
/// of the changed part when inside it.
fn moved(before: &str, after: &str, at: usize) -> usize {
    let same_head = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
    if at <= same_head {
        return at;
    }
    let same_tail = before.bytes().rev().zip(after.bytes().rev()).take_while(|(a, b)| a == b).count();
    let same_tail = same_tail.min(before.len().min(after.len()).saturating_sub(same_head));
    after.len() - same_tail.min(before.len().saturating_sub(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const KEY: &str = "SYNTHETIC";

    #[test]
    fn no_foreign_string_is_forgotten() {
        let mut scan = testing::foreign(&format!("key {KEY} in the text"));
        assert!(format!("{scan:?}").matches(KEY).count() > 100);
        Belt {
            mask: &|text| if text.contains(KEY) { text.replace(KEY, "S...C").into() } else { text.into() },
        }
        .scan(&mut scan);
        let left = format!("{scan:?}");
        assert_eq!(left.find(KEY).map(|at| left[at.saturating_sub(200)..at].to_owned()), None);
        assert!(left.contains("key S...C in the text"));
    }

    #[test]
    fn ranges_follow_text_that_masking_made_shorter() {
        let (before, after) = ("key: LONGSECRET # note", "key: LO...T # note");
        assert_eq!(moved(before, after, 5), 5);
        assert_eq!(moved(before, after, before.find('#').unwrap()), after.find('#').unwrap());
        assert_eq!(moved(before, after, before.len()), after.len());
        let inside = moved(before, after, 10);
        assert!((5..=after.find(" #").unwrap()).contains(&inside), "{inside}");
        assert_eq!(moved("aaaa", "aa", 4), 2);
        assert_eq!(moved("aa", "aaaa", 99), 4);
    }

    #[test]
    fn a_scan_without_keys_passes_unchanged() {
        let scan = testing::standard();
        assert_eq!(format!("{:?}", redacted(&scan)), format!("{scan:?}"));
    }
}
