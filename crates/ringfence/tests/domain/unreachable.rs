//! Tests: a cluster that does not answer: which one, why, and what to do, said once.

use std::io::BufRead as _;
use std::io::BufReader;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use crate::offline::example;
use crate::support;
use crate::support::Folder;

/// A kubeconfig of a cluster that is not there.
fn nowhere(folder: &Folder) -> String {
    // A port that was free a moment ago: nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("http://127.0.0.1:{port}");
    let clusters = format!("clusters: [{{name: gone, cluster: {{server: \"{server}\"}}}}]");
    let contexts = "contexts: [{name: gone, context: {cluster: gone, user: me}}]";
    let users = "users: [{name: me, user: {}}]";
    folder.write(
        "kubeconfig",
        format!("apiVersion: v1\nkind: Config\ncurrent-context: gone\n{clusters}\n{contexts}\n{users}\n"),
    )
}

#[test]
fn a_cluster_that_does_not_answer_is_named_with_cause_and_cure() {
    let folder = Folder::new("nowhere");
    let (kubeconfig, file) = (nowhere(&folder), example());
    for arguments in [
        &["plan", "-f", "-"][..],
        &["init", "ml", "-n", "ml"],
        &["simulate", "-f", "-"],
        &["apply", "-f", "-"],
        &["status"],
        &["diff"],
        &["delete", "ml"],
    ] {
        let arguments = [&["domain"], arguments, &["--kubeconfig", &kubeconfig]].concat();
        let ran = support::run_with(&arguments, file.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{arguments:?} {ran:#?}");
        for part in ["http://127.0.0.1:", "context gone", "connection refused", "is the cluster up"] {
            assert!(ran.err.contains(part), "{arguments:?}: no `{part}` in {}", ran.err);
        }
        assert!(!ran.err.contains("ServiceError"), "{}", ran.err);
    }
}

/// It waits for its cluster, says once what is the matter, and does not flood a log meanwhile.
#[test]
fn a_controller_without_its_cluster_says_so_once() {
    let folder = Folder::new("controller-nowhere");
    let kubeconfig = nowhere(&folder);
    let arguments = ["serve", "controller", "--listen", "127.0.0.1:0", "--kubeconfig", &kubeconfig];
    let mut child = support::command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap());
    let (sender, said) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        lines.lines().map_while(Result::ok).for_each(|it| drop(sender.send(it)));
    });
    let mut heard = Vec::new();
    // Each of its watches fails several times in this while; it is the time in which nothing more may be said.
    let end = Instant::now() + Duration::from_secs(6);
    while let Ok(line) = said.recv_timeout(end.saturating_duration_since(Instant::now())) {
        heard.push(line);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    let of = |what: &str| heard.iter().filter(|it| it.contains(what)).count();
    assert_eq!((of("who the controller is: "), of("lease ")), (1, 1), "{heard:#?}");
    assert_eq!(of("connection refused: nothing listens at this address"), 2, "{heard:#?}");
    assert_eq!(heard.len(), 3, "{heard:#?}");
}
