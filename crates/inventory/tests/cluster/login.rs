//! Who asks, and which cluster: kubeconfig files by the rules of `kubectl`, tokens, the pod's own account.

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
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("ringfence-login-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            std::fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
            std::fs::write(folder.join(file), text).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self, file: &str) -> String {
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
