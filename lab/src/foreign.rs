//! A cluster of the user's, named by `RINGFENCE_TEST_KUBECONFIG`: how much of it our tests can use.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use crate::assets::Programs;
use crate::assets::Sources;
use crate::background::block;
use crate::client::client;
use crate::error::Error;
use crate::error::Result;
use crate::go_build;
use crate::tier::Tier;

/// Tier 1b where controllers work, which the default service account shows. Never tier 2: our images cannot
/// be put on its nodes.
pub(crate) fn tier(kubeconfig: &Path) -> Result<Tier> {
    let path = kubeconfig.to_owned();
    let asked = block(async move {
        let accounts: Api<ServiceAccount> = Api::namespaced(client(&path, None).await?, "default");
        let account = tokio::time::timeout(Duration::from_secs(30), accounts.get_opt("default")).await;
        let after = Duration::from_secs(30);
        let account = account.map_err(|_| Error::Deadline { what: "answer of the cluster".into(), after })?;
        account.map_err(Error::while_("default service account"))
    });
    match asked {
        Some(Ok(Some(_))) => Ok(Tier::ControlPlane),
        Some(Ok(None)) => Ok(Tier::Api),
        Some(Err(error)) => {
            Err(Error::other(format!("RINGFENCE_TEST_KUBECONFIG {}: {error}", kubeconfig.display())))
        }
        None => Err(Error::other("RINGFENCE_TEST_KUBECONFIG: the request panicked")),
    }
}

/// The lab's kubectl where it is built, else the one on the search path.
pub(crate) fn kubectl(sources: &Sources) -> PathBuf {
    let built = go_build::folder(&sources.cache, false).map(|folder| Programs::in_folders(&[folder]));
    let program = built.ok().and_then(|programs| programs.get("kubectl").map(Path::to_owned));
    program.unwrap_or_else(|| "kubectl".into())
}
