//! Room `model`, format `jinja`, tests: ordinary templates are clean, hostile ones are not, and Jinja2 itself shows what they do.

mod given;
mod hostile;
mod jinja2;
mod ordinary;

use ringfence_finding::Verdict;

use super::Facts;
use super::Steps;

fn read(text: &str) -> Facts {
    super::read(text, &mut Steps::default())
}

/// Verdict and messages of a template.
fn judge(text: &str) -> (Verdict, Vec<String>) {
    let facts = read(text);
    assert_eq!(facts.budget, None);
    let worst = facts.found.iter().map(|found| found.verdict).max().unwrap_or(Verdict::Clean);
    (worst, facts.found.into_iter().map(|found| format!("{} {}", found.at, found.message)).collect())
}

#[test]
fn templates_in_the_style_of_public_models_are_clean() {
    for (name, text) in ordinary::ORDINARY {
        assert_eq!(judge(text), (Verdict::Clean, vec![]), "{name}");
    }
    assert!(ordinary::ORDINARY.len() >= 10);
    let prompt = "You are a helpful assistant. ".repeat(200);
    for text in [
        format!("{{{{ '{prompt}' }}}}"),
        "{% for t in tools %}{{ t[t.get('name')|trim] }}{% endfor %}".to_owned(),
        "{% set r = namespace(name='') %}{% for t in tools %}{{ t[t.name|trim] }}{% endfor %}".to_owned(),
    ] {
        assert_eq!(judge(&text), (Verdict::Clean, vec![]), "{text}");
    }
    for text in [
        format!("{{{{ '{prompt} __globals__' }}}}{{{{ x.__class__ }}}}"),
        "{% set d = {'k': '__cl' ~ a} %}{{ x[d.get('k')] }}".to_owned(),
        "{% set d = {'k': '__cl' ~ 'ass__'} %}{{ x[d.get('k')] }}".to_owned(),
        "{{ x[{}.get('k', '__cl' ~ a)] }}".to_owned(),
        "{{ x[''.join(['__class', '__'])] }}".to_owned(),
        "{{ x[''|default('__cl' ~ a, true)] }}".to_owned(),
    ] {
        assert_ne!(judge(&text).0, Verdict::Clean, "{text}");
    }
}

#[test]
fn a_payload_in_any_ordinary_template_is_found() {
    for (name, text) in ordinary::ORDINARY {
        for (start, _) in text.match_indices("{{").step_by(7) {
            let changed = format!("{}{{{{ ''.__class__ }}}}{}", &text[..start], &text[start..]);
            // Inside of a string or raw block it is text; nowhere else may it be missed.
            let is_text = name == &"parameters-by-name" && text[..start].ends_with("{% raw %}")
                || text[..start].ends_with(['\'', '"']);
            assert!(is_text || judge(&changed).0 == Verdict::Malicious, "{name} at {start}");
        }
    }
}

#[test]
fn long_chains_end_no_process() {
    for (unit, times) in [
        ("{% if a %}b{% elif c %}d{% endif %}", 1),
        ("{{ (((((((((a))))))))) }}", 1000),
        ("{% if a %}{% elif b %}", 1),
    ] {
        read(&unit.repeat(times));
    }
    let elif = format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(12_000));
    let minus = format!("{{{{ {}a }}}}", "-".repeat(49_000));
    let not = format!("{{{{ {} a }}}}", "not ".repeat(49_000));
    let attributes = format!("{{{{ a{} }}}}", ".b".repeat(24_000));
    let sum = format!("{{{{ a{} }}}}", " ~ 'b'".repeat(24_000));
    let filters = format!("{{{{ a{} }}}}", "|e".repeat(24_000));
    let ternary = format!("{{{{ a{} }}}}", " if b else c".repeat(12_000));
    for chain in [elif, minus, not, sum, ternary] {
        let facts = read(&chain);
        assert!(
            facts.budget.is_none() && facts.found.iter().all(|found| found.verdict == Verdict::Review),
            "{:?}",
            facts.found
        );
    }
    for chain in [attributes, filters] {
        let facts = read(&chain);
        assert_eq!(facts.budget, Some("links of a chain in a template"));
        assert!(facts.found.iter().all(|found| found.verdict == Verdict::Review), "{:?}", facts.found);
    }
    assert_eq!(read(&"{{ a }}".repeat(20_000)).budget, Some("tokens of a template"));
    assert_eq!(read(&"a".repeat((1 << 20) + 1)).budget, Some("bytes of a template"));
    // A look at each part of a chain takes the rest of it.
    for unit in [" + b", " ~ ''"] {
        let chain = format!("{{% set x = a{} %}}{{{{ y[x] }}}}", unit.repeat(24_000));
        assert!(matches!(read(&chain).budget, None | Some("steps through the expressions of a template")));
    }
    // Constants that double stay small.
    let doubling = (0..2000).fold("{% set a0 = 'aaaaaaaa' %}".to_owned(), |text, at| {
        text + &format!("{{% set a{} = a{at} ~ a{at} %}}", at + 1)
    });
    assert_eq!(read(&doubling).budget, None);
}

/// A call asks of all that it is a call of, so that each of eight thousand in one chain would be gone through for each.
#[test]
fn a_chain_has_so_many_links() {
    let chain = |unit: &str, times| format!("{{{{ s{} }}}}", unit.repeat(times));
    assert_eq!(judge(&chain(".strip()", 64)), (Verdict::Clean, vec![]));
    for (unit, links) in [(".get(q)", 2), (".format(q)", 2), ("[q].get(q)", 3), ("[1:]", 1), ("|e", 1)] {
        assert_eq!(read(&chain(unit, 128 / links)).budget, None, "{unit}");
        let facts = read(&chain(unit, 128 / links + 1));
        assert_eq!(facts.budget, Some("links of a chain in a template"), "{unit}");
        assert_eq!(facts.found[0].verdict, Verdict::Review, "{unit}");
    }
    let hostile = chain(".get(q)", 100) + "{{ x.__class__ }}";
    assert_eq!(read(&hostile).found[0].verdict, Verdict::Malicious, "words are looked at all the same");
}

/// Steps are those of a file: two thousand looks at ten thousand joined texts take them for all templates behind.
#[test]
fn templates_of_a_file_share_their_steps() {
    let mut steps = Steps::default();
    for (name, text) in ordinary::ORDINARY.iter().cycle().take(64) {
        assert_eq!(super::read(text, &mut steps).budget, None, "{name}");
    }
    let joined = format!("{{% set x = 'a'{} %}}", " ~ 'b'".repeat(10_000));
    let hostile = format!("{joined}{}", "{{ s[x ~ x ~ x] }}".repeat(2500));
    let over = Some("steps through the expressions of a template");
    assert_eq!(super::read(&hostile, &mut steps).budget, over);
    let facts = super::read("{{ s[x] }}{{ x.__class__ }}", &mut steps);
    assert_eq!((facts.budget, facts.found[0].verdict), (over, Verdict::Malicious));
}

/// Each argument may be given to each parameter: 12 KB of text would be two million bindings.
#[test]
fn bindings_that_multiply_are_a_gap() {
    let names: Vec<_> = (0..1500).map(|at| format!("a{at}")).collect();
    let call = format!("{{{{ caller({}) }}}}", vec!["1"; 1500].join(","));
    let template = format!(
        "{{% macro f() %}}{{% endmacro %}}{{% call({}) f() %}}{{% endcall %}}{call}{{{{ x.__class__ }}}}",
        names.join(",")
    );
    let facts = read(&template);
    assert_eq!(facts.budget, Some("values of the names of a template"), "{:?}", facts.found);
    assert_eq!(facts.found[0].verdict, Verdict::Malicious, "what is seen is told all the same");
    let same = template.replace(&names.join(","), &vec!["a"; 1500].join(","));
    assert_eq!(read(&same).budget, None, "a name that is given twice is one");
}

/// A megabyte each: half a million beginnings of one word, and twenty thousand raw blocks that may each end early, with the
/// rest of the text behind each of them.
#[test]
fn what_stands_behind_is_looked_at_once() {
    let words = format!("{{{{ {}a", "_".repeat(1_000_000));
    assert_eq!(judge(&words).0, Verdict::Review, "a name of the interpreter ends with underscores");
    let blocks = "{% raw %}{%\u{a0}endraw %}{% endraw %}".repeat(16_000);
    assert_eq!(judge(&blocks).0, Verdict::Review);
    assert_eq!(judge(&format!("{blocks}{{{{ x.popen }}}}")).0, Verdict::Malicious);
}

/// Ten parameters of 90 KB each, and each argument may be given to each of them.
#[test]
fn names_that_multiply_are_not_taken_apart() {
    let names: Vec<_> = (0..10).map(|at| format!("a{at}{}", "b".repeat(90_000))).collect();
    // A call has at most 2,000.
    let calls = format!("{{{{ caller({}) }}}}", vec!["1"; 2000].join(",")).repeat(8);
    let template = |name: &str| format!("{{% call({name}) f() %}}{{% endcall %}}{calls}{{{{ x }}}}");
    let is_refused = |message: &String| message.contains("cannot be parsed");
    assert!(!judge(&template("a")).1.iter().any(is_refused), "with short names it is an ordinary one");
    let (verdict, messages) = judge(&template(&names.join(",")));
    assert_eq!((verdict, messages.len()), (Verdict::Review, 1), "{messages:?}");
    assert!(is_refused(&messages[0]), "{messages:?}");
    assert_eq!(
        judge(&template(&names.join(",")).replace("{{ x }}", "{{ x.__class__ }}")).0,
        Verdict::Malicious
    );
}

#[test]
fn every_start_of_a_template_is_read_without_harm() {
    for (_, text) in ordinary::ORDINARY.iter().take(3) {
        for (end, _) in text.char_indices().step_by(13) {
            read(&text[..end]);
        }
    }
}
