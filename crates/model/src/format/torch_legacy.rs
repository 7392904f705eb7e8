//! Room `model`, format `torch-legacy`: what `torch.save` wrote before 1.6, and still does when asked to.
//!
//! Five pickles one behind another: magic number, protocol 1001, a dict about the machine, the object, a list of keys; then
//! for each key the number of items in eight bytes and the items, to the exact end. The object is judged; each storage is
//! held against the persistent id that names it, and its bytes are not read.

use std::collections::BTreeMap;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use super::torch::item_size;
use crate::limits::Limits;
use crate::pickle::Dialect;
use crate::pickle::Facts;
use crate::pickle::Session;
use crate::pickle::Value;

/// 0x1950a86a20f9469cfc6c, as LONG1 writes it, and STOP.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The same as LONG writes it (protocols 0 and 1).
const MAGIC_LINE: &[u8] = b"L119547037146038801333356L\n.";
const PROTOCOL: i64 = 1001;

/// What was seen.
pub(crate) struct Legacy {
    pub(crate) facts: Facts,
    /// Storages that lie, with the place.
    pub(crate) odd: Vec<(u64, String)>,
    /// Byte behind the last storage that was read.
    pub(crate) end: u64,
    /// Where something ends before it is complete.
    pub(crate) truncated: Option<u64>,
    /// Where the bytes of each storage stand, by its key.
    pub(crate) storages: Vec<(String, u64, u64)>,
}

/// Whether the source begins with the magic number.
pub(crate) fn is_legacy(source: &dyn Source) -> Result<bool, ReadError> {
    let mut head = [0; 40];
    let got = source.read_at(0, &mut head)?;
    let head = head.get(..got).unwrap_or_default();
    // A header and a frame may stand before it.
    Ok(head.starts_with(MAGIC_LINE)
        || [0, 2, 11].into_iter().any(|at| head.get(at..).is_some_and(|rest| rest.starts_with(MAGIC))))
}

/// Reads the whole layout; none where the streams are not those of the layout: then it is a chain of pickles like any other.
pub(crate) fn read(source: &dyn Source, limits: &Limits) -> Result<Option<Legacy>, ReadError> {
    let mut session = Session::new(source, Dialect::TorchLegacy, limits);
    let Some((keys, at)) = streams(&mut session, limits) else { return Ok(None) };
    let mut legacy =
        Legacy { facts: Facts::default(), odd: vec![], end: at, truncated: None, storages: vec![] };
    legacy.storages(source, session.facts(), &keys)?;
    legacy.facts = session.into_facts();
    legacy.facts.explained = legacy.end;
    Ok(Some(legacy))
}

/// The five streams: the keys, and the place behind them.
fn streams(session: &mut Session<'_>, limits: &Limits) -> Option<(Vec<String>, u64)> {
    let (_magic, at) = session.stream(0, 0)?;
    let (protocol, at) = session.stream(at, 0)?;
    if protocol != Value::Int(PROTOCOL) {
        session.odd(at, "a protocol of torch that does not exist");
    }
    let (_about, at) = session.stream(at, 0)?;
    let (_object, at) = session.stream(at, 0)?;
    let before = session.facts().names.len();
    let (keys, at) = session.stream(at, limits.values / 4)?;
    if session.facts().names.len() > before {
        session.odd(at, "a list of keys that looks names up");
    }
    let keys = session.items(keys)?;
    let keys: Option<Vec<String>> = keys.into_iter().map(|key| session.text(key)).collect();
    Some((keys?, at))
}

impl Legacy {
    /// Of however many, the first say it.
    fn tell(&mut self, what: String) {
        if self.odd.len() < Limits::GAPS {
            self.odd.push((0, what));
        }
    }

    fn storages(&mut self, source: &dyn Source, facts: &Facts, keys: &[String]) -> Result<(), ReadError> {
        // A key may be there under two classes; torch takes the first for its items.
        let mut sizes: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
        for storage in &facts.storages {
            let class = usize::try_from(storage.class).ok().and_then(|class| facts.names.get(class));
            let class = class.map_or("", |name| name.imported().1);
            let Some(item) = item_size(class) else {
                self.tell(format!("storage {} of {class}, whose items have no known size", storage.key));
                continue;
            };
            let known = *sizes.entry(&storage.key).or_insert((item, storage.items));
            let bytes = |(item, items): (u64, i64)| u64::try_from(items).ok()?.checked_mul(item);
            if bytes(known).is_none() || bytes(known) != bytes((item, storage.items)) {
                self.tell(format!("storage {} has two sizes", storage.key));
            }
        }
        for key in keys {
            let at = self.end;
            let Some((item, items)) = sizes.remove(key.as_str()) else {
                // Without its class nobody knows how long it is.
                self.odd.push((at, format!("storage {key} is in the file and no tensor names it")));
                return Ok(());
            };
            let mut count = [0; 8];
            if source.read_at(at, &mut count)? < count.len() {
                self.truncated = Some(at);
                return Ok(());
            }
            let count = i64::from_le_bytes(count);
            if count != items {
                self.odd.push((at, format!("storage {key} of {items} items has {count} in the file")));
            }
            let bytes = u64::try_from(count).ok().and_then(|count| count.checked_mul(item));
            let end = bytes.and_then(|bytes| (at + 8).checked_add(bytes));
            match end {
                Some(end) if end <= source.len() => {
                    self.storages.push((key.clone(), at + 8, end));
                    self.end = end;
                }
                _ => {
                    self.truncated = Some(at);
                    return Ok(());
                }
            }
        }
        // Of however many, the first say it.
        for key in sizes.keys().take(Limits::GAPS) {
            self.odd.push((self.end, format!("storage {key} is not in the file")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::GapReason;
    use ringfence_finding::ModelFile;
    use ringfence_finding::Verdict;

    use crate::testing::build::Stream;
    use crate::testing::judge;

    const EVIL: &[u8] = b"cos\nsystem\n(S'echo hi'\ntR.";

    /// A float tensor of 2 x 3 items in storage `key`.
    fn object(key: &str, items: u8, offset: u8) -> Vec<u8> {
        Stream::protocol(2)
            .raw(b"}X\x01\0\0\0w")
            .global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((X\x07\0\0\0storage")
            .global("torch", "FloatStorage")
            .text(key)
            .raw(
                [b"X\x03\0\0\0cpuK", &[items][..], b"NtQK", &[offset], b"K\x02K\x03\x86K\x03K\x01\x86\x89"]
                    .concat(),
            )
            .global("collections", "OrderedDict")
            .raw(b")RtRs.")
            .0
    }

    fn storage(items: i64) -> Vec<u8> {
        [&items.to_le_bytes()[..], &vec![0x3f; usize::try_from(items).unwrap_or(0) * 4]].concat()
    }

    /// The five streams and what follows, as `torch.save(..., _use_new_zipfile_serialization=False)` writes them.
    fn file(object: &[u8], keys: &[&str], storages: &[u8]) -> Vec<u8> {
        let about = Stream::protocol(2).raw(b"}(").text("protocol_version").raw(b"M\xe9\x03");
        let about = about.text("little_endian").raw(b"\x88u").stop();
        let keys =
            keys.iter().fold(Stream::protocol(2).raw(b"]("), |list, key| list.text(key)).raw(b"e").stop();
        let magic = [b"\x80\x02", super::MAGIC].concat();
        [&magic[..], b"\x80\x02M\xe9\x03.", &about, object, &keys, storages].concat()
    }

    fn told(file: &ModelFile) -> String {
        let findings = file.findings.iter().map(|found| format!("{}: {}", found.id.number, found.message));
        let gaps = file.gaps.iter().map(|gap| format!("{}: {}", gap.reason, gap.message));
        findings.chain(gaps).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_byte_of_a_state_dict_is_explained() {
        let clean = judge(&file(&object("7", 6, 0), &["7"], &storage(6)));
        assert_eq!((clean.verdict, clean.explained), (Verdict::Clean, clean.bytes), "{}", told(&clean));
        assert_eq!(clean.formats, ["pickle", "torch-legacy"]);
    }

    #[test]
    fn storages_that_lie_are_malicious() {
        for (bytes, words) in [
            (file(&object("7", 6, 0), &["7"], &storage(5)), "has 5 in the file"),
            (file(&object("7", 6, 0), &["7"], &storage(-6)), "has -6 in the file"),
            (file(&object("7", 6, 1), &["7"], &storage(6)), "at item 1 of storage 7"),
            (file(&object("7", 6, 0), &["8"], &storage(6)), "storage 8 is in the file and no tensor"),
            (file(&object("7", 6, 0), &[], b""), "storage 7 is not in the file"),
            (file(&object("7", 6, 0), &["7", "7"], &[storage(6), storage(6)].concat()), "no tensor names it"),
        ] {
            let judged = judge(&bytes);
            assert_eq!(judged.verdict, Verdict::Malicious, "{words}: {}", told(&judged));
            assert!(told(&judged).contains(words), "{words}: {}", told(&judged));
        }
    }

    #[test]
    fn a_payload_in_any_stream_or_behind_the_last_storage_is_found() {
        let good = file(&object("7", 6, 0), &["7"], &storage(6));
        let evil = judge(&file(EVIL, &[], b""));
        assert_eq!((evil.verdict, evil.formats.len()), (Verdict::Malicious, 2), "{}", told(&evil));
        // Instead of the protocol, the dict and the keys.
        for (part, with) in [(&b"\x80\x02M\xe9\x03."[..], EVIL), (b"\x80\x02}(", b"\x80\x02cos\nsystem\n0}(")]
        {
            let at = memchr::memmem::find(&good, part).unwrap();
            let bytes = [&good[..at], with, &good[at + part.len()..]].concat();
            assert_eq!(judge(&bytes).verdict, Verdict::Malicious);
        }
        let behind = judge(&[&good[..], EVIL].concat());
        assert_eq!(behind.verdict, Verdict::Malicious);
        assert_eq!(behind.findings[0].place.path, format!("x!/behind@0x{:x}", good.len()));
        let junk = judge(&[&good[..], b"\x01\x02"].concat());
        assert_eq!(junk.verdict, Verdict::Review, "{}", told(&junk));
    }

    #[test]
    fn a_chain_of_files_ends_at_the_depth_and_not_at_the_stack() {
        let chain = judge(&file(b"\x80\x02N.", &[], b"").repeat(5000));
        assert_eq!(chain.verdict, Verdict::Review, "{}", told(&chain));
        assert!(chain.gaps.iter().any(|gap| gap.reason == GapReason::Budget), "{}", told(&chain));
    }

    #[test]
    fn a_class_with_its_source_is_judged_as_the_name_it_is() {
        let module = |class: &str| {
            let id = Stream::protocol(2)
                .raw(b"(")
                .text("module")
                .global("acme", class)
                .text("f.py")
                .text("class X: pass");
            file(&id.raw(b"tQ)\x81}b").stop(), &[], b"")
        };
        let file = judge(&module("Block"));
        assert_eq!(file.verdict, Verdict::Review, "{}", told(&file));
        assert_eq!(file.lookups[0].uses, ["import", "new", "build"], "{:?}", file.lookups);
        assert_eq!(told(&file), "102: makes an object of acme.Block, which no policy knows");
    }

    #[test]
    fn a_cut_file_is_never_clean() {
        let good = file(&object("7", 6, 0), &["7"], &storage(6));
        for end in 1..good.len() {
            // The first streams alone are pickles of a number, and chains of such.
            let judged = judge(&good[..end]);
            assert!(judged.verdict != Verdict::Clean || end == 15, "first {end} bytes: {}", told(&judged));
        }
        let cut = judge(&good[..good.len() - 1]);
        assert!(cut.gaps.iter().any(|gap| gap.reason == GapReason::Truncated), "{}", told(&cut));
    }
}
