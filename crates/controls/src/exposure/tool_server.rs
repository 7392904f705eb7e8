//! Which pods are MCP servers: RF-AGT-001 judges them, RF-NET-007 leaves them to it.

use ringfence_inventory::Container;
use ringfence_inventory::Pod;
use ringfence_inventory::yaml::Value;

use super::Entrance;

/// Programs and packages of MCP servers and of the proxies that put them on a port, as they start.
const PROGRAMS: &[&str] = &[
    "@modelcontextprotocol/",
    "github-mcp-server",
    "mcp-proxy",
    "mcp-server-",
    "mcp_server_",
    "mcpo",
    "supergateway",
];

/// Ports of the MCP inspector: its page and its proxy.
const INSPECTOR_PORTS: [i64; 2] = [6274, 6277];

/// Whether it is an MCP server by its image, command or port, or by the path that leads to it.
pub(crate) fn is_tool_server(pod: Pod<'_>, entrance: &Entrance<'_>) -> bool {
    entrance.leads_to_tools() || server_container(pod).is_some()
}

/// The container that is one.
pub(crate) fn server_container(pod: Pod<'_>) -> Option<Container<'_>> {
    pod.containers().find(|container| is_server(*container))
}

fn is_server(container: Container<'_>) -> bool {
    let image = container.image().unwrap_or_default();
    let path = image.split_once('/').map_or("", |(_, path)| path);
    let path = path.split('@').next().unwrap_or("");
    let by_image =
        path.split(['/', ':', '-', '_', '.']).any(|word| matches!(word, "mcp" | "modelcontextprotocol"));
    by_image || by_program(container) || ports(container).any(is_mcp_port)
}

/// A program is what is run, not what a flag is given: `--mcp-url` makes no server.
fn by_program(container: Container<'_>) -> bool {
    let words = container.words();
    let mut words = words.iter().map(|word| word.text.as_str()).filter(|word| !word.starts_with('-'));
    words.any(|word| {
        let name = if word.starts_with('@') { word } else { word.rsplit('/').next().unwrap_or(word) };
        PROGRAMS.iter().any(|program| name.starts_with(program)) && !word.contains("://")
    })
}

fn ports(container: Container<'_>) -> impl Iterator<Item = Value<'_>> {
    container.get("ports").into_iter().flat_map(Value::items)
}

fn is_mcp_port(port: Value<'_>) -> bool {
    let name = port.get("name").and_then(Value::text).unwrap_or("");
    name.split('-').any(|word| word == "mcp")
        || port
            .get("containerPort")
            .and_then(Value::as_i64)
            .is_some_and(|port| INSPECTOR_PORTS.contains(&port))
}
