//! `ringfence domain simulate`: whom Enforce would hurt, before it does.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use kube::ResourceExt as _;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Denied;
use ringfence_domain::Problem;
use ringfence_domain::Reason;
use ringfence_domain::SecurityDomain;
use ringfence_domain::resolve;
use ringfence_finding::ExitCode;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Source;
use ringfence_inventory::collect;
use ringfence_operator::Simulated;
use ringfence_operator::simulate;
use ringfence_operator::simulate_manifests;
use serde_json::json;

use super::SCHEMA_VERSION;
use super::files::Files;
use super::plan::laid_over;
use super::remote::Known;
use super::say;
use super::say_whole;
use crate::cli::ScreenFormat;
use crate::command::scan::cluster::ClusterArgs;
use crate::exit::Usage;
use crate::output;

/// Say whom a domain in Enforce would hurt: which pods and templates would be refused at their next start, why, and what to
/// change.
///
/// Every workload of the cluster is judged by the rules of the domain, after what admission would fill in; the API server
/// itself is asked about Pod Security and about each write, by dry-run; and what pods take is held against the quota. Nothing
/// is changed, and nothing needs to be installed. The controller opens Enforce by the same simulation.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence domain simulate -f ml.yaml                    one not applied yet
  ringfence domain simulate ml                            one that is
  ringfence domain simulate -f ml.yaml --manifests k8s/   of no cluster yet

Exit codes: 0 nothing would be refused, 1 something would, 2 a file is wrong or there is no such domain, 3 something could \
not be looked at, or no workload is among the manifests.")]
pub(crate) struct Simulate {
    /// Name of a domain of the cluster; all of them by default.
    #[arg(conflicts_with_all = ["files", "manifests"])]
    name: Option<String>,
    /// File with SecurityDomains, `-` for standard input; repeat it for several.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Judge these manifests, a file or a folder, in place of what a cluster holds; no cluster is asked.
    #[arg(long, value_name = "PATH", requires = "files")]
    manifests: Vec<PathBuf>,
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: ScreenFormat,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A domain and what became of it.
struct Row<'a> {
    name: &'a str,
    /// Why it was not simulated.
    problems: Vec<Problem>,
    found: Option<&'a Simulated>,
}

impl Simulate {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let files = if self.files.is_empty() { Vec::new() } else { Files::of(self.files.clone()).read()? };
        let (domains, names, found) = if self.manifests.is_empty() {
            self.in_cluster(files)?
        } else {
            let names: BTreeSet<_> = files.iter().map(SecurityDomain::name_any).collect();
            let found = simulate_manifests(&self.inventory()?, &ClusterFacts::default(), &files, &names);
            (files, names, found)
        };
        let rows: Vec<_> = domains
            .iter()
            .filter(|it| it.metadata.name.as_ref().is_some_and(|name| names.contains(name)))
            .map(|domain| {
                let name = domain.metadata.name.as_deref().unwrap_or_default();
                let problems = resolve(&domain.spec).err().unwrap_or_default();
                Row { name, problems, found: found.get(name) }
            })
            .collect();
        output::to_stdout(|out| match self.format {
            ScreenFormat::Text if rows.is_empty() => say(
                out,
                "No SecurityDomain in this cluster. To begin: ringfence domain init NAME -n NAMESPACE",
            ),
            ScreenFormat::Text => rows.iter().try_for_each(|row| text(row, &self.manifests, out)),
            ScreenFormat::Json => write_json(&rows, self.manifests.is_empty(), out),
        })?;
        Ok(exit(&rows, self.manifests.is_empty()))
    }

    /// All domains, the names of those that were asked for, and what was found.
    #[expect(clippy::type_complexity, reason = "three things that only the caller puts together")]
    fn in_cluster(
        &self,
        files: Vec<SecurityDomain>,
    ) -> anyhow::Result<(Vec<SecurityDomain>, BTreeSet<String>, BTreeMap<String, Simulated>)> {
        let known = Known::read(&self.cluster, ", or judge files: -f FILE --manifests PATH")?;
        let named: BTreeSet<_> = if files.is_empty() { &known.domains } else { &files }
            .iter()
            .map(SecurityDomain::name_any)
            .filter(|name| self.name.as_ref().is_none_or(|wanted| wanted == name))
            .collect();
        if let Some(name) = self.name.as_ref().filter(|_| named.is_empty()) {
            return Err(Usage(format!("no SecurityDomain {name} in this cluster")).into());
        }
        let is_asked = !files.is_empty() || self.name.is_some();
        let domains = laid_over(files, known.domains.clone());
        let goes = |it: &&SecurityDomain| it.metadata.deletion_timestamp.is_some();
        let going: BTreeSet<_> = domains.iter().filter(goes).map(SecurityDomain::name_any).collect();
        if let Some(name) = going.intersection(&named).next().filter(|_| is_asked) {
            return Err(Usage(format!("SecurityDomain {name} is being deleted")).into());
        }
        let named = &named - &going;
        let found = known.remote.wait(simulate(&known.remote.client, &known.facts, &domains, &named));
        Ok((domains, named, found))
    }

    fn inventory(&self) -> anyhow::Result<Inventory> {
        let sources: Vec<_> = self.manifests.iter().cloned().map(Source::Path).collect();
        let options = Options { partial: true, ..Options::default() };
        let input = collect(&sources, &options).map_err(|error| Usage(error.to_string()))?;
        Ok(Inventory::read(input, &options))
    }
}

/// `manifests` were judged in place of a cluster: only of a cluster is the hash the one that the controller will ask for.
fn text(row: &Row<'_>, manifests: &[PathBuf], out: &mut dyn Write) -> io::Result<()> {
    let Row { name, problems, found } = row;
    let Some(found) = found else {
        say(out, &format!("SecurityDomain {name}: not simulated, its spec cannot hold"))?;
        return problems.iter().try_for_each(|it| say(out, &format!("  {it}")));
    };
    let simulation = &found.simulation;
    let judged = match simulation.judged {
        0 => "it has no workload".to_owned(),
        1 => "1 workload judged".to_owned(),
        count => format!("{count} workloads judged"),
    };
    let words = match (simulation.would_deny, simulation.judged) {
        (0, 0) if !manifests.is_empty() => {
            let places: Vec<_> = manifests.iter().map(|it| it.display().to_string()).collect();
            format!("nothing was judged: no workload of its namespaces in {}", places.join(", "))
        }
        (0, _) => format!("Enforce would refuse nothing ({judged})"),
        (1, _) => format!("Enforce would refuse 1 pod or template ({judged})"),
        (count, _) => format!("Enforce would refuse {count} pods and templates ({judged})"),
    };
    say(out, &format!("SecurityDomain {name}: {words}"))?;
    simulation.denied.iter().try_for_each(|it| denied(it, out))?;
    for violation in &simulation.violations {
        say(out, &format!("  {violation}"))?;
    }
    for shortage in &simulation.shortages {
        say(out, &format!("  {shortage}"))?;
    }
    for missing in &found.missing {
        say(out, &format!("  not seen: {missing}"))?;
    }
    for note in &found.notes {
        say(out, &format!("  open: {note}"))?;
    }
    for (kind, count) in &found.unwritten {
        say(out, &format!("  {count} {kind}: pods are built by an operator, only running ones were judged"))?;
    }
    if simulation.would_deny > 0 && manifests.is_empty() {
        let hash = &found.hash;
        say(out, "  Repair them, or accept what would be refused for exactly this spec:")?;
        say_whole(out, &format!("    spec.enforcement.acknowledged: {hash}"))?;
    }
    say(out, "")
}

fn denied(denied: &Denied, out: &mut dyn Write) -> io::Result<()> {
    let Denied { namespace, owner, pods, reasons } = denied;
    let behind = match pods {
        0 => "the template".to_owned(),
        1 => "1 pod".to_owned(),
        count => format!("{count} pods"),
    };
    say(out, &format!("  {namespace}/{owner}  {behind}"))?;
    reasons.iter().try_for_each(|it| say(out, &format!("    {}", it.message)))
}

/// By `docs/schema/domain-simulate.v1.schema.json`. `is_of_cluster`: only there somebody asks for the hash.
fn write_json(rows: &[Row<'_>], is_of_cluster: bool, out: &mut dyn Write) -> io::Result<()> {
    let domains: Vec<_> = rows
        .iter()
        .map(|row| {
            let mut value = json!({"name": row.name, "invalid": row.problems});
            if let Some(found) = row.found {
                if is_of_cluster {
                    value["hash"] = json!(found.hash);
                }
                value["missing"] = json!(found.missing);
                value["notes"] = json!(found.notes);
                value["builtByOperators"] = json!(found.unwritten);
                let mut simulation = found.simulation.clone();
                simulation.denied.iter_mut().flat_map(|it| &mut it.reasons).for_each(without_control);
                value["simulation"] = json!(simulation);
            }
            value
        })
        .collect();
    let document = json!({"schemaVersion": SCHEMA_VERSION, "domains": domains});
    ringfence_report::write_json(&document, out)
}

/// What the API server says begins with the control, which stands beside it here.
fn without_control(reason: &mut Reason) {
    if let Some(rest) = reason.message.strip_prefix(&format!("{} ", reason.control)) {
        reason.message = rest.to_owned().into();
    }
}

/// `is_of_cluster`: a cluster without workloads was looked at; manifests without any were not there.
fn exit(rows: &[Row<'_>], is_of_cluster: bool) -> ExitCode {
    let found = || rows.iter().filter_map(|it| it.found);
    let is_blind = |it: &Simulated| !it.missing.is_empty() || it.simulation.judged == 0 && !is_of_cluster;
    if rows.iter().any(|it| it.found.is_none()) || found().any(|it| it.simulation.would_deny > 0) {
        ExitCode::Findings
    } else if rows.is_empty() || found().any(is_blind) {
        ExitCode::Incomplete
    } else {
        ExitCode::Clean
    }
}
