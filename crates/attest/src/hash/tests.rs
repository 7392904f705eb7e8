//! Room `attest`, tests: any two streams, cut anywhere, against crate `sha2`.

use proptest::prelude::*;
use sha2::Digest as _;

use super::*;

/// Cuts `bytes` at the places, wherever they fall.
fn pieces<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn judge(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(sha2::Sha256::digest(bytes).into())
}

proptest! {
    #[test]
    fn two_lanes_equal_sha2(
        first in proptest::collection::vec(any::<u8>(), 0..1000),
        second in proptest::collection::vec(any::<u8>(), 0..1000),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
        cuts_second in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        for engine in [Engine::detect(), Engine::PORTABLE] {
            let (mut a, mut b) = (Lane::new(engine), Lane::new(engine));
            let (of_a, of_b) = (pieces(&first, &cuts), pieces(&second, &cuts_second));
            for index in 0..of_a.len().max(of_b.len()) {
                let (x, y) = (of_a.get(index).copied(), of_b.get(index).copied());
                a.update_two(x.unwrap_or_default(), &mut b, y.unwrap_or_default());
            }
            prop_assert_eq!(a.finish(), judge(&first));
            prop_assert_eq!(b.finish(), judge(&second));
        }
    }
}

proptest! {
    #[test]
    fn many_lanes_equal_sha2(
        streams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 0..=16),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        for engine in [Engine::detect(), Engine::PORTABLE] {
            let mut lanes: Vec<Lane> = streams.iter().map(|_| Lane::new(engine)).collect();
            let cut: Vec<_> = streams.iter().map(|stream| pieces(stream, &cuts)).collect();
            for index in 0..=cuts.len() {
                let mut pieces: Vec<_> = lanes.iter_mut().zip(cut.iter().map(|pieces| pieces[index])).collect();
                Lane::update_many(&mut pieces);
            }
            for (lane, stream) in lanes.into_iter().zip(&streams) {
                prop_assert_eq!(lane.finish(), judge(stream));
            }
        }
    }
}

#[test]
fn every_length_up_to_four_blocks_beside_every_other() {
    let bytes: Vec<u8> = (0..=255).collect();
    for first in 0..bytes.len() {
        for second in (first % 7..bytes.len()).step_by(7) {
            let (mut a, mut b) = (Lane::new(Engine::detect()), Lane::new(Engine::detect()));
            a.update_two(&bytes[..first], &mut b, &bytes[..second]);
            assert_eq!((a.finish(), b.finish()), (judge(&bytes[..first]), judge(&bytes[..second])));
        }
    }
}

#[test]
fn a_digest_is_lower_case_hex_of_64_digits() {
    let digest = Sha256::of(b"abc");
    assert_eq!(Sha256::from_hex(&digest.to_string()), Some(digest));
    let text = digest.to_string();
    for wrong in [text.to_uppercase(), text[1..].to_owned(), format!("{text}0"), format!("{}g", &text[1..])] {
        assert_eq!(Sha256::from_hex(&wrong), None, "{wrong}");
    }
}
