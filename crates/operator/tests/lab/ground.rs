//! What the tests stand on: a controller that ends with the test, a domain with a namespace, questions to the cluster.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use kube::Client;
use ringfence_lab::ControlPlane;
use ringfence_lab::Identity;
use ringfence_operator::Config;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Mutex as Turn;
use tokio::sync::MutexGuard;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// For what takes the controller moments.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Controllers see the whole cluster: one test at a time has one.
static TURN: Turn<()> = Turn::const_new(());

/// Waits for the turn of this test.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// A controller, dropped with the test.
pub(crate) struct Running {
    task: JoinHandle<Result<(), ringfence_operator::Error>>,
    end: Option<oneshot::Sender<()>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Running {
    /// As the user `who`, with all rights.
    pub(crate) async fn start(lab: &ControlPlane, who: &str) -> Self {
        Self::with(lab.client_as(&identity(who)).await, config(who))
    }

    /// With a client and a configuration of the test's.
    pub(crate) fn with(client: Client, mut config: Config) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let ears = said.clone();
        config.tell = Arc::new(move |words| ears.lock().unwrap().push(words.to_owned()));
        let (end, ended) = oneshot::channel::<()>();
        let task = tokio::spawn(ringfence_operator::run(client, config, async {
            let _ = ended.await;
        }));
        Self { task, end: Some(end), said }
    }

    /// What it told people.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Ends it as a signal would.
    pub(crate) async fn end(mut self) {
        let _ = self.end.take().unwrap().send(());
        (&mut self.task).await.unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the controller said: {:#?}", self.said());
        }
        self.task.abort();
    }
}

/// Rights of an administrator under a name of its own, by which the audit log knows it.
pub(crate) fn identity(who: &str) -> Identity {
    Identity::human(who, &["system:masters"])
}

/// A short lease, so that a controller that was killed is followed soon.
pub(crate) fn config(who: &str) -> Config {
    let mut config = Config::new("default", who);
    config.lease = Duration::from_secs(3);
    config
}

/// A SecurityDomain that is removed with its finalizer when the test ends.
pub(crate) struct Domain<'a> {
    lab: &'a ControlPlane,
    pub(crate) name: String,
}

impl<'a> Domain<'a> {
    /// A domain over a namespace, in the mode that is wanted: one in Enforce waits for its simulation.
    pub(crate) fn new(lab: &'a ControlPlane, namespace: &str, mode: &str, more: &Value) -> Self {
        let domain = Self { lab, name: namespace.to_owned() };
        let mut spec = json!({"namespaces": {"names": [namespace]}, "enforcement": {"mode": mode}});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        domain.apply(&spec);
        domain
    }

    /// Writes the spec.
    pub(crate) fn apply(&self, spec: &Value) {
        let object = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
            "metadata": {"name": self.name}, "spec": spec});
        self.lab.apply(&object.to_string()).ok();
    }

    /// Merges into it.
    pub(crate) fn patch(&self, patch: &Value) {
        self.lab.kubectl(&["patch", "sdom", &self.name, "--type=merge", "-p", &patch.to_string()]).ok();
    }

    /// The object, or none.
    pub(crate) fn get(&self) -> Option<Value> {
        get(self.lab, &["sdom", &self.name])
    }

    /// A condition.
    pub(crate) fn condition(&self, kind: &str) -> Option<Value> {
        let object = self.get()?;
        let conditions = object.pointer("/status/conditions")?.as_array()?.clone();
        conditions.into_iter().find(|it| it["type"] == kind)
    }

    /// Waits until a condition has this status.
    #[track_caller]
    pub(crate) fn wait(&self, kind: &str, status: &str) -> Value {
        let mut last = None;
        let started = std::time::Instant::now();
        loop {
            let now = self.condition(kind);
            if let Some(found) = now.clone().filter(|it| it["status"] == status) {
                return found;
            }
            last = now.or(last);
            assert!(started.elapsed() < SOON, "{kind} is not {status}: {last:?}\n{:?}", self.get());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until everything of the present generation is in place.
    #[track_caller]
    pub(crate) fn settled(&self) {
        let started = std::time::Instant::now();
        loop {
            let object = self.get().unwrap_or_default();
            let ready = self.condition("Ready").unwrap_or_default();
            let current = object["metadata"]["generation"] == ready["observedGeneration"];
            if current && ready["status"] == "True" {
                return;
            }
            assert!(started.elapsed() < SOON, "not settled: {ready}\n{object}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Domain<'_> {
    fn drop(&mut self) {
        let free = json!({"metadata": {"finalizers": null}}).to_string();
        let _ = self.lab.kubectl(&["patch", "sdom", &self.name, "--type=merge", "-p", &free]);
        let _ = self.lab.kubectl(&["delete", "sdom", &self.name, "--ignore-not-found", "--wait=false"]);
        let _ = self.lab.kubectl(&["patch", "sdom", &self.name, "--type=merge", "-p", &free]);
    }
}

/// An object as JSON; none if there is none.
pub(crate) fn get(lab: &ControlPlane, what: &[&str]) -> Option<Value> {
    let arguments = [&["get", "-o", "json", "--show-managed-fields", "--ignore-not-found"], what].concat();
    let text = lab.kubectl(&arguments).ok();
    serde_json::from_str(&text).ok()
}

/// Waits for an event of a domain whose note has all these words.
#[track_caller]
pub(crate) fn told(lab: &ControlPlane, domain: &str, words: &[&str]) -> String {
    ringfence_lab::until(&format!("an event of {domain} with {words:?}"), SOON, || {
        let events = get(lab, &["events.events.k8s.io", "-n", "default"])?;
        let of_domain = events["items"].as_array()?.iter().filter(|it| it["regarding"]["name"] == domain);
        let mut notes = of_domain.filter_map(|it| it["note"].as_str());
        notes.find(|note| words.iter().all(|words| note.contains(words))).map(str::to_owned)
    })
}

/// Waits until an object is there and as wanted.
#[track_caller]
pub(crate) fn soon(lab: &ControlPlane, what: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
    ringfence_lab::until(&format!("{what:?}"), SOON, || get(lab, what).filter(|it| wanted(it)))
}
