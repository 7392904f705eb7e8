//! A controller whose process dies at one of its writes: the next one ends what it began. Two runs: each number of write of
//! a domain's life with a successor that is left alone, and a life in which every write is the last of a process.

use std::collections::BTreeSet;

use ringfence_lab::until_async;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::config;
use crate::ground::turn;
use crate::lab;
use crate::place::POLICIES;
use crate::place::Place;
use crate::place::WHO;

/// More writes than this would be a loop.
const MOST: usize = 120;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts, fake nodes"]
async fn killed_at_each_of_its_writes_it_is_followed_by_one_that_converges() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let place = Place::new(lab, "killed").await;
    // It keeps the policies in place, so that the writes counted are those of one domain.
    let other = lab.namespace("killed-other");
    let running = place.start();
    let standing = Domain::new(
        lab,
        other.name(),
        "Enforce",
        &json!({"nodes": {"selector": {"matchLabels": {"no": "node"}}}}),
    );
    standing.settled();
    drop(running);

    let before = place.theirs().await;
    // How many writes it takes until the domain stands, and until it is gone.
    let (mut up, mut down) = (None, None);
    for at in 1..MOST {
        let case = format!("write {at} of its creation");
        place.create().await;
        let mortal = place.mortal().await;
        mortal.dies_at(at);
        let running = Running::with(mortal.client(), config(WHO));
        if place.until_dead_or(&mortal, true).await {
            up.get_or_insert(at - 1);
        }
        drop(running);
        place.nothing_is_orphaned(&case).await;
        assert_eq!(place.theirs().await, before, "{case}");

        let mortal = place.mortal().await;
        let running = Running::with(mortal.client(), config(WHO));
        place.until_settled(&case).await;
        assert_eq!(place.ours().await, place.wanted(), "{case}");
        assert_eq!(place.inventory().await, place.wanted(), "{case}");

        let case = format!("write {at} of its end");
        mortal.dies_at(at);
        place.delete().await;
        if place.until_dead_or(&mortal, false).await {
            down.get_or_insert(at - 1);
        }
        drop(running);
        place.nothing_is_orphaned(&case).await;
        let running = place.start();
        place.until_gone(&case).await;
        assert_eq!(place.ours().await, BTreeSet::new(), "{case}");
        assert_eq!(place.theirs().await, before, "{case}");
        drop(running);
        if up.is_some() && down.is_some() {
            break;
        }
    }
    let objects = Some(place.wanted().len());
    assert!(up > objects && down > objects, "{up:?} and {down:?} writes for {objects:?} objects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts, fake nodes"]
async fn processes_that_live_for_one_write_each_bring_a_domain_and_its_policies_up_and_down() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let place = Place::new(lab, "one-write").await;
    // No policies of a test before.
    let running = place.start();
    place.until_no_policies().await;
    drop(running);

    let before = place.theirs().await;
    place.create().await;
    for standing in [true, false] {
        let mut lives = 0;
        loop {
            let mortal = place.mortal().await;
            mortal.dies_at(1);
            let running = Running::with(mortal.client(), config(WHO));
            let done = if standing {
                place.until_dead_or(&mortal, true).await
            } else {
                until_async("it dies or all is gone", SOON, async || {
                    if mortal.is_dead() {
                        return Some(false);
                    }
                    (place.state().await.is_none() && place.policies().await.is_empty()).then_some(true)
                })
                .await
            };
            drop(running);
            let case = format!("standing {standing}, life {lives}");
            place.nothing_is_orphaned(&case).await;
            place.every_binding_has_its_policy(&case).await;
            assert_eq!(place.theirs().await, before, "{case}");
            if done {
                break;
            }
            lives += 1;
            assert!(lives < MOST, "more writes than objects");
        }
        // Its own objects, policies with their bindings, finalizer, inventory, status.
        let objects = place.wanted().len() + if standing { place.policies().await.len() } else { 0 };
        assert!(lives > objects, "{lives} lives for {objects} objects");
        if standing {
            assert_eq!(place.ours().await, place.wanted());
            assert_eq!(place.inventory().await, place.wanted());
            assert!(place.policies().await.len() > POLICIES.len());
            place.delete().await;
        }
    }
    assert_eq!(place.ours().await, BTreeSet::new());
}
