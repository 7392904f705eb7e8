//! Room `domain`: label and taint of GPU nodes (guide 7 to 10, hole 1). Both lists of a node belong to others too:
//! autoscalers and operators put their own taints there, and a forced apply removes them, so nodes are patched.

use serde_json::json;

use super::Cx;
use crate::facts::NodeFact;
use crate::names;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::spec::Mode;

/// The node with our label and our taint, and nothing else.
pub(crate) fn patch(cx: &Cx<'_>, node: &NodeFact) -> DesiredObject {
    let nodes = &cx.resolved.spec.nodes;
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": {names::NODE_LABEL: cx.owner.domain}},
    });
    if nodes.manage_taint {
        let taint = &nodes.taint;
        body["spec"] =
            json!({"taints": [{"key": taint.key, "value": taint.value, "effect": taint.effect.name()}]});
    }
    let purpose =
        Purpose { min_mode: Mode::Enforce, controls: &["RF-GPU-001", "RF-GPU-004"], guide: &[7, 8, 10] };
    DesiredObject::new(Rank::Node, "nodes", Write::NodePatch, &cx.owner, purpose, body)
}
