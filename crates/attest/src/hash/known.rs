//! Room `attest`: the engine of this machine against known answers, before it is trusted: a wrong hash is never silent.

use std::sync::OnceLock;

use super::Engine;
use super::Lane;
use super::Sha256;
use super::lane::WIDTH;

/// The engine gave a digest that is not the known one.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "SHA-256 of {length} bytes is wrong on this machine ({engine:?}): its digests cannot be trusted; report it with the \
     model of the CPU"
)]
pub struct WrongAnswer {
    length: usize,
    engine: Engine,
}

/// The fastest engine of this machine, once it has given the known answers.
pub fn checked() -> Result<Engine, WrongAnswer> {
    static CHECKED: OnceLock<Result<Engine, WrongAnswer>> = OnceLock::new();
    *CHECKED.get_or_init(|| check(Engine::detect()))
}

/// Each length alone, and beside each other one: lanes of unequal length too.
fn check(engine: Engine) -> Result<Engine, WrongAnswer> {
    let wrong = |length| WrongAnswer { length, engine };
    let expected = |answer: &(usize, &str)| Sha256::from_hex(answer.1).ok_or(wrong(answer.0));
    for first in &ANSWERS {
        let message = message(first.0);
        let mut lane = Lane::new(engine);
        lane.update(&message);
        if lane.finish() != expected(first)? {
            return Err(wrong(first.0));
        }
        for second in &ANSWERS {
            let (mut a, mut b) = (Lane::new(engine), Lane::new(engine));
            a.update_two(&message, &mut b, &self::message(second.0));
            if a.finish() != expected(first)? {
                return Err(wrong(first.0));
            }
            if b.finish() != expected(second)? {
                return Err(wrong(second.0));
            }
        }
    }
    many(engine)?;
    Ok(engine)
}

/// As many streams as are taken at once, each further along than the one before it, to the longest answer.
fn many(engine: Engine) -> Result<(), WrongAnswer> {
    let [.., (length, hex)] = ANSWERS;
    let message = message(length);
    let mut lanes = [(); WIDTH].map(|()| Lane::new(engine));
    let mut pieces = Vec::with_capacity(WIDTH);
    for (index, lane) in lanes.iter_mut().enumerate() {
        let (before, behind) = message.split_at(64 * (index % 8));
        lane.update(before);
        pieces.push((lane, behind));
    }
    Lane::update_many(&mut pieces);
    let right = |lane: Lane| Some(lane.finish()) == Sha256::from_hex(hex);
    if lanes.into_iter().all(right) { Ok(()) } else { Err(WrongAnswer { length, engine }) }
}

/// `abc` over and over: the message of three bytes is the one of FIPS 180.
fn message(length: usize) -> Vec<u8> {
    b"abc".iter().copied().cycle().take(length).collect()
}

/// Lengths around the ends of a block and what coreutils' `sha256sum` says of `abcabc...` cut there.
const ANSWERS: [(usize, &str); 8] = [
    (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (55, "61fd29acc674f5bf68ff548a1aef2a05ba3523a9ba8e5c82b194cbbfdf28bf1f"),
    (56, "63bb88000afff2d2569ece88877c4271c9f28de8620585c27538ce4e5a3701bb"),
    (64, "9ed060c766efa8e4a9e451aef0915daf135de966d62728466cc7215baf33c0a2"),
    (119, "f40afa97f59f48e074e3adfbd9b8014d4b57293fb4b258fe3a0849e4ca44af8b"),
    (128, "4635ebf5d999837daa19d22dd0fa1067db65aabd0fd559968bd252077a9eada6"),
    (1000, "3cf64b5ba8e8748e2d66fa0df805d550ab15f0ae76b9ec99ba87d656c00420f5"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_gives_the_known_answers() {
        check(Engine::PORTABLE).unwrap();
        check(Engine::detect()).unwrap();
        checked().unwrap();
    }
}
