//! Figures of the model scanner: writes its inputs, reads them once, then takes the least of five runs in CPU time of this
//! process, as the kernel counts it. `cargo bench -p ringfence-model`; figures stand in docs/performance.md.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and fails where it cannot go on"
)]

use std::fs;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use ringfence_finding::Verdict;
use ringfence_model::Limits;
use ringfence_model::Policy;

fn main() {
    let folder = std::env::temp_dir().join(format!("ringfence-bench-model-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (vocabulary, opcodes) = vocabulary(&folder);
    let (cpu, _) = least(|| scan(&vocabulary));
    row(
        "vocabulary",
        &format!("{:.1} ns per opcode ({opcodes} opcodes, {cpu:.3} CPU-s)", cpu * 1e9 / f64::from(opcodes)),
    );
    let array = numpy(&folder);
    let (cpu, _) = least_of(200, || scan(&array));
    row("NumPy pickle of 200 MB", &format!("{:.2} ms", cpu * 1e3));
    let torch = torch(&folder, 400, 10 << 20);
    let (cpu, _) = least_of(50, || scan(&torch));
    row("torch zip of 4 GiB, 400 storages", &format!("{:.2} ms", cpu * 1e3));
    headers(&folder);
    let small = small(&folder, 10_000);
    let one = rayon_threads(1, || least(|| scan(&small)));
    let all = rayon_threads(0, || least(|| scan(&small)));
    row("10,000 small pickles", &format!("{:.3} CPU-s on one thread", one.0));
    let cores = std::thread::available_parallelism().unwrap();
    let words = format!(
        "{:.2} times faster on {cores} cores (wall), for {:.2} times the CPU-s",
        one.1 / all.1,
        all.0 / one.0
    );
    row("10,000 small pickles", &words);
    fs::remove_dir_all(folder).unwrap();
}

/// Heads of a hundred thousand entries, and of twice as many: what an entry costs must not grow with their number.
fn headers(folder: &Path) {
    type Write = fn(u32) -> Vec<u8>;
    let formats: [(&str, Write); 4] = [
        ("GGUF, words of a vocabulary and scores", gguf_words),
        ("GGUF, tensors", gguf_tensors),
        ("ONNX, nodes and initializers", onnx),
        ("safetensors, tensors", safetensors),
    ];
    for (name, write) in formats {
        let [once, twice] = [100_000, 200_000].map(|entries: u32| {
            let path = folder.join("header");
            fs::write(&path, write(entries)).unwrap();
            let (cpu, _) = least(|| scan(&path));
            cpu / f64::from(entries)
        });
        row(
            &format!("{name}, 100,000 of each"),
            &format!(
                "{:.0} ns an entry, {:.2} times as much where they are twice as many",
                once * 1e9,
                twice / once
            ),
        );
    }
}

fn row(name: &str, figure: &str) {
    println!("| {name} | {figure} |");
}

fn rayon_threads<T: Send>(count: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap().install(work)
}

fn scan(path: &Path) {
    let scan = ringfence_model::scan(path, Policy::embedded(), &Limits::default(), &|| ()).unwrap();
    assert_eq!(
        scan.verdict(),
        Verdict::Clean,
        "{:?}",
        scan.files.iter().find(|file| file.verdict != Verdict::Clean)
    );
}

/// As `least`, for work so short that the kernel's clock of threads is too coarse for it.
fn least_of(times: u32, work: impl Fn()) -> (f64, f64) {
    let (cpu, wall) = least(|| (0..times).for_each(|_| work()));
    (cpu / f64::from(times), wall / f64::from(times))
}

/// The least CPU and wall seconds of five runs, after one that warms the cache.
fn least(work: impl Fn()) -> (f64, f64) {
    work();
    let (mut cpu, mut wall) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        let (start, before) = (Instant::now(), cpu_seconds());
        work();
        cpu = cpu.min(cpu_seconds() - before);
        wall = wall.min(start.elapsed().as_secs_f64());
    }
    (cpu, wall)
}

/// Time on a processor of every thread that there is, in seconds.
fn cpu_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let of_task = |path: PathBuf| -> f64 {
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0.0)
    };
    tasks.map(|task| of_task(task.unwrap().path())).sum::<f64>() / 1e9
}

/// A dict of 1.5 million words and their numbers, as pickle writes it.
fn vocabulary(folder: &Path) -> (PathBuf, u32) {
    let path = folder.join("vocabulary.pkl");
    let mut bytes = b"\x80\x04}\x94".to_vec();
    let mut opcodes = 4;
    for start in (0..1_500_000_u32).step_by(1000) {
        bytes.push(b'(');
        for number in start..start + 1000 {
            let word = format!("word{number:x}");
            bytes.extend([0x8c, u8::try_from(word.len()).unwrap()]);
            bytes.extend(word.as_bytes());
            bytes.extend([0x94, b'J']);
            bytes.extend(number.to_le_bytes());
            opcodes += 3;
        }
        bytes.push(b'u');
        opcodes += 2;
    }
    bytes.push(b'.');
    fs::write(&path, bytes).unwrap();
    (path, opcodes)
}

/// One array of 200 MB, as NumPy 2 pickles it; the bytes are a hole in the file.
fn numpy(folder: &Path) -> PathBuf {
    let path = folder.join("array.pkl");
    let head = b"\x80\x04\x8c\x16numpy._core.multiarray\x8c\x0c_reconstruct\x93\x8c\x05numpy\x8c\x07ndarray\x93K\0\x85C\x01b\x87R(K\x01J\0\x5a\x62\x02\x85\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f4\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89B";
    let len: u32 = 200_000_000;
    let mut file = File::create(&path).unwrap();
    file.write_all(head).unwrap();
    file.write_all(&len.to_le_bytes()).unwrap();
    file.set_len(head.len() as u64 + 4 + u64::from(len) + 3).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"tb.", head.len() as u64 + 4 + u64::from(len)).unwrap();
    path
}

/// `count` float storages of `bytes` each, as torch 2 writes them with ZIP64 records; the data are holes.
fn torch(folder: &Path, count: u32, bytes: u64) -> PathBuf {
    let items = u32::try_from(bytes / 4).unwrap();
    let mut pickle = b"\x80\x02}(".to_vec();
    for key in 0..count {
        let key = key.to_string();
        let text = |text: &str| {
            [&b"X"[..], &u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
        };
        pickle.extend(text(&format!("layer{key}")));
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        pickle.extend(text("storage"));
        pickle.extend(b"ctorch\nFloatStorage\n");
        pickle.extend([text(&key), text("cpu"), vec![b'J']].concat());
        pickle.extend(items.to_le_bytes());
        pickle.extend(
            [&b"tQK\0J"[..], &items.to_le_bytes(), b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"]
                .concat(),
        );
    }
    pickle.extend(b"u.");
    let path = folder.join("torch.pt");
    let mut zip = Zip { file: File::create(&path).unwrap(), at: 0, central: Vec::new(), members: 0 };
    zip.member("m/data.pkl", &pickle, pickle.len() as u64);
    zip.member("m/version", b"3\n", 2);
    for key in 0..count {
        zip.member(&format!("m/data/{key}"), b"", bytes);
    }
    zip.close();
    path
}

struct Zip {
    file: File,
    at: u64,
    central: Vec<u8>,
    members: u64,
}

impl Zip {
    /// A stored member; what `data` lacks of its length is a hole.
    fn member(&mut self, name: &str, data: &[u8], len: u64) {
        use std::os::unix::fs::FileExt as _;
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let mut middle = vec![45, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        middle.extend(crc.sum().to_le_bytes());
        middle.extend(u32::try_from(len).unwrap().to_le_bytes());
        middle.extend(u32::try_from(len).unwrap().to_le_bytes());
        middle.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        let local = [b"PK\x03\x04", &middle[..], &[0, 0], name.as_bytes(), data].concat();
        self.file.write_all_at(&local, self.at).unwrap();
        let extra = [&[1, 0, 8, 0][..], &self.at.to_le_bytes()].concat();
        self.central.extend([b"PK\x01\x02\x2d\0", &middle[..], &[12, 0], &[0; 10], &[0xff; 4]].concat());
        self.central.extend([name.as_bytes(), &extra].concat());
        self.at += 30 + name.len() as u64 + len;
        self.members += 1;
    }

    fn close(self) {
        use std::os::unix::fs::FileExt as _;
        let len = self.central.len() as u64;
        let mut end = [b"PK\x06\x06", &44_u64.to_le_bytes()[..], &[45, 0, 45, 0], &[0; 8]].concat();
        for field in [self.members, self.members, len, self.at] {
            end.extend(field.to_le_bytes());
        }
        end.extend([b"PK\x06\x07\0\0\0\0", &(self.at + len).to_le_bytes()[..], &[1, 0, 0, 0]].concat());
        let count = u16::try_from(self.members).unwrap().to_le_bytes();
        end.extend(
            [
                b"PK\x05\x06\0\0\0\0",
                &count[..],
                &count,
                &u32::try_from(len).unwrap().to_le_bytes(),
                &[0xff; 4],
                &[0; 2],
            ]
            .concat(),
        );
        self.file.write_all_at(&[self.central, end].concat(), self.at).unwrap();
    }
}

fn gguf(tensors: u64, keys: u64) -> Vec<u8> {
    [&b"GGUF\x03\0\0\0"[..], &tensors.to_le_bytes(), &keys.to_le_bytes()].concat()
}

/// Text behind its length.
fn counted(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// `tokenizer.ggml.tokens` and `tokenizer.ggml.scores`, as llama.cpp converts them.
fn gguf_words(entries: u32) -> Vec<u8> {
    let array = |name: &str, kind: u32| {
        [&counted(name)[..], &9_u32.to_le_bytes(), &kind.to_le_bytes(), &u64::from(entries).to_le_bytes()]
            .concat()
    };
    let mut bytes = gguf(0, 2);
    bytes.extend(array("tokenizer.ggml.tokens", 8));
    (0..entries).for_each(|number| bytes.extend(counted(&format!("\u{2581}word{number:x}"))));
    bytes.extend(array("tokenizer.ggml.scores", 6));
    bytes.resize(bytes.len() + 4 * entries as usize, 0);
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes
}

/// So many tensors of 32 floats, one behind another.
fn gguf_tensors(entries: u32) -> Vec<u8> {
    let mut bytes = gguf(entries.into(), 0);
    for number in 0..entries {
        bytes.extend(counted(&format!("blk.{number}.ffn_down.weight")));
        bytes.extend([&1_u32.to_le_bytes()[..], &32_u64.to_le_bytes(), &0_u32.to_le_bytes()].concat());
        bytes.extend((u64::from(number) * 128).to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(32) + 128 * entries as usize, 0);
    bytes
}

/// A field of a protobuf message that has a length.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let (mut bytes, mut len) = (vec![number << 3 | 2], value.len());
    while len >= 0x80 {
        bytes.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    bytes.push(u8::try_from(len).unwrap());
    [&bytes, value].concat()
}

/// A chain of `Add`, each with a constant of its own.
fn onnx(entries: u32) -> Vec<u8> {
    let mut graph = Vec::new();
    for number in 0..entries {
        let inputs =
            [field(1, format!("value_{number}").as_bytes()), field(1, format!("weight_{number}").as_bytes())];
        let output = field(2, format!("value_{}", number + 1).as_bytes());
        graph.extend(field(1, &[&inputs.concat()[..], &output, &field(4, b"Add")].concat()));
    }
    for number in 0..entries {
        let name = field(8, format!("weight_{number}").as_bytes());
        graph.extend(field(5, &[&[0x08, 4, 0x10, 1][..], &name, &field(9, &[0; 16])].concat()));
    }
    let opset = field(8, &[0x10, 17]);
    [&[0x08, 8][..], &field(7, &graph), &opset].concat()
}

/// So many tensors of 32 floats.
fn safetensors(entries: u32) -> Vec<u8> {
    let row = |number: u32| {
        let start = u64::from(number) * 128;
        format!(
            r#""model.layers.{number}.mlp.down_proj.weight":{{"dtype":"F32","shape":[32],"data_offsets":[{start},{}]}}"#,
            start + 128
        )
    };
    let header = format!("{{{}}}", (0..entries).map(row).collect::<Vec<_>>().join(","));
    let mut bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    bytes.resize(bytes.len() + 128 * entries as usize, 0);
    bytes
}

/// Small pickles of about 3 kB, 200 opcodes each.
fn small(folder: &Path, count: usize) -> PathBuf {
    let small = folder.join("small");
    fs::create_dir_all(&small).unwrap();
    let mut bytes = b"\x80\x04ccollections\nOrderedDict\n)R(".to_vec();
    for number in 0..64_u8 {
        bytes.extend([0x8c, 40]);
        bytes.extend([b'a' + number % 26; 40]);
        bytes.extend([0x94, b'K', number]);
    }
    bytes.extend(b"u.");
    for number in 0..count {
        fs::write(small.join(format!("{number}.pkl")), &bytes).unwrap();
    }
    small
}
