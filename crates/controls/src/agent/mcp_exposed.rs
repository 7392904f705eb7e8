//! RF-AGT-001: the set in, MCP servers and agents that stand open to the outside, or with their login off, out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Container;
use ringfence_inventory::Pod;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::exposure::ENTRANCES;
use crate::exposure::Entrance;
use crate::exposure::Login;
use crate::exposure::entrances;
use crate::exposure::is_tool_server;
use crate::exposure::login;
use crate::exposure::server_container;
use crate::exposure::server_key;
use crate::hit::Hit;
use crate::hit::Results;

/// A tool server that strangers reach does for them what it does for the agent.
///
/// ## What it sees
/// MCP servers (by image, command, a port named `mcp`, the inspector's ports, or a route to `/mcp` or `/sse`) and other
/// agent workloads behind a Service of type LoadBalancer or NodePort or with `externalIPs`, an Ingress or an
/// HTTPRoute, with nobody on the way who asks for a login; and, wherever they stand, MCP servers whose login is
/// switched off (`DANGEROUSLY_OMIT_AUTH=true`, `--auth=none`). What counts as a login on the way is told in
/// RF-NET-007. A login of the server's own (OIDC, OAuth, a key) lowers it by one step, an internal load balancer makes
/// it medium. Servers that talk over standard input only have no port to protect.
///
/// ## Why it matters for AI
/// A tool server holds the agent's credentials: a repository token, a database, a shell. Whoever reaches its port needs
/// no prompt injection; listing and calling tools is the protocol. The inspector starts any command it is given.
///
/// ## Bad
/// ```yaml
/// kind: Service
/// metadata: {name: mcp-github}
/// spec:
///   type: LoadBalancer
///   selector: {app: mcp-github}
/// ```
///
/// ## Good
/// ```yaml
/// kind: Service
/// metadata: {name: mcp-github}
/// spec:
///   type: ClusterIP
///   selector: {app: mcp-github}
/// ```
///
/// ## Fix and its side effects
/// Make the Service `ClusterIP`; let desktop clients come through a gateway that asks for a login (the protocol has
/// OAuth for this), or through `kubectl port-forward`. Remove `DANGEROUSLY_OMIT_AUTH`: the inspector then prints a
/// token for its page.
///
/// ## When it is unknown
/// The Service behind a route to `/mcp` is not in the set; a middleware or filter that may ask for a login is not.
///
/// ## References
/// - guide: H8
/// - OWASP Agentic 2026: ASI02, ASI07
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Agt, 1),
        slug: "mcp-exposed",
        title: "MCP server or agent reachable from outside, or its login off",
        risk: "whoever reaches the port calls the tools with the agent's credentials, without any prompt",
        cure: "keep the Service `ClusterIP` and let clients come through a gateway that asks for a login",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: ENTRANCES,
        references: &[
            Reference { framework: "guide", version: "1", id: "H8" },
            Reference { framework: "OWASP Agentic", version: "2026", id: "ASI02" },
            Reference { framework: "OWASP Agentic", version: "2026", id: "ASI07" },
        ],
    },
    check: Check::Graph(check),
};

fn check(cx: &Cx<'_>, results: &mut Results<'_>) {
    for pod in cx.inventory.pods() {
        // Once per pod: asked per container it would look at every container for each of them.
        let server = server_container(pod).map(|server| server.value.id());
        let networked = pod.containers().filter(|container| !is_stdio_only(*container));
        let open = networked.filter_map(|container| {
            Some((container, login_off(container, server == Some(container.value.id()))?))
        });
        for (container, at) in open {
            let hit = Hit::at(pod.object(), at, "runs an MCP server with its login off");
            let hit = hit.container(container).cure("turn the login of the server on again");
            results.fail(hit);
        }
        if server_container(pod).is_some_and(|container| login_off(container, true).is_none()) {
            results.pass();
        }
    }
    for entrance in entrances(cx) {
        judge(cx, &entrance, results);
    }
}

fn judge(cx: &Cx<'_>, entrance: &Entrance<'_>, results: &mut Results<'_>) {
    let mut open = Vec::new();
    let mut fact = entrance.behind.gap.clone().filter(|_| entrance.leads_to_tools());
    let mut any = false;
    for pod in entrance.behind.pods.iter().copied().filter(|pod| is_target(*pod, entrance)) {
        any = true;
        match login(cx, entrance, pod) {
            Login::Yes => {}
            Login::Unknown(words) => fact = Some(words),
            Login::None => open.push(pod),
        }
    }
    match (open.is_empty(), fact) {
        (true, None) if any => results.pass(),
        (true, None) => results.not_applicable(),
        (true, Some(fact)) => results.unknown(entrance.object, entrance.at, fact),
        (false, _) => results.fail(hit(entrance, &open)),
    }
}

fn hit<'i>(entrance: &Entrance<'i>, open: &[Pod<'i>]) -> Hit<'i> {
    let narrow = entrance.narrowed_by.is_some();
    let what =
        if open.iter().any(|pod| is_tool_server(*pod, entrance)) { "an MCP server" } else { "an agent" };
    let message = format!("puts {what} on {}", entrance.means.words(narrow));
    let base = if narrow { Severity::Medium } else { CONTROL.meta.severity };
    let locks: Vec<Option<Value<'i>>> = open.iter().map(|pod| own_login(*pod)).collect();
    let severity = if locks.iter().all(Option::is_some) { base.lowered() } else { base };
    let mut hit = entrance.hit(message, open).severity(severity);
    for (pod, lock) in open.iter().zip(locks) {
        if let Some(at) = lock {
            hit = hit.supported_by(pod.object(), at);
        }
    }
    hit
}

fn is_target(pod: Pod<'_>, entrance: &Entrance<'_>) -> bool {
    if is_tool_server(pod, entrance) {
        return server_container(pod).is_none_or(|container| !is_stdio_only(container));
    }
    is_workload(pod) && pod.ai().class == WorkloadClass::Agent
}

/// The value that switches the login off.
fn login_off(container: Container<'_>, is_server: bool) -> Option<Value<'_>> {
    let omit = container.env_var("DANGEROUSLY_OMIT_AUTH").and_then(|variable| variable.value);
    if let Some(value) = omit.filter(|value| value.means_bool() == Some(true)) {
        return Some(value);
    }
    // Other programs have such flags too, and another meaning for them.
    if !is_server {
        return None;
    }
    flags(container).find_map(|(flag, value, at)| {
        let off = match flag.as_str() {
            "--auth" | "--auth-mode" | "--auth-type" => matches!(value.as_str(), "none" | "off" | "disabled"),
            "--no-auth" | "--disable-auth" | "--insecure-no-auth" => !matches!(value.as_str(), "false"),
            _ => false,
        };
        off.then_some(at)
    })
}

/// The server's own login: a flag or variable that turns it on, or a key.
fn own_login(pod: Pod<'_>) -> Option<Value<'_>> {
    let by_flag = pod.containers().find_map(|container| {
        flags(container).find_map(|(flag, value, at)| {
            let asks = match flag.as_str() {
                "--auth" | "--auth-mode" | "--auth-type" => {
                    !matches!(value.as_str(), "" | "none" | "off" | "disabled" | "false")
                }
                "--require-auth" => value != "false",
                flag => flag.starts_with("--oidc-issuer") || flag.starts_with("--oauth-issuer"),
            };
            asks.then_some(at)
        })
    });
    let by_variable = || {
        pod.containers().find_map(|container| {
            let known = ["OIDC_ISSUER", "OAUTH_ISSUER", "FASTMCP_SERVER_AUTH", "MCP_AUTH_TOKEN"];
            let mut variables =
                container.env().filter(|one| known.iter().any(|name| one.name.contains(name)));
            variables.next().map(|variable| variable.item)
        })
    };
    by_flag.or_else(by_variable).or_else(|| server_key(pod))
}

/// Flags with their values, `--flag=value` and `--flag value` alike.
fn flags(container: Container<'_>) -> impl Iterator<Item = (String, String, Value<'_>)> {
    let words = container.words();
    let next: Vec<String> =
        words.iter().skip(1).map(|word| word.text.clone()).chain([String::new()]).collect();
    words.into_iter().zip(next).filter(|(word, _)| word.text.starts_with("--")).map(|(word, next)| match word
        .text
        .split_once('=')
    {
        Some((flag, value)) => (flag.to_owned(), value.to_lowercase(), word.at),
        None if next.starts_with('-') => (word.text, String::new(), word.at),
        None => (word.text, next.to_lowercase(), word.at),
    })
}

/// Whether it talks to its parent process only.
fn is_stdio_only(container: Container<'_>) -> bool {
    let by_word = container.words().iter().any(|word| {
        word.text == "stdio" || word.text.split_once('=').is_some_and(|(_, value)| value == "stdio")
    });
    let variables = ["MCP_TRANSPORT", "TRANSPORT", "FASTMCP_TRANSPORT"].into_iter();
    let mut variables = variables.filter_map(|name| container.env_var(name)?.value?.text());
    by_word || variables.any(|transport| transport == "stdio")
}

#[cfg(test)]
mod tests {
    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_type_of_the_service() {
        insta::assert_snapshot!(one_line("mcp-exposed", "bad"), @"HIGH RF-AGT-001 Service/ml/model: puts an MCP server on a public load balancer");
    }

    #[test]
    fn good_fixture_has_a_login_before_its_route() {
        insta::assert_snapshot!(one_line("mcp-exposed", "good"), @"");
    }

    #[test]
    fn a_route_to_mcp_without_its_service_is_unknown() {
        insta::assert_snapshot!(one_line("mcp-exposed", "unknown"), @"UNKNOWN RF-AGT-001 HTTPRoute/ml/tools: Service tools is not in the set");
    }

    fn verdict(container: &str, service: &str) -> String {
        let text = format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: t, namespace: ml, labels: {{app: t}}}}
spec: {{containers: [{{name: c, {container}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: t, namespace: ml}}
spec: {{selector: {{app: t}}, {service}}}
"
        );
        let findings = judged("RF-AGT-001", &text);
        let lines = findings.iter().map(|finding| format!("{} {}", finding.severity, finding.message));
        lines.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn servers_are_known_by_image_command_or_port() {
        let open = "high puts an MCP server on a node port";
        for container in [
            "image: ghcr.io/github/github-mcp-server:v0.21.0",
            "image: node, command: [npx, -y, '@modelcontextprotocol/server-filesystem', /]",
            "image: python, command: [sh, -c, 'exec uvx mcp-server-git']",
            "image: acme/tools, ports: [{name: http-mcp, containerPort: 80}]",
            "image: acme/tools, ports: [{containerPort: 6277}]",
        ] {
            assert_eq!(verdict(container, "type: NodePort"), open, "{container}");
            assert_eq!(verdict(container, "type: ClusterIP"), "", "{container}");
        }
    }

    #[test]
    fn an_own_login_lowers_it_and_one_switched_off_is_a_flaw_by_itself() {
        let server = |more: &str| format!("image: acme/mcp, {more}");
        let port = "type: NodePort";
        assert_eq!(verdict(&server("args: [--auth=oidc]"), port), "medium puts an MCP server on a node port");
        assert_eq!(
            verdict(&server("args: [--auth, none]"), ""),
            "high runs an MCP server with its login off"
        );
        let omit = "env: [{name: DANGEROUSLY_OMIT_AUTH, value: 'true'}]";
        assert_eq!(verdict(&server(omit), ""), "high runs an MCP server with its login off");
        assert_eq!(verdict(&server(&omit.replace("true", "false")), ""), "");
    }

    #[test]
    fn a_client_a_stdio_server_and_a_web_server_are_none() {
        for container in [
            "image: acme/agent, args: [--tools=mcp, --mcp-url=http://mcp-docs.agents.svc/mcp]",
            "image: acme/mcp, args: [stdio]",
            "image: acme/mcp, args: [--transport=stdio]",
            "image: nginx",
            "image: acme/web, args: [--auth=none]",
        ] {
            assert_eq!(verdict(container, "type: LoadBalancer"), "", "{container}");
        }
    }

    #[test]
    fn a_sandbox_on_a_load_balancer_is_an_agent() {
        let findings = judged(
            "RF-AGT-001",
            "apiVersion: agents.x-k8s.io/v1alpha1
kind: Sandbox
metadata: {name: s, namespace: ml}
spec: {podTemplate: {metadata: {labels: {app: s}}, spec: {containers: [{name: c, image: acme/runner}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: ml}
spec: {type: LoadBalancer, selector: {app: s}}
",
        );
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].message, "puts an agent on a public load balancer");
        assert!(findings[0].evidence.iter().any(|one| one.resource.kind == "Sandbox"));
    }
}
