//! What the fuzz targets do with their bytes, shared by `fuzz/` and the replay of the corpora on stable: each ends with a
//! panic when something that holds for every input does not.

use std::sync::Arc;

use ringfence_artifact::Slice;
use ringfence_artifact::Source;
use ringfence_finding::Family;
use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;
use ringfence_model::Addition;
use ringfence_model::Date;
use ringfence_model::Limits;
use ringfence_model::Policy;
use ringfence_model::Use;
use ringfence_model::Wish;

/// Names of configurations, each of which means something to a loader.
const CONFIGURATIONS: [&str; 5] =
    ["adapter_config.json", "config.json", "model_index.json", "modules.json", "tokenizer_config.json"];

/// Clean means that every byte was explained and nothing was found; the same bytes give the same result.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn judge(bytes: &[u8]) {
    judge_named("x", bytes);
}

/// The same for a chat template: it is one by its name alone.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn template(bytes: &[u8]) {
    judge_named("x.jinja", bytes);
}

/// The same for a configuration; the first byte chooses its name.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn configuration(bytes: &[u8]) {
    let Some((first, text)) = bytes.split_first() else { return };
    let name = CONFIGURATIONS.get(usize::from(*first) % CONFIGURATIONS.len()).copied().unwrap_or("x");
    judge_named(name, text);
}

fn judge_named(name: &str, bytes: &[u8]) -> ModelFile {
    let once = || {
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes));
        ringfence_model::judge(name, &source, Policy::embedded(), &limits())
    };
    let file = once();
    assert!(file.explained <= file.bytes, "{} of {}", file.explained, file.bytes);
    if file.verdict == Verdict::Clean {
        assert!(file.gaps.is_empty() && file.explained == file.bytes);
    }
    let worst = file.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Clean);
    assert!(file.verdict >= worst);
    // A key is told and is no part of the verdict.
    let is_key = |family| family == Family::Sec;
    assert!(
        file.findings.iter().all(|finding| is_key(finding.id.family) == (finding.verdict < Verdict::Review))
    );
    assert_eq!(file, once());
    file
}

fn limits() -> Limits {
    Limits { opcodes: 1_000_000, decoded: 64 << 20, members: 1000, ..Limits::default() }
}

/// An inspection says of each byte of a stream once what it is, and judges as a scan does.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn inspect(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("ringfence-inspect-{}", std::process::id()));
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let wish = Wish { limit: 50, coverage: true, member: None };
    let seen = ringfence_model::inspect(&path, Policy::embedded(), &limits(), &wish);
    let _ = std::fs::remove_file(&path);
    let Ok(seen) = seen else { return };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    assert_eq!(seen.scan.files, [judge_named(&name, bytes)]);
    assert!(seen.tensors.len() <= wish.limit, "{} tensors", seen.tensors.len());
    for stream in &seen.streams {
        let mut end = 0;
        for span in &stream.spans {
            assert!(span.start == end && span.end > span.start, "{}: {span:?} behind {end}", stream.path);
            end = span.end;
        }
        assert_eq!(end, stream.bytes, "{}", stream.path);
    }
}

/// What a team's file adds is what its entries say, each of which can be written again; a file that is wrong adds nothing.
#[allow(dead_code, reason = "each target uses its own")]
pub(crate) fn allow(bytes: &[u8]) {
    let (Ok(text), Some(today)) = (std::str::from_utf8(bytes), Date::new(2026, 11, 25)) else { return };
    let mut policy = Policy::embedded().clone();
    let before = policy.id();
    if let Err(error) = policy.add(text, today) {
        assert!(!error.to_string().is_empty());
        assert_eq!(policy.id(), before);
        return;
    }
    let mut said = policy.additions().to_vec();
    let written: String = said.iter().map(Addition::to_toml).collect();
    // An entry for no use at all is written as one for importing, which goes without saying.
    for addition in said.iter_mut().filter(|addition| addition.uses.is_empty()) {
        addition.uses.push(Use::Import);
    }
    let again = Policy::with_additions(&written, today);
    assert!(again.is_ok_and(|again| again.additions() == said), "{written}");
}
