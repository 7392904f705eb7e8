//! Room `model`, format `torch`: a ZIP with `<root>/data.pkl` and one entry for each storage, `<root>/data/<key>`.
//!
//! The pickle is judged; a storage is explained by the persistent id that names it, if the entry is there and has the size
//! that items and class say. Its bytes are not read.

use crate::container::zip::Archive;
use crate::container::zip::Member;
use crate::pickle::facts::Facts;

/// The folder of a torch archive: everything before `data.pkl`. None where there is no such member.
pub(crate) fn root(archive: &Archive) -> Option<&str> {
    let names = archive.members.iter().map(Member::name);
    // PyTorch takes the folder of the first entry; `data.pkl` of another one is a pickle like any other.
    let mut roots = names.filter_map(|name| name.strip_suffix("data.pkl"));
    roots.find(|root| root.is_empty() || root.ends_with('/') && root.matches('/').count() == 1)
}

/// Small members that describe the archive and hold nothing else.
pub(crate) fn is_description(name: &str) -> bool {
    matches!(
        name,
        "version"
            | "byteorder"
            | ".format_version"
            | ".storage_alignment"
            | ".data/serialization_id"
            | ".data/version"
    )
}

/// Whether a description is one: a number or a word. A pickle that does something needs a point at least.
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    bytes.len() <= 64 && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace())
}

/// What is wrong with the storages, and which members they explain, by index.
#[derive(Debug, Default)]
pub(crate) struct Storages {
    pub(crate) odd: Vec<String>,
    pub(crate) explained: Vec<usize>,
}

/// Holds the storages of a pickle against the members of its archive.
pub(crate) fn storages(archive: &Archive, root: &str, facts: &Facts) -> Storages {
    let mut found = Storages::default();
    let by_name: std::collections::HashMap<&str, usize> =
        archive.members.iter().enumerate().map(|(index, member)| (member.name(), index)).collect();
    for storage in &facts.storages {
        let class = usize::try_from(storage.class).ok().and_then(|class| facts.names.get(class));
        let class = class.map_or("", |name| name.imported().1);
        // PyTorch counts storages. AOTInductor loads a library out of `data/aotinductor/model` of the same archive.
        if storage.key.is_empty() || !storage.key.bytes().all(|digit| digit.is_ascii_digit()) {
            let key = crate::keys::shown(&storage.key);
            found.odd.push(format!("storage {key} has no number: other loaders may look for code there"));
            continue;
        }
        let name = format!("{root}data/{}", storage.key);
        let Some(member) =
            by_name.get(name.as_str()).and_then(|index| Some((*index, archive.members.get(*index)?)))
        else {
            found.odd.push(format!("storage {} is not in the archive", storage.key));
            continue;
        };
        let (index, member) = member;
        let bytes = item_size(class).and_then(|size| u64::try_from(storage.items).ok()?.checked_mul(size));
        if bytes == Some(member.size) && (!member.is_stored() || member.packed == member.size) {
            found.explained.push(index);
        } else {
            found.odd.push(format!(
                "storage {} of {} items of {class} has {} bytes in the archive",
                storage.key, storage.items, member.size
            ));
        }
    }
    found
}

/// Bytes of one item of a storage class.
pub(crate) fn item_size(class: &str) -> Option<u64> {
    Some(match class {
        "ByteStorage" | "CharStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage"
        | "UntypedStorage" => 1,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "ComplexDoubleStorage" => 16,
        _ => return None,
    })
}

/// Bytes of one item of a `torch.dtype`.
pub(crate) fn dtype_size(name: &str) -> Option<u64> {
    Some(match name {
        "uint8" | "int8" | "bool" | "qint8" | "quint8" | "float8_e4m3fn" | "float8_e5m2"
        | "float8_e4m3fnuz" | "float8_e5m2fnuz" | "float8_e8m0fnu" => 1,
        "float16" | "half" | "bfloat16" | "int16" | "short" | "uint16" => 2,
        "float32" | "float" | "int32" | "int" | "uint32" | "complex32" | "qint32" => 4,
        "float64" | "double" | "int64" | "long" | "uint64" | "complex64" => 8,
        "complex128" => 16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Verdict;

    use crate::container::zip::testing::Write;
    use crate::container::zip::testing::archive;
    use crate::testing::build::Stream;
    use crate::testing::judge;

    /// One float tensor of 2 x 3 items in storage 0, as `torch.save` writes it.
    fn pickle(items: u8, offset: u8) -> Vec<u8> {
        Stream::protocol(2)
            .raw(b"}X\x01\0\0\0w")
            .global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((X\x07\0\0\0storage")
            .global("torch", "FloatStorage")
            .raw(
                [
                    b"X\x01\0\0\x000X\x03\0\0\0cpuK",
                    &[items][..],
                    b"tQK",
                    &[offset],
                    b"K\x02K\x03\x86K\x03K\x01\x86\x89",
                ]
                .concat(),
            )
            .global("collections", "OrderedDict")
            .raw(b")RtRs.")
            .0
    }

    #[test]
    fn a_storage_without_a_number_is_none() {
        let key = "aotinductor/model/x.so";
        let text = |key: &str| {
            [&b"X"[..], &u32::try_from(key.len()).unwrap().to_le_bytes(), key.as_bytes()].concat()
        };
        let whole = pickle(6, 0);
        let at = whole.windows(6).position(|window| window == text("0")).unwrap();
        let (before, behind) = whole.split_at(at);
        let renamed = [before, &text(key), &behind[6..]].concat();
        let member = format!("m/data/{key}");
        let judged = judge(&archive(&[
            Write { name: "m/data.pkl", data: &renamed, deflate: false },
            Write { name: "m/byteorder", data: b"little", deflate: false },
            Write { name: &member, data: &[0; 24], deflate: false },
            Write { name: "m/version", data: b"3\n", deflate: false },
        ]));
        assert_eq!(judged.verdict, Verdict::Malicious, "{judged:#?}");
        assert!(
            judged.findings.iter().any(|finding| finding.message.contains("x.so has no number")),
            "{judged:#?}"
        );
    }

    fn model(pickle: &[u8], storage: &[u8], extra: &[(&str, &[u8])]) -> Vec<u8> {
        let mut members = vec![
            Write { name: "m/data.pkl", data: pickle, deflate: false },
            Write { name: "m/byteorder", data: b"little", deflate: false },
            Write { name: "m/data/0", data: storage, deflate: false },
            Write { name: "m/version", data: b"3\n", deflate: false },
        ];
        members.extend(extra.iter().map(|(name, data)| Write { name, data, deflate: true }));
        archive(&members)
    }

    #[test]
    fn a_state_dict_is_clean_and_its_storages_are_explained() {
        let file = judge(&model(&pickle(6, 0), &[0xff; 24], &[]));
        assert_eq!(file.verdict, Verdict::Clean, "{file:#?}");
        assert_eq!((file.explained, file.formats), (file.bytes, vec!["zip", "torch"]));
    }

    #[test]
    fn storages_that_lie_are_malicious() {
        for (file, words) in [
            (model(&pickle(6, 0), &[0; 20], &[]), "has 20 bytes"),
            (model(&pickle(6, 1), &[0; 24], &[]), "at item 1 of storage 0"),
            (model(&pickle(5, 0), &[0; 20], &[]), "which has 5"),
        ] {
            let judged = judge(&file);
            assert_eq!(judged.verdict, Verdict::Malicious, "{words}");
            assert!(judged.findings.iter().any(|finding| finding.message.contains(words)), "{judged:#?}");
        }
    }

    /// One tensor of 2 x 3 items in storage 0 of 24 bytes: its class and number of items, `then` behind the stride.
    fn rebuilt(function: &str, (class, items): (&str, u8), then: Stream) -> Vec<u8> {
        let id = Stream::protocol(2).global("torch._utils", function).raw(b"((").text("storage");
        let id = id.global(if class == "UntypedStorage" { "torch.storage" } else { "torch" }, class);
        let id = id.text("0").text("cpu").raw([b'K', items]).raw(b"tQK\0K\x02K\x03\x86K\x03K\x01\x86");
        model(&id.raw(then.0).raw(b"tR.").0, &[0; 24], &[])
    }

    #[test]
    fn a_view_is_measured_in_items_of_its_own_type() {
        let untyped = |dtype: &str| {
            let then = Stream::bare().raw(b"\x89").global("collections", "OrderedDict").raw(b")R");
            rebuilt("_rebuild_tensor_v3", ("UntypedStorage", 24), then.global("torch", dtype).raw(b"N"))
        };
        for dtype in ["float32", "uint32", "uint16", "float8_e8m0fnu"] {
            assert_eq!(judge(&untyped(dtype)).verdict, Verdict::Clean, "{dtype}");
        }
        for dtype in ["float64", "uint64", "complex128"] {
            assert_eq!(judge(&untyped(dtype)).verdict, Verdict::Malicious, "{dtype}");
        }
        assert_eq!(judge(&untyped("int7")).verdict, Verdict::Review);
    }

    #[test]
    fn a_quantized_tensor_lies_inside_of_its_storage() {
        let quantized = |scheme: &str, class| {
            let then = Stream::bare()
                .raw(b"(")
                .global("torch", scheme)
                .raw(b"G?\xb9\x99\x99\x99\x99\x99\x9aK\x02t\x89");
            rebuilt("_rebuild_qtensor", class, then.global("collections", "OrderedDict").raw(b")R"))
        };
        let (whole, short) = (("QInt8Storage", 24), ("DoubleStorage", 3));
        assert_eq!(judge(&quantized("per_tensor_affine", whole)).verdict, Verdict::Clean);
        assert_eq!(judge(&quantized("per_channel_affine", whole)).verdict, Verdict::Review);
        let judged = judge(&quantized("per_tensor_affine", short));
        assert_eq!(judged.verdict, Verdict::Malicious, "{judged:#?}");
    }

    #[test]
    fn a_payload_anywhere_in_the_archive_is_found() {
        let evil = b"cos\nsystem\n(S'echo hi'\ntR.";
        for name in ["m/data/7", "m/extra.pkl", "m/.data/x", "data.pkl", "other/data.pkl"] {
            let judged = judge(&model(&pickle(6, 0), &[0; 24], &[(name, evil)]));
            assert_eq!(judged.verdict, Verdict::Malicious, "{name}: {judged:#?}");
            assert_eq!(judged.findings[0].place.path, format!("x!/{name}"));
        }
        let inside = archive(&[Write { name: "inner.pkl", data: evil, deflate: true }]);
        let judged = judge(&model(&pickle(6, 0), &[0; 24], &[("m/nested.zip", &inside)]));
        assert_eq!(judged.findings[0].place.path, "x!/m/nested.zip!/inner.pkl", "{judged:#?}");
        let renamed = judge(&model(evil, &[0; 24], &[]));
        assert_eq!(renamed.verdict, Verdict::Malicious);
    }

    #[test]
    fn a_payload_in_place_of_a_description_is_found() {
        let evil = b"cos\nsystem\n(S'echo hi'\ntR.";
        for name in ["m/.format_version", "m/.data/serialization_id"] {
            let judged = judge(&model(&pickle(6, 0), &[0; 24], &[(name, evil)]));
            assert_eq!(judged.verdict, Verdict::Malicious, "{name}: {judged:#?}");
            let plain = judge(&model(&pickle(6, 0), &[0; 24], &[(name, b"0174318000\n")]));
            assert_eq!(plain.verdict, Verdict::Clean, "{name}: {plain:#?}");
        }
    }

    /// PyTorch's miniz compares names without case and takes the one that sorts last: another pickle, other storages.
    #[test]
    fn names_that_differ_in_case_alone_are_told() {
        for name in ["m/DATA.PKL", "m/Data/0", "M/version"] {
            let judged = judge(&model(&pickle(6, 0), &[0; 24], &[(name, b"}.")]));
            assert!(judged.verdict >= Verdict::Review, "{name}: {judged:#?}");
            let is_told = |words: &str| words.contains("differ in case alone");
            assert!(judged.findings.iter().any(|found| is_told(&found.message)), "{name}: {judged:#?}");
        }
    }

    #[test]
    fn a_truncated_model_is_never_clean() {
        let bytes = model(&pickle(6, 0), &[0xff; 24], &[]);
        for end in 1..bytes.len() {
            assert_ne!(judge(&bytes[..end]).verdict, Verdict::Clean, "{end}");
        }
    }

    #[test]
    fn torchscript_is_incomplete() {
        let judged = judge(&model(&pickle(6, 0), &[0; 24], &[("m/code/__torch__.py", b"def f(): pass\n")]));
        assert_eq!(judged.verdict, Verdict::Incomplete, "{judged:#?}");
    }
}
