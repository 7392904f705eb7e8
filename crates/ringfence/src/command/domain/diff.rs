//! `ringfence domain diff`: the cluster against what its domains want, with who changed it.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;

use clap::Args;
use kube::ResourceExt as _;
use ringfence_domain::Accepted;
use ringfence_domain::Asked;
use ringfence_domain::Rank;
use ringfence_domain::Scope;
use ringfence_domain::accepted;
use ringfence_domain::desired;
use ringfence_domain::spec::Mode;
use ringfence_finding::ExitCode;
use ringfence_operator::Effect;
use ringfence_operator::Observed;
use ringfence_operator::fenced;
use ringfence_operator::observe;
use ringfence_report::counted;
use serde_json::json;

use super::SCHEMA_VERSION;
use super::plan::details;
use super::plan::word;
use super::remote::Known;
use super::say;
use crate::cli::ScreenFormat;
use crate::command::scan::cluster::ClusterArgs;
use crate::exit::Usage;
use crate::output;

/// Print where the cluster is not as its SecurityDomains want it, field by field, and who wrote the objects last.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence domain diff
  ringfence domain diff ml --format json

Exit codes: 0 no drift, 1 drift, 2 no such domain, 3 something could not be looked at.")]
pub(crate) struct Diff {
    /// Name of a domain; all of them by default.
    name: Option<String>,
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: ScreenFormat,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Diff {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let known = Known::read(&self.cluster, "")?;
        if let Some(name) =
            self.name.as_ref().filter(|name| known.domains.iter().all(|it| it.name_any() != **name))
        {
            return Err(Usage(format!("no SecurityDomain {name} in this cluster")).into());
        }
        // The mode in force, not the wanted one: what waits for a simulation is no drift.
        let mut domains = known.domains.clone();
        let mut scopes = BTreeMap::new();
        for domain in &mut domains {
            let modes = domain.status.as_ref().map(|it| it.effective_modes.clone()).unwrap_or_default();
            if modes.held.is_some() && modes.mode >= Mode::Enforce {
                scopes.insert(domain.name_any(), Scope::Within(fenced(domain, &known.facts)));
            }
            match accepted(domain, &modes) {
                Accepted::Written => {}
                Accepted::Other(spec) => domain.spec = *spec,
                Accepted::Lost => drop(scopes.insert(domain.name_any(), Scope::Lost)),
            }
            domain.spec.enforcement.mode = modes.mode;
        }
        let asked = domains.iter().map(|domain| {
            let scope = scopes.get(&domain.name_any()).cloned().unwrap_or_default();
            Asked { scope, ..Asked::new(domain, domain.spec.enforcement.mode) }
        });
        let mut desired = desired(&asked.collect::<Vec<_>>(), &known.facts);
        // What all domains share cannot be told without one of them.
        let is_lost = scopes.values().any(|it| *it == Scope::Lost);
        let is_shared = |rank| matches!(rank, Rank::Policy | Rank::PolicyBinding);
        desired.objects.retain(|it| !is_lost || !is_shared(it.id.rank));
        if let Some(name) = &self.name {
            desired.objects.retain(|object| object.domain().is_none_or(|it| it == name));
        }
        if let Some(name) = &self.name {
            desired.outcomes.retain(|it, _| it == name);
        }
        // What cannot be derived, or belongs to another domain, is not looked at: that is not clean.
        let open = desired.outcomes.iter().flat_map(|(name, it)| {
            let all = it.invalid.iter().chain(&it.conflicts).chain(&it.unknown);
            all.map(move |problem| format!("SecurityDomain {name}: {problem}"))
        });
        let open: Vec<String> = open.collect();
        let observed = known.remote.wait(observe(&known.remote.client, &desired.objects, false));
        let drift: Vec<_> = observed.iter().filter(|it| it.effect != Effect::Keep).collect();
        output::to_stdout(|out| match self.format {
            ScreenFormat::Text => text(&drift, &open, observed.len(), out),
            ScreenFormat::Json => write_json(&drift, &open, observed.len(), out),
        })?;
        Ok(if drift.iter().any(|it| !matches!(it.effect, Effect::Unknown(_))) {
            ExitCode::Findings
        } else if drift.is_empty() && open.is_empty() && !observed.is_empty() {
            ExitCode::Clean
        } else {
            ExitCode::Incomplete
        })
    }
}

fn text(drift: &[&Observed], open: &[String], all: usize, out: &mut dyn Write) -> io::Result<()> {
    open.iter().try_for_each(|it| say(out, &format!("open: {it}")))?;
    for observed in drift {
        say(out, &format!("{}: {}", observed.id, word(&observed.effect)))?;
        for line in details(&observed.effect) {
            say(out, &format!("    {line}"))?;
        }
        if let Some(last) = observed.managers.last() {
            say(out, &format!("    written last by {last}"))?;
        }
    }
    let are = if drift.len() == 1 { "is" } else { "are" };
    say(out, &format!("{} of {} {are} not as they should be.", drift.len(), counted(all, "object")))
}

/// By `docs/schema/domain-diff.v1.schema.json`.
fn write_json(drift: &[&Observed], open: &[String], all: usize, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = drift
        .iter()
        .map(|it| {
            json!({"object": it.id, "effect": word(&it.effect), "details": details(&it.effect), "managers": it.managers})
        })
        .collect();
    let document = json!({"schemaVersion": SCHEMA_VERSION, "objects": all, "open": open, "drift": rows});
    ringfence_report::write_json(&document, out)
}
