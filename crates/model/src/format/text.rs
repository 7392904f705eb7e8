//! Room `model`, formats `json` and `text`: what stands beside weights in a repository.
//!
//! Text runs nowhere by itself, so prose is clean; but a loader imports a `.py` because of its name, and a configuration
//! can name code or hold a template. Names only ever make it stricter: code is not read by this build, and is told as such.

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use super::configuration::Named;
use super::jinja;
use crate::json;
use crate::json::Json;
use crate::json::Value;

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
const CODE: [(&str, &str); 6] = [
    ("auto_map", "names classes of Python files that are run on use"),
    ("custom_generate", "names Python files that are run on use"),
    ("custom_pipelines", "names Python files that are run on use"),
    ("custom_pipeline", "names a Python file that is run on use"),
    ("loader_module", "names a module that is imported on use"),
    ("_target_", "names what is called on use"),
];
/// Keys whose value is read by nobody here.
const UNREAD: [(&str, &str); 8] = [
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
    let mut first = None;
    let (mut begins_like_template, mut is_word) = (false, false);
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
        at += valid as u64;
    }
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is_prose = PROSE.iter().any(|known| name.ends_with(known) || name == *known);
    // A name may only make it stricter: whoever loads a template by such a name reads its text as one.
    let is_template = TEMPLATES.iter().any(|ending| name.ends_with(ending))
        || is_prose && (begins_like_template || name.contains("template"));
    Ok(Some(match first {
        _ if is_script(&name) => Kind::Other,
        _ if is_template => Kind::Jinja,
        Some(b'{' | b'[') if source.len() <= JSON && !is_word => Kind::Json,
        _ if is_prose => Kind::Prose,
        _ => Kind::Other,
    }))
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
            let templates = facts.walk(&root, path.ends_with("model_index.json"));
            for template in templates.iter().take(MOST) {
                facts.template(text, template);
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
        for list in [&mut self.named.code, &mut self.named.outside, &mut self.unread, &mut self.odd] {
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
            Value::Bool | Value::Number(_) | Value::Text(_) => vec![value],
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

    fn template(&mut self, text: &str, template: &Json) {
        let read = jinja::read(template.text().unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringfence_artifact::Slice;
    use ringfence_artifact::Source;
    use ringfence_finding::GapReason;
    use ringfence_finding::Verdict;

    use crate::Limits;
    use crate::Policy;

    fn verdict(name: &str, text: &str) -> (Verdict, Vec<u16>) {
        let source: Arc<dyn Source> = Arc::new(Slice::new(text.as_bytes()));
        let file = crate::judge(name, &source, Policy::embedded(), &Limits::default());
        (file.verdict, file.findings.iter().map(|finding| finding.id.number).collect())
    }

    #[test]
    fn what_stands_beside_weights_is_clean() {
        for (name, text) in [
            (
                "config.json",
                r#"{"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "auto_map": {}}"#,
            ),
            ("a/tokenizer.json", r#"{"model": {"vocab": {"a": 0, "größe": 1}, "merges": ["a b"]}}"#),
            (
                "adapter_config.json",
                r#"{"auto_mapping": {"base_model_class": "B", "parent_library": "transformers.models.bert"},
                    "megatron_core": "megatron.core"}"#,
            ),
            (
                "config.json",
                r#"{"activation_function": "gelu_new", "_class_name": "U", "types": ["A", "B"]}"#,
            ),
            ("2_Dense/config.json", r#"{"activation_function": "torch.nn.modules.activation.Tanh"}"#),
            (
                "model_index.json",
                r#"{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
                    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "x": [null, null]}"#,
            ),
            (
                "config.json",
                r#"{"_attn_implementation": "sdpa", "vision_config": {"attn_implementation": {"": "eager"}}}"#,
            ),
            (
                "tokenizer_config.json",
                r#"{"tokenizer_class": "LlamaTokenizer", "target": "en", "params": {}}"#,
            ),
            (
                "wordembedding_config.json",
                r#"{"tokenizer_class": "sentence_transformers.models.tokenizer.WhitespaceTokenizer.WhitespaceTokenizer"}"#,
            ),
            (
                "router_config.json",
                r#"{"types": {"query_0_IDF": "sentence_transformers.sparse_encoder.models.SparseStaticEmbedding.SparseStaticEmbedding"},
                    "structure": {"query": ["query_0_IDF"]}, "parameters": {"default_route": "document"}}"#,
            ),
            (
                "modular_model_index.json",
                r#"{"_blocks_class_name": "SequentialPipelineBlocks", "unet": [null, null, {"repo": "a/b", "subfolder": "unet",
                    "type_hint": ["diffusers", "UNet2DConditionModel"], "variant": null}],
                    "scheduler": ["diffusers", "EulerDiscreteScheduler", {"repo": "a/b"}]}"#,
            ),
            (
                "files.json",
                r#"[{"type": "file", "path": "a.bin"}, {"type": "application/vnd.x+json", "path": "b"}]"#,
            ),
            ("model.safetensors.index.json", r#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#),
            ("README.md", "---\nlicense: mit\n---\n# A model\n"),
            ("merges.txt", "#version: 0.2\na b\n"),
            ("vocab.txt", "[PAD]\n[UNK]\n##s\n"),
            ("LICENSE", "Permission is granted.\n"),
        ] {
            assert_eq!(verdict(name, text), (Verdict::Clean, vec![]), "{name}");
        }
    }

    #[test]
    fn what_names_code_is_review_and_what_is_not_read_incomplete() {
        let map = r#"{"auto_map": {"AutoModel": "modeling_x.X"}}"#;
        assert_eq!(verdict("config.json", map), (Verdict::Review, vec![149]));
        assert_eq!(
            verdict("model.yaml.json", r#"{"a": [{"_target_": "os.system"}]}"#),
            (Verdict::Review, vec![149])
        );
        assert_eq!(verdict("config.json", r#"{"a": 1, "a": 2}"#), (Verdict::Review, vec![147]));
        for (name, text) in [
            (
                "adapter_config.json",
                r#"{"auto_mapping": {"base_model_class": "system", "parent_library": "os"}}"#,
            ),
            ("adapter_config.json", r#"{"megatron_config": {"a": 1}, "megatron_core": "evil"}"#),
            ("modules.json", r#"[{"idx": 0, "name": "0", "path": "", "type": "evil_pkg.Model"}]"#),
            ("config.json", r#"{"sentence_transformers": {"activation_fn": "evil.Popen"}}"#),
            ("generation_config.json", r#"{"custom_generate": "evil/repo"}"#),
            ("model_index.json", r#"{"_class_name": "P", "unet": ["evil", "Evil"]}"#),
            ("a/model_index.json", r#"{"_class_name": ["pipeline", "P"]}"#),
            ("config.json", r#"{"_attn_implementation_internal": "evil/kernel"}"#),
            ("config.json", r#"{"text_config": {"attn_implementation": {"": "evil/kernel:attend"}}}"#),
            ("modules.json", r#"[{"path": "", "type": "evil.Model"}]"#),
            ("router_config.json", r#"{"types": {"query": "evil.Model"}, "structure": {}}"#),
            ("wordembedding_config.json", r#"{"tokenizer_class": "evil.Words"}"#),
            ("modular_model_index.json", r#"{"unet": ["evil", "Evil", {"repo": "a/b"}]}"#),
            ("modular_model_index.json", r#"{"unet": [null, null, {"type_hint": ["evil", "Evil"]}]}"#),
            (
                "genai_config.json",
                r#"{"model": {"decoder": {"session_options": {"custom_ops_library": "evil.so"}}}}"#,
            ),
            ("config.json", r#"{"model": {"target": "os.system", "params": {"command": "echo hi"}}}"#),
            ("config.json", r#"{"class_path": "subprocess.Popen", "init_args": {"args": ["echo"]}}"#),
        ] {
            assert_eq!(verdict(name, text), (Verdict::Review, vec![149]), "{text}");
        }
        for file in ["../../x.bin", "/etc/passwd", r"C:\\x", "https://a/b"] {
            let index = format!(r#"{{"weight_map": {{"a": "model-1.safetensors", "b": "{file}"}}}}"#);
            assert_eq!(verdict("model.safetensors.index.json", &index), (Verdict::Malicious, vec![145]));
        }
        for (name, text) in [
            ("tokenizer_config.json", r#"{"chat_template": 7}"#),
            ("state.json", r#"{"py/repr": "os/os.system('echo hi')"}"#),
            ("modeling.py", "import os\n"),
            ("config.json", r#"{"a": 1"#),
            ("config.json", "{} x"),
            ("config.yaml", "a: 1\n"),
            ("README.md", "a\u{1b}[2J\n"),
            // A template by its first letters, and a script by its name.
            ("modeling.py", "{#\n0: print('acts'), #}\n}\n"),
            ("run.sh", "{# #}\necho acts\n"),
            ("page.html", "{# #}<script>alert(1)</script>"),
            ("run.sh", r#"["$(echo acts)"]"#),
            ("Makefile", "{# #}\n"),
        ] {
            assert_eq!(verdict(name, text).0, Verdict::Incomplete, "{name}");
        }
        // Content decides: a pickle in a file of prose is a pickle.
        assert_eq!(verdict("README.md", "cos\nsystem\n(S'echo hi'\ntR.").0, Verdict::Malicious);
    }

    #[test]
    fn text_of_another_encoding_is_no_data_of_a_model() {
        for (bytes, is_text) in [
            (&b"# -*- coding: latin-1 -*-\n# caf\xe9\nprint('acts')\n"[..], true),
            (&b"#\x01\nprint('acts')"[..], true),
            (&b"\x00\x00\x80\x3f\x00\x00\x00\x40abcd"[..], false),
        ] {
            let source: Arc<dyn Source> = Arc::new(Slice::new(bytes));
            let file = crate::judge("weights", &source, Policy::embedded(), &Limits::default());
            let unknown = file.gaps.iter().any(|gap| gap.reason == GapReason::UnknownFormat);
            assert_eq!((file.verdict, unknown), (Verdict::Incomplete, !is_text), "{file:?}");
        }
    }

    #[test]
    fn templates_of_a_configuration_are_read_and_their_bytes_are_those_of_the_file() {
        let evil = "{{ ''.__class__ }}";
        let list = format!(
            r#"{{"chat_template": [{{"name": "default", "template": "a {{{{ x }}}}"}}, {{"name": "tool", "template": "é{evil}"}}]}}"#
        );
        for (name, text) in [
            ("tokenizer_config.json", format!(r#"{{"chat_template": "\n\u00e9{evil}"}}"#)),
            ("processor_config.json", format!(r#"{{"a": {{"chat_template": "{evil}"}}}}"#)),
            ("chat_template.json", list),
            ("chat_template.jinja", format!("hello {evil}")),
            ("additional_chat_templates/rag.jinja", evil.to_owned()),
            ("notes.txt", format!("{{# a #}}{evil}")),
            ("chat_template.txt", format!("Hello {evil}")),
        ] {
            let source: Arc<dyn Source> = Arc::new(Slice::new(text.as_bytes()));
            let file = crate::judge(name, &source, Policy::embedded(), &Limits::default());
            assert_eq!((file.verdict, file.explained), (Verdict::Malicious, file.bytes), "{name}: {file:#?}");
            let at = usize::try_from(file.findings[0].place.offset).unwrap();
            assert_eq!(text.find("''").unwrap(), at, "{name}");
        }
        for (name, text) in [
            (
                "tokenizer_config.json",
                r#"{"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}"#,
            ),
            ("tokenizer_config.json", r#"{"chat_template": [{"name": "a", "template": "{{ bos_token }}"}]}"#),
            ("chat_template.jinja", "{{ bos_token }}"),
            ("chat_template.jinja", "[plain] text"),
        ] {
            assert_eq!(verdict(name, text), (Verdict::Clean, vec![]), "{text}");
        }
    }
}
