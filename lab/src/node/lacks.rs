//! What this machine lacks for a real node: user, programs, kernel -> sentences with the cure.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use crate::cgroup::Trees;

/// Folders that a root shell may have off its search path.
const SYSTEM: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];

/// Programs, with the Debian package each comes from.
const PROGRAMS: [(&str, &str); 12] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("ip", "iproute2"),
    ("ip6tables-restore", "iptables"),
    ("ipset", "ipset"),
    ("iptables-restore", "iptables"),
    ("mount", "mount"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("runc", "runc"),
    ("unshare", "util-linux"),
];

/// CNI plugins of the pod network.
const PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

/// Where distributions and releases put them.
const PLUGIN_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// What helps the root of a container.
const WHOLE: &str = "run as root of the machine, or in a privileged container";

/// What this machine lacks for a real node, each with what to do about it; nothing: it can have one.
pub(crate) fn lacks() -> Vec<(String, String)> {
    if !rustix::process::geteuid().is_root() {
        // The rest would only distract: without root none of it helps.
        return vec![("not root".into(), "run as root".into())];
    }
    let install = |package: &str| format!("install Debian package {package}");
    let mut lacks: Vec<(String, String)> = PROGRAMS
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(program, package)| (format!("{program} not found"), install(package)))
        .collect();
    if plugins().is_none() {
        let what = format!("CNI plugins not found in {}", PLUGIN_FOLDERS.join(", "));
        lacks.push((what, install("containernetworking-plugins")));
    }
    match Trees::of_this_machine() {
        Ok(trees) if !trees.are_usable() => {
            lacks.push(("no control groups with a memory controller".into(), "mount /sys/fs/cgroup".into()));
        }
        Ok(trees) if trees.are_writable() => {}
        _ => lacks.push(("control groups are read-only".into(), WHOLE.into())),
    }
    // The root of a container has its user id and not its rights.
    if find("unshare").is_some_and(|unshare| !may_make_namespaces(&unshare)) {
        lacks.push(("no right to make network and mount namespaces".into(), WHOLE.into()));
    }
    if !Path::new("/proc/sys/net/ipv6").is_dir() {
        lacks.push(("kernel without IPv6".into(), "boot without ipv6.disable=1".into()));
    }
    if !Path::new("/proc/sys/net/bridge").is_dir() {
        lacks.push(("kernel module br_netfilter not loaded".into(), "modprobe br_netfilter".into()));
    }
    lacks
}

fn may_make_namespaces(unshare: &Path) -> bool {
    let mut unshare = Command::new(unshare);
    unshare.args(["--net", "--mount", "--", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}

/// The program of this name on the search path or in a folder of the system.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_absolute() && file.is_file())
}

/// The folder that holds all CNI plugins that are needed.
pub(crate) fn plugins() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| PLUGINS.iter().all(|plugin| folder.join(plugin).is_file());
    PLUGIN_FOLDERS.iter().map(PathBuf::from).find(complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_missing_user_before_anything_else() {
        if rustix::process::geteuid().is_root() {
            assert!(lacks().iter().all(|(what, hint)| what != "not root" && !hint.is_empty()));
        } else {
            assert_eq!(lacks(), [("not root".to_owned(), "run as root".to_owned())]);
        }
    }

    #[test]
    #[ignore = "needs root: gives up rights"]
    fn a_root_without_rights_is_told_what_it_lacks() {
        let own = std::env::current_exe().unwrap();
        let test = "node::lacks::tests::names_what_a_powerless_root_lacks";
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--bounding-set", "-sys_admin"]).arg(own).args([
            "--ignored",
            "--exact",
            "--nocapture",
            test,
        ]);
        let output = setpriv.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.contains("no right to make network and mount namespaces; run as root of the machine"),
            "{said}"
        );
    }

    #[test]
    #[ignore = "needs root: prints, for the test above"]
    fn names_what_a_powerless_root_lacks() {
        for (what, hint) in lacks() {
            println!("{what}; {hint}");
        }
    }
}
