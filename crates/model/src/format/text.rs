//! Room `model`, formats `json` and `text`: what stands beside weights in a repository.
//!
//! Text runs nowhere by itself, so prose is clean; but a loader imports a `.py` because of its name, and a configuration
//! can name code or hold a template. Names only ever make it stricter: code is not read by this build, and is told as such.

#[cfg(test)]
mod tests;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use super::configuration::Named;
use super::jinja;
use crate::json;
use crate::json::Json;
use crate::json::Value;
use crate::sniff::Format;

/// Longest JSON that is read; the largest tokenizers take 35 MB.
const JSON: u64 = 64 << 20;
/// Names of prose: nothing loads them but readers.
const PROSE: [&str; 8] = [".md", ".txt", ".rst", ".csv", ".gitattributes", ".gitignore", "license", "readme"];
/// Names of what an interpreter runs, whatever else its text could be read as: `["$(id)"]` is JSON, and a command in a shell;
/// `{# #}` begins a template, and a set in Python.
const SCRIPTS: [&str; 30] = [
    ".bash", ".bat", ".cmd", ".fish", ".hta", ".htm", ".html", ".js", ".jl", ".ksh", ".lua", ".mjs", ".php",
    ".pl", ".pth", ".ps1", ".py", ".pyi", ".pyw", ".pyx", ".r", ".rb", ".sh", ".svg", ".ts", ".vbs", ".wsf",
    ".xhtml", ".xml", ".zsh",
];
/// Keys of a configuration whose value is code of the repository, or a name that is imported.
const CODE: [(&str, &str); 10] = [
    ("__kind__", "marks what GluonTS imports and calls on use"),
    ("_base_", "names a configuration of MMEngine that is run on use"),
    ("custom_imports", "names modules that are imported on use"),
    ("backend_path", "names a library that is loaded on use"),
    ("auto_map", "names classes of Python files that are run on use"),
    ("custom_generate", "names Python files that are run on use"),
    ("custom_pipelines", "names Python files that are run on use"),
    ("custom_pipeline", "names a Python file that is run on use"),
    ("loader_module", "names a module that is imported on use"),
    ("_target_", "names what is called on use"),
];
/// Keys whose value is read by nobody here.
const UNREAD: [(&str, &str); 10] = [
    (":serialized:", "a pickle of Stable-Baselines3"),
    ("weightsManifest", "a model of TensorFlow.js"),
    ("class_name", "a description of Keras layers"),
    ("nbformat", "a notebook"),
    ("__loader__", "a description of skops objects"),
    ("py/object", "a description of jsonpickle objects"),
    ("py/function", "a description of jsonpickle objects"),
    ("py/reduce", "a description of jsonpickle objects"),
    ("py/repr", "a description of jsonpickle objects"),
    ("py/type", "a description of jsonpickle objects"),
];

/// Whether an interpreter runs what is called so.
pub(crate) fn is_script(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SCRIPTS.iter().any(|ending| name.ends_with(ending))
}

/// Endings of names that stand for pickles, which protocol 0 writes as text.
const PICKLES: [&str; 15] = [
    "bin", "ckpt", "dat", "data", "joblib", "model", "obj", "p", "pcl", "pickle", "pk", "pkl", "pt", "sav",
    "weights",
];
/// Names that a tool runs or obeys whatever their ending says.
const RUN: [&str; 11] = [
    "cmakelists.txt",
    "containerfile",
    "dockerfile",
    "gemfile",
    "gnumakefile",
    "jenkinsfile",
    "justfile",
    "makefile",
    "rakefile",
    "snakefile",
    "vagrantfile",
];

/// Whether a program that goes by the name would read something else than `format` out of it: a shell runs each line that it
/// understands, and `V=1\n0.` is Python, a shell's script and a pickle.
pub(crate) fn has_other_reader(path: &str, source: &dyn Source, format: Format) -> Result<bool, ReadError> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    // Python takes lines of a `.pth` beside its packages, which are text; torch writes bytes under that name.
    if is_script(&name) && name.rsplit_once('.').is_none_or(|(_, ending)| ending != "pth") {
        return Ok(true);
    }
    let is_data =
        !RUN.contains(&&*name) && name.rsplit_once('.').is_none_or(|(_, ending)| PICKLES.contains(&ending));
    Ok(format == Format::Pickle && !is_data && kind(path, source)?.is_some())
}

/// Names of templates. Prose that begins like one is one, too.
const TEMPLATES: [&str; 3] = [".jinja", ".jinja2", ".j2"];
const MARKS: [&[u8]; 3] = [b"{%", b"{{", b"{#"];
/// Templates of one configuration that are read; public models have up to four.
const MOST: usize = 64;
/// Words of one kind that are kept until the first of them are picked.
const MANY: usize = 4096;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Jinja,
    Json,
    Prose,
    /// Text that something may run or interpret.
    Other,
}

/// Whether the whole source is text, and which; none where it is not.
pub(crate) fn kind(path: &str, source: &dyn Source) -> Result<Option<Kind>, ReadError> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is_list = name.starts_with("requirements");
    let mut first = None;
    let (mut begins_like_template, mut is_word, mut installs) = (false, false, false);
    let mut at = 0;
    let mut buffer = vec![0; 256 << 10];
    while at < source.len() {
        let got = source.read_at(at, &mut buffer)?;
        let bytes = buffer.get(..got).unwrap_or_default();
        let is_last = at + got as u64 >= source.len();
        // A character may be cut by the end of a piece.
        let valid = match std::str::from_utf8(bytes) {
            Ok(_) => got,
            Err(error) if error.error_len().is_none() && !is_last => error.valid_up_to(),
            Err(_) => return Ok(None),
        };
        let text = bytes.get(..valid).unwrap_or_default();
        if valid == 0 || text.iter().any(|byte| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c))
        {
            return Ok(None);
        }
        if first.is_none() {
            first = text.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
            let text = text.trim_ascii_start();
            begins_like_template = MARKS.iter().any(|mark| text.starts_with(mark));
            is_word = begins_with_word(text);
        }
        installs |= is_list && is_from_elsewhere(text);
        at += valid as u64;
    }
    let is_run = is_script(&name) || RUN.contains(&&*name) || installs;
    let is_prose = PROSE.iter().any(|known| name.ends_with(known) || name == *known);
    // A name may only make it stricter: whoever loads a template by such a name reads its text as one.
    let is_template = TEMPLATES.iter().any(|ending| name.ends_with(ending))
        || is_prose && (begins_like_template || name.contains("template"));
    Ok(Some(match first {
        _ if is_run => Kind::Other,
        _ if is_template => Kind::Jinja,
        Some(b'{' | b'[') if source.len() <= JSON && !is_word => Kind::Json,
        _ if is_prose => Kind::Prose,
        _ => Kind::Other,
    }))
}

/// Whether a list of packages has a line that asks another index, a repository or a file for them: servers of models install
/// what stands beside one.
fn is_from_elsewhere(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii_start();
        line.starts_with(b"-")
            || line.starts_with(b".")
            || !line.starts_with(b"#") && line.windows(3).any(|three| three == b"://")
    })
}

/// Whether most of the beginning is text for a reader that takes another encoding, as Python does of what says so in its first
/// line: it is data of no model, whatever a model says.
pub(crate) fn is_nearly(source: &dyn Source) -> Result<bool, ReadError> {
    let mut buffer = vec![0; 64 << 10];
    let got = source.read_at(0, &mut buffer)?;
    let bytes = buffer.get(..got).unwrap_or_default();
    let letters = bytes.iter().filter(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    Ok(letters * 10 >= got * 9)
}

/// Whether a bracket and a letter begin the text that begins no value of JSON, nor of what Python takes for JSON: the `[PAD]`
/// of a vocabulary.
fn begins_with_word(text: &[u8]) -> bool {
    let letter = text.strip_prefix(b"[").and_then(|rest| rest.trim_ascii_start().first());
    letter.is_some_and(|letter| letter.is_ascii_alphabetic() && !b"tfnNI".contains(letter))
}

/// What a configuration names.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Code that runs on use, and files outside of the model.
    pub(crate) named: Named,
    /// Parts that nobody read: place and words.
    pub(crate) unread: Vec<(u64, String)>,
    /// What templates reach, with the place in the text.
    pub(crate) templates: Vec<jinja::Found>,
    /// Templates beyond a limit: place, and of what there is too much.
    pub(crate) budget: Vec<(u64, &'static str)>,
    /// Two readers see different things.
    pub(crate) odd: Vec<(u64, String)>,
    /// Not JSON after all; the place.
    pub(crate) broken: Option<u64>,
}

/// Reads a JSON text; what its name says makes it stricter.
pub(crate) fn json(path: &str, source: &dyn Source) -> Result<Facts, ReadError> {
    let mut facts = Facts::default();
    let mut bytes = vec![0; usize::try_from(source.len().min(JSON)).unwrap_or(0)];
    let got = source.read_at(0, &mut bytes)?;
    bytes.truncate(got);
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    match json::read(text) {
        Ok((root, end)) => {
            facts.named.router(path, &root);
            let templates = facts.walk(&root, path.ends_with("model_index.json"));
            let mut steps = jinja::Steps::default();
            for template in templates.iter().take(MOST) {
                facts.template(text, template, &mut steps);
            }
            facts.budget.extend(templates.get(MOST).map(|template| (template.at as u64, "templates")));
            // One object on each line is a form of its own, and so is what follows it.
            if end < text.len() {
                facts.broken = Some(end as u64);
            }
        }
        Err(error) => facts.broken = Some(error.at as u64),
    }
    Ok(facts)
}

impl Facts {
    /// Gives the templates.
    fn walk<'j>(&mut self, root: &'j Json, is_pipeline: bool) -> Vec<&'j Json> {
        let mut templates = Vec::new();
        let mut rest = vec![root];
        while let Some(json) = rest.pop() {
            rest.extend(json.items());
            self.named.object(json, is_pipeline && std::ptr::eq(json, root));
            let mut keys: Vec<&str> = json.entries().iter().map(|(key, _)| key.as_str()).collect();
            for (key, value) in json.entries() {
                rest.push(value);
                self.key(key, value);
                self.named.key(key, value);
                if key == "chat_template" {
                    self.of_template(value, &mut templates);
                }
            }
            keys.sort_unstable();
            if let Some([key, _]) = keys.windows(2).find(|pair| pair.first() == pair.last()) {
                let key = crate::keys::shown(key);
                self.odd.push((json.at as u64, format!("{key} is there twice: readers pick different ones")));
            }
            self.cut(MANY);
        }
        self.cut(0);
        templates.sort_by_key(|template| template.at);
        templates
    }

    /// Keeps the first of each list, once it is longer than this.
    fn cut(&mut self, most: usize) {
        for list in [
            &mut self.named.code,
            &mut self.named.handed,
            &mut self.named.outside,
            &mut self.named.astray,
            &mut self.unread,
            &mut self.odd,
        ] {
            if list.len() > most {
                list.sort();
                list.dedup();
                list.truncate(crate::Limits::GAPS);
            }
        }
    }

    /// A text, a list of `{name, template}`, or an object of texts.
    fn of_template<'j>(&mut self, value: &'j Json, templates: &mut Vec<&'j Json>) {
        let parts = match &value.value {
            Value::Null => vec![],
            Value::List(items) => items.iter().map(|item| item.get("template").unwrap_or(item)).collect(),
            Value::Object(entries) => entries.iter().map(|(_, value)| value).collect(),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) => vec![value],
        };
        for part in parts {
            if part.text().is_some() {
                templates.push(part);
            } else {
                let message = "a chat template in a form that is not known".to_owned();
                self.unread.push((part.at as u64, message));
            }
        }
    }

    fn template(&mut self, text: &str, template: &Json, steps: &mut jinja::Steps) {
        let read = jinja::read(template.text().unwrap_or_default(), steps);
        self.templates.extend(read.found.into_iter().map(|found| {
            let at = json::place(text, template.at, found.at);
            jinja::Found { at, ..found }
        }));
        self.budget.extend(read.budget.map(|what| (template.at as u64, what)));
    }

    fn key(&mut self, key: &str, value: &Json) {
        let is_empty = matches!(&value.value, Value::Null)
            || value.text() == Some("")
            || matches!(&value.value, Value::Object(entries) if entries.is_empty());
        if is_empty {
            return;
        }
        let at = value.at as u64;
        if let Some((_, what)) = CODE.iter().find(|(known, _)| *known == key) {
            self.named.code.push((at, format!("{key} {what}")));
        }
        if let Some((_, what)) = UNREAD.iter().find(|(known, _)| *known == key) {
            self.unread.push((at, format!("{what}, which is not read by this build")));
        }
    }
}
