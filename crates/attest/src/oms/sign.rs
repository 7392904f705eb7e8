//! Room `attest`: a model and a key -> a bundle.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringfence_artifact::Source as _;
use zeroize::Zeroizing;

use super::bundle;
use super::statement;
use super::tree;
use super::tree::Tree;
use crate::KeyError;
use crate::PrivateKey;
use crate::Sha256;
use crate::hash;
use crate::hash::Job;
use crate::hash::Lane;
use crate::hash::WrongAnswer;
use crate::pem;

/// What a Git checkout has beside the model, and no loader reads.
const DEFAULT_IGNORE: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// Bytes of a file that may be PEM with a private key; one of RSA with 16384 bits has 13,000.
const MAX_KEY_FILE: u64 = 64 << 10;

/// What to sign, and with what.
pub struct Signing<'s> {
    /// Folder or file.
    pub path: &'s Path,
    /// The key.
    pub key: &'s PrivateKey,
    /// DER of certificates, the one of the key first; empty where the key is trusted by itself.
    pub chain: &'s [Vec<u8>],
    /// Paths below the folder that are left out, with all below them; the signature's own is one of them.
    pub ignore: &'s [String],
    /// Device and inode of the file that the key came from: it must be no part of the model.
    pub key_file: Option<(u64, u64)>,
    /// Threads for hashing; as many as the CPU quota allows where none is said.
    pub threads: Option<NonZero<usize>>,
    /// Told of bytes as they are hashed.
    pub count: &'s (dyn Fn(u64) + Sync),
}

/// A signature.
#[derive(Debug)]
pub struct Signed {
    /// The bundle, JSON without a final newline.
    pub bundle: String,
    /// Files that it covers.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Root digest.
    pub root: Sha256,
    /// Identity of what is signed: SHA-256 of the payload.
    pub payload: Sha256,
    /// Paths that were left out, with their number of files.
    pub skipped: Vec<(String, u64)>,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A signature of nothing says nothing.
    #[error("no files to sign")]
    Empty,
    /// The key does not work.
    #[error("cannot sign: {0}")]
    Key(#[from] KeyError),
    /// What is there cannot be part of a signed model.
    #[error("cannot sign this model:\n{}", list(.0))]
    Refused(Vec<(String, String)>),
    /// The system refused the path itself.
    #[error("{0}")]
    Root(std::io::Error),
    /// Files or folders that could not be read.
    #[error("could not read all of the model:\n{}", list(.0))]
    Unread(Vec<(String, String)>),
    /// The hash does not work on this machine.
    #[error(transparent)]
    WrongAnswer(#[from] WrongAnswer),
}

fn list(reasons: &[(String, String)]) -> String {
    reasons.iter().map(|(name, why)| format!("  {name}: {why}")).collect::<Vec<_>>().join("\n")
}

/// Hashes the model and signs what was hashed.
pub fn sign(signing: &Signing<'_>) -> Result<Signed, SignError> {
    let engine = hash::checked()?;
    let defaults = DEFAULT_IGNORE.iter().map(|path| ((*path).to_owned(), "left out by default"));
    let own = signing.ignore.iter().map(|path| (path.clone(), "left out by the signer"));
    let ignore = defaults.chain(own).collect();
    let rules = tree::Rules { ignore, through_links: None, most: tree::MAX_ENTRIES };
    let mut tree = tree::walk(signing.path, &rules).map_err(SignError::Root)?;
    if !tree.unseen.is_empty() {
        return Err(SignError::Unread(tree.unseen));
    }
    let mut refused = std::mem::take(&mut tree.refused);
    let wrong = |name: &String| Some((name.clone(), statement::wrong_name(name)?.to_owned()));
    if !tree.single {
        refused.extend(tree.files.keys().filter_map(wrong));
    }
    if let Some((one, other)) = statement::same_name(tree.files.keys()) {
        refused.push((other.to_owned(), format!("the same name as `{one}` after normalisation (NFC)")));
    }
    let secret = |(name, found): (&String, &tree::Found)| {
        Some((name.clone(), secret(&tree, found, signing.key_file)?.to_owned()))
    };
    refused.extend(tree.files.iter().filter_map(secret));
    if !refused.is_empty() {
        return Err(SignError::Refused(refused));
    }
    if tree.files.is_empty() {
        return Err(SignError::Empty);
    }
    let job = |found: &tree::Found| Job {
        file: tree.listed(found),
        range: (0, None),
        expected: found.identity.bytes(),
    };
    let jobs: Vec<Job> = tree.files.values().map(job).collect();
    let hashed = hash::run(|| Lane::new(engine), &jobs, signing.threads, signing.count);
    let (mut files, mut unread, mut bytes) = (BTreeMap::new(), Vec::new(), 0);
    for (name, hashed) in tree.files.keys().zip(hashed) {
        match hashed {
            Ok((length, digest)) => {
                bytes += length;
                let name = if tree.single { statement::ALONE } else { name };
                files.insert(name.to_owned(), digest);
            }
            Err(error) => unread.push((name.clone(), error.to_string())),
        }
    }
    // What was hashed first may be another file by now, or have got a neighbour.
    let later = tree::walk(signing.path, &rules).map_err(SignError::Root)?;
    let changed = tree.changed(&later).into_iter().map(|(name, how)| (name, how.to_owned()));
    let known: BTreeSet<String> = unread.iter().map(|(name, _)| name.clone()).collect();
    unread.extend(changed.filter(|(name, _)| !known.contains(name)));
    if !unread.is_empty() {
        return Err(SignError::Unread(unread));
    }
    let model = model_name(signing.path, tree.single);
    let ignore: Vec<String> = if tree.single { Vec::new() } else { rules.ignore.into_keys().collect() };
    let payload = statement::write(&model, &files, false, &ignore);
    let bundle = envelope(payload.as_bytes(), signing.key, signing.chain)?;
    Ok(Signed {
        bundle,
        files: files.len(),
        bytes,
        root: statement::root_of(&files),
        payload: Sha256::of(payload.as_bytes()),
        skipped: tree.skipped.into_iter().map(|skipped| (skipped.path, skipped.files)).collect(),
    })
}

/// What is secret about a file, which would go wherever the model goes. What cannot be read is told by the hash.
fn secret(tree: &Tree, found: &tree::Found, key_file: Option<(u64, u64)>) -> Option<&'static str> {
    if key_file == Some(found.identity.place()) {
        return Some("the private key that signs: move it out of the model, or leave it out with --ignore");
    }
    let length = found.identity.bytes();
    if length > MAX_KEY_FILE {
        return None;
    }
    let file = tree.listed(found).open().ok()?;
    let mut begin = [0; pem::BEGIN.len()];
    file.read_at(0, &mut begin).ok()?;
    if begin != pem::BEGIN.as_bytes() {
        return None;
    }
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(length).ok()?]);
    file.read_at(0, &mut bytes).ok()?;
    // OpenSSL writes parameters of the curve before the key.
    let is_key = |line: &[u8]| line.starts_with(pem::BEGIN.as_bytes()) && line.ends_with(b"PRIVATE KEY-----");
    let has_key = bytes.split(|byte| *byte == b'\n').any(|line| is_key(line.trim_ascii()));
    has_key.then_some("a private key: move it out of the model, or leave it out with --ignore")
}

/// Name of the folder, also where it is written `.`, or of the file, as it was typed.
pub(super) fn model_name(path: &Path, single: bool) -> String {
    let real = if single { None } else { std::fs::canonicalize(path).ok() };
    real.as_deref()
        .unwrap_or(path)
        .file_name()
        .map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The bundle around a payload. Certificates make it the certificate method.
pub(super) fn envelope(payload: &[u8], key: &PrivateKey, chain: &[Vec<u8>]) -> Result<String, KeyError> {
    let signature = STANDARD.encode(key.sign(&bundle::pre_authentication(payload))?);
    let material = if chain.is_empty() {
        format!(r#""publicKey":{{"hint":"{}"}}"#, key.public().hint())
    } else {
        let raw = |der: &Vec<u8>| format!(r#"{{"rawBytes":"{}"}}"#, STANDARD.encode(der));
        let chain: Vec<String> = chain.iter().map(raw).collect();
        format!(r#""x509CertificateChain":{{"certificates":[{}]}}"#, chain.join(","))
    };
    let (media, kind, payload) = (bundle::MEDIA_TYPE, bundle::PAYLOAD_TYPE, STANDARD.encode(payload));
    Ok(format!(
        r#"{{"mediaType":"{media}","verificationMaterial":{{{material},"tlogEntries":[]}},"dsseEnvelope":{{"payload":"{payload}","payloadType":"{kind}","signatures":[{{"sig":"{signature}","keyid":""}}]}}}}"#
    ))
}
