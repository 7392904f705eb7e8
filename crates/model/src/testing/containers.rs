//! Room `model`, tests: Python's own decompressors and `tarfile` as judges: whatever bytes they give, ours has read.

use std::sync::Arc;

use ringfence_artifact::Slice;
use ringfence_artifact::Source;

use super::python;
use super::random::Random;
use crate::Limits;
use crate::container::decoded::Budget;
use crate::container::stream;
use crate::container::stream::Codec;
use crate::container::stream::tests::pack;
use crate::container::tar;
use crate::container::tar::tests::archive;
use crate::container::tar::tests::member;

/// For each pair of a module and a stream: what its file object gives before it ends or fails, in hex.
const STREAMS: &str = r"
import bz2, gzip, io, lzma, struct, sys, zlib
def zread(data):
    d = zlib.decompressobj()
    return io.BytesIO(b''.join(d.decompress(data[at:at + 1]) for at in range(len(data))))
opens = {'gzip': lambda d: gzip.GzipFile(fileobj=io.BytesIO(d)), 'bzip2': lambda d: bz2.BZ2File(io.BytesIO(d)),
         'xz': lambda d: lzma.LZMAFile(io.BytesIO(d)), 'lzma': lambda d: lzma.LZMAFile(io.BytesIO(d)), 'zlib': zread}
data = sys.stdin.buffer
def piece(): return data.read(struct.unpack('<I', head)[0])
while head := data.read(4):
    name = piece().decode()
    head = data.read(4)
    body, out = piece(), b''
    try:
        file = opens[name](body)
        while more := file.read(1): out += more
    except Exception: pass
    print(out.hex() or '-')
";

/// For each archive: name, offset and size of each regular file that `tarfile` lists before it ends or fails.
const ARCHIVES: &str = r"
import io, json, struct, sys, tarfile
data = sys.stdin.buffer
while head := data.read(4):
    body, out = data.read(struct.unpack('<I', head)[0]), []
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode='r:') as tar:
            for info in tar:
                if info.isreg() and not info.sparse: out.append([info.name, info.offset_data, info.size])
    except Exception: pass
    print(json.dumps(out))
";

/// Streams of one or two members, with something behind them or cut, and some with a byte changed.
fn streams(random: &mut Random) -> Vec<(&'static str, Codec, Vec<u8>)> {
    let codecs = [
        ("gzip", Codec::Gzip),
        ("bzip2", Codec::Bzip2),
        ("xz", Codec::Xz),
        ("lzma", Codec::Lzma),
        ("zlib", Codec::Zlib),
    ];
    let mut all = Vec::new();
    for round in 0..200 {
        for (name, codec) in codecs {
            let text: Vec<u8> = (0..random.below(300)).map(|_| b"abc\x00"[random.below(4)]).collect();
            let mut bytes = pack(codec, &text);
            match round % 5 {
                1 => bytes.extend(pack(codec, b"second")),
                2 => bytes.extend(vec![0; random.below(9)]),
                3 => bytes.truncate(random.below(bytes.len())),
                4 => {
                    let at = random.below(bytes.len());
                    bytes[at] ^= 1 << random.below(8);
                }
                _ => {}
            }
            all.push((name, codec, bytes));
        }
    }
    all
}

#[test]
#[ignore = "needs python3: decodes streams with its own libraries"]
fn whatever_python_decodes_is_decoded() {
    let streams = streams(&mut Random::new(7));
    let pieces = streams.iter().flat_map(|(name, _, bytes)| [name.as_bytes(), bytes.as_slice()]);
    let printed = python::run(STREAMS, &python::frames(pieces));
    let (mut compared, mut decoded, mut held_back) = (0, 0, 0);
    for ((name, codec, bytes), line) in streams.iter().zip(printed.lines()) {
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes.as_slice()));
        let stream = stream::read(&source, *codec, &Budget::new(1 << 30), Limits::WINDOWS);
        let mut ours = vec![0; 1000];
        let got = stream.decoded.read_at(0, &mut ours).unwrap();
        let ours = ours[..got].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let theirs = line.trim_start_matches('-');
        // Of a stream that breaks off, told as such, a decoder may hold the last bytes back.
        let holds = ours.starts_with(theirs) || stream.error.is_some() && theirs.starts_with(&ours);
        assert!(holds, "{name}: {theirs} is not in {ours}\n{bytes:02x?}\n{:?}", stream.error);
        held_back += usize::from(ours.len() < theirs.len());
        compared += 1;
        decoded += usize::from(!theirs.is_empty());
    }
    println!(
        "{compared} streams, {decoded} of them decoded by Python, {held_back} cut ones not to their last byte"
    );
    assert!(
        compared == streams.len() && decoded > 600 && held_back < 100,
        "{compared}, {decoded}, {held_back}"
    );
}

#[test]
#[ignore = "needs python3: lists archives with its own tarfile"]
fn no_member_that_pythons_tarfile_lists_is_missed() {
    let mut random = Random::new(11);
    let whole = archive(&[
        member("a/one.bin", b"first"),
        member("two.bin", &[b'x'; 700]),
        member("three", b""),
        member("four.pkl", b"N."),
    ]);
    let archives: Vec<Vec<u8>> = (0..3000)
        .map(|_| {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = b"\x00\x01\x20\x300127LKxgS5\xff"[random.below(14)];
            }
            resum(&mut bytes, &mut random);
            bytes
        })
        .collect();
    let printed = python::run(ARCHIVES, &python::frames(archives.iter().map(Vec::as_slice)));
    let mut listed = 0;
    for (bytes, line) in archives.iter().zip(printed.lines()) {
        let theirs: Vec<(String, u64, u64)> = serde_json::from_str(line).unwrap();
        let ours = tar::read(&Slice::new(bytes.as_slice()), &Limits::default()).unwrap();
        for (name, data, size) in theirs {
            // What runs past the end is told as truncated and read as far as it goes.
            let size = size.min((bytes.len() as u64).saturating_sub(data));
            let seen = ours.members.iter().any(|member| (member.data, member.size) == (data, size));
            let unread = ours.unread.iter().any(|(at, ..)| *at == data);
            assert!(seen || unread, "{name:?} at {data}, {size} bytes, is missed in {ours:#?}");
            listed += 1;
        }
    }
    println!("{} archives, {listed} members listed by Python, none missed", archives.len());
    assert!(listed > archives.len());
}

/// Mends the check sum of most headers, so that changes behind them count.
fn resum(bytes: &mut [u8], random: &mut Random) {
    for block in bytes.chunks_mut(512).filter(|block| block.len() == 512 && block[257..262] == *b"ustar") {
        if random.below(8) > 0 {
            block[148..156].copy_from_slice(b"        ");
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}
