//! Room `operator`: the controller. A client and a place to stand in; out come writes, until it is told to end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::control::Controller;
use crate::error::Error;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::serve;
use crate::watch::Watches;

/// Words for a request that failed.
pub type Explain = Arc<dyn Fn(&kube::Error) -> String + Send + Sync>;

/// How a controller runs.
#[derive(Clone)]
pub struct Config {
    /// Namespace of the lease: the controller's own.
    pub namespace: String,
    /// Name of this replica, different from every other's: the pod's name.
    pub identity: String,
    /// Where metrics and health are served; none: nowhere.
    pub listen: Option<SocketAddr>,
    /// Length of the lease; it is renewed three times in it.
    pub lease: Duration,
    /// Told what people should know: lines without an end.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
    /// Says what it means that a request failed, with cause and cure.
    pub explain: Explain,
}

impl Config {
    /// The usual: a lease of 30 s, nothing served, nothing told.
    pub fn new(namespace: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            identity: identity.into(),
            listen: None,
            lease: Duration::from_secs(30),
            tell: Arc::new(|_| {}),
            explain: Arc::new(ToString::to_string),
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { namespace, identity, listen, lease, tell: _, explain: _ } = self;
        out.debug_struct("Config")
            .field("namespace", namespace)
            .field("identity", identity)
            .field("listen", listen)
            .field("lease", lease)
            .finish_non_exhaustive()
    }
}

/// Keeps the cluster equal to what its SecurityDomains ask for, until `shutdown` is ready; then the lease is given up. A
/// cluster that does not answer is waited for. Dropped at any point, it leaves nothing that the next one does not mend.
///
/// # Errors
/// The port cannot be opened.
pub async fn run(
    client: Client,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let metrics = Arc::new(Metrics::default());
    let mut beside = JoinSet::new();
    if let Some(address) = config.listen {
        let listener =
            TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        beside.spawn(serve::serve(listener, metrics.clone()));
    }
    let (mut leadership, guard) =
        Leadership::new(client.clone(), &config.namespace, &config.identity, config.lease);
    let (watches, events) = Watches::new(client.clone());
    let controller = Controller::new(client, &config, metrics, guard, watches);
    {
        tokio::select! {
            () = leadership.keep(&*config.tell, &*config.explain) => {}
            () = controller.work(events) => {}
            () = shutdown => {}
        }
    }
    leadership.release().await;
    Ok(())
}
