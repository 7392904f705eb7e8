//! Room `inventory`, live: which cluster, as whom, within which limits. Values only; nothing is opened here.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Which cluster, and as whom: what the user said on the command line, over what the kubeconfig says.
#[derive(Clone, Debug)]
pub struct Access {
    /// `--kubeconfig`; none: `KUBECONFIG`, else `~/.kube/config`, else the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; none: the current one.
    pub context: Option<String>,
    /// `--cluster`, in place of the context's.
    pub cluster: Option<String>,
    /// `--user`, in place of the context's.
    pub user: Option<String>,
    /// `--server`, in place of the cluster's URL.
    pub server: Option<String>,
    /// `--as`: act as this user.
    pub impersonate: Option<String>,
    /// `--as-group`: act as a member of these groups.
    pub impersonate_groups: Vec<String>,
    /// How long a credential plugin may run; none: 30 s, or 300 s when it may ask a person.
    pub exec_timeout: Option<Duration>,
    /// Whether a person sits at a terminal on standard input: a plugin may ask.
    pub interactive: bool,
    /// Masks secrets in foreign text (what a plugin printed) before it goes into an error.
    pub mask: fn(&str) -> String,
    /// Where a pod finds its token, authority and namespace.
    pub service_account: PathBuf,
    /// Environment: `KUBECONFIG`, `HOME`, proxies, the pod's address of the API server.
    pub env: Env,
}

impl Access {
    /// What `kubectl` would use without any flag.
    pub fn new(env: Env, mask: fn(&str) -> String) -> Self {
        Self {
            kubeconfig: None,
            context: None,
            cluster: None,
            user: None,
            server: None,
            impersonate: None,
            impersonate_groups: Vec::new(),
            exec_timeout: None,
            interactive: false,
            service_account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
            mask,
            env,
        }
    }
}

/// Environment variables, taken once at the rim.
#[derive(Clone, Debug, Default)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// These and no others.
    pub fn of<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

/// What to read of a cluster, and within which limits.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `--namespace`: only these; empty: all.
    pub namespaces: Vec<String>,
    /// `--selector`: only objects with pods that carry these labels, as `kubectl -l` takes it.
    pub selector: Option<String>,
    /// Objects of one page.
    pub page: u32,
    /// Lists at a time.
    pub parallel: usize,
    /// Time for everything; what was not reached by then is told.
    pub deadline: Duration,
    /// Time without a byte from the server before an attempt is given up.
    pub silence: Duration,
    /// Bytes of objects that may be kept in memory.
    pub max_bytes: u64,
    /// `ringfence/0.1.0`
    pub user_agent: String,
    /// Raised by one for every list that ended, for whoever shows progress.
    pub done: Option<Arc<AtomicUsize>>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            selector: None,
            page: 500,
            parallel: 8,
            deadline: Duration::from_mins(10),
            silence: Duration::from_mins(1),
            max_bytes: 2 << 30,
            user_agent: concat!("ringfence/", env!("CARGO_PKG_VERSION")).to_owned(),
            done: None,
        }
    }
}
