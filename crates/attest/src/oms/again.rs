//! Room `attest`: what was listed before anything was hashed, and a second look behind it -> what changed meanwhile.

use std::collections::BTreeMap;

use ringfence_finding::FileStatus;
use ringfence_finding::Verification;
use ringfence_finding::VerifiedFile;
use ringfence_finding::VerifyReason;

use super::tree;
use super::tree::Tree;
use super::verify::Request;

/// Whether everything is as it was listed, and nothing else is there.
pub(super) fn look(request: &Request<'_>, rules: &tree::Rules, tree: &Tree, result: &mut Verification) {
    if tree.is_cut {
        // Told, and what was seen of it is no measure for a second look.
        return result.files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    let later = match tree::walk(request.path, rules) {
        Ok(later) => later,
        Err(error) => {
            let why = format!("changed while it was read: {error}");
            return result.reasons.push(VerifyReason::failed("changed", why).of("."));
        }
    };
    let mut statuses: BTreeMap<&str, &mut FileStatus> = BTreeMap::new();
    for file in &mut result.files {
        statuses.insert(&file.path, &mut file.status);
    }
    let mut others = Vec::new();
    for (name, how) in tree.changed(&later) {
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
    result.skipped = later.skipped;
    result.skipped.sort_by(|a, b| a.path.cmp(&b.path));
}
