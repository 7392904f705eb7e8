//! What nodes offer, and by what software: extended resources, devices of DRA, images, labels.

use ringfence_inventory::Inventory;

fn gpus(text: &str) -> Vec<(String, u32, Option<String>)> {
    let inventory = Inventory::from_text(text);
    let nodes = inventory.gpu_nodes();
    nodes.map(|node| (node.object.name.to_string(), node.gpus, node.model.map(str::to_owned))).collect()
}

/// A slice of one pool; `devices` in flow style.
fn slice(node: &str, driver: &str, pool: &str, generation: u32, devices: &str) -> String {
    format!(
        "---\n{{apiVersion: resource.k8s.io/v1, kind: ResourceSlice, metadata: {{name: s}}, spec: {{driver: {driver}, \
         nodeName: {node}, pool: {{name: {pool}, generation: {generation}, resourceSliceCount: 1}}, devices: [{devices}]}}}}\n"
    )
}

fn node(name: &str, capacity: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}, status: {{capacity: {{{capacity}}}}}}}\n"
    )
}

const H100: &str =
    "{name: gpu-0, attributes: {type: {string: gpu}, productName: {string: NVIDIA H100 80GB HBM3}}}";

#[test]
fn devices_of_dra_make_a_gpu_node() {
    let text = node("a", "cpu: 8") + &slice("a", "gpu.nvidia.com", "a", 1, &format!("{H100}, {H100}"));
    assert_eq!(gpus(&text), [("a".to_owned(), 2, Some("NVIDIA H100 80GB HBM3".to_owned()))]);
    // v1beta1 has the attributes one level deeper.
    let old = "{name: gpu-0, basic: {attributes: {productName: {string: NVIDIA A100-SXM4-80GB}}}}";
    let text = node("a", "cpu: 8") + &slice("a", "gpu.nvidia.com", "a", 1, old);
    assert_eq!(gpus(&text), [("a".to_owned(), 1, Some("NVIDIA A100-SXM4-80GB".to_owned()))]);
}

#[test]
fn devices_that_are_no_accelerators_or_are_gone_make_none() {
    let network = "{name: eth1}";
    let text = node("a", "cpu: 8") + &slice("a", "dra.net", "a", 1, network);
    assert_eq!(gpus(&text), []);
    // A pool that was written anew has what its newest generation says, however its slices are ordered.
    let old = slice("a", "gpu.nvidia.com", "a", 3, &format!("{H100}, {H100}"));
    let new = slice("a", "gpu.nvidia.com", "a", 4, H100);
    for text in [format!("{}{old}{new}", node("a", "")), format!("{}{new}{old}", node("a", ""))] {
        assert_eq!(gpus(&text)[0].1, 1, "{text}");
    }
    let emptied = slice("a", "gpu.nvidia.com", "a", 5, "");
    assert_eq!(gpus(&format!("{}{old}{emptied}", node("a", ""))), []);
}

#[test]
fn parts_of_a_device_and_devices_offered_twice_count_once() {
    let part = "{name: gpu-0-mig-1g, attributes: {type: {string: mig}}}";
    let text = node("a", "") + &slice("a", "gpu.nvidia.com", "a", 1, &format!("{H100}, {part}, {part}"));
    assert_eq!(gpus(&text)[0].1, 1);
    // Two slices of one generation are one pool; the node offers the same two also as an extended resource.
    let two = slice("a", "gpu.nvidia.com", "a", 1, H100) + &slice("a", "gpu.nvidia.com", "a", 1, H100);
    assert_eq!(gpus(&(node("a", "nvidia.com/gpu: 2") + &two))[0].1, 2);
    assert_eq!(gpus(&(node("a", "nvidia.com/gpu: 8") + &two))[0].1, 8);
}

#[test]
fn software_that_hands_gpus_out_is_seen_with_its_version() {
    let text = "
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: toolkit, namespace: gpu-operator}, spec: {template: {spec: {containers: [{name: c, image: 'nvcr.io/nvidia/k8s/container-toolkit:v1.17.8-ubuntu20.04'}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: operator, namespace: gpu-operator}, spec: {template: {spec: {containers: [{name: c, image: 'nvcr.io/nvidia/gpu-operator@sha256:0000000000000000000000000000000000000000000000000000000000000000'}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: other, namespace: web}, spec: {template: {spec: {containers: [{name: c, image: 'team/my-container-toolkit:v9'}]}}}}
---
{apiVersion: v1, kind: Node, metadata: {name: a, labels: {nvidia.com/cuda.driver-version.full: 570.124.06}}, status: {capacity: {nvidia.com/gpu: 8}}}
---
{apiVersion: v1, kind: Node, metadata: {name: b, labels: {nvidia.com/cuda.driver.major: '570', nvidia.com/cuda.driver.minor: '124', nvidia.com/cuda.driver.rev: '06'}}, status: {capacity: {nvidia.com/gpu: 8}}}
---
{apiVersion: v1, kind: Node, metadata: {name: c, labels: {nvidia.com/cuda.driver.major: '550', nvidia.com/cuda.driver.minor: '90', nvidia.com/cuda.driver.rev: ''}}, status: {capacity: {nvidia.com/gpu: 8}}}
";
    let inventory = Inventory::from_text(text);
    let found: Vec<(&str, Option<String>, String)> = inventory
        .gpu_software()
        .into_iter()
        .map(|software| (software.name, software.version, software.seen_as))
        .collect();
    let row = |name, version: &str, seen_as: &str| (name, Some(version.to_owned()), seen_as.to_owned());
    assert_eq!(
        found,
        [
            ("GPU operator", None, "Deployment gpu-operator/operator".to_owned()),
            row("NVIDIA driver", "550.90", "1 node"),
            row("NVIDIA driver", "570.124.06", "2 nodes"),
            row("container toolkit", "v1.17.8-ubuntu20.04", "DaemonSet gpu-operator/toolkit"),
        ]
    );
}
