//! Room `attest`: a model, a bundle and trust -> who signed it, and every way in which the files differ from what was signed.
//!
//! Order of work: size, strict JSON, route, signature, payload, statement, files. Nothing of a payload is read before its
//! signature holds.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::num::NonZero;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;

use ringfence_artifact::Identity;
use ringfence_artifact::OpenError;
use ringfence_artifact::ReadError;
use ringfence_finding::BY_CALLER;
use ringfence_finding::FileStatus;
use ringfence_finding::SignedBy;
use ringfence_finding::Verification;
use ringfence_finding::VerifiedFile;
use ringfence_finding::VerifyReason;

use super::again::Look;
use super::agree;
use super::bundle;
use super::bundle::Bundle;
use super::bundle::Form;
use super::bundle::Signer;
use super::sign::model_name;
use super::statement::ALONE;
use super::statement::Content;
use super::statement::Statement;
use super::tree;
use super::tree::Tree;
use super::trust::Require;
use super::trust::TrustRoot;
use super::trust::TrustedSigner;
use super::v02;
use crate::Refusal;
use crate::hash;
use crate::hash::Digest;
use crate::hash::Engine;
use crate::hash::HashType;
use crate::hash::Hashed;
use crate::hash::Job;
use crate::hash::Unread;
use crate::hash::WrongAnswer;

/// What to verify against what.
pub struct Request<'r> {
    /// Folder or file.
    pub path: &'r Path,
    /// Signatures, each by somebody else or not.
    pub signatures: &'r [Signature],
    /// Who is believed.
    pub trust: &'r [TrustedSigner],
    /// How many of these have to agree.
    pub require: Require,
    /// Paths that the caller leaves out, beside those of the signer.
    pub ignore: &'r [String],
    /// The option that lets files through which nobody signed, by the name that its owner knows; they are told.
    pub allow_unsigned: Option<&'r str>,
    /// Whether signatures in the form of model-signing 0.2 count; it is told.
    pub oms_v02: bool,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Threads for hashing.
    pub threads: Option<NonZero<usize>>,
    /// Told of bytes as they are hashed.
    pub count: &'r (dyn Fn(u64) + Sync),
}

/// A signature file.
#[derive(Clone, Debug, Default)]
pub struct Signature {
    /// As it was typed.
    pub name: String,
    /// The bundle; more than 16 MiB are refused.
    pub bundle: Vec<u8>,
    /// Path below the model, where it lies there: no signature covers a signature.
    pub own: Option<String>,
}

/// Digests by hash, version and range: a file is read once for each hash, however many signatures cover it.
type Digests = HashMap<(HashType, PathBuf, Identity, (u64, Option<u64>)), (u64, Digest)>;

/// Why an empty file fails beside shards.
const NO_SHARD: &str =
    "empty, and a signature of shards leaves empty files out (--allow-unsigned-files lets them through)";
/// Most notes of one kind: a note decides nothing, and must not hide the others.
const FEW: usize = 20;

/// Verifies; everything that does not hold is in the result. The error is about this machine, not about the model.
pub fn verify(request: &Request<'_>) -> Result<Verification, WrongAnswer> {
    let engine = hash::checked()?;
    let over = request.trust.iter().filter_map(|signer| signer.is_over(request.now));
    let over: Vec<String> = over.collect();
    let trust: Vec<&TrustedSigner> =
        request.trust.iter().filter(|signer| signer.is_over(request.now).is_none()).collect();
    let (mut looks, mut digests) = (Vec::new(), Digests::new());
    let each = request.signatures.iter();
    let each = each.map(|signature| one(request, engine, signature, &trust, &mut looks, &mut digests));
    let each: Vec<(Verification, Option<Rc<Look>>)> = each.collect();
    // Behind the last byte of all: minutes may have gone by since the first file was hashed.
    let again = |(mut result, look): (Verification, Option<Rc<Look>>)| {
        if let Some(look) = look {
            look.again(request.path, &mut result);
        }
        result
    };
    let mut result = agree::together(request, each.into_iter().map(again).collect());
    result.notes.extend(over);
    if let Some(option) = request.allow_unsigned {
        result.relaxed.insert(0, format!("{option}: files that nobody signed are let through"));
    }
    if request.oms_v02 {
        result.relaxed.push("--oms-v02: signatures in the form of model-signing 0.2 count".to_owned());
    }
    Ok(result)
}

/// What one signature says of the model.
fn one(
    request: &Request<'_>,
    engine: Engine,
    signature: &Signature,
    trust: &[&TrustedSigner],
    looks: &mut Vec<Rc<Look>>,
    digests: &mut Digests,
) -> (Verification, Option<Rc<Look>>) {
    let mut result = Verification::default();
    let (bundle, signer, statement) = match believed(request, &signature.bundle, trust) {
        Ok(read) => read,
        Err(refusal) => {
            // Of several signatures each reason names its own. Behind the words: a name may read like that of a key.
            let is_named = request.signatures.len() > 1 || trust.is_empty();
            let file = if is_named { String::new() } else { format!(", in {}", signature.name) };
            result.reasons.push(VerifyReason::failed("signature", format!("{refusal}{file}")));
            return (result, None);
        }
    };
    result.payload = Some(bundle.payload_digest().to_string());
    tell(signature, &signer, &statement, trust, &mut result);
    match Look::by(rules(request, &statement), request.path, looks) {
        Ok(look) => {
            compare(request, engine, statement, &look.tree, digests, &mut result);
            (result, Some(look))
        }
        Err(error) => {
            result.reasons.push(VerifyReason::incomplete("unread", error.to_string()));
            (result, None)
        }
    }
}

/// What is signed, by whom.
fn believed(
    request: &Request<'_>,
    bytes: &[u8],
    trust: &[&TrustedSigner],
) -> Result<(Bundle, Signer, Statement), Refusal> {
    let oms_v02 = request.oms_v02;
    let whole = |rule: String| Refusal { path: "$".to_owned(), rule };
    if bytes.len() as u64 > bundle::MAX_BYTES {
        return Err(whole(format!("larger than {} bytes", bundle::MAX_BYTES)));
    }
    if trust.is_empty() {
        return Err(whole("nobody is trusted for this model any more".to_owned()));
    }
    let bundle = Bundle::read(bytes)?;
    // Chosen before anything is verified, and once: no signature is held against one form and then against the other.
    let form = if oms_v02 && v02::is(&bundle.payload) { Form::V02 } else { Form::Dsse };
    let signer = bundle.verify(trust, form, request.now).map_err(|refusal| {
        if !oms_v02 && v02::is(&bundle.payload) {
            let why = "in the form of model-signing 0.2, which counts with --oms-v02 alone: better have it signed again";
            whole(why.to_owned())
        } else {
            refusal
        }
    })?;
    let in_payload = |refusal: Refusal| Refusal { path: format!("payload {}", refusal.path), ..refusal };
    let mut statement = match form {
        Form::Dsse => Statement::read(&bundle.payload),
        Form::V02 => v02::read(&bundle.payload),
    }
    .map_err(in_payload)?;
    if form == Form::V02 {
        let note = "signed in the form of model-signing 0.2: with SHA-256 whatever the curve is, and without a digest over all";
        statement.notes.push(note.to_owned());
    }
    Ok((bundle, signer, statement))
}

fn tell(
    signature: &Signature,
    signer: &Signer,
    statement: &Statement,
    trust: &[&TrustedSigner],
    result: &mut Verification,
) {
    result.signed_by = Some(SignedBy {
        signer: signer.name.clone(),
        signature: signature.name.clone(),
        method: if signer.leaf.is_some() { "certificate" } else { "key" },
        algorithm: signer.algorithm,
        key: signer.key.fingerprint().to_string(),
        certificate: signer.leaf.as_ref().map(|leaf| leaf.fingerprint.to_string()),
        subject: signer.leaf.as_ref().and_then(|leaf| leaf.name.clone()),
    });
    result.root = statement.root.map(|root| root.to_string());
    result.subject.clone_from(&statement.name);
    result.notes.extend(signer.notes.iter().chain(&statement.notes).cloned());
    for signer in trust {
        if let TrustRoot::Authority { authorities, .. } = &signer.root {
            result.relaxed.extend(authorities.relaxed());
        }
    }
    result.relaxed.dedup();
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    let same = statement.files.keys().filter_map(|name| {
        let other = seen.insert(name.to_lowercase(), name)?;
        Some(format!("`{other}` and `{name}` differ only in case: some file systems take them for one"))
    });
    result.notes.extend(few(same.collect(), "that differ only in case"));
}

/// The first of these notes, and how many more there are.
fn few(mut notes: Vec<String>, what: &str) -> Vec<String> {
    let more = notes.len().saturating_sub(FEW);
    if more > 0 {
        notes.truncate(FEW);
        notes.push(format!("and {more} more {what}"));
    }
    notes
}

fn rules(request: &Request<'_>, statement: &Statement) -> tree::Rules {
    let signed = statement.ignore.iter().map(|path| (path.clone(), "left out by the signer"));
    let called = request.ignore.iter().map(|path| (path.clone(), BY_CALLER));
    let own = request.signatures.iter().filter_map(|signature| signature.own.clone());
    let own = own.map(|path| (path, tree::OWN));
    let mut ignore: BTreeMap<String, &'static str> = signed.chain(own).chain(called).collect();
    // What is signed is compared, whatever else is left out.
    ignore.retain(|path, _| !statement.files.contains_key(path));
    let names = || statement.files.keys().cloned().collect();
    // Each part of a signed name is an entry at most.
    let signed: usize = statement.files.keys().map(|name| name.split('/').count()).sum();
    tree::Rules {
        ignore,
        through_links: statement.allow_symlinks.then(names),
        most: signed + tree::BEYOND_SIGNED,
    }
}

/// Hashes what is both signed and there, and holds the two lists against each other, in both directions.
fn compare(
    request: &Request<'_>,
    engine: Engine,
    statement: Statement,
    tree: &Tree,
    digests: &mut Digests,
    result: &mut Verification,
) {
    for (name, why) in &tree.refused {
        result.reasons.push(VerifyReason::failed("refused-file", why).of(name));
    }
    for (name, why) in &tree.unseen {
        result.reasons.push(VerifyReason::incomplete("unread", why).of(name));
    }
    let (hash, mut signed) = (statement.hash, statement.files);
    // Shards are of at least one byte, so a signer of shards cannot speak of empty files; and one with the right name may hide
    // a module, or change which weights a loader takes.
    let is_sharded = signed.values().any(|content| matches!(content, Content::Shards(_)));
    let alone = tree.files.keys().next().filter(|_| tree.single);
    if let Some((name, content)) = alone.and_then(|name| Some((name, signed.remove(ALONE)?))) {
        // Other files may have other loaders, and it is the name that chooses one.
        let was = match &statement.name {
            Some(was) if was == name => None,
            Some(was) => Some(format!("signed as `{was}`")),
            None => Some("signed without a name".to_owned()),
        };
        result.notes.extend(
            was.map(|was| format!("{name}: {was}; the bytes of one file are covered, its name is not")),
        );
        signed.insert(name.clone(), content);
    }
    let own = model_name(request.path, tree.single);
    if let Some(was) = statement.name.as_ref().filter(|was| !tree.single && own != **was) {
        let words = format!("{own}: signed as `{was}`; what is in a folder is covered, its name is not");
        result.notes.push(words);
    }
    let (mut jobs, mut owners) = (Vec::new(), Vec::new());
    for (name, found) in &tree.files {
        let Some(content) = signed.get(name) else { continue };
        let bytes = found.identity.bytes();
        let whole = Job { file: tree.listed(found), range: (0, None), expected: bytes };
        let ends: Vec<Option<u64>> = match content {
            Content::Whole(_) => vec![None],
            Content::Shards(shards) => shards.iter().map(|(end, _)| Some(*end)).collect(),
        };
        let mut start = 0;
        for end in ends {
            let expected = end.unwrap_or(bytes).saturating_sub(start);
            jobs.push(Job { range: (start, end), expected, ..whole.clone() });
            owners.push(name.clone());
            start = end.unwrap_or(start);
        }
    }
    let hashed = hash_unknown(request, engine, hash, &jobs, digests);
    let mut parts: BTreeMap<String, Vec<Hashed<Digest>>> = BTreeMap::new();
    for (owner, hashed) in owners.into_iter().zip(hashed) {
        parts.entry(owner).or_default().push(hashed);
    }
    let mut unsigned = Vec::new();
    for (name, found) in &tree.files {
        let bytes = found.identity.bytes();
        let file = if let (Some(content), Some(parts)) = (signed.remove(name), parts.remove(name)) {
            judge(name, bytes, &content, parts, result)
        } else {
            let is_empty = is_sharded && bytes == 0;
            unsigned.push((name, if is_empty { NO_SHARD } else { "there, and nobody signed it" }));
            VerifiedFile { path: name.clone(), bytes, digest: None, hash: None, status: FileStatus::Unsigned }
        };
        result.files.push(file);
    }
    for name in tree.links.keys() {
        unsigned.push((name, "a link to a folder, and nobody signed what is behind it under this name"));
        let status = FileStatus::Unsigned;
        result.files.push(VerifiedFile { path: name.clone(), bytes: 0, digest: None, hash: None, status });
    }
    if request.allow_unsigned.is_some() {
        let told = unsigned.iter().map(|(name, _)| format!("{name}: nobody signed it"));
        result.notes.extend(few(told.collect(), "that nobody signed"));
    } else {
        let told = unsigned.iter().map(|(name, why)| VerifyReason::failed("unsigned", *why).of(*name));
        result.reasons.extend(told);
    }
    for name in signed.into_keys() {
        // Where not all was looked at, it may be there; that is told once.
        let status = if tree.is_cut { FileStatus::Unread } else { FileStatus::Missing };
        if status == FileStatus::Missing {
            result.reasons.push(VerifyReason::failed("missing", "signed, and not there").of(&name));
        }
        result.files.push(VerifiedFile { path: name, bytes: 0, digest: None, hash: None, status });
    }
}

/// Hashes what no other signature of this run has asked for.
fn hash_unknown(
    request: &Request<'_>,
    engine: Engine,
    hash: HashType,
    jobs: &[Job],
    digests: &mut Digests,
) -> Vec<Hashed<Digest>> {
    let key = |job: &Job| (hash, job.file.path.clone(), job.file.identity, job.range);
    let is_known = |job: &&Job| digests.contains_key(&key(job));
    let unknown: Vec<Job> = jobs.iter().filter(|job| !is_known(job)).cloned().collect();
    let hashed = hash.run(engine, &unknown, request.threads, request.count);
    let mut failed = HashMap::new();
    for (job, hashed) in unknown.iter().zip(hashed) {
        match hashed {
            Ok(digest) => _ = digests.insert(key(job), digest),
            Err(error) => _ = failed.insert(key(job), error),
        }
    }
    let result = |job: &Job| match digests.get(&key(job)) {
        Some(digest) => Ok(*digest),
        None => Err(failed.remove(&key(job)).unwrap_or(Unread::Lost)),
    };
    jobs.iter().map(result).collect()
}

fn judge(
    name: &str,
    bytes: u64,
    content: &Content,
    parts: Vec<Hashed<Digest>>,
    result: &mut Verification,
) -> VerifiedFile {
    let mut file =
        VerifiedFile { path: name.to_owned(), bytes, digest: None, hash: None, status: FileStatus::Match };
    let expected: Vec<(Option<u64>, Digest)> = match content {
        Content::Whole(digest) => vec![(None, *digest)],
        Content::Shards(shards) => shards.iter().map(|(end, digest)| (Some(*end), *digest)).collect(),
    };
    if let Some((Some(end), _)) = expected.last().filter(|(end, _)| end.is_some_and(|end| end != bytes)) {
        file.status = FileStatus::Differs;
        let why = format!("{end} bytes were signed, it has {bytes}");
        result.reasons.push(VerifyReason::failed("differs", why).of(name));
        return file;
    }
    for ((end, expected), hashed) in expected.into_iter().zip(parts) {
        match hashed {
            Ok((length, digest)) => {
                if end.is_none() {
                    (file.bytes, file.digest) = (length, Some(digest.to_string()));
                    file.hash = Some(digest.hash().as_str());
                }
                if digest != expected && file.status == FileStatus::Match {
                    file.status = FileStatus::Differs;
                    let hash = digest.hash().words();
                    let why = format!("its {hash} is {digest}, {expected} was signed");
                    result.reasons.push(VerifyReason::failed("differs", why).of(name));
                }
            }
            Err(Unread::Read(ReadError::Changed) | Unread::Open(OpenError::Changed)) => {
                file.status = FileStatus::Changed;
                result.reasons.push(VerifyReason::failed("changed", "changed while it was read").of(name));
                return file;
            }
            Err(error) => {
                file.status = FileStatus::Unread;
                result.reasons.push(VerifyReason::incomplete("unread", error.to_string()).of(name));
                return file;
            }
        }
    }
    file
}
