//! Room `model`, tests: keys of providers in every text that a format keeps, found at their byte, never shown, and no part
//! of the verdict. Keys are made when the test runs.

use std::sync::Arc;

use ringfence_artifact::Slice;
use ringfence_artifact::Source;
use ringfence_finding::Family;
use ringfence_finding::Verdict;

use super::build::Stream;
use crate::Limits;
use crate::Policy;

/// A byte string with its length in eight bytes before it.
fn long(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn gguf(key: &str) -> Vec<u8> {
    let head = [&b"GGUF"[..], &3_u32.to_le_bytes(), &0_u64.to_le_bytes(), &2_u64.to_le_bytes()].concat();
    let array =
        [&9_u32.to_le_bytes()[..], &8_u32.to_le_bytes(), &2_u64.to_le_bytes(), &long("a"), &long(key)]
            .concat();
    [
        head,
        long("general.description"),
        8_u32.to_le_bytes().to_vec(),
        long(&format!("with {key} in it")),
        long("x"),
        array,
    ]
    .concat()
}

fn onnx(key: &str) -> Vec<u8> {
    let field = |tag: u8, value: &[u8]| [&[tag, u8::try_from(value.len()).unwrap()][..], value].concat();
    let entry = [field(0x0a, b"author"), field(0x12, key.as_bytes())].concat();
    [vec![0x08, 10], field(0x3a, &field(0x12, b"g")), field(0x72, &entry)].concat()
}

#[test]
fn keys_are_found_at_their_byte_and_leave_the_verdict_alone() {
    let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
    let metadata = format!(r#"{{"__metadata__":{{"run":"token={key}"}}}}"#);
    let padded = format!("{metadata}{}", " ".repeat(8 - metadata.len() % 8));
    let long_text = format!("{} {key} {}", "x".repeat(900_000), "y".repeat(900_000));
    let four = u32::try_from(long_text.len()).unwrap().to_le_bytes();
    for (name, bytes, times) in [
        ("m.safetensors", [&(padded.len() as u64).to_le_bytes()[..], padded.as_bytes()].concat(), 1),
        ("m.gguf", gguf(&key), 2),
        ("m.onnx", onnx(&key), 1),
        ("config.json", format!(r#"{{"a":["{key}"]}}"#).into_bytes(), 1),
        ("README.md", format!("# A model\n\nexport HF_TOKEN={key}\n").into_bytes(), 1),
        ("chat_template.jinja", format!("{{# {key} #}}{{{{ bos_token }}}}").into_bytes(), 1),
        ("p4.pkl", Stream::protocol(4).text(&format!("a {key}")).stop(), 1),
        ("p0.pkl", Stream::bare().raw(format!("(V{key}\nS'{key}'\nl.")).0, 2),
        ("long.pkl", Stream::protocol(2).op(b'X').raw(four).raw(&long_text).stop(), 1),
    ] {
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes.as_slice()));
        let file = crate::judge(name, &source, Policy::embedded(), &Limits::default());
        assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{name}: {file:#?}");
        let places: Vec<u64> = file.findings.iter().map(|finding| finding.place.offset).collect();
        let finder = memchr::memmem::Finder::new(key.as_bytes());
        let expected: Vec<u64> = finder.find_iter(&bytes).map(|at| at as u64).collect();
        assert_eq!((places.len(), &places), (times, &expected), "{name}");
        assert!(
            file.findings.iter().all(|finding| finding.id.family == Family::Sec && finding.id.number == 1)
        );
        assert!(!format!("{file:?}").contains(&key), "{name} shows the key");
    }
}

#[test]
fn a_key_beside_a_payload_is_told_behind_it() {
    let key = ringfence_secret::synthetic::key("openai-project", 1).unwrap();
    let evil = Stream::protocol(2).global("os", "system").raw(format!("V{key}\n")).raw(b"\x85R").stop();
    let file = super::judge(&evil);
    let numbers: Vec<_> =
        file.findings.iter().map(|finding| (finding.id.family, finding.id.number)).collect();
    assert_eq!((file.verdict, numbers), (Verdict::Malicious, vec![(Family::Mod, 101), (Family::Sec, 1)]));
}

#[test]
fn numbers_are_never_looked_at() {
    let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
    let header =
        format!(r#"{{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[0,{}]}}}}"#, key.len(), key.len());
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), key.as_bytes()].concat();
    assert!(super::judge(&bytes).findings.is_empty());
}

#[test]
fn keys_beyond_those_that_are_told_are_not_silent() {
    let text = |count: u64| {
        let keys = (0..count).map(|seed| ringfence_secret::synthetic::key("huggingface", seed).unwrap());
        format!("# A model\n\n{}\n", keys.collect::<Vec<_>>().join("\n"))
    };
    for (count, told, is_more) in [(64, 64, false), (65, 65, true), (200, 65, true)] {
        let bytes = text(count);
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes.as_bytes()));
        let file = crate::judge("README.md", &source, Policy::embedded(), &Limits::default());
        assert_eq!((file.verdict, file.findings.len()), (Verdict::Clean, told), "{count}");
        let more = file.findings.iter().any(|finding| finding.message.starts_with("may hold more keys"));
        assert_eq!(more, is_more, "{count}");
    }
}

#[test]
fn a_key_that_is_a_name_is_not_shown_either() {
    let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
    let entry =
        |name: &str| [long(name), 4_u32.to_le_bytes().to_vec(), 1_u32.to_le_bytes().to_vec()].concat();
    let head = [&b"GGUF"[..], &3_u32.to_le_bytes(), &0_u64.to_le_bytes(), &2_u64.to_le_bytes()].concat();
    let twice = [head, entry(&key), entry(&key)].concat();
    let field = |tag: u8, value: &[u8]| [&[tag, u8::try_from(value.len()).unwrap()][..], value].concat();
    let node = [field(0x22, key.as_bytes()), field(0x3a, b"acme")].concat();
    let location = [field(0x0a, b"location"), field(0x12, format!("../{key}").as_bytes())].concat();
    let tensor = [field(0x6a, &location), vec![0x70, 1]].concat();
    let graph = [field(0x0a, &node), field(0x12, b"g"), field(0x2a, &tensor)].concat();
    for (bytes, words) in [
        (twice, "is there twice"),
        ([vec![0x08, 10], field(0x3a, &graph)].concat(), "of acme is code of a library"),
        (format!("{{{{ messages|map('{key}') }}}}").into_bytes(), "applies the filter"),
        (format!(r#"{{"{key}": 1, "{key}": 2}}"#).into_bytes(), "is there twice"),
    ] {
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes.as_slice()));
        let file = crate::judge("notes.txt", &source, Policy::embedded(), &Limits::default());
        let all = format!("{file:?}");
        assert!(all.contains(words) && !all.contains(&key), "{words}: {}", all.replace(&key, "KEY"));
    }
}
