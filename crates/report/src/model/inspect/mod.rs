//! Room `report`, models: a [`ModelInspection`] enters, a screen or one JSON document leaves. Everything in it is foreign text:
//! masked here for both, and made inert by each.

mod coverage;
mod text;

use std::io;

use ringfence_finding::ExitCode;
use ringfence_finding::ModelEntry;
use ringfence_finding::ModelInspection;
use ringfence_finding::ModelStream;
use ringfence_finding::ModelTensor;
use ringfence_finding::PolicyId;
use ringfence_finding::TensorTotal;
use ringfence_finding::Verdict;
use serde::Serialize;

use super::File;
use super::mask;
use super::masked;
use crate::Style;
use crate::machine;

/// Major: a reader must change; minor: something was added.
const SCHEMA_VERSION: &str = "1.0";

/// Writes an inspection: for programs by `docs/schema/model-inspect.v1.schema.json`, or for people. `style` matters to
/// people alone, `exit` is what the command returns.
pub fn write_inspection(
    inspection: &ModelInspection,
    exit: ExitCode,
    is_json: bool,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let inspection = masked_inspection(inspection);
    if !is_json {
        return text::write(&inspection, exit, style, out);
    }
    let scan = &inspection.scan;
    let document = Document {
        schema_version: SCHEMA_VERSION,
        source: &scan.source,
        member: inspection.member.as_deref(),
        verdict: scan.verdict(),
        complete: scan.is_complete() && !inspection.is_cut,
        file: scan.files.first().map(File::new),
        tensor_count: inspection.tensor_count(),
        tensors: &inspection.tensors,
        tensors_cut: inspection.is_cut,
        totals: &inspection.totals,
        metadata: &inspection.metadata,
        more_metadata: inspection.more_metadata,
        streams: &inspection.streams,
        more_streams: inspection.more_streams,
        policy: &scan.policy,
        exit,
    };
    machine::write(&document, out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'i> {
    schema_version: &'static str,
    source: &'i str,
    member: Option<&'i str>,
    verdict: Verdict,
    complete: bool,
    file: Option<File<'i>>,
    tensor_count: u64,
    tensors: &'i [ModelTensor],
    tensors_cut: bool,
    totals: &'i [TensorTotal],
    metadata: &'i [ModelEntry],
    more_metadata: u64,
    streams: &'i [ModelStream],
    more_streams: u64,
    policy: &'i PolicyId,
    exit: ExitCode,
}

fn masked_inspection(inspection: &ModelInspection) -> ModelInspection {
    let mut inspection = inspection.clone();
    inspection.scan = masked(&inspection.scan);
    inspection.member.as_mut().map(mask);
    for tensor in &mut inspection.tensors {
        [&mut tensor.name, &mut tensor.dtype, &mut tensor.member].into_iter().for_each(mask);
        tensor.elsewhere.as_mut().map(mask);
    }
    inspection.totals.iter_mut().for_each(|total| mask(&mut total.dtype));
    for entry in &mut inspection.metadata {
        [&mut entry.member, &mut entry.key, &mut entry.value].into_iter().for_each(mask);
    }
    for stream in &mut inspection.streams {
        mask(&mut stream.path);
        stream.spans.iter_mut().for_each(|span| mask(&mut span.name));
    }
    inspection
}

#[cfg(test)]
mod tests;
