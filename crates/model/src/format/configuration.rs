//! Room `model`, format `json`: what the configurations of a Hub repository name besides keys that are code everywhere:
//! classes to import, files to read. `name, tree -> places and words`
//!
//! Each rule is what one library does with the file: peft 0.17 `peft_model.py` and `auto.py`, sentence-transformers 5
//! `SentenceTransformer.py` and `CrossEncoder.py`, diffusers 0.35 `pipeline_utils.py`, transformers 4.57 `hub.py`.

use super::onnx;
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
/// Keys whose value is the dotted name of what is imported.
const IMPORTED: [&str; 6] = [
    "activation_fn",
    "activation_function",
    "default_activation_function",
    "megatron_core",
    "parent_library",
    "sbert_ce_default_activation_function",
];

/// What a configuration names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Code that is imported on use: place and words.
    pub(crate) code: Vec<(u64, String)>,
    /// Files outside of the folder: place and words.
    pub(crate) outside: Vec<(u64, String)>,
}

impl Named {
    /// What the value of a key names, in whatever object it stands.
    pub(crate) fn key(&mut self, key: &str, value: &Json) {
        if let Some(name) = value.text().filter(|name| IMPORTED.contains(&key) && is_foreign(name, key)) {
            self.code.push((value.at as u64, format!("{key} imports {} on use", keys::shown(name))));
        }
        if key == "weight_map" {
            self.weights(value);
        }
    }

    /// What an object names by its shape, or that of the file.
    pub(crate) fn object(&mut self, json: &Json, is_pipeline: bool) {
        if let (Some(class), Some(_), Some(_)) = (json.get("type"), json.get("path"), json.get("idx")) {
            let name = class.text().unwrap_or_default();
            if !name.starts_with("sentence_transformers.") {
                let message =
                    format!("a module of the model is {}, which is imported on use", keys::shown(name));
                self.code.push((class.at as u64, message));
            }
        }
        if !is_pipeline {
            return;
        }
        for (key, value) in json.entries().iter().filter(|(key, _)| key != "_class_name") {
            let [library, class] = value.items() else { continue };
            let library_name = library.text().unwrap_or_default();
            let is_own = matches!(library.value, Value::Null) && matches!(class.value, Value::Null)
                || LIBRARIES.contains(&library_name)
                || PIPELINES.contains(&library_name);
            if !is_own {
                let what = keys::shown(library_name);
                self.code.push((
                    value.at as u64,
                    format!("{} comes from {what}, which is imported on use", keys::shown(key)),
                ));
            }
        }
        if let Some(class) = json.get("_class_name").filter(|class| class.text().is_none()) {
            self.code.push((
                class.at as u64,
                "_class_name is a pipeline of a Python file of the repository".to_owned(),
            ));
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
            if let Some(what) = onnx::outside(file) {
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
        Some((package, _)) => !LIBRARIES.contains(&package),
        None => is_module && !name.is_empty() && !LIBRARIES.contains(&name),
    }
}
