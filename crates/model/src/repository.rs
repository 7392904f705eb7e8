//! Room `model`: the files of one scan together: data that lies beside its model, parts of a model that are not there.

use std::collections::BTreeSet;
use std::collections::HashMap;

use ringfence_finding::GapReason;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelPlace;
use ringfence_finding::Verdict;

use crate::file;
use crate::format::onnx::External;
use crate::format::text;
use crate::keys;

/// Longest hole before a tensor, and behind the last: writers align to pages.
const HOLE: u64 = 4 << 10;
/// The same before a large tensor at a multiple of it: what Windows aligns mappings to (onnxruntime, from 1 MiB on).
const LARGE_HOLE: u64 = 64 << 10;
const LARGE: u64 = 1 << 20;
/// All holes together, if they are less than half of a file: the padding of many small tensors is not.
const HOLES: u64 = 64 << 10;

/// A file, and the ranges of others that its tensors are in.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) file: ModelFile,
    pub(crate) externals: Vec<External>,
}

impl Judged {
    /// Whether no other file of the folder has a say in what is told of this one.
    pub(crate) fn is_settled(&self) -> bool {
        self.externals.is_empty() && !is_part(&self.file) && !is_unknown(&self.file)
    }
}

/// Holds the files of a folder against each other.
pub(crate) fn together(judged: Vec<Judged>) -> Vec<ModelFile> {
    let is_alone = |judged: &Judged| judged.externals.is_empty() && !is_part(&judged.file);
    if judged.iter().all(is_alone) {
        return judged.into_iter().map(|judged| judged.file).collect();
    }
    let (mut files, externals): (Vec<_>, Vec<_>) =
        judged.into_iter().map(|judged| (judged.file, judged.externals)).unzip();
    let index: HashMap<String, usize> =
        files.iter().enumerate().map(|(at, file)| (file.path.clone(), at)).collect();
    let mut ranges: HashMap<usize, Vec<(u64, u64)>> = HashMap::new();
    let of_models = externals.into_iter().enumerate().filter(|(_, externals)| !externals.is_empty());
    for (at, externals) in of_models {
        let Some(model) = files.get(at).map(|file| file.path.clone()) else { continue };
        let (mut gaps, mut told) = (Vec::new(), BTreeSet::new());
        for external in &externals {
            let other = index.get(&beside(&model, &external.location)).copied();
            let bytes = other.and_then(|other| files.get(other)).map(|file| file.bytes);
            let end = external.len.map_or(bytes, |len| external.offset.checked_add(len));
            match (other, bytes, end) {
                (Some(other), Some(bytes), Some(end)) if end <= bytes && external.offset <= end => {
                    ranges.entry(other).or_default().push((external.offset, end));
                }
                (Some(_), ..) if told.insert((external.location.as_str(), GapReason::Truncated)) => {
                    let message = format!(
                        "{} ends before the data that the model takes from it",
                        keys::shown(&external.location)
                    );
                    gaps.push(gap(GapReason::Truncated, &model, external.at, message));
                }
                (None, ..) if told.insert((external.location.as_str(), GapReason::OutOfBand)) => {
                    gaps.push(missing(&model, external));
                }
                _ => {}
            }
        }
        add(files.get_mut(at), gaps);
    }
    for (at, ranges) in ranges {
        if let Some(data) = files.get_mut(at) {
            explain(data, ranges);
        }
    }
    parts(&mut files, &index);
    files
}

/// A model that is looked at alone: what it takes from other files is a gap.
pub(crate) fn alone(judged: Judged) -> ModelFile {
    let Judged { mut file, externals } = judged;
    // A message for each file, not for each tensor in it.
    let mut told = BTreeSet::new();
    let files = externals.iter().filter(|external| told.insert(external.location.as_str()));
    let gaps = files.map(|external| missing(&file.path, external)).collect();
    add(Some(&mut file), gaps);
    file
}

fn missing(model: &str, external: &External) -> ModelGap {
    let message = format!("its data is in {}, which was not looked at", keys::shown(&external.location));
    gap(GapReason::OutOfBand, model, external.at, message)
}

fn gap(reason: GapReason, path: &str, offset: u64, message: String) -> ModelGap {
    let place = ModelPlace { path: path.to_owned(), offset };
    ModelGap { reason, place, bytes: None, message }
}

/// One gap for each cause, at its first place.
fn add(file: Option<&mut ModelFile>, gaps: Vec<ModelGap>) {
    let Some(file) = file.filter(|_| !gaps.is_empty()) else { return };
    let mut seen = BTreeSet::new();
    file.gaps
        .extend(gaps.into_iter().filter(|gap| seen.insert(gap.message.clone())).take(crate::Limits::GAPS));
    file::draw(file);
}

/// A path from the folder of a model, as the listing writes it.
fn beside(model: &str, location: &str) -> String {
    let folder = model.rsplit_once('/').map(|(folder, _)| folder);
    let parts = location.split('/').filter(|part| !matches!(*part, "" | "."));
    folder.into_iter().chain(parts).collect::<Vec<_>>().join("/")
}

/// Endings of what other programs load by its name, in formats that are not known here, beside those of scripts. A model that names such a file says
/// nothing about it; names of data have no rule (old writers name files after tensors).
const LOADED: [&str; 38] = [
    ".caffemodel",
    ".cbm",
    ".ckpt",
    ".cubin",
    ".dll",
    ".dylib",
    ".egg",
    ".engine",
    ".exe",
    ".h5",
    ".hdf5",
    ".ipynb",
    ".jar",
    ".jinja",
    ".joblib",
    ".json",
    ".keras",
    ".mlmodel",
    ".msgpack",
    ".nemo",
    ".pb",
    ".pbtxt",
    ".pdmodel",
    ".pkl",
    ".plan",
    ".pt",
    ".ptl",
    ".pyc",
    ".pyd",
    ".pyo",
    ".rds",
    ".rknn",
    ".so",
    ".t7",
    ".trt",
    ".whl",
    ".yaml",
    ".yml",
];

/// Data without a format of its own, that models account for.
fn explain(data: &mut ModelFile, mut ranges: Vec<(u64, u64)>) {
    let name = data.path.to_ascii_lowercase();
    // A library bears its version behind its ending.
    let is_loaded = LOADED.iter().any(|ending| name.ends_with(ending)) || name.contains(".so.");
    if is_loaded || text::is_script(&name) || !is_unknown(data) {
        return;
    }
    ranges.sort_unstable();
    let (mut last, mut holes, mut padding) = (0, 0, 0);
    let (mut first, mut first_padding) = (None, None);
    for (start, end) in ranges {
        let is_large = end.saturating_sub(start) >= LARGE && start.is_multiple_of(LARGE_HOLE);
        let hole = start.saturating_sub(last);
        if hole > if is_large { LARGE_HOLE } else { HOLE } {
            first.get_or_insert(last);
            holes += hole;
        } else if hole > 0 {
            first_padding.get_or_insert(last);
            padding += hole;
        }
        last = last.max(end);
    }
    let tail = data.bytes.saturating_sub(last);
    if tail > HOLE {
        first.get_or_insert(last);
        holes += tail;
    }
    if padding > HOLES.max(data.bytes / 2) {
        first = first.into_iter().chain(first_padding).min();
        holes += padding;
    }
    data.formats = vec!["onnx-data"];
    data.gaps.clear();
    data.explained = data.bytes.saturating_sub(holes);
    if let Some(at) = first {
        let message = "bytes that no tensor of a model is in".to_owned();
        data.gaps.push(gap(GapReason::Unexplained, &data.path, at, message));
    }
    data.verdict = Verdict::Clean;
    file::draw(data);
}

/// Whether it may be data of a model: nothing is known of it.
fn is_unknown(file: &ModelFile) -> bool {
    file.findings.is_empty()
        && matches!(file.gaps.as_slice(), [gap] if gap.reason == GapReason::UnknownFormat)
}

/// `NAME-00002-of-00003.gguf`: a loader that is given one part reads them all.
fn parts(files: &mut [ModelFile], index: &HashMap<String, usize>) {
    // Each part would look for all others.
    let mut missing: HashMap<(String, u64), Option<String>> = HashMap::new();
    for file in files.iter_mut().filter(|file| file.formats.contains(&"gguf")) {
        let Some((name, number, count)) = part(&file.path) else { continue };
        if number == 0 || number > count {
            let message = format!("part {number} of {count}, which loaders read in different ways");
            let gap = gap(GapReason::OutOfBand, &file.path, 0, message);
            add(Some(file), vec![gap]);
            continue;
        }
        let missing = missing.entry((name.to_owned(), count)).or_insert_with(|| {
            let mut others = (1..=count).map(|number| format!("{name}-{number:05}-of-{count:05}.gguf"));
            others.find(|other| !index.contains_key(other))
        });
        if let Some(missing) = missing {
            let message = format!("{missing} is a part of the same model and was not looked at");
            let gap = gap(GapReason::OutOfBand, &file.path, 0, message);
            add(Some(file), vec![gap]);
        }
    }
}

/// Whether its loader reads other files too, by their names.
fn is_part(file: &ModelFile) -> bool {
    file.formats.contains(&"gguf") && part(&file.path).is_some()
}

/// The name without its number, the number, and how many parts there are.
fn part(path: &str) -> Option<(&str, u64, u64)> {
    let (rest, count) = path.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(number) && is_number(count)).then_some((name, number.parse().ok()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(path: &str, bytes: u64) -> Judged {
        let gaps = vec![gap(GapReason::UnknownFormat, path, 0, "unknown".to_owned())];
        let file = ModelFile {
            path: path.to_owned(),
            bytes,
            gaps,
            verdict: Verdict::Incomplete,
            ..ModelFile::default()
        };
        Judged { file, externals: vec![] }
    }

    fn model(path: &str, externals: &[(&str, u64, Option<u64>)]) -> Judged {
        let file = ModelFile {
            path: path.to_owned(),
            bytes: 9,
            explained: 9,
            formats: vec!["onnx"],
            ..ModelFile::default()
        };
        let external = |&(location, offset, len): &(&str, u64, Option<u64>)| External {
            at: 3,
            location: location.to_owned(),
            offset,
            len,
        };
        Judged { file, externals: externals.iter().map(external).collect() }
    }

    fn verdicts(judged: Vec<Judged>) -> Vec<Verdict> {
        together(judged).into_iter().map(|file| file.verdict).collect()
    }

    #[test]
    fn data_beside_a_model_is_explained_by_it() {
        use Verdict::Clean;
        use Verdict::Incomplete;
        let at = |externals: &[(&str, u64, Option<u64>)]| {
            vec![data("m/a.data", 200_000), model("m/a.onnx", externals)]
        };
        assert_eq!(
            verdicts(at(&[("a.data", 4096, Some(100_000)), ("./a.data", 104_096, Some(95_904))])),
            [Clean, Clean]
        );
        assert_eq!(verdicts(at(&[("a.data", 0, None)])), [Clean, Clean]);
        assert_eq!(
            verdicts(at(&[("a.data", 0, Some(100))])),
            [Incomplete, Clean],
            "the rest belongs to nobody"
        );
        assert_eq!(verdicts(at(&[("a.data", 0, Some(200_001))])), [Incomplete, Incomplete]);
        assert_eq!(verdicts(at(&[("a.data", u64::MAX, Some(2))])), [Incomplete, Incomplete]);
        assert_eq!(verdicts(at(&[("b.data", 0, Some(1))])), [Incomplete, Incomplete]);
        assert_eq!(alone(model("a.onnx", &[("a.data", 0, Some(1))])).gaps[0].reason, GapReason::OutOfBand);
        // Holes and a tail of up to a page are padding; longer ones before large tensors alone.
        assert_eq!(verdicts(at(&[("a.data", 0, Some(150_000))])), [Incomplete, Clean]);
        assert_eq!(verdicts(at(&[("a.data", 0, Some(195_904))])), [Clean, Clean]);
        let holes = [("a.data", 0, Some(100_000)), ("a.data", 131_072, Some(68_928))];
        assert_eq!(verdicts(at(&holes)), [Incomplete, Clean]);
        assert_eq!(together(at(&holes))[0].explained, 200_000 - 31_072);
        let large = vec![
            data("a.data", 131_072 + (1 << 20)),
            model("a.onnx", &[("a.data", 0, Some(100_000)), ("a.data", 131_072, Some(1 << 20))]),
        ];
        assert_eq!(verdicts(large), [Clean, Clean]);
        // Padding is less than what it pads.
        let bytes = (0..40).map(|tensor| ("a.data", tensor * 4097 + 4096, Some(1))).collect::<Vec<_>>();
        let padded = vec![data("a.data", 40 * 4097), model("a.onnx", &bytes)];
        let file = together(padded).swap_remove(0);
        assert_eq!((file.verdict, file.explained, file.gaps[0].place.offset), (Incomplete, 40, 0));
        // What another program loads by its name is no data because a model says so.
        for name in ["m/modeling.pyc", "m/saved_model.PB", "m/modeling.py", "m/libx.so.1", "m/run.sh"] {
            let location = name.trim_start_matches("m/");
            let judged = vec![data(name, 10), model("m/a.onnx", &[(location, 0, None)])];
            assert_eq!(verdicts(judged), [Incomplete, Clean], "{name}");
        }
        // What the data is of its own accord stays.
        let mut pickle = data("m/a.data", 10);
        pickle.file.verdict = Verdict::Malicious;
        pickle.file.gaps.clear();
        assert_eq!(verdicts(vec![pickle, model("m/a.onnx", &[("a.data", 0, None)])])[0], Verdict::Malicious);
    }

    #[test]
    fn a_part_without_the_others_is_incomplete() {
        let part = |number: u64| {
            let path = format!("x/m-{number:05}-of-00003.gguf");
            Judged {
                file: ModelFile { path, formats: vec!["gguf"], ..ModelFile::default() },
                externals: vec![],
            }
        };
        assert_eq!(verdicts((1..=3).map(part).collect()), [Verdict::Clean; 3]);
        assert_eq!(verdicts(vec![part(1), part(3)]), [Verdict::Incomplete; 2]);
        // No part has the number 0, or one above their count.
        let all = || (1..=3).map(part).collect::<Vec<_>>();
        for number in [0, 4] {
            let found = verdicts(all().into_iter().chain([part(number)]).collect());
            assert_eq!(found[3], Verdict::Incomplete, "{number}");
        }
    }
}
