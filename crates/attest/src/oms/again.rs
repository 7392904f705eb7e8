//! Room `attest`: what was listed before anything was hashed, and a second look behind it -> what changed meanwhile.
//! Signatures that look by the same rules, as those of one model mostly do, share both looks.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;

use ringfence_finding::FileStatus;
use ringfence_finding::Verification;
use ringfence_finding::VerifiedFile;
use ringfence_finding::VerifyReason;

use super::tree;
use super::tree::Rules;
use super::tree::Tree;

/// A model as it was before anything was hashed, and behind the last byte.
pub(super) struct Look {
    rules: Rules,
    pub(super) tree: Tree,
    /// Taken when the first asks for it.
    later: OnceCell<io::Result<Tree>>,
}

impl Look {
    /// The look by these rules: the one among `looks`, or a new one. The error is the system's, for `path` itself.
    pub(super) fn by(rules: Rules, path: &Path, looks: &mut Vec<Rc<Self>>) -> io::Result<Rc<Self>> {
        if let Some(look) = looks.iter().find(|look| look.rules == rules) {
            return Ok(Rc::clone(look));
        }
        let tree = tree::walk(path, &rules)?;
        let look = Rc::new(Self { rules, tree, later: OnceCell::new() });
        looks.push(Rc::clone(&look));
        Ok(look)
    }

    /// Whether everything is as it was listed, and nothing else is there.
    pub(super) fn again(&self, path: &Path, result: &mut Verification) {
        if self.tree.is_cut {
            // Told, and what was seen of it is no measure for a second look.
            return result.files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        match self.later.get_or_init(|| tree::walk(path, &self.rules)) {
            Ok(later) => tell(&self.tree, later, result),
            Err(error) => {
                let why = format!("changed while it was read: {error}");
                result.reasons.push(VerifyReason::failed("changed", why).of("."));
            }
        }
    }
}

fn tell(tree: &Tree, later: &Tree, result: &mut Verification) {
    let mut statuses: BTreeMap<&str, &mut FileStatus> = BTreeMap::new();
    for file in &mut result.files {
        statuses.insert(&file.path, &mut file.status);
    }
    let mut others = Vec::new();
    for (name, how) in tree.changed(later) {
        match statuses.get_mut(name.as_str()).map(|status| std::mem::replace(*status, FileStatus::Changed)) {
            // It is told.
            Some(FileStatus::Changed) => continue,
            Some(_) => {}
            None => others.push(name.clone()),
        }
        result.reasons.push(VerifyReason::failed("changed", how).of(name));
    }
    let other = |path| VerifiedFile { path, bytes: 0, digest: None, hash: None, status: FileStatus::Changed };
    result.files.extend(others.into_iter().map(other));
    result.files.sort_by(|a, b| a.path.cmp(&b.path));
    result.skipped.clone_from(&later.skipped);
    result.skipped.sort_by(|a, b| a.path.cmp(&b.path));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn rules(left_out: &str) -> Rules {
        Rules { ignore: BTreeMap::from([(left_out.to_owned(), "left out")]), through_links: None, most: 100 }
    }

    #[test]
    fn signatures_with_the_same_rules_share_both_looks() {
        let root = std::env::temp_dir().join(format!("ringfence-attest-looks-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("one"), "1").unwrap();
        let mut looks = Vec::new();
        let first = Look::by(rules("a"), &root, &mut looks).unwrap();
        let same = Look::by(rules("a"), &root, &mut looks).unwrap();
        let other = Look::by(rules("b"), &root, &mut looks).unwrap();
        assert_eq!(looks.len(), 2);
        assert!(Rc::ptr_eq(&first, &same) && !Rc::ptr_eq(&first, &other));
        let changed = |look: &Look| {
            let mut result = Verification::default();
            look.again(&root, &mut result);
            result.files.into_iter().map(|file| file.path).collect::<Vec<_>>()
        };
        fs::write(root.join("came"), "").unwrap();
        assert_eq!(changed(&first), [".", "came"]);
        // What comes after the second look was seen by nobody who shares it.
        fs::write(root.join("late"), "").unwrap();
        assert_eq!(changed(&same), [".", "came"]);
        assert_eq!(changed(&other), [".", "came", "late"]);
        fs::remove_dir_all(&root).unwrap();
    }
}
