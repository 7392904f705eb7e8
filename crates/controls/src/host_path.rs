//! A pod in, the folders and files of the node that its volumes hold out, each by one path however it was spelled.

use ringfence_inventory::Pod;
use ringfence_inventory::yaml::Value;

/// A volume that holds a path of the node.
pub(crate) struct HostPath<'i> {
    /// Its volume's name.
    pub(crate) volume: &'i str,
    /// The path as written, to point at.
    pub(crate) at: Value<'i>,
    /// The path without what changes nothing: `//`, `/./`, a slash at the end; `/var/run` is `/run`.
    pub(crate) path: String,
}

/// Starts of the paths of device files, and folders of them.
pub(crate) const DEVICES: &[&str] = &[
    "/dev/nvidia",
    "/dev/dri",
    "/dev/kfd",
    "/dev/accel",
    "/dev/neuron",
    "/dev/davinci",
    "/dev/habanalabs",
    "/proc/driver/nvidia",
];

/// hostPath volumes of a pod. One that no container mounts counts: it is admitted, and an ephemeral container may follow.
pub(crate) fn host_paths(pod: Pod<'_>) -> impl Iterator<Item = HostPath<'_>> {
    pod.volumes().filter_map(|volume| {
        let at = volume.at(&["hostPath", "path"])?;
        Some(HostPath { volume: volume.str_at("name").unwrap_or(""), at, path: clean(at.text()?) })
    })
}

impl HostPath<'_> {
    /// Whether it is a device file of an accelerator, or a folder of them.
    pub(crate) fn is_device(&self) -> bool {
        DEVICES.iter().any(|start| self.path.starts_with(start))
    }

    /// Whether a generator has yet to fill the path in.
    pub(crate) fn is_variable(&self) -> bool {
        self.path.contains('$') || self.path.contains("{{")
    }

    /// Whether it is `target` or something below it.
    pub(crate) fn is_at_or_below(&self, target: &str) -> bool {
        is_within(&self.path, target)
    }

    /// Whether it is `target` or a folder above it.
    pub(crate) fn is_at_or_above(&self, target: &str) -> bool {
        self.path == "/" || is_within(target, &self.path)
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The API server refuses `..` in a hostPath; a manifest that has it means what it would resolve to.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    if parts.starts_with(&["var", "run"]) {
        parts.remove(0);
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_has_one_spelling() {
        for (written, path) in [
            ("/dev/nvidia0", "/dev/nvidia0"),
            ("//dev/./nvidia0/", "/dev/nvidia0"),
            ("/opt/../dev", "/dev"),
            ("/var/run/docker.sock", "/run/docker.sock"),
            ("/var/runner", "/var/runner"),
            ("/", "/"),
            ("/..", "/"),
        ] {
            assert_eq!(clean(written), path, "{written}");
        }
        assert!(is_within("/dev/nvidia0", "/dev") && is_within("/dev", "/dev"));
        assert!(!is_within("/device", "/dev"));
    }
}
