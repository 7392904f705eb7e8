//! A missing tier is loud: a line on file descriptor 2, which the test harness does not swallow, and a line
//! of JSON for the task that counts. An early return alone would read as a pass.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde_json::json;

use crate::control_plane::ControlPlane;
use crate::control_plane::fail;
use crate::error::Error;
use crate::launch::Options;
use crate::launch::choose;
use crate::tier::Missing;
use crate::tier::Tier;

/// What a test does to the cluster, beside reading it and writing into a namespace of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// Nothing that others notice.
    Guest,
    /// Cluster-wide objects that others would notice: nodes, taints, webhooks.
    Destructive,
    /// Looks behind the API: audit log, etcd, processes.
    Own,
}

/// The cluster of this process if it is enough for the test; else the skip is recorded. Behind `need!`.
///
/// # Panics
/// `RINGFENCE_REQUIRE_TIER` asks for a tier that is missing.
pub fn need(tier: Tier, claim: Claim) -> Option<&'static ControlPlane> {
    let cluster = match ControlPlane::start() {
        Ok(cluster) => cluster,
        Err(missing) => return absent(&Missing { tier, ..missing }),
    };
    let unfit = |what: &str, hint: &str| Missing { tier, what: vec![what.into()], hint: hint.into() };
    if cluster.tier() < tier {
        let in_use = format!("the cluster in use is tier {}", cluster.tier());
        // What the machine lacks says more than what the cluster is.
        let of_machine = cluster.is_lab().then(|| choose(Some(tier)).err()).flatten();
        return match of_machine {
            Some(Error::Missing(missing)) => absent(&missing),
            _ => absent(&unfit(&in_use, "start another with `cargo xtask lab up`")),
        };
    }
    let refusal = match claim {
        Claim::Own if !cluster.is_lab() => {
            unfit("the cluster in use is not a lab", "unset RINGFENCE_TEST_KUBECONFIG")
        }
        Claim::Destructive if !cluster.is_disposable() => {
            unfit("the cluster in use is not disposable", "set RINGFENCE_TEST_CLUSTER_DISPOSABLE=1 if it is")
        }
        _ => return Some(cluster),
    };
    record(&refusal); // the user's choice of cluster: never a failure
    None
}

/// A lab of the test's own; else the skip is recorded. Behind `need!(private ...)`.
///
/// # Panics
/// `RINGFENCE_REQUIRE_TIER` asks for a tier that is missing.
pub fn need_private(options: &Options) -> Option<ControlPlane> {
    match ControlPlane::private(options) {
        Ok(lab) => Some(lab),
        Err(missing) => absent(&missing),
    }
}

fn absent<T>(missing: &Missing) -> Option<T> {
    let required = std::env::var("RINGFENCE_REQUIRE_TIER").ok().filter(|tier| !tier.is_empty());
    let required: Option<Tier> = required.map(|tier| tier.parse().unwrap_or_else(|error| fail(error)));
    if required.is_some_and(|required| missing.tier <= required) {
        fail(format!("RINGFENCE_REQUIRE_TIER: {missing}"));
    }
    record(missing);
    None
}

fn record(missing: &Missing) {
    let test = std::thread::current().name().unwrap_or("unnamed test").to_owned();
    let _ = std::io::stderr().write_all(line(missing, &test).as_bytes());
    if let Err(error) = append(&skipped_file(), missing, &test) {
        fail(format!("{}: a skip that nobody counts: {error}", skipped_file().display()));
    }
}

fn line(missing: &Missing, test: &str) -> String {
    format!("SKIPPED {missing} [{test}]\n")
}

fn append(file: &Path, missing: &Missing, test: &str) -> std::io::Result<()> {
    file.parent().map_or(Ok(()), fs::create_dir_all)?;
    let entry = json!({"test": test, "tier": missing.tier, "what": missing.what, "hint": missing.hint});
    // One write of one line: processes append side by side.
    File::options().create(true).append(true).open(file)?.write_all(format!("{entry}\n").as_bytes())
}

/// `RINGFENCE_LAB_SKIPPED`, else `target/lab/skipped.jsonl` of the workspace. Who counts empties it first.
fn skipped_file() -> PathBuf {
    if let Some(file) = std::env::var_os("RINGFENCE_LAB_SKIPPED").filter(|file| !file.is_empty()) {
        return file.into();
    }
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).join("target/lab/skipped.jsonl")
}

/// The cluster for a test, or an early return that is counted as a skip:
///
/// - `need!(ControlPlane)`: any cluster of that tier;
/// - `need!(ControlPlane, destructive)`: one that others may find changed;
/// - `need!(Api, own)`: a lab, with audit log, etcd and processes in reach;
/// - `need!(private options)`: a lab of the test's own.
#[macro_export]
macro_rules! need {
    (private $options:expr) => {
        match $crate::need_private(&$options) {
            Some(lab) => lab,
            None => return,
        }
    };
    ($tier:ident) => {
        $crate::need!(@ $tier, Guest)
    };
    ($tier:ident, destructive) => {
        $crate::need!(@ $tier, Destructive)
    };
    ($tier:ident, own) => {
        $crate::need!(@ $tier, Own)
    };
    (@ $tier:ident, $claim:ident) => {
        match $crate::need($crate::Tier::$tier, $crate::Claim::$claim) {
            Some(cluster) => cluster,
            None => return,
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Temporary;

    #[test]
    fn a_skip_is_a_line_for_people_and_one_for_the_count() {
        let home = Temporary::new();
        let file = home.state().join("deep/skipped.jsonl");
        let missing = Missing { tier: Tier::Node, what: vec!["not root".into()], hint: "run as root".into() };
        assert_eq!(line(&missing, "a::b"), "SKIPPED no lab tier 2: not root (run as root) [a::b]\n");
        append(&file, &missing, "a::b").unwrap();
        append(&file, &missing, "a::c").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let entries: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!((&entries[1]["test"], &entries[1]["tier"]), (&json!("a::c"), &json!("2")));
    }
}
