//! `lab up`: starts a lab that outlives this command. Standard output carries one line for a shell to eval.

use std::io::Write;
use std::path::Path;

use crate::command::print;
use crate::error::Error;
use crate::error::Result;
use crate::lab::FakeNodeSpec;
use crate::launch::Options;
use crate::launch::choose;
use crate::launch::launch;
use crate::tier::Tier;

pub(super) fn run(words: &[&str]) -> Result<()> {
    let options = options(words)?;
    let launched = launch(&options, false)?;
    let home = &launched.home;
    if let (None, Err(Error::Missing(missing))) = (options.tier, choose(Some(Tier::Node))) {
        let _ = writeln!(std::io::stderr(), "lab: tier {}; {missing}", launched.published.tier);
    }
    print(&exports(home.path(), &home.kubeconfig("admin"), &home.bin()))
}

/// Reads the flags that every start of a lab takes.
pub(super) fn options(words: &[&str]) -> Result<Options> {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag @ ("--tier" | "--fake-node"), value)) => (flag, Some(value)),
            _ => (*word, words.next().copied()),
        };
        let value = value.ok_or_else(|| Error::other(format!("{flag} needs a value")))?;
        match flag {
            "--tier" => options.tier = Some(value.parse()?),
            "--fake-node" => options.fake_nodes.push(fake_node(value)?),
            _ => {
                let message = format!("no flag `{flag}`: the flags are --tier and --fake-node");
                return Err(Error::other(message));
            }
        }
    }
    Ok(options)
}

fn fake_node(value: &str) -> Result<FakeNodeSpec> {
    let node = value.split_once('=').and_then(|(name, gpus)| {
        (!name.is_empty()).then_some(())?;
        Some(FakeNodeSpec::new(name, gpus.parse().ok()?))
    });
    node.ok_or_else(|| Error::other(format!("--fake-node {value}: expected NAME=GPUS, as in gpu-1=8")))
}

/// What a shell evaluates.
fn exports(home: &Path, kubeconfig: &Path, bin: &Path) -> String {
    let [home, kubeconfig, bin] = [home, kubeconfig, bin].map(quoted);
    format!("export RINGFENCE_LAB={home} KUBECONFIG={kubeconfig} PATH={bin}:\"$PATH\"")
}

/// One word for a POSIX shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_flags_in_both_forms() {
        let read = options(&["--tier=1b", "--fake-node", "a=8", "--fake-node=b=0"]).unwrap();
        assert_eq!(read.tier, Some(Tier::ControlPlane));
        assert_eq!(read.fake_nodes, [FakeNodeSpec::new("a", 8), FakeNodeSpec::new("b", 0)]);
        for wrong in
            [&["--tier"][..], &["--tier", "3"], &["--fake-node", "a"], &["--fake-node==8"], &["--x", "1"]]
        {
            assert!(options(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_shell_reads_the_paths_as_they_are() {
        let odd = Path::new("/tmp/it's $HOME");
        let script =
            format!("{}; printf %s \"$RINGFENCE_LAB|$KUBECONFIG|${{PATH%%:*}}\"", exports(odd, odd, odd));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        let expected = "/tmp/it's $HOME|/tmp/it's $HOME|/tmp/it's $HOME";
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}
