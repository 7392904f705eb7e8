//! Room `inventory`, live: kubeconfig files -> one cluster, one user, one namespace, by the rules of `kubectl`.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use kube::config::AuthInfo;
use kube::config::Cluster;
use kube::config::Kubeconfig;
use kube::config::KubeconfigError;
use kube::config::NamedContext;

use super::access::Access;
use super::error::ClusterError;
use super::error::chain;
use crate::named::read_named_text;
use crate::nearest::nearest;

/// Bytes of a kubeconfig: certificates of some thousand clusters.
const MAX_BYTES: u64 = 16 << 20;

/// What the files and flags say together.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Files that were read, in words, for messages.
    pub(super) files: String,
    pub(super) context: Option<String>,
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
    /// Name of the user in the files.
    pub(super) user_name: Option<String>,
    pub(super) namespace: Option<String>,
}

/// Chooses. None: the files name no cluster at all, so the pod's own service account may be meant.
pub(super) fn choose(access: &Access) -> Result<Option<Chosen>, ClusterError> {
    let (config, files) = load(access)?;
    let context = context(access, &config, &files)?;
    let by_context = context.as_ref().and_then(|named| named.context.clone());
    let cluster_name = access
        .cluster
        .clone()
        .or_else(|| by_context.as_ref().map(|context| context.cluster.clone()))
        .filter(|name| !name.is_empty());
    let user_name =
        access.user.clone().or_else(|| by_context.as_ref()?.user.clone()).filter(|name| !name.is_empty());
    let asker =
        context.as_ref().map_or_else(|| files.clone(), |named| format!("context {} of {files}", named.name));
    let cluster = match &cluster_name {
        Some(name) => {
            let found = config.clusters.iter().find(|named| named.name == *name);
            let names = config.clusters.iter().map(|named| named.name.as_str());
            found
                .map(|named| named.cluster.clone().unwrap_or_default())
                .ok_or_else(|| missing("cluster", name, &asker, names))?
        }
        None if access.server.is_some() => Cluster::default(),
        None => return Ok(None),
    };
    let user = match &user_name {
        Some(name) => {
            let found = config.auth_infos.iter().find(|named| named.name == *name);
            let names = config.auth_infos.iter().map(|named| named.name.as_str());
            found
                .map(|named| named.auth_info.clone().unwrap_or_default())
                .ok_or_else(|| missing("user", name, &asker, names))?
        }
        None => AuthInfo::default(),
    };
    let namespace = by_context.and_then(|context| context.namespace).filter(|name| !name.is_empty());
    Ok(Some(Chosen { files, context: context.map(|named| named.name), cluster, user, user_name, namespace }))
}

fn context(access: &Access, config: &Kubeconfig, files: &str) -> Result<Option<NamedContext>, ClusterError> {
    let current = config.current_context.as_ref().filter(|name| !name.is_empty());
    let names = || config.contexts.iter().map(|named| named.name.as_str());
    let Some(name) = access.context.as_ref().or(current) else {
        let is_named_otherwise = access.cluster.is_some() || access.server.is_some();
        if config.contexts.is_empty() || is_named_otherwise {
            return Ok(None);
        }
        let list = names().collect::<Vec<_>>().join(", ");
        return Err(ClusterError::Config(format!(
            "{files} names no current context; choose one with --context: {list}"
        )));
    };
    match config.contexts.iter().find(|named| named.name == *name) {
        Some(named) => Ok(Some(named.clone())),
        None => Err(missing("context", name, files, names())),
    }
}

fn missing<'n>(what: &str, name: &str, place: &str, names: impl Iterator<Item = &'n str>) -> ClusterError {
    let names: Vec<&str> = names.collect();
    let near = nearest(name, names.iter().copied());
    let hint = near.map_or_else(String::new, |known| format!(", did you mean {known}?"));
    let known =
        if names.is_empty() { "there is none".to_owned() } else { format!("known are {}", names.join(", ")) };
    ClusterError::Config(format!("{place}: no {what} `{name}`{hint}; {known}"))
}

/// Reads and merges the files: the first one that says a thing wins.
fn load(access: &Access) -> Result<(Kubeconfig, String), ClusterError> {
    let (paths, by_hand) = paths(access);
    let mut merged = Kubeconfig::default();
    let mut read = Vec::new();
    for path in &paths {
        match read_one(path) {
            Ok(config) => {
                merged = merged.merge(config).map_err(|error| {
                    ClusterError::Config(format!("{}: {}", path.display(), chain(&error)))
                })?;
                read.push(path.display().to_string());
            }
            // `kubectl` passes over files that are not there, unless one was named by hand.
            Err(KubeconfigError::ReadConfig(error, _))
                if !by_hand && error.kind() == io::ErrorKind::NotFound => {}
            Err(KubeconfigError::ReadConfig(error, _)) => {
                let cure = "name a kubeconfig that you may read with --kubeconfig, or in KUBECONFIG";
                return Err(ClusterError::Config(format!("{}: {error}; {cure}", path.display())));
            }
            Err(error) => {
                return Err(ClusterError::Config(format!(
                    "{}: not a kubeconfig: {}",
                    path.display(),
                    (access.mask)(&chain(&error))
                )));
            }
        }
    }
    if read.is_empty() {
        read.extend(paths.iter().map(|path| path.display().to_string()));
    }
    Ok((merged, read.join(":")))
}

/// One file. Of a pipe (`<(...)`) there is no folder that its paths could be relative to.
fn read_one(path: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let wrong = |error| KubeconfigError::ReadConfig(error, path.to_owned());
    let metadata = std::fs::metadata(path).map_err(wrong)?;
    if metadata.is_file() && metadata.len() <= MAX_BYTES {
        return Kubeconfig::read_from(path);
    }
    Kubeconfig::from_yaml(&read_named_text(path, MAX_BYTES).map_err(wrong)?)
}

/// Files in order, and whether the user named one by flag.
fn paths(access: &Access) -> (Vec<PathBuf>, bool) {
    if let Some(path) = &access.kubeconfig {
        return (vec![path.clone()], true);
    }
    if let Some(list) = access.env.get("KUBECONFIG") {
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        return (paths, false);
    }
    let home = access.env.get("HOME").or_else(|| access.env.get("USERPROFILE"));
    (home.map(|home| Path::new(home).join(".kube/config")).into_iter().collect(), false)
}
