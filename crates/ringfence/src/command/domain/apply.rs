//! `ringfence domain apply` and `delete`: the SecurityDomain itself, and nothing else. What it means is written by the
//! controller.

use std::io;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use clap::ValueEnum;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use ringfence_domain::SecurityDomain;
use ringfence_domain::spec::DeletionPolicy;
use ringfence_finding::ExitCode;
use ringfence_report::counted;
use serde_json::json;

use super::files::Files;
use super::remote::Remote;
use super::say_whole;
use super::status::is_ready;
use crate::command::scan::cluster::ClusterArgs;
use crate::exit::Unreachable;
use crate::exit::Usage;
use crate::output;

/// Field manager of what people apply here.
const MANAGER: &str = "ringfence-cli";
/// Between two looks while waiting.
const PAUSE: Duration = Duration::from_millis(500);

/// Apply SecurityDomains, after the checks of the API server were made here.
///
/// Only the SecurityDomain is written. The controller writes what it means; without one nothing else happens.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence domain apply -f ml.yaml
  ringfence domain apply -f ml.yaml --wait

Exit codes: 0 applied (with --wait: and Ready), 1 not Ready in time, 2 a file is wrong or the API server refuses it, 3 no \
cluster, or no right in it.")]
pub(crate) struct Apply {
    #[command(flatten)]
    files: Files,
    /// Wait until the controller says Ready, at most --timeout seconds.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Apply {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let domains = self.files.read()?;
        let remote = Remote::connect(&self.cluster, "")?;
        let api: Api<SecurityDomain> = Api::all(remote.client.clone());
        let mut code = ExitCode::Clean;
        for domain in domains {
            let name = domain.name_any();
            let before = remote.wait(known(&api, &name)).map_err(|error| remote.no_kind(&error))?;
            let mut body = serde_json::to_value(&domain)?;
            body["metadata"] = json!({
                "name": name,
                "labels": domain.metadata.labels,
                "annotations": domain.metadata.annotations,
            });
            if let Some(body) = body.as_object_mut() {
                body.remove("status");
            }
            let params = PatchParams::apply(MANAGER).force();
            let after = remote
                .wait(api.patch(&name, &params, &Patch::Apply(&body)))
                .map_err(|error| refused(&remote, &name, error))?;
            let word = match before {
                None => "created",
                Some(before) if before.metadata.generation == after.metadata.generation => "unchanged",
                Some(_) => "configured",
            };
            output::to_stdout(|out| say_whole(out, &format!("securitydomain {name} {word}")))?;
            if self.wait && !self.is_ready_in_time(&remote, &api, &after)? {
                code = ExitCode::Findings;
            }
        }
        Ok(code)
    }

    fn is_ready_in_time(
        &self,
        remote: &Remote,
        api: &Api<SecurityDomain>,
        applied: &SecurityDomain,
    ) -> anyhow::Result<bool> {
        let name = applied.name_any();
        let end = Instant::now() + self.cluster.patience();
        loop {
            let now = remote.wait(api.get(&name)).map_err(|error| remote.failed(&error))?;
            let seen = now.status.as_ref().map_or(0, |it| it.observed_generation);
            if is_ready(&now) && Some(seen) >= applied.metadata.generation {
                output::to_stdout(|out| say_whole(out, &format!("securitydomain {name} is ready")))?;
                return Ok(true);
            }
            if Instant::now() > end {
                output::to_stdout(|out| {
                    say_whole(
                        out,
                        &format!("securitydomain {name} is not ready; see: ringfence domain status {name}"),
                    )
                })?;
                return Ok(false);
            }
            remote.pause(PAUSE);
        }
    }
}

/// A domain, if there is one. A cluster without the definition answers as if there were none: it is asked for the kind.
async fn known(api: &Api<SecurityDomain>, name: &str) -> Result<Option<SecurityDomain>, kube::Error> {
    let found = api.get_opt(name).await?;
    if found.is_none() {
        api.list(&ListParams::default().limit(1)).await?;
    }
    Ok(found)
}

/// What the API server says to a write: it refuses what is wrong with the file, and has troubles of its own.
fn refused(remote: &Remote, name: &str, error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 409 | 422) => {
            Usage(format!("SecurityDomain {name}: {}", status.message)).into()
        }
        kube::Error::Api(status) => Unreachable(format!("SecurityDomain {name}: {}", status.message)).into(),
        other => remote.failed(&other),
    }
}

/// Delete a SecurityDomain: show what stays and what goes, then delete it.
///
/// Workloads run on in any case; namespaces are never deleted. Policy Orphan leaves NetworkPolicies, quotas and bindings in
/// force, no longer kept; Delete removes them, the NetworkPolicies last. Labels of namespaces, taint and label of nodes are
/// taken back in both.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence domain delete ml                    only shows
  ringfence domain delete ml --yes
  ringfence domain delete ml --policy Delete --yes --wait

Exit codes: 0 deleted, or only shown, 2 no such domain, 3 no cluster, or with --wait: still there in time.")]
pub(crate) struct Delete {
    /// Name of the domain.
    name: String,
    /// What becomes of the objects it wrote, in place of spec.namespaces.deletionPolicy.
    #[arg(long, value_enum, value_name = "POLICY")]
    policy: Option<PolicyArg>,
    /// Delete it; without this nothing is changed.
    #[arg(long)]
    yes: bool,
    /// Wait until it is gone, at most --timeout seconds.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A deletion policy on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum PolicyArg {
    /// They stay.
    Orphan,
    /// They go.
    Delete,
}

impl Delete {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let remote = Remote::connect(&self.cluster, "")?;
        let api: Api<SecurityDomain> = Api::all(remote.client.clone());
        let domain = remote
            .wait(known(&api, &self.name))
            .map_err(|error| remote.no_kind(&error))?
            .ok_or_else(|| Usage(format!("no SecurityDomain {} in this cluster", self.name)))?;
        let policy = match self.policy {
            None => domain.spec.namespaces.deletion_policy,
            Some(PolicyArg::Orphan) => DeletionPolicy::Orphan,
            Some(PolicyArg::Delete) => DeletionPolicy::Delete,
        };
        output::to_stdout(|out| show(&domain, policy, out))?;
        if !self.yes {
            output::to_stdout(|out| {
                say_whole(out, "")?;
                say_whole(out, "Nothing was changed. To delete it: the same command with --yes")
            })?;
            return Ok(ExitCode::Clean);
        }
        let failed = |error: kube::Error| remote.failed(&error);
        if policy != domain.spec.namespaces.deletion_policy {
            let patch = json!({"spec": {"namespaces": {"deletionPolicy": policy}}});
            let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
            remote.wait(api.patch(&self.name, &params, &Patch::Merge(patch))).map_err(failed)?;
        }
        remote.wait(api.delete(&self.name, &DeleteParams::default())).map_err(failed)?;
        let end = Instant::now() + self.cluster.patience();
        while self.wait && remote.wait(api.get_opt(&self.name)).map_err(failed)?.is_some() {
            if Instant::now() > end {
                let words =
                    "is still there: does the controller run? It holds the finalizer ringfence.dev/domain";
                output::to_stdout(|out| say_whole(out, &format!("securitydomain {} {words}", self.name)))?;
                return Ok(ExitCode::Incomplete);
            }
            remote.pause(PAUSE);
        }
        output::to_stdout(|out| say_whole(out, &format!("securitydomain {} deleted", self.name)))?;
        Ok(ExitCode::Clean)
    }
}

fn show(domain: &SecurityDomain, policy: DeletionPolicy, out: &mut dyn Write) -> io::Result<()> {
    let status = domain.status.clone().unwrap_or_default();
    let labelled = usize::try_from(status.nodes.labelled).unwrap_or(usize::MAX);
    say_whole(out, &format!("SecurityDomain {}, policy {policy:?}", domain.name_any()))?;
    say_whole(out, "  workloads and namespaces     stay")?;
    say_whole(out, "  labels of namespaces         go")?;
    say_whole(out, &format!("  label and taint of nodes     go ({})", counted(labelled, "node")))?;
    let word = if policy == DeletionPolicy::Delete { "go" } else { "stay in force, nobody keeps them" };
    for entry in &status.inventory {
        for namespace in &entry.namespaces {
            for object in entry.objects.iter().filter(|it| *it != "Namespace") {
                let what = format!("{namespace}/{object}");
                say_whole(out, &format!("  {what:<44} {word}"))?;
            }
        }
    }
    Ok(())
}
