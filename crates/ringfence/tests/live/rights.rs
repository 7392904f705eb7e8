//! The smallest role: with it a scan is complete, and without any one of its rules the scan names that gap.

use std::fmt::Write as _;
use std::time::Duration;

use ringfence_inventory::plan;
use ringfence_lab::Identity;
use ringfence_lab::until;
use serde_json::Value;

use crate::lab;
use crate::support;

/// Kinds that may not be listed. Kinds that another test invented are left out: no printed role can know them.
fn gaps(result: &Value) -> Vec<String> {
    let blind = result["coverage"]["blind"].as_array().unwrap().iter();
    let forbidden = blind.filter(|one| one["reason"] == "list-forbidden");
    let messages = forbidden.map(|one| one["message"].as_str().unwrap().to_owned());
    messages.filter(|message| !message.split(':').next().unwrap().ends_with("invented.example")).collect()
}

/// Roles and their bindings to users of the same name.
fn bound(name: &str, rules: &str) -> String {
    format!(
        "---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {name}}}
rules:
{rules}---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {name}}}]
"
    )
}

#[test]
#[ignore = "needs lab tier 1b: the API server judges who may list"]
fn the_printed_role_suffices_and_each_of_its_rules_is_needed() {
    let Some(lab) = lab() else { return };
    let role = support::run(&["scan", "--print-rbac"]).ends(0).out;
    lab.apply(&role).ok();
    lab.kubectl(&[
        "create",
        "clusterrolebinding",
        "scanner",
        "--clusterrole=ringfence-scan",
        "--user=scanner",
    ])
    .ok();
    let scan =
        |user: &str| crate::run_as(lab, &Identity::human(user, &[]), &["scan", "--format", "json"]).json();
    until("the binding is in force", Duration::from_secs(20), || {
        let result = scan("scanner");
        let lists = &result["coverage"]["lists"];
        (gaps(&result).is_empty() && lists["answered"].as_u64() > Some(20)).then_some(())
    });

    // What this cluster serves of the plan; a rule for what it does not serve is never missed.
    let served = lab.kubectl(&["api-resources", "--no-headers", "--verbs=list", "--output=name"]).ok();
    let served: Vec<&str> = served.lines().collect();
    let name_of = |group: &str, plural: &str| match group {
        "" => plural.to_owned(),
        group => format!("{plural}.{group}"),
    };
    let is_served = |group: &str, plural: &str| served.contains(&name_of(group, plural).as_str());
    let wants: Vec<_> = plan().into_iter().filter(|want| is_served(&want.group, &want.plural)).collect();
    assert!(wants.len() > 20, "{wants:?}");
    let mut roles = String::new();
    for (missing, left_out) in wants.iter().enumerate() {
        // The rest of the plan, also what is not served yet: another test may define it meanwhile.
        let rules = plan().into_iter().filter(|want| want != left_out);
        let rules = rules.fold(String::new(), |mut rules, want| {
            let _ = writeln!(
                rules,
                "- {{apiGroups: ['{}'], resources: [{}], verbs: [list]}}",
                want.group, want.plural
            );
            rules
        });
        roles += &bound(&format!("without-{missing}"), &rules);
    }
    lab.apply(&roles).ok();
    for (missing, want) in wants.iter().enumerate() {
        let name = name_of(&want.group, &want.plural);
        let found = until("the role is in force", Duration::from_secs(20), || {
            let gaps = gaps(&scan(&format!("without-{missing}")));
            (gaps.len() == 1).then_some(gaps)
        });
        assert!(found[0].starts_with(&format!("{name}:")), "{name}: {found:?}");
    }
}

#[test]
#[ignore = "needs lab tier 1b: the API server judges who may list"]
fn a_user_of_one_namespace_sees_it_and_is_told_of_the_rest() {
    let Some(lab) = lab() else { return };
    let namespace = lab.namespace("rights");
    namespace
        .apply("apiVersion: v1\nkind: Pod\nmetadata: {name: own}\nspec:\n  containers:\n  - {name: c, image: 'registry.example/vllm/vllm-openai:v1', securityContext: {privileged: true}}\n")
        .ok();
    let viewer = Identity::human("viewer", &[]);
    namespace.kubectl(&["create", "rolebinding", "viewer", "--clusterrole=view", "--user=viewer"]).ok();
    let object = format!("Pod/{}/own", namespace.name());
    let result = until("the binding is in force", Duration::from_secs(20), || {
        let ran = crate::run_as(lab, &viewer, &["scan", "--format", "json", "-n", namespace.name()]);
        let result = ran.json();
        crate::fails(&result).iter().any(|(_, found)| *found == object).then_some(result)
    });
    assert_eq!(result["coverage"]["complete"], false, "nodes and rights may not be listed");
    let gaps = gaps(&result);
    assert!(gaps.iter().any(|gap| gap.starts_with("nodes:")), "{gaps:?}");
    assert!(!gaps.iter().any(|gap| gap.starts_with("pods:")), "{gaps:?}");

    // Without findings the scan of a stranger ends in 3, never in 0.
    let stranger = crate::run_as(lab, &Identity::human("stranger", &[]), &["scan"]);
    assert_eq!(stranger.code, 3, "{stranger:#?}");
    assert!(stranger.out.contains("NOT PROVEN CLOSED"), "{}", stranger.out);
}
