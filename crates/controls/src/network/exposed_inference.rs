//! RF-NET-007: the set in, AI servers that people outside the cluster reach without a login out.

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Pod;
use ringfence_inventory::Scope;
use ringfence_inventory::WorkloadClass;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::exposure::ENTRANCES;
use crate::exposure::Entrance;
use crate::exposure::Login;
use crate::exposure::Means;
use crate::exposure::entrances;
use crate::exposure::is_tool_server;
use crate::exposure::login;
use crate::exposure::server_key;
use crate::hit::Hit;
use crate::hit::Results;

/// An AI server that the outside reaches without a gateway that asks who comes.
///
/// ## What it sees
/// AI workloads behind a Service of type LoadBalancer or NodePort or with `externalIPs`, behind an Ingress or an
/// HTTPRoute (an InferencePool too), behind the public route that KServe and Knative make by default, and Ray heads
/// with `serviceType` or `enableIngress`. It passes when somebody on the way asks for a login: annotations of the
/// ingress controller (external, OIDC, basic auth, client certificates), an attached policy of the gateway, IAP,
/// an authenticating proxy in the pod that the Service leads to, an Istio AuthorizationPolicy that selects the pod,
/// `security.opendatahub.io/enable-auth`. An internal load balancer or a short list of source ranges makes it medium;
/// the server's own key, or a workload known as AI only by its libraries, lowers it by one step. Agents and MCP
/// servers are the matter of RF-AGT-001.
///
/// ## Why it matters for AI
/// Inference servers trust their network. An open one is found within hours by scanners that look for its port, then
/// sold as free tokens; the same API lists and unloads models, reads prompts of others out of a shared cache, and is
/// the first hop to whatever its pod can reach.
///
/// ## Bad
/// ```yaml
/// kind: Service
/// metadata: {name: llama}
/// spec:
///   type: LoadBalancer
///   selector: {app: llama}
/// ```
///
/// ## Good
/// ```yaml
/// kind: Ingress
/// metadata:
///   annotations:
///     nginx.ingress.kubernetes.io/auth-url: https://oauth2-proxy.example/oauth2/auth
/// spec:
///   rules:
///     - http: {paths: [{path: /v1, pathType: Prefix, backend: {service: {name: llama, port: {name: http}}}}]}
/// ```
///
/// ## Fix and its side effects
/// Make the Service `ClusterIP` and let a gateway that asks for a login route to it; for KServe set the label
/// `networking.kserve.io/visibility: cluster-local`. Clients get a new address. Raise the gateway's read timeout:
/// tokens stream for minutes, and many gateways cut after 60 seconds. A key on the server (`--api-key` from a Secret)
/// is a second lock, not the first: vLLM asks for it below `/v1` only.
///
/// ## When it is unknown
/// The Service behind a route is not in the set; the pods behind it are chosen by labels that an operator adds; a
/// middleware, filter or BackendConfig that may ask for a login is not in the set.
///
/// ## References
/// - guide: H8
/// - MITRE ATLAS 5.6.0: AML.T0049
/// - OWASP LLM 2025: LLM10
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Net, 7),
        slug: "exposed-inference",
        title: "AI server reachable from outside without a login",
        risk: "anybody who finds the address uses the model and its GPUs, and starts from inside the cluster when the server has a flaw",
        cure: "keep the Service `ClusterIP` and route to it through a gateway that asks for a login",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: ENTRANCES,
        references: &[
            Reference { framework: "guide", version: "1", id: "H8" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0049" },
            Reference { framework: "OWASP LLM", version: "2025", id: "LLM10" },
        ],
    },
    check: Check::Graph(check),
};

fn check(cx: &Cx<'_>, results: &mut Results<'_>) {
    for entrance in entrances(cx) {
        judge(cx, &entrance, results);
    }
}

fn judge(cx: &Cx<'_>, entrance: &Entrance<'_>, results: &mut Results<'_>) {
    let servers: Vec<Pod<'_>> =
        entrance.behind.pods.iter().copied().filter(|pod| is_server(*pod, entrance)).collect();
    if servers.is_empty() {
        match &entrance.behind.gap {
            // A route to tools alone is the matter of RF-AGT-001.
            Some(fact) if entrance.may_lead_to_ai(cx) && !entrance.leads_to_tools() => {
                results.unknown(entrance.object, entrance.at, fact);
            }
            _ => results.not_applicable(),
        }
        return;
    }
    let mut open = Vec::new();
    let mut fact = None;
    for pod in servers {
        match login(cx, entrance, pod) {
            Login::Yes => {}
            Login::Unknown(words) => fact = Some(words),
            Login::None => open.push(pod),
        }
    }
    match (open.is_empty(), fact) {
        (true, None) => results.pass(),
        (true, Some(fact)) => results.unknown(entrance.object, entrance.at, fact),
        (false, _) => results.fail(hit(entrance, &open)),
    }
}

fn hit<'i>(entrance: &Entrance<'i>, open: &[Pod<'i>]) -> Hit<'i> {
    let narrow = entrance.narrowed_by.is_some();
    let lock = if open.iter().all(|pod| server_key(*pod).is_some()) { "key only" } else { "no login" };
    let mut hit = entrance.hit(format!("opens {}, {lock}", entrance.means.words(narrow)), open);
    let step = |pod: &Pod<'_>| {
        let mut severity = if narrow { Severity::Medium } else { CONTROL.meta.severity };
        for lowers in [server_key(*pod).is_some(), is_perhaps_no_server(*pod)] {
            severity = if lowers { severity.lowered() } else { severity };
        }
        severity
    };
    hit = hit.severity(open.iter().map(step).max().unwrap_or(CONTROL.meta.severity));
    // The installation may make no public routes at all.
    let is_assumed = matches!(entrance.means, Means::KserveRoute | Means::KnativeRoute);
    if is_assumed || open.iter().any(|pod| is_perhaps_no_server(*pod)) {
        hit = hit.confidence(Confidence::Medium);
    }
    for pod in open {
        if let Some(key) = server_key(*pod) {
            hit = hit.supported_by(pod.object(), key);
        }
    }
    if entrance.means == Means::KserveRoute {
        hit = hit.cure(
            "label it `networking.kserve.io/visibility: cluster-local`, or put a login before its route",
        );
    }
    hit
}

/// AI, and not a matter of RF-AGT-001.
fn is_server(pod: Pod<'_>, entrance: &Entrance<'_>) -> bool {
    is_workload(pod) && pod.ai().class != WorkloadClass::Agent && !is_tool_server(pod, entrance)
}

/// Known as AI by its libraries alone: perhaps an application with a login of its own.
fn is_perhaps_no_server(pod: Pod<'_>) -> bool {
    pod.ai().class == WorkloadClass::Other && pod.ai().scope <= Scope::Medium && !pod.needs_accelerator()
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;
    use ringfence_finding::Severity;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_type_of_the_service() {
        insta::assert_snapshot!(one_line("exposed-inference", "bad"), @"HIGH RF-NET-007 Service/ml/model: opens a public load balancer, no login");
    }

    #[test]
    fn good_fixture_has_a_login_before_its_ingress() {
        insta::assert_snapshot!(one_line("exposed-inference", "good"), @"");
    }

    #[test]
    fn a_middleware_that_is_not_in_the_set_is_unknown() {
        insta::assert_snapshot!(one_line("exposed-inference", "unknown"), @"UNKNOWN RF-NET-007 Ingress/ml/model: ml-login@kubernetescrd is not in the set; it may ask for a login");
    }

    /// A GPU server, and more objects.
    fn served(container: &str, more: &str) -> String {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: llm, namespace: ml}}
spec:
  template:
    metadata: {{labels: {{app: llm}}}}
    spec:
      containers:
      - {{name: s, image: vllm/vllm-openai, {container} resources: {{limits: {{nvidia.com/gpu: 1}}}}}}
---
{more}
"
        )
    }

    fn service(spec: &str, annotations: &str) -> String {
        format!(
            "apiVersion: v1
kind: Service
metadata: {{name: llm, namespace: ml, annotations: {{{annotations}}}}}
spec: {{selector: {{app: llm}}, {spec}}}
"
        )
    }

    fn verdict(text: &str) -> String {
        let findings = judged("RF-NET-007", text);
        let lines = findings.iter().map(|finding| match finding.outcome {
            Outcome::Fail => format!("{} {}", finding.severity, finding.message),
            _ => format!("unknown {}", finding.message),
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn severity_follows_who_can_come_and_what_the_server_asks() {
        let balancer = "type: LoadBalancer";
        let key = "env: [{name: VLLM_API_KEY, valueFrom: {secretKeyRef: {name: k, key: k}}}],";
        for (container, spec, annotations, expected) in [
            ("", balancer, "", "high opens a public load balancer, no login"),
            ("", "type: NodePort", "", "high opens a node port, no login"),
            ("", "externalIPs: [203.0.113.7]", "", "high opens an external address, no login"),
            ("", "type: ClusterIP", "", ""),
            (key, balancer, "", "medium opens a public load balancer, key only"),
            ("args: [--api-key, $(KEY)],", balancer, "", "medium opens a public load balancer, key only"),
            ("args: [--api-key=],", balancer, "", "high opens a public load balancer, no login"),
            (
                "env: [{name: VLLM_API_KEY, value: ''}],",
                balancer,
                "",
                "high opens a public load balancer, no login",
            ),
            (
                "",
                balancer,
                "service.beta.kubernetes.io/aws-load-balancer-scheme: internal",
                "medium opens an internal load balancer, no login",
            ),
            (
                "",
                balancer,
                "service.beta.kubernetes.io/aws-load-balancer-type: external",
                "medium opens an internal load balancer, no login",
            ),
            (
                key,
                "type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, 203.0.113.0/24]",
                "",
                "low opens an internal load balancer, key only",
            ),
            (
                "",
                "type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, 0.0.0.0/0]",
                "",
                "high opens a public load balancer, no login",
            ),
        ] {
            let text = served(container, &service(spec, annotations));
            assert_eq!(verdict(&text), expected, "{container} {spec} {annotations}");
        }
    }

    #[test]
    fn the_workload_behind_is_named_so_that_its_gpus_count() {
        let findings = judged("RF-NET-007", &served("", &service("type: LoadBalancer", "")));
        assert_eq!(findings[0].field, "spec.type");
        assert!(findings[0].evidence.iter().any(|one| one.resource.to_string() == "Deployment/ml/llm"));
    }

    #[test]
    fn routes_pass_with_a_login_on_the_way_and_fail_without() {
        let route = |filters: &str| {
            format!(
                "{}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r, namespace: ml}}
spec:
  parentRefs: [{{name: gw}}]
  rules: [{{backendRefs: [{{name: llm, port: 80}}]{filters}}}]
",
                service("type: ClusterIP", "")
            )
        };
        let open = "high opens a public HTTP route, no login";
        assert_eq!(verdict(&served("", &route(""))), open);
        let filter = ", filters: [{type: ExtensionRef, extensionRef: {group: g, kind: AuthenticationFilter, name: f}}]";
        assert_eq!(verdict(&served("", &route(filter))), "");
        let policy = |spec: &str| {
            format!(
                "{}---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: p, namespace: ml}}
spec: {{targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}}], {spec}}}
",
                route("")
            )
        };
        assert_eq!(verdict(&served("", &policy("oidc: {clientID: c}"))), "");
        assert_eq!(verdict(&served("", &policy("cors: {}"))), open);
        let mesh = |rules: &str| {
            format!(
                "{}---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: p, namespace: ml}}
spec: {{selector: {{matchLabels: {{app: llm}}}}, rules: {rules}}}
",
                route("")
            )
        };
        assert_eq!(verdict(&served("", &mesh("[{from: [{source: {requestPrincipals: ['*']}}]}]"))), "");
        assert_eq!(verdict(&served("", &mesh("[{to: [{operation: {methods: [GET]}}]}]"))), open);
    }

    #[test]
    fn custom_resources_open_their_own_routes() {
        let isvc = |labels: &str| {
            format!(
                "apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: m, namespace: ml, labels: {{{labels}}}}}
spec: {{predictor: {{model: {{modelFormat: {{name: onnx}}, storageUri: 'pvc://m'}}}}}}
"
            )
        };
        assert_eq!(verdict(&isvc("")), "high opens a public KServe route, no login");
        assert_eq!(verdict(&isvc("networking.kserve.io/visibility: cluster-local")), "");
        assert_eq!(verdict(&isvc("networking.knative.dev/visibility: cluster-local")), "");
        let config = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: inferenceservice-config, namespace: kserve}
data: {ingress: '{disableIngressCreation: true}'}
";
        assert_eq!(verdict(&format!("{}{config}", isvc(""))), "");
        let ray = |head: &str, more: &str| {
            format!(
                "apiVersion: ray.io/v1
kind: RayService
metadata: {{name: r, namespace: ml}}
spec: {{rayClusterConfig: {{{more} headGroupSpec: {{{head}, template: {{spec: {{containers: [{{name: h, image: ray}}]}}}}}}}}}}
"
            )
        };
        assert_eq!(verdict(&ray("serviceType: ClusterIP", "")), "");
        assert_eq!(verdict(&ray("serviceType: NodePort", "")), "high opens a node port, no login");
        assert_eq!(verdict(&ray("enableIngress: yes", "")), "high opens a public ingress, no login");
        let token = ray("serviceType: LoadBalancer", "authOptions: {mode: token},");
        assert_eq!(verdict(&token), "medium opens a public load balancer, key only");
    }

    #[test]
    fn an_application_a_tool_server_and_a_proxied_server_are_not_this_flaw() {
        let web = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: ml, labels: {app: web}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ml}
spec: {type: LoadBalancer, selector: {app: web}}
";
        assert_eq!(verdict(web), "");
        assert_eq!(verdict(&web.replace("nginx", "acme/mcp-server")), "");
        let proxied = web.replace(
            "{name: c, image: nginx}",
            "{name: s, image: vllm/vllm-openai}, {name: p, image: quay.io/oauth2-proxy/oauth2-proxy, ports: [{name: web, containerPort: 4180}]}",
        );
        let with_port = |port: &str| {
            proxied.replace(
                "type: LoadBalancer",
                &format!("type: LoadBalancer, ports: [{{port: 80, targetPort: {port}}}]"),
            )
        };
        assert_eq!(verdict(&with_port("web")), "");
        assert_eq!(verdict(&with_port("8000")), "high opens a public load balancer, no login");
    }

    #[test]
    fn a_route_to_a_service_nobody_gave_is_unknown_and_one_of_an_operator_is_known() {
        let ingress = |name: &str| {
            format!(
                "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: i, namespace: ml}}
spec: {{rules: [{{http: {{paths: [{{path: /, backend: {{service: {{name: {name}}}}}}}]}}}}]}}
---
apiVersion: kubeflow.org/v1
kind: Notebook
metadata: {{name: lab, namespace: ml}}
spec: {{template: {{spec: {{containers: [{{name: lab, image: jupyter}}]}}}}}}
"
            )
        };
        assert_eq!(verdict(&ingress("elsewhere")), "unknown Service elsewhere is not in the set");
        assert_eq!(verdict(&ingress("lab")), "high opens a public ingress, no login");
    }

    #[test]
    fn an_application_known_by_its_libraries_is_one_step_lower() {
        let text = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: ml, labels: {app: web}}
spec: {containers: [{name: c, image: acme/shop, env: [{name: HF_HUB_OFFLINE, value: '1'}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ml}
spec: {type: LoadBalancer, selector: {app: web}}
";
        let findings = judged("RF-NET-007", text);
        assert_eq!(findings[0].severity, Severity::Medium);
    }
}
