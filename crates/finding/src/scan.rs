//! The result of one scan: everything a format may print, nothing it has to compute.

use serde::Serialize;

use crate::Assessment;
use crate::ControlInfo;
use crate::Coverage;
use crate::ExitCode;
use crate::Finding;
use crate::ResourceRef;
use crate::Severity;

/// GPUs of one model on nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuPool {
    /// Model as the node label says; none without a label.
    pub model: Option<String>,
    /// GPUs.
    pub gpus: u64,
}

/// One workload that is AI, perhaps AI, or keeps the accelerators running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// The object somebody applied.
    pub resource: ResourceRef,
    /// How sure it is that this is AI: certain, high, medium, or low, which is not judged.
    pub scope: &'static str,
    /// What it does: serving, training, notebook, pipeline, agent, vector-store, registry, accelerator-infra, other.
    pub class: &'static str,
    /// Why, in words; the strongest first.
    pub reasons: Vec<String>,
    /// Accelerators of all its pods together.
    pub gpus: u64,
}

/// What was found, before any judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Workloads of AI confidence medium or more.
    pub ai_workloads: u32,
    /// Workloads that only their names make AI; not judged.
    pub ai_maybe: u32,
    /// Agents, sandboxes and tool servers among them.
    pub agents: u32,
    /// Nodes with an accelerator.
    pub gpu_nodes: u32,
    /// Their GPUs by model.
    pub gpus: Vec<GpuPool>,
    /// Distinct model references.
    pub models: u32,
    /// Distinct keys written where anyone can read them.
    pub keys: u32,
    /// Every workload behind these numbers, with the reasons for its scope, sorted by object.
    pub workloads: Vec<Workload>,
}

/// One scan.
#[derive(Clone, Debug)]
pub struct Scan {
    /// What the user pointed at, as typed.
    pub source: String,
    /// Flags that narrow the request, printed wherever results are.
    pub narrowed: Vec<String>,
    /// What was found.
    pub found: Found,
    /// What was looked at.
    pub coverage: Coverage,
    /// Verdict.
    pub assessment: Assessment,
    /// Fail, unknown and error, worst first.
    pub findings: Vec<Finding>,
    /// Controls that ran.
    pub controls: Vec<ControlInfo>,
    /// Threshold of exit code 1.
    pub fail_on: Severity,
    /// Exit code.
    pub exit: ExitCode,
    /// Wall time in seconds; the one part of a result that differs between two runs.
    pub seconds: f64,
}
