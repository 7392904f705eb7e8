//! Room `model`, tests: hostile and ordinary files, made by code, and CPython as the judge of what they do.

mod archives;
mod arrays;
mod benign;
pub(crate) mod build;
mod containers;
mod differential;
mod getattr;
mod hostile;
mod keys;
mod lent;
mod libraries;
mod loaders;
mod makers;
mod memory;
mod ordinary;
pub(crate) mod python;
pub(crate) mod random;
mod states;
pub(crate) mod values;

use std::sync::Arc;

use ringfence_artifact::Slice;
use ringfence_artifact::Source;
use ringfence_finding::ModelFile;

use crate::Limits;
use crate::Policy;

/// What the built-in policy says to these bytes.
pub(crate) fn judge(bytes: &[u8]) -> ModelFile {
    judge_within(bytes, &Limits::default())
}

pub(crate) fn judge_within(bytes: &[u8], limits: &Limits) -> ModelFile {
    let source: Arc<dyn Source> = Arc::new(Slice::new(bytes));
    crate::judge("x", &source, Policy::embedded(), limits)
}
