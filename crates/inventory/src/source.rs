//! What the user points at -> files to read, in sorted order, and what is passed over with its reason.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use ringfence_finding::Blind;
use ringfence_finding::Location;
use ringfence_finding::Reason;

use crate::assemble::Options;
use crate::named::open_named;
use crate::yaml::Value;
use crate::yaml::read_yaml;

/// Where objects come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file or a folder.
    Path(PathBuf),
    /// Standard input: YAML, JSON, or several JSON values one after another.
    Stdin,
}

/// Why a source cannot even be started on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The path does not exist: a typing error, not a blind spot.
    #[error("{path}: {error}; give a file, a folder, or `-` for standard input")]
    Missing {
        /// As typed.
        path: String,
        /// What the operating system says.
        error: io::Error,
    },
}

/// Files to read, and what is not read.
#[derive(Debug, Default)]
pub struct Input {
    pub(crate) files: Vec<(Arc<str>, Content)>,
    pub(crate) seen: u32,
    pub(crate) blind: Vec<Blind>,
}

#[derive(Debug)]
pub(crate) enum Content {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl Input {
    /// A file that exists in memory only: standard input, or a test.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Self {
        Self { files: vec![(name.into(), Content::Bytes(bytes))], seen: 1, blind: Vec::new() }
    }

    /// Number of files to read.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file to read.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds the files of another input.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self.seen = self.seen.saturating_add(other.seen);
        self.blind.extend(other.blind);
        self
    }
}

/// Walks the sources.
///
/// # Errors
/// A path that was named does not exist.
pub fn collect(sources: &[Source], options: &Options) -> Result<Input, SourceError> {
    let mut walk = Walk { options, input: Input::default(), entered: HashSet::new(), listed: HashSet::new() };
    for source in sources {
        match source {
            Source::Stdin => walk.stdin(),
            Source::Path(path) => {
                let missing = |error| SourceError::Missing { path: path.display().to_string(), error };
                let metadata = fs::metadata(path).map_err(missing)?;
                if metadata.is_dir() {
                    let root = fs::canonicalize(path).map_err(missing)?;
                    walk.folder(path, &root);
                } else {
                    walk.file(path, true);
                }
            }
        }
    }
    Ok(walk.input)
}

/// Folders that hold no manifests of the project itself.
const NOT_SEARCHED: &[&str] = &[".git", "node_modules"];

struct Walk<'o> {
    options: &'o Options,
    input: Input,
    /// Real paths of folders entered: loops of links end here.
    entered: HashSet<PathBuf>,
    /// Real paths of files already listed, so that two links to one file are one file.
    listed: HashSet<PathBuf>,
}

impl Walk<'_> {
    fn stdin(&mut self) {
        let mut bytes = Vec::new();
        let limit = self.options.max_file_size;
        let read = io::stdin().lock().take(limit.saturating_add(1)).read_to_end(&mut bytes);
        self.input.seen = self.input.seen.saturating_add(1);
        match read {
            Err(error) => self.blind("-", Blind::new(Reason::NoAccess, error.to_string())),
            Ok(_) if bytes.len() as u64 > limit => self.blind("-", too_large(limit)),
            Ok(_) => self.input.files.push(("-".into(), Content::Bytes(bytes))),
        }
    }

    fn folder(&mut self, path: &Path, root: &Path) {
        match fs::canonicalize(path) {
            Ok(real) => {
                if !self.entered.insert(real) {
                    return;
                }
            }
            Err(error) => return self.blind(&name(path), no_access(&error)),
        }
        let mut entries = match fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.blind(&name(path), no_access(&error)),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        let has = |wanted: &[&str]| {
            entries.iter().any(|entry| wanted.iter().any(|name| entry.file_name() == *name))
        };
        if has(&["Chart.yaml"]) {
            let cure =
                format!("run `helm template {} --include-crds | ringfence scan -`", shell_quote(&name(path)));
            let blind = Blind::new(Reason::NotRendered, "a Helm chart, not rendered").scan(cure);
            self.blind(&name(&path.join("Chart.yaml")), blind);
            let schemas = path.join("crds");
            if schemas.is_dir() {
                self.folder(&schemas, root);
            }
            return;
        }
        let not_judged = self.kustomization(path, &entries);
        for entry in entries {
            let path = entry.path();
            if !not_judged.contains(&path) {
                self.entry(&path, root);
            }
        }
    }

    fn entry(&mut self, path: &Path, root: &Path) {
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if self.options.excludes(&name(path)) {
            self.input.seen = self.input.seen.saturating_add(1);
            return self.blind(&name(path), Blind::new(Reason::ExcludedByUser, "left out by --exclude"));
        }
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.blind(&name(path), no_access(&error)),
        };
        let metadata = if metadata.is_symlink() {
            let Ok(real) = fs::canonicalize(path) else {
                // A dangling link holds nothing to read, a link to itself neither.
                return self.blind(&name(path), Blind::new(Reason::NotSearched, "a link that leads nowhere"));
            };
            if !real.starts_with(root) {
                let blind = Blind::new(Reason::NotSearched, "a link that leads out of the scanned folder");
                return self.blind(&name(path), blind.scan("scan its target by name"));
            }
            match fs::metadata(path) {
                Ok(metadata) => metadata,
                Err(error) => return self.blind(&name(path), no_access(&error)),
            }
        } else {
            metadata
        };
        if metadata.is_dir() {
            if NOT_SEARCHED.contains(&file_name.as_str()) {
                let cause = "version control and dependency folders are not searched";
                return self.blind(&name(path), Blind::new(Reason::NotSearched, cause));
            }
            return self.folder(path, root);
        }
        if !is_manifest(path) {
            return;
        }
        if metadata.is_file() {
            self.file(path, false);
        } else {
            self.input.seen = self.input.seen.saturating_add(1);
            let cause = "neither a file nor a folder: devices and pipes are not opened";
            self.blind(&name(path), Blind::new(Reason::NotSearched, cause));
        }
    }

    fn file(&mut self, path: &Path, by_hand: bool) {
        if let Ok(real) = fs::canonicalize(path)
            && !self.listed.insert(real)
            && !by_hand
        {
            return;
        }
        self.input.seen = self.input.seen.saturating_add(1);
        self.input.files.push((name(path).into(), Content::File(path.to_owned())));
    }

    /// Reports a kustomization and returns the files in it that are no objects by themselves.
    fn kustomization(&mut self, folder: &Path, entries: &[fs::DirEntry]) -> HashSet<PathBuf> {
        let known = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
        let mut not_judged = HashSet::new();
        let Some(entry) = entries.iter().find(|entry| known.iter().any(|name| entry.file_name() == *name))
        else {
            return not_judged;
        };
        let path = entry.path();
        not_judged.insert(path.clone());
        self.input.seen = self.input.seen.saturating_add(1);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                self.blind(&name(&path), no_access(&error));
                return not_judged;
            }
        };
        let mut left = Vec::new();
        if let Ok(Some(tree)) = read_yaml(&text) {
            for file in patches(tree.root()) {
                not_judged.insert(folder.join(&file));
                left.push(format!("patch {file}"));
            }
            left.extend(generators(tree.root()));
            left.extend(remote(tree.root()).map(|base| format!("remote base {base}")));
        }
        let applied =
            if left.is_empty() { String::new() } else { format!(" (not applied: {})", left.join(", ")) };
        let cause = format!("a kustomization, not rendered; its resources are judged as written{applied}");
        let cure = format!("run `kubectl kustomize {} | ringfence scan -`", shell_quote(&name(folder)));
        self.blind(&name(&path), Blind::new(Reason::NotRendered, cause).scan(cure));
        not_judged
    }

    fn blind(&mut self, file: &str, blind: Blind) {
        self.input.blind.push(blind.at(Location::whole(file)));
    }
}

/// Files of a kustomization that change objects and are none.
fn patches(root: Value<'_>) -> Vec<String> {
    let mut files = Vec::new();
    for key in ["patches", "patchesJson6902", "replacements"] {
        let items = root.get(key).into_iter().flat_map(Value::items);
        files.extend(items.filter_map(|item| item.str_at("path")).map(str::to_owned));
    }
    for key in ["patchesStrategicMerge", "configurations", "transformers", "generators", "validators"] {
        let items = root.get(key).into_iter().flat_map(Value::items);
        files.extend(items.filter_map(Value::as_str).filter(|text| !text.contains('\n')).map(str::to_owned));
    }
    files
}

fn generators(root: Value<'_>) -> impl Iterator<Item = String> {
    let keys = [
        "configMapGenerator",
        "secretGenerator",
        "helmCharts",
        "images",
        "replicas",
        "namespace",
        "components",
    ];
    keys.into_iter().filter(move |key| root.get(key).is_some()).map(str::to_owned)
}

fn remote(root: Value<'_>) -> impl Iterator<Item = &str> {
    let lists = ["resources", "bases", "components"].into_iter().filter_map(move |key| root.get(key));
    lists.flat_map(Value::items).filter_map(Value::as_str).filter(|entry| {
        ["http://", "https://", "git::", "ssh://", "git@"].iter().any(|prefix| entry.starts_with(prefix))
            || entry.contains("?ref=")
    })
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Reads a file up to the limit; the error has no place yet.
pub(crate) fn load(path: &Path, limit: u64) -> Result<Vec<u8>, Box<Blind>> {
    let no = |error: io::Error| Box::new(no_access(&error));
    // Files given by hand may be pipes of a shell (`<(helm template ...)`); one with a name would be waited for.
    let file = open_named(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => {
            let blind = Blind::new(Reason::NoAccess, error.to_string());
            Box::new(blind.scan("let what comes out of it go into `ringfence scan -`"))
        }
        _ => no(error),
    })?;
    let metadata = file.metadata().map_err(no)?;
    if metadata.len() > limit {
        return Err(Box::new(too_large(limit)));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).saturating_add(1));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(no)?;
    if bytes.len() as u64 > limit {
        return Err(Box::new(too_large(limit)));
    }
    Ok(bytes)
}

fn too_large(limit: u64) -> Blind {
    Blind::new(Reason::TooLarge, format!("larger than {limit} bytes"))
        .scan("raise --max-file-size, or split the file")
}

fn no_access(error: &io::Error) -> Blind {
    Blind::new(Reason::NoAccess, error.to_string())
        .scan("run as a user who may read it, or leave it out with --exclude")
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn shell_quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
