//! Room `model`, container `tar`: archives made block by block, for each disagreement between readers.

use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;

use crate::testing::judge;

const EVIL: &[u8] = b"cos\nsystem\n(S'echo hi'\ntR.";
const CLEAN: &[u8] = b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00K\x01\x94.";

/// A header as GNU tar and Python write it, with its check sum.
pub(crate) struct Block(pub(crate) Vec<u8>);

impl Block {
    pub(crate) fn new(kind: u8, name: &str, size: usize) -> Self {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        Self(block)
    }

    pub(crate) fn with(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn sum(mut self) -> Vec<u8> {
        self.0[148..156].copy_from_slice(b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub(crate) fn member(name: &str, data: &[u8]) -> Vec<u8> {
    [Block::new(b'0', name, data.len()).sum(), padded(data)].concat()
}

/// Members, and two blocks of zeros.
pub(crate) fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}

fn pax(kind: u8, records: &str) -> Vec<u8> {
    [Block::new(kind, "PaxHeader", records.len()).sum(), padded(records.as_bytes())].concat()
}

fn link(kind: u8, name: &str, target: &str) -> Vec<u8> {
    Block::new(kind, name, 0).with(157, target.as_bytes()).sum()
}

fn told(file: &ModelFile) -> String {
    let findings = file.findings.iter().map(|finding| format!("{}: {}", finding.id.number, finding.message));
    let gaps = file.gaps.iter().map(|gap| format!("{}: {}", gap.reason, gap.message));
    findings.chain(gaps).collect::<Vec<_>>().join("; ")
}

#[test]
fn each_member_is_a_file_of_its_own() {
    let good =
        archive(&[member("m/a.pkl", CLEAN), Block::new(b'5', "m/", 0).sum(), member("m/b.pkl", CLEAN)]);
    let file = judge(&good);
    assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{}", told(&file));
    assert_eq!(file.formats, ["tar"]);
    let evil = judge(&archive(&[member("m/a.pkl", CLEAN), member("m/b.bin", EVIL)]));
    assert_eq!(evil.verdict, Verdict::Malicious);
    assert_eq!(evil.findings[0].place.path, "x!/m/b.bin");
    // Without the word `ustar`: the check sum alone gives it away.
    let old = Block::new(b'0', "a.pkl", EVIL.len()).with(257, &[0; 8]).sum();
    assert_eq!(judge(&archive(&[old, padded(EVIL)])).formats, ["tar"]);
    assert_eq!(judge(&good[..good.len() - 1024]).verdict, Verdict::Incomplete, "no end");
}

#[test]
fn what_only_its_readers_know_as_a_format_is_found_in_a_header() {
    use crate::container::stream::Codec;
    use crate::container::stream::tests::pack;
    // An old header, its check sum in base 256.
    let mut old = Block::new(b'0', "a.pkl", EVIL.len()).with(257, &[0; 8]).sum();
    let sum: u64 = old
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .sum();
    old[148..156].copy_from_slice(&((0x80 << 56) | sum).to_be_bytes());
    let file = judge(&archive(&[old, padded(EVIL)]));
    assert_eq!(
        (file.verdict, file.formats.as_slice()),
        (Verdict::Malicious, &["tar"][..]),
        "{}",
        told(&file)
    );
    // The name of the first member is a packed pickle.
    let zfile = [format!("ZF{:<19x}", EVIL.len()).as_bytes(), &pack(Codec::Zlib, EVIL)].concat();
    let mut lzma = pack(Codec::Lzma, EVIL);
    lzma[1..5].copy_from_slice(&4096_u32.to_le_bytes());
    for (name, format) in [(zfile, "joblib-zfile"), (lzma, "lzma")] {
        let mut block = Block::new(b'0', "", CLEAN.len());
        block.0[..name.len()].copy_from_slice(&name);
        let file = judge(&archive(&[block.sum(), padded(CLEAN)]));
        assert_eq!(file.verdict, Verdict::Malicious, "{format}: {}", told(&file));
        assert!(file.formats.contains(&format), "{format}: {:?}", file.formats);
    }
}

#[test]
fn a_zip_at_the_end_is_a_member_and_no_second_format() {
    use crate::container::zip::testing::Write;
    let zip = crate::container::zip::testing::archive(&[Write { name: "a.pkl", data: CLEAN, deflate: true }]);
    let file = judge(&archive(&[member("model.ckpt", &zip)]));
    assert_eq!((file.verdict, file.formats.as_slice()), (Verdict::Clean, &["tar"][..]), "{}", told(&file));
    let behind = [archive(&[member("a.pkl", CLEAN)]), zip].concat();
    assert_eq!(judge(&behind).formats, ["tar", "zip"]);
    assert_eq!(judge(&behind).verdict, Verdict::Review);
}

#[test]
fn an_end_record_that_means_another_directory_to_the_whole_file_is_a_second_format() {
    use crate::container::zip::testing::Write;
    use crate::container::zip::testing::archive as zip;
    let put = |bytes: &mut [u8], at: usize, value: usize| {
        bytes[at..at + 4].copy_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
    };
    let central = |bytes: &[u8]| memchr::memmem::find(bytes, b"PK\x01\x02").unwrap();
    // A hidden header and its record of a block's length are data of an honest member.
    let evil = zip(&[Write { name: "evil.pkl", data: EVIL, deflate: false }]);
    let mut record = evil[central(&evil)..evil.len() - 22].to_vec();
    let comment = 512 - record.len();
    record[32..34].copy_from_slice(&u16::try_from(comment).unwrap().to_le_bytes());
    record.resize(512, b' ');
    let local = &evil[..central(&evil)];
    put(&mut record, 42, 512 + 35);
    let data = [local, &record].concat();
    let mut member_zip = zip(&[Write { name: "a.txt", data: &data, deflate: false }]);
    // The directory is said to be a block longer, and to start where the hidden record stands in the tar.
    let end = member_zip.len() - 22;
    let size = 512 + 46 + 5;
    put(&mut member_zip, end + 12, size);
    put(&mut member_zip, end + 16, 512 + 35 + local.len());
    assert_eq!(512 + end - size, 512 + 35 + local.len(), "right before the end record, seen from the tar");
    let file = judge(&archive(&[member("a.zip", &member_zip)]));
    assert_eq!(file.formats, ["tar", "zip"], "{}", told(&file));
    assert!(file.findings.iter().any(|found| found.place.path.ends_with("!/evil.pkl")), "{}", told(&file));
    assert_eq!(file.verdict, Verdict::Malicious);
}

#[test]
fn long_names_are_those_that_readers_take() {
    let long = format!("{}/x.bin", "d".repeat(150));
    let l = [Block::new(b'L', "././@LongLink", long.len() + 1).sum(), padded(format!("{long}\0").as_bytes())];
    let record = format!("{} path={long}\n", long.len() + 10);
    for front in [l.concat(), pax(b'x', &record), pax(b'g', &record)] {
        let file = judge(&archive(&[front, member("short", EVIL)]));
        assert_eq!(file.findings[0].place.path, format!("x!/{long}"), "{}", told(&file));
        assert_eq!(file.findings.len(), 1, "{}", told(&file));
    }
    let prefixed = Block::new(b'0', "x.bin", EVIL.len()).with(345, b"folder").sum();
    let file = judge(&archive(&[prefixed, padded(EVIL)]));
    assert_eq!(file.findings[0].place.path, "x!/folder/x.bin");
    let both = [l.concat(), pax(b'x', "10 path=a\n"), member("short", CLEAN)];
    assert!(told(&judge(&archive(&both))).contains("124: one member with two names"));
}

#[test]
fn a_name_that_no_system_takes_is_a_budget() {
    let long = "d/".repeat(2049);
    let l = [Block::new(b'L', "././@LongLink", long.len() + 1).sum(), padded(format!("{long}\0").as_bytes())];
    let record = format!("{} path={long}\n", long.len() + 11);
    for front in [l.concat(), pax(b'x', &record), pax(b'g', &record)] {
        let file = judge(&archive(&[front, member("short", EVIL)]));
        assert_eq!(file.verdict, Verdict::Malicious, "{}", told(&file));
        assert!(told(&file).contains("more bytes of a name than the limit"), "{}", told(&file));
    }
}

#[test]
fn two_readings_scan_the_same_blocks_once() {
    // Each member has two sizes, and both lead into one run of blocks that are no headers.
    let (count, run) = (300, 20_000);
    let mut bytes = Vec::new();
    for at in 0..count {
        let size = (count - at) * 2048 - 1536 + at * 512;
        let size = format!(" size={size}\n");
        let record = format!("{}{size}", size.len() + 2);
        bytes.extend(pax(b'x', &record));
        bytes.extend(member("f", CLEAN));
    }
    let mut block = [0; 512];
    block[200] = b'x';
    bytes.extend(block.repeat(run));
    let start = std::time::Instant::now();
    let read = super::read(&ringfence_artifact::Slice::new(bytes), &crate::Limits::default()).unwrap();
    assert!(read.members.len() > count, "{}", read.members.len());
    // 300 scans of 20,000 blocks took minutes.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn what_unpacks_outside_is_malicious_and_a_link_inside_review() {
    for (bytes, verdict) in [
        (member("../x.pkl", CLEAN), Verdict::Malicious),
        (member("/x.pkl", CLEAN), Verdict::Malicious),
        (pax(b'x', "15 path=/x.pkl\n").into_iter().chain(member("x", CLEAN)).collect(), Verdict::Malicious),
        (link(b'2', "a", "/etc/passwd"), Verdict::Malicious),
        (link(b'2', "a/b", "../../x"), Verdict::Malicious),
        (link(b'1', "a", "../x"), Verdict::Malicious),
        (link(b'2', "a/b", "../x"), Verdict::Review),
        (link(b'1', "a", "b"), Verdict::Review),
        (link(b'3', "dev", ""), Verdict::Malicious),
        (link(b'6', "pipe", ""), Verdict::Malicious),
        ([link(b'2', "a", "b"), member("a/x.pkl", CLEAN)].concat(), Verdict::Malicious),
    ] {
        let file = judge(&archive(&[member("first.pkl", CLEAN), bytes]));
        assert_eq!(file.verdict, verdict, "{}", told(&file));
        assert!(told(&file).contains("126: "), "{}", told(&file));
    }
}

#[test]
fn members_that_only_some_readers_see_are_judged() {
    let hidden = member("hidden.bin", EVIL);
    let size = format!("{:011o}\0", EVIL.len() + 512);
    let cases = [
        // Behind the end of the archive.
        ("behind the end", [archive(&[member("a.pkl", CLEAN)]), hidden.clone(), vec![0; 1024]].concat()),
        // Behind a false check sum: Python ends there.
        ("check sum", {
            let mut bytes = archive(&[member("a.pkl", CLEAN), member("b.pkl", CLEAN), hidden.clone()]);
            bytes[1024 + 148] ^= 1;
            bytes
        }),
        // The header says that nothing follows, the pax record that another archive does (or the other way round).
        ("two sizes", {
            let inner = padded(&hidden);
            let records = format!("13 size={:04}\n", inner.len());
            archive(&[pax(b'x', &records), Block::new(b'0', "data", 0).sum(), inner])
        }),
        // Too large for the header, which states another size all the same.
        ("two sizes", {
            archive(&[pax(b'x', "19 size=8589934592\n"), member("a.bin", EVIL), member("b.bin", CLEAN)])
        }),
        // An old header is that of a folder by its own name, whatever the long name says.
        ("no file and has a size", {
            let long = [Block::new(b'L', "././@LongLink", 2).sum(), padded(b"b\0")].concat();
            let old = Block::new(0, "d/", 0).with(124, size.as_bytes()).sum();
            archive(&[long, old, hidden.clone()])
        }),
        // A folder with a size: Python goes on behind its header.
        ("no file and has a size", {
            let folder = Block::new(b'5', "d/", 0).with(124, size.as_bytes()).sum();
            archive(&[folder, hidden.clone()])
        }),
        ("twice", archive(&[member("a.pkl", CLEAN), member("./a.pkl", EVIL)])),
        ("between", {
            let mut bytes = archive(&[member("a.pkl", CLEAN), member("b.pkl", CLEAN)]);
            bytes[600..600 + EVIL.len()].copy_from_slice(EVIL);
            bytes
        }),
    ];
    for (words, bytes) in cases {
        let file = judge(&bytes);
        assert_eq!(file.verdict, Verdict::Malicious, "{words}: {}", told(&file));
        assert!(words == "between" || told(&file).contains(words), "{words}: {}", told(&file));
    }
}

#[test]
fn what_is_not_read_or_missing_is_never_clean() {
    let sparse = [Block::new(b'S', "a.bin", 512).sum(), vec![0; 512]].concat();
    assert!(told(&judge(&archive(&[sparse]))).contains("unsupported: a sparse file"));
    let pax_sparse = [pax(b'x', "22 GNU.sparse.major=1\n"), member("a.bin", &[0; 512])].concat();
    assert!(told(&judge(&archive(&[pax_sparse]))).contains("unsupported: a sparse file"));
    let good = archive(&[member("a.pkl", CLEAN), member("b.pkl", CLEAN)]);
    for end in 1..good.len() {
        assert_ne!(judge(&good[..end]).verdict, Verdict::Clean, "first {end} bytes");
    }
    let junk = [&good[..], b"junk"].concat();
    assert!(told(&judge(&junk)).contains("124: bytes behind the end"), "{}", told(&judge(&junk)));
    for at in 0..512 {
        let mut changed = archive(&[member("a.pkl", EVIL)]);
        changed[at] ^= 0xff;
        assert_ne!(judge(&changed).verdict, Verdict::Clean, "byte {at}");
    }
}
