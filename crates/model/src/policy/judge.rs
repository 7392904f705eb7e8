//! Room `model`, policy: facts -> findings and gaps. The names of pickles become verdicts here alone; the formats of
//! templates and graphs judge their own.

use std::cmp::Reverse;

use ringfence_artifact::Source;
use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::GapReason;
use ringfence_finding::ModelFinding;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelLookup;
use ringfence_finding::ModelPlace;
use ringfence_finding::Severity;
use ringfence_finding::Verdict;

use super::Policy;
use super::Uses;
use crate::format::jinja;
use crate::keys::Keys;
use crate::pickle;
use crate::pickle::Place;
use crate::pickle::facts::Facts;
use crate::pickle::facts::Fault;
use crate::pickle::facts::FaultKind;
use crate::pickle::facts::Name;
use crate::pickle::facts::Unread;
use crate::pickle::facts::Use;
use crate::policy::told::Told;
use crate::threat;
use crate::threat::Threat;

/// What is told about one stream: the place of its bytes, and where the telling goes.
pub(crate) struct Judge<'p> {
    policy: &'p Policy,
    path: String,
    pub(crate) findings: Vec<ModelFinding>,
    pub(crate) gaps: Vec<ModelGap>,
    pub(crate) lookups: Vec<ModelLookup>,
    /// Findings about opcodes, by index, with their places.
    places: Vec<(usize, Place)>,
    /// Findings that may still be explained opcode by opcode.
    pub(crate) explains: usize,
    /// Opcodes that may still be gone through again for that.
    pub(crate) opcodes: u64,
    /// What there is still room for.
    pub(crate) told: Told,
}

/// Findings of one stream that are explained opcode by opcode, the worst first.
const EXPLAINED: usize = 64;

impl<'p> Judge<'p> {
    pub(crate) fn new(policy: &'p Policy, path: String) -> Self {
        let (findings, gaps, lookups, places) = (vec![], vec![], vec![], vec![]);
        Self { policy, path, findings, gaps, lookups, places, explains: 0, opcodes: 0, told: Told::default() }
    }

    /// Judges a pickle; `source` is what its places count in.
    pub(crate) fn pickle(&mut self, facts: &Facts, source: &dyn Source) {
        // A `getattr` that does nothing but look attributes up is told as the names that it gives.
        for name in facts.names.iter().filter(|name| !name.gets || facts.strays > 0) {
            self.name(name);
            let (module, attribute) = name.imported();
            let uses: Vec<_> = name.uses().map(|(what, _)| what.as_str()).collect();
            let place = self.place(name.first(Use::Import).unwrap_or(0));
            let (module, name) = (module.to_owned(), attribute.to_owned());
            let lookup = ModelLookup { module, name, uses, place };
            if self.told.takes_lookup(&lookup) {
                self.lookups.push(lookup);
            }
        }
        for fault in &facts.faults {
            self.fault(fault, facts.readings_differ);
        }
        for unread in &facts.unread {
            self.unread(unread);
        }
        self.keys(&facts.keys);
        self.explain(facts, source);
    }

    /// Adds to findings what stands around their places.
    fn explain(&mut self, facts: &Facts, source: &dyn Source) {
        let mut places = std::mem::take(&mut self.places);
        places.sort_by_key(|(at, _)| self.findings.get(*at).map(|finding| Reverse(finding.verdict)));
        places.truncate(EXPLAINED.min(self.explains));
        self.explains -= places.len();
        let wanted: Vec<Place> = places.iter().map(|(_, place)| *place).collect();
        let explained = pickle::explain(source, facts, &wanted, &mut self.opcodes);
        for ((at, _), explained) in places.iter().zip(explained) {
            if let Some(finding) = self.findings.get_mut(*at) {
                (finding.python, finding.trace) = (explained.python, explained.trace);
            }
        }
    }

    fn found_at(
        &mut self,
        threat: Threat,
        verdict: Verdict,
        (at, place): (u64, Place),
        subject: Option<String>,
        message: String,
    ) {
        let index = self.findings.len();
        self.found(threat, verdict, at, subject, message);
        if self.findings.len() > index {
            self.places.push((index, place));
        }
    }

    fn name(&mut self, name: &Name) {
        let (module, attribute) = name.imported();
        let subject = format!("{module}.{attribute}");
        let at = name.first(Use::Import).unwrap_or(0);
        let place = (at, Place { look_up: at, act: act(name) });
        let denied = self.policy.denied(module, attribute);
        let denied = denied.or_else(|| self.policy.denied(&name.raw.0, &name.raw.1));
        let changed = name.uses().find(|(what, _)| matches!(what, Use::Foreign | Use::Tainted));
        if let Some(denied) = denied {
            let message = format!("{} {subject}, which {}", strongest(name), denied.why);
            return self.found_at(threat::DENIED_NAME, Verdict::Malicious, place, Some(subject), message);
        }
        if let Some((what, act)) = changed {
            let message = match what {
                Use::Foreign => format!("changes {subject} itself"),
                _ => format!("looks {subject} up after something else was changed"),
            };
            let place = (act, Place { look_up: at, act });
            return self.found_at(threat::FOREIGN_CHANGE, Verdict::Malicious, place, Some(subject), message);
        }
        match self.policy.allowed(module, attribute) {
            Some(allowed) => self.allowed(name, &subject, allowed),
            None if name.is_got || is_indirect(self.policy, attribute) => {
                let message = format!("reaches {subject} by way of attributes");
                self.found_at(threat::INDIRECT, Verdict::Malicious, place, Some(subject), message);
            }
            None if attribute.contains('.') => {
                let message = format!("reaches {subject}, a part of another name");
                self.found_at(threat::INDIRECT, Verdict::Review, place, Some(subject), message);
            }
            None => {
                let why = match self.policy.expired(module, attribute) {
                    Some(old) => format!("whose addition by {} expired on {}", old.owner, old.expires),
                    None => "which no policy knows".to_owned(),
                };
                let message = format!("{} {subject}, {why}", strongest(name));
                self.found_at(threat::UNKNOWN_NAME, Verdict::Review, place, Some(subject), message);
            }
        }
    }

    /// Uses beyond those that were judged.
    fn allowed(&mut self, name: &Name, subject: &str, allowed: Uses) {
        for (what, at) in name.uses().filter(|(what, _)| !allowed.has(*what)) {
            let (threat, verdict, message) = match what {
                Use::Build | Use::Mutate => (
                    threat::FOREIGN_CHANGE,
                    Verdict::Malicious,
                    format!("puts state or items into a {subject}, which ordinary files do not do"),
                ),
                Use::OddArguments => (
                    threat::OTHER_USE,
                    Verdict::Review,
                    format!("calls {subject} with arguments that no writer of models uses"),
                ),
                Use::CallOfResult => {
                    (threat::OTHER_USE, Verdict::Review, format!("calls what {subject} has made"))
                }
                Use::Persistent => (
                    threat::PERSISTENT,
                    Verdict::Review,
                    format!("takes {subject} for the class of a storage"),
                ),
                other => (
                    threat::OTHER_USE,
                    Verdict::Review,
                    format!("uses {subject} for `{}`, which was not judged", other.as_str()),
                ),
            };
            let place = (at, Place { look_up: name.first(Use::Import).unwrap_or(at), act: at });
            self.found_at(threat, verdict, place, Some(subject.to_owned()), message);
        }
    }

    fn fault(&mut self, fault: &Fault, readings_differ: bool) {
        let (threat, verdict) = match fault.kind {
            FaultKind::Broken | FaultKind::NoStop | FaultKind::Truncated => (threat::BROKEN, Verdict::Review),
            FaultKind::CallOfValue | FaultKind::State => (threat::OTHER_USE, Verdict::Review),
            FaultKind::ComputedName | FaultKind::MakesClass | FaultKind::Method => {
                (threat::INDIRECT, Verdict::Malicious)
            }
            FaultKind::Extension => (threat::EXTENSION, Verdict::Review),
            FaultKind::ForeignTarget => (threat::FOREIGN_CHANGE, Verdict::Review),
            FaultKind::Frame if readings_differ => (threat::FRAME, Verdict::Malicious),
            FaultKind::Frame => (threat::FRAME, Verdict::Review),
            FaultKind::IntoStorage | FaultKind::View => (threat::PERSISTENT, Verdict::Malicious),
            FaultKind::Layout => (threat::LAYOUT, Verdict::Review),
            FaultKind::LongName | FaultKind::Memo => (threat::MEMO, Verdict::Review),
            FaultKind::OtherFile => (threat::PATH, Verdict::Malicious),
            FaultKind::Persistent => (threat::PERSISTENT, Verdict::Review),
            FaultKind::Stacked | FaultKind::Trailing => (threat::TRAILING, Verdict::Review),
        };
        let times = if fault.count > 1 { format!(" ({} times)", fault.count) } else { String::new() };
        let place = (fault.at, Place { look_up: fault.at, act: fault.at });
        self.found_at(threat, verdict, place, None, format!("{}{times}", fault.detail));
        if matches!(fault.kind, FaultKind::NoStop | FaultKind::Truncated) {
            let message = "the stream ends before it is complete: fetch the file again".to_owned();
            self.gap(GapReason::Truncated, fault.at, None, message);
        }
    }

    fn unread(&mut self, unread: &Unread) {
        match unread {
            Unread::Budget { at, what } => self.budget(*at, what),
            Unread::Read { at, error } => self.read_error(*at, error),
            Unread::OutOfBand { at } => {
                let message = "a buffer that is handed to the loader beside the file".to_owned();
                self.gap(GapReason::OutOfBand, *at, None, message);
            }
            Unread::Unexplained { at, bytes } => {
                let message = "bytes that are neither opcodes nor padding".to_owned();
                self.gap(GapReason::Unexplained, *at, Some(*bytes), message);
            }
        }
    }

    /// What a template that stands at `base` reaches.
    pub(crate) fn template(&mut self, base: u64, found: Vec<jinja::Found>) {
        for found in found {
            let message = format!("the template {}", found.message);
            self.found(threat::TEMPLATE, found.verdict, base + found.at as u64, None, message);
        }
    }

    /// Keys of providers: told, and no part of the verdict.
    pub(crate) fn keys(&mut self, keys: &Keys) {
        for (at, hit) in &keys.hits {
            let is_sure = hit.confidence == Confidence::High;
            let severity = if is_sure { Severity::Critical } else { Severity::High };
            self.key(*at, severity, format!("holds {} {} {}", hit.provider, hit.kind, hit.shown));
        }
        if let Some(at) = keys.more {
            let message = "may hold more keys: behind this place nothing was looked at for them".to_owned();
            self.key(at, Severity::High, message);
        }
    }

    fn key(&mut self, at: u64, severity: Severity, message: String) {
        self.keep(ModelFinding {
            id: ControlId::new(Family::Sec, 1),
            title: "literal-key",
            verdict: Verdict::Clean,
            severity,
            place: self.place(at),
            subject: None,
            message,
            why: "whoever has the model has the key; take it back where it was issued".to_owned(),
            python: None,
            trace: vec![],
        });
    }

    /// A limit that was reached.
    pub(crate) fn budget(&mut self, at: u64, what: &str) {
        let message = format!("more {what} than the limit: nothing behind was looked at");
        self.gap(GapReason::Budget, at, None, message);
    }

    /// A source that could not be read to its end.
    pub(crate) fn read_error(&mut self, at: u64, error: &ringfence_artifact::ReadError) {
        use ringfence_artifact::ReadError;
        let reason = match error {
            ReadError::Changed => GapReason::Changed,
            ReadError::Decode { .. } => GapReason::Truncated,
            ReadError::Io { .. } => GapReason::NoAccess,
            ReadError::Limit { .. } | ReadError::Window { .. } => GapReason::Budget,
        };
        self.gap(reason, at, None, error.to_string());
    }

    pub(crate) fn found(
        &mut self,
        threat: Threat,
        verdict: Verdict,
        at: u64,
        subject: Option<String>,
        message: String,
    ) {
        let place = self.place(at);
        self.keep(ModelFinding { subject, ..threat.finding(verdict, place, message) });
    }

    fn keep(&mut self, finding: ModelFinding) {
        if self.told.takes_finding(&finding) {
            self.findings.push(finding);
        }
    }

    pub(crate) fn gap(&mut self, reason: GapReason, at: u64, bytes: Option<u64>, message: String) {
        let place = self.place(at);
        self.gaps.push(ModelGap { reason, place, bytes, message });
    }

    fn place(&self, offset: u64) -> ModelPlace {
        ModelPlace { path: self.path.clone(), offset }
    }
}

/// The opcode that does the worst with a name.
fn act(name: &Name) -> u64 {
    let worst = [Use::Call, Use::Make, Use::New, Use::Foreign, Use::Mutate, Use::Build, Use::Persistent];
    worst.into_iter().find_map(|what| name.first(what)).or_else(|| name.first(Use::Import)).unwrap_or(0)
}

/// What the stream does with a name at the worst, as a verb.
fn strongest(name: &Name) -> &'static str {
    let has = |what| name.first(what).is_some();
    if has(Use::Call) || has(Use::Make) {
        "calls"
    } else if has(Use::New) {
        "makes an object of"
    } else {
        "imports"
    }
}

/// Whether a name leads to others: through a dunder, or through a module that is an attribute of another.
fn is_indirect(policy: &Policy, attribute: &str) -> bool {
    let is_dotted = attribute.contains('.');
    attribute
        .split('.')
        .any(|part| policy.reaches_others(part) || is_dotted && policy.denies_module(part).is_some())
}
