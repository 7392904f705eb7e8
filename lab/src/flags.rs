//! Command lines of the control plane: a lab -> the command of a component.

use std::process::Command;

use crate::assets::Programs;
use crate::component::Component;
use crate::error::Error;
use crate::error::Result;
use crate::lab::Lab;
use crate::site::NODE_ADDRESS;
use crate::site::SERVICE_RANGES;
use crate::site::Site;

/// The command that starts a component of the control plane where the lab lives.
pub(crate) fn command(lab: &Lab, component: Component) -> Result<Command> {
    let mut command = lab.site.command(program(&lab.spec.programs, component.name())?);
    command.args(match component {
        Component::Etcd => etcd(lab),
        Component::ApiServer => apiserver(lab),
        Component::ControllerManager => controller_manager(lab),
        Component::Scheduler => scheduler(lab),
        Component::Mounts
        | Component::StandIns
        | Component::Containerd
        | Component::Kubelet
        | Component::KubeProxy
        | Component::Enforcer => {
            return Err(Error::other(format!("{component} is not part of the control plane")));
        }
    });
    Ok(command)
}

/// The program of a component.
pub(crate) fn program<'a>(programs: &'a Programs, name: &str) -> Result<&'a std::path::Path> {
    programs.get(name).ok_or_else(|| Error::other(format!("no program for {name}")))
}

fn etcd(lab: &Lab) -> Vec<String> {
    let client = format!("http://{}", lab.site.etcd_address());
    let peer = format!("http://127.0.0.1:{}", lab.site.ports().peer);
    vec![
        format!("--data-dir={}", lab.home.state().join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync=true".into(), // the values are gone with the lab
    ]
}

fn apiserver(lab: &Lab) -> Vec<String> {
    let pki = |file: &str| lab.home.pki().join(file).display().to_string();
    let mut flags = vec![
        format!("--etcd-servers=http://{}", lab.site.etcd_address()),
        format!("--secure-port={}", lab.site.ports().api),
        format!("--tls-cert-file={}", pki("kube-apiserver.crt")),
        format!("--tls-private-key-file={}", pki("kube-apiserver.key")),
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--service-account-key-file={}", pki("sa.pub")),
        format!("--service-account-signing-key-file={}", pki("sa.key")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        "--allow-privileged=true".into(), // privileged pods are what our controls are about
        format!("--audit-policy-file={}", pki("audit-policy.json")),
        format!("--audit-log-path={}", lab.home.audit_log().display()),
        "--audit-log-maxsize=0".into(), // a reader follows one file
        format!("--encryption-provider-config={}", pki("encryption.json")),
    ];
    match &lab.site {
        Site::Host(_) => flags.extend([
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            "--endpoint-reconciler-type=none".into(), // loopback is no valid endpoint
            format!("--service-cluster-ip-range={}", SERVICE_RANGES[0]),
        ]),
        Site::Namespace(_) => flags.extend([
            "--bind-address=::".into(), // both families
            format!("--advertise-address={NODE_ADDRESS}"),
            format!("--service-cluster-ip-range={}", SERVICE_RANGES.join(",")),
            format!("--kubelet-client-certificate={}", pki("apiserver-kubelet-client.crt")),
            format!("--kubelet-client-key={}", pki("apiserver-kubelet-client.key")),
            format!("--kubelet-certificate-authority={}", pki("ca.crt")),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--enable-aggregator-routing=true".into(), // webhooks by Service reach pods directly
        ]),
    }
    flags.extend(lab.spec.apiserver_flags.iter().cloned());
    flags
}

fn controller_manager(lab: &Lab) -> Vec<String> {
    let pki = |file: &str| lab.home.pki().join(file).display().to_string();
    let mut flags = client_flags(lab, Component::ControllerManager);
    flags.extend([
        format!("--root-ca-file={}", pki("ca.crt")),
        format!("--service-account-private-key-file={}", pki("sa.key")),
        format!("--cluster-signing-cert-file={}", pki("ca.crt")),
        format!("--cluster-signing-key-file={}", pki("ca.key")),
        "--use-service-account-credentials=true".into(),
        // The client's own throttle is most of the wait for the first service account: 9 s instead of 4.
        "--kube-api-qps=500".into(),
        "--kube-api-burst=1000".into(),
    ]);
    flags
}

fn scheduler(lab: &Lab) -> Vec<String> {
    let mut flags = client_flags(lab, Component::Scheduler);
    flags.extend(["--kube-api-qps=500".into(), "--kube-api-burst=1000".into()]);
    flags
}

/// What controllers and scheduler have in common.
fn client_flags(lab: &Lab, component: Component) -> Vec<String> {
    let kubeconfig = lab.home.kubeconfig(component.name()).display().to_string();
    let mut flags: Vec<String> =
        ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"]
            .iter()
            .map(|flag| format!("{flag}={kubeconfig}"))
            .collect();
    flags.extend(["--bind-address=127.0.0.1".into(), "--leader-elect=false".into()]);
    if let Site::Host(_) = lab.site {
        flags.push("--secure-port=0".into()); // constant ports, and labs side by side
    }
    flags
}
