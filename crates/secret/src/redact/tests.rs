//! Room `secret`, tests: what the redactor makes of each place where secrets are written.

mod properties;

use super::*;
use crate::synthetic;

fn mask(text: &str) -> String {
    Redactor::shared().mask_text(text).into_owned()
}

/// `S` stands for a secret in the input and for the mask in the output; nothing else may change.
#[track_caller]
fn masks_only_the_secret(template: &str) {
    for secret in ["pw1", "Tr0ub4dor&3", "aW5pdA/+9", "42424242"] {
        assert_eq!(mask(&template.replace('§', secret)), template.replace('§', MASK), "{secret}");
    }
}

/// `§` stands for a secret.
const VALUES_ON_ONE_LINE: &[&str] = &[
    "OPENAI_API_KEY=§",
    "password: §",
    "  - password: §",
    "\"password\": \"§\",",
    "'password': '§'",
    "{\"user\":\"bob\",\"password\":\"§\",\"port\":5432}",
    "{user: bob, password: §, port: 5432}",
    "{\\\"password\\\":\\\"§\\\",\\\"port\\\":1}",
    "vllm serve --api-key=§ --port 8000",
    "vllm serve --api-key § --port 8000",
    "vllm serve --api-key '§' --port 8000",
    "docker run -e HF_TOKEN=§ -e X=1 image",
    "args: [\"--api-key\", \"§\", \"--port\", \"1\"]",
    "args: [\"--api-key=§\", \"--port\", \"1\"]",
    "args: [--api-key, \"--port\"] # --token=§",
    "Authorization: Bearer §",
    "Authorization: Basic §",
    "curl -H 'Authorization: Bearer §' http://x/y",
    "curl -H \"X-Api-Key: §\" http://x/y",
    "curl -u admin:§ http://x",
    "export HF_TOKEN=§ && vllm serve",
    "export HF_TOKEN=\"§\"; vllm serve",
    "sh -c \"run; HF_TOKEN=§ vllm serve\"",
    "# password: §",
    "#password=§",
    "os.environ[\"HF_TOKEN\"] = \"§\"",
    "os.environ.setdefault(\"HF_TOKEN\", \"§\")",
    "{name: HF_TOKEN, value: §}",
    "- {name: HF_TOKEN, value: \"§\"}",
    "- {value: §, name: HF_TOKEN}",
    "[{\"name\":\"A\",\"value\":\"b\"},{\"value\":\"§\",\"name\":\"HF_TOKEN\"},{\"name\":\"C\",\"value\":\"d\"}]",
    "requirepass §",
    "machine h login bob password §",
    "<password>§</password>",
    "<property name=\"password\" value=\"§\"/>",
    "args: [--api-key, §, --port, 1]",
    "args: [ --api-key=§, --port ]",
    "{\"env\":[{\"name\":\"HF_TOKEN\",\"value\":\"§\"},{\"name\":\"A\",\"value\":\"b\"}]}",
    "x: \"{\\\"name\\\":\\\"HF_TOKEN\\\",\\\"value\\\":\\\"§\\\"}\"",
    "client = OpenAI(api_key=\"§\", base_url='x')",
    "ENV HF_TOKEN §",
    "Server=db;User=sa;Password=§;Encrypt=true",
    "GET /v1/x?token=§&page=2",
    "auth: {user: bob, key: §}",
    "stringData: {a: §, b: \"§\"}",
    "{\"kind\":\"Secret\",\"data\":{\"a\":\"§\"}}",
    "error: invalid value for `password: §`",
    "password = \"§\" # rotated",
];

#[test]
fn values_on_one_line() {
    for template in VALUES_ON_ONE_LINE {
        // A backtick closes nothing: what stands before it may be part of the value.
        let template = template.trim_end_matches('`');
        masks_only_the_secret(template);
    }
}

#[test]
fn a_value_on_the_line_after_its_switch() {
    for text in [
        "vllm serve m --api-key \\\n  hunter2 --port 1",
        "  --api-key \\\n  \"hunter2\" \\\n  --port 1",
        "  --port \\\n  1 --token \\\n  hunter2 \\\n  x",
    ] {
        let masked = mask(text);
        assert!(!masked.contains("hunter2"), "{masked}");
        assert_eq!(masked.lines().count(), text.lines().count());
        assert!(masked.contains("port"), "{masked}");
    }
    assert_eq!(mask("serve --port \\\n  80"), "serve --port \\\n  80");
}

#[test]
fn passwords_in_urls() {
    for template in [
        "postgres://bob:§@db:5432/x?sslmode=off",
        "url: \"redis://:§@redis:6379/0\"",
        "amqp://a:§@h1 amqp://b:§@h2",
        "git clone https://§XXXXXXXXXXXXXXXX@example.org/x",
    ] {
        for secret in ["pw1", "p@ss/w#rd", "p:w"] {
            let masked = mask(&template.replace('§', secret));
            assert_eq!(masked, template.replace("§XXXXXXXXXXXXXXXX", "§").replace('§', MASK), "{secret}");
            if template.starts_with("git") {
                break;
            }
        }
    }
    for text in [
        "http://host:80/path@x",
        "http://host/a:b@c",
        "oci://ghcr.io/org/image:v1@sha256:0123",
        "https://user@example.org/x",
        "postgres://bob:$(PGPASS)@db/x",
    ] {
        assert_eq!(mask(text), text);
    }
}

#[test]
fn values_with_blanks_quotes_and_commas() {
    for (text, masked) in [
        ("password: correct horse battery", "password: ‹masked›"),
        ("- DB_PASSWORD=correct horse", "- DB_PASSWORD=‹masked›"),
        ("DB_PASSWORD=correct horse", "DB_PASSWORD=‹masked›"),
        ("password = correct horse", "password = ‹masked›"),
        ("password: \"a \\\"b\\\" c\" # d", "password: \"‹masked›\" # d"),
        ("password: 'it''s, ok'", "password: '‹masked›'"),
        ("{password: a,b, user: c}", "{password: ‹masked›, user: c}"),
        ("--token \"a b\"c d", "--token ‹masked› d"),
        ("password: &pw hunter2", "password: ‹masked›"),
        ("password: [hunter2", "password: [‹masked›"),
        ("password: [hunter]2", "password: ‹masked›"),
        ("log: bad password: it's, x y", "log: bad password: ‹masked›"),
        ("token: \"unclosed a b", "token: \"‹masked›"),
        ("password: true story", "password: ‹masked›"),
        ("password: pässwörd é", "password: ‹masked›"),
        ("password: abc\r\nuser: bob\r\n", "password: ‹masked›\r\nuser: bob\r\n"),
    ] {
        assert_eq!(mask(text), masked);
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "automountServiceAccountToken: false",
        "secretName: hf-token",
        "  secret: {secretName: hf-token, optional: true}",
        "- secret:\n    secretName: hf-token\n    items:\n    - key: token\n      path: hf/token\n- name: x",
        "- name: HF_TOKEN\n  valueFrom:\n    secretKeyRef:\n      name: hf\n      key: token\n- name: A\n  value: b",
        "- name: HF_TOKEN\n  value: $(OTHER)\n- name: A\n  value: b",
        "token: ${HF_TOKEN}",
        "token: \"{{ .Values.token }}\"",
        "password: \"\" # set later",
        "password: null",
        "imagePullSecrets:\n- name: regcred",
        "resources: [\"secrets\", \"pods\"]\nverbs: [get]",
        "args: [--max-num-batched-tokens, \"8192\", --tokenizer, x]",
        "--use-auth --port 80",
        "image: org/auth:v1.2",
        "the token is read from a file",
        "apiVersion: rbac.authorization.k8s.io/v1",
        "serviceAccountToken:\n  audience: vault\n  expirationSeconds: 600\n  path: token",
        "kind: ConfigMap\ndata:\n  model: llama",
        "auth:\n  mode: oidc\n  enabled: true\n  existingSecret: pg\n  username: bob",
        "- secretKey: OPENAI_API_KEY\n  remoteRef:\n    key: prod/openai\n    property: key",
        "from huggingface_hub import hf_hub_download",
        "docker run --user 1000:1000 x",
        "env:\n- name: A\n  value: b\n- name: PASSWORD_FILE\n  value: /x",
        "password: op://vault/item/field",
    ] {
        assert!(matches!(Redactor::shared().mask_text(text), Cow::Borrowed(_)), "{}", mask(text));
    }
}

#[test]
fn values_on_other_lines_than_their_names() {
    for (text, masked) in [
        (
            "- name: HF_TOKEN\n  value: \"abc\"\n- name: A\n  value: b",
            "- name: HF_TOKEN\n  value: \"‹masked›\"\n- name: A\n  value: b",
        ),
        (
            "- name: A\n  value: b\n- value: abc\n  name: HF_TOKEN",
            "- name: A\n  value: b\n- value: ‹masked›\n  name: HF_TOKEN",
        ),
        ("  value: abc\n  name: HF_TOKEN", "  value: ‹masked›\n  name: HF_TOKEN"),
        ("# - name: HF_TOKEN\n#   value: abc", "# - name: HF_TOKEN\n#   value: ‹masked›"),
        (
            "{\n  \"name\": \"HF_TOKEN\",\n  \"value\": \"abc\"\n}",
            "{\n  \"name\": \"HF_TOKEN\",\n  \"value\": \"‹masked›\"\n}",
        ),
        (
            "[{ \"name\": \"HF_TOKEN\",\n  \"value\": \"abc\"}]",
            "[{ \"name\": \"HF_TOKEN\",\n  \"value\": \"‹masked›\"}]",
        ),
        (
            "- name: HF_TOKEN\n  value: |\n    abc\n    def\n- name: A",
            "- name: HF_TOKEN\n  value: |\n    ‹masked›\n    ‹masked›\n- name: A",
        ),
        ("- name: Authorization\n  value: Bearer abc", "- name: Authorization\n  value: Bearer ‹masked›"),
        ("password: |-\n  abc: d\n\n  e\nuser: bob", "password: |-\n  ‹masked›\n\n  ‹masked›\nuser: bob"),
        ("password: abc\n  def\nuser: bob", "password: ‹masked›\n  ‹masked›\nuser: bob"),
        ("password: \"abc\n  def\"\nuser: bob", "password: \"‹masked›\n  ‹masked›\nuser: bob"),
        ("tokens:\n- abc\n- def # x\nuser: bob", "tokens:\n- ‹masked›\n- ‹masked›\nuser: bob"),
        (
            "\"tokens\": [\n  \"abc\",\n  \"def\"\n],\n\"user\": 1",
            "\"tokens\": [\n  \"‹masked›\",\n  \"‹masked›\"\n],\n\"user\": 1",
        ),
        (
            "credentials:\n  minio: abc\n  deep:\n    er: def\nuser: bob",
            "credentials:\n  minio: ‹masked›\n  deep:\n    er: ‹masked›\nuser: bob",
        ),
        (
            "stringData:\n# note\n  name: abc\n  b: |\n    c\n    d\nkind: Secret",
            "stringData:\n# note\n  name: ‹masked›\n  b: |\n    ‹masked›\n    ‹masked›\nkind: Secret",
        ),
        (
            "data:\n  a: YWJj\n---\nkind: ConfigMap\ndata:\n  a: b",
            "data:\n  a: YWJj\n---\nkind: ConfigMap\ndata:\n  a: b",
        ),
        (
            "kind: Secret\ndata:\n  a: YWJj\n---\nkind: ConfigMap\ndata:\n  a: b",
            "kind: Secret\ndata:\n  a: ‹masked›\n---\nkind: ConfigMap\ndata:\n  a: b",
        ),
        (
            "\"data\": {\n  \"a\": \"YWJj\"\n},\n\"kind\": \"Secret\"",
            "\"data\": {\n  \"a\": \"‹masked›\"\n},\n\"kind\": \"Secret\"",
        ),
        (
            "secretKey: abc\naccessKey: $(ID)\n- secretKey: a",
            "secretKey: ‹masked›\naccessKey: $(ID)\n- secretKey: a",
        ),
        ("- name: DB_PASSWORD\n# why\n  value: abc", "- name: DB_PASSWORD\n# why\n  value: ‹masked›"),
        ("args:\n- --api-key\n- abc\n- --port\n- \"1\"", "args:\n- --api-key\n- ‹masked›\n- --port\n- \"1\""),
        ("[\n  \"--api-key\",\n  \"abc\",\n  \"x\"\n]", "[\n  \"--api-key\",\n  \"‹masked›\",\n  \"x\"\n]"),
    ] {
        assert_eq!(mask(text), masked);
    }
}

#[test]
fn private_keys_keep_their_header() {
    // Assembled, so that no scanner of repositories stumbles over this file.
    let (begin, end) = (format!("-----BEGIN RSA {} KEY-----", "PRIVATE"), "-----END RSA KEY-----");
    assert_eq!(
        mask(&format!("a: b\nca: |\n  {begin}\n  MIIEabc\n  q8Zx==\n  {end}\nc: d")),
        format!("a: b\nca: |\n  {begin}\n  ‹masked›\n  ‹masked›\n  {end}\nc: d")
    );
    assert_eq!(mask(&format!("x: \"{begin}\\nMIIE\\n{end}\"")), format!("x: \"{begin}‹masked›{end}\""));
    assert_eq!(mask(&format!("  {begin}\n  MIIE\nnext: 1")), format!("  {begin}\n  ‹masked›\nnext: 1"));
    let public = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----";
    assert_eq!(mask(public), public);
}

#[test]
fn keys_are_shown_by_their_ends() {
    let key = synthetic::key("openai-project", 2).unwrap();
    let shown = Engine::shared().scan(key.as_bytes()).remove(0).shown.to_string();
    for template in [
        "found § here",
        "OPENAI_API_KEY=§",
        "api_key: \"§\" # x",
        "Authorization: Bearer §",
        "--api-key § --port 1",
    ] {
        assert_eq!(mask(&template.replace('§', &key)), template.replace('§', &shown));
    }
    // A piece of a key is none, but is masked all the same.
    assert_eq!(mask(&format!("x {} y", &key[..60])), "x ‹masked› y");
}

#[test]
fn a_caret_range_follows_the_masked_text() {
    let text = "  password: hunter2 # x\n  user: bob";
    let at = |part: &str| text.find(part).map(|start| start..start + part.len()).unwrap();
    let of = |range: Range<usize>| {
        let (masked, range) = Redactor::shared().mask_with_range(text, range);
        masked[range].to_owned()
    };
    assert_eq!(of(at("bob")), "bob");
    assert_eq!(of(at("password")), "password");
    assert_eq!(of(at("unter")), MASK);
    assert_eq!(of(at("password: hunter2")), "password: ‹masked›");
    assert_eq!(of(7000..9000), "");
}

#[test]
fn takes_linear_time_on_hostile_text() {
    for unit in [
        "token:",
        "\"token\":\"",
        "{",
        "password: |\n ",
        "'",
        "\\\"",
        "T3BlbkFJ",
        "://a:",
        "name: token\n",
        "--token ",
        "$(",
        "token=${",
        "-----BEGIN PRIVATE KEY-----",
        "hf_",
        "{{",
        "kind: Secret data: {",
        "token: {",
        "name:",
        "value:",
        "://a@",
        "- ",
    ] {
        let clock = std::time::Instant::now();
        mask(&unit.repeat(40_000 / unit.len()));
        assert!(clock.elapsed().as_secs() < 10, "{unit}");
    }
    // Lines of which each byte was looked at for each word, each value, each bracket.
    for (head, unit) in [
        ("-u=/", "-u=/"),
        ("", "Bearer/"),
        ("token=", "…"),
        ("", "://x/@"),
        ("", "password x "),
        ("[", "--token, [x]x: "),
        (&" ".repeat(200_000), "a b "),
        (&"[".repeat(200_000), " "),
    ] {
        let clock = std::time::Instant::now();
        mask(&format!("{head}{}", unit.repeat(200_000 / unit.len())));
        assert!(clock.elapsed().as_secs() < 30, "{unit}");
    }
}

#[test]
fn a_line_of_values_in_values_loses_its_rest() {
    let line = format!("a: b {} password: hunter2", "-u=/".repeat(4000));
    let masked = mask(&line);
    assert!(
        masked.starts_with("a: b -u=/") && masked.ends_with(MASK) && !masked.contains("hunter2"),
        "{masked}"
    );
    assert_eq!(mask(&masked), masked);
}

fn mark(text: &str) -> String {
    Redactor::shared().mark_text(text).into_owned()
}

/// What a search finds, without the places.
fn keys(text: &str) -> Vec<(&'static str, crate::Redacted, crate::SecretTag)> {
    let hits = Engine::shared().scan(text.as_bytes()).into_iter();
    hits.map(|hit| (hit.detector, hit.shown, hit.tag)).collect()
}

#[test]
fn marked_values_on_one_line_are_found_and_shown_as_before() {
    let key = synthetic::key("huggingface", 3).unwrap();
    for template in VALUES_ON_ONE_LINE {
        for secret in ["pw1", &key, &format!("x{key}"), &format!("a {key}, b")] {
            let text = template.replace('§', secret);
            let marked = mark(&text);
            assert!(!marked.contains(&key), "{marked}");
            assert_eq!(keys(&marked), keys(&text), "{text}\n{marked}");
            assert_eq!(mask(&marked), mask(&text), "{marked}");
        }
    }
}
