//! The table against the definitions that the projects ship, out of Go modules (`lab/crds.toml`): each path leads to a
//! PodSpec or to a part of one in the version named, no definition carries pods at a place that the table lacks, fields
//! that joins and controls read are there, and the reduced definitions of `lab/crds` say nothing else.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value as Json;

use super::tests::ANY_FIELD;
use super::*;
use crate::pod::KindSchema;
use crate::pod::SchemaShape;
use crate::pod::find::Hop;
use crate::pod::find::hops;
use crate::split::split;
use crate::yaml::Tree;
use crate::yaml::Value;
use crate::yaml::read_json;
use crate::yaml::read_yaml;

/// A module as `lab/crds.toml` pins it.
#[derive(Default)]
struct Module {
    path: String,
    version: String,
    sum: String,
    files: Vec<String>,
}

pub(super) fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab")
}

/// The pins. The file is ours and holds strings only.
fn modules() -> Vec<Module> {
    let text = fs::read_to_string(lab().join("crds.toml")).unwrap();
    let mut modules: Vec<Module> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "[[module]]" {
            modules.push(Module::default());
            continue;
        }
        let module = modules.last_mut().expect("a key stands below [[module]]");
        let quoted = |text: &str| text.trim().trim_end_matches(',').trim_matches('"').to_owned();
        match line.split_once(" = ") {
            Some(("path", value)) => module.path = quoted(value),
            Some(("version", value)) => module.version = quoted(value),
            Some(("sum", value)) => module.sum = quoted(value),
            Some(("files", "[")) | None if matches!(line, "files = [" | "]") => {}
            None if line.starts_with('"') => module.files.push(quoted(line)),
            _ => panic!("crds.toml: {line}"),
        }
    }
    modules
}

/// Fetches all modules at once, outside of any main module; folders by module path.
fn fetched(modules: &[Module]) -> BTreeMap<String, PathBuf> {
    let output = Command::new("go")
        .args(["mod", "download", "-json"])
        .args(modules.iter().map(|module| format!("{}@{}", module.path, module.version)))
        .current_dir(std::env::temp_dir())
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off")
        .output()
        .unwrap();
    let told = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Json>().map(Result::unwrap);
    let mut folders = BTreeMap::new();
    for one in told {
        let path = one["Path"].as_str().unwrap();
        assert!(one["Error"].is_null(), "{path}: {}", one["Error"]);
        let module = modules.iter().find(|module| module.path == path).unwrap();
        assert_eq!(one["Sum"], module.sum, "{path} is not what was pinned");
        folders.insert(path.to_owned(), PathBuf::from(one["Dir"].as_str().unwrap()));
    }
    let missed: Vec<_> = modules.iter().filter(|module| !folders.contains_key(&module.path)).collect();
    assert!(missed.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    folders
}

/// Documents of a module, read.
pub(super) struct Real {
    /// `github.com/kserve/kserve@v0.20.0`.
    source: String,
    pub(super) trees: Vec<Tree>,
}

impl Real {
    /// Served versions of a kind.
    fn of<'t>(&'t self, group: &str, kind: &str) -> impl Iterator<Item = Defined<'t>> {
        self.trees.iter().flat_map(defined).filter(move |one| one.group == group && one.kind == kind)
    }
}

/// All of them; read once for all tests.
pub(super) fn real() -> &'static [Real] {
    static ALL: OnceLock<Vec<Real>> = OnceLock::new();
    ALL.get_or_init(read_all)
}

fn read_all() -> Vec<Real> {
    let modules = modules();
    let folders = fetched(&modules);
    let read = |module: Module| {
        let mut trees = Vec::new();
        for file in &module.files {
            let text = fs::read_to_string(folders[&module.path].join(file)).unwrap();
            if Path::new(file).extension().is_some_and(|extension| extension == "json") {
                trees.push(read_json(&text).unwrap().unwrap().0);
                continue;
            }
            let pieces = split(&text).into_iter();
            trees.extend(pieces.filter_map(|piece| read_yaml(&text[piece.range]).unwrap()));
        }
        Real { source: format!("{}@{}", module.path, module.version), trees }
    };
    modules.into_iter().map(read).collect()
}

/// One version of one kind.
pub(super) struct Defined<'t> {
    group: &'t str,
    pub(super) kind: &'t str,
    pub(super) version: &'t str,
    pub(super) schema: Value<'t>,
}

/// Kinds of a tree: of a definition, or of an OpenAPI document of Kubernetes itself.
pub(super) fn defined(tree: &Tree) -> Vec<Defined<'_>> {
    let root = tree.root();
    if let Some(schemas) = root.at(&["components", "schemas"]) {
        let kinds = schemas.entries().flat_map(|(_, schema)| {
            let names = schema.get("x-kubernetes-group-version-kind").into_iter().flat_map(Value::items);
            names.filter_map(move |name| {
                let (group, kind) =
                    (name.get("group").and_then(Value::text).unwrap_or(""), name.str_at("kind")?);
                Some(Defined { group, kind, version: name.str_at("version")?, schema })
            })
        });
        return kinds.collect();
    }
    let spec = root.get("spec").unwrap();
    let group = spec.str_at("group").unwrap();
    let kind = spec.get("names").and_then(|names| names.str_at("kind")).unwrap();
    let versions = spec.get("versions").into_iter().flat_map(Value::items);
    let served = versions.filter(|version| version.get("served").and_then(Value::as_bool) == Some(true));
    served
        .map(|version| Defined {
            group,
            kind,
            version: version.str_at("name").unwrap(),
            schema: version.at(&["schema", "openAPIV3Schema"]).unwrap(),
        })
        .collect()
}

/// Follows the references of an OpenAPI document; a definition has none.
fn deref(node: Value<'_>) -> Value<'_> {
    let only = node.get("allOf").and_then(|all| all.items().next()).unwrap_or(node);
    let name = only.str_at("$ref").and_then(|reference| reference.strip_prefix("#/components/schemas/"));
    name.and_then(|name| node.tree().root().at(&["components", "schemas", name])).unwrap_or(only)
}

fn property<'t>(node: Value<'t>, key: &str) -> Option<Value<'t>> {
    node.at(&["properties", key]).map(deref)
}

fn takes_any(node: Value<'_>) -> bool {
    node.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool) == Some(true)
}

/// Where a way down a schema ends.
pub(super) enum End<'t> {
    At(Value<'t>),
    /// In a part that takes any field: nothing is proven, nothing is wrong.
    Anywhere,
    Nowhere,
}

pub(super) fn follow<'t>(root: Value<'t>, pattern: &str) -> End<'t> {
    let mut node = root;
    for hop in hops(pattern) {
        let next = match hop {
            Hop::Key(key) => property(node, key),
            Hop::Every => ["items", "additionalProperties"]
                .into_iter()
                .find_map(|key| node.get(key).filter(|below| below.is_mapping()))
                .map(deref)
                // GPU operator: every field of the spec is a part.
                .or_else(|| node.get("properties")?.children().find(|part| has(*part, &["image", "env"]))),
        };
        match next {
            Some(next) => node = next,
            None if takes_any(node) => return End::Anywhere,
            None => return End::Nowhere,
        }
    }
    End::At(node)
}

fn has(node: Value<'_>, keys: &[&str]) -> bool {
    keys.iter().all(|key| property(node, key).is_some())
}

fn has_containers(node: Value<'_>) -> bool {
    let list = property(node, "containers");
    let item = list.and_then(|list| list.get("items")).map(deref);
    item.is_some_and(|item| has(item, &["name", "env"]))
}

/// Whether a schema is what the table says; None: it takes any field.
fn is_what_the_table_says(shape: Shape, node: Value<'_>) -> Option<bool> {
    let fits = match shape {
        Spec | InlineSpec | SpecPatch => has_containers(node),
        Template | Patch => {
            let spec = property(node, "spec");
            let fits = spec.is_some_and(has_containers);
            if !fits && spec.is_some_and(takes_any) {
                return None;
            }
            fits
        }
        Part | MorePart => {
            let says = ["image", "env", "command", "args", "resources", "resourcesPerNode", "storageUri"];
            says.into_iter().filter(|key| has(node, &[key])).count() >= 2
        }
        ArgoTemplate => has(node, &["container", "script", "containerSet", "sidecars", "initContainers"]),
    };
    if fits || !takes_any(node) { Some(fits) } else { None }
}

/// What the real definitions say of each path, a line each: group, kind, path, sources; tabs between.
fn confirmed(all: &[Real]) -> String {
    let mut lines = String::new();
    for row in CORE.iter().chain(CUSTOM) {
        for kind in row.kinds {
            for (shape, path) in row.paths {
                let mut sources: Vec<String> = Vec::new();
                for real in all {
                    let (mut fits, mut open) = (BTreeSet::new(), BTreeSet::new());
                    for one in real.of(row.group, kind) {
                        let says = match follow(one.schema, path) {
                            End::At(node) => is_what_the_table_says(*shape, node),
                            End::Anywhere => None,
                            End::Nowhere => Some(false),
                        };
                        match says {
                            Some(true) => _ = fits.insert(one.version),
                            None => _ = open.insert(one.version),
                            Some(false) => {}
                        }
                    }
                    let versions = |set: BTreeSet<&str>| set.into_iter().collect::<Vec<_>>().join(", ");
                    if !fits.is_empty() {
                        sources.push(format!("{} ({})", real.source, versions(fits)));
                    } else if !open.is_empty() {
                        sources.push(format!("{ANY_FIELD} {} ({})", real.source, versions(open)));
                    }
                }
                if !sources.is_empty() {
                    writeln!(lines, "{}\t{kind}\t{path}\t{}", row.group, sources.join("; ")).unwrap();
                }
            }
        }
    }
    lines
}

/// Paths of the real definitions that carry pods and that no row names: group, kind, path.
fn lacking(all: &[Real]) -> BTreeSet<(String, String, String)> {
    let mut lacking = BTreeSet::new();
    for real in all {
        for kind in real.trees.iter().filter_map(|tree| KindSchema::from_crd(tree.root())) {
            assert!(kind.gaps.is_empty(), "{} {}: {:?}", real.source, kind.kind, kind.gaps);
            let row = row_of(&kind.group, &kind.kind);
            for (shape, path) in &kind.paths {
                let path = path.to_string();
                let mut rows = row.into_iter().flat_map(|row| row.paths);
                if !rows.any(|(known, pattern)| covers(*known, pattern, *shape, &path)) {
                    lacking.insert((kind.group.to_string(), kind.kind.to_string(), path));
                }
            }
        }
    }
    lacking
}

/// Whether a row's pattern finds what a schema has at a path.
fn covers(known: Shape, pattern: &str, shape: SchemaShape, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(pattern) else {
        // Every field of the GPU operator's spec.
        let parent = pattern.strip_suffix("{*}").unwrap_or(pattern);
        let below = path.strip_prefix(parent).and_then(|rest| rest.strip_prefix('.'));
        return pattern.ends_with("{*}") && below.is_some_and(|field| !field.contains('.'));
    };
    match known {
        Template | Patch => rest == ".spec",
        Spec | SpecPatch | Part | MorePart => rest.is_empty(),
        // A framework's container, or the workers of a model that spans nodes.
        InlineSpec => {
            let is_field = rest.starts_with('.') && rest.matches('.').count() == 1;
            rest.is_empty() || rest == ".workerSpec" || (is_field && shape == SchemaShape::Part)
        }
        ArgoTemplate => ["", ".container", ".script", ".containerSet", ".sidecars[*]"].contains(&rest),
    }
}

/// Kinds that hold the shape of pods and start none.
const START_NONE: &[(&str, &str)] = &[
    // Work for the agent of a running Workflow, which calls services and starts nothing.
    ("argoproj.io", "WorkflowTaskSet"),
];

/// Fields that joins, facts and controls read in other kinds than those of Kubernetes.
const READ: &[(&str, &[&str], &[&str])] = &[
    (
        "trainer.kubeflow.org",
        &["TrainJob"],
        &["spec.runtimeRef.name", "spec.runtimeRef.kind", "spec.trainer.numNodes"],
    ),
    (
        "trainer.kubeflow.org",
        &["TrainingRuntime", "ClusterTrainingRuntime"],
        &["spec.template.spec.replicatedJobs[*].template.spec.activeDeadlineSeconds"],
    ),
    (
        "serving.kserve.io",
        &["InferenceService"],
        &[
            "spec.predictor.model.runtime",
            "spec.predictor.model.modelFormat.name",
            "spec.predictor.model.storageUri",
            "spec.canary[*].predictor.model.runtime",
        ],
    ),
    (
        "serving.kserve.io",
        &["ServingRuntime", "ClusterServingRuntime"],
        &["spec.supportedModelFormats[*].name", "spec.supportedModelFormats[*].autoSelect"],
    ),
    (
        "serving.kserve.io",
        &["LLMInferenceService", "LLMInferenceServiceConfig"],
        &["spec.baseRefs[*].name", "spec.model.uri"],
    ),
    (
        "argoproj.io",
        &["Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"],
        &[
            "spec.activeDeadlineSeconds",
            "spec.podSpecPatch",
            "spec.templates[*].podSpecPatch",
            "spec.templates[*].resource.manifest",
            "spec.workflowTemplateRef.name",
            "spec.workflowTemplateRef.clusterScope",
        ],
    ),
    (
        "argoproj.io",
        &["CronWorkflow"],
        &["spec.workflowSpec.activeDeadlineSeconds", "spec.workflowSpec.podSpecPatch"],
    ),
    ("ray.io", &["RayJob"], &["spec.activeDeadlineSeconds", "spec.entrypoint", "spec.runtimeEnvYAML"]),
    ("ray.io", &["RayService"], &["spec.serveConfigV2"]),
    ("ray.io", &["RayCluster"], &["spec.headGroupSpec.serviceType", "spec.headGroupSpec.enableIngress"]),
    (
        "kubeflow.org",
        &["PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "PaddleJob", "JAXJob"],
        &["spec.runPolicy.activeDeadlineSeconds"],
    ),
    ("jobset.x-k8s.io", &["JobSet"], &["spec.replicatedJobs[*].template.spec.activeDeadlineSeconds"]),
    ("leaderworkerset.x-k8s.io", &["LeaderWorkerSet"], &["spec.leaderWorkerTemplate.size"]),
    ("kueue.x-k8s.io", &["Workload"], &["spec.podSets[*].count"]),
    ("agents.x-k8s.io", &["Sandbox"], &["spec.podTemplate.spec.runtimeClassName"]),
];

#[test]
#[ignore = "needs go: fetches the modules of lab/crds.toml"]
fn real_definitions_carry_pods_where_the_table_says_and_nowhere_else() {
    let all = real();
    let file = lab().join("crds.confirmed");
    let confirmed = confirmed(all);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &confirmed).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == confirmed,
        "lab/crds.confirmed is stale; run with UPDATE=1, then UPDATE=1 generated_pod_paths"
    );
    let mut lacking = lacking(all);
    lacking.retain(|(group, kind, _)| !START_NONE.contains(&(group, kind)));
    assert!(lacking.is_empty(), "the table lacks {lacking:#?}");
    let mut absent = Vec::new();
    for (group, kinds, paths) in READ {
        for kind in *kinds {
            let versions: Vec<_> = all.iter().flat_map(|real| real.of(group, kind)).collect();
            assert!(!versions.is_empty(), "no real definition of {kind}");
            // Old versions lack what newer ones gained.
            let is_nowhere =
                |path: &str| versions.iter().all(|one| matches!(follow(one.schema, path), End::Nowhere));
            absent.extend(
                paths.iter().filter(|path| is_nowhere(path)).map(|path| format!("{group} {kind} {path}")),
            );
        }
    }
    assert!(absent.is_empty(), "fields that are read and do not exist: {absent:#?}");
}
