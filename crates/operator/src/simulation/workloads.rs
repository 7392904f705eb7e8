//! Room `operator`: objects of an inventory -> workloads as a simulation judges them: templates of what somebody wrote, and
//! running pods under the object that stands at the top of their makers. Equal pods are one.

use std::collections::BTreeMap;
use std::collections::HashMap;

use ringfence_domain::CONTAINER_FIELDS;
use ringfence_domain::Claim;
use ringfence_domain::POD_FIELDS;
use ringfence_domain::Subject;
use ringfence_inventory::Container;
use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;
use ringfence_inventory::yaml::Value as Node;
use serde_json::Map;
use serde_json::Value;

use super::list;
use crate::manifest::value;

/// Makers are followed this far, as the inventory does.
const MAX_STEPS: usize = 8;
/// Beginning of the volume in which ServiceAccount admission mounts a token; it does so again when a pod is made again.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// Annotation that names the AppArmor profile of a container, which stands behind it.
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Who an object is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Id {
    group: Box<str>,
    kind: Box<str>,
    namespace: Box<str>,
    name: Box<str>,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Workloads {
    subjects: Vec<Subject>,
    claims: Vec<Claim>,
    /// Equal running pods of one maker.
    index: HashMap<(String, String, String), usize>,
    makers: HashMap<Id, Id>,
    /// What accounts say of the API token, by namespace and name.
    accounts: HashMap<(String, String), bool>,
    unwritten: BTreeMap<String, u32>,
}

impl Workloads {
    /// Takes in what an inventory holds. Makers must have been taken in with or before what they made.
    pub(super) fn take(&mut self, inventory: &Inventory) {
        for (_, object) in inventory.objects() {
            if object.is("", "ServiceAccount") {
                let says = object.body().get("automountServiceAccountToken").and_then(Node::as_bool);
                let key = (namespace(object), object.name.to_string());
                self.accounts.extend(says.map(|says| (key, says)));
            } else if let Some(claim) = claim(object) {
                self.claims.push(claim);
            } else if let Some(maker) = maker(object).filter(|_| !object.is("", "Pod")) {
                self.makers.insert(id(object), maker);
            }
        }
        for pod in inventory.pods() {
            self.add(pod);
        }
    }

    /// Objects whose pods an operator builds, by `group Kind`.
    pub(super) fn unwritten(&self) -> BTreeMap<String, u32> {
        self.unwritten.clone()
    }

    /// Workloads, and claims of devices.
    pub(super) fn judged(self) -> (Vec<Subject>, Vec<Claim>) {
        let Self { mut subjects, claims, accounts, .. } = self;
        for subject in &mut subjects {
            let account =
                subject.pod_spec.get("serviceAccountName").and_then(Value::as_str).unwrap_or("default");
            subject.automount = accounts.get(&(subject.namespace.clone(), account.to_owned())).copied();
        }
        (subjects, claims)
    }

    fn add(&mut self, pod: Pod<'_>) {
        let root = pod.root();
        // What is going is not made again.
        if root.body().at(&["metadata", "deletionTimestamp"]).is_some() {
            return;
        }
        if root.is("", "Pod") {
            return self.add_running(pod, root);
        }
        // What a maker says, and the pods that it made, are judged. A reference to what makes no pods is forged.
        let is_made = maker(root).is_some_and(|it| list::bears_pods(&it.group, &it.kind));
        if is_made || is_finished(root) {
            return;
        }
        let Some(spec) = spec(pod) else {
            *self
                .unwritten
                .entry(format!("{} {}", root.group(), root.kind).trim_start().to_owned())
                .or_default() += 1;
            return;
        };
        self.subjects.push(Subject {
            namespace: pod.namespace().unwrap_or("default").to_owned(),
            owner: format!("{}/{}", root.kind, root.name),
            pod_spec: spec,
            job_spec: job(root),
            app_armor: app_armor(pod),
            ..Subject::default()
        });
    }

    fn add_running(&mut self, pod: Pod<'_>, object: &Object) {
        let phase = object.body().at(&["status", "phase"]).and_then(Node::as_str);
        // A mirror is what runs on a node already, whatever the API server thinks of it.
        if matches!(phase, Some("Succeeded" | "Failed"))
            || object.annotation("kubernetes.io/config.mirror").is_some()
        {
            return;
        }
        let Some(mut spec) = spec(pod) else { return };
        let node = spec.get("nodeName").and_then(Value::as_str).unwrap_or_default().to_owned();
        if object.is_live() {
            as_written(&mut spec, says_node(object));
        }
        let top = self.top(object);
        let owner = format!("{}/{}", top.kind, top.name);
        let namespace = namespace(object);
        let pods = vec![object.name.to_string()];
        let app_armor = app_armor(pod);
        let key = (namespace.clone(), owner.clone(), format!("{app_armor:?} {spec}"));
        if let Some(same) = self.index.get(&key).and_then(|at| self.subjects.get_mut(*at)) {
            same.pods.extend(pods);
            same.nodes.push(node);
            return;
        }
        self.index.insert(key, self.subjects.len());
        self.subjects.push(Subject {
            namespace,
            owner,
            pod_spec: spec,
            pods,
            nodes: vec![node],
            app_armor,
            ..Subject::default()
        });
    }

    /// What somebody wrote.
    fn top(&self, object: &Object) -> Id {
        let mut top = id(object);
        let mut next = maker(object);
        for _ in 0..MAX_STEPS {
            let Some(maker) = next else { break };
            next = self.makers.get(&maker).cloned();
            top = maker;
        }
        top
    }
}

fn id(object: &Object) -> Id {
    Id {
        group: object.group().into(),
        kind: object.kind.clone(),
        namespace: namespace(object).into(),
        name: object.name.clone(),
    }
}

fn namespace(object: &Object) -> String {
    object.namespace.as_deref().unwrap_or("default").to_owned()
}

/// A claim of devices, or a template of one.
fn claim(object: &Object) -> Option<Claim> {
    let is_template = object.is("resource.k8s.io", "ResourceClaimTemplate");
    if !is_template && !object.is("resource.k8s.io", "ResourceClaim")
        || object.body().at(&["metadata", "deletionTimestamp"]).is_some()
    {
        return None;
    }
    let spec = object.body().at(if is_template { &["spec", "spec"] } else { &["spec"] })?;
    Some(Claim {
        namespace: namespace(object),
        name: object.name.to_string(),
        spec: value(spec),
        is_template,
    })
}

/// Its controller, by owner reference; that lives in the same namespace.
fn maker(object: &Object) -> Option<Id> {
    let references = object.body().at(&["metadata", "ownerReferences"])?;
    let controller =
        references.items().find(|one| one.get("controller").and_then(Node::as_bool) == Some(true))?;
    let api_version = controller.str_at("apiVersion")?;
    Some(Id {
        group: api_version.split_once('/').map_or("", |(group, _)| group).into(),
        kind: controller.str_at("kind")?.into(),
        namespace: namespace(object).into(),
        name: controller.get("name")?.text()?.into(),
    })
}

/// Whether it is a Job that makes no more pods.
fn is_finished(object: &Object) -> bool {
    let conditions = object.body().at(&["status", "conditions"]);
    object.is("batch", "Job")
        && conditions.is_some_and(|it| {
            it.items().any(|it| {
                matches!(it.str_at("type"), Some("Complete" | "Failed"))
                    && it.str_at("status") == Some("True")
            })
        })
}

/// `spec` of the Job that an object is or makes.
fn job(object: &Object) -> Option<Value> {
    let body = object.body();
    let spec = match (object.group(), &*object.kind) {
        ("batch", "Job") => body.get("spec"),
        ("batch", "CronJob") => body.at(&["spec", "jobTemplate", "spec"]),
        _ => None,
    }?;
    // Its template stands beside it.
    let fields = spec.entries().filter(|(key, _)| *key != "template");
    Some(fields.map(|(key, it)| (key.to_owned(), value(it))).collect::<Map<_, _>>().into())
}

/// What is judged of a pod spec; none where an operator builds it from something else.
fn spec(pod: Pod<'_>) -> Option<Value> {
    let mut spec = Map::new();
    let mut add = |role: Role, key: &str| {
        let of_role = pod.containers().filter(|it| it.role == role);
        let containers: Vec<_> = of_role.map(container).collect();
        if !containers.is_empty() {
            spec.insert(key.into(), containers.into());
        }
    };
    add(Role::Main, "containers");
    add(Role::Init, "initContainers");
    if pod.built_by_operator() || !spec.contains_key("containers") {
        return None;
    }
    for field in POD_FIELDS.into_iter().filter(|it| *it != "volumes") {
        spec.extend(pod.get(field).map(|it| (field.to_owned(), value(it))));
    }
    let volumes: Vec<_> = pod.volumes().map(value).collect();
    if !volumes.is_empty() {
        spec.insert("volumes".into(), volumes.into());
    }
    Some(spec.into())
}

/// What the AppArmor annotations of its containers say.
fn app_armor(pod: Pod<'_>) -> Vec<String> {
    let of = |it: Container<'_>| pod.annotation(&format!("{APP_ARMOR}{}", it.name()));
    pod.containers().filter_map(of).map(str::to_owned).collect()
}

fn container(container: Container<'_>) -> Value {
    let fields =
        CONTAINER_FIELDS.into_iter().filter_map(|key| Some((key.to_owned(), value(container.get(key)?))));
    fields.collect::<Map<_, _>>().into()
}

/// Whether who made a pod named its node: then the field has a manager. A binding by the scheduler gives it none.
fn says_node(object: &Object) -> bool {
    let managed = object.body().at(&["metadata", "managedFields"]);
    managed.is_some_and(|it| it.items().any(|it| it.at(&["fieldsV1", "f:spec", "f:nodeName"]).is_some()))
}

/// Takes out what the scheduler and ServiceAccount admission filled in: they will again.
fn as_written(spec: &mut Value, says_node: bool) {
    let Some(map) = spec.as_object_mut() else { return };
    if !says_node {
        map.remove("nodeName");
    }
    let is_token = |it: &Value| it["name"].as_str().is_some_and(|it| it.starts_with(TOKEN_VOLUME));
    let volumes = |map: &mut Map<String, Value>, key: &str| {
        if let Some(list) = map.get_mut(key).and_then(Value::as_array_mut) {
            list.retain(|it| !is_token(it));
            if list.is_empty() {
                map.remove(key);
            }
        }
    };
    volumes(map, "volumes");
    for list in ["containers", "initContainers"] {
        for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            container.as_object_mut().into_iter().for_each(|it| volumes(it, "volumeMounts"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subjects(objects: &Value) -> Vec<Subject> {
        let mut found = Workloads::default();
        found.take(&Inventory::from_text(
            &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string(),
        ));
        found.judged().0
    }

    fn owned(kind: &str, version: &str, name: &str) -> Value {
        json!([{"apiVersion": version, "kind": kind, "name": name, "controller": true, "uid": "u"}])
    }

    #[test]
    fn running_pods_stand_under_what_somebody_wrote_and_equal_ones_are_one() {
        let pod = |name: &str, host: bool| {
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "ml", "uid": name, "ownerReferences": owned("ReplicaSet", "apps/v1", "web-1")},
                "spec": {
                    "nodeName": format!("node-{name}"), "hostPID": host, "serviceAccountName": "web",
                    "volumes": [{"name": format!("kube-api-access-{name}"), "projected": {"sources": []}}],
                    "containers": [{"name": "main", "image": name, "volumeMounts": [{"name": format!("kube-api-access-{name}"), "mountPath": "/t"}]}],
                },
            })
        };
        let template =
            json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "a"}]}}}});
        let mut deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "ml"}});
        deployment["spec"] = template["spec"].clone();
        let mut set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "ml", "ownerReferences": owned("Deployment", "apps/v1", "web")}});
        set["spec"] = template["spec"].clone();
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "ml"}, "automountServiceAccountToken": false});
        let mut done = pod("done", false);
        done["status"]["phase"] = json!("Succeeded");
        let mut going = pod("going", true);
        going["metadata"]["deletionTimestamp"] = json!("2026-03-02T12:00:00Z");
        let found = subjects(&json!([
            going,
            deployment,
            set,
            account,
            pod("a", false),
            pod("b", false),
            pod("c", true),
            done
        ]));
        let said: Vec<_> =
            found.iter().map(|it| (it.owner.as_str(), it.pods.join(" "), it.automount)).collect();
        let wanted = [
            ("Deployment/web", String::new(), None),
            ("Deployment/web", "a b".into(), Some(false)),
            ("Deployment/web", "c".into(), Some(false)),
        ];
        assert_eq!(said, wanted);
        assert_eq!(found[1].nodes, ["node-a", "node-b"], "in the order of the pods");
        let spec = json!({"containers": [{"name": "main"}], "hostPID": false, "serviceAccountName": "web"});
        assert_eq!(found[1].pod_spec, spec);
    }

    #[test]
    fn a_node_that_the_author_named_stays_and_one_of_the_scheduler_does_not() {
        let pod = |manager: &Value| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "ml", "uid": "u", "managedFields": manager},
                "spec": {"nodeName": "gpu-1", "containers": [{"name": "a", "image": "a"}]}})
        };
        let named =
            json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:nodeName": {}, "f:containers": {}}}}]);
        let bound = json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:containers": {}}}}]);
        let node = |manager: &Value| subjects(&json!([pod(manager)]))[0].pod_spec["nodeName"].clone();
        assert_eq!((node(&named), node(&bound)), (json!("gpu-1"), Value::Null));
    }

    #[test]
    fn templates_of_custom_kinds_are_found_and_what_operators_build_is_counted() {
        let ray = json!({
            "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "ray", "namespace": "ml"},
            "spec": {"headGroupSpec": {"template": {"spec": {"hostNetwork": true, "containers": [{"name": "head", "image": "ray"}]}}}},
        });
        let nightly = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "ml"},
            "spec": {"jobTemplate": {"spec": {"activeDeadlineSeconds": 60, "template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}}},
        });
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "old", "namespace": "ml"},
            "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}},
            "status": {"conditions": [{"type": "Complete", "status": "True"}]},
        });
        let found = subjects(&json!([ray, nightly, job]));
        assert_eq!(
            found.iter().map(|it| it.owner.as_str()).collect::<Vec<_>>(),
            ["RayCluster/ray", "CronJob/nightly"]
        );
        assert_eq!(found[0].pod_spec["hostNetwork"], true);
        assert_eq!(found[1].job_spec, Some(json!({"activeDeadlineSeconds": 60})));

        let mut built = Workloads::default();
        built.take(&Inventory::from_text(
            "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: t}\nspec: {trainer: {image: i}}\n",
        ));
        assert_eq!(built.unwritten(), [("trainer.kubeflow.org TrainJob".to_owned(), 1)].into());
    }

    #[test]
    fn claims_and_their_templates_are_read_and_those_that_go_are_not() {
        let devices =
            json!({"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "gpu"}}]}});
        let object = |kind: &str, metadata: Value, spec: Value| json!({"apiVersion": "resource.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec});
        let named = |name: &str| json!({"name": name, "namespace": "ml"});
        let mut going = named("going");
        going["deletionTimestamp"] = json!("2026-03-02T12:00:00Z");
        let objects = json!([
            object("ResourceClaim", named("one"), devices.clone()),
            object("ResourceClaim", going, devices.clone()),
            object("ResourceClaimTemplate", named("each"), json!({"spec": devices})),
        ]);
        let mut found = Workloads::default();
        found.take(&Inventory::from_text(
            &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string(),
        ));
        let said: Vec<_> =
            found.judged().1.into_iter().map(|it| (it.name, it.is_template, it.spec == devices)).collect();
        assert_eq!(said, [("one".into(), false, true), ("each".into(), true, true)]);
    }
}
