//! The real node: containerd, kubelet, kube-proxy and enforcer in the lab's namespace.

use crate::error::Result;
use crate::home::Home;
use crate::lab::Lab;

/// What this machine lacks for a real node, each with what to do about it; nothing: it can have one.
pub(crate) fn lacks() -> Vec<(String, String)> {
    vec![("real nodes".into(), "use tier 1b".into())]
}

/// Before the control plane starts: namespace and cgroups.
pub(crate) fn prepare(lab: &mut Lab) -> Result<()> {
    crate::netns::create(&lab.home.name())
}

/// After the control plane is ready: returns when the node is Ready and the pod network works. The future
/// may be dropped at any await; what was started by then is in `lab.processes` or found by `wipe`.
pub(crate) async fn start(lab: &mut Lab) -> Result<()> {
    let _ = lab;
    Ok(())
}

/// After controllers and scheduler have ended, while the API server still runs: pods go, then kubelet,
/// proxy, enforcer and containerd. Bounded in time; what remains is for `wipe`.
pub(crate) async fn stop(lab: &mut Lab) {
    let _ = lab;
}

/// Mounts below the home, cgroups with the processes left in them, the namespaces: removed. Also for a lab
/// whose supervisor is gone; doing it twice, or where there is nothing, is no error.
pub(crate) fn wipe(home: &Home) -> Result<()> {
    let _ = home;
    Ok(())
}
