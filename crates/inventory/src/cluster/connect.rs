//! Room `inventory`, live: what was chosen -> a client of the API server. No request is made here, but a credential
//! plugin runs.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use kube::Client;
use kube::Config;
use kube::config::AuthInfo;
use kube::config::Cluster;

use super::access::Access;
use super::error::ClusterError;
use super::error::chain;
use super::exec;
use super::kubeconfig;
use super::kubeconfig::Chosen;
use super::pem;
use super::proxy;
use crate::named::read_named_text;

/// Bytes of a file with a token.
const MAX_TOKEN: u64 = 1 << 20;
/// Time to open one connection.
const CONNECT: Duration = Duration::from_secs(15);

/// A way to a cluster, as often as it is needed: a credential can end in the middle of a scan.
#[derive(Clone, Debug)]
pub(super) struct Way {
    access: Access,
    config: Config,
    /// As the kubeconfig has it, before a plugin gave its credential.
    user: AuthInfo,
    cluster: Cluster,
    pub(super) context: Option<String>,
    pub(super) namespace: String,
    /// Which cluster and as whom, in words, for messages.
    pub(super) words: String,
}

impl Way {
    /// Reads the kubeconfig, or the pod's service account.
    pub(super) fn find(access: &Access) -> Result<Self, ClusterError> {
        match kubeconfig::choose(access)? {
            Some(chosen) => Self::of_kubeconfig(access, chosen),
            None => Self::in_cluster(access),
        }
    }

    fn of_kubeconfig(access: &Access, chosen: Chosen) -> Result<Self, ClusterError> {
        let Chosen { files, context, cluster, mut user, user_name, namespace } = chosen;
        let place = match &context {
            Some(context) => format!("context {context} of {files}"),
            None => files.clone(),
        };
        let wrong = |words: String| ClusterError::Config(format!("{place}: {words}"));
        let server = access.server.clone().or_else(|| cluster.server.clone()).unwrap_or_default();
        let url = server_url(&server, &cluster).map_err(|words| {
            // What stands before the host may be a password.
            let shown = server.rsplit_once('@').map_or(server.as_str(), |(_, host)| host);
            wrong(format!("server {shown:?}: {words}"))
        })?;
        let mut config = Config::new(url.clone());
        config.root_cert = pem::authority(&cluster).map_err(&wrong)?;
        config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
        config.tls_server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
        config.disable_compression = cluster.disable_compression.unwrap_or(false);
        config.proxy_url = proxy::of(&cluster, &url, &access.env).map_err(&wrong)?;
        if let Some(provider) = user.auth_provider.take() {
            user.token = Some(exec::of_provider(&provider).map_err(&wrong)?.into());
        }
        pem::check_pair(&user).map_err(&wrong)?;
        if let Some(name) = &access.impersonate {
            user.impersonate = Some(name.clone());
        }
        if !access.impersonate_groups.is_empty() {
            user.impersonate_groups = Some(access.impersonate_groups.clone());
        }
        let who = user_name.map_or_else(String::new, |name| format!(", user {name}"));
        Ok(Self {
            access: access.clone(),
            words: format!("{} ({place}{who})", without_login(&url)),
            config: limited(config),
            user,
            cluster,
            context,
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
        })
    }

    /// The service account that every pod gets.
    fn in_cluster(access: &Access) -> Result<Self, ClusterError> {
        let variable = |name: &str| access.env.text(name).map(str::to_owned);
        let (Some(host), Some(port)) =
            (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"))
        else {
            return Err(ClusterError::Nowhere);
        };
        let folder = &access.service_account;
        let wrong = |words: String| ClusterError::Config(format!("{}: {words}", folder.display()));
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let url: Uri = format!("https://{host}:{port}")
            .parse()
            .map_err(|_| wrong(format!("KUBERNETES_SERVICE_HOST and _PORT are no address: {host}:{port}")))?;
        let mut config = Config::new(url.clone());
        let token = folder.join("token");
        let authority = folder.join("ca.crt");
        let cluster = Cluster { certificate_authority: Some(text(&authority)), ..Cluster::default() };
        config.root_cert = pem::authority(&cluster).map_err(&wrong)?;
        std::fs::metadata(&token)
            .map_err(|error| wrong(format!("token: {error}; does the pod mount one?")))?;
        let mut user = AuthInfo { token_file: Some(text(&token)), ..AuthInfo::default() };
        user.impersonate.clone_from(&access.impersonate);
        if !access.impersonate_groups.is_empty() {
            user.impersonate_groups = Some(access.impersonate_groups.clone());
        }
        let namespace = std::fs::read_to_string(folder.join("namespace")).unwrap_or_default();
        let namespace = if namespace.trim().is_empty() { "default" } else { namespace.trim() };
        Ok(Self {
            access: access.clone(),
            words: format!("{} (service account of this pod)", without_login(&url)),
            config: limited(config),
            user,
            cluster,
            context: None,
            namespace: namespace.to_owned(),
        })
    }

    /// URL of the server without login.
    pub(super) fn server(&self) -> String {
        without_login(&self.config.cluster_url)
    }

    /// Foreign text without secrets.
    pub(super) fn masked(&self, words: &str) -> String {
        (self.access.mask)(words)
    }

    /// As whom, for what a certificate of ours says.
    pub(super) fn user(&self) -> &AuthInfo {
        &self.user
    }

    /// Whether a new credential may differ from the one before.
    pub(super) fn can_renew(&self) -> bool {
        self.user.exec.is_some() || self.user.token_file.is_some()
    }

    /// A client that reads a token in a file again as it changes. Blocks while a plugin runs.
    pub(super) fn lasting_client(&self) -> Result<Client, ClusterError> {
        let mut config = self.config.clone();
        config.auth_info = self.user.clone();
        self.finish(config)
    }

    /// A client with a fresh credential. Blocks while a plugin runs.
    pub(super) fn client(&self) -> Result<Client, ClusterError> {
        let mut config = self.config.clone();
        config.auth_info = self.user.clone();
        // A direct token goes before one in a file, whose line end is none of it.
        if let (None, Some(file)) = (&self.user.token, config.auth_info.token_file.take()) {
            let token = read_named_text(Path::new(&file), MAX_TOKEN).map_err(|error| {
                ClusterError::Config(format!("{}: tokenFile {file}: {error}", self.words))
            })?;
            config.auth_info.token = Some(token.trim().to_owned().into());
        }
        self.finish(config)
    }

    fn finish(&self, mut config: Config) -> Result<Client, ClusterError> {
        if let Some(plugin) = config.auth_info.exec.take() {
            let credential = exec::run(&plugin, &self.cluster, &self.access)
                .map_err(|words| ClusterError::Plugin(format!("{}: {words}", self.words)))?;
            credential.put_into(&mut config.auth_info);
        }
        Client::try_from(config).map_err(|error| {
            let words = self.masked(&chain(&error));
            ClusterError::Config(format!("{}: {words}", self.words))
        })
    }
}

/// Our own limits and retries, in place of the client's.
fn limited(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = None;
    config.write_timeout = Some(CONNECT);
    config.default_retry = false;
    config
}

/// `kubectl` takes a bare address for http, unless something of TLS is set.
fn server_url(server: &str, cluster: &Cluster) -> Result<Uri, String> {
    if server.trim().is_empty() {
        return Err("the cluster names no server".to_owned());
    }
    let is_tls = cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify == Some(true);
    let scheme = if is_tls { "https" } else { "http" };
    let full = if server.contains("://") { server.to_owned() } else { format!("{scheme}://{server}") };
    let url: Uri = full.trim_end_matches('/').parse().map_err(|error| format!("not a URL: {error}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(url),
        _ => Err("not a URL that starts with https:// or http://".to_owned()),
    }
}

/// A URL without user and password.
fn without_login(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https");
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", url.path().trim_end_matches('/'))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
