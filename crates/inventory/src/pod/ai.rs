//! Is it an AI workload, how sure is that, and what does it do? Every answer carries its reasons.

use super::ai_table::AI_KINDS;
use super::ai_table::CLASS_OF_KIND;
use super::ai_table::DEVICE_FILES;
use super::ai_table::HUB_VARIABLES;
use super::ai_table::NAME_WORDS;
use super::ai_table::PROGRAMS;
use super::ai_table::Program;
use super::ai_table::VISIBLE_DEVICES;
use super::ai_table::images;
use super::command::Word;
use super::container::Container;
use super::container::Need;
use super::image;
use super::infra;
use super::model::ModelRef;
use super::view::Field;
use super::view::Pod;
use crate::object::Object;
use crate::yaml::Value;

/// How sure it is that a workload is AI. Order is the meaning; controls judge from [`Scope::Medium`] on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Nothing speaks for it.
    #[default]
    No,
    /// Only words in names or labels; listed, not judged.
    Low,
    /// Image name, model reference, hub variables.
    Medium,
    /// A known server or trainer, an nvidia runtime, an unresolved claim.
    High,
    /// An accelerator request, or a kind made for AI.
    Certain,
}

impl Scope {
    /// The word in screens and machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Certain => "certain",
        }
    }
}

/// What a workload does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadClass {
    /// Device plugins, drivers, exporters: legitimately privileged.
    AcceleratorInfra,
    /// Agents, sandboxes, tool servers.
    Agent,
    /// Notebooks and IDEs.
    Notebook,
    /// Everything else.
    #[default]
    Other,
    /// Pipeline steps.
    Pipeline,
    /// Model registries.
    Registry,
    /// Inference servers.
    Serving,
    /// Training.
    Training,
    /// Vector and embedding stores.
    VectorStore,
}

impl WorkloadClass {
    /// The word in screens and machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AcceleratorInfra => "accelerator-infra",
            Self::Agent => "agent",
            Self::Notebook => "notebook",
            Self::Other => "other",
            Self::Pipeline => "pipeline",
            Self::Registry => "registry",
            Self::Serving => "serving",
            Self::Training => "training",
            Self::VectorStore => "vector-store",
        }
    }
}

/// What makes a pod AI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AiFacts {
    /// How sure.
    pub scope: Scope,
    /// Why, in words; the strongest first.
    pub reasons: Vec<String>,
    /// What it does.
    pub class: WorkloadClass,
    /// Models it loads.
    pub models: Vec<ModelRef>,
}

/// Facts of a pod.
pub(crate) fn facts(pod: Pod<'_>) -> AiFacts {
    let models = super::model::models(pod);
    let mut evidence = Evidence::default();
    evidence.kinds(pod);
    for container in pod.containers() {
        evidence.container(container);
    }
    evidence.devices(pod);
    if let Some(model) = models.iter().find(|model| !model.is_volume) {
        evidence.add(Scope::Medium, format!("loads {} {}", model.role.as_str(), short(&model.name)));
    }
    if evidence.scope() == Scope::No {
        evidence.names(pod);
    }
    let scope = evidence.scope();
    let class = if infra::is_infrastructure(pod) {
        WorkloadClass::AcceleratorInfra
    } else {
        let by_kind = of_kind(pod).filter(|class| *class != WorkloadClass::Other);
        by_kind.or(evidence.by_command).or(evidence.by_image).or(fallback(pod)).unwrap_or_default()
    };
    AiFacts { scope, reasons: evidence.reasons(), class, models }
}

#[derive(Default)]
struct Evidence {
    found: Vec<(Scope, String)>,
    by_command: Option<WorkloadClass>,
    by_image: Option<WorkloadClass>,
}

impl Evidence {
    fn add(&mut self, scope: Scope, reason: String) {
        if !self.found.iter().any(|(_, known)| *known == reason) {
            self.found.push((scope, reason));
        }
    }

    fn scope(&self) -> Scope {
        self.found.iter().map(|(scope, _)| *scope).max().unwrap_or_default()
    }

    fn reasons(mut self) -> Vec<String> {
        self.found.sort_by_key(|(scope, _)| std::cmp::Reverse(*scope));
        self.found.into_iter().map(|(_, reason)| reason).collect()
    }

    /// Its object, those it is embedded in, and those that made it.
    fn kinds(&mut self, pod: Pod<'_>) {
        for object in pod.chain() {
            if is_ai_kind(object.group(), &object.kind) {
                self.add(Scope::Certain, format!("part of a {} ({})", object.kind, object.group()));
            }
            for (group, kind) in owners(object) {
                if is_ai_kind(group, kind) {
                    self.add(Scope::Certain, format!("made by a {kind} ({group})"));
                }
            }
        }
    }

    fn container(&mut self, container: Container<'_>) {
        let name = container.name();
        match container.accelerator_need() {
            Need::Nothing => {}
            Need::UnresolvedClaim => self.add(
                Scope::High,
                format!("container {name} uses a device claim whose class is not in the set"),
            ),
            Need::Accelerator => {
                let count = container.accelerator_count();
                let plural = if count == 1 { "" } else { "s" };
                self.add(Scope::Certain, format!("container {name} asks for {count} accelerator{plural}"));
            }
        }
        let image = container.image().unwrap_or_default();
        if let Some((word, class)) = of_image(&image) {
            self.add(Scope::Medium, format!("image {} names {word}", short(image::path(&image))));
            self.by_image = self.by_image.or(Some(class));
        }
        if let Some((program, class)) = of_words(&container.words(), &image) {
            self.add(Scope::High, format!("container {name} runs {program}"));
            self.by_command = self.by_command.or(Some(class));
        }
        for variable in container.env() {
            if HUB_VARIABLES.iter().any(|prefix| variable.name.starts_with(prefix)) {
                self.add(Scope::Medium, format!("variable {} configures a model library", variable.name));
            }
            if VISIBLE_DEVICES.contains(&variable.name) {
                match variable.value.and_then(Value::text).map(str::trim) {
                    Some("" | "none" | "void" | "-1" | "NoDevFiles") => {}
                    Some(value) => {
                        self.add(Scope::High, format!("variable {} is {}", variable.name, short(value)));
                    }
                    None if variable.item.get("valueFrom").is_some() => {
                        self.add(Scope::Medium, format!("variable {} is set from elsewhere", variable.name));
                    }
                    None => {}
                }
            }
        }
    }

    fn devices(&mut self, pod: Pod<'_>) {
        if let Field::Set(class) = pod.field("runtimeClassName")
            && let Some(class) = class.text()
            && runtime_is_nvidia(pod, class)
        {
            self.add(Scope::High, format!("runtimeClassName {}", short(class)));
        }
        for volume in pod.volumes() {
            let path = volume.at(&["hostPath", "path"]).and_then(Value::text).unwrap_or("");
            if DEVICE_FILES.iter().any(|prefix| path.starts_with(prefix)) {
                self.add(Scope::High, format!("mounts the device file {}", short(path)));
            }
        }
    }

    fn names(&mut self, pod: Pod<'_>) {
        let mut texts: Vec<&str> = pod.chain().map(|object| &*object.name).collect();
        texts.extend(pod.containers().map(Container::name));
        for object in pod.chain() {
            let labels = object.labels().into_iter().flat_map(Value::entries);
            texts.extend(labels.filter(|(_, value)| value.means_bool() != Some(false)).flat_map(
                |(key, value)| {
                    // `nvidia.com/gpu.present`: the prefix is a domain, the name after it speaks.
                    [key.rsplit('/').next().unwrap_or(key), value.text().unwrap_or("")]
                },
            ));
        }
        let labels = pod.written_labels().into_iter().flat_map(Value::entries);
        texts.extend(
            labels
                .filter(|(_, value)| value.means_bool() != Some(false))
                .flat_map(|(key, value)| [key.rsplit('/').next().unwrap_or(key), value.text().unwrap_or("")]),
        );
        for text in texts {
            if let Some(word) = NAME_WORDS.iter().find(|word| image::names(text, word)) {
                self.add(Scope::Low, format!("only a name says {word}: {}", short(text)));
                return;
            }
        }
        let selector = pod.get("nodeSelector").into_iter().flat_map(Value::entries).map(|(key, _)| key);
        let tolerated = pod.get("tolerations").into_iter().flat_map(Value::items);
        let mut keys = selector.chain(tolerated.filter_map(|one| one.get("key")?.text()));
        if let Some(key) = keys.find(|key| crate::accelerator::is_accelerator(key) || key.contains("gpu")) {
            self.add(Scope::Low, format!("only its node placement speaks of GPUs: {}", short(key)));
        }
    }
}

/// Whether a kind is made for AI. Group and kind together: an API group's unrelated kinds prove nothing.
pub(super) fn is_ai_kind(group: &str, kind: &str) -> bool {
    AI_KINDS.iter().any(|(known, prefix)| *known == group && kind.starts_with(prefix))
}

/// Controllers of an object of a live dump: group and kind.
pub(super) fn owners(object: &Object) -> impl Iterator<Item = (&str, &str)> {
    let owners = object.body().at(&["metadata", "ownerReferences"]).into_iter().flat_map(Value::items);
    owners.filter_map(|owner| {
        let group = owner.str_at("apiVersion")?.split_once('/').map_or("", |(group, _)| group);
        Some((group, owner.str_at("kind")?))
    })
}

fn of_kind(pod: Pod<'_>) -> Option<WorkloadClass> {
    pod.chain().find_map(|object| {
        let own = std::iter::once((object.group(), &*object.kind));
        own.chain(owners(object)).find_map(|(group, kind)| {
            let known = CLASS_OF_KIND.iter();
            let mut known = known.filter(|(of, prefix, _)| *of == group && kind.starts_with(prefix));
            known.next().map(|(.., class)| *class)
        })
    })
}

/// Kinds that mean one thing when nothing inside says another.
fn fallback(pod: Pod<'_>) -> Option<WorkloadClass> {
    let training = pod
        .chain()
        .any(|object| object.group() == "ray.io" || owners(object).any(|(group, _)| group == "ray.io"));
    training.then_some(WorkloadClass::Training)
}

/// Word of the table that an image's path names, and what such images do.
pub(super) fn of_image(image: &str) -> Option<(&'static str, WorkloadClass)> {
    // NIM containers share a repository; `nim` elsewhere is a programming language.
    if image::host(image) == Some("nvcr.io") && image::segments(image).next() == Some("nim") {
        return Some(("NVIDIA NIM", WorkloadClass::Serving));
    }
    // The last segment says most: `kubeflownotebookswg/jupyter-pytorch` is a notebook.
    let segments: Vec<&str> = image::segments(image).collect();
    segments.iter().rev().find_map(|segment| {
        let mut known = images().iter().filter(|(word, _)| image::names(segment, word));
        known.next().copied()
    })
}

/// Known server or trainer among the words: at their start, after a shell, an interpreter or `exec`, never as the
/// value of a long flag.
pub(super) fn of_words(words: &[Word<'_>], image: &str) -> Option<(String, WorkloadClass)> {
    for (index, word) in words.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| words.get(index)).map_or("", |word| &word.text);
        let is_value = before.len() > 2 && before.starts_with("--") && !before.contains('=');
        // A path that is not run is data: `chown /home/jupyter`.
        let name = match word.text.rsplit_once('/') {
            Some(_) if word.text.starts_with('@') => &*word.text,
            Some((folder, name)) if index == 0 || before.starts_with('-') || folder.ends_with("bin") => name,
            Some(_) => continue,
            None => &*word.text,
        };
        if is_value {
            continue;
        }
        let after = words.get(index.saturating_add(1)).map_or("", |word| &word.text);
        for (program, class) in PROGRAMS {
            let found = match program {
                Program::Word(known) => name == *known,
                Program::Prefix(known) => name.starts_with(known),
                Program::Pair(first, second) => name == *first && after == *second,
                Program::WithImage(known) => {
                    name == *known && (of_image(image).is_some() || image.contains("cuda"))
                }
            };
            if found {
                let shown = match program {
                    Program::Pair(first, second) => format!("{first} {second}"),
                    _ => short(name),
                };
                return Some((shown, *class));
            }
        }
    }
    None
}

/// By name, or by the handler of the RuntimeClass object when it was given.
fn runtime_is_nvidia(pod: Pod<'_>, class: &str) -> bool {
    let mut classes = pod.inventory.objects_of("node.k8s.io", "RuntimeClass");
    match classes.find(|object| &*object.name == class) {
        Some(object) => object.body().str_at("handler").is_some_and(|handler| handler.contains("nvidia")),
        None => class.contains("nvidia"),
    }
}

/// Foreign text in a reason: enough to find it again.
fn short(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or("")),
        None => text.to_owned(),
    }
}
