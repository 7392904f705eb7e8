//! YAML and JSON text -> one spanned tree that serves values *and* places. Knows nothing of Kubernetes.
//!
//! `text -> events -> Builder -> Tree -> Value`. YAML comes from the events of `granit-parser`, JSON from a reader
//! of our own into the same tree, so that a control sees one kind of value whatever the file. A second YAML reader
//! exists in tests only, as judge.

mod builder;
mod error;
mod json;
mod read;
mod scalar;
mod tree;
mod value;

pub use error::ParseError;
pub use json::read_json;
pub use json::write_json_string;
pub use read::read_yaml;
pub use scalar::Scalar;
pub use scalar::decode_base64;
pub use scalar::encode_base64;
pub use tree::Duplicate;
pub use tree::NodeId;
pub use tree::Tree;
pub use value::Value;
pub use value::field_path;
