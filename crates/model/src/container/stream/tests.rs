//! Room `model`, container `stream`: each codec by its own encoder; whole, several members, cut, changed, too large.

use std::io::Write as _;

use ringfence_artifact::Slice;
use ringfence_finding::GapReason;
use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;

use crate::testing::judge;
use crate::testing::judge_within;

use super::*;

const CLEAN: &[u8] = b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00K\x01\x94.";
const EVIL: &[u8] = b"cos\nsystem\n(S'echo hi'\ntR.";

const CODECS: [(Codec, &str); 7] = [
    (Codec::Bzip2, "bzip2"),
    (Codec::Gzip, "gzip"),
    (Codec::Lz4, "lz4"),
    (Codec::Lzma, "lzma"),
    (Codec::Xz, "xz"),
    (Codec::Zlib, "zlib"),
    (Codec::Zstd, "zstd"),
];

/// One member.
pub(crate) fn pack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Lzma => {
            let options = lzma_rust2::LzmaOptions::with_preset(1);
            let mut encoder = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, None).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(1);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Zstd => ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest),
    }
}

fn numbers(file: &ModelFile) -> Vec<u16> {
    file.findings.iter().map(|finding| finding.id.number).collect()
}

#[test]
fn what_is_packed_is_judged_as_a_file_of_its_own() {
    for (codec, name) in CODECS {
        let clean = judge(&pack(codec, CLEAN));
        assert_eq!((clean.verdict, clean.explained), (Verdict::Clean, clean.bytes), "{name}: {clean:#?}");
        assert_eq!(clean.formats, [name]);
        let evil = judge(&pack(codec, EVIL));
        assert_eq!(evil.verdict, Verdict::Malicious, "{name}");
        assert_eq!(evil.findings[0].place.path, "x!/content", "{name}");
        let twice = judge(&pack(codec, &pack(Codec::Gzip, EVIL)));
        assert_eq!(twice.findings[0].place.path, "x!/content!/content", "{name}");
        let unknown = judge(&pack(codec, b"\x01\x02\x03\x04"));
        assert_eq!(unknown.verdict, Verdict::Incomplete, "{name}: {unknown:#?}");
    }
}

#[test]
fn members_one_behind_another_are_one_stream() {
    let (front, back) = EVIL.split_at(9);
    for (codec, name) in CODECS {
        let joined = judge(&[pack(codec, front), pack(codec, back)].concat());
        if codec == Codec::Zlib {
            // Loaders stop at the end of the first; what is behind is a file of its own.
            assert!(numbers(&joined).contains(&107), "{joined:#?}");
            let evil = judge(&[pack(codec, CLEAN), pack(codec, EVIL)].concat());
            assert_eq!(evil.verdict, Verdict::Malicious, "{evil:#?}");
        } else {
            assert_eq!(joined.verdict, Verdict::Malicious, "{name}: {joined:#?}");
            assert_eq!(joined.findings[0].place.path, "x!/content", "{name}");
        }
    }
}

#[test]
fn what_stands_behind_the_end_is_told_and_looked_at() {
    for (codec, name) in CODECS {
        let junk = judge(&[&pack(codec, CLEAN)[..], b"\x01junk"].concat());
        assert_eq!((junk.verdict, numbers(&junk)), (Verdict::Review, vec![107]), "{name}: {junk:#?}");
        assert!(!junk.gaps.is_empty(), "{name}");
        let packed = pack(codec, CLEAN);
        let evil = judge(&[&packed[..], EVIL].concat());
        assert_eq!(evil.verdict, Verdict::Malicious, "{name}: {evil:#?}");
        assert_eq!(evil.findings[0].place.path, format!("x!/behind@0x{:x}", packed.len()));
    }
    for codec in [Codec::Gzip, Codec::Xz] {
        let padded = judge(&[&pack(codec, CLEAN)[..], &[0; 512]].concat());
        assert_eq!((padded.verdict, padded.explained), (Verdict::Clean, padded.bytes), "{padded:#?}");
    }
}

#[test]
fn a_cut_stream_is_never_clean_and_what_was_decoded_is_looked_at() {
    let long = [EVIL, &vec![0; 70_000][..]].concat();
    for (codec, name) in CODECS {
        let packed = pack(codec, CLEAN);
        for end in 1..packed.len() {
            let file = judge(&packed[..end]);
            assert_ne!(file.verdict, Verdict::Clean, "{name}, first {end} bytes");
        }
        let packed = pack(codec, &long);
        let file = judge(&packed[..packed.len() - 1]);
        let gap = file.gaps.iter().find(|gap| gap.reason == GapReason::Truncated);
        assert!(gap.is_some_and(|gap| gap.place.path == "x" && gap.place.offset > 0), "{name}: {file:#?}");
        if codec != Codec::Bzip2 {
            // A block of bzip2 is decoded whole or not at all; here there is one.
            assert_eq!(file.verdict, Verdict::Malicious, "{name}: {file:#?}");
        }
    }
}

#[test]
fn no_changed_byte_makes_it_clean() {
    // A changed header may be harmless (a time, a flag for text): then all was decoded and is what it was.
    for (codec, name) in CODECS {
        let packed = pack(codec, EVIL);
        for at in 0..packed.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = packed.clone();
                changed[at] ^= flip;
                let file = judge(&changed);
                assert_ne!(file.verdict, Verdict::Clean, "{name}: byte {at} ^ {flip:x}");
            }
        }
    }
}

#[test]
fn a_false_check_sum_is_told_and_the_bytes_are_judged() {
    let mut gzip = pack(Codec::Gzip, CLEAN);
    let at = gzip.len() - 8;
    gzip[at] ^= 1;
    assert_eq!(numbers(&judge(&gzip)), [123]);
    let mut lengths = pack(Codec::Gzip, CLEAN);
    let at = lengths.len() - 1;
    lengths[at] ^= 1;
    assert_eq!(numbers(&judge(&lengths)), [123]);
    let mut zstd = pack(Codec::Zstd, CLEAN);
    let at = zstd.len() - 1;
    zstd[at] ^= 1;
    assert_eq!(numbers(&judge(&zstd)), [123], "{:#?}", judge(&zstd));
    let spoiled = |codec| {
        let mut packed = pack(codec, EVIL);
        *packed.last_mut().unwrap() ^= 1;
        judge(&packed)
    };
    assert_eq!(numbers(&spoiled(Codec::Zlib)), [101, 123]);
    // The library that reads LZ4 stops there; what it gave before is judged.
    let lz4 = spoiled(Codec::Lz4);
    assert_eq!((lz4.verdict, lz4.is_complete()), (Verdict::Malicious, false), "{lz4:#?}");
}

#[test]
fn a_bomb_stops_at_the_budget() {
    let limits = Limits { decoded: 4 << 20, ..Limits::default() };
    for (codec, name) in CODECS {
        let file = judge_within(&pack(codec, &vec![0; 8 << 20]), &limits);
        let gap = file.gaps.iter().find(|gap| gap.reason == GapReason::Budget);
        assert!(gap.is_some_and(|gap| gap.message.contains("bytes to decode")), "{name}: {file:#?}");
    }
    // Nine in one another are one too many.
    let nested = (0..9).fold(CLEAN.to_vec(), |bytes, _| pack(Codec::Gzip, &bytes));
    assert!(judge(&nested).gaps.iter().any(|gap| gap.message.contains("too deep")));
    let nested = (0..8).fold(CLEAN.to_vec(), |bytes, _| pack(Codec::Gzip, &bytes));
    assert_eq!(judge(&nested).verdict, Verdict::Clean);
}

#[test]
fn a_window_beyond_memory_is_refused_once_it_would_be_used() {
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let source: Arc<dyn Source> = Arc::new(Slice::new(pack(Codec::Xz, &bytes)));
    let stream = read(&source, Codec::Xz, &Budget::new(1 << 30), 100_000);
    assert!(matches!(stream.error, Some((_, ReadError::Window { .. }))), "{:?}", stream.error);
    assert!(stream.decoded.len() <= 400_000, "{}", stream.decoded.len());
    let source: Arc<dyn Source> = Arc::new(Slice::new(pack(Codec::Xz, &bytes[..90_000])));
    assert!(read(&source, Codec::Xz, &Budget::new(1 << 30), 100_000).error.is_none());
}

#[test]
fn a_frame_that_announces_all_bytes_there_are_is_refused() {
    // One segment of zstd: its window is its content, of which there are 2^64 - 1 bytes.
    let bytes = [&b"\x28\xb5\x2f\xfd\xe0"[..], &[0xff; 8], &[0; 16]].concat();
    let source: Arc<dyn Source> = Arc::new(Slice::new(bytes));
    let stream = read(&source, Codec::Zstd, &Budget::new(1 << 30), 100_000);
    assert!(
        matches!(stream.error, Some((_, ReadError::Window { bytes: u64::MAX, .. }))),
        "{:?}",
        stream.error
    );
}

#[test]
fn skippable_frames_are_passed_over_and_looked_at() {
    let frame = |bytes: &[u8]| {
        let len = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [&b"\x5e\x2a\x4d\x18"[..], &len, bytes].concat()
    };
    for codec in [Codec::Lz4, Codec::Zstd] {
        let with = |bytes: &[u8]| judge(&[pack(codec, CLEAN), frame(bytes), pack(codec, b"")].concat());
        let sizes = with(b"\0\0\0\x01");
        assert_eq!((sizes.verdict, sizes.explained), (Verdict::Clean, sizes.bytes), "{sizes:#?}");
        assert_eq!(with(EVIL).verdict, Verdict::Malicious);
        assert_eq!(with(b"\x01\x02\x03\x04\x05").verdict, Verdict::Incomplete);
    }
    for codec in [Codec::Lz4, Codec::Zstd] {
        // One frame too many to list is a gap; frames of a size alone are none.
        let many = [pack(codec, CLEAN), frame(b"12345").repeat(64), frame(EVIL)].concat();
        assert!(judge(&many).gaps.iter().any(|gap| gap.reason == GapReason::Budget));
        let sizes = judge(&[pack(codec, CLEAN), frame(b"1234").repeat(200)].concat());
        assert_eq!((sizes.verdict, sizes.explained), (Verdict::Clean, sizes.bytes), "{sizes:#?}");
        let sizes = judge(&[pack(codec, CLEAN), frame(b"1234").repeat(64), frame(EVIL)].concat());
        assert_eq!(sizes.verdict, Verdict::Malicious);
        let table = |count: u8| [&[0; 24][..], &[count, 0, 0, 0, 0], b"\xb1\xea\x92\x8f"].concat();
        assert_eq!(judge(&[pack(codec, CLEAN), frame(&table(3))].concat()).verdict, Verdict::Clean);
        assert_ne!(judge(&[pack(codec, CLEAN), frame(&table(2))].concat()).verdict, Verdict::Clean);
    }
    // In front, where only the frame's own magic gives the format away.
    let front = judge(&[frame(b"\0\0\0\0"), pack(Codec::Zstd, EVIL)].concat());
    assert_eq!(front.verdict, Verdict::Malicious, "{front:#?}");
}

#[test]
fn a_small_stream_with_a_large_window_leaves_room_for_what_is_in_it() {
    // `xz -9` asks for 64 MiB whatever it packs.
    let xz = |bytes: &[u8]| {
        let options = lzma_rust2::XzOptions::with_preset(9);
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let file = judge(&xz(&xz(&pack(Codec::Bzip2, CLEAN))));
    assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{file:#?}");
}
