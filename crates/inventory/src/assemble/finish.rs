//! Room `inventory`: all objects -> what takes more than one of them: indexes, owners, pods, joins, coverage.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use ringfence_finding::Blind;
use ringfence_finding::KindCount;
use ringfence_finding::Reason;

use super::Inventory;
use super::Options;
use crate::joins::Base;
use crate::joins::Joins;
use crate::live::Running;
use crate::live::owned;
use crate::object::ObjectId;
use crate::owners::Owners;
use crate::pod;
use crate::pod::Pod;
use crate::pod::PodView;
use crate::sight::Seen;
use crate::yaml::Value;

impl Inventory {
    /// Everything that needs all objects at once.
    pub(crate) fn finish(&mut self, options: &Options) {
        self.learn(options);
        self.index(options);
        self.find_gpu_nodes();
        self.find_owners();
        self.find_pods();
        self.coverage.blind.sort();
        self.coverage.blind.dedup();
    }

    fn index(&mut self, options: &Options) {
        let mut places: HashMap<(&str, &str, Option<&str>, &str), &Arc<str>> = HashMap::new();
        for (index, object) in self.objects.iter().enumerate() {
            let id = ObjectId(index);
            let kind = (Box::from(object.group()), object.kind.clone());
            self.sight.kinds.insert(kind.clone());
            self.by_kind.entry(kind).or_default().push(id);
            let cluster_scoped = self.is_cluster_scoped(object.group(), &object.kind);
            if !cluster_scoped {
                self.namespaces.0.entry(object.namespace.clone()).or_default().objects.push(id);
            }
            if object.is("", "Namespace") {
                self.namespaces.0.entry(Some(object.name.clone())).or_default().object = Some(id);
            }
            if object.parent.is_some() || object.name.is_empty() {
                continue;
            }
            let identity = object.identity();
            let other = places.entry(identity).or_insert(&object.document.file);
            if **other != object.document.file {
                let words = format!("{} {}", object.kind, object.reference().short());
                self.sight.overlaid.entry(object.namespace.clone()).or_insert(words);
            }
        }
        for identity in self.sight.overlaid.values() {
            let cause = format!(
                "{identity} stands in several files (overlays?): absence proves nothing in its namespace"
            );
            self.coverage.blind.push(Blind::new(Reason::Assumption, cause).scan("scan one overlay"));
        }
        if !options.partial && !self.objects.is_empty() && self.live.is_none() {
            let blind =
                Blind::new(Reason::Assumption, "the files are taken as everything in their namespaces");
            self.coverage.blind.push(blind.scan("--partial if they are not"));
        }
    }

    fn find_owners(&mut self) {
        self.owners = Owners::of(&self.objects);
        let mut running: HashMap<ObjectId, Running> = HashMap::new();
        let mut add = |id: ObjectId, pods: u32, nodes: &BTreeSet<Box<str>>| {
            let known = running.entry(id).or_default();
            known.pods = known.pods.saturating_add(pods);
            known.nodes.extend(nodes.iter().cloned());
        };
        let (nowhere, copies) = (BTreeSet::new(), std::mem::take(&mut self.copies));
        for id in self.ids_of("", "Pod") {
            let (pods, nodes) = copies.get(id).map_or((1, &nowhere), |one| (one.pods, &one.nodes));
            if let Some(top) = self.owners.top(*id) {
                add(top, pods, nodes);
            }
            // A pod of many that say the same stands for all of them.
            if pods > 1 {
                add(*id, pods, nodes);
            }
        }
        if !self.behind.is_empty() {
            for (id, object) in self.objects() {
                if let Some(told) = self.behind.get(&owned(object.identity())) {
                    add(self.owners.top(id).unwrap_or(id), told.pods, &told.nodes);
                }
            }
        }
        self.running = running;
    }

    fn find_pods(&mut self) {
        let (objects, schemas) = (&self.objects, &self.schemas);
        let views: Vec<Vec<PodView>> = (0..objects.len())
            .into_par_iter()
            .map(|index| {
                let Some(object) = objects.get(index) else { return Vec::new() };
                let mut root = ObjectId(index);
                while let Some(parent) = objects.get(root.0).and_then(|object| object.parent) {
                    root = parent;
                }
                let schema = schemas.get(object.group(), &object.kind);
                pod::find(object, ObjectId(index), root, schema)
            })
            .collect();
        self.views = views.into_iter().flatten().collect();
        for (index, view) in self.views.iter().enumerate() {
            self.pods_of.entry(view.object).or_default().push(index);
        }
        let facts: Vec<_> =
            self.views.par_iter().map(|view| pod::facts(Pod { inventory: self, view })).collect();
        for (view, facts) in self.views.iter_mut().zip(facts) {
            view.ai = facts;
        }
        let mut namespaces = std::mem::take(&mut self.namespaces);
        for (index, pod) in self.pods().enumerate() {
            let namespace = namespaces.0.entry(pod.namespace().map(Box::from)).or_default();
            namespace.pods.push(index);
            let labels = pod.labels();
            if !labels.seen {
                namespace.open_labels.push(index);
            }
            for (key, value) in labels.written.into_iter().flat_map(Value::entries) {
                let pair = (Box::from(key), Box::from(value.text().unwrap_or("")));
                namespace.by_label.entry(pair).or_default().push(index);
            }
        }
        self.namespaces = namespaces;
        self.find_joins();
        let rejected: Vec<Blind> = self.pods().flat_map(pod::would_be_rejected).collect();
        self.coverage.blind.extend(rejected);
        self.note_what_is_not_applied();
        self.count_kinds();
    }

    fn find_joins(&mut self) {
        self.joins = Joins::new(self);
        let mut missing = Vec::new();
        for (id, bases) in self.joins.all() {
            let object = self.object(id);
            for base in bases {
                if let Base::Missing { at, fact } = base {
                    let cause = format!("{fact}: what it adds to this {} is unknown", object.kind);
                    let blind = Blind::new(Reason::UnresolvedJoin, cause).scan("scan it too");
                    missing.push(blind.at(object.location(object.value(*at))));
                }
            }
        }
        self.coverage.blind.extend(missing);
    }

    /// What changes pods on their way into the cluster is not applied to the pods as written.
    fn note_what_is_not_applied(&mut self) {
        let changers = [
            ("kubeflow.org", "PodDefault"),
            ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ]
        .into_iter()
        .flat_map(|(group, kind)| self.objects_of(group, kind))
        .map(|object| (object, "changes other pods and is not applied to them"));
        let patched = self.pods().filter(|pod| pod.closed_patch().is_some()).map(|pod| {
            (pod.object(), "has a podSpecPatch that cannot be read, so it is not applied to its pods")
        });
        let notes: Vec<Blind> = changers
            .chain(patched)
            .map(|(object, words)| format!("{} {} {words}", object.kind, object.reference().short()))
            .map(|cause| Blind::new(Reason::Assumption, cause))
            .collect();
        self.coverage.blind.extend(notes);
    }

    fn count_kinds(&mut self) {
        for view in &self.views {
            *self.coverage.pod_templates.entry(view.found_by).or_insert(0) += 1;
        }
        for ((group, kind), ids) in &self.by_kind {
            let pods: usize = ids.iter().map(|id| self.pods_of.get(id).map_or(0, Vec::len)).sum();
            let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            self.coverage.kinds.push(KindCount {
                group: group.to_string(),
                kind: kind.to_string(),
                objects: count(ids.len()),
                pods: count(pods),
            });
            if pods == 0 && !pod::is_without_pods(group) {
                self.coverage.no_pod_path.insert(format!("{kind}.{group}"), count(ids.len()));
            }
        }
        for (group, kind) in [("", "Node"), ("storage.k8s.io", "StorageClass")] {
            if matches!(self.sight.cluster(group, kind), Seen::None(_)) {
                self.coverage.not_seen.push(format!("{kind} objects"));
            }
        }
    }
}
