//! Tests: which room may use which, and which crates never enter. The table is the one of ARCHITECTURE.md;
//! `cargo metadata` says what the manifests do.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::shell;

/// A room: what it may use of ours and of others, normal and build dependencies together.
struct Room {
    name: &'static str,
    ours: &'static [&'static str],
    others: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room { name: "ringfence-finding", ours: &[], others: &["serde", "sha2"] },
    Room { name: "ringfence-artifact", ours: &[], others: &["rustix", "thiserror"] },
    Room {
        name: "ringfence-model",
        ours: &["ringfence-artifact", "ringfence-finding", "ringfence-secret"],
        others: &[
            "bzip2",
            "flate2",
            "lz4_flex",
            "lzma-rust2",
            "memchr",
            "minijinja",
            "rayon",
            "ruzstd",
            "serde",
            "sha2",
            "thiserror",
            "toml",
        ],
    },
    Room {
        name: "ringfence-attest",
        ours: &["ringfence-artifact", "ringfence-finding"],
        others: &[
            "aws-lc-rs",
            "base64",
            "blake2b_simd",
            "blake3",
            "ed25519-dalek",
            "poly1305",
            "rustls-pki-types",
            "rustls-webpki",
            "salsa20",
            "scrypt",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "unicode-normalization",
            "zeroize",
        ],
    },
    Room {
        name: "ringfence-inventory",
        ours: &["ringfence-finding"],
        others: &[
            "granit-parser",
            "http",
            "http-body-util",
            "k8s-openapi",
            "kube",
            "memchr",
            "rayon",
            "rustix",
            "thiserror",
            "tokio",
        ],
    },
    Room {
        name: "ringfence-secret",
        ours: &["ringfence-finding"],
        others: &["aho-corasick", "hmac", "regex", "sha2"],
    },
    Room {
        name: "ringfence-controls",
        ours: &["ringfence-finding", "ringfence-inventory", "ringfence-secret"],
        others: &["rayon", "thiserror"],
    },
    Room {
        name: "ringfence-domain",
        ours: &["ringfence-finding"],
        others: &["k8s-openapi", "kube", "schemars", "serde", "serde_json", "sha2"],
    },
    Room {
        name: "ringfence-operator",
        ours: &["ringfence-domain", "ringfence-finding", "ringfence-inventory"],
        others: &["futures", "k8s-openapi", "kube", "regex", "serde", "serde_json", "thiserror", "tokio"],
    },
    Room {
        name: "ringfence-report",
        ours: &["ringfence-finding", "ringfence-secret"],
        others: &["annotate-snippets", "serde", "serde_json", "unicode-width"],
    },
    Room {
        name: "ringfence",
        ours: &[
            "ringfence-attest",
            "ringfence-controls",
            "ringfence-domain",
            "ringfence-finding",
            "ringfence-inventory",
            "ringfence-model",
            "ringfence-operator",
            "ringfence-report",
            "ringfence-secret",
        ],
        others: &[
            "anyhow",
            "clap",
            "clap_complete",
            "kube",
            "rustix",
            "serde_json",
            "terminal_size",
            "tokio",
            "zeroize",
        ],
    },
    Room {
        name: "ringfence-fixture",
        ours: &["ringfence-inventory", "ringfence-secret"],
        others: &["serde_json"],
    },
    Room {
        name: "ringfence-lab",
        ours: &[],
        others: &[
            "futures",
            "http",
            "k8s-openapi",
            "kube",
            "rcgen",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
        ],
    },
    Room { name: "ringfence-labtool", ours: &[], others: &["rustix", "tokio"] },
    Room { name: "xtask", ours: &[], others: &["serde_json"] },
];

/// Rooms that any room's tests may use beside its own.
const IN_TESTS: [&str; 6] = [
    "ringfence-controls",
    "ringfence-fixture",
    "ringfence-inventory",
    "ringfence-lab",
    "ringfence-report",
    "ringfence-secret",
];

/// Crates that never enter the tree: two TLS stacks, a second crypto provider, an archived YAML reader.
const NEVER: [&str; 4] = ["native-tls", "openssl-sys", "ring", "serde_yaml"];

#[test]
fn rooms_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    let packages = packages();
    let names: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    for (package, dependencies) in &packages {
        let Some(room) = ROOMS.iter().find(|room| room.name == package) else {
            wrong.push(format!("{package}: a new room; give it a row here and in ARCHITECTURE.md"));
            continue;
        };
        for (dependency, kind) in dependencies {
            let (is_ours, in_tests) = (names.contains(dependency.as_str()), kind == "dev");
            let allowed = match (is_ours, in_tests) {
                (true, false) => room.ours.contains(&dependency.as_str()),
                (true, true) => [room.ours, &IN_TESTS].concat().contains(&dependency.as_str()),
                (false, false) => room.others.contains(&dependency.as_str()),
                (false, true) => true, // a judge; its line in Cargo.toml says which
            };
            if !allowed {
                wrong.push(format!("{package} -> {dependency} ({kind})"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that the table does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_names_only_rooms_that_exist() {
    let packages = packages();
    let gone: Vec<&str> =
        ROOMS.iter().map(|room| room.name).filter(|name| !packages.contains_key(*name)).collect();
    assert!(gone.is_empty(), "rows without a room: {gone:?}");
}

#[test]
fn crates_that_never_enter_are_not_in_the_tree() {
    for name in NEVER {
        let mut tree = shell::cargo(["tree", "--offline", "--locked", "--workspace", "--all-features", "-i"]);
        let output = tree.arg(name).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // In the lock file but not compiled: nothing to print. Not even there: no match.
        let absent = stdout.trim().is_empty()
            && (stderr.contains("nothing to print") || stderr.contains("did not match any packages"));
        assert!(absent, "{name}:\n{stdout}{stderr}");
    }
}

/// Crates that open connections; none may be in what reads files.
const NETWORK: [&str; 8] = ["curl", "hyper", "mio", "reqwest", "rustls", "socket2", "tokio", "ureq"];

/// Crates in the binary, with these flags of cargo.
fn shipped(flags: &[&str]) -> BTreeSet<String> {
    let mut tree = shell::cargo(["tree", "--offline", "--locked", "-p", "ringfence", "-e", "normal"]);
    let tree = shell::output(tree.args(["--prefix", "none"]).args(flags)).unwrap();
    tree.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
}

#[test]
fn a_build_that_reads_files_alone_has_no_crate_that_opens_connections() {
    let (files, cluster) = (shipped(&["--no-default-features"]), shipped(&[]));
    assert!(files.contains("granit-parser"), "{files:?}");
    // Cryptography in C, which nothing but signatures and the client needs, would double the build.
    assert!(!files.contains("ringfence-model"), "{files:?}");
    assert!(!files.contains("aws-lc-sys") && cluster.contains("aws-lc-sys"), "{files:?}");
    assert_eq!(NETWORK.into_iter().filter(|name| files.contains(*name)).collect::<Vec<_>>(), [""; 0]);
    // The same look at the whole binary sees them: the client of a cluster is there, and only it brings them.
    assert!(cluster.contains("tokio") && cluster.contains("kube"), "{cluster:?}");
}

/// The places that open connections: the client of a cluster and its login, which alone starts a program; and the
/// controller, which writes; and the commands that ask about domains, apply one or run the controller, with its client. The
/// types of `domain` use the client's derives and none of its connections.
const CLIENT: &str = "crates/inventory/src/cluster/";
const CONNECTED: [&str; 5] = [
    CLIENT,
    "crates/domain/src/",
    "crates/operator/src/",
    "crates/ringfence/src/command/domain/",
    "crates/ringfence/src/command/serve.rs",
];

#[test]
fn what_is_shipped_opens_connections_and_starts_processes_in_few_places() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut listing = std::process::Command::new("git");
    let files = shell::output(listing.args(["ls-files", "crates/*/src/*.rs"]).current_dir(&root)).unwrap();
    assert!(files.lines().count() > 50);
    assert!(files.lines().any(|file| file.starts_with(CLIENT)));
    // What stands in test modules is not shipped.
    let in_tests = ["/tests.rs", "/testing", "/table/real.rs"]; // the last compares the table with real definitions
    let is_shipped = |file: &&str| !in_tests.iter().any(|part| file.contains(part));
    let is_apart = |file: &&str| !CONNECTED.iter().any(|room| file.starts_with(room));
    for file in files.lines().filter(is_shipped).filter(is_apart) {
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        // An address opens nothing, and neither do signals and the runtime that waits for them.
        let mut source = source.replace("std::net::Ip", "");
        for part in ["tokio::runtime", "tokio::select", "tokio::signal"] {
            source = source.replace(part, "");
        }
        for word in
            ["std::net", "TcpStream", "UdpSocket", "UnixStream", "process::Command", "kube::", "tokio::"]
        {
            assert!(!source.contains(word), "{file} uses {word}");
        }
    }
}

/// Each member and its dependencies: name and kind (`normal`, `build`, `dev`).
fn packages() -> BTreeMap<String, Vec<(String, String)>> {
    let text =
        shell::output(&mut shell::cargo(["metadata", "--format-version", "1", "--no-deps", "--offline"]));
    let metadata: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let string = |value: &Value| value.as_str().unwrap_or("normal").to_owned();
    let members = metadata["packages"].as_array().unwrap();
    members
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let pairs = dependencies.iter().map(|each| (string(&each["name"]), string(&each["kind"])));
            (string(&package["name"]), pairs.collect())
        })
        .collect()
}
