//! A kubeconfig -> a client of the `kube` crate, for the runtime it is made in.

use std::path::Path;
use std::time::Duration;

use kube::Client;
use kube::Config;
use kube::config::KubeConfigOptions;
use kube::config::Kubeconfig;

use crate::error::Error;
use crate::error::Result;
use crate::identity::Identity;

/// A client with the rights of this kubeconfig, or those of `who`, which the kubeconfig's user must be
/// allowed to impersonate. It lives as long as the runtime in which it was made: one per test.
pub(crate) async fn client(kubeconfig: &Path, who: Option<&Identity>) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(Error::while_(kubeconfig.display()))?;
    let current = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &current).await;
    let mut config = config.map_err(Error::while_(kubeconfig.display()))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    if is_loopback(&config) {
        config.proxy_url = None; // a proxy of the machine cannot reach its loopback
    }
    if let Some(who) = who {
        config.auth_info.impersonate = Some(who.user.clone());
        config.auth_info.impersonate_groups = Some(who.groups.clone());
    }
    Client::try_from(config).map_err(Error::while_(kubeconfig.display()))
}

fn is_loopback(config: &Config) -> bool {
    config.cluster_url.host() == Some("127.0.0.1")
}
