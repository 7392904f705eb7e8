//! Where the programs of the components come from.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

/// The programs that were found, by the name of the component; `kubectl` among them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Programs(BTreeMap<String, PathBuf>);

impl Programs {
    /// The program of this name: `kubelet`, `kubectl`.
    pub fn get(&self, name: &str) -> Option<&Path> {
        self.0.get(name).map(PathBuf::as_path)
    }
}
