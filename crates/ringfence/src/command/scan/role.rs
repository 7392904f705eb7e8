//! `scan --print-rbac`: the plan of a scan -> the smallest ClusterRole that lets it, to read and to apply.

use std::collections::BTreeMap;
use std::io;

use ringfence_inventory::Want;

/// Writes the role, and how to bind it. Rules are grouped by what they are for.
pub(crate) fn write(wants: &[Want], out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    let mut rules: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for want in wants {
        rules.entry((want.why.as_str(), &want.group)).or_default().push(&want.plural);
    }
    let mut last = "";
    for ((why, group), mut plurals) in rules {
        if why != last {
            writeln!(out, "  # {why}")?;
            last = why;
        }
        plurals.sort_unstable();
        plurals.dedup();
        writeln!(out, "  - apiGroups: [\"{group}\"]")?;
        writeln!(out, "    resources: [{}]", plurals.join(", "))?;
        writeln!(out, "    verbs: [list]")?;
    }
    out.write_all(TAIL.as_bytes())
}

const HEAD: &str = "\
# What `ringfence scan` asks a cluster for, and nothing else: it lists, it never writes, and it reads no Secret.
# A rule for a kind that a cluster does not serve does no harm. To use it, name who may scan:
#
#   ringfence scan --print-rbac | kubectl apply -f -
#   kubectl create clusterrolebinding ringfence-scan --clusterrole=ringfence-scan --user=NAME
#
# A kind that was left out is named by the scan as a gap, and the scan is then incomplete (exit 3).
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: ringfence-scan
  labels:
    app.kubernetes.io/name: ringfence
rules:
";

const TAIL: &str = "";
