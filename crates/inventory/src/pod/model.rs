//! Which models, tokenizers, adapters and datasets a pod loads, and whether the reference can change under it.

use super::command::Word;
use super::container::Container;
use super::image;
use super::reference::Resolved;
use super::reference::Slot;
use super::reference::resolve;
use super::view::Pod;
use crate::yaml::NodeId;
use crate::yaml::Value;
use crate::yaml::read_json;

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelSource {
    /// Hugging Face hub id or `hf://`.
    Hub,
    /// `s3://`.
    S3,
    /// `gs://`.
    Gcs,
    /// Azure blob storage.
    Azure,
    /// `oci://`.
    Oci,
    /// `http://` or `https://`.
    Http,
    /// `pvc://`.
    Pvc,
    /// A path.
    Local,
    /// A variable nobody resolves, or a form nobody knows.
    Unknown,
}

/// Whether the bytes behind a reference can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Immutable {
    /// OCI by digest, hub with a 40-hex revision, S3 with a version id, or no remote reference at all.
    Yes,
    /// A branch, a tag, or nothing.
    No,
    /// Depends on a value nobody gave.
    Unknown,
}

/// What a reference is loaded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelRole {
    /// Weights and configuration.
    Model,
    /// Its tokenizer, when named apart.
    Tokenizer,
    /// A LoRA adapter.
    Adapter,
    /// Training or evaluation data.
    Dataset,
}

impl ModelRole {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Tokenizer => "tokenizer",
            Self::Adapter => "adapter",
            Self::Dataset => "dataset",
        }
    }
}

/// One reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRef {
    /// Where from.
    pub source: ModelSource,
    /// As written, without the revision.
    pub name: String,
    /// As written.
    pub revision: Option<String>,
    /// Can it change?
    pub immutable: Immutable,
    /// Value to point at, in the pod's object.
    pub at: NodeId,
    /// It was read out of a shell string: medium confidence.
    pub in_shell: bool,
    /// What it is loaded as.
    pub role: ModelRole,
    /// An image mounted as a volume: it may hold anything, and proves no AI by itself.
    pub is_volume: bool,
}

/// References of a pod, in the order they are written, each place once.
pub(super) fn models(pod: Pod<'_>) -> Vec<ModelRef> {
    let mut found: Vec<ModelRef> = Vec::new();
    for one in pod.containers().flat_map(of_container).chain(of_pod(pod)) {
        if !found.iter().any(|other| other.at == one.at && other.name == one.name && other.role == one.role) {
            found.push(one);
        }
    }
    found
}

/// Flags whose next word is a reference. Underscores count as hyphens.
const FLAGS: &[(&str, ModelRole, Slot)] = &[
    ("--model", ModelRole::Model, Slot::Shared),
    ("--model-path", ModelRole::Model, Slot::Path),
    ("--model-id", ModelRole::Model, Slot::Own),
    ("--model-name-or-path", ModelRole::Model, Slot::Own),
    ("--pretrained-model-name-or-path", ModelRole::Model, Slot::Own),
    ("--model-repository", ModelRole::Model, Slot::Path),
    ("--model-store", ModelRole::Model, Slot::Path),
    ("--hf-repo", ModelRole::Model, Slot::Shared),
    ("--tokenizer", ModelRole::Tokenizer, Slot::Shared),
    ("--tokenizer-name-or-path", ModelRole::Tokenizer, Slot::Own),
    ("--dataset", ModelRole::Dataset, Slot::Path),
    ("--dataset-name", ModelRole::Dataset, Slot::Path),
];

/// Words after which the next one is a model, when it is no flag.
const BEFORE_POSITIONAL: &[(&str, &str)] =
    &[("vllm", "serve"), ("sglang", "serve"), ("serve", "api_server"), ("", "trtllm-serve")];

/// Variables that name a model, and whether a name without slash counts (`MODEL_ID=gpt2`).
const VARIABLES: &[(&str, Slot)] = &[
    ("MODEL_ID", Slot::Shared),
    ("HF_MODEL_ID", Slot::Own),
    ("MODEL_NAME", Slot::Path),
    ("NIM_MODEL_NAME", Slot::Path),
    ("MODEL_URL", Slot::Path),
];

/// Variables that hold the hub revision of those: text-generation-inference, and the hub's inference toolkits.
const REVISIONS: &[&str] = &["REVISION", "HF_REVISION", "HF_MODEL_REVISION"];

fn of_container(container: Container<'_>) -> Vec<ModelRef> {
    let words = container.words();
    let mut found = Found { container, at_hub: loads_from_hub(container, &words), list: Vec::new() };
    found.words(&words);
    found.variables();
    for key in ["storageUri", "modelURL"] {
        if let Some(value) = container.get(key) {
            // A TrainJob's initializer loads data the same way, under another key.
            let is_data = container.value.key() == Some("dataset");
            let role = if is_data { ModelRole::Dataset } else { ModelRole::Model };
            found.add(value.text().unwrap_or(""), value, false, role, Slot::Path, None);
        }
    }
    if container.value.at(&["storage", "storageUri"]).is_none()
        && let Some(path) = container.value.at(&["storage", "path"])
    {
        // KServe's `storage.path` lies in a bucket that a Secret names.
        found.list.push(ModelRef {
            source: ModelSource::Unknown,
            name: path.text().unwrap_or("").to_owned(),
            revision: None,
            immutable: Immutable::Unknown,
            at: path.id(),
            in_shell: false,
            role: ModelRole::Model,
            is_volume: false,
        });
    }
    found.list
}

/// Whether a bare name after `--model` goes to the hub: servers that resolve it there.
fn loads_from_hub(container: Container<'_>, words: &[Word<'_>]) -> bool {
    let server = |word: &str| {
        ["vllm", "sglang", "text-generation", "text-embeddings", "lmdeploy", "trtllm", "transformers"]
            .iter()
            .any(|name| word.contains(name))
    };
    words.iter().take_while(|word| !word.text.starts_with("--")).any(|word| server(&word.text))
        || container.image().is_some_and(|image| {
            image::segments(&image).any(|segment| server(segment) || matches!(segment, "tgi" | "tei"))
        })
}

struct Found<'i> {
    container: Container<'i>,
    at_hub: bool,
    list: Vec<ModelRef>,
}

impl<'i> Found<'i> {
    fn words(&mut self, words: &[Word<'i>]) {
        let revision = |flag: &str| flag_value(words, flag).map(|(text, _)| text);
        let (model, code) = (revision("--revision"), revision("--code-revision"));
        let tokenizer = revision("--tokenizer-revision");
        let of = |role: ModelRole| match role {
            ModelRole::Model => model,
            ModelRole::Tokenizer => tokenizer,
            _ => None,
        };
        self.positional(words, model);
        for (index, word) in words.iter().enumerate() {
            let Some((flag, inline)) = flag_of(&word.text) else { continue };
            if flag == "--lora-modules" {
                self.adapters(words, index, inline);
                continue;
            }
            let Some((_, role, slot)) = FLAGS.iter().find(|(name, ..)| *name == flag) else { continue };
            let Some((text, word)) = value_of(words, index, inline) else { continue };
            self.add(text, word.at, word.in_shell, *role, *slot, of(*role));
        }
        // Code that is loaded from the hub at another revision than the weights can change though they cannot.
        if let Some(code) = code.filter(|code| !super::reference::is_commit(code)) {
            for one in self.list.iter_mut().filter(|one| one.role == ModelRole::Model) {
                if one.source == ModelSource::Hub && one.immutable == Immutable::Yes {
                    one.immutable =
                        if super::reference::is_open(code) { Immutable::Unknown } else { Immutable::No };
                }
            }
        }
    }

    /// `vllm serve MODEL`, `hf download REPO`, and the first argument of an image that runs `vllm serve` by itself.
    fn positional(&mut self, words: &[Word<'i>], revision: Option<&str>) {
        for (index, word) in words.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| words.get(index));
            let program = before.map_or("", |word| base_name(&word.text));
            let next = words.get(index.saturating_add(1)).filter(|next| !next.text.starts_with('-'));
            let Some(next) = next else { continue };
            let name = base_name(&word.text);
            if BEFORE_POSITIONAL
                .iter()
                .any(|(first, second)| *second == name && (first.is_empty() || *first == program))
            {
                self.add(&next.text, next.at, next.in_shell, ModelRole::Model, Slot::Own, revision);
            }
            if matches!(program, "huggingface-cli" | "hf") && name == "download" {
                let is_dataset = flag_value(words, "--repo-type").is_some_and(|(text, _)| text == "dataset");
                let role = if is_dataset { ModelRole::Dataset } else { ModelRole::Model };
                self.add(&next.text, next.at, next.in_shell, role, Slot::Own, revision);
            }
        }
        let runs_serve = self.container.get("command").is_none()
            && self
                .container
                .image()
                .is_some_and(|image| image::segments(&image).any(|name| name == "vllm-openai"));
        if let Some(first) = words.first().filter(|first| runs_serve && !first.text.starts_with('-')) {
            self.add(&first.text, first.at, first.in_shell, ModelRole::Model, Slot::Own, revision);
        }
    }

    /// `--lora-modules name=path name2=path2`, or JSON objects with `path`.
    fn adapters(&mut self, words: &[Word<'i>], index: usize, inline: Option<&str>) {
        let mut add = |text: &str, word: &Word<'i>| {
            if let Ok(Some((tree, _))) = read_json(text)
                && let Some(path) = tree.root().get("path").and_then(Value::text)
            {
                self.add(path, word.at, word.in_shell, ModelRole::Adapter, Slot::Own, None);
            } else if let Some((_, path)) = text.split_once('=') {
                self.add(path, word.at, word.in_shell, ModelRole::Adapter, Slot::Own, None);
            }
        };
        if let (Some(inline), Some(word)) = (inline, words.get(index)) {
            add(inline, word);
        }
        for word in words.iter().skip(index.saturating_add(1)).take_while(|word| !word.text.starts_with('-'))
        {
            add(&word.text, word);
        }
    }

    fn variables(&mut self) {
        let literal = |name: &str| self.container.env_var(name)?.value?.text();
        let revision = REVISIONS.iter().find_map(|name| literal(name));
        for (name, slot) in VARIABLES {
            let Some(variable) = self.container.env_var(name) else { continue };
            match variable.value {
                Some(value) => {
                    self.add(value.text().unwrap_or(""), value, false, ModelRole::Model, *slot, revision);
                }
                // From a ConfigMap, a Secret or a field: nobody says here what it is.
                None if variable.item.get("valueFrom").is_some() && *slot != Slot::Path => {
                    let text = format!("$({name})");
                    self.add(&text, variable.item, false, ModelRole::Model, *slot, None);
                }
                None => {}
            }
        }
    }

    fn add(
        &mut self,
        text: &str,
        at: Value<'i>,
        in_shell: bool,
        role: ModelRole,
        slot: Slot,
        revision: Option<&str>,
    ) {
        let slot = match slot {
            Slot::Shared if self.at_hub => Slot::Own,
            Slot::Shared => Slot::Path,
            other => other,
        };
        let text = expand(self.container, text, in_shell);
        let revision = revision.map(|revision| expand(self.container, revision, in_shell));
        let resolved = resolve(&text, revision.as_deref(), slot, |path| is_mounted(self.container, path));
        let Some(Resolved { source, name, revision, immutable }) = resolved else { return };
        self.list.push(ModelRef {
            source,
            name,
            revision,
            immutable,
            at: at.id(),
            in_shell,
            role,
            is_volume: false,
        });
    }
}

/// References that stand beside the containers.
fn of_pod(pod: Pod<'_>) -> Vec<ModelRef> {
    let mut found = Vec::new();
    let mut add = |value: Value<'_>, text: &str, is_volume: bool| {
        if let Some(resolved) = resolve(text, None, Slot::Path, |_| false) {
            let Resolved { source, name, revision, immutable } = resolved;
            let (at, role) = (value.id(), ModelRole::Model);
            found.push(ModelRef { source, name, revision, immutable, at, in_shell: false, role, is_volume });
        }
    };
    let is_container = |layer: Value<'_>| pod.containers().any(|one| one.value.id() == layer.id());
    for layer in pod.layers().filter(|layer| !is_container(*layer)) {
        let listed = layer.get("storageUris").into_iter().flat_map(Value::items);
        let values = layer.get("storageUri").into_iter().chain(listed.filter_map(|one| one.get("uri")));
        for value in values {
            add(value, value.text().unwrap_or(""), false);
        }
    }
    for volume in pod.volumes() {
        if let Some(reference) = volume.at(&["image", "reference"]) {
            add(reference, &format!("oci://{}", reference.text().unwrap_or("")), true);
        }
    }
    // Kinds that name the model once for all their pods: it is told with the first.
    if pod.is_first_of_object() {
        let paths: &[&[&str]] = match (pod.object().group(), &*pod.object().kind) {
            ("production-stack.vllm.ai", "VLLMRuntime") => &[&["spec", "model", "modelURL"]],
            ("serving.kserve.io", "LLMInferenceService" | "LLMInferenceServiceConfig") => {
                &[&["spec", "model", "uri"]]
            }
            _ => &[],
        };
        for value in paths.iter().filter_map(|path| pod.object().body().at(path)) {
            add(value, value.text().unwrap_or(""), false);
        }
    }
    found
}

/// Replaces `$(NAME)` (and in a shell string `${NAME}` and `$NAME`) by a literal variable of the container, as the
/// kubelet does; a variable from elsewhere stays.
fn expand(container: Container<'_>, text: &str, in_shell: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (name, length) = match from.as_bytes().get(1) {
            Some(b'(') => enclosed(from, ')'),
            Some(b'{') if in_shell => enclosed(from, '}'),
            Some(byte) if in_shell && (byte.is_ascii_alphabetic() || *byte == b'_') => {
                let end = from
                    .get(1..)
                    .and_then(|name| name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
                let end = end.map_or(from.len(), |end| end.saturating_add(1));
                (from.get(1..end), end)
            }
            _ => (None, 1),
        };
        let literal = name.and_then(|name| container.env_var(name)?.value?.text());
        let (own, after) = from.split_at(length.min(from.len()));
        out.push_str(literal.unwrap_or(own));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn enclosed(text: &str, close: char) -> (Option<&str>, usize) {
    match text.find(close) {
        Some(end) => (text.get(2..end), end.saturating_add(1)),
        None => (None, text.len()),
    }
}

/// Whether a relative path lies in a mount of the container, seen from its working directory or the root.
fn is_mounted(container: Container<'_>, path: &str) -> bool {
    let work = container.get("workingDir").and_then(Value::as_str).unwrap_or("/");
    let mounts = container.get("volumeMounts").into_iter().flat_map(Value::items);
    mounts.filter_map(|mount| mount.str_at("mountPath")).any(|mount| {
        let inside = |base: &str| {
            let base = base.trim_matches('/');
            !base.is_empty()
                && (path == base || path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/')))
        };
        inside(mount) || mount.strip_prefix(work).is_some_and(inside)
    })
}

/// Name of a flag with hyphens, and what stands after its `=`.
fn flag_of(word: &str) -> Option<(String, Option<&str>)> {
    if !word.starts_with("--") {
        return (word == "-hf" || word == "-hfr").then(|| ("--hf-repo".to_owned(), None));
    }
    let (name, inline) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    Some((name.replace('_', "-"), inline))
}

fn value_of<'w, 'i>(
    words: &'w [Word<'i>],
    index: usize,
    inline: Option<&'w str>,
) -> Option<(&'w str, &'w Word<'i>)> {
    match inline {
        Some(text) => Some((text, words.get(index)?)),
        None => words
            .get(index.saturating_add(1))
            .filter(|next| !next.text.starts_with("--"))
            .map(|next| (&*next.text, next)),
    }
}

/// Value of the last flag of that name: it wins.
fn flag_value<'w, 'i>(words: &'w [Word<'i>], name: &str) -> Option<(&'w str, &'w Word<'i>)> {
    let mut all = words.iter().enumerate().filter_map(|(index, word)| {
        let (flag, inline) = flag_of(&word.text)?;
        (flag == name).then(|| value_of(words, index, inline))?
    });
    all.next_back()
}

fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}
