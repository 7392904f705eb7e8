//! Room `report`, text: the screens as a reader sees them.

use ringfence_finding::Severity;

use crate::Format;
use crate::Style;
use crate::testing;
use crate::text::page::width;

fn screen(scan: &ringfence_finding::Scan) -> String {
    testing::print(scan, Format::Text)
}

#[test]
fn an_open_door() {
    insta::assert_snapshot!(screen(&testing::standard()), @r"
    demo/open  118 documents, 98 % read, 2 blind spots; 31 pod templates (12 in
               custom resources)
    Found      17 AI workloads (2 more by name only, not judged), 4 GPU nodes (32
               NVIDIA-H100-80GB-HBM3), 6 models, 2 keys
    Narrowed   by --exclude vendor/**

    THE DOOR IS OPEN   exposed $96/hour: 24 of 32 GPUs at $4.00 (prices of
                       2026-05-31)

    GPU   2 high      RF-GPU-005   web/checkout opens every GPU        web.yaml:31
    NET   1 unknown   RF-NET-001   no Namespace objects given
    SEC   2 critical  RF-SEC-001   web/chat shows OpenAI key           chat.yaml:44
                                   sk-p...9Q
    MOD   1 error     RF-MOD-002   index out of bounds
    RBAC  ok          1 control, 9 passes
    DATA  1 medium    RF-DATA-008  web/train has an unbounded          train.yaml:40
                                   /dev/shm that can take all memory
                                   of the node
    RUN   1 low       RF-RUN-013   web/nb runs without a sandbox       train.yaml:80
    also  critical    RF-SEC-001   web/train shows Hugging Face key    train.yaml:9
                                   hf_Q...x1
          high        RF-GPU-005   web/search opens every GPU          web.yaml:90

    6 root causes (-v), 1 of them low or info; 1 unknown: no Namespace objects given
    RF-MOD-002   could not run: index out of bounds

    2 blind spots: not looked at, or only in part
      old.yaml:12  not readable as YAML or JSON
          a tab where indentation is expected: indent with spaces
      chart/templates/app.yaml:4  not rendered (template)
          a template: helm template demo/open/chart | ringfence scan -

    Next  ringfence explain RF-SEC-001
          ringfence scan demo/open -v
    exit 1, 6 controls, 0.04 s
    ");
}

#[test]
fn a_closed_door() {
    insta::assert_snapshot!(screen(&testing::closed()), @r"
    demo/closed  118 documents, all read; 31 pod templates (12 in custom resources)
    Found        17 AI workloads (2 more by name only, not judged), 4 GPU nodes (32
                 NVIDIA-H100-80GB-HBM3), 6 models

    THE DOOR IS CLOSED   nothing high or critical fails

    GPU   ok  1 control, 12 passes
    NET   -   not applicable: nothing here for its 1 control
    SEC   ok  1 control, 15 passes
    MOD   -   not applicable: nothing here for its 1 control
    RBAC  ok  1 control, 9 passes
    DATA  ok  1 control, 5 passes
    RUN   ok  1 control, 16 passes

    nothing fails
    Next  ringfence controls list
    exit 0, 6 controls, 0.04 s
    ");
}

#[test]
fn nothing_to_scan() {
    insta::assert_snapshot!(screen(&testing::empty()), @r"
    empty     0 documents, 1 blind spot; 0 pod templates
    Found     no AI workloads

    THE DOOR IS NOT PROVEN CLOSED   nothing to scan

    GPU   -  no control of this family ran
    NET   -  no control of this family ran
    SEC   -  no control of this family ran
    MOD   -  no control of this family ran
    RBAC  -  no control of this family ran
    DATA  -  no control of this family ran
    RUN   -  no control of this family ran

    nothing was judged

    1 blind spot: not looked at, or only in part
      empty (nothing to scan)
          no manifest in this directory: name one that holds YAML or JSON

    Next  ringfence scan --help
    exit 3 (incomplete), 0 controls, 0.00 s
    ");
}

#[test]
fn a_door_not_proven_closed_names_what_was_not_seen() {
    let mut scan = testing::closed();
    scan.assessment.door = ringfence_finding::Door::NotProvenClosed;
    scan.coverage = testing::standard().coverage;
    scan.exit = ringfence_finding::ExitCode::Incomplete;
    insta::assert_snapshot!(screen(&scan), @r"
    demo/closed  118 documents, 98 % read, 2 blind spots; 31 pod templates (12 in
                 custom resources)
    Found        17 AI workloads (2 more by name only, not judged), 4 GPU nodes (32
                 NVIDIA-H100-80GB-HBM3), 6 models

    THE DOOR IS NOT PROVEN CLOSED   could not look at 2 places: 1 not readable as
                                    YAML or JSON, 1 not rendered (template)

    GPU   ok  1 control, 12 passes
    NET   -   not applicable: nothing here for its 1 control
    SEC   ok  1 control, 15 passes
    MOD   -   not applicable: nothing here for its 1 control
    RBAC  ok  1 control, 9 passes
    DATA  ok  1 control, 5 passes
    RUN   ok  1 control, 16 passes

    nothing fails

    2 blind spots: not looked at, or only in part
      demo/open/old.yaml:12  not readable as YAML or JSON
          a tab where indentation is expected: indent with spaces
      demo/open/chart/templates/app.yaml:4  not rendered (template)
          a template: helm template demo/open/chart | ringfence scan -

    Next  ringfence scan demo/closed -v
    exit 3 (incomplete), 6 controls, 0.04 s
    ");
}

#[test]
fn a_narrow_screen_without_unicode() {
    let style = Style { width: 60, ..Style::default() };
    insta::assert_snapshot!(testing::styled(&testing::standard(), Format::Text, &style), @r"
    demo/open  118 documents, 98 % read, 2 blind spots; 31 pod
               templates (12 in custom resources)
    Found      17 AI workloads (2 more by name only, not
               judged), 4 GPU nodes (32 NVIDIA-H100-80GB-HBM3),
               6 models, 2 keys
    Narrowed   by --exclude vendor/**

    THE DOOR IS OPEN   exposed $96/hour: 24 of 32 GPUs at $4.00
                       (prices of 2026-05-31)

    GPU   2 high      RF-GPU-005   web.yaml:31
          web/checkout opens every GPU
    NET   1 unknown   RF-NET-001   no Namespace objects given
    SEC   2 critical  RF-SEC-001   chat.yaml:44
          web/chat shows OpenAI key sk-p...9Q
    MOD   1 error     RF-MOD-002   index out of bounds
    RBAC  ok          1 control, 9 passes
    DATA  1 medium    RF-DATA-008  train.yaml:40
          web/train has an unbounded /dev/shm that can take ...
    RUN   1 low       RF-RUN-013   train.yaml:80
          web/nb runs without a sandbox
    also  critical    RF-SEC-001   train.yaml:9
          web/train shows Hugging Face key hf_Q...x1
          high        RF-GPU-005   web.yaml:90
          web/search opens every GPU

    6 root causes (-v), 1 of them low or info; 1 unknown: no
    Namespace objects given
    RF-MOD-002   could not run: index out of bounds

    2 blind spots: not looked at, or only in part
      old.yaml:12  not readable as YAML or JSON
          a tab where indentation is expected: indent with
          spaces
      chart/templates/app.yaml:4  not rendered (template)
          a template: helm template demo/open/chart | ringfence
          scan -

    Next  ringfence explain RF-SEC-001
          ringfence scan demo/open -v
    exit 1, 6 controls, 0.04 s
    ");
}

/// The screen of `-v` for a few findings, cut into findings and coverage.
fn verbose() -> (String, String) {
    let style = Style { verbose: true, width: 80, ..Style::default() };
    let mut scan = testing::standard();
    scan.findings.retain(|finding| finding.severity == Severity::High);
    let text = testing::styled(&scan, Format::Text, &style);
    let (head, coverage) = text.split_once("What was looked at\n").unwrap();
    (head.split_once("high[").unwrap().1.to_owned(), coverage.to_owned())
}

#[test]
fn every_finding_with_its_code() {
    insta::assert_snapshot!(format!("high[{}", verbose().0), @r"
    high[RF-GPU-005]: web/checkout opens every GPU
      --> demo/open/web.yaml:31:18
       |
    29 |         env:
    30 |         - name: NVIDIA_VISIBLE_DEVICES
    31 |           value: all
       |                  ^^^
    32 |         ports: []
       |
      object   Deployment/web/checkout, container app
      seen     spec.template.spec.containers[app].env[NVIDIA_VISIBLE_DEVICES] = all
      why      A workload that asks for no GPU uses those of its neighbours, unseen
               by quota and scheduler.
      fix      remove the variable (safe)

    high[RF-GPU-005]: web/search opens every GPU
      at       demo/open/web.yaml:90:18
      object   Deployment/web/search, container app
      why      A workload that asks for no GPU uses those of its neighbours, unseen
               by quota and scheduler.
      fix      remove the variable (safe)

    unknown[RF-NET-001]: policies of namespace ml not known
      missing  no Namespace objects given

    error[RF-MOD-002]: index out of bounds
      why      the control stopped

    AI workloads, and how sure that is
      Deployment/web/checkout  high (other, 8 GPUs)
          sets NVIDIA_VISIBLE_DEVICES
    ");
}

#[test]
fn full_coverage() {
    insta::assert_snapshot!(verbose().1, @r"
      files      12 seen, 11 read
      documents  118 found, 114 read, 1 not readable, 1 not rendered, 2 empty,
                 coverage 98 %
      objects    Secret                  4
                 Deployment.apps        19  19 pod templates
                 RayCluster.ray.io       3  12 pod templates
      pods       19 in kinds of Kubernetes, 12 in known custom kinds
      no pods    Feast.feast.dev: 1 object, no pod template in it
      not given  Namespace objects

    Left out, by rule or by flag
      .git: not searched: version control

    Assumed
      every object of a namespace is in the set

    2 root causes, 1 unknown: no Namespace objects given
    RF-MOD-002   could not run: index out of bounds

    2 blind spots: not looked at, or only in part
      old.yaml:12  not readable as YAML or JSON
          a tab where indentation is expected: indent with spaces
      chart/templates/app.yaml:4  not rendered (template)
          a template: helm template demo/open/chart | ringfence scan -

    Next  ringfence explain RF-GPU-005
    exit 1, 6 controls, 0.04 s
    ");
}

#[test]
fn a_frame_in_unicode_points_at_wide_and_hidden_characters() {
    let mut scan = testing::standard();
    let finding = scan.findings.iter_mut().find(|finding| finding.snippet.is_some()).unwrap();
    let text = "  日本: \u{1b}[31m\u{9b}\u{202e}ä value\n";
    let start = text.find("value").unwrap();
    let snippet = ringfence_finding::Snippet { first_line: 31, text: text.to_owned(), start, end: start + 5 };
    finding.snippet = Some(snippet);
    let style = Style { verbose: true, unicode: true, width: 80, ..Style::default() };
    let text = testing::styled(&scan, Format::Text, &style);
    let frame: Vec<_> = text.lines().skip_while(|line| !line.starts_with("high[RF-GPU")).take(5).collect();
    insta::assert_snapshot!(frame.join("\n"), @r"
    high[RF-GPU-005]: web/checkout opens every GPU
       ╭▸ demo/open/web.yaml:31:16
       │
    31 │   日本: ?[31m·�ä value
       ╰╴                 ━━━━━
    ");
}

#[test]
fn several_missing_facts_and_many_blind_spots_are_counted() {
    let mut scan = testing::standard();
    let unknown = scan.findings.iter().find(|finding| finding.location.is_none()).unwrap().clone();
    scan.findings.retain(|finding| finding.severity == Severity::Medium);
    for fact in ["no Node objects given", "no Namespace objects given", "no Node objects given"] {
        scan.findings.push(ringfence_finding::Finding { why: fact.to_owned(), ..unknown.clone() });
    }
    let spot = scan.coverage.blind[0].clone();
    scan.coverage.blind.extend(vec![spot; 5]);
    let text = screen(&scan);
    insta::assert_snapshot!(text.split_once("\n1 root cause").unwrap().1, @r"
     (-v), 3 unknown:
      2   no Node objects given
      1   no Namespace objects given

    7 blind spots: not looked at, or only in part
      old.yaml:12  not readable as YAML or JSON
          a tab where indentation is expected: indent with spaces
      chart/templates/app.yaml:4  not rendered (template)
          a template: helm template demo/open/chart | ringfence scan -
      old.yaml:12  not readable as YAML or JSON
          a tab where indentation is expected: indent with spaces
      old.yaml:12  not readable as YAML or JSON
          a tab where indentation is expected: indent with spaces
      old.yaml:12  not readable as YAML or JSON
          a tab where indentation is expected: indent with spaces
      2 more (-v)

    Next  ringfence explain RF-DATA-008
          ringfence scan demo/open -v
    exit 1, 6 controls, 0.04 s
    ");
}

#[test]
fn quiet_is_one_line() {
    let style = Style { quiet: true, verbose: true, ..Style::default() };
    let lines = testing::all().map(|scan| testing::styled(&scan, Format::Text, &style));
    insta::assert_snapshot!(lines[..3].concat(), @r"
    THE DOOR IS OPEN   exposed $96/hour: 24 of 32 GPUs at $4.00 (prices of 2026-05-31); 6 root causes; 1 unknown; 1 error; 2 blind spots; narrowed by --exclude vendor/**; exit 1
    THE DOOR IS CLOSED   nothing fails; exit 0
    THE DOOR IS NOT PROVEN CLOSED   nothing to scan; 1 blind spot; exit 3
    ");
    assert!(lines.iter().all(|line| line.lines().count() == 1));
}

#[test]
fn colour_adds_nothing_but_colour() {
    for verbose in [false, true] {
        let style = Style { unicode: true, width: 80, verbose, ..Style::default() };
        let plain = testing::styled(&testing::standard(), Format::Text, &style);
        let colored = testing::styled(&testing::standard(), Format::Text, &Style { color: true, ..style });
        assert_ne!(plain, colored);
        assert_eq!(strip(&colored), plain);
    }
}

/// Without the sequences `ESC [ ... m`, and without blanks that only carried colour at the end of a line.
fn strip(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

#[test]
fn lines_stay_inside_the_screen() {
    for columns in [60, 72, 80, 120] {
        let style = Style { unicode: true, width: columns, ..Style::default() };
        for scan in &testing::all()[..3] {
            for line in testing::styled(scan, Format::Text, &style).lines() {
                assert!(width(line) <= columns, "{columns} columns: {line}");
            }
        }
    }
}
