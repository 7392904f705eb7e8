//! The end of a lab, in the order in which nobody misses who has gone: controllers before the pods they
//! would make again, the node before the API server, the API server before etcd.

use crate::children::PATIENCE;
use crate::component::Component;
use crate::error::Result;
use crate::lab::Lab;
use crate::node;
use crate::tier::Tier;

/// Ends every process and removes what the lab made. Bounded in time whatever state the lab is in.
pub(crate) async fn everything(lab: &mut Lab) -> Result<()> {
    lab.children.end_all(&[Component::ControllerManager, Component::Scheduler], PATIENCE).await;
    if lab.spec.tier == Tier::Node {
        node::stop(lab).await;
    }
    lab.children.end_all(&[Component::ApiServer], PATIENCE).await;
    lab.children.end_all(&[Component::Etcd], PATIENCE).await;
    let rest: Vec<Component> = lab.children.ids().map(|(component, _)| component).collect();
    lab.children.end_all(&rest, PATIENCE).await;
    if lab.spec.tier == Tier::Node {
        node::wipe(&lab.home)?;
    }
    Ok(())
}
