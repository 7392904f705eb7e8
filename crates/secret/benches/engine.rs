//! Room `secret`: throughput on text without hits. Goal of the scan: 300 MB/s per core.

use std::hint::black_box;

use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use ringfence_secret::Engine;
use ringfence_secret::Redactor;

fn engine(criterion: &mut Criterion) {
    let text = manifest().repeat(4096);
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("may_match", |bench| {
        bench.iter(|| Engine::shared().may_match(black_box(text.as_bytes())));
    });
    group.bench_function("scan", |bench| {
        bench.iter(|| Engine::shared().scan(black_box(text.as_bytes())));
    });
    group.bench_function("mask_text", |bench| {
        bench.iter(|| Redactor::shared().mask_text(black_box(&text)));
    });
    // A near miss of each literal in every kilobyte or so: what real model repositories look like.
    let near = text.replace("replicas", "hf_hub_download T3BlbkFJ replicas");
    group.throughput(Throughput::Bytes(near.len() as u64));
    group.bench_function("scan with near misses", |bench| {
        bench.iter(|| Engine::shared().scan(black_box(near.as_bytes())));
    });
    group.finish();
    criterion.bench_function("build", |bench| bench.iter(Engine::new));
}

fn manifest() -> &'static str {
    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: vllm\n  namespace: serving\n  labels:\n    \
     app.kubernetes.io/name: vllm\nspec:\n  replicas: 2\n  selector:\n    matchLabels: {app: vllm}\n  \
     template:\n    spec:\n      containers:\n      - name: server\n        image: \
     registry.internal/vllm@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n        \
     args: [--model, /models/llama, --max-num-batched-tokens, \"8192\"]\n        resources:\n          \
     limits: {nvidia.com/gpu: 1, memory: 64Gi}\n        volumeMounts:\n        - {name: models, mountPath: \
     /models, readOnly: true}\n---\n"
}

criterion_group!(benches, engine);
criterion_main!(benches);
