//! Tests: the commands on a real API server where no controller runs: what they say must not be a promise.

use std::time::Duration;

use ringfence_lab::until;

use crate::run;
use crate::support::flat;
use crate::support::undocumented;
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
    for (verb, code) in [("status", 3), ("diff", 1)] {
        let json = run(lab, &["domain", verb, name, "--format", "json"], "").ends(code).json();
        assert_eq!(undocumented(&format!("domain-{verb}"), &json), [""; 0], "{json:#}");
        assert_eq!(json["schemaVersion"], "1.0");
    }
    let diff = run(lab, &["domain", "diff", name], "");
    assert_eq!(diff.code, 1, "{diff:#?}");
    assert!(diff.out.contains(&format!("Namespace/{name}: update")), "{diff:#?}");
    let shown = run(lab, &["domain", "delete", name], "").ends(0);
    assert!(shown.out.lines().any(|it| it.starts_with("Nothing was changed")), "{shown:#?}");
    let gone = run(lab, &["domain", "delete", name, "--yes", "--wait", "--timeout", "30"], "").ends(0);
    assert!(gone.out.ends_with(&format!("securitydomain {name} deleted\n")), "{gone:#?}");
    let missing = run(lab, &["domain", "status", name], "");
    assert_eq!(missing.code, 2, "{missing:#?}");
}

/// A Deployment whose pods see the node's processes, or do not.
pub(crate) fn deployment(namespace: &str, sees_node: bool) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}}}\nspec:\n  selector: \
         {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      hostPID: \
         {sees_node}\n      automountServiceAccountToken: false\n      containers:\n      - {{name: main, image: \
         registry.example/web@sha256:0, resources: {{limits: {{cpu: 1, memory: 1Gi}}}}}}\n"
    )
}

/// A domain without nodes over one namespace.
pub(crate) fn domain(namespace: &str) -> String {
    format!(
        "apiVersion: ringfence.dev/v1alpha1\nkind: SecurityDomain\nmetadata: {{name: {namespace}}}\nspec:\n  namespaces: \
         {{names: [{namespace}]}}\n"
    )
}

#[test]
#[ignore = "needs lab tier 1b: Deployments of a real API server"]
fn a_simulation_says_whom_it_would_hurt_before_anything_is_applied() {
    let Some(lab) = world() else { return };
    let namespace = lab.namespace("foreseen");
    let name = namespace.name();
    let file = domain(name);
    lab.apply(&deployment(name, true)).ok();
    let simulate = |more: &[&str], code| {
        run(lab, &[&["domain", "simulate", "-f", "-"], more].concat(), &file).ends(code).out
    };
    let text = simulate(&[], 1);
    assert!(text.contains(&format!("{name}/Deployment/web")), "{text}");
    let words = flat(&text);
    assert!(words.contains("RF-RUN-010 spec.hostPID") && words.contains("Fix: remove hostPID."), "{text}");
    let json: serde_json::Value = serde_json::from_str(&simulate(&["--format", "json"], 1)).unwrap();
    assert_eq!(undocumented("domain-simulate", &json), [""; 0], "{json:#}");
    let found = &json["domains"][0];
    assert!(found["simulation"]["wouldDeny"].as_u64() >= Some(1), "{found}");
    // The rules are those of all domains, and other tests have some: between two runs the hash may be another.
    let is_hash = |it: &str| it.len() == 64 && it.bytes().all(|byte| byte.is_ascii_hexdigit());
    let acknowledged = text.split_once("acknowledged: ").unwrap().1.lines().next().unwrap();
    assert!(is_hash(acknowledged) && is_hash(found["hash"].as_str().unwrap()), "{text}");

    // Its pods go a moment later.
    lab.apply(&deployment(name, false)).ok();
    let repaired = || {
        let now = run(lab, &["domain", "simulate", "-f", "-"], &file);
        // Policies of the other tests may refuse to answer: then something was not seen, and it is said.
        let is_said = now.code == 0 || now.code == 3 && now.out.contains("not seen:");
        (is_said && now.out.contains("Enforce would refuse nothing")).then_some(())
    };
    until("nothing would be refused", Duration::from_mins(1), repaired);
    let missing = run(lab, &["domain", "simulate", "none"], "");
    assert_eq!(missing.code, 2, "{missing:#?}");
}
