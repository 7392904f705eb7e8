//! Room `model`, format `json`: what the configurations of a Hub repository name besides keys that are code everywhere:
//! classes to import, files to read. `name, tree -> places and words`
//!
//! Each rule is what one library does with the file: peft 0.17 `peft_model.py` and `auto.py`, sentence-transformers 5
//! `SentenceTransformer.py`, `CrossEncoder.py`, `Router.py` and `WordEmbeddings.py`, diffusers 0.35 `pipeline_utils.py` and
//! `modular_pipeline.py`, transformers 4.57 `hub.py`, `configuration_utils.py` and `hub_kernels.py`.

use super::jinja;
use super::onnx::outside;
use crate::json::Json;
use crate::json::Value;
use crate::keys;

/// Packages that a repository of their users may name: importing them runs what is installed, as using the model does.
const LIBRARIES: [&str; 8] =
    ["diffusers", "megatron", "optimum", "peft", "sentence_transformers", "torch", "transformers", "timm"];
/// Folders of diffusers' own pipelines, which `model_index.json` names in the place of a package.
const PIPELINES: [&str; 14] = [
    "audioldm2",
    "deepfloyd_if",
    "kandinsky",
    "latent_diffusion",
    "onnxruntime",
    "paint_by_example",
    "shap_e",
    "stable_cascade",
    "stable_diffusion",
    "stable_diffusion_safe",
    "stable_diffusion_xl",
    "unidiffuser",
    "versatile_diffusion",
    "wuerstchen",
];
/// Where the modules of sentence-transformers stand.
const MODULES: &str = "sentence_transformers.";
/// What of torch a configuration may name: layers and functions of tensors. Others run a script (`torch.distributed.run.main`),
/// a program (`torch.utils.collect_env.main`) or what a file holds (`torch.load`).
const LAYERS: &str = "torch.nn.";
/// The networks of nnU-Net, which its plans name.
const NETWORKS: &str = "dynamic_network_architectures.";
/// Keys whose value is the dotted name of what is imported.
const IMPORTED: [&str; 8] = [
    "activation_fn",
    "activation_function",
    "default_activation_function",
    "megatron_core",
    "network_class_name",
    "parent_library",
    "sbert_ce_default_activation_function",
    "tokenizer_class",
];
/// Files that a router of sentence-transformers is read from: its own, and that of versions before.
const ROUTERS: [&str; 2] = ["config.json", "router_config.json"];
/// Keys that name how attention is computed: by a word of the library, or by code of a repository, `org/name`.
const KERNELS: [&str; 3] = ["_attn_implementation", "_attn_implementation_internal", "attn_implementation"];
/// Keys that name what is called: Lightning's command line, and the configurations of latent-diffusion and its kin.
const CALLED: [&str; 2] = ["class_path", "target"];

/// What a configuration names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Code that is imported on use: place and words.
    pub(crate) code: Vec<(u64, String)>,
    /// Names of the interpreter that templates are handed to look up by: place and words.
    pub(crate) handed: Vec<(u64, String)>,
    /// Files outside of the folder: place and words.
    pub(crate) outside: Vec<(u64, String)>,
    /// The same where a writer may have left a path of its own machine behind.
    pub(crate) astray: Vec<(u64, String)>,
}

impl Named {
    /// What the value of a key names, in whatever object it stands.
    pub(crate) fn key(&mut self, key: &str, value: &Json) {
        if let Some(name) = value.text().filter(|name| IMPORTED.contains(&key) && is_foreign(name, key)) {
            self.code.push((value.at as u64, format!("{key} imports {} on use", keys::shown(name))));
        }
        if key == "extra_special_tokens" || key.ends_with("_token") || key.ends_with("_tokens") {
            self.tokens(value);
        }
        match key {
            "weight_map" => self.weights(value),
            // What onnxruntime loads before it reads the model.
            "custom_ops_library" if value.text().is_some_and(|name| !name.is_empty()) => {
                self.code.push((value.at as u64, format!("{key} names a library that is loaded on use")));
            }
            "type_hint" => self.component(key, value),
            // Handed to a loader as it stands, in the arguments of whichever part of a model.
            "trust_remote_code" if matches!(value.value, Value::Bool(true)) || value.text().is_some() => {
                self.code
                    .push((value.at as u64, format!("{key} has Python files of a repository run on use")));
            }
            // Of a tokenizer: what stands there wins over the file of the folder. Writers leave other paths of theirs behind.
            "merges_file" | "spm_file" | "tokenizer_file" | "vocab_file" => {
                if let Some(what) = value.text().filter(|path| !path.is_empty()).and_then(outside) {
                    let path = keys::shown(value.text().unwrap_or_default());
                    self.astray.push((value.at as u64, format!("takes words from {path}, {what}")));
                }
            }
            // Of a session of onnxruntime: the beginning of a path.
            "enable_profiling" if value.text().is_some_and(|path| !path.is_empty()) => {
                let path = keys::shown(value.text().unwrap_or_default());
                self.outside.push((value.at as u64, format!("{key} has a file written, at {path}")));
            }
            _ if value.text().is_some_and(is_expression) => {
                self.code.push((
                    value.at as u64,
                    format!("{} is Python that MONAI runs on use", keys::shown(key)),
                ));
            }
            _ if KERNELS.contains(&key) => {
                let each = value.entries().iter().map(|(_, value)| value).chain([value]);
                for value in each.filter(|value| value.text().is_some_and(|name| name.contains('/'))) {
                    let name = keys::shown(value.text().unwrap_or_default());
                    self.code
                        .push((value.at as u64, format!("{key} runs code of the repository {name} on use")));
                }
            }
            _ => {}
        }
    }

    /// Tokens of a tokenizer: texts, objects with a `content`, and lists and objects of both. Each may be a variable of every
    /// template.
    fn tokens(&mut self, value: &Json) {
        let items = value.items().iter().chain(value.entries().iter().map(|(_, token)| token));
        for token in items.chain([value]) {
            let text = token.get("content").unwrap_or(token).text().filter(|text| jinja::is_way_out(text));
            if let Some(text) = text {
                let words = format!("hands {text}, a name of the interpreter, to templates to look up by");
                self.handed.push((token.at as u64, words));
            }
        }
    }

    /// A class for each module of a router, which Router.py imports before it looks for the `structure` beside them. The word is a
    /// common one: other files need that too.
    pub(crate) fn router(&mut self, path: &str, root: &Json) {
        let own = path.rsplit('/').next().unwrap_or(path);
        let Some(types) =
            root.get("types").filter(|_| ROUTERS.contains(&own) || root.get("structure").is_some())
        else {
            return;
        };
        for (_, class) in types.entries().iter().filter(|(_, class)| is_other_class(class)) {
            self.module(class);
        }
    }

    fn module(&mut self, class: &Json) {
        let name = keys::shown(class.text().unwrap_or_default());
        self.code
            .push((class.at as u64, format!("a module of the model is {name}, which is imported on use")));
    }

    /// What an object names by its shape, or that of the file.
    pub(crate) fn object(&mut self, json: &Json, is_pipeline: bool) {
        // `idx` is read by nobody; what stands without it may be something else, but for the name of a class.
        if let (Some(class), Some(_)) = (json.get("type"), json.get("path")) {
            let is_module = json.get("idx").is_some();
            let is_own = class.text().is_some_and(is_module_class);
            if is_module && !is_own || is_other_class(class) {
                self.module(class);
            }
            let folder = json.get("path").filter(|path| is_module && path.text() != Some(""));
            if let Some((folder, what)) = folder.and_then(|folder| Some((folder, outside(folder.text()?)?))) {
                let name = keys::shown(folder.text().unwrap_or_default());
                self.outside.push((folder.at as u64, format!("takes a module from {name}, {what}")));
            }
        }
        for named in CALLED {
            if let Some(called) = json.get(named).filter(|name| is_other_class(name)) {
                let name = keys::shown(called.text().unwrap_or_default());
                self.code.push((called.at as u64, format!("{named} names {name}, which is called on use")));
            }
        }
        if json.get("_kw_requires_import").is_some()
            && let Some(arguments) = json.get("arch_kwargs")
        {
            for (key, value) in arguments.entries() {
                if let Some(name) = value.text().filter(|name| is_foreign(name, key)) {
                    let words = format!("{} imports {} on use", keys::shown(key), keys::shown(name));
                    self.code.push((value.at as u64, words));
                }
            }
        }
        if let (Some(lc), Some(_), Some(_)) = (json.get("lc"), json.get("type"), json.get("id")) {
            self.code.push((lc.at as u64, "lc marks what LangChain imports and makes on use".to_owned()));
        }
        let format = json.get("template_format").and_then(Json::text);
        if let Some(template) =
            json.get("template").filter(|_| format.is_some_and(|format| format != "f-string"))
        {
            let words = "template is a template of LangChain that is rendered on use".to_owned();
            self.code.push((template.at as u64, words));
        }
        if !is_pipeline {
            return;
        }
        for (key, value) in json.entries().iter().filter(|(key, _)| key != "_class_name") {
            self.component(key, value);
        }
        if let Some(class) = json.get("_class_name").filter(|class| class.text().is_none()) {
            self.code.push((
                class.at as u64,
                "_class_name is a pipeline of a Python file of the repository".to_owned(),
            ));
        }
    }

    /// A part of a pipeline: library and class, and a description behind them where pipelines are modular.
    fn component(&mut self, key: &str, value: &Json) {
        let [library, class, ..] = value.items() else { return };
        let library_name = library.text().unwrap_or_default();
        let is_own = matches!(library.value, Value::Null) && matches!(class.value, Value::Null)
            || LIBRARIES.contains(&library_name)
            || PIPELINES.contains(&library_name);
        if !is_own {
            let what = keys::shown(library_name);
            let words = format!("{} comes from {what}, which is imported on use", keys::shown(key));
            self.code.push((value.at as u64, words));
        }
    }

    /// The files of a sharded model: the loader joins each with its folder and reads it.
    fn weights(&mut self, map: &Json) {
        let mut last = "";
        for (_, value) in map.entries() {
            let file = value.text().unwrap_or_default();
            // The same file stands at each of its tensors.
            if file == last {
                continue;
            }
            last = file;
            if let Some(what) = outside(file) {
                self.outside
                    .push((value.at as u64, format!("takes weights from {}, {what}", keys::shown(file))));
            }
        }
    }
}

/// Whether a dotted name leads to a package that is none of those that models are used with. A word without a dot is the name
/// of a function in a table, but for `parent_library` and `megatron_core`, which are always modules.
fn is_foreign(name: &str, key: &str) -> bool {
    let is_module = matches!(key, "megatron_core" | "parent_library");
    match name.split_once('.') {
        Some(("torch", _)) => !name.starts_with(LAYERS),
        Some(_) if name.starts_with(NETWORKS) => false,
        Some((package, _)) => !LIBRARIES.contains(&package),
        None => is_module && !name.is_empty() && !LIBRARIES.contains(&name),
    }
}

/// Whether it is the dotted name of a class of sentence-transformers, and not of what a module of it has imported.
fn is_module_class(name: &str) -> bool {
    let class = name.rsplit('.').next().unwrap_or_default();
    name.starts_with(MODULES) && class.starts_with(|first: char| first.is_ascii_uppercase())
}

/// Whether it is the dotted name of something in Python, and not of a module of sentence-transformers.
fn is_other_class(name: &Json) -> bool {
    let Some(name) = name.text().filter(|name| name.contains('.') && !is_module_class(name)) else {
        return false;
    };
    let is_word = |part: &str| {
        part.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    name.split('.').all(is_word)
}

/// Whether a bundle of MONAI takes the text for Python: what follows a dollar. Prices and variables of a shell are none.
fn is_expression(text: &str) -> bool {
    let Some(code) = text.trim_start().strip_prefix('$') else { return false };
    code.starts_with("import ")
        || code.contains(['(', '[', '.', '@']) && !code.starts_with(|first: char| first.is_ascii_digit())
}
