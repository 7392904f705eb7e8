//! Tests: the commands without a cluster: manifests are judged and nothing of them is passed over in silence, a plan is drawn,
//! screens fit, documents are documented.

use crate::commands::deployment;
use crate::commands::domain;
use crate::support;
use crate::support::Folder;
use crate::support::flat;
use crate::support::undocumented;

/// Runs `domain simulate` on manifests, for a domain over namespace `ml`. A screen comes as one line.
fn simulated(more: &str, manifests: &str, flags: &[&str], code: i32) -> String {
    let arguments = ["domain", "simulate", "-f", "-", "--manifests", manifests];
    let ran = support::run_with(&[&arguments[..], flags].concat(), (domain("ml") + more).as_bytes());
    let out = ran.ends(code).out;
    if flags.is_empty() { flat(&out) } else { out }
}

#[test]
fn manifests_that_are_in_no_cluster_are_simulated() {
    let folder = Folder::new("simulate");
    for (sees_node, code) in [(true, 1), (false, 0)] {
        let manifest = folder.write("web.yaml", deployment("ml", sees_node));
        let out = simulated("", &manifest, &[], code);
        assert_eq!(out.contains("ml/Deployment/web"), sees_node, "{out}");
        assert!(out.contains("(1 workload judged)") && !out.contains("not seen"), "{out}");
    }
}

/// A fact that files never tell is no gap: it is said, and the answer stands.
#[test]
fn what_manifests_never_tell_is_said_and_is_no_gap() {
    let folder = Folder::new("simulate-notes");
    let manifest = folder.write("web.yaml", deployment("ml", false));
    let more = "  quota: {pods: 5}\n  nodes: {selector: {matchLabels: {pool: gpu}}}\n";
    let out = simulated(more, &manifest, &[], 0);
    assert!(out.contains("open: what pods take of the quota") && out.contains("open: which nodes"), "{out}");
    assert!(!out.contains("not seen"), "{out}");
    // Which namespaces are the domain's decides what is judged: that is a gap.
    let selected =
        domain("ml").replace("{names: [ml]}", "{names: [ml], selector: {matchLabels: {team: ml}}}");
    let file = folder.write("ml.yaml", selected);
    let out = support::run(&["domain", "simulate", "-f", &file, "--manifests", &manifest]).ends(3).out;
    let out = flat(&out);
    assert!(out.contains("not seen: spec.namespaces.selector: no cluster was asked"), "{out}");
}

/// How a file begins that `ringfence scan --save` wrote.
const SAVED: &str = "{\"apiVersion\":\"ringfence.dev/v1alpha1\",\"kind\":\"SavedInventory\"}\n";
const SAVED_CURE: &str =
    "a saved inventory of a cluster, not looked into; simulate in the cluster itself, or name its manifests";

#[test]
fn manifests_that_cannot_be_read_are_named_and_never_clean() {
    let folder = Folder::new("simulate-blind");
    folder.write("web.yaml", deployment("ml", false));
    folder.write("zbroken.yaml", "kind: Pod\n a: [\n");
    folder.write("ztemplate.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.x }}}\n");
    folder.write("chart/Chart.yaml", "name: c\n");
    folder.write("patched/kustomization.yaml", "patches: [{path: zpatch.yaml}]\n");
    folder.write("ztwice.yaml", "apiVersion: v1\nkind: ConfigMap\ndata:\n  a; --b: x\n  a; --b: y\n");
    folder.write("zlatin.yaml", b"kind: \xe9\n");
    let saved = folder.write("zsaved.json", SAVED);
    let out = simulated("", folder.path(), &[], 3);
    let json = simulated("", folder.path(), &["--format", "json"], 3);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let missing = json["domains"][0]["missing"].as_array().unwrap();
    for (file, words) in [
        ("zbroken.yaml:2", "not readable as YAML"),
        ("ztemplate.yaml:3", "a template, not rendered; render it and name what comes out"),
        ("chart/Chart.yaml", "a Helm chart, not rendered; render it and name what comes out"),
        (
            "patched/kustomization.yaml",
            "a kustomization, not rendered; its resources are judged as written (not applied: patch zpatch.yaml); render it",
        ),
        // What can be mended is said, whatever the cause reads like; what a scan has flags for is not.
        ("ztwice.yaml:4", "key `a; --b` is written again and hidden by line 5; keep one"),
        ("ztwice.yaml:5", "key `a; --b` hides the value of line 4; keep one"),
        ("zlatin.yaml", "byte 6 is not UTF-8"),
        ("zsaved.json", SAVED_CURE),
    ] {
        let line = format!("{}/{file}: {words}", folder.path());
        assert!(out.contains(&format!("not seen: {line}")), "{line}: {out}");
        assert!(missing.iter().any(|it| it.as_str().unwrap().starts_with(&line)), "{line}: {missing:?}");
    }
    assert_eq!(missing.len(), 8, "{missing:?}");
    assert!(!out.contains("--exclude") && !out.contains("ringfence scan"), "{out}");
    // Named by itself it is no other thing, and no scan of it is told to be one.
    assert!(simulated("", &saved, &[], 3).contains(&format!("not seen: {saved}: {SAVED_CURE}")));
    // What would be refused goes before what was not seen, and both are told.
    folder.write("web.yaml", deployment("ml", true));
    let out = simulated("", folder.path(), &[], 1);
    assert!(out.contains("ml/Deployment/web") && out.contains("zbroken.yaml:2"), "{out}");
}

#[test]
fn where_no_workload_is_nothing_was_judged() {
    let folder = Folder::new("simulate-empty");
    let elsewhere = folder.write("other/web.yaml", deployment("other", true));
    std::fs::create_dir(format!("{}/none", folder.path())).unwrap();
    let none = format!("{}/none", folder.path());
    for path in [none.as_str(), &elsewhere, "/dev/zero", "Cargo.toml"] {
        let out = simulated("", path, &[], 3);
        let words = format!("nothing was judged: no workload of its namespaces in {path}");
        assert!(out.contains(&words) && !out.contains("refuse nothing"), "{out}");
    }
    assert!(
        simulated("", "/dev/zero", &[], 3)
            .contains("not seen: /dev/zero: a device, where a file was expected")
    );
}

#[test]
fn a_simulation_for_programs_is_documented_and_says_everything_once() {
    let folder = Folder::new("simulate-json");
    let manifest = folder.write("web.yaml", deployment("ml", true));
    let json: serde_json::Value =
        serde_json::from_str(&simulated("", &manifest, &["--format", "json"], 1)).unwrap();
    assert_eq!(undocumented("domain-simulate", &json), [""; 0], "{json:#}");
    let found = &json["domains"][0];
    let reason = &found["simulation"]["denied"][0]["reasons"][0];
    assert_eq!(reason["control"], "RF-RUN-010");
    assert!(reason["message"].as_str().unwrap().starts_with("spec.hostPID: "), "{reason}");
    assert_eq!(found["hash"], serde_json::Value::Null, "no controller asks for that of manifests");
}

/// The domain of docs/domains.md.
pub(crate) fn example() -> String {
    let page = std::fs::read_to_string(support::root().join("docs/domains.md")).unwrap();
    page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn the_example_of_the_documentation_is_a_domain() {
    // What only a cluster knows is open: 3, and not 2.
    let plan = |flags: &[&str]| {
        let arguments = [&["domain", "plan", "-f", "-", "--offline"], flags].concat();
        support::run_with(&arguments, example().as_bytes()).ends(3)
    };
    let text = flat(&plan(&[]).out);
    assert!(text.contains("SecurityDomain ml: mode Observe, 1 namespace, 0 nodes"), "{text}");
    // Nobody looked for the Service, so it is not called missing.
    assert!(text.contains("no cluster was asked which pods are behind Service store/minio"), "{text}");
    assert!(!text.contains("was not found"), "{text}");
    // A control can be asked for, by `ringfence explain`; a number of a document that is not named cannot.
    assert!(text.contains("Namespace/ml-training RF-RUN-004 ") && !text.contains("guide"), "{text}");
    let json = plan(&["--format", "json"]).json();
    assert_eq!(undocumented("domain-plan", &json), [""; 0]);
    assert_eq!(json["schemaVersion"], "1.0");
}

/// Words of a line that stand alone, as long as they are.
fn too_long(screen: &str, columns: usize) -> Vec<&str> {
    screen.lines().filter(|it| it.chars().count() > columns && it.trim().contains(' ')).collect()
}

#[test]
fn screens_fit_the_terminal_and_say_each_heading_once() {
    let folder = Folder::new("width");
    let manifest = folder.write("web.yaml", deployment("ml-training", true));
    let domain = folder.write("ml.yaml", example());
    for arguments in [
        &["domain", "plan", "-f", &domain, "--offline", "--mode", "Enforce"][..],
        &["domain", "simulate", "-f", &domain, "--manifests", &manifest],
    ] {
        let run = |columns: &str| {
            let out = support::command(arguments).env("COLUMNS", columns).output().unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        let (narrow, wide) = (run("80"), run("200"));
        assert_eq!(too_long(&narrow, 80), [""; 0], "{narrow}");
        assert_eq!(flat(&narrow), flat(&wide));
        assert!(wide.lines().any(|it| it.chars().count() > 80), "nothing was to be folded: {wide}");
        assert!(narrow.lines().filter(|it| *it == "cluster").count() <= 1, "{narrow}");
    }
}

#[test]
fn manifests_need_a_file_of_domains_and_are_of_no_cluster() {
    let out = support::run(&["domain", "simulate", "ml", "--manifests", "demo/open"]);
    assert_eq!((out.code, out.out.as_str()), (2, ""), "{out:#?}");
    assert!(out.err.contains("--manifests"), "{out:#?}");
}

#[test]
fn what_is_no_domain_is_named_and_nothing_but_that_is_an_error() {
    let text = "kind: Pod\nmetadata: {name: a}\n---\nkind: List\n---\nwords\n";
    let plan = |text: &str| support::run_with(&["domain", "plan", "--offline", "-f", "-"], text.as_bytes());
    let passed = "standard input: passed over, no SecurityDomain: Pod/a, List, a document without a kind\n";
    let cure = "error: standard input: no SecurityDomain in it; `ringfence domain init NAME -n NAMESPACE` prints one\n";
    let ran = plan(text);
    assert_eq!((ran.code, ran.out.as_str(), ran.err), (2, "", format!("{passed}{cure}")));
    let ran = plan(&format!("{text}---\n{}", domain("ml")));
    assert_eq!((ran.code, ran.err.as_str()), (0, passed), "{}", ran.out);
}

#[test]
fn without_a_kubeconfig_the_cure_is_one_of_the_command() {
    let file = example();
    for (arguments, cure) in [
        (&["domain", "plan", "-f", "-"][..], "name one with --kubeconfig, or ask none: --offline"),
        (&["domain", "init", "ml", "-n", "ml"], "name one with --kubeconfig, or ask none: --offline"),
        (&["domain", "simulate", "-f", "-"], "--kubeconfig, or judge files: -f FILE --manifests PATH"),
        (&["domain", "status"], "name one with --kubeconfig"),
        (&["serve", "controller"], "name one with --kubeconfig"),
    ] {
        let ran = support::run_with(arguments, file.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?} {ran:#?}");
        assert!(ran.err.trim_end().ends_with(cure), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn an_installation_that_no_cluster_can_take_is_not_printed() {
    for (flag, wrong) in [
        ("--image", "bad image"),
        ("--image", "registry.corp/ringfence@sha256:..."),
        ("--namespace", "Bad NS"),
    ] {
        let ran = support::run(&["install", "--print", flag, wrong]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
        assert!(ran.err.contains(&format!("`{wrong}` is no name of")), "{ran:#?}");
    }
}

#[test]
fn each_command_says_what_its_exit_codes_mean_in_one_paragraph() {
    let verbs =
        ["init", "plan", "simulate", "apply", "status", "diff", "delete"].map(|it| vec!["domain", it]);
    for command in verbs.into_iter().chain([vec!["install"], vec!["serve", "controller"]]) {
        let arguments = [&command[..], &["--help"]].concat();
        let out = support::command(&arguments).env("COLUMNS", "1000").output().unwrap();
        let help = String::from_utf8(out.stdout).unwrap();
        let (_, codes) = help.split_once("Exit codes: 0 ").unwrap_or_else(|| panic!("{command:?}: {help}"));
        assert!(codes.contains(", 2 "), "{command:?}: {codes}");
        assert_eq!(codes.trim_end().lines().count(), 1, "{command:?}: {codes}");
        // It bounds nothing there.
        assert_eq!(help.contains("--timeout"), !["install", "serve"].contains(&command[0]), "{command:?}");
    }
}
