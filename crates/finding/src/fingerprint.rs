//! Identity of a finding across runs: no line numbers, no list indexes, no values.

use std::fmt;
use std::fmt::Write as _;

use serde::Serialize;
use serde::Serializer;
use sha2::Digest as _;
use sha2::Sha256;

use crate::ControlId;
use crate::ResourceRef;

/// Version of the recipe; stored in machine formats so that baselines know what they compare.
const VERSION: u8 = 1;

/// First 16 bytes of SHA-256 over control, group/kind, namespace/name (of the owners too), container and field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Hashes the parts. The API version is left out: moving from `v1beta1` to `v1` is the same root cause.
    pub fn new(
        control: ControlId,
        resource: Option<&ResourceRef>,
        container: Option<&str>,
        field: &str,
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update([VERSION]);
        let mut part = |text: &str| {
            // Length first, so that parts cannot run into each other.
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(text.as_bytes());
        };
        part(&control.to_string());
        let mut next = resource;
        while let Some(object) = next {
            part(object.group());
            part(&object.kind);
            part(object.namespace.as_deref().unwrap_or(""));
            part(&object.name);
            next = object.owner.as_deref();
        }
        part(container.unwrap_or(""));
        part(field);
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("v{VERSION}:");
        for byte in self.0 {
            write!(text, "{byte:02x}")?;
        }
        f.pad(&text)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Family;

    fn pod(api_version: &str, name: &str) -> ResourceRef {
        ResourceRef {
            api_version: api_version.to_owned(),
            kind: "Pod".to_owned(),
            namespace: Some("ml".to_owned()),
            name: name.to_owned(),
            owner: None,
        }
    }

    #[test]
    fn every_part_but_the_version_counts() {
        let id = ControlId::new(Family::Run, 1);
        let base = Fingerprint::new(id, Some(&pod("v1", "a")), Some("c"), "f");
        assert_eq!(base, Fingerprint::new(id, Some(&pod("v2", "a")), Some("c"), "f"));
        assert_ne!(base, Fingerprint::new(id, Some(&pod("x/v1", "a")), Some("c"), "f"));
        assert_ne!(base, Fingerprint::new(id, Some(&pod("v1", "b")), Some("c"), "f"));
        assert_ne!(base, Fingerprint::new(id, Some(&pod("v1", "a")), None, "f"));
        assert_ne!(base, Fingerprint::new(id, Some(&pod("v1", "a")), Some("c"), "g"));
        assert_ne!(
            base,
            Fingerprint::new(ControlId::new(Family::Run, 2), Some(&pod("v1", "a")), Some("c"), "f")
        );
        let owned = ResourceRef { owner: Some(Box::new(pod("v1", "o"))), ..pod("v1", "a") };
        assert_ne!(base, Fingerprint::new(id, Some(&owned), Some("c"), "f"));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let id = ControlId::new(Family::Run, 1);
        assert_ne!(Fingerprint::new(id, None, Some("ab"), "c"), Fingerprint::new(id, None, Some("a"), "bc"));
    }
}
