//! Files that the components read: kubeconfigs, audit policy, encryption of Secrets. All are JSON, which is
//! YAML.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;

use crate::base64;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::home::write_json;
use crate::pki::Pki;
use crate::random;

/// Clients that talk to the API server from where the lab lives.
const INSIDE: [&str; 4] = ["kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"];

/// Writes `admin.kubeconfig` for the outside, `inside.kubeconfig` (the same rights) and one per component.
pub(crate) fn kubeconfigs(home: &Home, pki: &Pki, inside: SocketAddr, outside: SocketAddr) -> Result<()> {
    let write = |file: &str, leaf: &str, server: SocketAddr| {
        write_json(&home.kubeconfig(file), &kubeconfig(home, pki, leaf, server)?)
    };
    write("admin", "admin", outside)?;
    write("inside", "admin", inside)?;
    INSIDE.iter().try_for_each(|client| write(client, client, inside))
}

/// Holds everything itself: it may be copied anywhere.
fn kubeconfig(home: &Home, pki: &Pki, leaf: &str, server: SocketAddr) -> Result<Value> {
    let name = home.name();
    let identity = pki.leaf(leaf)?;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://{server}"),
            "certificate-authority-data": base64::encode(pki.ca.as_str())?,
        }}],
        "users": [{"name": leaf, "user": {
            "client-certificate-data": base64::encode(identity.certificate.as_str())?,
            "client-key-data": base64::encode(identity.key.as_str())?,
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": leaf}}],
        "current-context": name,
    }))
}

/// What a client did, and for its writes what it wrote. Values of Secrets stay out of the log.
pub(crate) fn audit_policy(home: &Home) -> Result<()> {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "resources": [
                {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
            ]},
            {"level": "RequestResponse", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "Metadata"},
        ],
    });
    write_json(&home.pki().join("audit-policy.json"), &policy)
}

/// Secrets are written to etcd encrypted with a key of this lab; `identity` reads what was there before.
pub(crate) fn encryption(home: &Home) -> Result<()> {
    let key = base64::encode(random::bytes::<32>()?)?;
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{
            "resources": ["secrets"],
            "providers": [{"aescbc": {"keys": [{"name": "k1", "secret": key}]}}, {"identity": {}}],
        }],
    });
    write_json(&home.pki().join("encryption.json"), &configuration)
}

/// The folder for a shell's search path: the lab's kubectl and nothing else.
pub(crate) fn kubectl_link(home: &Home, kubectl: &std::path::Path) -> Result<()> {
    let link = home.bin().join("kubectl");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(kubectl, &link).map_err(Error::at(&link))
}
