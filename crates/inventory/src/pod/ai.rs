//! Is it an AI workload, how sure is that, and what does it do? Every answer carries its reasons.

use super::model::ModelRef;
use super::view::Pod;

/// How sure it is that a workload is AI. Order is the meaning; controls judge from [`Scope::Medium`] on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Nothing speaks for it.
    #[default]
    No,
    /// Only words in names or labels; listed, not judged.
    Low,
    /// Image name, model reference, hub variables.
    Medium,
    /// A known server or trainer, an nvidia runtime, an unresolved claim.
    High,
    /// An accelerator request, or a kind made for AI.
    Certain,
}

/// What a workload does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadClass {
    /// Device plugins, drivers, exporters: legitimately privileged.
    AcceleratorInfra,
    /// Agents, sandboxes, tool servers.
    Agent,
    /// Notebooks and IDEs.
    Notebook,
    /// Everything else.
    #[default]
    Other,
    /// Pipeline steps.
    Pipeline,
    /// Model registries.
    Registry,
    /// Inference servers.
    Serving,
    /// Training.
    Training,
    /// Vector and embedding stores.
    VectorStore,
}

/// What makes a pod AI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AiFacts {
    /// How sure.
    pub scope: Scope,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// What it does.
    pub class: WorkloadClass,
    /// Models it loads.
    pub models: Vec<ModelRef>,
}

/// Facts of a pod.
pub(crate) fn facts(pod: Pod<'_>) -> AiFacts {
    let mut facts = AiFacts { models: super::model::models(pod), ..AiFacts::default() };
    if pod.needs_accelerator() {
        facts.scope = Scope::Certain;
        facts.reasons.push("asks for an accelerator".to_owned());
    }
    facts
}
