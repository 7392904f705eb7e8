//! Room `model`, inspection: a file -> what it holds: tensors, what it says of itself, what each byte is. The walk is that of
//! a scan, with a book that is kept on the way.
//!
//! Everything in the book is bounded: the largest tensors, the first entries and spans; the rest is counted.

mod book;
mod map;
mod objects;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use ringfence_artifact::OpenError;
use ringfence_artifact::OpenFile;
use ringfence_artifact::Source;
use ringfence_finding::GapReason;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelInspection;
use ringfence_finding::ModelPlace;
use ringfence_finding::ModelScan;
use ringfence_finding::ModelTensor;
use ringfence_finding::Verdict;

use crate::file;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::repository;
pub(crate) use book::Book;
pub(crate) use objects::objects;

/// What to list.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Most tensors, and most spans of each stream.
    pub limit: usize,
    /// Whether to say what each byte is.
    pub coverage: bool,
    /// Way to the member that is asked for, behind the name of the file: `archive/data.pkl`, `a.tar!/b.pt`.
    pub member: Option<String>,
}

/// Looks into the file `path`; the error is the system's.
pub fn inspect(
    path: &Path,
    policy: &Policy,
    limits: &Limits,
    wish: &Wish,
) -> Result<ModelInspection, OpenError> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let open = Arc::new(OpenFile::open(path, true)?);
    let source: Arc<dyn Source> = Arc::clone(&open) as Arc<dyn Source>;
    let mut inspection = look(&name, &source, policy, limits, wish);
    inspection.scan.source = path.display().to_string();
    if let (Err(error), Some(file)) = (open.verify(), inspection.scan.files.first_mut()) {
        let place = ModelPlace { path: name, offset: 0 };
        let message = format!("{error}: what was judged is not what is there; look again");
        file.gaps.push(ModelGap { reason: GapReason::Changed, place, bytes: None, message });
        file.verdict = file.verdict.max(Verdict::Incomplete);
    }
    Ok(inspection)
}

fn look(
    name: &str,
    source: &Arc<dyn Source>,
    policy: &Policy,
    limits: &Limits,
    wish: &Wish,
) -> ModelInspection {
    let mut book = Book::new(wish, name);
    let mut file = repository::alone(file::judged_with(name, source, policy, limits, Some(&mut book)));
    // The verdict is that of the whole file; what is listed is that of the member.
    file.lookups.retain(|lookup| book.lists(&lookup.place.path));
    let mut inspection = book.close(&file.gaps);
    let scan = ModelScan { is_file: true, files: vec![file], policy: policy.id(), ..ModelScan::default() };
    inspection.scan = scan;
    inspection
}

/// A tensor as formats tell it; the book knows where.
pub(crate) fn tensor(name: String, dtype: impl Into<String>, shape: Vec<u64>, bytes: u64) -> ModelTensor {
    ModelTensor { name, dtype: dtype.into(), shape, bytes, ..ModelTensor::default() }
}
