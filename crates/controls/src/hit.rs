//! What a control says about one target: fails with evidence, missing facts, or that it does not concern it.

use std::ops::Range;

use ringfence_finding::Confidence;
use ringfence_finding::Evidence;
use ringfence_finding::Finding;
use ringfence_finding::Fingerprint;
use ringfence_finding::Fix;
use ringfence_finding::Outcome;
use ringfence_finding::Severity;
use ringfence_finding::Weight;
use ringfence_inventory::Container;
use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::yaml::Value;

use crate::control::Meta;
use crate::mask;

/// One flaw at one place.
#[derive(Clone, Debug)]
pub struct Hit<'i> {
    object: &'i Object,
    at: Option<Value<'i>>,
    bytes: Option<Range<usize>>,
    field: Option<String>,
    container: Option<String>,
    message: String,
    why: Option<String>,
    cure: Option<String>,
    severity: Option<Severity>,
    confidence: Confidence,
    evidence: Vec<(&'i Object, Option<Value<'i>>, Option<String>, Weight)>,
}

impl<'i> Hit<'i> {
    /// A flaw written at `at` in `object`. `message` is one short line that stands beside the object's name:
    /// `opens every GPU without asking`.
    pub fn at(object: &'i Object, at: Value<'i>, message: impl Into<String>) -> Self {
        let mut hit = Self::absent(object, message);
        hit.at = Some(at);
        hit.evidence.push((object, Some(at), None, Weight::Decides));
        hit
    }

    /// A flaw that is an absence in `object`: the place shown is the object itself.
    pub fn absent(object: &'i Object, message: impl Into<String>) -> Self {
        Self {
            object,
            at: None,
            bytes: None,
            field: None,
            container: None,
            message: message.into(),
            why: None,
            cure: None,
            severity: None,
            confidence: Confidence::High,
            evidence: Vec::new(),
        }
    }

    /// The bytes of the document to point at, where a value of many lines holds the flaw in one of them.
    #[must_use]
    pub fn bytes(mut self, bytes: Range<usize>) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// A flaw in a container: its name is part of the finding's identity.
    #[must_use]
    pub fn container(mut self, container: Container<'_>) -> Self {
        self.container = Some(container.name().to_owned());
        self
    }

    /// The field whose absence is the flaw, when nothing is written there.
    #[must_use]
    pub fn missing(mut self, field: impl Into<String>) -> Self {
        let field = field.into();
        self.evidence.push((self.object, None, Some(format!("{field} is not set")), Weight::Decides));
        self.field = Some(field);
        self
    }

    /// The name of the flaw's field, in place of the path of its place: an index in a path moves with its neighbours, and
    /// two flaws can share one place.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The short line, where it is known only after its places.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// One sentence on the attack here, in place of the control's own.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// How to close it here, in place of the control's own sentence.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// Severity here, in place of the control's own.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// How sure; the lowest that was said counts.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = self.confidence.min(confidence);
        self
    }

    /// A value elsewhere that supports the finding.
    #[must_use]
    pub fn supported_by(mut self, object: &'i Object, at: Value<'i>) -> Self {
        self.evidence.push((object, Some(at), None, Weight::Supports));
        self
    }

    /// A fact in words that supports the finding, about an object.
    #[must_use]
    pub fn supported_by_fact(mut self, object: &'i Object, fact: impl Into<String>) -> Self {
        self.evidence.push((object, None, Some(fact.into()), Weight::Supports));
        self
    }

    /// Another place where the same root cause is written.
    #[must_use]
    pub fn also_at(mut self, object: &'i Object, at: Value<'i>) -> Self {
        self.evidence.push((object, Some(at), None, Weight::Decides));
        self
    }
}

/// Takes what one control says about one target.
#[derive(Debug)]
pub struct Results<'i> {
    inventory: &'i Inventory,
    meta: &'static Meta,
    /// Upper bound of confidence for this target: a pod recognised by its shape only is medium.
    cap: Confidence,
    pub(crate) findings: Vec<Finding>,
    pub(crate) passed: u32,
    pub(crate) not_applicable: u32,
}

impl<'i> Results<'i> {
    pub(crate) fn new(inventory: &'i Inventory, meta: &'static Meta) -> Self {
        Self { inventory, meta, cap: Confidence::High, findings: Vec::new(), passed: 0, not_applicable: 0 }
    }

    pub(crate) fn capped(mut self, cap: Confidence) -> Self {
        self.cap = cap;
        self
    }

    /// The door is open.
    pub fn fail(&mut self, hit: Hit<'_>) {
        let place = hit.at.unwrap_or_else(|| mask::head(hit.object));
        let location = match &hit.bytes {
            Some(bytes) => hit.object.location_of(bytes.clone()),
            None => hit.object.location(place),
        };
        let snippet = match hit.bytes {
            // An object of a cluster has no lines that somebody wrote.
            _ if hit.object.is_of_cluster() => None,
            Some(bytes) => Some(mask::snippet_of(hit.object, bytes)),
            None => Some(mask::snippet(hit.object, place)),
        };
        let field = hit.field.unwrap_or_else(|| hit.at.map(|at| hit.object.field(at)).unwrap_or_default());
        let evidence = hit.evidence.into_iter().map(|(object, at, words, weight)| {
            let shown = words.or_else(|| at.map(|at| mask::shown(object, at))).unwrap_or_default();
            Evidence {
                resource: self.inventory.reference(object),
                field: at.map(|at| object.field(at)).unwrap_or_default(),
                shown,
                location: at.map(|at| object.location(at)),
                weight,
            }
        });
        let evidence = evidence.collect();
        let resource = self.inventory.reference(hit.object);
        self.findings.push(Finding {
            control: self.meta.id,
            title: self.meta.title,
            severity: hit.severity.unwrap_or(self.meta.severity),
            confidence: hit.confidence.min(self.cap),
            outcome: Outcome::Fail,
            location: Some(location),
            snippet,
            message: hit.message,
            evidence,
            why: hit.why.unwrap_or_else(|| self.meta.risk.to_owned()),
            fix: Some(Fix {
                class: self.meta.fix,
                summary: hit.cure.unwrap_or_else(|| self.meta.cure.to_owned()),
            }),
            references: self.meta.references,
            fingerprint: Fingerprint::new(self.meta.id, Some(&resource), hit.container.as_deref(), &field),
            resource: Some(resource),
            container: hit.container,
            field,
            pods: self.inventory.running_pods(hit.object.id),
        });
    }

    /// A needed fact is missing: `fact` names it (`runtime vllm is not in the set`). `at`: what depends on it.
    pub fn unknown(&mut self, object: &Object, at: Option<Value<'_>>, fact: impl Into<String>) {
        self.unknown_in(object, at, None, fact);
    }

    /// The same inside a container.
    pub fn unknown_in(
        &mut self,
        object: &Object,
        at: Option<Value<'_>>,
        container: Option<Container<'_>>,
        fact: impl Into<String>,
    ) {
        let fact = fact.into();
        let place = at.unwrap_or_else(|| mask::head(object));
        let resource = self.inventory.reference(object);
        let field = at.map(|at| object.field(at)).unwrap_or_default();
        let container = container.map(|container| container.name().to_owned());
        self.findings.push(Finding {
            location: Some(object.location(place)),
            snippet: None,
            fingerprint: Fingerprint::new(self.meta.id, Some(&resource), container.as_deref(), &field),
            resource: Some(resource),
            container,
            field,
            ..self.without_target(Outcome::Unknown, fact)
        });
    }

    /// The whole control lacks a fact, or could not run.
    pub(crate) fn whole(&mut self, outcome: Outcome, words: impl Into<String>) {
        let finding = self.without_target(outcome, words.into());
        self.findings.push(finding);
    }

    fn without_target(&self, outcome: Outcome, words: String) -> Finding {
        Finding {
            control: self.meta.id,
            title: self.meta.title,
            severity: self.meta.severity,
            confidence: self.cap,
            outcome,
            resource: None,
            container: None,
            location: None,
            snippet: None,
            field: String::new(),
            message: words.clone(),
            evidence: Vec::new(),
            why: words,
            fix: None,
            references: self.meta.references,
            fingerprint: Fingerprint::new(self.meta.id, None, None, ""),
            pods: None,
        }
    }

    /// Whether nothing was said yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.findings.is_empty() && self.not_applicable == 0
    }

    /// A target was looked at and its door is closed. Pods and objects that nothing is said about count by themselves;
    /// cluster and graph controls say it for each target.
    pub fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
    }

    /// The control does not concern this target.
    pub fn not_applicable(&mut self) {
        self.not_applicable = self.not_applicable.saturating_add(1);
    }

    /// A pod-level field that the kind cannot express: unknown, never pass.
    pub fn built_by_operator(&mut self, pod: Pod<'_>, field: &str) {
        let words =
            format!("{} pods are built by their operator; {field} is not in the manifest", pod.object().kind);
        self.unknown(pod.object(), Some(pod.body()), words);
    }
}
