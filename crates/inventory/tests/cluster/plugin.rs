//! Plugins that log in for the user. They are shell scripts, as people write them too.

use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use ringfence_inventory::cluster::Cluster;
use ringfence_inventory::cluster::ClusterError;

use crate::login::Folder;
use crate::server::Reply;
use crate::server::Server;
use crate::server::impatient;

fn plugin(folder: &Folder, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.0.join("plugin.sh");
    // Written by a process of its own: one that another test starts meanwhile would hold it open, and a file that is open for
    // writing is not run.
    let text = format!("#!/bin/sh\n{script}\n");
    let write = Command::new("sh").args(["-c", "printf %s \"$1\" > \"$0\""]).arg(&path).arg(text).status();
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
