//! Services, Ingresses and HTTPRoutes that let traffic in.

use ringfence_inventory::Object;
use ringfence_inventory::yaml::Value;

use super::Entrance;
use super::Means;
use super::behind::backend;
use super::behind::pool;
use super::behind::selected;
use super::narrow::internal_gateways;
use super::narrow::internal_ingress;
use super::narrow::internal_service;
use crate::cx::Cx;

pub(super) fn service<'i>(cx: &Cx<'i>, object: &'i Object) -> Option<Entrance<'i>> {
    let spec = object.spec()?;
    let external = spec.get("externalIPs").filter(|addresses| addresses.items().next().is_some());
    let (means, at) = match (spec.get("type"), external) {
        (Some(kind), _) if kind.text() == Some("LoadBalancer") => (Means::LoadBalancer, kind),
        (Some(kind), _) if kind.text() == Some("NodePort") => (Means::NodePort, kind),
        (_, Some(addresses)) => (Means::ExternalIps, addresses),
        _ => return None,
    };
    let narrowed_by = (means == Means::LoadBalancer).then(|| internal_service(object)).flatten();
    Some(Entrance {
        object,
        at: Some(at),
        field: object.field(at),
        means,
        narrowed_by: narrowed_by.map(|at| (object, at)),
        through: vec![("Service", &object.name)],
        paths: Vec::new(),
        behind: selected(cx, object),
    })
}

pub(super) fn ingress<'i>(cx: &Cx<'i>, object: &'i Object) -> Vec<Entrance<'i>> {
    let Some(spec) = object.spec() else { return Vec::new() };
    let rules = spec.get("rules").into_iter().flat_map(Value::items);
    let paths = rules.filter_map(|rule| rule.at(&["http", "paths"])).flat_map(Value::items);
    let mut backends: Vec<(Value<'i>, Option<&'i str>)> = paths
        .filter_map(|path| {
            Some((backend_service(path.get("backend")?)?, path.get("path").and_then(Value::text)))
        })
        .collect();
    let default = spec.get("defaultBackend").or_else(|| spec.get("backend")).and_then(backend_service);
    backends.extend(default.map(|name| (name, None)));
    let narrowed_by = internal_ingress(object).map(|at| (object, at));
    let mut found: Vec<Entrance<'i>> = Vec::new();
    for (at, path) in backends {
        let Some(name) = at.text() else { continue };
        if let Some(known) = found.iter_mut().find(|known| known.through.contains(&("Service", name))) {
            known.paths.extend(path);
            continue;
        }
        found.push(Entrance {
            object,
            at: Some(at),
            field: format!("spec.rules.http.paths.backend.service[name={name}]"),
            means: Means::Ingress,
            narrowed_by,
            through: vec![("Service", name)],
            paths: path.into_iter().collect(),
            behind: backend(cx, object.namespace.as_deref(), name),
        });
    }
    found
}

/// Name of the Service in a backend, in the form of `networking.k8s.io/v1` or of the versions before.
fn backend_service(backend: Value<'_>) -> Option<Value<'_>> {
    backend.at(&["service", "name"]).or_else(|| backend.get("serviceName"))
}

pub(super) fn http_route<'i>(cx: &Cx<'i>, object: &'i Object) -> Vec<Entrance<'i>> {
    let Some(spec) = object.spec() else { return Vec::new() };
    let parents: Vec<Value<'i>> = spec.get("parentRefs").into_iter().flat_map(Value::items).collect();
    // A route whose parents are Services is for traffic inside the mesh.
    let gateways: Vec<&'i str> = parents
        .iter()
        .filter(|parent| parent.str_at("kind").is_none_or(|kind| kind == "Gateway"))
        .filter_map(|parent| parent.get("name").and_then(Value::text))
        .collect();
    if gateways.is_empty() {
        return Vec::new();
    }
    let narrowed_by = internal_gateways(cx, &gateways);
    let mut found: Vec<Entrance<'i>> = Vec::new();
    for rule in spec.get("rules").into_iter().flat_map(Value::items) {
        let matches = rule.get("matches").into_iter().flat_map(Value::items);
        let paths: Vec<&'i str> =
            matches.filter_map(|one| one.at(&["path", "value"]).and_then(Value::text)).collect();
        for reference in rule.get("backendRefs").into_iter().flat_map(Value::items) {
            let Some(at) = reference.get("name") else { continue };
            let name = at.text().unwrap_or("");
            let kind = match reference.str_at("kind") {
                None | Some("Service") => "Service",
                Some("InferencePool") => "InferencePool",
                Some(_) => continue,
            };
            if let Some(known) = found.iter_mut().find(|known| known.through.contains(&(kind, name))) {
                known.paths.extend(&paths);
                continue;
            }
            let namespace = reference.get("namespace").and_then(Value::text).or(object.namespace.as_deref());
            let behind = match kind {
                "Service" => backend(cx, namespace, name),
                _ => pool(cx, namespace, name),
            };
            let mut through = vec![(kind, name)];
            through.extend(gateways.iter().map(|gateway| ("Gateway", *gateway)));
            found.push(Entrance {
                object,
                at: Some(at),
                field: format!("spec.rules.backendRefs[name={name}]"),
                means: Means::HttpRoute,
                narrowed_by,
                through,
                paths: paths.clone(),
                behind,
            });
        }
    }
    found
}
