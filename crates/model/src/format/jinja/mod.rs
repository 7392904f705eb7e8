//! Room `model`, format `jinja`: the text of a chat template -> what it reaches beyond the data that it is given.
//!
//! A template is a program that the server runs for each request. Where the environment is not sandboxed, an attribute of
//! any value leads to the interpreter (CVE-2024-34359, CVE-2026-5760); where it is, sandboxes have been left. The template
//! is parsed and never rendered: names are judged on the syntax tree, with constants folded.
//!
//! This folder alone knows `minijinja`, whose tree has no promise of stability. Where its reader and Jinja2's could
//! disagree on what is code, the template is *review*.

mod binding;
mod call;
mod changed;
mod check;
mod fold;
mod free;
mod given;
mod held;
mod literal;
mod names;
mod objects;
#[cfg(test)]
mod tests;
mod tree;

use minijinja::machinery;
use minijinja::machinery::Token;
use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_finding::Verdict;

use binding::Bindings;
use check::Check;
pub(crate) use fold::Steps;
pub(crate) use names::is_way_out;

/// Longest template that is read; the longest of public models have 50 KB.
const TEXT: usize = 1 << 20;
/// Most tokens. Chains of them slip past the parser's own guard, and each may take a frame of the stack below.
const TOKENS: usize = 50_000;
/// Most links of a chain (`a.b[c](d)|e`): what is asked of each is asked of all before it. Ordinary ones have a dozen.
const LINKS: usize = 128;
/// Longest name, in bytes, of a template that is taken apart. A call keeps the names of all parameters that its arguments may
/// be given to, for each of them: ten names of 90 KB and 16,000 arguments would be 14 GB.
const NAME: usize = 256;
/// The parser and the tree's destructor recurse along chains: at most 3 KB a token, in debug builds.
const STACK: usize = 256 << 20;

/// Something in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Byte of the template.
    pub(crate) at: usize,
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
}

/// What a template does.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) found: Vec<Found>,
    /// A limit that was reached.
    pub(crate) budget: Option<&'static str>,
}

/// Reads a file that is a template.
pub(crate) fn file(source: &dyn Source) -> Result<Facts, ReadError> {
    let mut bytes = vec![0; usize::try_from(source.len()).unwrap_or(usize::MAX).min(TEXT + 1)];
    let got = source.read_at(0, &mut bytes)?;
    bytes.truncate(got);
    // The caller has seen that it is text; what changed since is told by the check of its identity.
    Ok(read(&String::from_utf8_lossy(&bytes), &mut Steps::default()))
}

/// Reads a template, with the steps that are left for all of a file.
pub(crate) fn read(text: &str, steps: &mut Steps) -> Facts {
    let mut facts = Facts::default();
    if text.len() > TEXT {
        facts.budget = Some("bytes of a template");
        return facts;
    }
    let Some(source) = without_generation(text) else {
        facts.budget = Some("tokens of a template");
        return facts;
    };
    facts.found = std::thread::scope(|scope| {
        let reader =
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || parsed(&source, steps));
        match reader.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok((found, budget))) => {
                facts.budget = budget;
                found
            }
            // The guard around each file tells of it.
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => {
                facts.budget = Some("threads");
                Vec::new()
            }
        }
    });
    facts
}

/// Runs on a stack of its own; with a limit that was reached.
fn parsed(source: &str, steps: &mut Steps) -> (Vec<Found>, Option<&'static str>) {
    let root = machinery::parse(source, "", minijinja::syntax::SyntaxConfig::default());
    let Some(root) = root.ok().filter(|_| !has_long_name(source)) else {
        return (vec![literal::unparsed(source)], None);
    };
    let statements = tree::statements(&root);
    if statements.iter().flat_map(|statement| tree::parts(statement)).any(|expr| tree::links(expr) > LINKS) {
        return (vec![literal::unfollowed(source)], Some("links of a chain in a template"));
    }
    let bindings = Bindings::read(source, &root, &statements, *steps);
    let mut check = Check::new(source, &bindings);
    for statement in &statements {
        check.statement(statement);
    }
    let mut found = check.found;
    // The worst at each place.
    found.sort_by(|one, other| (one.at, other.verdict).cmp(&(other.at, one.verdict)));
    found.dedup_by_key(|found| found.at);
    found.sort_by_key(|found| std::cmp::Reverse(found.verdict));
    found.truncate(crate::Limits::GAPS);
    *steps = bindings.folder.steps();
    (found, bindings.budget())
}

fn has_long_name(source: &str) -> bool {
    let tokens = machinery::tokenize(source, false, minijinja::syntax::SyntaxConfig::default());
    let mut tokens = tokens.map_while(Result::ok);
    tokens.any(|(token, _)| matches!(token, Token::Ident(name) if name.len() > NAME))
}

/// Blanks `{% generation %}` and its end, which Hugging Face's environment knows and the parser does not; every other byte
/// keeps its place. None where there are too many tokens.
fn without_generation(text: &str) -> Option<String> {
    let mut source = text.as_bytes().to_vec();
    let mut last: [Option<(bool, usize)>; 2] = [None, None];
    let tokens = machinery::tokenize(text, false, minijinja::syntax::SyntaxConfig::default());
    for (count, token) in tokens.enumerate() {
        if count >= TOKENS {
            return None;
        }
        // Where the lexer stops the parser will, too.
        let Ok((token, span)) = token else { break };
        let (start, end) = (span.start_offset as usize, span.end_offset as usize);
        if let ([Some((false, from)), Some((true, _))], Token::BlockEnd) = (&last, &token)
            && let Some(tag) = source.get_mut(*from..end)
        {
            tag.fill(b' ');
        }
        let [_, before] = last;
        last = match token {
            Token::BlockStart => [before, Some((false, start))],
            Token::Ident("generation" | "endgeneration") => [before, Some((true, start))],
            _ => [None, None],
        };
    }
    String::from_utf8(source).ok()
}
