//! Kubeconfigs of others: any kubeconfig and an identity -> a file with which programs act as it.

use std::path::Path;
use std::path::PathBuf;

use kube::config::Kubeconfig;
use sha2::Digest;
use sha2::Sha256;

use crate::error::Error;
use crate::error::Result;
use crate::home::write_json;
use crate::identity::Identity;
use crate::random::in_hex;

/// Writes the file into `folder` and gives its path. The same identity gives the same file.
pub(crate) fn impersonating(original: &Path, who: &Identity, folder: &Path) -> Result<PathBuf> {
    let mut file = Kubeconfig::read_from(original).map_err(Error::while_(original.display()))?;
    for user in &mut file.auth_infos {
        let rights = user.auth_info.get_or_insert_default();
        rights.impersonate = Some(who.user.clone());
        rights.impersonate_groups = Some(who.groups.clone());
    }
    let text = serde_json::to_vec(&(original, who)).map_err(Error::while_("identity"))?;
    let hash = in_hex(&Sha256::digest(text), 8);
    let path = folder.join(format!("as-{hash}.kubeconfig"));
    write_json(&path, &file)?;
    Ok(path)
}
