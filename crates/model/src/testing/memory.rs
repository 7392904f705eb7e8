//! Room `model`, tests: how much memory a judgement takes at the most, as the kernel counts it for a child of its own.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use ringfence_artifact::OpenFile;
use ringfence_artifact::Source;
use ringfence_finding::Verdict;

use crate::Limits;
use crate::Policy;
use crate::Wish;
use crate::container::stream::Codec;
use crate::container::stream::tests::pack;
use crate::container::tar::tests::Block;
use crate::container::zip::testing::Write;
use crate::container::zip::testing::archive;
use crate::inspect;

const FILE: &str = "RINGFENCE_MEMORY_FILE";
/// Set where the child inspects.
const INSPECT: &str = "RINGFENCE_MEMORY_INSPECT";
/// Peak of a worker, of which the test's own program takes some: models.md, budgets.
const PEAK_KIB: u64 = 64 << 10;
const SPARSE: u64 = 100 << 30;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ringfence-model-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, bytes: &[u8], len: Option<u64>) -> PathBuf {
        let path = self.0.join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(bytes).unwrap();
        file.set_len(len.unwrap_or(bytes.len() as u64)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Judges the file in a child, and gives verdict and peak in KiB.
fn child(path: &Path) -> (String, u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "testing::memory::judges_the_file_that_it_is_told", "--nocapture"]);
    told(command.env(FILE, path))
}

/// Inspects it instead, and gives the peak in KiB.
fn inspecting_child(path: &Path) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "testing::memory::judges_the_file_that_it_is_told", "--nocapture"]);
    told(command.env(FILE, path).env(INSPECT, "1")).1
}

fn told(command: &mut Command) -> (String, u64) {
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let line = printed.lines().find(|line| line.starts_with("peak ")).unwrap_or_else(|| panic!("{printed}"));
    let mut words = line.split(' ').skip(1);
    let peak = words.next().unwrap().parse().unwrap();
    (words.collect::<Vec<_>>().join(" "), peak)
}

/// The child of the tests below; without a file it has nothing to do.
#[test]
fn judges_the_file_that_it_is_told() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let file = if std::env::var_os(INSPECT).is_some() {
        let wish = Wish { limit: 10, coverage: false, member: None };
        let mut seen = inspect(Path::new(&path), Policy::embedded(), &Limits::default(), &wish).unwrap();
        seen.scan.files.remove(0)
    } else {
        let source: Arc<dyn Source> = Arc::new(OpenFile::open(Path::new(&path), false).unwrap());
        crate::judge("x", &source, Policy::embedded(), &Limits::default())
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("\npeak {peak} {}", file.verdict);
}

#[test]
fn a_sparse_file_of_100_gb_takes_neither_time_nor_memory() {
    let folder = Folder::new("sparse");
    let tensor = format!(r#"{{"w":{{"dtype":"U8","shape":[{0}],"data_offsets":[0,{0}]}}}}"#, SPARSE - 4096);
    let tensor = format!("{tensor:<4088}");
    let header = [&4088_u64.to_le_bytes()[..], tensor.as_bytes()].concat();
    // One opcode that is as long as the file, but for the STOP behind it.
    let bytes = [&b"\x80\x04\x8e"[..], &(SPARSE - 12).to_le_bytes()].concat();
    let size = SPARSE - 1024;
    let member = Block::new(b'0', "model.bin", 0);
    let member = member.with(124, &[0x80, 0, 0, 0]).with(128, &size.to_be_bytes()).sum();
    for (name, start, verdict) in [
        ("zeros", &b""[..], Verdict::Incomplete),
        ("m.safetensors", &header, Verdict::Clean),
        ("m.pkl", &bytes, Verdict::Clean),
        ("m.tar", &member, Verdict::Incomplete),
        ("m.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", Verdict::Incomplete),
    ] {
        let path = folder.write(name, start, Some(SPARSE));
        if name == "m.pkl" {
            File::options().write(true).open(&path).unwrap().write_all_at(b".", SPARSE - 1).unwrap();
        }
        let (start, (told, peak)) = (Instant::now(), child(&path));
        println!("{name}: {told}, {peak} KiB, {:?}", start.elapsed());
        assert_eq!(told, verdict.as_str(), "{name}");
        assert!(peak < PEAK_KIB && start.elapsed() < Duration::from_secs(20), "{name}: {peak} KiB");
    }
}

#[test]
fn streams_of_any_size_are_decoded_in_bounded_memory() {
    let folder = Folder::new("streams");
    // Text that packs well, and is as long as several windows.
    let text: Vec<u8> = (0..4_000_000_u32).flat_map(|at| (at / 3 % 9973).to_le_bytes()).collect();
    for (name, codec) in [
        ("gz", Codec::Gzip),
        ("bz2", Codec::Bzip2),
        ("xz", Codec::Xz),
        ("lz4", Codec::Lz4),
        ("zst", Codec::Zstd),
    ] {
        let path = folder.write(name, &pack(codec, &text), None);
        let (told, peak) = child(&path);
        println!("{name}: {told}, {peak} KiB");
        assert_eq!(told, "incomplete", "{name}: decoded, and of no format");
        assert!(peak < PEAK_KIB, "{name}: {peak} KiB");
    }
}

/// A text or header is a tree while it is read, of a size that is bounded by bytes, not by their number.
#[test]
fn trees_of_json_are_bounded() {
    let folder = Folder::new("trees");
    let list = |item: &[u8], count: usize| [b"[", &item.repeat(count)[..], b"0]"].concat();
    let head = |text: &[u8]| [&(text.len() as u64).to_le_bytes()[..], text].concat();
    let tensors: Vec<String> = (0..1_500_000).map(|name| format!("\"{name}\":{{\"dtype\":7}}")).collect();
    let tensors = format!("{{{}}}", tensors.join(","));
    for (name, bytes) in [
        ("maps.json", list(br#"{"auto_map":1},"#, 2_000_000)),
        ("empty.json", list(br#"{"":[]},"#, 2_300_000)),
        ("numbers.json", list(b"0,", 30_000_000)),
        ("packed.json.gz", pack(Codec::Gzip, &list(br#"{"auto_map":1},"#, 2_000_000))),
        ("m.safetensors", head(tensors.as_bytes())),
    ] {
        let (told, peak) = child(&folder.write(name, &bytes, None));
        println!("{name}: {told}, {peak} KiB");
        assert_ne!(told, "clean", "{name}");
        assert!(peak < 5 * PEAK_KIB, "{name}: {peak} KiB");
    }
}

#[test]
fn the_way_to_many_items_is_not_kept_for_each_of_them() {
    let folder = Folder::new("ways");
    let items = 500_000;
    let start = [&b"\x80\x04]q\x000}X\xe8\x03\0\0"[..], &[b'a'; 1000], b"]("].concat();
    // Values, one list again and again, and as many lists.
    for (name, item, most) in
        [("leaves", &b"N"[..], PEAK_KIB), ("shared", b"h\x00", PEAK_KIB), ("lists", b"]", 5 * PEAK_KIB)]
    {
        let path = folder.write(name, &[&start[..], &item.repeat(items), b"es."].concat(), None);
        let peak = inspecting_child(&path);
        println!("{name}: {peak} KiB");
        assert!(peak < most, "{name}: {peak} KiB");
    }
}

/// A member's name stands in each finding of it, and each member has findings of its own.
#[test]
fn findings_of_one_file_are_bounded_by_number_and_by_their_words() {
    let folder = Folder::new("findings");
    let pickle = |names: usize| {
        let names: Vec<String> = (0..names).map(|name| format!("cm{name}\nn{name}\n0")).collect();
        [b"\x80\x02", names.concat().as_bytes(), b"N."].concat()
    };
    let long = format!("{}.pkl", "f".repeat(65_000));
    let named = archive(&[Write { name: &long, data: &pickle(20_000), deflate: true }]);
    let data = pickle(15_000);
    let padding = vec![0; data.len().next_multiple_of(512) - data.len()];
    let member = |name: usize| {
        [Block::new(b'0', &format!("{name}.pkl"), data.len()).sum(), data.clone(), padding.clone()].concat()
    };
    let many = [(0..8).flat_map(member).collect(), vec![0; 1024]].concat();
    for (name, bytes) in [("long.zip", named), ("many.tar.gz", pack(Codec::Gzip, &many))] {
        let path = folder.write(name, &bytes, None);
        let ((told, peak), inspected) = (child(&path), inspecting_child(&path));
        println!("{name}: {told}, {peak} and {inspected} KiB");
        assert_eq!(told, "review", "{name}");
        assert!(peak < 2 * PEAK_KIB && inspected < 2 * PEAK_KIB, "{name}: {peak} and {inspected} KiB");
    }
}
