//! Dumps of a live cluster hold a Deployment, its ReplicaSets and their pods: one root cause three times. Who was made
//! by whom is kept here; the pods are judged all the same, because a webhook may have changed what runs, and because an
//! owner reference can be forged.

use std::collections::HashMap;

use crate::object::Object;
use crate::object::ObjectId;
use crate::yaml::Value;

/// Owners are followed this far: Pod, ReplicaSet, Deployment, an operator's kind, and what made that.
const MAX_STEPS: usize = 8;

/// Who made what, among the objects of one set.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    owner: HashMap<ObjectId, ObjectId>,
}

impl Owners {
    /// Reads `metadata.ownerReferences` (the one with `controller: true`) of every object.
    pub(crate) fn of(objects: &[Object]) -> Self {
        let reference = |object: &Object| {
            let references = object.body().at(&["metadata", "ownerReferences"])?;
            let controller = references
                .items()
                .find(|one| one.get("controller").and_then(Value::as_bool) == Some(true))?;
            let api_version = controller.str_at("apiVersion")?;
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            Some((
                group.to_owned(),
                controller.str_at("kind")?.to_owned(),
                controller.get("name")?.text()?.to_owned(),
            ))
        };
        let wanted: Vec<_> = objects.iter().map(reference).collect();
        if wanted.iter().all(Option::is_none) {
            return Self::default();
        }
        let mut ids = HashMap::new();
        for object in objects.iter().filter(|object| object.parent.is_none()) {
            ids.insert(
                (object.group(), &*object.kind, object.namespace.as_deref(), &*object.name),
                object.id,
            );
        }
        let mut owner = HashMap::new();
        for (object, wanted) in objects.iter().zip(&wanted) {
            let Some((group, kind, name)) = wanted else { continue };
            // An owner lives in the same namespace, or in none.
            let found = [object.namespace.as_deref(), None]
                .into_iter()
                .find_map(|namespace| ids.get(&(group.as_str(), kind.as_str(), namespace, name.as_str())));
            if let Some(id) = found.filter(|id| **id != object.id) {
                owner.insert(object.id, *id);
            }
        }
        Self { owner }
    }

    /// The outermost owner of an object in the set; none for a circle, which no controller makes.
    pub(crate) fn top(&self, id: ObjectId) -> Option<ObjectId> {
        let mut top = None;
        let mut next = self.owner.get(&id).copied();
        for _ in 0..MAX_STEPS {
            let Some(owner) = next.filter(|owner| *owner != id) else { break };
            top = Some(owner);
            next = self.owner.get(&owner).copied();
        }
        top.filter(|_| next.is_none())
    }
}

#[cfg(test)]
mod tests {
    use crate::Inventory;

    #[test]
    fn a_dump_of_a_deployment_its_set_and_its_pods_is_one_workload() {
        let owned = |kind: &str, version: &str, name: &str, by: (&str, &str, &str), spec: &str| {
            let (owner_version, owner_kind, owner) = by;
            format!(
                "---\napiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: ml\n  uid: u-{name}\n  ownerReferences: [{{apiVersion: {owner_version}, kind: {owner_kind}, name: {owner}, controller: true}}]\nspec: {spec}\n"
            )
        };
        let pod = "{containers: [{name: c, image: i}]}";
        let template = format!("{{template: {{spec: {pod}}}}}");
        let set = ("apps/v1", "ReplicaSet", "web-1");
        let mut text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: ml}}\nspec: {template}\n"
        );
        text += &owned("ReplicaSet", "apps/v1", "web-1", ("apps/v1", "Deployment", "web"), &template);
        text += &owned("Pod", "v1", "web-1-a", set, pod);
        text += &owned("Pod", "v1", "web-1-b", set, pod);
        text += &owned("Pod", "v1", "lone", ("apps/v1", "ReplicaSet", "gone"), pod);
        text += &owned("Pod", "v1", "odd", ("v1", "ConfigMap", "cm"), pod);
        text += "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm, namespace: ml}\n";
        let inventory = Inventory::from_text(&text);
        let maker = |name: &str| {
            let (id, _) = inventory.objects().find(|(_, object)| &*object.name == name).unwrap();
            inventory.made_by(id).map(|id| &*inventory.object(id).name)
        };
        for name in ["web-1", "web-1-a", "web-1-b"] {
            assert_eq!(maker(name), Some("web"), "{name}");
        }
        assert_eq!((maker("web"), maker("lone")), (None, None));
        assert_eq!(maker("odd"), None, "a ConfigMap makes no pods, whatever a reference says");
        assert_eq!(inventory.pods().len(), 6, "all are judged");
        let web = inventory.pods().next().unwrap().object().id;
        assert_eq!(inventory.running_pods(web), Some(2));
    }

    #[test]
    fn a_circle_of_owners_makes_nobody() {
        let pod = |name: &str, owner: &str| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  ownerReferences: [{{apiVersion: v1, kind: Pod, name: {owner}, controller: true}}]\nspec: {{containers: [{{name: c, image: i}}]}}\n"
            )
        };
        let text = [("a", "b"), ("b", "a"), ("c", "c"), ("d", "e"), ("e", "f"), ("f", "d")]
            .map(|(name, by)| pod(name, by));
        let inventory = Inventory::from_text(&text.concat());
        assert_eq!(inventory.objects().filter(|(id, _)| inventory.made_by(*id).is_some()).count(), 0);
    }
}
