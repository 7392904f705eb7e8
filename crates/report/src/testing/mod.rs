//! Room `report`, tests: the scans that every format prints, from an everyday one to one made of hostile strings.

mod hostile;
pub(crate) mod sarif;
pub(crate) mod schema;
pub(crate) mod xml;

use std::sync::Arc;

use ringfence_finding::*;

use crate::Format;
use crate::Style;

/// What `format` prints for `scan` on an 80 column screen without colour.
pub(crate) fn print(scan: &Scan, format: Format) -> String {
    styled(scan, format, &Style { unicode: true, width: 80, ..Style::default() })
}

pub(crate) fn styled(scan: &Scan, format: Format, style: &Style) -> String {
    let mut out = Vec::new();
    crate::write(scan, format, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub(crate) const GPU_005: ControlInfo = ControlInfo {
    id: ControlId::new(Family::Gpu, 5),
    slug: "gpu-without-request",
    title: "Workload opens GPUs that it does not request",
    risk: "A workload that asks for no GPU uses those of its neighbours, unseen by quota and scheduler.",
    severity: Severity::High,
    fix: FixClass::Safe,
    references: &[Reference { framework: "guide", version: "1", id: "G12" }],
    manual: MANUAL,
};

const MANUAL: &str = "\
# gpu-without-request

## What it sees
`NVIDIA_VISIBLE_DEVICES` set by hand in a container that requests no GPU, which the container toolkit answers \
with every GPU of the node.

## Bad
```yaml
env:
- name: NVIDIA_VISIBLE_DEVICES
  value: all
```

## Fix and its side effects
- Remove the variable.
- Request `nvidia.com/gpu` instead; the device plugin sets the variable by itself and to the right devices.
";

fn control(
    family: Family,
    number: u16,
    severity: Severity,
    slug: &'static str,
    title: &'static str,
) -> ControlInfo {
    ControlInfo { id: ControlId::new(family, number), slug, title, severity, ..GPU_005 }
}

pub(crate) fn controls() -> Vec<ControlInfo> {
    vec![
        GPU_005,
        control(
            Family::Net,
            1,
            Severity::High,
            "no-network-policy",
            "Namespace with AI workloads has no policy",
        ),
        control(Family::Sec, 1, Severity::Critical, "key-in-env", "API key written into the manifest"),
        control(Family::Mod, 2, Severity::High, "model-not-pinned", "Model is loaded from a moving revision"),
        control(Family::Data, 8, Severity::Medium, "unbounded-shm", "Memory volume without a size limit"),
        control(Family::Run, 13, Severity::Low, "no-runtime-class", "Notebook without a sandboxed runtime"),
    ]
}

pub(crate) fn resource(kind: &str, namespace: &str, name: &str) -> ResourceRef {
    ResourceRef {
        api_version: "apps/v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        owner: None,
    }
}

pub(crate) fn place(file: &str, line: u32, column: u32) -> Location {
    Location { file: Arc::from(file), document: 0, line, column, start: 700, end: 703, revision: None }
}

/// A finding of `info` on a Deployment, with the severity and text given.
pub(crate) fn finding(
    info: ControlInfo,
    severity: Severity,
    object: &str,
    message: &str,
    at: Location,
) -> Finding {
    let resource = resource("Deployment", "web", object);
    let field = "spec.template.spec.containers[app].env[X]".to_owned();
    Finding {
        control: info.id,
        title: info.title,
        severity,
        confidence: Confidence::High,
        outcome: Outcome::Fail,
        container: Some("app".to_owned()),
        location: Some(at),
        snippet: None,
        message: message.to_owned(),
        evidence: Vec::new(),
        why: info.risk.to_owned(),
        fix: Some(Fix { class: info.fix, summary: "remove the variable".to_owned() }),
        references: info.references,
        fingerprint: Fingerprint::new(info.id, Some(&resource), Some("app"), &field),
        resource: Some(resource),
        field,
        pods: None,
    }
}

fn without_place(info: ControlInfo, outcome: Outcome, message: &str, why: &str) -> Finding {
    Finding {
        outcome,
        container: None,
        location: None,
        resource: None,
        fix: None,
        why: why.to_owned(),
        fingerprint: Fingerprint::new(info.id, None, None, why),
        ..finding(info, info.severity, "x", message, place("-", 1, 1))
    }
}

/// An AI platform with open doors, unknowns, blind spots and dollars.
pub(crate) fn standard() -> Scan {
    let [gpu, net, sec, model, data, run] = controls().try_into().unwrap_or_else(|_| unreachable!());
    let mut opens =
        finding(gpu, Severity::High, "checkout", "opens every GPU", place("demo/open/web.yaml", 31, 18));
    opens.snippet = Some(Snippet {
        first_line: 29,
        text:
            "        env:\n        - name: NVIDIA_VISIBLE_DEVICES\n          value: all\n        ports: []\n"
                .to_owned(),
        start: 69,
        end: 72,
    });
    opens.evidence = vec![Evidence {
        resource: resource("Deployment", "web", "checkout"),
        field: "spec.template.spec.containers[app].env[NVIDIA_VISIBLE_DEVICES]".to_owned(),
        shown: "all".to_owned(),
        location: opens.location.clone(),
        weight: Weight::Decides,
    }];
    let findings = vec![
        finding(
            sec,
            Severity::Critical,
            "chat",
            "shows OpenAI key sk-p...9Q",
            place("demo/open/chat.yaml", 44, 20),
        ),
        finding(
            sec,
            Severity::Critical,
            "train",
            "shows Hugging Face key hf_Q...x1",
            place("demo/open/train.yaml", 9, 20),
        ),
        opens,
        finding(gpu, Severity::High, "search", "opens every GPU", place("demo/open/web.yaml", 90, 18)),
        finding(
            data,
            Severity::Medium,
            "train",
            "has an unbounded /dev/shm that can take all memory of the node",
            place("demo/open/train.yaml", 40, 7),
        ),
        finding(run, Severity::Low, "nb", "runs without a sandbox", place("demo/open/train.yaml", 80, 7)),
        without_place(
            net,
            Outcome::Unknown,
            "policies of namespace ml not known",
            "no Namespace objects given",
        ),
        without_place(model, Outcome::Error, "index out of bounds", "the control stopped"),
    ];
    Scan {
        source: "demo/open".to_owned(),
        narrowed: vec!["--exclude vendor/**".to_owned()],
        found: Found {
            ai_workloads: 17,
            ai_maybe: 2,
            agents: 0,
            gpu_nodes: 4,
            gpus: vec![GpuPool { model: Some("NVIDIA-H100-80GB-HBM3".to_owned()), gpus: 32 }],
            models: 6,
            keys: 2,
            workloads: vec![Workload {
                resource: resource("Deployment", "web", "checkout"),
                scope: "high",
                class: "other",
                reasons: vec!["sets NVIDIA_VISIBLE_DEVICES".to_owned()],
                gpus: 8,
            }],
        },
        coverage: coverage(),
        assessment: Assessment {
            door: Door::Open,
            exposure: Exposure {
                exposed: vec![PricedGpus {
                    model: Some("NVIDIA-H100-80GB-HBM3".to_owned()),
                    gpus: 24,
                    dollars_per_gpu_hour: Some(4.0),
                }],
                total_gpus: 32,
                dollars_per_hour: 96.0,
                prices_date: "2026-05-31".to_owned(),
            },
            families: families(),
        },
        findings,
        controls: controls(),
        fail_on: Severity::High,
        exit: ExitCode::Findings,
        seconds: 0.0412,
    }
}

fn families() -> Vec<FamilyScore> {
    let score = |family, pass, fail, unknown, error, number| FamilyScore {
        family,
        pass,
        fail,
        unknown,
        not_applicable: 3,
        error,
        controls: vec![ControlId::new(family, number)],
    };
    vec![
        score(Family::Gpu, 12, 2, 0, 0, 5),
        score(Family::Net, 0, 0, 1, 0, 1),
        score(Family::Sec, 15, 2, 0, 0, 1),
        score(Family::Mod, 0, 0, 0, 1, 2),
        score(Family::Rbac, 9, 0, 0, 0, 1),
        score(Family::Data, 5, 1, 0, 0, 8),
        score(Family::Run, 16, 1, 0, 0, 13),
    ]
}

fn coverage() -> Coverage {
    let kind = |group: &str, kind: &str, objects, pods| KindCount {
        group: group.to_owned(),
        kind: kind.to_owned(),
        objects,
        pods,
    };
    let blind = |reason, location, cause: &str| Blind { location, ..Blind::new(reason, cause) };
    Coverage {
        files: Files { seen: 12, read: 11 },
        documents: Documents {
            found: 118,
            parsed: 114,
            failed: 1,
            template: 1,
            empty: 2,
            ..Documents::default()
        },
        lists: Lists::default(),
        kinds: vec![
            kind("", "Secret", 4, 0),
            kind("apps", "Deployment", 19, 19),
            kind("ray.io", "RayCluster", 3, 12),
        ],
        pod_templates: [(FoundBy::Core, 19), (FoundBy::Table, 12)].into(),
        no_pod_path: [("Feast.feast.dev".to_owned(), 1)].into(),
        not_seen: vec!["Namespace objects".to_owned()],
        blind: vec![
            blind(
                Reason::Unparsable,
                Some(place("demo/open/old.yaml", 12, 3)),
                "a tab where indentation is expected: indent with spaces",
            ),
            blind(
                Reason::TemplateNotRendered,
                Some(place("demo/open/chart/templates/app.yaml", 4, 9)),
                "a template: helm template demo/open/chart | ringfence scan -",
            ),
            blind(Reason::NotSearched, Some(place("demo/open/.git", 1, 1)), "version control"),
            blind(Reason::Assumption, None, "every object of a namespace is in the set"),
        ],
    }
}

/// The same platform repaired.
pub(crate) fn closed() -> Scan {
    let mut scan = standard();
    scan.findings.clear();
    scan.narrowed.clear();
    scan.source = "demo/closed".to_owned();
    scan.coverage.blind.clear();
    scan.coverage.documents = Documents { found: 118, parsed: 118, ..Documents::default() };
    scan.assessment.door = Door::Closed;
    scan.assessment.exposure.exposed.clear();
    scan.assessment.exposure.dollars_per_hour = 0.0;
    for family in &mut scan.assessment.families {
        (family.fail, family.unknown, family.error) = (0, 0, 0);
    }
    scan.found.keys = 0;
    scan.exit = ExitCode::Clean;
    scan
}

/// An empty directory: nothing was scanned, and nothing is known.
pub(crate) fn empty() -> Scan {
    let cause = "no manifest in this directory: name one that holds YAML or JSON";
    Scan {
        source: "empty".to_owned(),
        narrowed: Vec::new(),
        found: Found::default(),
        coverage: Coverage { blind: vec![Blind::new(Reason::NothingFound, cause)], ..Coverage::default() },
        assessment: Assessment {
            door: Door::NotProvenClosed,
            exposure: Exposure::default(),
            families: Vec::new(),
        },
        findings: Vec::new(),
        controls: Vec::new(),
        fail_on: Severity::High,
        exit: ExitCode::Incomplete,
        seconds: 0.0,
    }
}

/// Strings made to break out of each format, one behind the other.
pub(crate) const HOSTILE: &str = "=cmd|' /C calc'!A0\u{1b}[2J\u{1b}]8;;http://evil\u{7}\u{9b}31m</script><!--\n::error file=x,line=1::boo\r\n##[error]x\u{2028}\u{2029}\u{202e}cod\u{200b}e\u{e0041}\0 [click](http://evil) {0} `x`";

/// Hostile strings, names of 10 kB, ranges that fit nothing.
pub(crate) fn hostile() -> Scan {
    foreign(HOSTILE)
}

/// [`standard`] with `text` in every field that comes from outside, and ranges that fit nothing.
pub(crate) fn foreign(text: &str) -> Scan {
    let mut scan = standard();
    let foreign = || text.to_owned();
    scan.source = foreign();
    scan.narrowed = vec![foreign()];
    scan.found.gpus[0].model = Some(foreign());
    scan.assessment.exposure.exposed[0].model = Some(foreign());
    scan.coverage.kinds[0].kind = foreign();
    scan.coverage.kinds[1].group = foreign();
    scan.coverage.no_pod_path = [(foreign(), 1)].into();
    scan.coverage.not_seen = vec![foreign()];
    for blind in &mut scan.coverage.blind {
        (blind.cause, blind.cure) = (foreign(), Some(Cure::Mend(foreign())));
        blind.location = Some(place(text, 0, 0));
    }
    for (index, finding) in scan.findings.iter_mut().enumerate() {
        let long = format!("{}{}", foreign(), "n".repeat(10_000));
        finding.message = format!("{long} opens every GPU");
        finding.why = foreign();
        finding.field = foreign();
        finding.container = Some(foreign());
        let mut object = resource(text, text, &long);
        object.owner = Some(Box::new(resource(text, text, text)));
        finding.evidence = vec![Evidence {
            resource: object.clone(),
            field: foreign(),
            shown: foreign(),
            location: Some(Location { start: 9, end: 3, ..place(text, 7, 1) }),
            weight: Weight::Supports,
        }];
        finding.resource = Some(object);
        finding.location = Some(Location { start: usize::MAX, end: 0, ..place(text, 0, 0) });
        finding.fix = Some(Fix { class: FixClass::Manual, summary: foreign() });
        let lines = format!("ä{text}\n日本: \u{9b}31m\tx\r\n");
        let ranges =
            [(0, 0), (1, 2), (usize::MAX, usize::MAX), (5, 1), (lines.len(), lines.len() + 1), (0, 9999)];
        let (start, end) = ranges[index % ranges.len()];
        finding.snippet = Some(Snippet { first_line: 1, text: lines, start, end });
    }
    scan
}

/// Every scan that a format has to survive.
pub(crate) fn all() -> [Scan; 4] {
    [standard(), closed(), empty(), hostile()]
}
