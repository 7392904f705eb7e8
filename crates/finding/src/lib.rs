//! Room `finding`: the vocabulary every other room speaks. No IO, no clock, no Kubernetes client.
//!
//! `Inventory -> Control::check -> Finding -> report`: this crate owns the words between the arrows.
//!
//! The types say what a user may build on (contracts: exit codes, findings, coverage). They hold no value of a
//! secret: whoever builds an [`Evidence`] or a [`Snippet`] hands in text that is already masked.
#![forbid(unsafe_code)]

mod assessment;
mod checkup;
mod config;
mod control;
mod coverage;
mod exit;
mod finding;
mod fingerprint;
mod inspection;
mod location;
mod model;
mod resource;
mod scan;
mod verification;
mod visible;

pub use assessment::Assessment;
pub use assessment::Door;
pub use assessment::Exposure;
pub use assessment::FamilyScore;
pub use assessment::PricedGpus;
pub use checkup::Check;
pub use checkup::CheckGroup;
pub use checkup::Checkup;
pub use checkup::Mark;
pub use config::ConfigFile;
pub use control::Confidence;
pub use control::ControlId;
pub use control::ControlInfo;
pub use control::Family;
pub use control::Fix;
pub use control::FixClass;
pub use control::ParseControlIdError;
pub use control::ParseSeverityError;
pub use control::Reference;
pub use control::Severity;
pub use coverage::Blind;
pub use coverage::Coverage;
pub use coverage::Cure;
pub use coverage::Documents;
pub use coverage::Files;
pub use coverage::FoundBy;
pub use coverage::KindCount;
pub use coverage::Lists;
pub use coverage::Reason;
pub use exit::ExitCode;
pub use finding::Evidence;
pub use finding::Finding;
pub use finding::Outcome;
pub use finding::Weight;
pub use fingerprint::Fingerprint;
pub use inspection::ModelEntry;
pub use inspection::ModelInspection;
pub use inspection::ModelSpan;
pub use inspection::ModelStream;
pub use inspection::ModelTensor;
pub use inspection::SpanKind;
pub use inspection::TensorTotal;
pub use location::Location;
pub use location::Snippet;
pub use model::GapReason;
pub use model::ModelAddition;
pub use model::ModelFile;
pub use model::ModelFinding;
pub use model::ModelGap;
pub use model::ModelLookup;
pub use model::ModelOpcode;
pub use model::ModelPlace;
pub use model::ModelScan;
pub use model::PolicyId;
pub use model::Verdict;
pub use resource::ResourceRef;
pub use scan::Found;
pub use scan::GpuPool;
pub use scan::Scan;
pub use scan::Workload;
pub use verification::BY_CALLER;
pub use verification::FileStatus;
pub use verification::SignedBy;
pub use verification::Skipped;
pub use verification::TrustInForce;
pub use verification::Verification;
pub use verification::VerifiedFile;
pub use verification::VerifyOutcome;
pub use verification::VerifyReason;
pub use visible::is_unprintable;
