//! Room `operator`: why it cannot work. Messages name the request, the cause and the cure.

/// Why something was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A right is missing: verb, resource, and the server's words.
    #[error("no right to {verb} {resource}: {words}; grant it to who runs this, the verb on that resource")]
    Refused {
        /// Such as `list`.
        verb: &'static str,
        /// Plural and group, such as `networkpolicies.networking.k8s.io`.
        resource: String,
        /// What the server said.
        words: String,
    },
    /// A request failed.
    #[error("{doing}: {source}")]
    Request {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// The server answered with something that is not what was asked for.
    #[error("{what}: {words}; is the installed definition the one of this release?")]
    Unexpected {
        /// What was read.
        what: String,
        /// Why it cannot be used.
        words: String,
    },
    /// The port of metrics and health cannot be opened.
    #[error("port of metrics and health {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

impl Error {
    /// In words; those of a failed request are `explain`'s.
    pub fn explained(&self, explain: impl FnOnce(&kube::Error) -> String) -> String {
        match self {
            Self::Request { doing, source } => format!("{doing}: {}", explain(source)),
            other => other.to_string(),
        }
    }

    /// A failed request of this verb on this resource.
    pub(crate) fn request(verb: &'static str, resource: &str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.is_forbidden() => {
                Self::Refused { verb, resource: resource.into(), words: status.message.clone() }
            }
            error => Self::Request { doing: format!("{verb} {resource}"), source: Box::new(error) },
        }
    }
}
