//! `ringfence domain status`: each promise of a domain, ticked or not, with its evidence.

use std::collections::BTreeSet;
use std::io;
use std::io::Write;

use clap::Args;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::api::ListParams;
use kube::api::PostParams;
use kube::core::ApiResource;
use kube::core::GroupVersionKind;
use ringfence_domain::SecurityDomain;
use ringfence_domain::spec::Condition;
use ringfence_domain::spec::Mode;
use ringfence_finding::ExitCode;
use serde_json::json;

use super::SCHEMA_VERSION;
use super::remote::Remote;
use super::say;
use crate::cli::ScreenFormat;
use crate::command::scan::cluster::ClusterArgs;
use crate::exit::Usage;
use crate::output;

/// Print what each SecurityDomain promises, whether it holds, and the evidence.
///
/// The controller writes what is printed here; --probe asks the API server itself: a pod that skips the scheduler is tried
/// by dry-run in each namespace of a domain in Enforce, and must be refused. Nothing is created.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence domain status
  ringfence domain status ml --probe

Exit codes: 0 all Ready, 1 one is not, 2 no such domain, 3 no controller has looked at one, 4 a pod that must be \
refused was accepted.")]
pub(crate) struct Status {
    /// Name of a domain; all of them by default.
    name: Option<String>,
    /// Try a pod that must be refused, by dry-run. Needs the right to create pods there.
    #[arg(long)]
    probe: bool,
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: ScreenFormat,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What the API server said to a pod that must be refused.
#[derive(Clone, Debug)]
struct Probe {
    namespace: String,
    held: Option<bool>,
    words: String,
}

impl Status {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let remote = Remote::connect(&self.cluster, "")?;
        let api: Api<SecurityDomain> = Api::all(remote.client.clone());
        let list = remote.wait(api.list(&ListParams::default()));
        let mut domains = list.map_err(|error| remote.no_kind(&error))?.items;
        if let Some(name) = &self.name {
            domains.retain(|it| it.name_any() == *name);
            if domains.is_empty() {
                return Err(Usage(format!("no SecurityDomain {name} in this cluster")).into());
            }
        }
        let probes: Vec<Vec<Probe>> = domains
            .iter()
            .map(|domain| if self.probe { probes(&remote, domain) } else { Vec::new() })
            .collect();
        output::to_stdout(|out| match self.format {
            ScreenFormat::Text if domains.is_empty() => say(
                out,
                "No SecurityDomain in this cluster. To begin: ringfence domain init NAME -n NAMESPACE",
            ),
            ScreenFormat::Text => {
                domains.iter().zip(&probes).try_for_each(|(it, probes)| text(it, probes, out))
            }
            ScreenFormat::Json => write_json(&domains, &probes, out),
        })?;
        Ok(exit(&domains, &probes))
    }
}

fn exit(domains: &[SecurityDomain], probes: &[Vec<Probe>]) -> ExitCode {
    let probes = || probes.iter().flatten();
    if probes().any(|it| it.held == Some(false)) {
        ExitCode::VerificationFailed
    } else if domains.iter().any(|it| it.status.is_some() && !is_ready(it)) {
        ExitCode::Findings
    } else if domains.is_empty()
        || domains.iter().any(|it| it.status.is_none())
        || probes().any(|it| it.held.is_none())
    {
        ExitCode::Incomplete
    } else {
        ExitCode::Clean
    }
}

/// Whether the controller says Ready of the present spec.
pub(crate) fn is_ready(domain: &SecurityDomain) -> bool {
    let Some(status) = &domain.status else { return false };
    let ready = status.conditions.iter().find(|it| it.kind == "Ready");
    Some(status.observed_generation) == domain.metadata.generation
        && ready.is_some_and(|it| it.status == "True")
}

fn text(domain: &SecurityDomain, probes: &[Probe], out: &mut dyn Write) -> io::Result<()> {
    let name = domain.name_any();
    let Some(status) = &domain.status else {
        return say(
            out,
            &format!(
                "SecurityDomain {name}: no controller has looked at it. Is one running? (ringfence serve controller)"
            ),
        );
    };
    let modes = &status.effective_modes;
    say(out, &format!("SecurityDomain {name}  tier {:?}  mode {:?}", domain.spec.tier, modes.mode))?;
    if Some(status.observed_generation) != domain.metadata.generation {
        say(
            out,
            "  the controller has not looked at the present spec yet; what follows is about an older one",
        )?;
    }
    if let Some(held) = &modes.held {
        say(out, &format!("  wanted mode {:?} waits: {held}", domain.spec.enforcement.mode))?;
    }
    for condition in &status.conditions {
        say(out, &format!("  {} {:<20} {}", mark(condition), condition.kind, condition.message))?;
    }
    let nodes = status.nodes;
    if nodes.selected > 0 {
        let (selected, labelled, tainted) = (nodes.selected, nodes.labelled, nodes.tainted);
        say(out, &format!("    nodes: {tainted}/{selected} tainted, {labelled}/{selected} labelled"))?;
    }
    if let Some(simulation) = &status.simulation {
        say(
            out,
            &format!(
                "    simulation of {}: {} would be refused ({})",
                simulation.at, simulation.would_deny, simulation.hash
            ),
        )?;
    }
    for probe in probes {
        let mark = match probe.held {
            Some(true) => "[ok]",
            Some(false) => "[!!]",
            None => "[??]",
        };
        say(out, &format!("  {mark} probe in {}: {}", probe.namespace, probe.words))?;
    }
    say(out, "")
}

/// A condition in four characters. Two of them are good when they are false.
fn mark(condition: &Condition) -> &'static str {
    let bad_when_true = ["Conflict", "DriftContested"].contains(&condition.kind.as_str());
    match (condition.status.as_str(), bad_when_true) {
        ("True", false) | ("False", true) => "[ok]",
        ("False", false) | ("True", true) => "[!!]",
        _ => "[??]",
    }
}

/// By `docs/schema/domain-status.v1.schema.json`.
fn write_json(domains: &[SecurityDomain], probes: &[Vec<Probe>], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = domains
        .iter()
        .zip(probes)
        .map(|(domain, probes)| {
            let probes: Vec<_> = probes
                .iter()
                .map(|it| json!({"namespace": it.namespace, "refused": it.held, "message": it.words}))
                .collect();
            json!({
                "name": domain.name_any(), "ready": is_ready(domain), "tier": domain.spec.tier,
                "generation": domain.metadata.generation, "status": domain.status, "probes": probes,
            })
        })
        .collect();
    let document = json!({"schemaVersion": SCHEMA_VERSION, "domains": rows});
    ringfence_report::write_json(&document, out)
}

/// A pod that names a node, in each namespace of a domain in Enforce.
fn probes(remote: &Remote, domain: &SecurityDomain) -> Vec<Probe> {
    let Some(status) = domain.status.as_ref().filter(|it| it.effective_modes.mode == Mode::Enforce) else {
        return Vec::new();
    };
    let namespaces: BTreeSet<&String> = status.inventory.iter().flat_map(|it| &it.namespaces).collect();
    namespaces.into_iter().map(|namespace| probe(remote, namespace.clone())).collect()
}

fn probe(remote: &Remote, namespace: String) -> Probe {
    /// Control that must refuse it.
    const CONTROL: &str = "RF-GPU-024";

    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Pod"), "pods");
    let api: Api<DynamicObject> = Api::namespaced_with(remote.client.clone(), &namespace, &resource);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "ringfence-probe-"},
        "spec": {
            "nodeName": "ringfence-probe",
            "automountServiceAccountToken": false,
            // Pod Security is asked first: the pod holds its strictest level, so that our rule is what refuses it.
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe",
                "image": "ringfence.invalid/probe",
                "resources": {"limits": {"cpu": "1m", "memory": "1Mi"}},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    });
    let Ok(pod) = serde_json::from_value(pod) else {
        return Probe { namespace, held: None, words: "the pod could not be made".into() };
    };
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let (held, words) = match remote.wait(api.create(&params, &pod)) {
        Ok(_) => {
            (Some(false), format!("a pod that skips the scheduler was ACCEPTED; {CONTROL} does not hold"))
        }
        Err(kube::Error::Api(status)) if status.message.contains(CONTROL) => {
            (Some(true), format!("a pod that skips the scheduler is refused ({CONTROL})"))
        }
        Err(kube::Error::Api(status)) => (None, format!("refused for another reason: {}", status.message)),
        Err(error) => (None, remote.failed(&error).to_string()),
    };
    Probe { namespace, held, words }
}
