//! Text in a model position -> where it leads, and whether what is there can change.

use super::model::Immutable;
use super::model::ModelSource;

/// What a position takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Models only: a bare name (`gpt2`) is one of the hub.
    Own,
    /// Also used by programs that know nothing of the hub: a bare name counts where the program is known.
    Shared,
    /// A path, an address or `org/name`; a bare name says nothing.
    Path,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) source: ModelSource,
    pub(super) name: String,
    pub(super) revision: Option<String>,
    pub(super) immutable: Immutable,
}

/// What `text` refers to; None when it is no reference in this slot.
pub(super) fn resolve(
    text: &str,
    revision: Option<&str>,
    slot: Slot,
    is_mounted: impl Fn(&str) -> bool,
) -> Option<Resolved> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let fixed = |source: ModelSource, immutable: Immutable| {
        Some(Resolved { source, name: text.to_owned(), revision: None, immutable })
    };
    if let Some((scheme, rest)) = text.split_once("://")
        && !is_open(scheme)
    {
        return address(text, &scheme.to_ascii_lowercase(), rest, revision);
    }
    if is_open(text) {
        return fixed(ModelSource::Unknown, Immutable::Unknown);
    }
    let is_path = text.starts_with(['/', '.', '~']) || is_mounted(text) || has_weights_suffix(text);
    if is_path {
        return fixed(ModelSource::Local, Immutable::Yes);
    }
    match (is_hub_id(text), text.contains('/')) {
        (true, true) => Some(hub(text, revision)),
        (true, false) if slot == Slot::Own => Some(hub(text, revision)),
        // More than one slash: a relative path.
        (false, true) => fixed(ModelSource::Local, Immutable::Yes),
        _ => None,
    }
}

fn address(text: &str, scheme: &str, rest: &str, revision: Option<&str>) -> Option<Resolved> {
    let is = |source: ModelSource, immutable: Immutable| {
        // A part nobody knows may hold the version, or the bucket.
        let immutable =
            if immutable == Immutable::No && is_open(text) { Immutable::Unknown } else { immutable };
        Some(Resolved { source, name: text.to_owned(), revision: None, immutable })
    };
    match scheme {
        "hf" => {
            let at = rest.rfind([':', '@']);
            let (name, written) = match at.map(|at| rest.split_at(at)) {
                Some((name, tail)) => (name, tail.get(1..)),
                None => (rest, None),
            };
            Some(hub(name, written.or(revision)))
        }
        "s3" => {
            let version =
                rest.split_once("versionId=").map(|(_, version)| version.split('&').next().unwrap_or(""));
            match version.filter(|version| !version.is_empty()) {
                Some(version) if is_open(version) => is(ModelSource::S3, Immutable::Unknown),
                Some(version) => Some(Resolved {
                    source: ModelSource::S3,
                    name: text.split('?').next().unwrap_or(text).to_owned(),
                    revision: Some(version.to_owned()),
                    immutable: Immutable::Yes,
                }),
                None => is(ModelSource::S3, Immutable::No),
            }
        }
        "gs" => is(ModelSource::Gcs, Immutable::No),
        "azure" | "az" | "abfs" | "abfss" | "wasb" | "wasbs" => is(ModelSource::Azure, Immutable::No),
        "oci" | "docker" => {
            let (name, digest) =
                rest.split_once('@').map_or((rest, None), |(name, digest)| (name, Some(digest)));
            let immutable = match digest {
                Some(digest) if is_digest(digest) => Immutable::Yes,
                _ if is_open(rest) => Immutable::Unknown,
                _ => Immutable::No,
            };
            let (name, revision) = (name.to_owned(), digest.map(str::to_owned));
            Some(Resolved { source: ModelSource::Oci, name, revision, immutable })
        }
        "http" | "https" => http(text, rest, revision),
        "pvc" => is(ModelSource::Pvc, Immutable::Yes),
        "file" => is(ModelSource::Local, Immutable::Yes),
        _ => is(ModelSource::Unknown, Immutable::Unknown),
    }
}

fn http(text: &str, rest: &str, revision: Option<&str>) -> Option<Resolved> {
    let is = |source: ModelSource| {
        let immutable = if is_open(text) { Immutable::Unknown } else { Immutable::No };
        Some(Resolved { source, name: text.to_owned(), revision: None, immutable })
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.ends_with(".blob.core.windows.net") {
        return is(ModelSource::Azure);
    }
    let mut parts = path.split('/');
    if matches!(host, "huggingface.co" | "hf.co")
        && let (Some(organisation), Some(name)) = (parts.next(), parts.next())
        && !matches!(organisation, "api" | "docs" | "spaces" | "datasets")
        && is_hub_id(name)
    {
        // `/org/name/resolve/REVISION/file`: its address holds the revision.
        let written = parts.next().filter(|verb| matches!(*verb, "resolve" | "blob" | "tree" | "raw"));
        let written = written.and_then(|_| parts.next());
        return Some(hub(&format!("{organisation}/{name}"), written.or(revision)));
    }
    is(ModelSource::Http)
}

fn hub(name: &str, revision: Option<&str>) -> Resolved {
    let immutable = match revision {
        Some(revision) if is_commit(revision) => Immutable::Yes,
        Some(revision) if is_open(revision) => Immutable::Unknown,
        _ if is_open(name) => Immutable::Unknown,
        _ => Immutable::No,
    };
    let revision = revision.map(str::to_owned);
    Resolved { source: ModelSource::Hub, name: name.to_owned(), revision, immutable }
}

/// Whether a part of the text is a variable that nobody resolved.
pub(super) fn is_open(text: &str) -> bool {
    text.contains("{{") || text.contains('$') || text.contains('`')
}

/// A full git commit: the hub takes nothing shorter as fixed.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_digest(digest: &str) -> bool {
    let hex =
        |length: usize, text: &str| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match digest.split_once(':') {
        Some(("sha256", text)) => hex(64, text),
        Some(("sha512", text)) => hex(128, text),
        _ => false,
    }
}

/// `name` or `org/name` of letters, digits, `.`, `_` and `-` (the hub's own rule for repository ids).
fn is_hub_id(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 96
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && !part.starts_with(['.', '-'])
            && !part.ends_with(['.', '-'])
            && !part.contains("..")
            && !part.contains("--")
    };
    let mut parts = text.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => part(name),
        (Some(organisation), Some(name), None) => part(organisation) && part(name),
        _ => false,
    }
}

/// A file of weights or data beside the program; hub ids do not end so.
fn has_weights_suffix(text: &str) -> bool {
    let suffixes = [
        ".gguf",
        ".bin",
        ".pt",
        ".pth",
        ".ckpt",
        ".safetensors",
        ".onnx",
        ".pkl",
        ".joblib",
        ".json",
        ".jsonl",
        ".csv",
        ".parquet",
    ];
    suffixes.iter().any(|suffix| text.len() > suffix.len() && text.to_ascii_lowercase().ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_leads_where_it_leads() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let digest = format!("sha256:{}", "a".repeat(64));
        let (oci, hf) = (format!("oci://r.io/m@{digest}"), format!("hf://a/b:{commit}"));
        let resolved = format!("https://huggingface.co/a/b/resolve/{commit}/m.gguf");
        let cases = [
            ("a/b", None, Some((ModelSource::Hub, Immutable::No))),
            ("a/b", Some("main"), Some((ModelSource::Hub, Immutable::No))),
            ("a/b", Some(commit), Some((ModelSource::Hub, Immutable::Yes))),
            ("a/b", Some("0123456"), Some((ModelSource::Hub, Immutable::No))),
            ("a/b", Some("$(REV)"), Some((ModelSource::Hub, Immutable::Unknown))),
            ("gpt2", None, None),
            ("/models/x", None, Some((ModelSource::Local, Immutable::Yes))),
            ("./x", None, Some((ModelSource::Local, Immutable::Yes))),
            ("a/b/c", None, Some((ModelSource::Local, Immutable::Yes))),
            ("models/x.gguf", None, Some((ModelSource::Local, Immutable::Yes))),
            ("mounted/x", None, Some((ModelSource::Local, Immutable::Yes))),
            ("{{inputs.model}}", None, Some((ModelSource::Unknown, Immutable::Unknown))),
            ("${MODEL}", None, Some((ModelSource::Unknown, Immutable::Unknown))),
            ("$(MODEL)/x", None, Some((ModelSource::Unknown, Immutable::Unknown))),
            (hf.as_str(), None, Some((ModelSource::Hub, Immutable::Yes))),
            ("hf://a/b", Some(commit), Some((ModelSource::Hub, Immutable::Yes))),
            ("hf://a/b", None, Some((ModelSource::Hub, Immutable::No))),
            ("s3://b/k", None, Some((ModelSource::S3, Immutable::No))),
            ("s3://b/k?versionId=3HL4", None, Some((ModelSource::S3, Immutable::Yes))),
            ("s3://b/k?versionId=", None, Some((ModelSource::S3, Immutable::No))),
            ("s3://b/k?versionId=$(V)", None, Some((ModelSource::S3, Immutable::Unknown))),
            ("s3://{{bucket}}/k", None, Some((ModelSource::S3, Immutable::Unknown))),
            ("gs://b/k", None, Some((ModelSource::Gcs, Immutable::No))),
            ("azure://b/k", None, Some((ModelSource::Azure, Immutable::No))),
            ("https://x.blob.core.windows.net/b/k", None, Some((ModelSource::Azure, Immutable::No))),
            ("https://x.example/m.pt", None, Some((ModelSource::Http, Immutable::No))),
            (&resolved, None, Some((ModelSource::Hub, Immutable::Yes))),
            ("https://huggingface.co/a/b/resolve/main/x", None, Some((ModelSource::Hub, Immutable::No))),
            ("pvc://claim/x", None, Some((ModelSource::Pvc, Immutable::Yes))),
            (&oci, None, Some((ModelSource::Oci, Immutable::Yes))),
            ("oci://r.io/m:v1", None, Some((ModelSource::Oci, Immutable::No))),
            ("oci://r.io/m@sha256:short", None, Some((ModelSource::Oci, Immutable::No))),
            ("ngc://nim/x", None, Some((ModelSource::Unknown, Immutable::Unknown))),
            ("some words", None, None),
            ("", None, None),
        ];
        for (text, revision, expected) in cases {
            let found = resolve(text, revision, Slot::Path, |path| path.starts_with("mounted/"));
            assert_eq!(found.map(|found| (found.source, found.immutable)), expected, "{text} {revision:?}");
        }
        let bare = resolve("gpt2", None, Slot::Own, |_| false).unwrap();
        assert_eq!((bare.source, bare.immutable), (ModelSource::Hub, Immutable::No));
        let named = resolve(&resolved, None, Slot::Path, |_| false).unwrap();
        assert_eq!((named.name.as_str(), named.revision.as_deref()), ("a/b", Some(commit)));
    }
}
