//! `ringfence domain init`: ten lines to begin with, from what is found.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;

use clap::Args;
use clap::ValueEnum;
use ringfence_domain::ClusterFacts;
use ringfence_domain::NodeFact;
use ringfence_finding::ExitCode;

use super::remote::MaybeCluster;
use crate::exit::Usage;
use crate::output;

/// Print a commented SecurityDomain in mode Observe, from what is found in the cluster.
///
/// Nothing is sent but questions. GPU nodes are found by what they offer; the label that selects them is one that all of
/// them have and no other node has.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence domain init ml -n ml-training -n ml-serving > ml.yaml
  ringfence domain init ml -n ml-training --tier Restricted --offline

Exit codes: 0 printed, 2 usage, 3 the cluster could not be asked.")]
pub(crate) struct Init {
    /// Name of the domain.
    name: String,
    /// Namespace of the team; repeat it for several.
    #[arg(short, long = "namespace", value_name = "NAME", required = true)]
    namespaces: Vec<String>,
    /// Strictness of the defaults.
    #[arg(long, value_enum, default_value_t)]
    tier: TierArg,
    #[command(flatten)]
    cluster: MaybeCluster,
}

/// A tier on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum TierArg {
    /// Known escalations are closed; egress is declared.
    #[default]
    Baseline,
    /// What may be mounted is listed, jobs end.
    Restricted,
    /// Nothing reaches the internet.
    Sealed,
}

/// Whether a text is a name that is also a label of DNS (RFC 1123), of at most so many characters.
pub(crate) fn is_label(text: &str, most: usize) -> bool {
    let inner = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    !text.is_empty()
        && text.len() <= most
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl Init {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        if !is_label(&self.name, 50) {
            let words = "a domain's name is also a label: at most 50 of a-z, 0-9 and -, no - at the ends";
            return Err(Usage(format!("`{}`: {words}", self.name)).into());
        }
        if let Some(wrong) = self.namespaces.iter().find(|it| !is_label(it, 63)) {
            return Err(Usage(format!("`{wrong}` is no name of a namespace")).into());
        }
        let facts = self.cluster.read()?.map(|it| it.facts);
        output::to_stdout(|out| self.print(facts.as_ref(), out))?;
        Ok(ExitCode::Clean)
    }

    fn print(&self, facts: Option<&ClusterFacts>, out: &mut dyn Write) -> io::Result<()> {
        let found = facts.and_then(|it| it.namespaces.as_ref());
        let is_there = |name: &str| found.is_none_or(|all| all.iter().any(|it| it.name == name));
        writeln!(
            out,
            "apiVersion: ringfence.dev/v1alpha1\nkind: SecurityDomain\nmetadata:\n  name: {}",
            self.name
        )?;
        writeln!(out, "spec:\n  tier: {:?}  # Baseline, Restricted or Sealed", self.tier)?;
        writeln!(out, "  namespaces:\n    names:")?;
        for name in &self.namespaces {
            let note =
                if is_there(name) { "" } else { "  # does not exist yet: create it, or set create: true" };
            writeln!(out, "    - {}{note}", quoted(name))?;
        }
        writeln!(out, "  enforcement:\n    mode: Observe  # nothing is refused; then Warn, then Enforce")?;
        nodes(facts, out)?;
        out.write_all(REST.as_bytes())
    }
}

fn nodes(facts: Option<&ClusterFacts>, out: &mut dyn Write) -> io::Result<()> {
    let Some(nodes) = facts.and_then(|it| it.nodes.as_ref()) else { return out.write_all(NODES.as_bytes()) };
    let (gpu, other): (Vec<_>, Vec<_>) = nodes.iter().partition(|it| !it.accelerators.is_empty());
    if gpu.is_empty() {
        return writeln!(out, "  # nodes: no node offers an accelerator");
    }
    let labels = |nodes: &[&NodeFact]| nodes.iter().map(|it| it.labels.clone()).collect::<Vec<_>>();
    writeln!(out, "  nodes:  # {} of {} nodes offer accelerators", gpu.len(), nodes.len())?;
    writeln!(out, "    selector:")?;
    if let Some((key, value)) = selecting(&labels(&gpu), &labels(&other)) {
        return writeln!(out, "      matchLabels: {{{}: {}}}", quoted(&key), quoted(&value));
    }
    // The label of a node is not its name on every cloud.
    let name = |it: &&NodeFact| it.labels.get("kubernetes.io/hostname").unwrap_or(&it.name).clone();
    let names: Vec<_> = gpu.iter().map(|it| quoted(&name(it))).collect();
    writeln!(out, "      matchExpressions:  # no label tells them from the others")?;
    writeln!(out, "      - {{key: kubernetes.io/hostname, operator: In, values: [{}]}}", names.join(", "))
}

/// Where no cluster was asked.
const NODES: &str = "  # nodes:  # GPU nodes of this team: labelled, tainted, closed to others
  #   selector:
  #     matchLabels: {nvidia.com/gpu.present: \"true\"}
";

/// A label that all of the first have with one value and none of the others, the best known first.
fn selecting(
    gpu: &[BTreeMap<String, String>],
    other: &[BTreeMap<String, String>],
) -> Option<(String, String)> {
    let first = gpu.first()?;
    let tells = |(key, value): &(&String, &String)| {
        gpu.iter().all(|it| it.get(*key) == Some(*value))
            && other.iter().all(|it| it.get(*key) != Some(*value))
    };
    let mut labels: Vec<_> =
        first.iter().filter(tells).filter(|(key, _)| *key != "kubernetes.io/hostname").collect();
    // Of one node every label tells; what names its GPUs lasts longest.
    labels.sort_by_key(|(key, _)| {
        (!key.starts_with("nvidia.com/gpu.present"), !key.contains("gpu"), (*key).clone())
    });
    labels.first().map(|(key, value)| ((*key).clone(), (*value).clone()))
}

/// A word of a flow mapping.
fn quoted(text: &str) -> String {
    let value = serde_json::Value::from(text);
    ringfence_domain::yaml(&value).trim_end().to_owned()
}

/// What is worth setting next. Everything here is a comment: the defaults hold.
const REST: &str = "  # network:  # everything that is not declared is closed
  #   registry: {namespace: model-registry}
  #   egress:
  #   - name: objects
  #     purpose: Data
  #     to: {cidr: 192.0.2.0/24}  # or namespace, service, apiServer: true
  #     ports: [{port: 443}]
  # access:
  #   roles:
  #   - preset: ml-engineer  # or ml-viewer, ml-operator, ml-notebook
  #     subjects: [{kind: Group, name: ml-team}]
  # quota: {gpu: 8, pods: 50}  # per namespace
  # limits:
  #   default: {cpu: \"4\", memory: 16Gi}
  #   maxGPUsPerPod: 8
  # jobs: {activeDeadlineSeconds: 86400}
";
