//! Room `model`, tests: Python's own `zipfile` as the judge of archives. Whatever member it lists is listed, and whatever bytes
//! it gives of one are read, in each archive that loaders see differently and in random ones.
//!
//! PyTorch's miniz is no peer here. It believes the central directory of the last end record, as `zipfile` does, refuses more
//! (bytes before the archive, a wrong count, records that run past the directory: shown on torch 2.15) and compares no check
//! sum: the judge compares none either.

use std::sync::Arc;

use memchr::memmem;
use ringfence_artifact::Slice;
use ringfence_artifact::Source;

use super::python;
use super::random::Random;
use crate::Limits;
use crate::container::decoded::Budget;
use crate::container::zip;
use crate::container::zip::Archive;
use crate::container::zip::testing::Write;
use crate::container::zip::testing::archive;
use crate::container::zip::testing::odd_archives;

/// For each archive: the members that `zipfile` lists, each with its first bytes in hex, or null where it gives none.
const MEMBERS: &str = r"
import io, json, resource, struct, sys, zipfile
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
def first(archive, info):
    got = b''
    with archive.open(info) as file:
        file._expected_crc = None
        try:
            while len(got) < 1000 and (more := file.read(7)): got += more
        except Exception:
            if not got: raise
    return got.hex()
data = sys.stdin.buffer
while head := data.read(4):
    body, out = data.read(struct.unpack('<I', head)[0]), []
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for info in archive.infolist():
                try: got = first(archive, info)
                except Exception: got = None
                out.append([info.filename, got])
    except Exception: pass
    print(json.dumps(out))
";

/// What Python says of archives.
#[derive(Debug, Default)]
struct Judged {
    archives: usize,
    listed: usize,
    read: usize,
}

#[test]
#[ignore = "needs python3: lists and reads archives with its own zipfile"]
fn no_member_that_pythons_zipfile_reads_is_missed() {
    let odd = odd_archives();
    let told = compare(&odd.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>());
    println!("archives that loaders see differently: {told:?}");
    assert!(told.archives >= 20 && told.read >= 20, "{told:?}");
    let mut random = Random::new(13);
    let told = compare(&(0..4000).map(|_| changed(&mut random)).collect::<Vec<_>>());
    println!("random archives: {told:?}");
    assert!(told.read > told.archives, "{told:?}");
}

/// Each archive as Python and as we see it.
fn compare(archives: &[Vec<u8>]) -> Judged {
    let printed = python::run(MEMBERS, &python::frames(archives.iter().map(Vec::as_slice)));
    assert_eq!(printed.lines().count(), archives.len(), "a line for each archive");
    let mut judged = Judged { archives: archives.len(), ..Judged::default() };
    let mut missed = Vec::new();
    for (bytes, line) in archives.iter().zip(printed.lines()) {
        let theirs: Vec<(String, Option<String>)> = serde_json::from_str(line).unwrap();
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes.as_slice()));
        let ours = zip::read(&*source, &Limits::default()).unwrap();
        for (name, content) in theirs {
            judged.listed += 1;
            // A header that runs past the end leaves no bytes.
            let Some(content) = content.filter(|content| !content.is_empty()) else {
                // What Python lists and cannot read is told: a name, or why there are no bytes.
                let is_named = ours.members.iter().any(|member| is_called(member, &name));
                if !is_named && ours.odd.is_empty() {
                    missed.push(format!("{name:?} is not told of in {ours:#?}\n{bytes:02x?}"));
                }
                continue;
            };
            judged.read += 1;
            if !holds(&ours, &source, &name, &content) {
                missed.push(format!("{name:?}: {content} is not in {ours:#?}\n{bytes:02x?}"));
            }
        }
    }
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed[..missed.len().min(3)].join("\n"));
    judged
}

fn is_called(member: &zip::Member, name: &str) -> bool {
    // Python takes what is no UTF-8 by its flag for code page 437.
    !name.is_ascii() || member.names.iter().any(|ours| ours == name)
}

/// Whether a member of this name gives these bytes, which are hex.
fn holds(ours: &Archive, source: &Arc<dyn Source>, name: &str, content: &str) -> bool {
    ours.members.iter().filter(|member| is_called(member, name)).any(|member| {
        let Some(opened) = member.open(source, &Budget::new(1 << 30)) else { return false };
        let mut buffer = vec![0; content.len() / 2];
        let mut filled = 0;
        while let Ok(got @ 1..) = opened.read_at(filled as u64, &mut buffer[filled..]) {
            filled += got;
        }
        buffer[..filled] == python::bytes(content)
    })
}

/// An archive with up to four changes: bytes of records, and parts that come, go or stand twice.
fn changed(random: &mut Random) -> Vec<u8> {
    let long = vec![b'l'; 400];
    let mut bytes = archive(&[
        Write { name: "a/one", data: b"first", deflate: false },
        Write { name: "a/two", data: &long, deflate: true },
        Write { name: "a/six", data: b"", deflate: false },
        Write { name: "b", data: b"N.", deflate: false },
    ]);
    for _ in 0..=random.below(4) {
        let records: Vec<usize> = memmem::find_iter(&bytes, b"PK").collect();
        match random.below(12) {
            0 => drop(bytes.splice(..0, vec![b'#'; 1 + random.below(60)])),
            1 => bytes.truncate(bytes.len() - random.below(40)),
            2 => bytes.extend(vec![0; random.below(30)]),
            3 => {
                let again = archive(&[Write { name: "b", data: b"again", deflate: false }]);
                bytes.extend(again);
            }
            4 if !records.is_empty() => {
                let at = records[random.below(records.len())];
                let part = bytes[at..bytes.len().min(at + 52)].to_vec();
                let to = records[random.below(records.len())];
                drop(bytes.splice(to..to, part));
            }
            _ if !records.is_empty() => {
                let at = records[random.below(records.len())] + 4 + random.below(48);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = b"\x00\x01\x02\x05\x08\x0c\x1e\x2e\x33\x7fabPK/\xff"[random.below(16)];
                }
            }
            _ => {}
        }
    }
    bytes
}
