//! The files of the node: templates beside this crate -> configuration in the lab's folder, and the images that
//! every node has.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::image::File;
use crate::image::Image;
use crate::netns::NODE_ADDRESS6;
use crate::node::POD_RANGES;
use crate::node::lacks::find;
use crate::node::lacks::plugins;
use crate::pki::NODE_NAME;
use crate::site::NODE_ADDRESS;
use crate::standin::StandIn;

/// Names below `run/`.
pub(crate) const CONTAINERD: &str = "containerd.toml";
pub(crate) const ENTER: &str = "enter.sh";
pub(crate) const KUBELET: &str = "kubelet.yaml";
pub(crate) const KUBE_PROXY: &str = "kube-proxy.yaml";

/// The image of a pod's first container.
const PAUSE: &str = "lab.local/pause:1";

/// What the node hides behind its own mounts; a lab below one of these would hide itself.
const COVERED: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// Writes everything that the node's components read.
pub(crate) fn write(home: &Home) -> Result<()> {
    let real = fs::canonicalize(home.path()).map_err(Error::at(home.path()))?;
    if let Some(covered) = COVERED.iter().find(|folder| real.starts_with(folder)) {
        let message = format!("lies below {covered}, which the node covers: set TMPDIR to another folder");
        return Err(Error::other(format!("{}: {message}", real.display())));
    }
    let containerd = match containerd_version()? {
        1 => include_str!("../../node/containerd-2.toml"),
        _ => include_str!("../../node/containerd-3.toml"),
    };
    let run = |name: &str| home.run().join(name);
    for (path, template) in [
        (run(CONTAINERD), containerd),
        (run(ENTER), include_str!("../../node/enter.sh")),
        (run(KUBELET), include_str!("../../node/kubelet.yaml")),
        (run(KUBE_PROXY), include_str!("../../node/kube-proxy.yaml")),
        (home.cni().join("10-lab.conflist"), include_str!("../../node/pod-network.conflist")),
    ] {
        fs::write(&path, fill(template, home)?).map_err(Error::at(&path))?;
    }
    // The kubelet makes it too late for the first look of others.
    let pods = home.log().join("pods");
    fs::create_dir_all(&pods).map_err(Error::at(&pods))
}

/// Replaces each `@WORD@`.
fn fill(template: &str, home: &Home) -> Result<String> {
    let runc = find("runc").ok_or_else(|| Error::other("runc not found (Debian package runc)"))?;
    let plugins = plugins()
        .ok_or_else(|| Error::other("no CNI plugins (Debian package containernetworking-plugins)"))?;
    let words: [(&str, String); 12] = [
        ("@HOME@", home.path().display().to_string()),
        ("@NAME@", home.name()),
        ("@NODE@", NODE_NAME.into()),
        ("@PAUSE@", PAUSE.into()),
        ("@RUNC@", runc.display().to_string()),
        ("@PLUGINS@", plugins.display().to_string()),
        ("@ADDRESS@", NODE_ADDRESS.to_string()),
        ("@ADDRESS6@", NODE_ADDRESS6.to_string()),
        ("@DNS@", StandIn::Dns.v4().to_string()),
        ("@PODS@", POD_RANGES.join(",")),
        ("@PODS4@", POD_RANGES[0].into()),
        ("@PODS6@", POD_RANGES[1].into()),
    ];
    Ok(words.iter().fold(template.to_owned(), |text, (word, value)| text.replace(word, value)))
}

/// Major version: 1 reads configuration version 2, 2 reads version 3.
fn containerd_version() -> Result<u32> {
    let program = find("containerd").unwrap_or_else(|| PathBuf::from("containerd"));
    let output = Command::new(&program).arg("--version").output().map_err(Error::at(&program))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    major(&text)
        .ok_or_else(|| Error::other(format!("{}: unknown version `{}`", program.display(), text.trim())))
}

/// 1 of `containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3`.
fn major(version: &str) -> Option<u32> {
    version.split_whitespace().nth(2)?.trim_start_matches('v').split('.').next()?.parse().ok()
}

/// The images that every node has: the sandbox's and one that does what its arguments say.
pub(crate) fn images(labtool: &Path) -> Result<[Image; 2]> {
    let bytes = fs::read(labtool).map_err(Error::at(labtool))?;
    let image = |name: &str, entry: &str| Image {
        name: name.into(),
        entry: vec![entry.into()],
        files: vec![File { path: "bin/labtool".into(), bytes: bytes.clone(), mode: 0o755 }],
        links: vec![("bin/pause".into(), "bin/labtool".into())],
    };
    Ok([image(PAUSE, "/bin/pause"), image(crate::image::LABTOOL, "/bin/labtool")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_of_containerd_are_told_apart() {
        assert_eq!(
            major("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n"),
            Some(1)
        );
        assert_eq!(major("containerd github.com/containerd/containerd/v2 v2.1.9 \n"), Some(2));
        assert_eq!(major("containerd: command not found"), None);
    }

    #[test]
    fn every_word_of_every_template_is_filled() {
        for (name, template) in [
            ("containerd-2.toml", include_str!("../../node/containerd-2.toml")),
            ("containerd-3.toml", include_str!("../../node/containerd-3.toml")),
            ("kubelet.yaml", include_str!("../../node/kubelet.yaml")),
            ("kube-proxy.yaml", include_str!("../../node/kube-proxy.yaml")),
            ("pod-network.conflist", include_str!("../../node/pod-network.conflist")),
        ] {
            assert!(template.contains('@'), "{name} has no word");
            let words: Vec<&str> = template.split('@').skip(1).step_by(2).collect();
            let known = [
                "HOME", "NAME", "NODE", "PAUSE", "RUNC", "PLUGINS", "ADDRESS", "DNS", "PODS", "PODS4",
                "PODS6",
            ];
            assert!(words.iter().all(|word| known.contains(word)), "{name}: {words:?}");
        }
    }
}
