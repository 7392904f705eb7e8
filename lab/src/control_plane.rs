//! A cluster in the hands of a test: the running lab, one of the test's own, or any cluster the user names.
//! Calls block and panic with the reason, as assertions do; only clients are awaited.

use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::sync::OnceLock;
use std::time::Duration;

use kube::Client;
use serde_json::Value;

use crate::assets::Sources;
use crate::audit::AuditTail;
use crate::background::block;
use crate::client::client;
use crate::component::Component;
use crate::control::Request;
use crate::control::ask;
use crate::error::Error;
use crate::error::Result;
use crate::etcd;
use crate::foreign;
use crate::home::Home;
use crate::identity::Identity;
use crate::kubeconfig;
use crate::kubectl::Done;
use crate::kubectl::Kubectl;
use crate::lab::FakeNodeSpec;
use crate::lab::Published;
use crate::launch::Launched;
use crate::launch::Options;
use crate::launch::launch;
use crate::namespace::FakeNode;
use crate::namespace::Namespace;
use crate::random;
use crate::site::Site;
use crate::tier::Missing;
use crate::tier::Tier;

/// The whole stop order, with each of its patiences.
const STOP: Duration = Duration::from_secs(90);
/// A restarted API server reads everything again.
const RESTART: Duration = Duration::from_mins(3);

/// A cluster for tests.
#[derive(Debug)]
pub struct ControlPlane {
    tier: Tier,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    lab: Option<OwnLab>,
}

/// What only a lab of ours has.
#[derive(Debug)]
struct OwnLab {
    home: Home,
    site: Site,
    supervisor: Option<Supervised>,
}

/// A lab that this process started: it ends when `owner` is closed, by us or by the end of the process.
#[derive(Debug)]
struct Supervised {
    process: Child,
    owner: Option<ChildStdin>,
}

impl ControlPlane {
    /// The cluster of this process: the one that `RINGFENCE_TEST_KUBECONFIG` or `RINGFENCE_LAB` names, or a
    /// lab that ends with the process. The first caller waits for it.
    ///
    /// # Errors
    /// This machine lacks something.
    ///
    /// # Panics
    /// Nothing is missing, and it did not start.
    pub fn start() -> Result<&'static Self, Missing> {
        static SHARED: OnceLock<Result<ControlPlane, Error>> = OnceLock::new();
        match SHARED.get_or_init(Self::find) {
            Ok(shared) => Ok(shared),
            Err(Error::Missing(missing)) => Err(missing.clone()),
            Err(error) => fail(error),
        }
    }

    /// A lab of the test's own, which may be restarted and broken; gone when this is dropped.
    ///
    /// # Errors
    /// This machine lacks something.
    ///
    /// # Panics
    /// Nothing is missing, and it did not start.
    pub fn private(options: &Options) -> Result<Self, Missing> {
        match launch(options, true) {
            Ok(launched) => Ok(Self::of_launched(launched)),
            Err(Error::Missing(missing)) => Err(missing),
            Err(error) => fail(error),
        }
    }

    fn find() -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(kubeconfig) = variable("RINGFENCE_TEST_KUBECONFIG") {
            let kubeconfig = PathBuf::from(kubeconfig);
            let tier = foreign::tier(&kubeconfig)?;
            return Ok(Self {
                tier,
                kubeconfig,
                kubectl: foreign::kubectl(&Sources::of_environment()?),
                lab: None,
            });
        }
        if let Some(home) = variable("RINGFENCE_LAB") {
            let home = Home::at(home);
            let published = Published::read(&home).map_err(|error| {
                Error::other(format!(
                    "RINGFENCE_LAB names no lab that is ready: {error}; unset it, or `lab up`"
                ))
            })?;
            return Ok(Self::of(home, published, None));
        }
        launch(&Options::default(), true).map(Self::of_launched)
    }

    fn of_launched(launched: Launched) -> Self {
        let supervised = Supervised { process: launched.supervisor, owner: launched.owner };
        Self::of(launched.home, launched.published, Some(supervised))
    }

    fn of(home: Home, published: Published, supervisor: Option<Supervised>) -> Self {
        Self {
            tier: published.tier,
            kubeconfig: home.kubeconfig("admin"),
            kubectl: published.kubectl,
            lab: Some(OwnLab { home, site: published.site, supervisor }),
        }
    }

    /// How much of a cluster it is.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Whether it is a lab of ours: with audit log, etcd and processes in reach.
    pub fn is_lab(&self) -> bool {
        self.lab.is_some()
    }

    /// Whether a test may break it: a lab always, a cluster of the user's only if
    /// `RINGFENCE_TEST_CLUSTER_DISPOSABLE=1`.
    pub fn is_disposable(&self) -> bool {
        self.is_lab() || std::env::var("RINGFENCE_TEST_CLUSTER_DISPOSABLE").is_ok_and(|value| value == "1")
    }

    /// The folder of the lab: logs, keys, sockets.
    ///
    /// # Panics
    /// Not a lab: ask with `need!(..., own)`.
    pub fn folder(&self) -> &Path {
        self.own().home.path()
    }

    /// A new client with the rights of a cluster administrator. It dies with the runtime of the test.
    pub async fn client(&self) -> Client {
        client(&self.kubeconfig, None).await.unwrap_or_else(|error| fail(error))
    }

    /// A new client with the rights of somebody else.
    pub async fn client_as(&self, who: &Identity) -> Client {
        client(&self.kubeconfig, Some(who)).await.unwrap_or_else(|error| fail(error))
    }

    /// The administrator's kubeconfig, for programs.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubeconfig with which a program acts as somebody else. The file goes with the lab.
    pub fn kubeconfig_as(&self, who: &Identity) -> PathBuf {
        let folder = self.lab.as_ref().map_or_else(std::env::temp_dir, |lab| lab.home.run());
        kubeconfig::impersonating(&self.kubeconfig, who, &folder).unwrap_or_else(|error| fail(error))
    }

    /// Runs the cluster's kubectl as administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Done {
        self.call().run(arguments)
    }

    /// Runs the cluster's kubectl as somebody else.
    pub fn kubectl_as(&self, who: &Identity, arguments: &[&str]) -> Done {
        self.call().impersonate(who).run(arguments)
    }

    /// Runs the cluster's kubectl as administrator with a text on its standard input.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Done {
        self.call().with_input(arguments, input)
    }

    /// Server-side apply of YAML documents, as administrator.
    pub fn apply(&self, yaml: &str) -> Done {
        self.call().apply(yaml)
    }

    /// Server-side apply of YAML documents, as somebody else.
    pub fn apply_as(&self, who: &Identity, yaml: &str) -> Done {
        self.call().impersonate(who).apply(yaml)
    }

    /// Installs custom resource definitions and waits until the API server serves them.
    ///
    /// # Panics
    /// It refuses one, or does not serve it within a minute.
    #[track_caller]
    pub fn install(&self, definitions: &str) {
        let _ = self.apply(definitions).ok();
        let wait = ["wait", "--for=condition=Established", "--timeout=60s", "--filename", "-"];
        let _ = self.call().with_input(&wait, definitions).ok();
    }

    pub(crate) fn call(&self) -> Kubectl {
        let cache = self.lab.as_ref().map(|lab| lab.home.state().join("kubectl-cache"));
        Kubectl::new(&self.kubectl, &self.kubeconfig, cache)
    }

    /// A namespace `t-STEM-<6 random>`, ready for pods. Removed when it is dropped.
    pub fn namespace(&self, stem: &str) -> Namespace<'_> {
        Namespace::create(self, stem).unwrap_or_else(|error| fail(error))
    }

    /// A node `t-STEM-<6 random>` without a kubelet: schedulable, Ready, with this many `nvidia.com/gpu`.
    /// Removed when it is dropped. Tests run side by side: pods choose it by its host name.
    pub fn fake_node(&self, stem: &str, gpus: u32) -> FakeNode {
        let name = random::suffix().map(|suffix| format!("t-{stem}-{suffix}"));
        self.fake_node_with(FakeNodeSpec::new(name.unwrap_or_else(|error| fail(error)), gpus))
    }

    /// The same with a name, size and labels of the caller's. A Node object that exists keeps its taints.
    pub fn fake_node_with(&self, spec: FakeNodeSpec) -> FakeNode {
        FakeNode::start(self.kubeconfig.clone(), self.tier, spec).unwrap_or_else(|error| fail(error))
    }

    /// What clients do from now on.
    ///
    /// # Panics
    /// Not a lab: ask with `need!(..., own)`.
    pub fn audit(&self) -> AuditTail {
        AuditTail::from_now(&self.own().home.audit_log()).unwrap_or_else(|error| fail(error))
    }

    /// The bytes that etcd holds under a key: `/registry/secrets/NAMESPACE/NAME`.
    ///
    /// # Panics
    /// Not a lab: ask with `need!(..., own)`.
    pub fn etcd_raw(&self, key: &str) -> Option<Vec<u8>> {
        etcd::get(&self.own().site, key).unwrap_or_else(|error| fail(error))
    }

    /// A listener that the API server can reach, and pods where there is a real node.
    ///
    /// # Panics
    /// Not a lab: ask with `need!(..., own)`.
    pub fn listen(&self) -> TcpListener {
        let listener = self.own().site.listen().map_err(Error::io("listener in the lab"));
        listener.unwrap_or_else(|error| fail(error))
    }

    /// Kills a component, as a crash would. Only in a private lab: others share the one of the process.
    ///
    /// # Panics
    /// Not a lab, or the component does not run.
    pub fn kill(&self, component: Component) {
        self.control(Request::Kill(component), RESTART);
    }

    /// Ends a component if it runs, starts it and waits until the API server is ready.
    ///
    /// # Panics
    /// Not a lab, or it did not become ready.
    pub fn restart(&self, component: Component) {
        self.control(Request::Restart(component), RESTART);
    }

    /// What the supervisor tells: phase, processes and what they use.
    ///
    /// # Panics
    /// Not a lab, or its supervisor is gone.
    pub fn status(&self) -> Value {
        self.control(Request::Status, Duration::from_secs(10))
    }

    /// Version of the API server: `v1.36.4`.
    pub fn version(&self) -> String {
        let kubeconfig = self.kubeconfig.clone();
        let asked = block(async move {
            let client = client(&kubeconfig, None).await?;
            client.apiserver_version().await.map_err(Error::while_("/version"))
        });
        match asked {
            Some(Ok(info)) => info.git_version,
            Some(Err(error)) => fail(error),
            None => fail("/version: the request panicked"),
        }
    }

    fn control(&self, request: Request, patience: Duration) -> Value {
        ask(&self.own().home, request, patience).unwrap_or_else(|error| fail(error))
    }

    fn own(&self) -> &OwnLab {
        self.lab.as_ref().unwrap_or_else(|| fail("only a lab of ours has this: ask with `need!(TIER, own)`"))
    }
}

impl Drop for ControlPlane {
    /// Only private labs get here: nothing of theirs is left when the test is over.
    fn drop(&mut self) {
        let Some(OwnLab { home, supervisor: Some(supervised), .. }) = &mut self.lab else { return };
        let _ = ask(home, Request::Stop, STOP);
        supervised.owner = None;
        let _ = supervised.process.wait();
    }
}

/// Ends a test with the reason.
#[expect(clippy::panic, reason = "the calls of tests fail as assertions do")]
#[track_caller]
pub(crate) fn fail(reason: impl std::fmt::Display) -> ! {
    panic!("lab: {reason}")
}
