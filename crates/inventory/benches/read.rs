//! Reading: the spanned tree beside `serde-saphyr` into a JSON value on one text, the glance over schemas, and a whole
//! inventory of 2,000 objects. The bar is the ratio of the first two (at least 1.5), not their times.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use ringfence_inventory::Inventory;
use ringfence_inventory::peek;
use ringfence_inventory::yaml::read_json;
use ringfence_inventory::yaml::read_yaml;

/// One Deployment as people write it.
fn deployment(number: usize) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{number}\n  namespace: team-{team}\n  labels:\n    \
         app.kubernetes.io/name: web\n    app.kubernetes.io/instance: web-{number}\nspec:\n  replicas: 3\n  selector:\n    \
         matchLabels:\n      app.kubernetes.io/instance: web-{number}\n  template:\n    metadata:\n      labels:\n        \
         app.kubernetes.io/instance: web-{number}\n      annotations:\n        prometheus.io/scrape: \"true\"\n    spec:\n      \
         serviceAccountName: web\n      securityContext:\n        runAsNonRoot: true\n        fsGroup: 2000\n      \
         containers:\n        - name: server # the model server\n          image: registry.example/serving/vllm:v0.{number}\n          \
         args:\n            - serve\n            - --port=8000\n            - \"--max-model-len=32768\"\n          env:\n            \
         - name: HF_HOME\n              value: /cache\n            - name: TOKEN\n              valueFrom:\n                \
         secretKeyRef:\n                  name: hub\n                  key: token\n          resources:\n            limits:\n              \
         cpu: \"4\"\n              memory: 16Gi\n              nvidia.com/gpu: 1\n          volumeMounts:\n            - \
         name: cache\n              mountPath: /cache\n      volumes:\n        - name: cache\n          emptyDir: \
         {{sizeLimit: 10Gi}}\n",
        team = number % 20
    )
}

/// A schema of about 60 kB, as operators ship them.
fn schema() -> String {
    let mut text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: x\nspec:\n  \
                    versions:\n  - name: v1\n    schema:\n      openAPIV3Schema:\n        properties:\n"
        .to_owned();
    for field in 0..500 {
        let _ = write!(
            text,
            "          field{field}:\n            description: 'what this field does, in a sentence'\n            type: \
             string\n"
        );
    }
    text
}

fn trees(criterion: &mut Criterion) {
    let one = deployment(7);
    let json = {
        let value: serde_json::Value = serde_saphyr::from_str(&one).unwrap_or_default();
        value.to_string()
    };
    let mut group = criterion.benchmark_group("tree");
    group.throughput(Throughput::Bytes(one.len() as u64));
    group.bench_function("ours", |bench| bench.iter(|| read_yaml(black_box(&one)).is_ok()));
    group.bench_function("serde-saphyr", |bench| {
        bench.iter(|| serde_saphyr::from_str::<serde_json::Value>(black_box(&one)).is_ok());
    });
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("ours, JSON", |bench| bench.iter(|| read_json(black_box(&json)).is_ok()));
    group.finish();
}

fn glance(criterion: &mut Criterion) {
    let text = schema();
    let mut group = criterion.benchmark_group("peek");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("schema", |bench| bench.iter(|| peek(black_box(&text))));
    let split = text.repeat(20).replace("apiVersion: api", "---\napiVersion: api");
    group.throughput(Throughput::Bytes(split.len() as u64));
    group.bench_function("file of schemas", |bench| {
        bench.iter(|| Inventory::from_text(black_box(&split)).coverage.documents.schema_only);
    });
    group.finish();
}

fn inventory(criterion: &mut Criterion) {
    let text = (0..2_000).map(|number| format!("---\n{}", deployment(number))).collect::<Vec<_>>().concat();
    let mut group = criterion.benchmark_group("inventory");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("2,000 objects", |bench| {
        bench.iter(|| Inventory::from_text(black_box(&text)).pods().len());
    });
    group.finish();
}

criterion_group!(benches, trees, glance, inventory);
criterion_main!(benches);
