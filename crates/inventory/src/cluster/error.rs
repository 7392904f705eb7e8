//! Room `inventory`, live: why a cluster could not be read at all. Every message names the file, context or server, the
//! cause and the cure.

use std::error::Error;

/// Why a cluster could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig does not say what was asked of it, or what it names cannot be read.
    #[error("{0}")]
    Config(String),
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "no cluster to look at: there is no kubeconfig (--kubeconfig, KUBECONFIG, ~/.kube/config), and this is no pod of a cluster"
    )]
    Nowhere,
    /// A credential plugin failed, hung, or gave nothing usable.
    #[error("{0}")]
    Plugin(String),
    /// Nobody answers at the server's address.
    #[error("{0}")]
    Unreachable(String),
    /// The server's certificate, or ours, is not accepted.
    #[error("{0}")]
    Untrusted(String),
    /// The server does not know who asks (401).
    #[error("{0}")]
    Unauthorized(String),
    /// The server answers, but not as an API server of Kubernetes does.
    #[error("{0}")]
    Unexpected(String),
}

/// Words of an error and of what caused it, each once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        next = cause.source();
    }
    words
}
