//! Room `attest`, tests: which streams are taken together, and on how many threads.

use super::*;

/// Keeps what it is given, in pieces of so many streams.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Bytes that came in the company of others: one other, or more.
    by_two: usize,
    by_many: usize,
}

impl Hasher for Kept {
    type Digest = Self;

    fn update(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn update_two(&mut self, bytes: &[u8], other: &mut Self, others: &[u8]) {
        self.update(bytes);
        other.update(others);
        self.by_two += bytes.len();
        other.by_two += others.len();
    }

    fn many(&self) -> Option<usize> {
        Some(5)
    }

    fn update_many(pieces: &mut [(&mut Self, &[u8])]) {
        assert!((5..=WIDTH).contains(&pieces.len()));
        for (kept, bytes) in pieces {
            assert_eq!(bytes.len(), PIECE);
            kept.update(bytes);
            kept.by_many += PIECE;
        }
    }

    fn finish(self) -> Self {
        self
    }
}

#[test]
fn threads_are_filled_where_half_of_them_are_enough() {
    for (large, workers, least, expected) in [
        (16, 1, Some(11), Some(1)),
        (16, 2, Some(11), Some(1)),
        (10, 1, Some(11), None),
        (30, 2, Some(11), Some(2)),
        (30, 4, Some(11), Some(2)),
        (30, 15, Some(11), None),
        (2000, 64, Some(11), Some(32)),
        (2000, 128, Some(11), None),
        (30, 2, None, None),
        (2, 1, Some(2), None),
        (3, 1, Some(3), Some(1)),
    ] {
        let packed = packed(large, workers, &|| least);
        assert_eq!(packed, expected.map(|workers| (workers, least.unwrap())), "{large} on {workers}");
    }
}

#[test]
fn many_large_files_are_taken_at_once_and_the_last_of_them_two_and_two() {
    let folder = std::env::temp_dir().join(format!("ringfence-attest-schedule-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let large = usize::try_from(LARGE).unwrap();
    // One byte more or less than whole pieces; the last ones are small.
    let lengths =
        [0, 1, 2, 3, 4, 5].map(|index| large + index * (PIECE + 1)).into_iter().chain([1000, 0, PIECE]);
    let contents: Vec<Vec<u8>> = lengths
        .enumerate()
        .map(|(index, length)| (0..length).map(|at| (at / 3 + index).to_le_bytes()[0]).collect())
        .collect();
    let jobs: Vec<Job> = contents
        .iter()
        .enumerate()
        .map(|(index, bytes)| {
            let path = folder.join(index.to_string());
            std::fs::write(&path, bytes).unwrap();
            let identity = OpenFile::open(&path, false).unwrap().identity();
            Job {
                file: Listed { folder: None, path, identity },
                range: (0, None),
                expected: bytes.len() as u64,
            }
        })
        .collect();
    let told = std::sync::atomic::AtomicU64::new(0);
    let count = |bytes| _ = told.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    let hashed = run(Kept::default, &jobs, NonZero::new(1), &count);
    let (mut all, mut by_two, mut by_many) = (0, 0, 0);
    for (hashed, bytes) in hashed.into_iter().zip(&contents) {
        let (length, kept) = hashed.unwrap();
        assert_eq!(length, bytes.len() as u64);
        assert!(kept.bytes == *bytes);
        all += bytes.len();
        by_two += kept.by_two;
        by_many += kept.by_many;
    }
    assert_eq!(told.into_inner(), all as u64);
    assert!(by_many > all * 9 / 10 && by_two > 0, "{by_many} and {by_two} of {all}");
    std::fs::remove_dir_all(folder).unwrap();
}
