//! A fixed seed -> a repository of an AI platform as large as real ones, or a folder of N objects. All text
//! is made here; the mix is that of the reference tree: CRDs hold most of the bytes, pod templates sit in
//! built-in and custom kinds, and a tenth of the documents is no Kubernetes at all.

mod crd;
mod custom;
mod emit;
mod noise;
mod plain;
mod pods;
mod rng;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::json;

use crate::failure::Failure;
use emit::Style;
use emit::yaml;
use rng::Rng;

const SEED: u64 = 0x52_49_4e_47;

/// Files with objects other than CRDs: what the reference tree leaves for them.
const OBJECT_FILES: usize = 818;

const NAMESPACES: [&str; 8] = [
    "ml-serving",
    "ml-training",
    "ml-notebooks",
    "vector-store",
    "ray",
    "pipelines",
    "platform",
    "monitoring",
];

/// What was written.
#[derive(Default)]
pub(super) struct Tally {
    files: usize,
    bytes: usize,
    documents: usize,
    objects: usize,
    kinds: BTreeSet<(String, String)>,
    definitions: usize,
    core_templates: usize,
    custom_templates: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} files, {}.{} MB, {} documents, {} objects of {} kinds, {} CRDs, {} pod templates ({} in built-in kinds, {} in custom ones)",
            self.files,
            self.bytes / 1_000_000,
            self.bytes / 100_000 % 10,
            self.documents,
            self.objects,
            self.kinds.len(),
            self.definitions,
            self.core_templates + self.custom_templates,
            self.core_templates,
            self.custom_templates,
        )
    }
}

/// Writes the repository into an empty or new folder.
pub(super) fn write_repository(folder: &Path) -> Result<Tally, Failure> {
    let (files, tally) = repository();
    write(folder, &files)?;
    Ok(tally)
}

/// Writes `count` objects: three Deployments, Services and `ConfigMap`s to a RayCluster.
pub(super) fn write_objects(folder: &Path, count: usize) -> Result<Tally, Failure> {
    let mut build = Builder::new();
    let kinds = [
        "Deployment",
        "Service",
        "ConfigMap",
        "Deployment",
        "Service",
        "ConfigMap",
        "Deployment",
        "Service",
        "ConfigMap",
        "RayCluster",
    ];
    let objects: Vec<Value> = kinds.iter().cycle().take(count).map(|kind| build.of_kind(kind)).collect();
    for (number, objects) in objects.chunks(20).enumerate() {
        build.put(
            format!("objects/{number:05}.yaml"),
            objects,
            Style { indented_lists: true, folded: false },
        );
    }
    write(folder, &build.files)?;
    Ok(build.tally)
}

fn write(folder: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(format!("{} is not empty", folder.display())));
    }
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Failure::while_(parent.display()))?;
        }
        fs::write(&path, text).map_err(Failure::while_(path.display()))?;
    }
    Ok(())
}

fn repository() -> (Vec<(String, String)>, Tally) {
    let mut build = Builder::new();
    build.definitions();
    let objects = build.objects();
    build.scatter(objects);
    build.noise();
    (build.files, build.tally)
}

struct Builder {
    rng: Rng,
    files: Vec<(String, String)>,
    tally: Tally,
}

impl Builder {
    fn new() -> Self {
        Self { rng: Rng::new(SEED), files: Vec::new(), tally: Tally::default() }
    }

    fn definitions(&mut self) {
        let sizes = crd::SIZES.into_iter().flat_map(|(count, bytes)| std::iter::repeat_n(bytes, count));
        for (number, bytes) in sizes.enumerate() {
            let folded = number % 2 == 0;
            let definition = crd::definition(&mut self.rng, number, bytes, !folded);
            self.tally.definitions += 1;
            let path = format!("platform/{}/crds/crd-{number:03}.yaml", self.rng.word());
            self.put(path, &[definition], Style { indented_lists: false, folded });
        }
    }

    fn objects(&mut self) -> Vec<Value> {
        let mut objects = Vec::new();
        for (api, kind, count) in pods::CORE {
            objects.extend((0..count).map(|_| self.core(api, kind)));
        }
        for (api, kind, count, templates) in custom::CUSTOM {
            objects.extend((0..count).map(|_| self.custom(api, kind, templates)));
        }
        for (api, kind, count) in plain::PLAIN {
            objects.extend((0..count).map(|_| self.plain(api, kind)));
        }
        self.rng.shuffle(&mut objects);
        for map in objects.iter_mut().filter(|object| object["kind"] == "ConfigMap").step_by(16) {
            map["data"]["dashboard.json"] = plain::dashboard(&mut self.rng).into();
        }
        objects
    }

    fn of_kind(&mut self, kind: &str) -> Value {
        match kind {
            "Deployment" => self.core("apps/v1", kind),
            "RayCluster" => self.custom("ray.io/v1", kind, 2),
            plain => self.plain("v1", plain),
        }
    }

    fn core(&mut self, api: &str, kind: &str) -> Value {
        let name = self.name();
        self.tally.core_templates += 1;
        let spec = pods::core(&mut self.rng, kind, &name);
        self.object(api, kind, &name, json!({"spec": spec}))
    }

    fn custom(&mut self, api: &str, kind: &str, templates: usize) -> Value {
        let name = self.name();
        self.tally.custom_templates += templates;
        let kind_or_knative = if api.starts_with("serving.knative.dev") { "" } else { kind };
        let spec = custom::custom(&mut self.rng, kind_or_knative, &name);
        self.object(api, kind, &name, json!({"spec": spec}))
    }

    fn plain(&mut self, api: &str, kind: &str) -> Value {
        let name = self.name();
        let body = plain::body(&mut self.rng, kind, &name);
        self.object(api, kind, &name, body)
    }

    fn name(&mut self) -> String {
        format!("{}-{}", self.rng.name(), self.rng.hex(5))
    }

    fn object(&mut self, api: &str, kind: &str, name: &str, mut body: Value) -> Value {
        body["apiVersion"] = api.into();
        body["kind"] = kind.into();
        body["metadata"] = json!({"name": name, "labels": {"app.kubernetes.io/part-of": self.rng.word()}});
        if plain::is_namespaced(kind) {
            body["metadata"]["namespace"] = self.rng.pick(&NAMESPACES).into();
        }
        body
    }

    /// Four lists as JSON; the rest one to a few in a file, a tenth of the files JSON.
    fn scatter(&mut self, mut objects: Vec<Value>) {
        for number in 0..4 {
            let items = objects.split_off(objects.len() - 6);
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
            self.put_json(format!("dumps/list-{number}.json"), &list);
        }
        let mut files: Vec<Vec<Value>> =
            objects.drain(..OBJECT_FILES - 4).map(|object| vec![object]).collect();
        for object in objects {
            let file = self.rng.below(files.len());
            files[file].push(object);
        }
        for (number, objects) in files.into_iter().enumerate() {
            let folder = format!("{}/{}", self.rng.pick(&["apps", "clusters", "teams"]), self.rng.name());
            if let ([object], true) = (objects.as_slice(), self.rng.chance(15)) {
                self.put_json(format!("{folder}/{number:03}.json"), object);
            } else {
                let style = Style { indented_lists: self.rng.chance(60), folded: false };
                self.put(format!("{folder}/{number:03}.yaml"), &objects, style);
            }
        }
    }

    fn noise(&mut self) {
        let style = Style { indented_lists: true, folded: false };
        for number in 0..60 {
            let (path, value) = noise::workflow(&mut self.rng, number);
            self.put(path, &[value], style);
        }
        for number in 0..70 {
            let (path, value) = noise::values(&mut self.rng, number);
            self.put(path, &[value], style);
        }
        for number in 0..12 {
            let (path, value) = noise::kustomization(&mut self.rng, number);
            self.put(path, &[value], style);
        }
        for number in 0..20 {
            let (path, value) = noise::settings(&mut self.rng, number);
            self.put_json(path, &value);
        }
        for number in 0..20 {
            let (path, text) = noise::template(&mut self.rng, number);
            self.tally.documents += 1;
            self.push(path, text);
        }
        for _ in 0..41 {
            let comment = noise::comment(&mut self.rng);
            let definition = self.rng.below(self.tally.definitions); // the first files written
            let (_, text) = &mut self.files[definition];
            *text = format!("{text}---\n{comment}");
            self.tally.documents += 1;
            self.tally.bytes += comment.len() + 4;
        }
    }

    fn put(&mut self, path: String, values: &[Value], style: Style) {
        let texts: Vec<String> = values.iter().map(|value| yaml(value, style)).collect();
        for value in values {
            self.count(value);
        }
        self.tally.documents += values.len();
        let header = if self.rng.chance(25) { noise::comment(&mut self.rng) } else { String::new() };
        self.push(path, header + &texts.join("---\n"));
    }

    fn put_json(&mut self, path: String, value: &Value) {
        self.count(value);
        self.tally.documents += 1;
        self.push(path, format!("{value:#}\n"));
    }

    fn push(&mut self, path: String, text: String) {
        self.tally.files += 1;
        self.tally.bytes += text.len();
        self.files.push((path, text));
    }

    fn count(&mut self, value: &Value) {
        if let Some(items) = value["items"].as_array() {
            return items.iter().for_each(|item| self.count(item));
        }
        if let (Some(api), Some(kind)) = (value["apiVersion"].as_str(), value["kind"].as_str()) {
            self.tally.objects += 1;
            self.tally.kinds.insert((api.into(), kind.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_mix_of_the_reference_tree_every_time() {
        let (files, tally) = repository();
        assert_eq!(tally.files, 1126, "{tally}");
        assert!(tally.bytes >= 25_000_000, "{tally}");
        assert_eq!((tally.documents, tally.objects), (1637, 1434), "{tally}");
        assert_eq!((tally.kinds.len(), tally.definitions), (59, 126), "{tally}");
        assert_eq!((tally.core_templates, tally.custom_templates), (142, 70), "{tally}");
        let in_definitions: usize =
            files.iter().filter(|(path, _)| path.contains("/crds/")).map(|(_, text)| text.len()).sum();
        assert!(in_definitions * 4 > tally.bytes * 3, "{in_definitions} bytes in CRDs of {tally}");
        assert!(files == repository().0, "the seed gives two repositories");
    }
}
