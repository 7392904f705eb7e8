//! Room `model`, zip: archives made record by record, for each disagreement between loaders.

use std::sync::Arc;

use ringfence_artifact::Slice;

use super::*;
use crate::container::decoded::Budget;

const CLEAN: &[u8] = b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00K\x01\x94.";
const EVIL: &[u8] = b"cos\nsystem\n(S'echo hi'\ntR.";

/// A member to write.
pub(crate) struct Write<'b> {
    pub(crate) name: &'b str,
    pub(crate) data: &'b [u8],
    pub(crate) deflate: bool,
}

/// An archive as `zipfile` writes it, and the offsets of its central headers.
pub(crate) fn archive(members: &[Write<'_>]) -> Vec<u8> {
    let (mut bytes, mut central) = (Vec::new(), Vec::new());
    for member in members {
        let packed = if member.deflate { deflate(member.data) } else { member.data.to_vec() };
        let mut crc = flate2::Crc::new();
        crc.update(member.data);
        let mut middle = vec![20, 0, 0, 0, if member.deflate { 8 } else { 0 }, 0, 0, 0, 0x21, 0];
        middle.extend(crc.sum().to_le_bytes());
        middle.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        middle.extend(u32::try_from(member.data.len()).unwrap().to_le_bytes());
        middle.extend(u16::try_from(member.name.len()).unwrap().to_le_bytes());
        middle.extend([0, 0]);
        let at = u32::try_from(bytes.len()).unwrap();
        bytes.extend([&record::LOCAL[..], &middle, member.name.as_bytes(), &packed].concat());
        central.extend([&record::CENTRAL[..], &[20, 0], &middle, &[0; 10], &at.to_le_bytes()].concat());
        central.extend(member.name.as_bytes());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let (start, len) = (u32::try_from(bytes.len()).unwrap(), u32::try_from(central.len()).unwrap());
    bytes.extend(central);
    bytes.extend(
        [&record::END[..], &[0; 4], &count, &count, &len.to_le_bytes(), &start.to_le_bytes(), &[0; 2]]
            .concat(),
    );
    bytes
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_bytes(bytes: &[u8]) -> Archive {
    read(&Slice::new(bytes), &Limits::default()).unwrap()
}

fn names(archive: &Archive) -> Vec<&str> {
    archive.members.iter().map(Member::name).collect()
}

fn two() -> Vec<u8> {
    archive(&[
        Write { name: "a/one", data: b"first", deflate: false },
        Write { name: "a/two", data: &[b'x'; 5000], deflate: true },
    ])
}

#[test]
fn an_ordinary_archive_has_no_oddities_and_no_gaps() {
    let bytes = two();
    let archive = read_bytes(&bytes);
    assert_eq!(names(&archive), ["a/one", "a/two"]);
    assert_eq!(archive.odd, []);
    assert_eq!(archive.spans, [(0, bytes.len() as u64)]);
    let source: Arc<dyn Source> = Arc::new(Slice::new(bytes));
    let two = archive.members[1].open(&source, &Budget::new(1 << 20)).unwrap();
    let mut buffer = [0; 6000];
    assert_eq!(two.read_at(0, &mut buffer).unwrap(), 5000);
}

/// Where the first central header stands.
fn central(bytes: &[u8]) -> usize {
    memmem::find(bytes, b"PK\x01\x02").unwrap()
}

/// `bytes` with one byte changed.
fn with(bytes: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    assert_ne!(changed[at], byte, "a change");
    changed[at] = byte;
    changed
}

/// `two` with a member between the others and the directory, which does not list it.
fn hidden() -> Vec<u8> {
    let (bytes, extra) = (two(), archive_member("hidden", b"payload"));
    let at = u32::try_from(central(&bytes) + extra.len()).unwrap();
    let mut changed = [&bytes[..central(&bytes)], &extra, &bytes[central(&bytes)..]].concat();
    let end = changed.len() - 6;
    changed[end..end + 4].copy_from_slice(&at.to_le_bytes());
    changed
}

/// Archives of which loaders see different things, each with part of what is told.
fn disagreements() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = two();
    let (first, end) = (central(&bytes), bytes.len() - 22);
    let second = first + 46 + "a/one".len();
    let mut all = vec![
        ("z/one is called a/one in its local header", with(&bytes, first + 46, b'z')),
        ("10 bytes before the archive", [&b"#!/bin/sh\n"[..], &bytes].concat()),
        ("hidden is in no directory", hidden()),
        ("is there twice", [bytes.clone(), bytes.clone()].concat()),
        ("the end record counts 7 members, the directory holds 2", with(&bytes, end + 10, 7)),
        ("no central directory", bytes[..first].to_vec()),
        ("a/one is packed in two ways at once", with(&bytes, 8, 8)),
        ("a/one is packed in two ways at once", with(&bytes, first + 10, 8)),
        ("a/one has two sizes", with(&bytes, 18, 3)),
        ("a/one has two sizes", with(&bytes, first + 20, 3)),
        ("a/two has no local header", with(&bytes, second + 42, 1)),
        ("the record of a/two runs past its directory", with(&bytes, second + 28, 6)),
        ("the record of a/two runs past its directory", with(&bytes, second + 30, 6)),
        ("the record of a/two runs past its directory", with(&bytes, second + 32, 6)),
        ("one member with 2 names", with(&with(&bytes, first + 48, 0), 32, 0)),
        ("a comment that runs past the end", with(&bytes, end + 20, 9)),
        ("2 central directories", hidden_by_zip64()),
    ];
    for name in ["../x", "/etc/x", "C:\\x", "a\\..\\b"] {
        all.push(("a member named", archive_of_one(name)));
    }
    all
}

/// Those, and every other of this file that is not as a writer leaves it.
pub(crate) fn odd_archives() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = disagreements();
    let (packed, longer) = (deflate(CLEAN), deflate(&[CLEAN, EVIL].concat()));
    all.extend([
        ("a stream behind its end", stating(&[packed, EVIL.to_vec()].concat(), CLEAN, CLEAN.len())),
        ("a stream longer than its size", stating(&longer, CLEAN, CLEAN.len())),
        ("a stream shorter than its size", stating(&deflate(EVIL), EVIL, EVIL.len() + 1)),
        ("many records of one member", many_records()),
        ("members that overlap", OVERLAPPING.concat().repeat(20)),
    ]);
    all
}

#[test]
fn a_record_that_runs_past_its_directory_lists_a_member() {
    let bytes = two();
    // Length of the name, of the extra field, of the comment.
    for field in [28, 30, 32] {
        let read = read_bytes(&with(&bytes, central(&bytes) + 46 + "a/one".len() + field, 6));
        let listed: Vec<_> = read.members.iter().map(|member| (member.name(), member.is_listed)).collect();
        assert_eq!(listed, [("a/one", true), ("a/two", true)], "{field}");
    }
}

#[test]
fn every_disagreement_of_loaders_is_told() {
    for (words, bytes) in disagreements() {
        let odd =
            read_bytes(&bytes).odd.into_iter().map(|(_, _, words)| words).collect::<Vec<_>>().join("; ");
        assert!(odd.contains(words), "no `{words}` in `{odd}`");
    }
    let bytes = two();
    let renamed = read_bytes(&with(&bytes, central(&bytes) + 46, b'z'));
    assert_eq!(renamed.members[0].names, ["z/one", "a/one"]);
    assert_eq!(names(&read_bytes(&[&b"#!/bin/sh\n"[..], &bytes].concat())), ["a/one", "a/two"]);
    assert_eq!(names(&read_bytes(&hidden())), ["a/one", "a/two", "hidden"]);
    assert_eq!(names(&read_bytes(&bytes[..central(&bytes)])), ["a/one", "a/two"]);
}

/// The records of ZIP64 for one member whose directory of `size` bytes starts at `offset`; the first stands at `place`.
fn zip64(size: usize, offset: usize, place: usize) -> (Vec<u8>, Vec<u8>) {
    zip64_of(1, size, offset, place)
}

fn zip64_of(members: usize, size: usize, offset: usize, place: usize) -> (Vec<u8>, Vec<u8>) {
    let field = |value: usize| u64::try_from(value).unwrap().to_le_bytes();
    let count = field(members);
    let front = [&b"PK\x06\x06"[..], &field(44), &[45, 0, 45, 0], &[0; 8], &count, &count].concat();
    let end = [front, field(size).to_vec(), field(offset).to_vec()].concat();
    (end, [&b"PK\x06\x07"[..], &[0; 4], &field(place), &[1, 0, 0, 0]].concat())
}

/// An archive with a ZIP64 record, and a second one behind it.
fn hidden_by_zip64() -> Vec<u8> {
    let good = archive(&[Write { name: "good.pkl", data: CLEAN, deflate: false }]);
    let (start, end) = (central(&good), good.len() - 22);
    let (end64, locator) = zip64(end - start, start, end);
    // The locator is in the comment of a second directory: Python finds no ZIP64 record before it and takes that one.
    let second = archive(&[Write { name: "evil.pkl", data: EVIL, deflate: false }]);
    let at = u32::try_from(end + end64.len()).unwrap();
    let central = central(&second);
    let mut directory = [&second[central..second.len() - 22], &locator].concat();
    directory[32] = 20;
    directory[42..46].copy_from_slice(&at.to_le_bytes());
    let mut last = second[second.len() - 22..].to_vec();
    last[12..16].copy_from_slice(&u32::try_from(directory.len()).unwrap().to_le_bytes());
    last[16..20].copy_from_slice(&(at + u32::try_from(central).unwrap()).to_le_bytes());
    [&good[..end], &end64, &second[..central], &directory, &last].concat()
}

#[test]
fn a_zip64_record_elsewhere_hides_no_directory() {
    use crate::testing::judge;
    use ringfence_finding::Verdict;
    let good = archive(&[Write { name: "good.pkl", data: CLEAN, deflate: false }]);
    let (start, end) = (central(&good), good.len() - 22);
    let (end64, locator) = zip64(end - start, start, end);
    // Right before the locator it is an ordinary archive of ZIP64.
    let plain = [&good[..end], &end64, &locator, &good[end..]].concat();
    let file = judge(&plain);
    assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{file:#?}");

    let hidden = hidden_by_zip64();
    assert_eq!(names(&read_bytes(&hidden)), ["good.pkl", "evil.pkl"]);
    assert!(read_bytes(&hidden).odd.iter().any(|(.., words)| words.contains("2 central directories")));
    let file = judge(&hidden);
    assert_eq!(file.verdict, Verdict::Malicious, "{file:#?}");
}

/// torch writes both records of ZIP64 always, 76 bytes: as many as a central header whose name has 30 characters, which
/// `data.pkl` has in every checkpoint with a name of 21.
#[test]
fn a_directory_is_not_two_where_its_second_record_lies_as_far_as_zip64_is_long() {
    let name = format!("{}/data.pkl", "n".repeat(21));
    let good = archive(&[
        Write { name: &name, data: CLEAN, deflate: false },
        Write { name: "n/version", data: b"3", deflate: false },
    ]);
    let (start, end) = (memmem::find(&good, b"PK\x01\x02").unwrap(), good.len() - 22);
    assert_eq!(good[start + 76..][..4], record::CENTRAL);
    let (end64, locator) = zip64_of(2, end - start, start, end);
    let whole = [&good[..end], &end64, &locator, &good[end..]].concat();
    let read = read_bytes(&whole);
    assert_eq!((names(&read), read.odd.len()), (vec![&*name, "n/version"], 0));
    assert_eq!(read.spans, [(0, whole.len() as u64)]);
    // With bytes before it, or with another directory in the other record, it is told as before.
    let told = |bytes: &[u8]| format!("{:?}", read_bytes(bytes).odd);
    assert!(told(&[b"#!/bin/sh\n", &whole[..]].concat()).contains("10 bytes before the archive"));
    let mut other = whole.clone();
    let offset = u32::try_from(start + 76).unwrap();
    other[end + 76 + 16..][..4].copy_from_slice(&offset.to_le_bytes());
    assert!(told(&other).contains("2 central directories"), "{}", told(&other));
}

/// One deflated member whose records state these lengths.
fn stating(packed: &[u8], data: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = archive(&[Write { name: "a.pkl", data: packed, deflate: false }]);
    let central = memmem::find(&bytes, b"PK\x01\x02").unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(data);
    for at in [8, central + 10] {
        bytes[at] = 8;
        bytes[at + 6..at + 10].copy_from_slice(&crc.sum().to_le_bytes());
        bytes[at + 14..at + 18].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
    }
    bytes
}

#[test]
fn a_packed_member_is_read_to_the_end_of_its_stream_and_behind_it() {
    use crate::testing::judge;
    use ringfence_finding::Verdict;
    let honest = judge(&stating(&deflate(CLEAN), CLEAN, CLEAN.len()));
    assert_eq!((honest.verdict, honest.explained), (Verdict::Clean, honest.bytes), "{honest:#?}");
    let behind = judge(&stating(&[deflate(CLEAN), EVIL.to_vec()].concat(), CLEAN, CLEAN.len()));
    assert_eq!(behind.verdict, Verdict::Malicious, "{behind:#?}");
    assert!(behind.findings.iter().any(|found| found.place.path == "x!/a.pkl!/behind"), "{behind:#?}");
    // Python cuts at the stated size; who reads the stream goes on.
    let both = [CLEAN, EVIL].concat();
    let longer = judge(&stating(&deflate(&both), CLEAN, CLEAN.len()));
    assert_eq!(longer.verdict, Verdict::Malicious, "{longer:#?}");
    // A stated size beyond the end of the stream: Python reads what there is.
    for more in [1, 200_000] {
        let shorter = judge(&stating(&deflate(EVIL), EVIL, EVIL.len() + more));
        assert_eq!((shorter.verdict, shorter.is_complete()), (Verdict::Malicious, false), "{shorter:#?}");
    }
}

/// A header, stored, its size unknown: each runs to the end of the file, over all that follow.
const OVERLAPPING: [&[u8]; 3] = [b"PK\x03\x04\x14\0\x08\0", &[0; 18], b"\x01\0\0\0a"];

#[test]
fn members_that_overlap_end_as_a_budget() {
    use crate::testing::judge;
    use ringfence_finding::GapReason;
    use ringfence_finding::Verdict;
    let header = OVERLAPPING.concat();
    for count in [20, 2000] {
        let file = judge(&header.repeat(count));
        assert_eq!(file.verdict, Verdict::Review, "{count}");
        let is_budget = |gap: &ringfence_finding::ModelGap| {
            gap.reason == GapReason::Budget && gap.message.contains("overlap")
        };
        assert_eq!(file.gaps.iter().filter(|gap| is_budget(gap)).count(), 1, "{count}");
    }
}

fn many_records() -> Vec<u8> {
    let names: Vec<String> = (0..2000).map(|number| format!("{number:04}")).collect();
    let members: Vec<_> = names.iter().map(|name| Write { name, data: b"x", deflate: false }).collect();
    let mut bytes = archive(&members);
    let central = memmem::find(&bytes, b"PK\x01\x02").unwrap();
    for record in 0..2000 {
        bytes[central + record * 50 + 42..central + record * 50 + 46].fill(0);
    }
    let directory = bytes.split_off(central);
    bytes.truncate(35);
    let mut bytes = [bytes, directory].concat();
    let end = bytes.len() - 6;
    bytes[end..end + 4].copy_from_slice(&35_u32.to_le_bytes());
    bytes
}

#[test]
fn many_records_of_one_member_are_a_budget() {
    let bytes = many_records();
    let one = read_bytes(&bytes);
    assert_eq!((one.members.len(), one.members[0].names.len()), (1, Limits::GAPS));
    assert!(matches!(one.budget, Some((_, "names of one member"))), "{:?}", one.budget);
    let limits = Limits { members: 100, ..Limits::default() };
    let one = read(&Slice::new(bytes), &limits).unwrap();
    assert!(matches!(one.budget, Some((_, "members"))), "{:?}", one.budget);
}

fn archive_of_one(name: &str) -> Vec<u8> {
    archive(&[Write { name, data: b"x", deflate: false }])
}

fn archive_member(name: &str, data: &[u8]) -> Vec<u8> {
    let whole = archive(&[Write { name, data, deflate: false }]);
    let central = memmem::find(&whole, b"PK\x01\x02").unwrap();
    whole[..central].to_vec()
}

#[test]
fn a_member_of_all_bytes_there_are_ends_where_numbers_do() {
    let mut bytes = archive_of_one("x");
    let end = memmem::find(&bytes, &record::END).unwrap();
    let central = memmem::find(&bytes, &record::CENTRAL).unwrap();
    // Its packed size stands in a ZIP64 field.
    bytes[central + 20..central + 24].fill(0xff);
    bytes[central + 30] = 12;
    bytes[end + 12] += 12;
    let field = [&[1, 0, 8, 0][..], &[0xff; 8]].concat();
    bytes.splice(end..end, field);
    let archive = read_bytes(&bytes);
    assert!(archive.members.iter().any(|member| member.packed == u64::MAX), "{:?}", archive.members);
    assert!(archive.odd.iter().any(|(.., words)| words.contains("runs past the end")), "{:?}", archive.odd);
}

#[test]
fn truncated_and_changed_archives_never_panic() {
    let bytes = two();
    for end in 0..bytes.len() {
        read_bytes(&bytes[..end]);
    }
    for at in 0..bytes.len() {
        for value in [0, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            read_bytes(&changed);
        }
    }
}
