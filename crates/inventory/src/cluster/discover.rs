//! Room `inventory`, live: what the server serves. The aggregated form takes two requests; older servers are asked group
//! by group.

use std::collections::BTreeMap;

use super::request::Failure;
use super::request::Session;
use crate::snapshot::Served;
use crate::yaml::Tree;
use crate::yaml::Value;

/// Kubernetes 1.30 and later, then 1.27 and later, then everybody.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
const PLAIN: &str = "application/json";
/// Largest answer; a cluster with 1,000 custom kinds sends about 2 MB.
const LIMIT: usize = 64 << 20;

/// What is served, and the groups that could not say.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    pub(super) served: Vec<Served>,
    /// Group and why.
    pub(super) failed: BTreeMap<String, String>,
}

/// Asks.
pub(super) async fn discover(session: &Session) -> Result<Discovered, Failure> {
    let mut found = Found::default();
    for root in ["/api", "/apis"] {
        let tree = session.json(root, AGGREGATED, LIMIT).await?;
        match tree.root().str_at("kind") {
            Some("APIGroupDiscoveryList") => found.aggregated(&tree),
            Some("APIVersions") => found.core(session, &tree).await?,
            Some("APIGroupList") => found.groups(session, &tree).await?,
            _ => return Err(Failure::Broken(format!("the answer to {root} is no list of API groups"))),
        }
    }
    Ok(found.finish())
}

#[derive(Default)]
struct Found {
    /// By group, kind and resource: the versions in the server's order.
    resources: BTreeMap<(String, String, String), Served>,
    failed: BTreeMap<String, String>,
}

impl Found {
    fn finish(self) -> Discovered {
        Discovered { served: self.resources.into_values().collect(), failed: self.failed }
    }

    fn aggregated(&mut self, tree: &Tree) {
        for group in items(tree.root(), "items") {
            let name = group.at(&["metadata", "name"]).and_then(Value::text).unwrap_or("").to_owned();
            for version in items(group, "versions") {
                let version_name = version.str_at("version").unwrap_or("");
                let mut any = false;
                for resource in items(version, "resources") {
                    any = true;
                    let kind = resource.at(&["responseKind", "kind"]).and_then(Value::text).unwrap_or("");
                    let plural = resource.str_at("resource").unwrap_or("");
                    let namespaced = resource.str_at("scope") == Some("Namespaced");
                    self.add(&name, version_name, kind, plural, namespaced, resource);
                }
                // The server behind an aggregated API does not answer, and nobody remembers what it serves.
                if version.str_at("freshness") == Some("Stale") && !any {
                    let words = format!(
                        "the server behind the API {name}/{version_name} does not answer; see `kubectl get apiservice \
                         {version_name}.{name}`"
                    );
                    self.failed.insert(name.clone(), words);
                }
            }
        }
    }

    async fn core(&mut self, session: &Session, tree: &Tree) -> Result<(), Failure> {
        for version in items(tree.root(), "versions").filter_map(Value::text) {
            let path = format!("/api/{version}");
            self.version(session, "", version, &path).await?;
        }
        Ok(())
    }

    async fn groups(&mut self, session: &Session, tree: &Tree) -> Result<(), Failure> {
        for group in items(tree.root(), "groups") {
            let name = group.str_at("name").unwrap_or("");
            let preferred = group.at(&["preferredVersion", "version"]).and_then(Value::text);
            let all = items(group, "versions").filter_map(|version| version.str_at("version"));
            let others = all.filter(|version| Some(*version) != preferred);
            for version in preferred.into_iter().chain(others) {
                let path = format!("/apis/{name}/{version}");
                self.version(session, name, version, &path).await?;
            }
        }
        Ok(())
    }

    async fn version(
        &mut self,
        session: &Session,
        group: &str,
        version: &str,
        path: &str,
    ) -> Result<(), Failure> {
        let tree = match session.json(path, PLAIN, LIMIT).await {
            Ok(tree) => tree,
            Err(failure @ (Failure::Late | Failure::Fatal(_))) => return Err(failure),
            Err(failure) => {
                let words =
                    format!("the API {group}/{version} does not say what it serves: {}", failure.words());
                self.failed.insert(group.to_owned(), words);
                return Ok(());
            }
        };
        for resource in items(tree.root(), "resources") {
            let plural = resource.str_at("name").unwrap_or("");
            // Subresources hold no objects of their own.
            if plural.contains('/') {
                continue;
            }
            let namespaced = resource.get("namespaced").and_then(Value::as_bool) == Some(true);
            let kind = resource.str_at("kind").unwrap_or("");
            self.add(group, version, kind, plural, namespaced, resource);
        }
        Ok(())
    }

    fn add(
        &mut self,
        group: &str,
        version: &str,
        kind: &str,
        plural: &str,
        namespaced: bool,
        resource: Value<'_>,
    ) {
        let key = (group.to_owned(), kind.to_owned(), plural.to_owned());
        let verbs = items(resource, "verbs").filter_map(Value::text).map(str::to_owned);
        let served = self.resources.entry(key).or_insert_with(|| Served {
            group: group.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced,
            versions: Vec::new(),
            verbs: verbs.collect(),
        });
        served.versions.push(version.to_owned());
    }
}

fn items<'t>(value: Value<'t>, key: &str) -> impl Iterator<Item = Value<'t>> + use<'t> {
    value.get(key).into_iter().flat_map(Value::items)
}
