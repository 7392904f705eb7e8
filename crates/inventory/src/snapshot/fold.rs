//! Room `inventory`: objects as they arrive -> each once. 40 pods of one maker that say the same are one object with a
//! number; one that differs, because a webhook changed it, is an object of its own.

use std::collections::BTreeSet;
use std::collections::HashMap;

use super::Item;
use super::shape::controller;
use super::shape::shape;
use crate::yaml::Tree;
use crate::yaml::Value;

/// Takes the objects of one kind.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub(crate) items: Vec<Item>,
    /// Objects taken, those folded into others included.
    pub(crate) taken: u32,
    /// Items by the uid of their maker and what they say.
    known: HashMap<Box<str>, HashMap<String, usize>>,
}

/// Kinds of which one maker has many that say the same.
const FOLDED: &[(&str, &str)] = &[("v1", "Pod"), ("batch/v1", "Job")];

impl Folder {
    /// Takes one object; false: another says the same, and only its number has grown.
    pub(crate) fn take(&mut self, tree: Tree) -> bool {
        self.taken = self.taken.saturating_add(1);
        let root = tree.root();
        let node = root.at(&["spec", "nodeName"]).and_then(Value::text).map(Box::<str>::from);
        let is_folded = FOLDED.iter().any(|(version, kind)| {
            root.str_at("kind") == Some(kind) && root.str_at("apiVersion") == Some(version)
        });
        let maker = controller(root).filter(|_| is_folded).and_then(|maker| maker.str_at("uid"));
        if let Some(maker) = maker {
            let says = shape(root);
            let same = self.known.entry(maker.into()).or_default();
            if let Some(item) = same.get(&says).and_then(|index| self.items.get_mut(*index)) {
                item.copies = item.copies.saturating_add(1);
                item.nodes.extend(node);
                return false;
            }
            same.insert(says, self.items.len());
        }
        self.items.push(Item { tree, copies: 1, nodes: node.into_iter().collect::<BTreeSet<_>>() });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_json;

    fn pod(name: &str, maker: &str, node: &str, extra: &str) -> Tree {
        let text = format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","uid":"u-{name}","resourceVersion":"{}","labels":{{"app":"web","statefulset.kubernetes.io/pod-name":"{name}"}},"annotations":{{"cni.projectcalico.org/podIP":"10.0.0.{}"}},"ownerReferences":[{{"controller":true,"kind":"ReplicaSet","name":"web","uid":"{maker}"}}]}},"spec":{{"nodeName":"{node}","hostname":"{name}","containers":[{{"name":"c","image":"i"{extra},"volumeMounts":[{{"name":"kube-api-access-{}","mountPath":"/x"}}]}}],"volumes":[{{"name":"kube-api-access-{}","projected":{{}}}},{{"name":"data","persistentVolumeClaim":{{"claimName":"data-{name}"}}}}]}},"status":{{"phase":"Running"}}}}"#,
            name.len(),
            node.len(),
            &name[..5],
            &name[..5],
        );
        read_json(&text).unwrap().unwrap().0
    }

    #[test]
    fn pods_of_one_maker_that_say_the_same_are_one_with_a_number() {
        let mut folder = Folder::default();
        assert!(folder.take(pod("web-aaaaa", "one", "n1", "")));
        assert!(!folder.take(pod("web-bbbbb", "one", "n2", "")));
        assert!(!folder.take(pod("web-ccccc", "one", "n1", "")));
        assert!(folder.take(pod("web-ddddd", "one", "n1", r#","securityContext":{"privileged":true}"#)));
        assert!(folder.take(pod("web-eeeee", "two", "n1", "")));
        let copies: Vec<u32> = folder.items.iter().map(|item| item.copies).collect();
        assert_eq!((copies, folder.taken), (vec![3, 1, 1], 5));
        let nodes: Vec<&str> = folder.items[0].nodes.iter().map(|node| &**node).collect();
        assert_eq!(nodes, ["n1", "n2"]);
    }

    #[test]
    fn pods_without_a_maker_are_never_folded() {
        let mut folder = Folder::default();
        let bare = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{}}"#;
        for _ in 0..2 {
            assert!(folder.take(read_json(bare).unwrap().unwrap().0));
        }
        assert_eq!(folder.items.len(), 2);
    }
}
