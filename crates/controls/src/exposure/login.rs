//! What RF-NET-007 and RF-AGT-001 share: an entrance and a pod behind it in, who asks for a login on the way out.

use ringfence_inventory::Container;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::label_selector;
use ringfence_inventory::yaml::Value;

use super::Entrance;
use crate::cx::Cx;

/// Whether somebody in front of the server asks who comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// Nobody.
    None,
    /// Depends on this missing fact.
    Unknown(String),
    /// A gateway, proxy or mesh does.
    Yes,
}

impl Login {
    fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::None => next(),
            Self::Unknown(fact) => match next() {
                Self::Yes => Self::Yes,
                _ => Self::Unknown(fact),
            },
        }
    }
}

/// Asks everybody on the way.
pub(crate) fn login(cx: &Cx<'_>, entrance: &Entrance<'_>, pod: Pod<'_>) -> Login {
    by_annotation(entrance.object)
        .or_else(|| by_annotation(pod.root()))
        .or_else(|| by_middleware(cx, entrance.object))
        .or_else(|| by_filter(entrance.object))
        .or_else(|| by_attached_policy(cx, entrance))
        .or_else(|| by_proxy(cx, entrance, pod))
        .or_else(|| by_mesh(cx, pod))
        .or_else(|| not_shown(cx))
}

/// A policy that asks for a login may be of a kind that the cluster did not show.
fn not_shown(cx: &Cx<'_>) -> Login {
    let attached = ATTACHED.iter().map(|(group, kind, _)| (*group, *kind));
    let mut kinds = attached.chain([("security.istio.io", "AuthorizationPolicy")]);
    let gap = kinds.find_map(|(group, kind)| Some((kind, cx.inventory.sight.gap(group, kind)?)));
    gap.map_or(Login::None, |(kind, gap)| {
        Login::Unknown(format!("{kind} objects may ask for a login: {gap}"))
    })
}

/// Annotations of ingress controllers that ask for a login; a value that is empty or says no does not.
const ANNOTATIONS: &[&str] = &[
    "alb.ingress.kubernetes.io/auth-type",
    "alb.ingress.kubernetes.io/mutual-authentication",
    "haproxy-ingress.github.io/auth-secret",
    "haproxy-ingress.github.io/auth-tls-secret",
    "haproxy-ingress.github.io/auth-url",
    "haproxy-ingress.github.io/oauth",
    "haproxy.org/auth-type",
    "haproxy.org/client-ca",
    "ingress.pomerium.io/policy",
    "nginx.com/jwt-key",
    "nginx.ingress.kubernetes.io/auth-secret",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "nginx.ingress.kubernetes.io/auth-url",
    "nginx.org/basic-auth-secret",
    "security.opendatahub.io/enable-auth",
];

fn by_annotation(object: &Object) -> Login {
    let annotations = object.body().at(&["metadata", "annotations"]);
    let value = |key: &str| annotations.and_then(|annotations| annotations.get(key)).and_then(Value::text);
    // Certificates may be asked for and then ignored.
    let verify = value("nginx.ingress.kubernetes.io/auth-tls-verify-client");
    let asks = ANNOTATIONS.iter().any(|key| {
        let text = value(key).unwrap_or("").trim();
        let is_ignored = key.ends_with("nginx.ingress.kubernetes.io/auth-tls-secret")
            && verify.is_some_and(|how| how != "on");
        !matches!(text, "" | "none" | "off" | "false") && !is_ignored
    });
    let labelled = object.label("security.opendatahub.io/enable-auth") == Some("true");
    if asks || labelled { Login::Yes } else { Login::None }
}

/// Traefik, Kong and NGINX name an object that does it.
const MIDDLEWARE: &[&str] =
    &["konghq.com/plugins", "nginx.org/policies", "traefik.ingress.kubernetes.io/router.middlewares"];

fn by_middleware(cx: &Cx<'_>, object: &Object) -> Login {
    let named = MIDDLEWARE.iter().filter_map(|key| object.annotation(key));
    let mut unseen = None;
    for name in named.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()) {
        let short = name.split('@').next().unwrap_or(name);
        let is_this = |object: &&Object| {
            let namespaced = format!("{}-{}", object.namespace.as_deref().unwrap_or(""), object.name);
            short == &*object.name || short == namespaced
        };
        let kinds = [
            ("traefik.io", "Middleware"),
            ("traefik.containo.us", "Middleware"),
            ("configuration.konghq.com", "KongPlugin"),
            ("configuration.konghq.com", "KongClusterPlugin"),
            ("k8s.nginx.org", "Policy"),
        ];
        let mut objects = kinds.into_iter().flat_map(|(group, kind)| cx.inventory.objects_of(group, kind));
        match objects.find(is_this) {
            Some(object) if is_login_object(object) => return Login::Yes,
            Some(_) => {}
            None => unseen = Some(name),
        }
    }
    unseen.map_or(Login::None, |name| {
        Login::Unknown(format!("{name} is not in the set; it may ask for a login"))
    })
}

fn is_login_object(object: &Object) -> bool {
    let spec = object.spec();
    let asks = |key: &str| spec.is_some_and(|spec| spec.get(key).is_some());
    let plugin = object.body().str_at("plugin").unwrap_or("");
    ["forwardAuth", "basicAuth", "digestAuth", "jwt", "oidc", "ingressMTLS", "apiKey"].into_iter().any(asks)
        || plugin.contains("auth")
        || ["jwt", "openid-connect", "oauth2"].into_iter().any(|known| plugin.starts_with(known))
}

/// An HTTPRoute's filters of other projects.
fn by_filter(object: &Object) -> Login {
    let rules = object.spec().and_then(|spec| spec.get("rules")).into_iter().flat_map(Value::items);
    let filters = rules.filter_map(|rule| rule.get("filters")).flat_map(Value::items);
    let mut fact = None;
    for reference in filters.filter_map(|filter| filter.get("extensionRef")) {
        let kind = reference.str_at("kind").unwrap_or("");
        let name = reference.get("name").and_then(Value::text).unwrap_or("");
        if ["Auth", "Security", "Jwt", "JWT", "Oidc", "OIDC"].into_iter().any(|word| kind.contains(word)) {
            return Login::Yes;
        }
        fact = Some(format!("what the filter {kind} {name} does is not known"));
    }
    fact.map_or(Login::None, Login::Unknown)
}

/// Policies of gateways that are attached by reference: kind, and fields of which one asks for a login. None: all do.
const ATTACHED: &[(&str, &str, &[&str])] = &[
    ("gateway.envoyproxy.io", "SecurityPolicy", &["jwt", "oidc", "basicAuth", "apiKeyAuth", "extAuth"]),
    ("gateway.kgateway.dev", "TrafficPolicy", &["extAuth", "jwt", "jwtAuth", "basicAuth", "apiKeyAuth"]),
    ("kuadrant.io", "AuthPolicy", &[]),
    ("networking.gke.io", "GCPBackendPolicy", &["default.iap"]),
];

fn by_attached_policy(cx: &Cx<'_>, entrance: &Entrance<'_>) -> Login {
    let object = entrance.object;
    let is_target = |target: Value<'_>| {
        let kind = target.str_at("kind").unwrap_or("");
        let name = target.get("name").and_then(Value::text).unwrap_or("");
        (kind == &*object.kind && name == &*object.name) || entrance.through.contains(&(kind, name))
    };
    for (group, kind, fields) in ATTACHED {
        for policy in cx.inventory.objects_of(group, kind) {
            let Some(spec) = policy.spec() else { continue };
            let targets = spec.get("targetRefs").into_iter().flat_map(Value::items);
            let mut targets = targets.chain(spec.get("targetRef"));
            let asks = fields.is_empty()
                || fields.iter().any(|field| {
                    let keys: Vec<&str> = field.split('.').collect();
                    spec.at(&keys)
                        .is_some_and(|at| at.get("enabled").and_then(Value::means_bool) != Some(false))
                });
            if asks && targets.any(is_target) {
                return Login::Yes;
            }
        }
    }
    by_backend_config(cx, entrance)
}

/// GKE's IAP for an Ingress: an annotation of the Service names the configuration.
fn by_backend_config(cx: &Cx<'_>, entrance: &Entrance<'_>) -> Login {
    let behind = entrance.through.iter().filter(|(kind, _)| *kind == "Service").map(|(_, name)| *name);
    let mut services = behind.filter_map(|name| {
        let namespace = entrance.object.namespace.as_deref();
        let mut services = cx.inventory.objects_of("", "Service");
        services.find(|service| &*service.name == name && service.namespace.as_deref() == namespace)
    });
    let Some(named) = services.find_map(|service| service.annotation("cloud.google.com/backend-config"))
    else {
        return Login::None;
    };
    let mut configs = cx.inventory.objects_of("cloud.google.com", "BackendConfig");
    // `{"default": "name"}`
    match configs.find(|config| named.contains(&format!("\"{}\"", config.name))) {
        Some(config) => {
            let iap = config.spec().and_then(|spec| spec.at(&["iap", "enabled"]));
            if iap.and_then(Value::means_bool) == Some(true) { Login::Yes } else { Login::None }
        }
        None => Login::Unknown(format!("BackendConfig {named} is not in the set; it may turn on IAP")),
    }
}

/// Images of proxies that ask for a login before they pass anything on.
const PROXIES: &[&str] =
    &["oauth2-proxy", "oauth-proxy", "kube-rbac-proxy", "pomerium", "openshift-oauth-proxy"];

/// A proxy beside the server counts when the Service leads to the proxy's port, not past it.
fn by_proxy(cx: &Cx<'_>, entrance: &Entrance<'_>, pod: Pod<'_>) -> Login {
    let is_proxy = |container: &Container<'_>| {
        container.image().is_some_and(|image| PROXIES.iter().any(|name| image.contains(name)))
    };
    let Some(proxy) = pod.containers().find(is_proxy) else { return Login::None };
    let name = entrance.through.iter().find(|(kind, _)| *kind == "Service").map_or("", |(_, name)| *name);
    let mut services = cx.inventory.objects_of("", "Service");
    let service =
        services.find(|service| &*service.name == name && service.namespace.as_deref() == pod.namespace());
    let ports = service.and_then(|service| service.spec()?.get("ports"));
    let Some(ports) = ports else {
        return Login::Unknown(format!(
            "whether traffic goes through {} depends on a Service that is not in the set",
            proxy.name()
        ));
    };
    let own: Vec<&str> = proxy
        .get("ports")
        .into_iter()
        .flat_map(Value::items)
        .flat_map(|port| [port.get("name"), port.get("containerPort")])
        .filter_map(|value| value?.text())
        .collect();
    let past = ports.items().any(|port| {
        let target = port.get("targetPort").or_else(|| port.get("port")).and_then(Value::text);
        !own.is_empty() && target.is_none_or(|target| !own.contains(&target))
    });
    if past { Login::None } else { Login::Yes }
}

/// Istio: a policy that selects the pod and lets nobody in without an identity.
fn by_mesh(cx: &Cx<'_>, pod: Pod<'_>) -> Login {
    let policies = cx.inventory.objects_of("security.istio.io", "AuthorizationPolicy");
    let mut fact = None;
    for policy in policies.filter(|policy| policy.namespace.as_deref() == pod.namespace()) {
        let Some(spec) = policy.spec().filter(|spec| asks_for_identity(*spec)) else { continue };
        if spec.get("targetRefs").is_some() || spec.get("targetRef").is_some() {
            continue;
        }
        let selector = spec.get("selector");
        match selector.map_or(Match::Yes, |selector| label_selector(selector, pod.labels())) {
            Match::Yes => return Login::Yes,
            Match::No => {}
            Match::Unknown => {
                fact = Some(format!(
                    "whether AuthorizationPolicy {} selects it depends on labels that an operator adds",
                    policy.name
                ));
            }
        }
    }
    fact.map_or(Login::None, Login::Unknown)
}

fn asks_for_identity(spec: Value<'_>) -> bool {
    let rules: Vec<Value<'_>> = spec.get("rules").into_iter().flat_map(Value::items).collect();
    match spec.str_at("action").unwrap_or("ALLOW") {
        "CUSTOM" => true,
        // Everybody without a token is turned away.
        "DENY" => {
            rules.iter().any(|rule| sources(*rule).any(|source| source.get("notRequestPrincipals").is_some()))
        }
        "ALLOW" => rules.iter().all(|rule| {
            let mut from = sources(*rule).peekable();
            let by_source = from.peek().is_some()
                && from.all(|source| {
                    ["principals", "requestPrincipals"].into_iter().any(|key| source.get(key).is_some())
                });
            let mut when = rule.get("when").into_iter().flat_map(Value::items);
            by_source || when.any(|one| one.str_at("key").is_some_and(|key| key.starts_with("request.auth.")))
        }),
        _ => false,
    }
}

fn sources(rule: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    rule.get("from").into_iter().flat_map(Value::items).filter_map(|from| from.get("source"))
}

/// Variables that hand a server the key its clients must show.
const KEY_VARIABLES: &[&str] = &[
    "LANGFLOW_SUPERUSER_PASSWORD",
    "LITELLM_MASTER_KEY",
    "LLAMA_API_KEY",
    "JUPYTER_TOKEN",
    "QDRANT__SERVICE__API_KEY",
    "SGLANG_API_KEY",
    "VLLM_API_KEY",
];

/// The server's own key or token, as `controls.md` 6.4 lists them: it guards less than a gateway does (vLLM's only the
/// paths below `/v1`), so it only lowers the severity.
pub(crate) fn server_key(pod: Pod<'_>) -> Option<Value<'_>> {
    pod.containers().find_map(key_of).or_else(|| ray_token(pod))
}

fn key_of(container: Container<'_>) -> Option<Value<'_>> {
    for name in KEY_VARIABLES {
        if let Some(variable) = container.env_var(name)
            && is_given(variable.value, variable.item)
        {
            return Some(variable.item);
        }
    }
    let words = container.words();
    let serves_text = container.image().is_some_and(|image| {
        ["text-generation", "text-embeddings"].into_iter().any(|name| image.contains(name))
    });
    if serves_text
        && let Some(variable) = container.env_var("API_KEY")
        && is_given(variable.value, variable.item)
    {
        return Some(variable.item);
    }
    for (flag, token) in [("RAY_AUTH_MODE", "token"), ("AUTHENTICATION_APIKEY_ENABLED", "true")] {
        let variable = container.env_var(flag).and_then(|variable| variable.value);
        if let Some(value) = variable.filter(|value| value.text() == Some(token)) {
            return Some(value);
        }
    }
    let mut following = words.iter().skip(1);
    words.iter().find_map(|word| {
        let next = following.next();
        let given = match word.text.split_once('=') {
            Some(("--api-key" | "--api-key-file", value)) => value,
            None if matches!(word.text.as_str(), "--api-key" | "--api-key-file") => &next?.text,
            _ => return None,
        };
        (!given.is_empty() && !given.starts_with("--")).then_some(word.at)
    })
}

fn is_given(value: Option<Value<'_>>, item: Value<'_>) -> bool {
    match value {
        Some(value) => value.text().is_some_and(|text| !text.trim().is_empty()),
        None => item.get("valueFrom").is_some(),
    }
}

fn ray_token(pod: Pod<'_>) -> Option<Value<'_>> {
    let spec = pod.object().spec().filter(|_| pod.object().group() == "ray.io")?;
    let paths: [&[&str]; 4] = [
        &["authOptions", "mode"],
        &["rayClusterSpec", "authOptions", "mode"],
        &["rayClusterConfig", "authOptions", "mode"],
        &["jobTemplate", "rayClusterSpec", "authOptions", "mode"],
    ];
    paths.into_iter().find_map(|path| spec.at(path)).filter(|mode| mode.text() == Some("token"))
}
