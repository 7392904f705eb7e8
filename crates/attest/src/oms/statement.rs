//! Room `attest`: the signed payload -> names and digests, or the rule it breaks. in-toto statement, OMS predicate 1.0.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

use crate::Refusal;
use crate::Sha256;
use crate::hash::Digest;
use crate::hash::HashType;
use crate::json::Json;
use crate::json::Place;

pub(super) const TYPE: &str = "https://in-toto.io/Statement/v1";
pub(super) const PREDICATE: &str = "https://model_signing/signature/v1.0";
/// Name of the resource of a model that is one file: the path from the model to itself, as the reference writes it. The
/// specification has the file's own name there, which the reference does not verify.
pub(super) const ALONE: &str = ".";
/// Most resources of a statement.
pub(super) const MAX_RESOURCES: usize = 200_000;
/// Most values of its JSON: four to a resource, and what stands around them.
pub(super) const MOST_VALUES: usize = 4 * MAX_RESOURCES + 10_000;

/// What a signer said about a model.
#[derive(Debug)]
pub(super) struct Statement {
    /// Name of the folder or file at the signer; told, never compared. None in the form of 0.2.
    pub(super) name: Option<String>,
    /// Digest over the digests; none in the form of 0.2.
    pub(super) root: Option<Sha256>,
    /// The hash of all files.
    pub(super) hash: HashType,
    pub(super) allow_symlinks: bool,
    /// Paths that the signer left out, with all below them.
    pub(super) ignore: Vec<String>,
    /// By name.
    pub(super) files: BTreeMap<String, Content>,
    /// What was signed and means nothing here.
    pub(super) notes: Vec<String>,
}

/// Bytes of one file as they were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Whole(Digest),
    /// Pieces one after the other: end (exclusive) and digest. The first starts at 0.
    Shards(Vec<(u64, Digest)>),
}

impl Statement {
    pub(super) fn read(payload: &[u8]) -> Result<Self, Refusal> {
        let json = Json::read(payload, MOST_VALUES)?;
        let root = json.root();
        let mut notes = Vec::new();
        note_unknown(&root, &["_type", "subject", "predicateType", "predicate"], &mut notes)?;
        root.required("_type")?.exactly(TYPE)?;
        root.required("predicateType")?.exactly(PREDICATE)?;
        let subject = root.required("subject")?.single()?;
        note_unknown(&subject, &["name", "digest"], &mut notes)?;
        let predicate = root.required("predicate")?;
        note_unknown(&predicate, &["serialization", "resources"], &mut notes)?;
        let serialization = Serialization::read(&predicate.required("serialization")?, &mut notes)?;
        let resources = predicate.required("resources")?;
        let digests = digests(&resources, &serialization)?;
        let root = root_digest(digests.iter().map(|(_, digest)| digest.as_bytes()));
        let digest = subject.required("digest")?.required("sha256")?;
        if hex(&digest, HashType::Sha256)? != Digest::Sha256(root) {
            return Err(
                digest.refuse(format!("the root digest is not that of the resources, which is {root}"))
            );
        }
        // Before the list becomes a map, which would hide a name that stands there twice.
        distinct(&resources, digests.iter().map(|(name, _)| name))?;
        let files = match serialization.shard_size {
            None => digests.into_iter().map(|(name, digest)| (name, Content::Whole(digest))).collect(),
            Some(size) => shards(&resources, digests, size)?,
        };
        distinct(&resources, files.keys())?;
        let name = subject.required("name")?.text()?.to_owned();
        Ok(Self {
            name: Some(name),
            root: Some(root),
            hash: serialization.hash,
            allow_symlinks: serialization.allow_symlinks,
            ignore: serialization.ignore,
            files,
            notes,
        })
    }
}

struct Serialization {
    /// None where whole files are hashed.
    shard_size: Option<u64>,
    hash: HashType,
    allow_symlinks: bool,
    ignore: Vec<String>,
}

impl Serialization {
    fn read(place: &Place<'_>, notes: &mut Vec<String>) -> Result<Self, Refusal> {
        note_unknown(place, &["method", "hash_type", "allow_symlinks", "ignore_paths", "shard_size"], notes)?;
        let method = place.required("method")?;
        let shard_size = match (method.text()?, place.get("shard_size")?) {
            ("files", None) => None,
            ("files", Some(size)) => return Err(size.refuse("whole files have no size of shards")),
            ("shards", None) => Some(1_000_000_000),
            ("shards", Some(size)) => Some(
                Some(size.whole()?)
                    .filter(|size| *size > 0)
                    .ok_or_else(|| size.refuse("shards of no bytes"))?,
            ),
            (other, _) => {
                return Err(method.refuse(format!("`files` or `shards` was expected, not `{other}`")));
            }
        };
        let hash = place.required("hash_type")?;
        let name = hash.text()?;
        let hash = HashType::from_name(name).ok_or_else(|| hash.refuse(format!("unknown hash `{name}`")))?;
        let ignore = match place.get("ignore_paths")? {
            None => Vec::new(),
            Some(list) => list.list()?.map(|path| ignored(&path, notes)).collect::<Result<Vec<_>, _>>()?,
        };
        Ok(Self {
            shard_size,
            hash,
            allow_symlinks: place.required("allow_symlinks")?.boolean()?,
            ignore: ignore.into_iter().flatten().collect(),
        })
    }
}

/// A path that is left out; none where it lies outside of the model and so means nothing.
fn ignored(place: &Place<'_>, notes: &mut Vec<String>) -> Result<Option<String>, Refusal> {
    let path = place.text()?;
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        notes.push(format!("the signer left out `{path}`, which is no path inside the model"));
        return Ok(None);
    }
    let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if path.is_empty() {
        return Err(place.refuse("leaves out the whole model"));
    }
    Ok(Some(path.join("/")))
}

/// Names as they stand, and their digests, in the order of the list.
fn digests(list: &Place<'_>, serialization: &Serialization) -> Result<Vec<(String, Digest)>, Refusal> {
    let resources = list.list()?;
    let count = resources.len();
    if count == 0 || count > MAX_RESOURCES {
        return Err(list.refuse(format!("1 to {MAX_RESOURCES} resources were expected, not {count}")));
    }
    let hash = serialization.hash;
    let sharded = serialization.shard_size.map(|size| format!("{}-sharded-{size}", hash.as_str()));
    let read = |resource: Place<'_>| {
        resource.only(&["name", "algorithm", "digest"])?;
        let algorithm = resource.required("algorithm")?;
        let known = |text: &str| text == hash.as_str() || sharded.as_deref() == Some(text);
        if !known(algorithm.text()?) {
            return Err(
                algorithm.refuse(format!("not the algorithm of the serialization: `{}`", algorithm.text()?))
            );
        }
        let name = resource.required("name")?;
        let text = name.text()?;
        let alone = count == 1 && serialization.shard_size.is_none() && text == ALONE;
        if let Some(wrong) = wrong_name(text).filter(|_| !alone) {
            return Err(name.refuse(wrong));
        }
        Ok((text.to_owned(), hex(&resource.required("digest")?, hash)?))
    };
    resources.map(read).collect()
}

/// Why a name is no path inside a model.
pub(super) fn wrong_name(name: &str) -> Option<&'static str> {
    if name.starts_with('/') {
        Some("an absolute path")
    } else if name.contains('\0') {
        Some("a name with a NUL byte")
    } else if name.contains('\\') {
        Some("a name with a backslash, which is a separator elsewhere")
    } else if name.split('/').any(str::is_empty) {
        Some("a name with an empty part")
    } else if name.split('/').any(|part| part == "." || part == "..") {
        Some("a name with the part `.` or `..`")
    } else {
        None
    }
}

/// Two names that a file system may take for one, if there are such.
pub(super) fn same_name<'n>(names: impl Iterator<Item = &'n String>) -> Option<(&'n str, &'n str)> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for name in names {
        if let Some(other) = seen.insert(name.nfc().collect(), name) {
            return Some((other, name));
        }
    }
    None
}

/// Refuses a list with two names that a file system may take for one.
pub(super) fn distinct<'n>(list: &Place<'_>, names: impl Iterator<Item = &'n String>) -> Result<(), Refusal> {
    match same_name(names) {
        None => Ok(()),
        Some((one, other)) => {
            Err(list.refuse(format!("`{one}` and `{other}` are one name after normalisation (NFC)")))
        }
    }
}

/// Groups `path:start:end` by path and holds each file's pieces against the size of a shard.
fn shards(
    list: &Place<'_>,
    digests: Vec<(String, Digest)>,
    size: u64,
) -> Result<BTreeMap<String, Content>, Refusal> {
    let mut files: BTreeMap<String, BTreeMap<u64, (u64, Digest)>> = BTreeMap::new();
    for (name, digest) in digests {
        let parsed = name.rsplit_once(':').and_then(|(rest, end)| {
            let (path, start) = rest.rsplit_once(':')?;
            Some((path, decimal(start)?, decimal(end)?))
        });
        let (path, start, end) =
            parsed.ok_or_else(|| list.refuse(format!("`{name}` is not `path:start:end`")))?;
        if let Some(wrong) = wrong_name(path) {
            return Err(list.refuse(format!("{wrong}: `{name}`")));
        }
        if files.entry(path.to_owned()).or_default().insert(start, (end, digest)).is_some() {
            return Err(list.refuse(format!("two shards start at byte {start} of `{path}`")));
        }
    }
    let mut whole = BTreeMap::new();
    for (path, pieces) in files {
        let mut at: u64 = 0;
        let last = pieces.len();
        let mut content = Vec::with_capacity(last);
        for (index, (start, (end, digest))) in pieces.into_iter().enumerate() {
            let full = at.checked_add(size);
            let fits = start == at
                && end > start
                && if index + 1 == last { Some(end) <= full } else { Some(end) == full };
            if !fits {
                return Err(list.refuse(format!(
                    "shard {start} to {end} of `{path}`: one from {at} on was expected, of {size} bytes"
                )));
            }
            content.push((end, digest));
            at = end;
        }
        whole.insert(path, Content::Shards(content));
    }
    Ok(whole)
}

/// A number with one way to write it.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// A digest by this hash.
pub(super) fn hex(place: &Place<'_>, hash: HashType) -> Result<Digest, Refusal> {
    let expected = || format!("{} lower-case hex digits were expected", hash.digits());
    Digest::from_hex(hash, place.text()?).ok_or_else(|| place.refuse(expected()))
}

/// Tells keys other than these: somebody signed them, and they mean nothing here.
pub(super) fn note_unknown(
    place: &Place<'_>,
    known: &[&str],
    notes: &mut Vec<String>,
) -> Result<(), Refusal> {
    for key in place.unknown(known)? {
        notes.push(format!("the signer also signed `{key}`, which means nothing here"));
    }
    Ok(())
}

/// SHA-256 over the raw digests, by whatever hash these are, in the order of the list.
fn root_digest<'d>(digests: impl Iterator<Item = &'d [u8]>) -> Sha256 {
    Sha256::of(&digests.collect::<Vec<_>>().concat())
}

/// The root digest of what [`write`] writes.
pub(super) fn root_of(files: &BTreeMap<String, Sha256>) -> Sha256 {
    root_digest(files.values().map(|digest| digest.as_bytes().as_slice()))
}

/// The payload that is signed: whole files, SHA-256, names in the order of their code points.
pub(super) fn write(
    model: &str,
    files: &BTreeMap<String, Sha256>,
    allow_symlinks: bool,
    ignore: &[String],
) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut payload = format!(
        r#"{{"_type":"{TYPE}","subject":[{{"name":{},"digest":{{"sha256":"{}"}}}}],"predicateType":"{PREDICATE}","predicate":{{"serialization":{{"method":"files","hash_type":"sha256","allow_symlinks":{allow_symlinks}"#,
        text(model),
        root_of(files),
    );
    if !ignore.is_empty() {
        let paths: Vec<String> = ignore.iter().map(|path| text(path)).collect();
        _ = write!(payload, r#","ignore_paths":[{}]"#, paths.join(","));
    }
    payload.push_str("},\"resources\":[");
    for (index, (name, digest)) in files.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        _ = write!(payload, r#"{comma}{{"name":{},"algorithm":"sha256","digest":"{digest}"}}"#, text(name));
    }
    payload.push_str("]}}");
    payload
}
