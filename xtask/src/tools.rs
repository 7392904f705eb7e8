//! What `cargo xtask test` and `bench` install: kept per user and version, outside the repository.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::shell;

const CARGO_DENY: &str = "0.20.2";
const CHECKOV: &str = "3.3.30";
const MODEL_SIGNING: &str = "1.1.1";
/// Releases of model-signing that wrote other forms, and what they need that today's does not; numbered together. None of
/// them installs beside today's sigstore by pip's own rules, and none needs what they disagree about.
const MODEL_SIGNING_RELEASES: [&str; 2] = ["0.2.0", "1.0.1"];
const MODEL_SIGNING_SHARED: [&str; 9] = [
    "betterproto==2.0.0b7",
    "grpclib==0.4.9",
    "h2==4.4.1",
    "hpack==4.2.0",
    "hyperframe==6.1.0",
    "multidict==7.2.1",
    "python-dateutil==4.0.0",
    "sigstore-protobuf-specs==0.3.2",
    "six==1.17.0",
];
const MODEL_SIGNING_HISTORY_SET: &str = "1";
const PICKLESCAN: &str = "1.0.5";
/// Libraries that judge the readers of `model`, in tests alone; numbered together.
const MODEL_PEERS: [&str; 7] = [
    "gguf==0.19.0",
    "jinja2==3.1.6",
    "joblib==1.6.0",
    "lz4==4.4.5",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "safetensors==0.8.0",
];
const MODEL_PEERS_SET: &str = "2";
/// Libraries that write ordinary models for `bench benign`; numbered together.
const BENIGN_WRITERS: [&str; 11] = [
    "gguf==0.19.0",
    "joblib==1.6.0",
    "lz4==4.4.5",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "pandas==3.1.1",
    "safetensors==0.8.0",
    "scikit-learn==1.9.1",
    "scipy==1.17.1",
    "torch==2.15.0",
    "zstandard==0.25.0",
];
const BENIGN_WRITERS_SET: &str = "1";

/// The cargo-deny of this project's version, if it is here.
pub(crate) fn cargo_deny() -> Option<PathBuf> {
    Some(deny_folder().join("bin/cargo-deny")).filter(|program| program.is_file())
}

/// Says what is missing before it starts, then builds it from source.
pub(crate) fn install_cargo_deny() -> Result<PathBuf, Failure> {
    if let Some(present) = cargo_deny() {
        return Ok(present);
    }
    let folder = deny_folder();
    println!(
        "test: installs, once for this user:\n  cargo-deny {CARGO_DENY} into {}: built by `cargo install --debug --locked`, 120 CPU-seconds",
        folder.display()
    );
    // An optimised build takes more than twice as long and saves less than the second that a check takes.
    let mut install = shell::cargo(["install", "--debug", "--locked", "--root"]);
    install.arg(&folder).arg(format!("cargo-deny@{CARGO_DENY}"));
    install.env_remove("CARGO_TARGET_DIR"); // a folder of its own, removed afterwards
    shell::run(&mut install)?;
    cargo_deny().ok_or_else(|| Failure::new("cargo install left no cargo-deny behind"))
}

/// Licences, bans and sources of the dependency tree against deny.toml. Advisories need a database that
/// is cloned from elsewhere: not here.
pub(crate) fn deny(program: &Path) -> Result<(), Failure> {
    let mut deny = Command::new(program);
    deny.current_dir(shell::root()).args(["--locked", "--log-level", "warn", "check"]);
    shell::run(deny.args(["-D", "unmatched-skip", "bans", "licenses", "sources"]))
}

/// Debian packages, where this user may install them. Nothing to install is no error.
pub(crate) fn install_packages(packages: &[&str]) -> Result<(), Failure> {
    let is_root = shell::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if packages.is_empty() || !is_root || shell::on_path("apt-get").is_none() {
        return Ok(());
    }
    println!("test: installs, for all users of this machine:\n  Debian packages {}", packages.join(", "));
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        shell::run(apt.arg("--quiet").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

/// Checkov in a virtual environment of its own, and its version.
pub(crate) fn install_checkov() -> Result<(PathBuf, String), Failure> {
    let folder = cache().join(format!("checkov-{CHECKOV}"));
    let program = folder.join("bin/checkov");
    if !program.is_file() {
        eprintln!("bench: installs Checkov {CHECKOV} into {}", folder.display());
        fs::create_dir_all(cache()).map_err(Failure::while_(cache().display()))?;
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        shell::run(pip.args(["install", "--quiet", &format!("checkov=={CHECKOV}")]))?;
    }
    let version = shell::output(Command::new(&program).arg("--version"))?;
    Ok((program, version.trim().to_owned()))
}

/// PyPI's model-signing in a virtual environment of its own. It imports pyopenssl without declaring it.
pub(crate) fn install_model_signing() -> Result<PathBuf, Failure> {
    let packages = [&*format!("model-signing=={MODEL_SIGNING}"), "pyopenssl"];
    let python =
        environment(&format!("model-signing-{MODEL_SIGNING}"), &packages, "import model_signing, OpenSSL")?;
    Ok(python.with_file_name("model_signing"))
}

/// Earlier releases of model-signing, each in a folder by its number, for the Python of today's; `shared` is what all need.
pub(crate) fn install_model_signing_history() -> Result<PathBuf, Failure> {
    let python = install_model_signing()?.with_file_name("python3");
    let folder = cache().join(format!("model-signing-history-{MODEL_SIGNING_HISTORY_SET}"));
    let releases = MODEL_SIGNING_RELEASES.map(|release| (release, vec![format!("model-signing=={release}")]));
    let shared = ("shared", MODEL_SIGNING_SHARED.map(str::to_owned).to_vec());
    for (name, packages) in releases.into_iter().chain([shared]) {
        let place = folder.join(name);
        if place.is_dir() {
            continue;
        }
        eprintln!("installs {} into {}", packages.join(", "), place.display());
        // Under another name until it is whole: a folder that is there is not looked into again.
        let part = folder.join(format!("{name}.part"));
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"]);
        shell::run(pip.arg(&part).args(packages))?;
        fs::rename(&part, &place).map_err(Failure::while_(place.display()))?;
    }
    Ok(folder)
}

/// PyPI's picklescan in a virtual environment of its own, and its version.
pub(crate) fn install_picklescan() -> Result<(PathBuf, &'static str), Failure> {
    let packages = [&*format!("picklescan=={PICKLESCAN}")];
    let python = environment(&format!("picklescan-{PICKLESCAN}"), &packages, "import picklescan")?;
    Ok((python.with_file_name("picklescan"), PICKLESCAN))
}

/// A python3 with the libraries of formats in a virtual environment of its own.
pub(crate) fn install_model_peers() -> Result<PathBuf, Failure> {
    let imports = "import gguf, jinja2, joblib, lz4, numpy, onnx, safetensors";
    environment(&format!("model-peers-{MODEL_PEERS_SET}"), &MODEL_PEERS, imports)
}

/// A python3 with everything that writes ordinary models; torch alone is several gigabytes.
pub(crate) fn install_benign_writers() -> Result<PathBuf, Failure> {
    let imports = "import gguf, joblib, numpy, onnx, pandas, safetensors, scipy, sklearn, torch";
    environment(&format!("benign-writers-{BENIGN_WRITERS_SET}"), &BENIGN_WRITERS, imports)
}

/// The python3 of a virtual environment with these packages, which holds when these imports do.
fn environment(name: &str, packages: &[&str], imports: &str) -> Result<PathBuf, Failure> {
    let folder = cache().join(name);
    let python = folder.join("bin/python3");
    let works = || shell::output(Command::new(&python).args(["-c", imports]));
    if !python.is_file() || works().is_err() {
        eprintln!("installs {} into {}", packages.join(", "), folder.display());
        fs::create_dir_all(cache()).map_err(Failure::while_(cache().display()))?;
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        shell::run(pip.args(["install", "--quiet"]).args(packages))?;
        works()?;
    }
    Ok(python)
}

fn deny_folder() -> PathBuf {
    cache().join(format!("cargo-deny-{CARGO_DENY}"))
}

/// A folder per user; below `target/` for a user without a home.
pub(crate) fn cache() -> PathBuf {
    let folder = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    base.unwrap_or_else(|| shell::root().join("target")).join("ringfence/tools")
}
