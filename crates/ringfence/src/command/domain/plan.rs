//! `ringfence domain plan`: what would be written, object by object.

use std::collections::BTreeSet;
use std::io;
use std::io::Write;

use clap::Args;
use clap::ValueEnum;
use kube::ResourceExt as _;
use ringfence_domain::Asked;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Desired;
use ringfence_domain::DesiredObject;
use ringfence_domain::SecurityDomain;
use ringfence_domain::desired;
use ringfence_domain::spec::Mode;
use ringfence_domain::yaml;
use ringfence_finding::ExitCode;
use ringfence_operator::Effect;
use ringfence_operator::Observed;
use ringfence_operator::observe;
use ringfence_report::counted;
use serde_json::json;

use super::SCHEMA_VERSION;
use super::files::Files;
use super::remote::MaybeCluster;
use super::say;
use crate::output;

/// Print what a domain would write: every object, whether it is new, changed or contested, byte for byte as the controller
/// sends it.
///
/// With a cluster each write is tried by the API server's dry-run; nothing is changed. Other domains of the cluster count:
/// a namespace or node that one of them holds stays its own, and of what nobody holds the older one has it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence domain plan -f ml.yaml
  ringfence domain plan -f ml.yaml --mode Enforce --format yaml     all of it
  ringfence domain plan -f ml.yaml --offline

Exit codes: 0 planned, 1 the API server would refuse a write, or others contest one, 2 a file is wrong, 3 something \
could not be looked at.")]
pub(crate) struct Plan {
    #[command(flatten)]
    files: Files,
    /// Plan as if this were the mode in force, in place of the file's.
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<ModeArg>,
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    cluster: MaybeCluster,
}

/// A mode on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum ModeArg {
    /// Note in the audit log.
    Observe,
    /// Show to who applies.
    Warn,
    /// Refuse.
    Enforce,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Observe => Self::Observe,
            ModeArg::Warn => Self::Warn,
            ModeArg::Enforce => Self::Enforce,
        }
    }
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// The objects themselves.
    Yaml,
}

impl Plan {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let files = self.files.read()?;
        let known = self.cluster.read()?;
        let facts = known.as_ref().map(|it| it.facts.clone()).unwrap_or_default();
        let live = known.as_ref().map(|it| it.domains.clone()).unwrap_or_default();
        let names: BTreeSet<_> = files.iter().map(SecurityDomain::name_any).collect();
        let mut domains = laid_over(files, live);
        for domain in &mut domains {
            // Of the others what is in force counts, not what they wait for.
            let in_force = || domain.status.as_ref().map(|it| it.effective_modes.mode);
            let mode =
                if names.contains(&domain.name_any()) { self.mode.map(Mode::from) } else { in_force() };
            domain.spec.enforcement.mode = mode.unwrap_or(domain.spec.enforcement.mode);
        }
        let mut desired = plan(&domains, &facts);
        desired.outcomes.retain(|name, _| names.contains(name));
        desired.objects.retain(|object| object.domain().is_none_or(|it| names.contains(it)));
        let observed = known.map(|it| it.remote.wait(observe(&it.remote.client, &desired.objects, true)));
        let seen = Seen { desired: &desired, observed: observed.as_deref() };
        output::to_stdout(|out| match self.format {
            Format::Text => seen.text(out),
            Format::Json => seen.json(out),
            Format::Yaml => seen.yaml(out),
        })?;
        Ok(seen.exit())
    }
}

/// Domains of files in place of those of the cluster with the same name. One of a file keeps age and UID of the live one:
/// it will be the same object.
pub(crate) fn laid_over(files: Vec<SecurityDomain>, live: Vec<SecurityDomain>) -> Vec<SecurityDomain> {
    let mut domains = live;
    for mut file in files {
        if let Some(live) = domains.iter_mut().find(|it| it.name_any() == file.name_any()) {
            live.spec = file.spec;
        } else {
            file.metadata.uid = None;
            domains.push(file);
        }
    }
    domains
}

/// The desired objects of domains in the modes that they say.
pub(crate) fn plan(domains: &[SecurityDomain], facts: &ClusterFacts) -> Desired {
    let asked: Vec<_> =
        domains.iter().map(|domain| Asked::new(domain, domain.spec.enforcement.mode)).collect();
    desired(&asked, facts)
}

/// A plan and what a cluster said to it.
struct Seen<'a> {
    desired: &'a Desired,
    observed: Option<&'a [Observed]>,
}

impl Seen<'_> {
    fn rows(&self) -> impl Iterator<Item = (&DesiredObject, Option<&Effect>)> {
        self.desired
            .objects
            .iter()
            .enumerate()
            .map(|(index, object)| (object, self.observed.and_then(|it| it.get(index)).map(|it| &it.effect)))
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for (name, outcome) in &self.desired.outcomes {
            let namespaces = counted(outcome.namespaces.len(), "namespace");
            let nodes = counted(outcome.nodes.len(), "node");
            say(out, &format!("SecurityDomain {name}: mode {:?}, {namespaces}, {nodes}", outcome.mode))?;
            for (word, problems) in
                [("invalid", &outcome.invalid), ("conflict", &outcome.conflicts), ("open", &outcome.unknown)]
            {
                problems.iter().try_for_each(|it| say(out, &format!("  {word:<9} {it}")))?;
            }
        }
        // What is written last of the cluster stands beside what is written first.
        let mut rows: Vec<_> = self.rows().collect();
        rows.sort_by_key(|(object, _)| &object.id.namespace);
        let mut place = None;
        for (object, effect) in rows {
            let namespace = &object.id.namespace;
            if place != Some(namespace) {
                let words =
                    if namespace.is_empty() { "cluster".into() } else { format!("namespace {namespace}") };
                say(out, "")?;
                say(out, &words)?;
                place = Some(namespace);
            }
            let what = format!("{}/{}", object.id.kind, object.id.name);
            let line = format!("  {:<9} {what:<44} {}", effect.map_or("write", word), reasons(object));
            say(out, line.trim_end())?;
            for line in effect.map(details).unwrap_or_default() {
                say(out, &format!("            {line}"))?;
            }
        }
        say(out, "")?;
        say(out, &self.summary())
    }

    /// Counts, and what to do next.
    fn summary(&self) -> String {
        let count = |words: &[&str]| {
            self.rows().filter(|(_, effect)| effect.is_some_and(|it| words.contains(&word(it)))).count()
        };
        if self.observed.is_none() {
            let waiting = "The bytes: --format yaml. Against a cluster: without --offline.";
            return format!("{}. {waiting}", counted(self.desired.objects.len(), "object"));
        }
        format!(
            "{} to create, {} to update, {} as they should be, {} contested, {} refused, {} not seen. The bytes: --format yaml.",
            count(&["create"]),
            count(&["update"]),
            count(&["keep"]),
            count(&["contested"]),
            count(&["refused"]),
            count(&["not seen"]),
        )
    }

    /// By `docs/schema/domain-plan.v1.schema.json`.
    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let objects: Vec<_> = self
            .rows()
            .map(|(object, effect)| {
                let mut value = serde_json::to_value(object).unwrap_or_default();
                value["effect"] = effect.map_or("write", word).into();
                value["details"] = effect.map(details).unwrap_or_default().into();
                value
            })
            .collect();
        let domains: Vec<_> = self
            .desired
            .outcomes
            .iter()
            .map(|(name, it)| {
                json!({
                    "name": name, "mode": it.mode, "namespaces": it.namespaces, "nodes": it.nodes,
                    "invalid": it.invalid, "conflicts": it.conflicts, "unknown": it.unknown,
                })
            })
            .collect();
        let document = json!({"schemaVersion": SCHEMA_VERSION, "domains": domains, "objects": objects});
        ringfence_report::write_json(&document, out)
    }

    fn yaml(&self, out: &mut dyn Write) -> io::Result<()> {
        self.desired.objects.iter().try_for_each(|object| write!(out, "---\n{}", yaml(&object.body.tree())))
    }

    fn exit(&self) -> ExitCode {
        let outcomes = || self.desired.outcomes.values();
        let is = |words: &[&str]| {
            self.rows().any(|(_, effect)| effect.is_some_and(|it| words.contains(&word(it))))
        };
        if is(&["contested", "refused"])
            || outcomes().any(|it| !it.invalid.is_empty() || !it.conflicts.is_empty())
        {
            ExitCode::Findings
        } else if is(&["not seen"]) || outcomes().any(|it| !it.unknown.is_empty()) {
            ExitCode::Incomplete
        } else {
            ExitCode::Clean
        }
    }
}

/// Controls that an object answers: `ringfence explain` tells of each. What of the guide it answers is for programs.
fn reasons(object: &DesiredObject) -> String {
    object.controls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// An effect in a word.
pub(crate) fn word(effect: &Effect) -> &'static str {
    match effect {
        Effect::Contest(..) => "contested",
        Effect::Create => "create",
        Effect::Keep => "keep",
        Effect::Refuse(_) => "refused",
        Effect::Unknown(_) => "not seen",
        Effect::Update(_) => "update",
    }
}

/// An effect in lines.
pub(crate) fn details(effect: &Effect) -> Vec<String> {
    let lines = |drift: &[ringfence_domain::Drift]| drift.iter().map(ToString::to_string).collect::<Vec<_>>();
    match effect {
        Effect::Create | Effect::Keep => Vec::new(),
        Effect::Update(drift) => lines(drift),
        Effect::Contest(drift, words) => lines(drift).into_iter().chain([words.clone()]).collect(),
        Effect::Refuse(words) | Effect::Unknown(words) => vec![words.clone()],
    }
}
