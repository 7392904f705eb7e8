//! Figures of two lanes and of sixteen in memory, on one core, beside crate `sha2` and one lane, interleaved: the best of many rounds, each
//! too short for other work of the machine to fall into all of them. `cargo bench -p ringfence-attest`; figures stand in
//! docs/performance.md.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and fails where it cannot go on"
)]

use std::time::Instant;

use ringfence_attest::Lane;
use sha2::Digest as _;

/// Bytes of each stream; taken in pieces of 64 KiB that stay in the second-level cache.
const STREAM: usize = 4 << 20;
const ROUNDS: usize = 500;

fn main() {
    let engine = ringfence_attest::checked().unwrap();
    let (first, second) = (vec![1; 64 << 10], vec![2; 64 << 10]);
    let pieces = STREAM / first.len();
    let (mut judge, mut one, mut two, mut many) = (f64::MAX, f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        let (seconds, expected) = timed(|| {
            let mut hasher = sha2::Sha256::new();
            (0..pieces).for_each(|_| hasher.update(&first));
            <[u8; 32]>::from(hasher.finalize())
        });
        judge = judge.min(seconds);
        let (seconds, digest) = timed(|| {
            let mut lane = Lane::new(engine);
            (0..pieces).for_each(|_| lane.update(&first));
            *lane.finish().as_bytes()
        });
        assert_eq!(digest, expected);
        one = one.min(seconds);
        let (seconds, digest) = timed(|| {
            let (mut a, mut b) = (Lane::new(engine), Lane::new(engine));
            (0..pieces).for_each(|_| a.update_two(&first, &mut b, &second));
            b.finish();
            *a.finish().as_bytes()
        });
        assert_eq!(digest, expected);
        two = two.min(seconds / 2.0);
        let (seconds, digest) = timed(|| {
            let mut lanes = [(); 16].map(|()| Lane::new(engine));
            for _ in 0..pieces / 8 {
                let mut pieces: Vec<_> = lanes.iter_mut().map(|lane| (lane, first.as_slice())).collect();
                Lane::update_many(&mut pieces);
            }
            let [mut lane, ..] = lanes;
            (pieces / 8..pieces).for_each(|_| lane.update(&first));
            *lane.finish().as_bytes()
        });
        assert_eq!(digest, expected);
        // One lane of the sixteen went on alone, for the same digest.
        many = many.min((seconds - one * 7.0 / 8.0) / 2.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "4 MiB")]
    let speed = |seconds: f64| STREAM as f64 / seconds / 1e9;
    println!("| one stream, crate sha2 | {:.2} GB/s |", speed(judge));
    println!("| one stream, ours | {:.2} GB/s |", speed(one));
    println!("| two streams, ours | {:.2} GB/s, {:.2} times one stream |", speed(two), judge / two);
    println!("| sixteen streams, ours | {:.2} GB/s, {:.2} times one stream |", speed(many), judge / many);
}

fn timed(work: impl FnOnce() -> [u8; 32]) -> (f64, [u8; 32]) {
    let start = Instant::now();
    let digest = work();
    (start.elapsed().as_secs_f64(), digest)
}
