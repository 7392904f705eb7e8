//! Room `attest`: a model and a key -> a bundle.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bundle;
use super::statement;
use super::statement::Statement;
use super::tree;
use super::tree::Tree;
use crate::KeyError;
use crate::PrivateKey;
use crate::Sha256;
use crate::hash;
use crate::hash::Engine;
use crate::hash::Hasher;
use crate::hash::Job;
use crate::hash::Lane;
use crate::hash::WrongAnswer;
use crate::keys;

/// What a Git checkout has beside the model, and no loader reads.
const DEFAULT_IGNORE: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// Bytes of a file that may have a private key in it; one of RSA with 16384 bits has 13,000. It is read in one piece.
const MAX_KEY_FILE: u64 = hash::PIECE as u64;

/// Why a file that is secret is no part of a model: it would go wherever the model goes.
const KEY_THAT_SIGNS: &str =
    "the private key that signs: move it out of the model, or leave it out with --ignore";
const ITS_PASSWORD: &str =
    "the password of the private key: move it out of the model, or leave it out with --ignore";
const A_KEY: &str = "a private key: move it out of the model, or leave it out with --ignore";

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
    /// The same of the file that its password came from.
    pub password_file: Option<(u64, u64)>,
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
    /// `verify` would not read the signature.
    #[error(
        "no signature of it would be read, {0}: sign parts of the model, or leave files out with --ignore"
    )]
    TooLarge(String),
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

/// Longest signature of a curve that signs, in bytes of DER: two numbers of 66 bytes on P-521.
const LONGEST_SIGNATURE: usize = 144;

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
    let model = model_name(signing.path, tree.single);
    let ignore: Vec<String> = if tree.single { Vec::new() } else { rules.ignore.keys().cloned().collect() };
    if refused.is_empty() && !tree.files.is_empty() {
        is_read(signing, &tree, &model, &ignore).map_err(SignError::TooLarge)?;
    }
    let secret = |found: &tree::Found| match Some(found.identity.place()) {
        place if place == signing.key_file => Some(KEY_THAT_SIGNS),
        place if place == signing.password_file => Some(ITS_PASSWORD),
        _ => None,
    };
    let secrets =
        tree.files.iter().filter_map(|(name, found)| Some((name.clone(), secret(found)?.to_owned())));
    refused.extend(secrets);
    // Small files first: a key among them is told before hours are spent on the weights.
    let (small, large): (Vec<_>, Vec<_>) = tree
        .files
        .iter()
        .filter(|(_, found)| secret(found).is_none())
        .partition(|(_, found)| found.identity.bytes() <= MAX_KEY_FILE);
    let looked = hash::run(|| Small::new(engine), &jobs(&tree, &small), signing.threads, signing.count);
    let keys =
        small.iter().zip(&looked).filter(|(_, looked)| looked.as_ref().is_ok_and(|(_, it)| it.has_key));
    refused.extend(keys.map(|((name, _), _)| ((*name).clone(), A_KEY.to_owned())));
    if !refused.is_empty() {
        return Err(SignError::Refused(refused));
    }
    if tree.files.is_empty() {
        return Err(SignError::Empty);
    }
    let looked = looked.into_iter().map(|looked| looked.map(|(length, it)| (length, it.digest)));
    let hashed = hash::run(|| Lane::new(engine), &jobs(&tree, &large), signing.threads, signing.count);
    let (mut files, mut unread, mut bytes) = (BTreeMap::new(), Vec::new(), 0);
    for ((name, _), hashed) in small.iter().zip(looked).chain(large.iter().zip(hashed)) {
        match hashed {
            Ok((length, digest)) => {
                bytes += length;
                let name = if tree.single { statement::ALONE } else { name };
                files.insert(name.to_owned(), digest);
            }
            Err(error) => unread.push(((*name).clone(), error.to_string())),
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

/// Why `verify` would refuse what is to be signed, asked of its own reader before anything is hashed: every digest, and so every
/// signature but for a few bytes, has the length of any other.
fn is_read(signing: &Signing<'_>, tree: &Tree, model: &str, ignore: &[String]) -> Result<(), String> {
    let most = statement::MAX_RESOURCES;
    if tree.files.len() > most {
        return Err(format!("which would cover {} files, and {most} are covered at most", tree.files.len()));
    }
    let digest = Sha256::of(&[]);
    let name = |name: &String| if tree.single { statement::ALONE.to_owned() } else { name.clone() };
    let files = tree.files.keys().map(|it| (name(it), digest)).collect();
    let payload = statement::write(model, &files, false, ignore);
    let bundle = around(payload.as_bytes(), signing.key, signing.chain, &[0; LONGEST_SIGNATURE]);
    let (length, most) = (bundle.len(), bundle::MAX_BYTES);
    if length as u64 > most {
        return Err(format!("which would have {length} bytes, and {most} are read at most"));
    }
    let read = bundle::Bundle::read(bundle.as_bytes()).and_then(|it| Statement::read(&it.payload));
    read.map(drop).map_err(|refusal| format!("as {refusal}"))
}

fn jobs(tree: &Tree, files: &[(&String, &tree::Found)]) -> Vec<Job> {
    let job = |(_, found): &(&String, &tree::Found)| Job {
        file: tree.listed(found),
        range: (0, None),
        expected: found.identity.bytes(),
    };
    files.iter().map(job).collect()
}

/// A small file on its way to its digest; whether it is a private key is seen on the way.
struct Small {
    lane: Lane,
    has_key: bool,
}

/// What came of it.
struct Looked {
    digest: Sha256,
    has_key: bool,
}

impl Small {
    fn new(engine: Engine) -> Self {
        Self { lane: Lane::new(engine), has_key: false }
    }

    /// It is read in one piece.
    fn look(&mut self, bytes: &[u8]) {
        self.has_key |= keys::has_private_key(bytes);
    }
}

impl Hasher for Small {
    type Digest = Looked;

    fn update(&mut self, bytes: &[u8]) {
        self.look(bytes);
        self.lane.update(bytes);
    }

    fn update_two(&mut self, bytes: &[u8], other: &mut Self, others: &[u8]) {
        self.look(bytes);
        other.look(others);
        self.lane.update_two(bytes, &mut other.lane, others);
    }

    fn finish(self) -> Looked {
        Looked { digest: self.lane.finish(), has_key: self.has_key }
    }
}

/// Name of the folder, also where it is written `.`, or of the file, as it was typed.
pub(super) fn model_name(path: &Path, single: bool) -> String {
    let real = if single { None } else { std::fs::canonicalize(path).ok() };
    real.as_deref()
        .unwrap_or(path)
        .file_name()
        .map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The bundle around a payload, signed. Certificates make it the certificate method.
pub(super) fn envelope(payload: &[u8], key: &PrivateKey, chain: &[Vec<u8>]) -> Result<String, KeyError> {
    let signature = key.sign(&bundle::pre_authentication(payload))?;
    Ok(around(payload, key, chain, &signature))
}

fn around(payload: &[u8], key: &PrivateKey, chain: &[Vec<u8>], signature: &[u8]) -> String {
    let material = if chain.is_empty() {
        format!(r#""publicKey":{{"hint":"{}"}}"#, key.public().hint())
    } else {
        let raw = |der: &Vec<u8>| format!(r#"{{"rawBytes":"{}"}}"#, STANDARD.encode(der));
        let chain: Vec<String> = chain.iter().map(raw).collect();
        format!(r#""x509CertificateChain":{{"certificates":[{}]}}"#, chain.join(","))
    };
    let (media, kind) = (bundle::MEDIA_TYPE, bundle::PAYLOAD_TYPE);
    let (payload, signature) = (STANDARD.encode(payload), STANDARD.encode(signature));
    format!(
        r#"{{"mediaType":"{media}","verificationMaterial":{{{material},"tlogEntries":[]}},"dsseEnvelope":{{"payload":"{payload}","payloadType":"{kind}","signatures":[{{"sig":"{signature}","keyid":""}}]}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::Curve;
    use crate::KeyFormat;
    use crate::Password;

    /// Signs, and tells how many bytes were read for it.
    fn signed(
        path: &Path,
        key: &PrivateKey,
        ignore: &[String],
        chain: &[Vec<u8>],
    ) -> (Result<Signed, SignError>, u64) {
        let read = AtomicU64::new(0);
        let count = |bytes| _ = read.fetch_add(bytes, Ordering::Relaxed);
        let (key_file, password_file, threads) = (None, None, None);
        let signed =
            sign(&Signing { path, key, chain, ignore, key_file, password_file, threads, count: &count });
        (signed, read.into_inner())
    }

    #[test]
    fn a_key_is_told_before_large_files_are_read_and_each_byte_is_read_once() {
        let root = std::env::temp_dir().join(format!("ringfence-attest-small-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let (key, _) = PrivateKey::generate(Curve::P256, KeyFormat::Pem, &Password::default()).unwrap();
        let sign = || signed(&root, &key, &[], &[]);
        fs::write(root.join("config.json"), "{}").unwrap();
        fs::write(root.join("empty"), "").unwrap();
        fs::write(root.join("weights"), vec![7; 1 << 20]).unwrap();
        let (signed, read) = sign();
        assert_eq!((signed.unwrap().bytes, read), (2 + (1 << 20), 2 + (1 << 20)));
        let words = ["PRIVATE", "KEY"].join(" ");
        let pem = format!("-----BEGIN {words}-----\nAAAA\n-----END {words}-----\n");
        let write = |length: usize| {
            fs::write(root.join("name"), pem.clone() + &" ".repeat(length - pem.len())).unwrap();
        };
        for length in [pem.len(), hash::PIECE] {
            write(length);
            let (signed, read) = sign();
            assert_eq!(read, 2 + length as u64, "nothing of the weights");
            let Err(SignError::Refused(each)) = signed else { panic!("{length}: {signed:?}") };
            assert_eq!(each, [("name".to_owned(), A_KEY.to_owned())]);
        }
        // No key is so long.
        write(hash::PIECE + 1);
        assert!(sign().0.is_ok());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn what_no_reader_would_take_is_refused_before_anything_is_hashed() {
        let root = std::env::temp_dir().join(format!("ringfence-attest-large-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("weights"), vec![7; 1 << 20]).unwrap();
        let (key, _) = PrivateKey::generate(Curve::P256, KeyFormat::Pem, &Password::default()).unwrap();
        let sign = |ignore: &[String], chain: &[Vec<u8>]| signed(&root, &key, ignore, chain);
        // Names that are left out are signed as those of files are: 12,000 of a thousand bytes are 16 MB of base64.
        let names = |count: usize| -> Vec<String> { (0..count).map(|at| format!("{at:01000}")).collect() };
        let (signed, read) = sign(&names(12_000), &[]);
        assert_eq!(read, 1 << 20);
        let bundle = signed.unwrap().bundle;
        assert!(bundle.len() as u64 <= bundle::MAX_BYTES, "{}", bundle.len());
        let read_back = bundle::Bundle::read(bundle.as_bytes()).and_then(|it| Statement::read(&it.payload));
        assert_eq!(read_back.unwrap().ignore.len(), 12_000 + DEFAULT_IGNORE.len());
        let certificates = |count: usize| vec![vec![0; 100]; count];
        assert!(sign(&[], &certificates(10)).0.is_ok());
        for (ignore, chain, why) in [
            (names(13_000), vec![], "bytes, and 16777216 are read at most"),
            (vec![], certificates(11), "1 to 10 certificates were expected, not 11"),
        ] {
            let (signed, read) = sign(&ignore, &chain);
            assert_eq!(read, 0, "nothing of the weights");
            let Err(SignError::TooLarge(told)) = signed else { panic!("{signed:?}") };
            assert!(told.contains(why), "{told}");
        }
        fs::remove_dir_all(&root).unwrap();
    }
}
