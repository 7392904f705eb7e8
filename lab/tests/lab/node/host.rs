//! The host after a lab: no process, namespace, mount, cgroup, file, rule or sysctl of it is left, whether it was
//! ended or killed; and a neighbour goes on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use ringfence_lab::need;
use ringfence_lab::until;

use crate::place::PATIENCE;
use crate::place::Place;
use crate::place::has_ended;
use crate::place::kill;
use crate::place::name;
use crate::place::recorded;
use crate::place::text;

/// How long a machine may take to be clean after everything that looked after a lab was killed.
const CLEAN: Duration = Duration::from_secs(30);

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: main
      image: lab.local/labtool:1
      imagePullPolicy: Never
      args: [serve, '443', web]
";

#[test]
#[ignore = "needs lab tier 2: namespaces, mounts and cgroups of a real node"]
fn a_node_that_ended_leaves_nothing() {
    need!(Node, own);
    let place = Place::new();
    let before = Picture::take(None, &place);
    let times = std::env::var("RINGFENCE_LAB_TIMES").map_or(2, |times| times.parse().unwrap());
    for time in 1..=times {
        let home = up(&place);
        run_a_pod(&home);
        // The same eyes see it while it is there.
        let during = Picture::take(Some(&home), &place).beyond(&before);
        for kind in ["cgroup", "file", "mount", "process"] {
            assert!(during.iter().any(|line| line.starts_with(kind)), "no {kind} in {during:#?}");
        }
        place.run(&["down", &name(&home)]);
        let left = Picture::take(Some(&home), &place).beyond(&before);
        assert!(left.is_empty(), "time {time}: {left:#?}");
    }
}

#[test]
#[ignore = "needs lab tier 2: namespaces, mounts and cgroups of a real node"]
fn a_node_that_was_killed_at_any_time_leaves_nothing_that_sweep_does_not_find() {
    need!(Node, own);
    let place = Place::new();
    let neighbour = up(&place);
    run_a_pod(&neighbour);
    let before = Picture::take(None, &place);
    for moment in ["kube-apiserver", "mounts", "containerd", "kubelet", "enforcer", "ready", "stop"] {
        let home = killed_at(&place, moment);
        let begin = Instant::now();
        place.run(&["sweep"]);
        let left = Picture::take(Some(&home), &place).beyond(&before);
        assert!(left.is_empty() && begin.elapsed() < CLEAN, "{moment}, {:?}: {left:#?}", begin.elapsed());
    }
    kubectl(&neighbour, &["exec", "web", "--", "/bin/labtool", "check", "127.0.0.1", "443"]);
    place.run(&["down", &name(&neighbour)]);
}

fn up(place: &Place) -> PathBuf {
    let known = place.homes();
    place.run(&["up", "--tier", "2"]);
    place.homes().into_iter().find(|home| !known.contains(home)).unwrap()
}

fn run_a_pod(home: &Path) {
    let manifest = home.join("run/pod.yaml");
    fs::write(&manifest, POD).unwrap();
    kubectl(home, &["apply", "--filename", manifest.to_str().unwrap()]);
    kubectl(home, &["wait", "--for=condition=Ready", "--timeout=60s", "pod/web"]);
}

fn kubectl(home: &Path, words: &[&str]) {
    let mut kubectl = Command::new(home.join("bin/kubectl"));
    kubectl.arg("--kubeconfig").arg(home.join("pki/admin.kubeconfig")).args(words);
    let output = kubectl.output().unwrap();
    assert!(output.status.success(), "kubectl {words:?}: {}", text(&output.stderr));
}

/// A lab whose supervisor was killed when this component was started, when it was ready and ran a pod, or
/// while it was being ended.
fn killed_at(place: &Place, moment: &str) -> PathBuf {
    let known = place.homes();
    let mut up = place.spawn(&["up", "--tier", "2"]);
    let home = until("a lab's folder", PATIENCE, || {
        place.homes().into_iter().find(|home| !known.contains(home) && home.join("run").is_dir())
    });
    let mut down = None;
    if moment == "ready" || moment == "stop" {
        assert!(up.wait().unwrap().success());
        run_a_pod(&home);
    } else {
        let record = home.join(format!("run/{moment}.json"));
        until(moment, PATIENCE, || record.is_file().then_some(()));
    }
    if moment == "stop" {
        let record = home.join("run/kubelet.json");
        down = Some(place.spawn(&["down", &name(&home)]));
        until("the end of the kubelet", PATIENCE, || (!record.is_file()).then_some(()));
    }
    let supervisor = recorded(&home, "supervisor");
    kill(supervisor);
    // Whoever waits for it would clear up.
    for mut waiting in [Some(up), down].into_iter().flatten() {
        let _ = waiting.kill();
        waiting.wait().unwrap();
    }
    // A signal needs its time, and a lab with a supervisor is none that was left behind.
    until("end of the supervisor", PATIENCE, || has_ended(supervisor).then_some(()));
    home
}

/// What a lab could leave on a host, one line each. Other labs on this host come and go: lines that name one are
/// left out.
struct Picture(BTreeSet<String>);

impl Picture {
    /// As seen when `own` is the only lab.
    fn take(own: Option<&Path>, place: &Place) -> Self {
        let own = own.map(name);
        let mut lines = BTreeSet::new();
        let mut add = |kind: &str, text: &str| {
            lines.insert(format!("{kind} {text}"));
        };
        for line in fs::read_to_string("/proc/self/mountinfo").unwrap().lines() {
            // Without the numbers of mount and parent: they are given out again.
            add("mount", line.splitn(3, ' ').nth(2).unwrap());
        }
        for cgroup in names(Path::new("/sys/fs/cgroup"), 2).iter().filter(|path| Path::new(path).is_dir()) {
            add("cgroup", cgroup);
        }
        for (folder, depth) in [
            ("/etc/cni", 9),
            ("/opt", 2),
            ("/run", 1),
            ("/run/containerd", 3),
            ("/run/netns", 1),
            ("/var/lib", 1),
            ("/var/lib/cni", 9),
            ("/var/lib/kubelet", 9),
            ("/var/log", 1),
            ("/var/log/containers", 9),
            ("/var/log/pods", 9),
        ] {
            for file in names(Path::new(folder), depth) {
                add("file", &file);
            }
        }
        for file in names(place.path(), 2) {
            add("file", &file);
        }
        for sysctl in names(Path::new("/proc/sys"), 9) {
            add_sysctl(&sysctl, &mut add);
        }
        for words in
            [&["iptables-save"][..], &["ip6tables-save"], &["ipset", "list"], &["ip", "-brief", "link"]]
        {
            let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
            for line in
                String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.starts_with('#'))
            {
                add(words[0], line.split('[').next().unwrap()); // without counters
            }
        }
        for process in fs::read_dir("/proc").unwrap() {
            let folder = process.unwrap().path();
            let environment = fs::read(folder.join("environ")).unwrap_or_default();
            for line in environment.split(|byte| *byte == 0).map(String::from_utf8_lossy) {
                if line.starts_with("RINGFENCE_LAB_MEMBER=") {
                    add("process", &format!("{} {line}", folder.display()));
                }
            }
        }
        Self(lines.into_iter().filter(|line| !is_of_others(line, own.as_deref())).collect())
    }

    /// What is here and was not there, or was there with another value.
    fn beyond(&self, before: &Self) -> Vec<String> {
        self.0.symmetric_difference(&before.0).cloned().collect()
    }
}

/// Only what root may write can have been changed.
fn add_sysctl(path: &str, add: &mut impl FnMut(&str, &str)) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::metadata(path) else { return };
    // The last process id of the machine.
    if metadata.is_file() && metadata.permissions().mode() & 0o200 != 0 && !path.ends_with("/ns_last_pid") {
        add("sysctl", &format!("{path} = {}", fs::read_to_string(path).unwrap_or_default().trim()));
    }
}

/// Whether a line is about a lab, or a test of labs, that is not ours.
fn is_of_others(line: &str, own: Option<&str>) -> bool {
    let words = line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let labs: Vec<&str> = words.filter(|word| word.starts_with("rf-") || word.starts_with("rfl-")).collect();
    !labs.is_empty() && !own.is_some_and(|own| labs.iter().any(|word| word.starts_with(own)))
}

/// Paths below a folder down to a depth, links not followed; none where there is no folder.
fn names(folder: &Path, depth: usize) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        found.push(entry.path().display().to_string());
        if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(names(&entry.path(), depth - 1));
        }
    }
    found
}
