//! Room `model`, container `tar`: records of pax -> those few that say where and how large a member is; the last one wins.

use std::collections::BTreeMap;

use super::NAME;

/// Keys whose values are asked for.
const KEYS: [&str; 4] = ["GNU.sparse.name", "linkpath", "path", "size"];

/// What the records before a member say of it. A million others may stand beside these, and are not kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    values: BTreeMap<&'static str, String>,
    /// Whether any record is of GNU's sparse forms.
    pub(super) is_sparse: bool,
}

impl Pax {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Takes records in their order; false where one is too long to be kept.
    pub(super) fn take(&mut self, records: &[(&[u8], &[u8])]) -> bool {
        let mut fits = true;
        for (key, value) in records {
            self.is_sparse |= key.starts_with(b"GNU.sparse.");
            let Some(key) = KEYS.into_iter().find(|known| known.as_bytes() == *key) else { continue };
            if value.len() > NAME {
                fits = false;
            } else {
                self.values.insert(key, String::from_utf8_lossy(value).into_owned());
            }
        }
        fits
    }

    /// These, and over them those of one member alone.
    pub(super) fn with(mut self, own: Self) -> Self {
        self.values.extend(own.values);
        self.is_sparse |= own.is_sparse;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_not_kept_and_the_last_wins() {
        let mut all = Pax::default();
        assert!(all.take(&[(b"path", b"a"), (b"comment", b"x"), (b"path", b"b"), (b"size", b"1")]));
        assert_eq!((all.values.len(), all.get("path"), all.is_sparse), (2, Some("b"), false));
        let mut own = Pax::default();
        assert!(!own.take(&[(b"path", b"c"), (b"linkpath", &[b'x'; NAME + 1]), (b"GNU.sparse.major", b"1")]));
        let both = all.with(own);
        assert_eq!((both.get("path"), both.get("linkpath"), both.get("size")), (Some("c"), None, Some("1")));
        assert!(both.is_sparse);
    }
}
