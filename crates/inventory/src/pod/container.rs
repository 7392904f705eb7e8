//! One container of a pod: name, environment, resources, the accelerators it asks for.

use std::collections::HashSet;

use super::command;
use super::command::Word;
use super::view::Pod;
use crate::accelerator;
use crate::yaml::Value;

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Beside the others.
    Main,
    /// Before them, or beside them when restartable (a sidecar).
    Init,
    /// Added to a running pod.
    Ephemeral,
    /// A part with image and env from which an operator builds a container.
    Part,
    /// Variables of processes that start inside the other containers (a Ray job's runtime environment): no container.
    Process,
}

/// What a container asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// No accelerator.
    Nothing,
    /// A claim whose device class nobody gave: it may be an accelerator.
    UnresolvedClaim,
    /// An accelerator, by limit, request or resolved claim.
    Accelerator,
}

/// A container with its pod. Copy it freely.
#[derive(Clone, Copy)]
pub struct Container<'i> {
    /// The pod it runs in.
    pub pod: Pod<'i>,
    /// When it runs.
    pub role: Role,
    /// Its mapping.
    pub value: Value<'i>,
}

/// One environment variable.
#[derive(Clone, Copy)]
pub struct EnvVar<'i> {
    /// Name, upper case by custom.
    pub name: &'i str,
    /// Literal value; None when it comes from elsewhere.
    pub value: Option<Value<'i>>,
    /// The list item, to point at.
    pub item: Value<'i>,
}

impl<'i> Container<'i> {
    /// Its name; for a part, the key it stands under.
    pub fn name(self) -> &'i str {
        self.value.str_at("name").or_else(|| self.value.key()).unwrap_or("")
    }

    /// A field of the container, as a patch of the pod leaves it.
    pub fn get(self, key: &str) -> Option<Value<'i>> {
        self.layers().find_map(|layer| layer.get(key))
    }

    /// A field of the container's security context, or None where it is not written there.
    pub fn security(self, key: &str) -> Option<Value<'i>> {
        self.layers().find_map(|layer| layer.get("securityContext")?.get(key))
    }

    /// A quantity of `resources.limits` or `resources.requests`.
    pub fn resource(self, list: &str, name: &str) -> Option<Value<'i>> {
        self.layers().find_map(|layer| layer.at(&["resources", list, name]))
    }

    /// Whether a value stands in the container, or in what a patch lays over it.
    pub fn holds(self, value: Value<'_>) -> bool {
        let is_layer = |one: &Value<'_>| self.layers().any(|layer| layer.id() == one.id());
        std::iter::successors(Some(value), |value| value.parent()).any(|value| is_layer(&value))
    }

    /// What a patch lays over it, the strongest first, then the container as written.
    fn layers(self) -> impl Iterator<Item = Value<'i>> {
        let object = self.pod.object();
        let id = self.value.id();
        let all = &self.pod.view.overlays;
        let from = all.partition_point(|(under, _)| *under < id);
        let overlays = all.iter().skip(from).take_while(move |(under, _)| *under == id);
        overlays.map(move |(_, over)| object.value(*over)).chain(std::iter::once(self.value))
    }

    /// Image reference as written: text, or `repository/image:version` of a part.
    pub fn image(self) -> Option<String> {
        let image = self.get("image");
        if let Some(mapping) = image.filter(|image| image.is_mapping()) {
            // vLLM's kinds write registry and name, NIM's repository and tag.
            if let Some(name) = mapping.str_at("name") {
                return Some(match mapping.str_at("registry").filter(|registry| !registry.is_empty()) {
                    Some(registry) => format!("{registry}/{name}"),
                    None => name.to_owned(),
                });
            }
            let repository = mapping.str_at("repository")?;
            let separator = |tag: &str| if tag.starts_with("sha256:") { '@' } else { ':' };
            return Some(match mapping.get("tag").and_then(Value::text) {
                Some(tag) => format!("{repository}{}{tag}", separator(tag)),
                None => repository.to_owned(),
            });
        }
        let name = image?.text()?;
        match (self.value.str_at("repository"), self.value.get("version").and_then(Value::text)) {
            (Some(repository), Some(version)) => {
                let separator = if version.starts_with("sha256:") { '@' } else { ':' };
                Some(format!("{repository}/{name}{separator}{version}"))
            }
            (Some(repository), None) => Some(format!("{repository}/{name}")),
            _ => Some(name.to_owned()),
        }
    }

    /// Environment variables, in order. A mapping (`env: {A: b}`), as some kinds have it, reads the same.
    pub fn env(self) -> impl Iterator<Item = EnvVar<'i>> {
        let lists: Vec<Value<'i>> =
            self.layers().filter_map(|layer| layer.get("env").or_else(|| layer.get("env_vars"))).collect();
        // Those of a patch come last, since later ones win.
        lists.into_iter().rev().flat_map(|env| {
            let listed = env.items().filter_map(|item| {
                Some(EnvVar { name: item.get("name")?.text()?, value: item.get("value"), item })
            });
            let mapped = env.entries().map(|(name, value)| EnvVar {
                name,
                value: value.is_scalar().then_some(value),
                item: value,
            });
            listed.chain(mapped)
        })
    }

    /// The last variable of that name: later ones win in a container.
    pub fn env_var(self, name: &str) -> Option<EnvVar<'i>> {
        self.env().filter(|variable| variable.name == name).last()
    }

    /// Words of `command` and `args`, shell strings (`sh -c "..."`) taken apart.
    pub fn words(self) -> Vec<Word<'i>> {
        command::words(|key| self.get(key))
    }

    /// Accelerators of all vendors in limits, else requests: the API server wants both equal.
    pub fn accelerator_count(self) -> u32 {
        let resources: Vec<Value<'i>> = self
            .layers()
            .filter_map(|layer| layer.get("resources").or_else(|| layer.get("resourcesPerNode")))
            .collect();
        let sum = |part: &str| -> u32 {
            let lists = resources.iter().filter_map(|resources| resources.get(part));
            // One quantity a name: that of a patch hides what is written.
            let mut seen = HashSet::new();
            let all = lists.flat_map(Value::entries).filter(|(name, _)| seen.insert(*name));
            let counts = all.filter(|(name, _)| accelerator::is_accelerator(name));
            counts.map(|(_, quantity)| accelerator::count(quantity)).fold(0, u32::saturating_add)
        };
        // vLLM's kinds write a bare number beside CPU and memory.
        let bare = resources.first().filter(|_| self.role == Role::Part);
        let bare = bare.and_then(|resources| resources.get("gpu")).map_or(0, accelerator::count);
        sum("limits").max(sum("requests")).max(bare).saturating_add(self.claimed_devices())
    }

    /// What it asks for.
    pub fn accelerator_need(self) -> Need {
        if self.accelerator_count() > 0 {
            return Need::Accelerator;
        }
        self.claims()
            .map(|claim| self.pod.inventory.claim_need(self.pod, claim))
            .max()
            .unwrap_or(Need::Nothing)
    }

    /// Whether it is an init container that keeps running.
    pub fn is_sidecar(self) -> bool {
        self.role == Role::Init && self.get("restartPolicy").and_then(Value::as_str) == Some("Always")
    }

    /// Names of the pod-level claims the container uses.
    fn claims(self) -> impl Iterator<Item = &'i str> {
        let claims = self.layers().filter_map(|layer| layer.at(&["resources", "claims"]));
        claims.flat_map(Value::items).filter_map(|claim| claim.get("name")?.text())
    }

    fn claimed_devices(self) -> u32 {
        self.claims()
            .map(|claim| self.pod.inventory.claimed_accelerators(self.pod, claim))
            .fold(0, u32::saturating_add)
    }
}
