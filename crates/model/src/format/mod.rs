//! Room `model`: one file per format; each gives what it found to the walk, with the place.

pub(crate) mod configuration;
pub(crate) mod gguf;
pub(crate) mod jinja;
#[cfg(test)]
pub(crate) mod joblib;
pub(crate) mod npy;
pub(crate) mod onnx;
pub(crate) mod safetensors;
pub(crate) mod text;
pub(crate) mod torch;
pub(crate) mod torch_legacy;
pub(crate) mod torch_tar;
pub(crate) mod zfile;
