//! Room `domain`: an object to write, kept as JSON text. A thousand namespaces have nine thousand objects, and a tree of values
//! takes five times the memory of its text.

use serde::Serialize;
use serde::Serializer;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;

/// A Kubernetes object.
#[derive(Clone, Debug, PartialEq)]
pub struct Body(Box<str>);

impl Body {
    /// Keeps an object.
    pub fn new(object: &Value) -> Self {
        Self(object.to_string().into())
    }

    /// The object. It is parsed each time.
    pub fn tree(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// SHA-256 of the text.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&*self.0).into()
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree().serialize(serializer)
    }
}
