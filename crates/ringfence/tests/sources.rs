//! Where objects come from: files, folders, stdin, dumps, Lists, charts, kustomizations; and what is passed over.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use support::Folder;
use support::PRIVILEGED;
use support::WEB;
use support::run;
use support::run_with;

fn json(path: &str) -> serde_json::Value {
    run(&["scan", path, "--format", "json"]).json()
}

#[test]
fn one_object_is_found_alike_in_yaml_json_list_and_dump() {
    let pod = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"train\",\"namespace\":\"ml\"},\"spec\":{\"containers\":[{\"name\":\"trainer\",\"image\":\"i:1\",\"securityContext\":{\"privileged\":true},\"resources\":{\"limits\":{\"nvidia.com/gpu\":\"1\"}}}]}}";
    let typed = pod.replace("\"apiVersion\":\"v1\",\"kind\":\"Pod\",", "");
    for text in [
        PRIVILEGED.to_owned(),
        pod.to_owned(),
        format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{pod}]}}"),
        format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[{typed}]}}"),
        format!("{pod}\n{}", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"}}"),
        format!("\u{feff}{PRIVILEGED}"),
        PRIVILEGED.replace('\n', "\r\n"),
    ] {
        let ran =
            run_with(&["scan", "-", "--format", "concise", "--only", "RF-RUN-001"], text.as_bytes()).ends(1);
        let hits =
            ran.out.lines().filter(|line| line.contains("CRITICAL RF-RUN-001 Pod/ml/train[trainer]")).count();
        assert_eq!(hits, 1, "{text}\n{}", ran.out);
    }
}

#[test]
fn a_chart_is_incomplete_with_the_command_that_renders_it() {
    let folder = Folder::new("chart");
    folder.write("app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n");
    folder.write("app/templates/x.yaml", "kind: {{ .Values.kind }}\n");
    folder.write("web.yaml", WEB);
    let ran = run(&["scan", folder.path()]).ends(3);
    let command = format!("helm template {}/app --include-crds | ringfence scan -", folder.path());
    assert!(ran.out.contains(&format!("Next  {command}\n")), "to be copied, on one line: {}", ran.out);
}

#[test]
fn a_kustomization_is_judged_as_written_and_stays_incomplete() {
    let folder = Folder::new("kustomize");
    folder.write(
        "kustomization.yaml",
        "resources: [pod.yaml]\npatches: [{path: patch.yaml}]\nconfigMapGenerator: [{name: x}]\n",
    );
    folder.write("pod.yaml", PRIVILEGED);
    folder.write(
        "patch.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: train, namespace: ml}\nspec: {hostNetwork: true}\n",
    );
    let scan = json(folder.path());
    assert_eq!(scan["coverage"]["complete"], false);
    let pods = scan["coverage"]["podTemplates"]["core"].as_u64();
    assert_eq!(pods, Some(1), "the patch is no object of its own");
    let blind = scan["coverage"]["blind"].to_string();
    for words in ["kubectl kustomize", "patch patch.yaml", "configMapGenerator"] {
        assert!(blind.contains(words), "no {words} in {blind}");
    }
    assert_eq!(scan["exit"], 1);
}

#[test]
fn a_broken_document_loses_only_itself() {
    let text = format!("{PRIVILEGED}---\na: [\n---\n{}", PRIVILEGED.replace("name: train,", "name: other,"));
    let ran =
        run_with(&["scan", "-", "--format", "concise", "--only", "RF-RUN-001"], text.as_bytes()).ends(1);
    assert_eq!(ran.out.matches("CRITICAL RF-RUN-001").count(), 2, "{}", ran.out);
    assert!(ran.out.contains("-:11:4: INCOMPLETE unparsable "), "{}", ran.out);
}

#[test]
fn an_item_of_a_list_that_is_no_object_is_told() {
    let list = |item: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- {item}\n- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: x}}}}\n"
        )
    };
    run_with(&["scan", "-"], list("{apiVersion: v1, kind: ConfigMap, metadata: {name: y}}").as_bytes())
        .ends(0);
    for item in
        ["{apiVersion: v1, metadata: {name: y}}", "{metadata: {name: y}}", "text", "{kind: Pod, spec: {}}"]
    {
        let ran = run_with(&["scan", "-", "--format", "concise"], list(item).as_bytes()).ends(3);
        assert!(ran.out.contains("-:4:3: INCOMPLETE unparsable"), "{item}: {}", ran.out);
    }
    run_with(&["scan", "-"], b"apiVersion: v1\nkind: PodList\nitems: []\n").ends(3);
}

#[test]
fn a_key_written_twice_is_shown_at_both_places_and_a_pass_on_it_is_unknown() {
    let twice = PRIVILEGED.replace("{privileged: true}", "{privileged: true, privileged: false}");
    let scan: serde_json::Value =
        run_with(&["scan", "-", "--format", "json", "--only", "RF-RUN-001"], twice.as_bytes()).ends(3).json();
    let blind = scan["coverage"]["blind"].as_array().unwrap().iter();
    let columns: Vec<_> = blind
        .filter(|one| one["reason"] == "duplicate-key")
        .map(|one| one["location"]["column"].as_u64().unwrap())
        .collect();
    assert_eq!(columns, [23, 41]);
    assert_eq!(scan["findings"][0]["result"], "unknown");
    let fails = PRIVILEGED.replace("{privileged: true}", "{privileged: false, privileged: true}");
    run_with(&["scan", "-", "--only", "RF-RUN-001"], fails.as_bytes()).ends(1);
}

#[test]
fn argo_parameters_inside_strings_are_no_template() {
    let text = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-, namespace: ml}
spec:
  activeDeadlineSeconds: 60
  templates:
  - name: main
    container: {name: main, image: i, args: [\"--data={{inputs.parameters.data}}\"]}
";
    let scan = run_with(&["scan", "-", "--format", "json"], text.as_bytes()).json();
    assert_eq!(scan["coverage"]["complete"], true, "{scan:#}");
}

#[test]
fn excluded_paths_are_counted_and_printed() {
    let folder = Folder::new("exclude");
    folder.write("vendor/pod.yaml", PRIVILEGED);
    folder.write("web.yaml", WEB);
    run(&["scan", folder.path()]).ends(1);
    let ran = run(&["scan", folder.path(), "--exclude", "vendor"]).ends(0);
    assert!(ran.out.contains("--exclude vendor"), "{}", ran.out);
}

#[test]
fn a_file_over_the_limit_is_not_read_and_not_passed_over_in_silence() {
    let folder = Folder::new("large");
    let file = std::path::Path::new(folder.path()).join("large.yaml");
    std::fs::File::create(file).unwrap().set_len(200 << 20).unwrap();
    folder.write("web.yaml", WEB);
    let ran = run(&["scan", folder.path()]).ends(3);
    assert!(ran.out.contains("above the size limit") && ran.out.contains("--max-file-size"), "{}", ran.out);
}

#[test]
fn the_guides_own_examples_show_their_holes() {
    let scan = run(&["scan", "fixtures/guide", "--format", "json"]).ends(1).json();
    let failed: Vec<&str> = scan["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["result"] == "fail")
        .map(|finding| finding["control"].as_str().unwrap())
        .collect();
    // Holes 2, 3, 5 and 7 of the guide: one policy for one app, a label that editors write, a version no longer
    // served, a Role that creates Jobs, a Job without a deadline.
    for control in ["RF-NET-001", "RF-NET-006", "RF-SEC-006", "RF-RBAC-003", "RF-RUN-013", "RF-MOD-002"] {
        assert!(failed.contains(&control), "{control} is not in {failed:?}");
    }
}
