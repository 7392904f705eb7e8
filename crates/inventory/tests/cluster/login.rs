//! Who asks, and which cluster: kubeconfig files by the rules of `kubectl`, tokens, plugins, the pod's own account.

use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use ringfence_inventory::cluster::Access;
use ringfence_inventory::cluster::Cluster;
use ringfence_inventory::cluster::ClusterError;
use ringfence_inventory::cluster::Env;

use crate::server::Reply;
use crate::server::Server;
use crate::server::impatient;

/// A folder of files that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("ringfence-login-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            std::fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
            std::fs::write(folder.join(file), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn access(env: &[(&str, &str)]) -> Access {
    let path = std::env::var("PATH").unwrap();
    Access::new(Env::of(env.iter().copied().chain([("PATH", path.as_str())])), str::to_owned)
}

fn words(access: &Access) -> String {
    let error = Cluster::find(access).unwrap_err();
    assert!(matches!(error, ClusterError::Config(_) | ClusterError::Nowhere), "{error:?}");
    error.to_string()
}

const FIRST: &str = "
apiVersion: v1
kind: Config
current-context: prod
clusters:
- {name: prod, cluster: {server: 'https://user:hunter2@prod.example:6443/k8s/clusters/c-1/'}}
contexts:
- {name: prod, context: {cluster: prod, user: admin, namespace: team}}
- {name: staging, context: {cluster: staging, user: admin}}
users:
- {name: admin, user: {token: first}}
";
const SECOND: &str = "
apiVersion: v1
kind: Config
current-context: staging
clusters:
- {name: prod, cluster: {server: 'https://other.example'}}
- {name: staging, cluster: {server: 'staging.example:8080'}}
users:
- {name: admin, user: {token: second}}
- {name: robot, user: {}}
";

#[test]
fn files_are_merged_and_the_first_that_says_a_thing_wins() {
    let folder = Folder::new("merge", &[("one", FIRST), ("two", SECOND)]);
    let list = format!("{}:{}::{}", folder.path("one"), folder.path("not-there"), folder.path("two"));
    let mut access = access(&[("KUBECONFIG", &list)]);
    let cluster = Cluster::find(&access).unwrap();
    assert_eq!(cluster.context(), Some("prod"));
    assert_eq!(cluster.namespace(), "team");
    assert_eq!(cluster.server(), "https://prod.example:6443/k8s/clusters/c-1", "without its login");
    access.context = Some("staging".to_owned());
    let cluster = Cluster::find(&access).unwrap();
    assert_eq!((cluster.server().as_str(), cluster.namespace()), ("http://staging.example:8080", "default"));
    access.cluster = Some("prod".to_owned());
    assert_eq!(Cluster::find(&access).unwrap().server(), "https://prod.example:6443/k8s/clusters/c-1");
    access.server = Some("https://elsewhere:1".to_owned());
    assert_eq!(Cluster::find(&access).unwrap().server(), "https://elsewhere:1");
}

#[test]
fn the_default_file_is_in_the_home_folder_and_a_flag_goes_before_everything() {
    let folder = Folder::new(
        "home",
        &[
            (".kube/config", FIRST),
            (
                "other",
                &SECOND.replace(
                    "staging\nclusters",
                    "s\ncontexts: [{name: s, context: {cluster: staging, user: robot}}]\nclusters",
                ),
            ),
        ],
    );
    let home = folder.0.display().to_string();
    let mut access = access(&[("HOME", &home)]);
    assert_eq!(Cluster::find(&access).unwrap().context(), Some("prod"));
    access.kubeconfig = Some(folder.0.join("other"));
    assert_eq!(Cluster::find(&access).unwrap().context(), Some("s"));
}

#[test]
fn a_name_that_is_not_there_is_told_with_the_nearest_and_all() {
    let folder = Folder::new("names", &[("one", FIRST), ("two", SECOND)]);
    let one = folder.path("one");
    let mut access = access(&[("KUBECONFIG", &one)]);
    access.context = Some("prd".to_owned());
    assert_eq!(
        words(&access),
        format!("{one}: no context `prd`, did you mean prod?; known are prod, staging")
    );
    access.context = Some("staging".to_owned());
    assert_eq!(words(&access), format!("context staging of {one}: no cluster `staging`; known are prod"));
    access.context = None;
    access.user = Some("admn".to_owned());
    assert_eq!(
        words(&access),
        format!("context prod of {one}: no user `admn`, did you mean admin?; known are admin")
    );
    access.user = None;
    access.kubeconfig = Some(folder.0.join("two"));
    access.context = Some("staging".to_owned());
    assert!(words(&access).ends_with("no context `staging`; there is none"), "{}", words(&access));
}

#[test]
fn what_cannot_be_read_is_told_with_its_file_and_never_with_its_secrets() {
    let touched = std::env::temp_dir().join(format!("ringfence-login-{}-touched", std::process::id()));
    let gcp = format!(
        "{{auth-provider: {{name: gcp, config: {{cmd-path: touch, cmd-args: '{}'}}}}}}",
        touched.display()
    );
    let folder = Folder::new(
        "broken",
        &[
            ("yaml", "clusters: [\n"),
            (
                "scheme",
                &FIRST.replace(
                    "https://user:hunter2@prod.example:6443/k8s/clusters/c-1/",
                    "ftp://user:hunter2@x",
                ),
            ),
            ("none", &FIRST.replace("current-context: prod", "current-context: ''")),
            ("ca", &FIRST.replace("clusters/c-1/'", "clusters/c-1/', certificate-authority: not-there.crt")),
            ("data", &FIRST.replace("clusters/c-1/'", "clusters/c-1/', certificate-authority-data: '%%%'")),
            ("pem", &FIRST.replace("clusters/c-1/'", "clusters/c-1/', certificate-authority-data: aGVsbG8=")),
            ("half", &FIRST.replace("{token: first}", "{client-certificate-data: aGVsbG8=}")),
            ("proxy", &FIRST.replace("clusters/c-1/'", "clusters/c-1/', proxy-url: 'ftp://user:hunter2@x'")),
            ("gcp", &FIRST.replace("{token: first}", &gcp)),
            (
                "oidc",
                &FIRST.replace(
                    "{token: first}",
                    "{auth-provider: {name: oidc, config: {client-secret: hunter2}}}",
                ),
            ),
        ],
    );
    for (file, expected) in [
        ("missing", "No such file"),
        ("yaml", "not a kubeconfig"),
        ("scheme", "not a URL that starts with https:// or http://"),
        ("none", "names no current context; choose one with --context: prod, staging"),
        ("ca", "certificate-authority"),
        ("data", "certificate-authority-data is not base64"),
        ("pem", "certificate-authority-data holds no PEM certificate"),
        ("half", "a client-certificate and no client-key"),
        ("proxy", "a proxy is http, https or socks5"),
        ("gcp", "gone from kubectl since 1.26"),
        ("oidc", "holds no id-token"),
    ] {
        let mut access = access(&[]);
        access.kubeconfig = Some(folder.0.join(file));
        let words = words(&access);
        assert!(words.contains(expected), "{file}: {words}");
        assert!(words.contains(&folder.path(file)), "{file}: {words}");
        assert!(!words.contains("hunter2"), "{words}");
    }
    assert!(!touched.try_exists().unwrap(), "a command of an old auth-provider never runs");
}

#[test]
fn without_any_kubeconfig_the_pods_own_account_is_used() {
    assert!(words(&access(&[])).starts_with("no cluster to look at"));
    let server = Server::start(|_| None);
    let folder = Folder::new("pod", &[("token", "t0ken\n"), ("namespace", "team"), ("ca.crt", CERTIFICATE)]);
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let mut access = access(&[("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", &port)]);
    access.service_account.clone_from(&folder.0);
    let cluster = Cluster::find(&access).unwrap();
    assert_eq!(cluster.server(), format!("https://127.0.0.1:{port}"));
    assert_eq!((cluster.context(), cluster.namespace()), (None, "team"));
    // This one speaks no TLS.
    let error = cluster.read(&impatient()).unwrap_err();
    assert!(matches!(error, ClusterError::Unexpected(_)), "{error:?}");
    assert!(error.to_string().contains("no TLS at this address"), "{error}");
    std::fs::remove_file(folder.0.join("token")).unwrap();
    assert!(words(&access).contains("token"), "{}", words(&access));
}

#[test]
fn nobody_at_the_address_is_told_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for (server, expected) in [
        (format!("http://127.0.0.1:{port}"), "connection refused"),
        ("https://no-such-host.invalid".to_owned(), "does not resolve"),
    ] {
        let mut access = access(&[]);
        access.server = Some(server.clone());
        let start = Instant::now();
        let error = Cluster::find(&access).unwrap().read(&impatient()).unwrap_err();
        assert!(matches!(error, ClusterError::Unreachable(_)), "{error:?}");
        assert!(error.to_string().starts_with(&server) && error.to_string().contains(expected), "{error}");
        assert!(start.elapsed() < Duration::from_secs(15));
    }
}

#[test]
fn tokens_and_impersonation_are_sent_with_every_request() {
    let server = Server::start(|_| None);
    let folder = Folder::new("token", &[("token", "from-file\n")]);
    for (user, expected) in [
        ("{token: direct}".to_owned(), "Bearer direct"),
        (format!("{{tokenFile: '{}'}}", folder.path("token")), "Bearer from-file"),
        ("{auth-provider: {name: oidc, config: {id-token: id}}}".to_owned(), "Bearer id"),
    ] {
        let mut access = server.access_with(&user);
        access.impersonate = Some("jane".to_owned());
        access.impersonate_groups = vec!["ml".to_owned()];
        let before = server.asked().len();
        Cluster::find(&access).unwrap().read(&impatient()).unwrap();
        let asked = server.asked().split_off(before);
        assert!(asked.len() > 5);
        for one in asked {
            assert_eq!(one.headers["authorization"], expected);
            assert_eq!(
                (&*one.headers["impersonate-user"], &*one.headers["impersonate-group"]),
                ("jane", "ml")
            );
        }
    }
}

#[test]
fn a_login_that_is_not_accepted_is_told_with_its_cure() {
    let server = Server::start(|_| {
        Some(Reply::Status(
            401,
            Vec::new(),
            r#"{"kind":"Status","message":"Unauthorized","code":401}"#.to_owned(),
        ))
    });
    for (user, expected) in [("{token: old}", "the token has ended"), ("{}", "gives no credential")] {
        let error = Cluster::find(&server.access_with(user)).unwrap().read(&impatient()).unwrap_err();
        assert!(matches!(error, ClusterError::Unauthorized(_)), "{error:?}");
        let words = error.to_string();
        assert!(
            words.contains("(401)") && words.contains(expected) && words.contains("context test"),
            "{words}"
        );
    }
}

// From here on: plugins. They are shell scripts, as people write them too.

fn plugin(folder: &Folder, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.0.join("plugin.sh");
    // Written by a process of its own: one that another test starts meanwhile would hold it open, and a file that is open for
    // writing is not run.
    let text = format!("#!/bin/sh\n{script}\n");
    let write = std::process::Command::new("sh")
        .args(["-c", "printf %s \"$1\" > \"$0\""])
        .arg(&path)
        .arg(text)
        .status();
    assert!(write.unwrap().success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn exec(command: &str, more: &str) -> String {
    format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: '{command}', interactiveMode: Never{more}}}}}"
    )
}

const TOKEN: &str = r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"fresh"}}'"#;

#[test]
fn a_plugin_gives_a_token_and_is_told_what_the_kubeconfig_says() {
    let server = Server::start(|_| None);
    let folder = Folder::new("plugin", &[]);
    let script = format!(
        "printf '%s|%s|%s' \"$1\" \"$EXTRA\" \"$KUBERNETES_EXEC_INFO\" > '{}'\n{TOKEN}",
        folder.path("told")
    );
    let command = plugin(&folder, &script);
    let user = exec(&command, ", args: ['a b'], env: [{name: EXTRA, value: more}], provideClusterInfo: true");
    Cluster::find(&server.access_with(&user)).unwrap().read(&impatient()).unwrap();
    assert!(server.asked().iter().all(|asked| asked.headers["authorization"] == "Bearer fresh"));
    let told = std::fs::read_to_string(folder.0.join("told")).unwrap();
    let (argument, rest) = told.split_once('|').unwrap();
    let (extra, info) = rest.split_once('|').unwrap();
    assert_eq!((argument, extra), ("a b", "more"));
    let info: serde_json::Value = serde_json::from_str(info).unwrap();
    assert_eq!(info["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(info["kind"], "ExecCredential");
    assert_eq!(info["spec"]["interactive"], false);
    assert_eq!(info["spec"]["cluster"]["server"], server.url);
}

#[test]
fn a_token_that_ends_in_the_middle_is_renewed_once() {
    let folder = Folder::new("renew", &[]);
    let script = format!(
        "n=$(cat '{0}' 2>/dev/null || echo 0); n=$((n+1)); echo $n > '{0}'\necho \"{{\\\"apiVersion\\\":\\\"client.authentication.k8s.io/v1\\\",\\\"kind\\\":\\\"ExecCredential\\\",\\\"status\\\":{{\\\"token\\\":\\\"t$n\\\"}}}}\"",
        folder.path("count")
    );
    let command = plugin(&folder, &script);
    let server = Server::start(|asked| {
        let is_old = asked.headers["authorization"] == "Bearer t1" && asked.path.ends_with("pods");
        is_old.then(|| Reply::Status(401, Vec::new(), String::new()))
    });
    let snapshot =
        Cluster::find(&server.access_with(&exec(&command, ""))).unwrap().read(&impatient()).unwrap();
    assert!(snapshot.lists.iter().all(|listed| listed.gap.is_none()), "{:?}", snapshot.lists);
    assert_eq!(std::fs::read_to_string(folder.0.join("count")).unwrap().trim(), "2");
    // One that is never accepted ends the scan.
    let server = Server::start(|_| Some(Reply::Status(401, Vec::new(), String::new())));
    let error =
        Cluster::find(&server.access_with(&exec(&command, ""))).unwrap().read(&impatient()).unwrap_err();
    assert!(error.to_string().contains("a second one neither"), "{error}");
}

fn refused(script: &str, more: &str, limit: Duration, name: &str) -> String {
    let server = Server::start(|_| None);
    let folder = Folder::new(name, &[]);
    let command = plugin(&folder, script);
    let mut access = server.access_with(&exec(&command, more));
    access.exec_timeout = Some(limit);
    access.mask = |text| text.replace("hunter2", "***");
    let start = Instant::now();
    let error = Cluster::find(&access).unwrap().read(&impatient()).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(matches!(error, ClusterError::Plugin(_)), "{error:?}");
    assert!(server.asked().is_empty(), "nothing is sent without a credential");
    error.to_string()
}

#[test]
fn a_plugin_that_fails_hangs_floods_or_lies_is_an_error_that_says_so() {
    let long = Duration::from_secs(10);
    let failed = refused("echo 'login first, hunter2' >&2; exit 7", "", long, "fails");
    assert!(failed.contains("failed (exit status: 7): login first, ***; run it by hand"), "{failed}");
    assert!(failed.contains("context test") && failed.contains("plugin.sh"), "{failed}");
    let late = refused("echo waiting >&2; sleep 60", "", Duration::from_millis(300), "hangs");
    assert!(late.contains("was stopped: waiting"), "{late}");
    let flood = refused("yes x", "", long, "floods");
    assert!(flood.contains("more than 1 MiB"), "{flood}");
    for (script, expected) in [
        ("echo hello", "no ExecCredential"),
        ("true", "no ExecCredential"),
        (
            r#"echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}'"#,
            "holds no status",
        ),
        (
            r#"echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}}'"#,
            "neither a token nor",
        ),
        (
            r#"echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientKeyData":"x"}}'"#,
            "half of a client certificate",
        ),
        (
            r#"echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"x"}}'"#,
            "apiVersion",
        ),
        ("printf '\\377\\376'", "not UTF-8"),
    ] {
        let words = refused(script, "", long, "lies");
        assert!(words.contains(expected), "{script}: {words}");
    }
}

#[test]
fn a_child_that_a_plugin_leaves_behind_is_stopped_with_it() {
    let folder = Folder::new("left", &[]);
    let pid = folder.path("pid");
    let script = format!("sleep 300 &\necho $! > '{pid}'\nwait");
    let late = refused(&script, "", Duration::from_millis(500), "leaves");
    assert!(late.contains("was stopped"), "{late}");
    let pid: u32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let is_running =
        || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while is_running() {
        assert!(Instant::now() < end, "the child of the plugin is still there");
        std::thread::yield_now();
    }
}

#[test]
fn a_plugin_that_ends_while_its_child_holds_the_pipe_is_not_waited_for() {
    let server = Server::start(|_| None);
    let folder = Folder::new("pipe", &[]);
    let command = plugin(&folder, &format!("sleep 20 &\n{TOKEN}"));
    let start = Instant::now();
    Cluster::find(&server.access_with(&exec(&command, ""))).unwrap().read(&impatient()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn a_plugin_that_is_not_there_is_told_with_its_hint() {
    let server = Server::start(|_| None);
    let user = exec("no-such-plugin-of-ours", ", installHint: 'get it at example.com'");
    let error =
        Cluster::find(&server.access_with(&user)).unwrap().read(&impatient()).unwrap_err().to_string();
    assert!(error.contains("no-such-plugin-of-ours") && error.contains("get it at example.com"), "{error}");
    let always = exec("x", "").replace("interactiveMode: Never", "interactiveMode: Always");
    let error =
        Cluster::find(&server.access_with(&always)).unwrap().read(&impatient()).unwrap_err().to_string();
    assert!(error.contains("standard input is no terminal"), "{error}");
    let old = exec("x", "").replace("k8s.io/v1,", "k8s.io/v1alpha1,");
    let error = Cluster::find(&server.access_with(&old)).unwrap().read(&impatient()).unwrap_err().to_string();
    assert!(error.contains("v1alpha1"), "{error}");
}

/// A self-signed authority, valid until 2126; its key is nowhere.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIUUYa0oRWXwCDm5NX0L4CBr5LSFWowCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOcmluZ2ZlbmNlLXRlc3QwIBcNMjYxMTI1MDMzNzA0WhgPMjEy
NjExMDEwMzM3MDRaMBkxFzAVBgNVBAMMDnJpbmdmZW5jZS10ZXN0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEe7Qq9sR2YUWwPthhVZyHP8IjZzFxPsboJWeiiVUt
ZcDpyrI577tVMInB76IsAS2IRmdtMu4nQS4YbbzTrt3XSqNTMFEwHQYDVR0OBBYE
FMEPKdpQ9bLYXTqtqj8UCBVPTRX8MB8GA1UdIwQYMBaAFMEPKdpQ9bLYXTqtqj8U
CBVPTRX8MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhALxlYFVr
GUwcyK42fCKZ4swJpnd0KJZXSmgxGX7JUifYAiBatLrSJQpdXQQce4b/9pMHhRNT
RJlvq7ngnTJZJNtY+g==
-----END CERTIFICATE-----
";
