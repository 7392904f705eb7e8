//! Room `inventory`, live: an API server in, a [`Snapshot`] out. Feature `cluster`; the only place of what is shipped
//! that opens a connection or starts a program.
//!
//! `kubeconfig -> client -> discovery -> lists -> Snapshot`
//!
//! Only GET is sent: get and list, nothing that changes a cluster, not even a review of one's own rights, which is a
//! create. What could not be seen is in the snapshot beside what was seen.

mod access;
mod connect;
mod crd;
mod discover;
mod error;
mod exec;
mod gap;
mod kubeconfig;
mod list;
mod owners;
mod page;
mod pem;
mod proxy;
mod refusal;
mod request;
mod scan;
mod target;
mod x509;

pub use access::Access;
pub use access::Ask;
pub use access::Env;
pub use error::ClusterError;

use crate::Snapshot;
use connect::Way;
use error::chain;

/// A cluster that was found; nothing is asked of it yet.
#[derive(Clone, Debug)]
pub struct Cluster {
    way: Way,
}

impl Cluster {
    /// Finds the cluster by kubeconfig, flags and environment, as `kubectl` does. Nothing is sent.
    ///
    /// # Errors
    /// The kubeconfig does not say what was asked of it, or what it names cannot be read.
    pub fn find(access: &Access) -> Result<Self, ClusterError> {
        Way::find(access).map(|way| Self { way })
    }

    /// URL of the server, without credentials.
    pub fn server(&self) -> String {
        self.way.server()
    }

    /// Context of the kubeconfig; none inside a pod.
    pub fn context(&self) -> Option<&str> {
        self.way.context.as_deref()
    }

    /// Namespace of objects that name none.
    pub fn namespace(&self) -> &str {
        &self.way.namespace
    }

    /// A client for as long as it is used: a token in a file is read again when it changes, as the kubelet renews it. What a
    /// plugin gave is not renewed. Blocks while a plugin runs; the client belongs to the runtime it is made in.
    ///
    /// # Errors
    /// A credential cannot be had.
    pub fn client(&self) -> Result<kube::Client, ClusterError> {
        self.way.lasting_client()
    }

    /// What it means that a request of its client failed: with cause and cure where nobody answered or the login is refused;
    /// else in the server's words.
    pub fn explain(&self, error: &kube::Error) -> ClusterError {
        match error {
            kube::Error::Api(status) if status.code == 401 => {
                ClusterError::Unauthorized(refusal::unauthorized(&self.way, &status.message))
            }
            kube::Error::Api(status) => ClusterError::Unexpected(status.message.clone()),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                let at = &self.way.words;
                ClusterError::Unexpected(format!(
                    "{at}: the answer is none of an API server: {}",
                    chain(error)
                ))
            }
            other => {
                let words = self.way.masked(&chain(other));
                refusal::connection(&self.way, &words).map_or_else(|fatal| fatal, ClusterError::Unreachable)
            }
        }
    }

    /// Reads everything that a scan wants. Blocks the thread until the end or the deadline.
    ///
    /// # Errors
    /// Nothing could be read at all. Whatever could be read in part is in the snapshot with its gap.
    pub fn read(&self, ask: &Ask) -> Result<Snapshot, ClusterError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ClusterError::Unreachable(format!("no runtime: {error}")))?;
        let result = runtime.block_on(scan::read(self.way.clone(), ask));
        // Connections that are still being opened are not waited for.
        runtime.shutdown_background();
        result
    }
}
