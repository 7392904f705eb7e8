//! Room `model`, format `torch-tar`: what `torch.save` wrote before 0.1.10, a tar with three members.
//!
//! `storages`: a number, then for each a pickle (key, device, class), the number of items in eight bytes and the items; at
//! the end a pickle with views of storages. `tensors`: a number, then for each a pickle (key, storage, class), dimensions in
//! four bytes, four that nobody reads, sizes, strides and offset. `pickle`: the object, whose persistent ids are keys.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use super::torch::item_size;
use crate::limits::Limits;
use crate::pickle;
use crate::pickle::Dialect;
use crate::pickle::Facts;
use crate::pickle::Session;
use crate::pickle::Value;

/// Names of the members.
pub(crate) const MEMBERS: [&str; 3] = ["storages", "tensors", "pickle"];
/// Most dimensions of a tensor, as torch has it.
const DIMENSIONS: i32 = 64;

/// What was seen in one member.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) facts: Facts,
    /// Storages and tensors that lie, with the place.
    pub(crate) odd: Vec<(u64, String)>,
    /// Byte behind what the layout accounts for.
    pub(crate) end: u64,
    /// Where something ends before it is complete.
    pub(crate) truncated: Option<u64>,
}

/// Items of each storage, by its key.
type Storages = BTreeMap<i64, i64>;

/// Reads the three members, in the order of [`MEMBERS`].
pub(crate) fn read(members: [&dyn Source; 3], limits: &Limits) -> Result<[Part; 3], ReadError> {
    let [storages, tensors, object] = members;
    let (storages, sizes) = read_storages(storages, limits)?;
    let (tensors, mut keys) = read_tensors(tensors, &sizes, limits)?;
    keys.extend(sizes.keys());
    Ok([storages, tensors, read_object(object, &keys, limits)])
}

fn read_storages(source: &dyn Source, limits: &Limits) -> Result<(Part, Storages), ReadError> {
    let mut reader = Reader::new(source, Dialect::Torch, limits);
    let mut sizes = Storages::new();
    for _ in 0..reader.count() {
        let Some((key, class)) = reader.storage() else { break };
        let Some(items) = reader.number()? else { break };
        let bytes = u64::try_from(items).ok().and_then(|items| items.checked_mul(class));
        if !bytes.is_some_and(|bytes| reader.pass(bytes)) {
            break;
        }
        sizes.insert(key, items);
    }
    if reader.goes_on {
        reader.views(&mut sizes, limits);
    }
    Ok((reader.close(), sizes))
}

fn read_tensors(
    source: &dyn Source,
    sizes: &Storages,
    limits: &Limits,
) -> Result<(Part, BTreeSet<i64>), ReadError> {
    let mut reader = Reader::new(source, Dialect::Torch, limits);
    let mut keys = BTreeSet::new();
    for _ in 0..reader.count() {
        let at = reader.part.end;
        let Some((key, storage)) = reader.tensor() else { break };
        let Some((size, stride, offset)) = reader.view()? else { break };
        keys.insert(key);
        match sizes.get(&storage) {
            Some(items) if pickle::fits(offset, &size, &stride, *items) => {}
            Some(items) => {
                let words = format!(
                    "a tensor of size {size:?} at item {offset} of storage {storage}, which has {items}"
                );
                reader.part.odd.push((at, words));
            }
            None => reader
                .part
                .odd
                .push((at, format!("tensor {key} of storage {storage}, which is not in the file"))),
        }
        reader.part.odd.truncate(Limits::GAPS);
    }
    Ok((reader.close(), keys))
}

fn read_object(source: &dyn Source, keys: &BTreeSet<i64>, limits: &Limits) -> Part {
    let mut reader = Reader::new(source, Dialect::TorchTar, limits);
    reader.stream(0);
    let mut part = reader.close();
    let missing = part.facts.numbers.iter().filter(|number| !keys.contains(number)).take(Limits::GAPS);
    part.odd
        .extend(missing.map(|number| (0, format!("{number} is named and in neither of the other members"))));
    part
}

/// Moves over a member, as far as it is what the layout has there.
struct Reader<'s> {
    source: &'s dyn Source,
    session: Session<'s>,
    part: Part,
    /// Whether everything so far was as it should be.
    goes_on: bool,
}

impl<'s> Reader<'s> {
    fn new(source: &'s dyn Source, dialect: Dialect, limits: &'s Limits) -> Self {
        let session = Session::new(source, dialect, limits);
        Self { source, session, part: Part::default(), goes_on: true }
    }

    fn close(self) -> Part {
        Part { facts: self.session.into_facts(), ..self.part }
    }

    /// The next pickle.
    fn stream(&mut self, keep: usize) -> Option<Value> {
        let next = self.session.stream(self.part.end, keep);
        self.goes_on &= next.is_some();
        let (value, end) = next?;
        self.part.end = end;
        Some(value)
    }

    /// Tells that the layout has something else here, and goes no further.
    fn odd<T>(&mut self, words: &str) -> Option<T> {
        self.session.odd(self.part.end, words);
        self.goes_on = false;
        None
    }

    /// How many there are: the first pickle.
    fn count(&mut self) -> u64 {
        match self.stream(0) {
            Some(Value::Int(count @ 0..)) => u64::try_from(count).unwrap_or(0),
            Some(_) => self.odd("no number of storages or tensors").unwrap_or(0),
            None => 0,
        }
    }

    /// Key of the next storage, and bytes of its items.
    fn storage(&mut self) -> Option<(i64, u64)> {
        let value = self.stream(0)?;
        let parts = self.session.tuple(value).unwrap_or_default();
        let &[Value::Int(key), _, class] = parts.as_slice() else { return self.odd("no storage") };
        match self.session.name(class).and_then(item_size) {
            Some(bytes) => Some((key, bytes)),
            None => self.odd("a storage whose items have no known size"),
        }
    }

    /// Keys of the next tensor and of its storage.
    fn tensor(&mut self) -> Option<(i64, i64)> {
        let value = self.stream(0)?;
        let parts = self.session.tuple(value).unwrap_or_default();
        let &[Value::Int(key), Value::Int(storage), _] = parts.as_slice() else {
            return self.odd("no tensor");
        };
        Some((key, storage))
    }

    /// Sizes, strides and offset of the next tensor.
    #[expect(clippy::type_complexity, reason = "three parts that are looked at in the next line")]
    fn view(&mut self) -> Result<Option<(Vec<i64>, Vec<i64>, i64)>, ReadError> {
        let mut head = [0; 8];
        if self.source.read_at(self.part.end, &mut head)? < head.len() {
            return Ok(self.cut());
        }
        let [a, b, c, d, ..] = head;
        let dimensions = i32::from_le_bytes([a, b, c, d]);
        if !(0..=DIMENSIONS).contains(&dimensions) {
            return Ok(self.odd("a tensor with more dimensions than torch has"));
        }
        self.part.end += 8;
        let mut numbers = Vec::new();
        for _ in 0..=2 * dimensions {
            let Some(number) = self.number()? else { return Ok(None) };
            numbers.push(number);
        }
        let offset = numbers.pop().unwrap_or(0);
        let stride = numbers.split_off(numbers.len() / 2);
        Ok(Some((numbers, stride, offset)))
    }

    /// Eight bytes, little-endian.
    fn number(&mut self) -> Result<Option<i64>, ReadError> {
        let mut bytes = [0; 8];
        if self.source.read_at(self.part.end, &mut bytes)? < bytes.len() {
            return Ok(self.cut());
        }
        self.part.end += 8;
        Ok(Some(i64::from_le_bytes(bytes)))
    }

    fn pass(&mut self, bytes: u64) -> bool {
        match self.part.end.checked_add(bytes) {
            Some(end) if end <= self.source.len() => {
                self.part.end = end;
                true
            }
            _ => self.cut::<()>().is_some(),
        }
    }

    fn cut<T>(&mut self) -> Option<T> {
        self.part.truncated = Some(self.part.end);
        self.goes_on = false;
        None
    }

    /// Storages that are a part of another.
    fn views(&mut self, sizes: &mut Storages, limits: &Limits) {
        let at = self.part.end;
        let Some(list) = self.stream(limits.values / 4) else { return };
        for view in self.session.items(list).unwrap_or_default() {
            let parts = self.session.tuple(view).unwrap_or_default();
            let &[Value::Int(key), Value::Int(root), Value::Int(offset), Value::Int(items)] =
                parts.as_slice()
            else {
                return self.odd("no view of a storage").unwrap_or_default();
            };
            let inside = sizes.get(&root).is_some_and(|all| {
                offset >= 0 && items >= 0 && offset.checked_add(items).is_some_and(|end| end <= *all)
            });
            if !inside {
                let words = format!("storage {key} is a view of {root} and reaches outside of it");
                self.part.odd.push((at, words));
                self.part.odd.truncate(Limits::GAPS);
            }
            sizes.insert(key, items);
        }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::ModelFile;
    use ringfence_finding::Verdict;

    use crate::container::tar::tests::archive;
    use crate::container::tar::tests::member;
    use crate::testing::build::Stream;
    use crate::testing::judge;

    const EVIL: &[u8] = b"cos\nsystem\n(S'echo hi'\ntR.";

    /// Storage 5 of six floats.
    fn storages(items: i64, views: &[u8]) -> Vec<u8> {
        let count = b"\x80\x02K\x01.";
        let about =
            Stream::protocol(2).raw(b"K\x05").text("cpu").global("torch", "FloatStorage").raw(b"\x87").stop();
        let data = vec![0x3f; usize::try_from(items).unwrap_or(0) * 4];
        [count, &about[..], &items.to_le_bytes(), &data, b"\x80\x02](", views, b"e."].concat()
    }

    /// Tensor 9 of 2 x 3 items in storage 5.
    fn tensors(storage: u8, offset: i64) -> Vec<u8> {
        let about = Stream::protocol(2)
            .raw([b'K', 9, b'K', storage])
            .global("torch", "FloatTensor")
            .raw(b"\x87")
            .stop();
        let numbers = [2, 3, 3, 1, offset].map(i64::to_le_bytes).concat();
        [b"\x80\x02K\x01.", &about[..], &2_i32.to_le_bytes(), &[0; 4], &numbers].concat()
    }

    fn object(id: &[u8]) -> Vec<u8> {
        Stream::protocol(2).raw(b"}").text("w").raw(id).raw(b"Qs").stop()
    }

    fn file(storages: &[u8], tensors: &[u8], object: &[u8]) -> ModelFile {
        judge(&archive(&[member("storages", storages), member("tensors", tensors), member("pickle", object)]))
    }

    fn told(file: &ModelFile) -> String {
        let findings = file.findings.iter().map(|found| format!("{}: {}", found.id.number, found.message));
        let gaps = file.gaps.iter().map(|gap| format!("{}: {}", gap.reason, gap.message));
        findings.chain(gaps).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_byte_of_the_three_members_is_explained() {
        let numbers: [&[u8]; 3] = [b"K\x09", b"X\x01\0\0\x009", b"K\x05"];
        for id in numbers {
            let clean = file(&storages(6, b""), &tensors(5, 0), &object(id));
            assert_eq!((clean.verdict, clean.explained), (Verdict::Clean, clean.bytes), "{}", told(&clean));
            assert_eq!(clean.formats, ["tar", "torch-tar"]);
        }
        let line = file(&storages(6, b""), &tensors(5, 0), b"(dp0\nS'w'\np1\nP9\ns.");
        assert_eq!(line.verdict, Verdict::Clean, "{}", told(&line));
        // Storage 6 is the last three items of storage 5.
        let view = file(&storages(6, b"(K\x06K\x05K\x03K\x03t"), &tensors(5, 0), &object(b"K\x06"));
        assert_eq!(view.verdict, Verdict::Clean, "{}", told(&view));
    }

    #[test]
    fn what_lies_about_sizes_is_malicious() {
        let good = (storages(6, b""), tensors(5, 0), object(b"K\x09"));
        for (judged, words) in [
            (file(&storages(5, b""), &good.1, &good.2), "which has 5"),
            (file(&good.0, &tensors(5, 1), &good.2), "at item 1 of storage 5"),
            (file(&good.0, &tensors(4, 0), &good.2), "which is not in the file"),
            (file(&good.0, &good.1, &object(b"K\x07")), "7 is named and in neither"),
            (file(&storages(6, b"(K\x06K\x05K\x03K\x04t"), &good.1, &good.2), "reaches outside"),
        ] {
            assert_eq!(judged.verdict, Verdict::Malicious, "{words}: {}", told(&judged));
            assert!(told(&judged).contains(words), "{words}: {}", told(&judged));
        }
    }

    #[test]
    fn a_payload_in_any_member_is_found() {
        let good = (storages(6, b""), tensors(5, 0), object(b"K\x09"));
        let behind = |part: &[u8]| [part, EVIL].concat();
        for judged in [
            file(EVIL, &good.1, &good.2),
            file(&good.0, EVIL, &good.2),
            file(&good.0, &good.1, EVIL),
            file(&behind(&good.0), &good.1, &good.2),
            file(&good.0, &behind(&good.1), &good.2),
            file(&good.0, &good.1, &behind(&good.2)),
            // In place of the description of the storage.
            file(&[b"\x80\x02K\x01.", EVIL].concat(), &good.1, &good.2),
        ] {
            assert_eq!(judged.verdict, Verdict::Malicious, "{}", told(&judged));
            assert!(told(&judged).contains("101: calls os.system"), "{}", told(&judged));
        }
    }

    #[test]
    fn cut_members_are_never_clean() {
        let good = (storages(6, b""), tensors(5, 0), object(b"K\x09"));
        for end in 0..good.0.len() {
            assert_ne!(file(&good.0[..end], &good.1, &good.2).verdict, Verdict::Clean, "storages, {end}");
        }
        for end in 0..good.1.len() {
            assert_ne!(file(&good.0, &good.1[..end], &good.2).verdict, Verdict::Clean, "tensors, {end}");
        }
        for end in 0..good.2.len() {
            assert_ne!(file(&good.0, &good.1, &good.2[..end]).verdict, Verdict::Clean, "pickle, {end}");
        }
    }
}
