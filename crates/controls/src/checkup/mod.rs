//! A cluster that was read -> one line per fact: can it be reached, what may be listed, what is there, what it supports.

mod enforcer;
mod supports;

use std::collections::BTreeMap;

use ringfence_finding::Check;
use ringfence_finding::CheckGroup;
use ringfence_finding::Checkup;
use ringfence_finding::Mark;
use ringfence_inventory::Inventory;
use ringfence_inventory::Listed;
use ringfence_inventory::Live;
use ringfence_inventory::plan;

/// Oldest minor version of Kubernetes 1 that the code is written for.
const OLDEST: u32 = 31;
/// The one that the tests run against.
const SHOWN_ON: &str = "1.36";
/// What answers most refusals.
const ROLE: &str = "ringfence scan --print-rbac | kubectl apply -f - ; then bind that role to who scans";

/// What the checkup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To scan.
    Scan,
    /// To install something that keeps a cluster closed, before it is installed: what that needs must be there.
    Install,
}

/// Lines about a cluster. None: the inventory was read from files.
pub fn checkup(inventory: &Inventory, purpose: Purpose) -> Option<Checkup> {
    let live = inventory.live()?;
    let source = match &live.about.context {
        Some(context) => format!("{context}  {}", live.about.server),
        None => live.about.server.clone(),
    };
    let lists: Vec<&Listed> = inventory.sight.lists().collect();
    let groups = vec![
        CheckGroup { name: "reach", checks: reach(live, &lists) },
        CheckGroup { name: "rights", checks: rights(&lists) },
        CheckGroup { name: "sees", checks: supports::sees(inventory, live) },
        CheckGroup { name: "supports", checks: supports::supports(inventory, live, purpose) },
    ];
    Some(Checkup { source, groups })
}

fn line(mark: Mark, name: impl Into<String>, says: impl Into<String>, hint: Option<&str>) -> Check {
    Check { mark, name: name.into(), says: says.into(), hint: hint.map(str::to_owned) }
}

fn reach(live: &Live, lists: &[&Listed]) -> Vec<Check> {
    let mut checks = vec![match live.about.version.as_deref() {
        None => line(
            Mark::Unknown,
            "API server",
            "it does not say its version",
            Some("ask `kubectl version`: what comes below may not hold"),
        ),
        Some(version) => match minor(version) {
            Some(minor) if minor < OLDEST => line(
                Mark::Failed,
                "API server",
                format!("{version}: older than 1.{OLDEST}, the oldest this is written for"),
                Some("upgrade the cluster; such a version gets no security fixes any more"),
            ),
            _ => line(
                Mark::Ok,
                "API server",
                format!("{version} (written for 1.{OLDEST} and newer, shown on {SHOWN_ON})"),
                None,
            ),
        },
    }];
    let broken: Vec<&&Listed> = lists.iter().filter(|listed| listed.kind == "*").collect();
    let groups: std::collections::BTreeSet<&str> = live.served.iter().map(|one| one.group.as_str()).collect();
    checks.push(match broken.first() {
        None => line(
            Mark::Ok,
            "discovery",
            format!("{} kinds in {} API groups", live.served.len(), groups.len()),
            None,
        ),
        Some(first) => line(
            Mark::Unknown,
            "discovery",
            format!(
                "{} API groups do not answer, {} among them: {}",
                broken.len(),
                first.group,
                first.gap.as_ref().map_or("", |gap| gap.message.as_str())
            ),
            Some("kubectl get apiservices shows which server behind the API is down"),
        ),
    });
    checks
}

/// Minor version of `v1.36.4-gke.100`; none for another major one.
fn minor(version: &str) -> Option<u32> {
    let rest = version.trim_start_matches('v').strip_prefix("1.")?;
    let digits = rest.split(|char: char| !char.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// One line for each purpose of lists that were answered, one for each list that was not.
fn rights(lists: &[&Listed]) -> Vec<Check> {
    let why: BTreeMap<(String, String), &'static str> =
        plan().into_iter().map(|want| ((want.group, want.kind), want.why.as_str())).collect();
    let mut answered: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    let mut checks = Vec::new();
    for listed in lists.iter().filter(|listed| listed.version.is_some() && listed.kind != "*") {
        let name = match listed.group.as_str() {
            "" => format!("list {}", listed.plural),
            group => format!("list {}.{group}", listed.plural),
        };
        match &listed.gap {
            None => {
                let key = (listed.group.clone(), listed.kind.clone());
                let (kinds, objects) = answered
                    .entry(why.get(&key).copied().unwrap_or("custom kinds that bear pods"))
                    .or_default();
                *kinds = kinds.saturating_add(1);
                *objects = objects.saturating_add(u64::from(listed.objects));
            }
            Some(gap) if gap.kind == ringfence_inventory::GapKind::Forbidden => {
                checks.push(line(Mark::Failed, name, gap.message.clone(), Some(ROLE)));
            }
            Some(gap) => {
                let hint = "try again; if it stays, the log of the API server says why";
                checks.push(line(Mark::Unknown, name, gap.message.clone(), Some(hint)));
            }
        }
    }
    let good = answered.into_iter().map(|(why, (kinds, objects))| {
        let count =
            |number: u64, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let kinds = u64::try_from(kinds).unwrap_or(u64::MAX);
        let name = format!("list {}", count(kinds, "kind"));
        line(Mark::Ok, name, format!("{}: {why}", count(objects, "object")), None)
    });
    good.chain(checks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_versions_as_vendors_write_them() {
        for (version, expected) in [
            ("v1.36.4", Some(36)),
            ("v1.31.2-gke.1600+x", Some(31)),
            ("v1.30+", Some(30)),
            ("1.29.0", Some(29)),
            ("v2.0.0", None),
            ("", None),
        ] {
            assert_eq!(minor(version), expected, "{version}");
        }
    }
}
