//! A real API server -> snapshot -> inventory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends here")]

use std::path::PathBuf;

use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::cluster::Access;
use ringfence_inventory::cluster::Ask;
use ringfence_inventory::cluster::Cluster;
use ringfence_inventory::cluster::Env;

#[test]
#[ignore = "needs lab tier 1a: reads a real API server"]
fn pods_of_a_real_server_are_in_the_inventory() {
    let mut access = Access::new(Env::of_process(), str::to_owned);
    access.kubeconfig = std::env::var_os("RINGFENCE_TEST_KUBECONFIG").map(PathBuf::from);
    let snapshot = Cluster::find(&access).unwrap().read(&Ask { page: 2, ..Ask::default() }).unwrap();
    println!("{:?}", snapshot.about);
    for list in &snapshot.lists {
        println!("{list:?}");
    }
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    for (_, object) in inventory.objects() {
        println!("{} {:?}", object.document().file, object.location(object.body()));
    }
    println!("{:?}", inventory.coverage.lists);
}
