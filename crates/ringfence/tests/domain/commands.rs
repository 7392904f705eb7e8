//! Tests: the commands on a real API server where no controller runs: what they say must not be a promise.

use crate::run;
use crate::world;

#[test]
#[ignore = "needs lab tier 1b: applies and deletes a SecurityDomain"]
fn without_a_controller_nothing_is_promised() {
    let Some(lab) = world() else { return };
    let namespace = lab.namespace("alone");
    let name = namespace.name();
    let file = run(lab, &["domain", "init", name, "-n", name], "").ends(0).out;
    let applied = run(lab, &["domain", "apply", "-f", "-", "--wait", "--timeout", "2"], &file);
    assert_eq!(applied.code, 1, "{applied:#?}");
    assert!(applied.out.contains(&format!("securitydomain {name} created")), "{applied:#?}");
    assert!(applied.out.contains("is not ready"), "{applied:#?}");
    let again = run(lab, &["domain", "apply", "-f", "-"], &file).ends(0);
    assert_eq!(again.out, format!("securitydomain {name} unchanged\n"));
    let status = run(lab, &["domain", "status", name], "").ends(3);
    assert!(status.out.contains("no controller has looked at it"), "{status:#?}");
    let diff = run(lab, &["domain", "diff", name], "");
    assert_eq!(diff.code, 1, "{diff:#?}");
    assert!(diff.out.contains(&format!("Namespace/{name}: update")), "{diff:#?}");
    let shown = run(lab, &["domain", "delete", name], "").ends(0);
    assert!(shown.out.contains("Nothing was changed"), "{shown:#?}");
    let gone = run(lab, &["domain", "delete", name, "--yes", "--wait", "--timeout", "30"], "").ends(0);
    assert!(gone.out.ends_with(&format!("securitydomain {name} deleted\n")), "{gone:#?}");
    let missing = run(lab, &["domain", "status", name], "");
    assert_eq!(missing.code, 2, "{missing:#?}");
}
