//! Room `model`: one file per format; each gives what it found to the walk, with the place.

pub(crate) mod gguf;
pub(crate) mod jinja;
pub(crate) mod npy;
pub(crate) mod onnx;
pub(crate) mod safetensors;
pub(crate) mod text;
pub(crate) mod torch;
