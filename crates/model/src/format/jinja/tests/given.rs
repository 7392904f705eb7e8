//! Room `model`, format `jinja`, tests: ways of a text from a variable that the template does not set to a subscript. Each is
//! told, and Jinja2 itself shows that the text arrives.

use ringfence_finding::Verdict;

use super::judge;

/// A way: name, what sets `a` and `b` to what `eod` and `eoi` hold, with those two in place of `A` and `B`.
const WAYS: &[(&str, &str)] = &[
    ("default-of-get", "{% set a = {}.get('x', A) %}{% set b = {}.get('x', B) %}"),
    ("default-of-setdefault", "{% set a = {}.setdefault('x', A) %}{% set b = {}.setdefault('x', B) %}"),
    ("default-of-pop", "{% set a = {}.pop('x', A) %}{% set b = {}.pop('x', B) %}"),
    ("argument-of-join", "{% set a = A.join(['', '']) or '-'.join([A]) %}{% set b = ''.join((B,)) %}"),
    ("argument-of-replace", "{% set a = 'x'.replace('x', A) %}{% set b = 'x'|replace('x', B) %}"),
    ("argument-of-format", "{% set a = '{}'.format(A) %}{% set b = '%s'|format(B) %}"),
    ("filter-default", "{% set a = nothing|default(A) %}{% set b = ''|d(B, true) %}"),
    ("filter-int", "{% set a = 'x'|int(A) %}{% set b = 'x'|float(default=B) %}"),
    ("filter-batch", "{% set a = ([1]|batch(2, A)|first)[1] %}{% set b = ([1]|slice(2, B)|list)[1][0] %}"),
    (
        "filter-map-default",
        "{% set a = [{}]|map(attribute='x', default=A)|first %}{% set b = ['']|map('default', B, true)|first %}",
    ),
    (
        "filter-groupby",
        "{% set a = ([{'k': A}]|groupby('k')|first).grouper %}{% set b = ([{'k': B}]|groupby('k'))[0][0] %}",
    ),
    ("filter-sum", "{% set a = ([]|sum(start=[A]))[0] %}{% set b = [[B]]|sum(start=[])|first %}"),
    ("filter-dictsort", "{% set a = ({'k': A}|dictsort)[0][1] %}{% set b = ({'k': B}|items|list)[0][1] %}"),
    ("operators", "{% set a = '' ~ A %}{% set b = '%s' % B %}"),
    ("sum-and-product", "{% set a = A + '' %}{% set b = B * 1 %}"),
    ("choices", "{% set a = A or '' %}{% set b = B if true else '' %}"),
    ("and", "{% set a = true and A %}{% set b = false or B %}"),
    ("slices", "{% set a = A[0:] %}{% set b = [B][0:][0] %}"),
    ("keys", "{% set a = {A: 1}|first %}{% for k in {B: 1} %}{% set b = k %}{{ L }}{% endfor %}"),
    ("keys-less-none", "{% set a = ({A: 1}.keys() - [])|first %}{% set b = {B: 1}.keys()|first %}"),
    ("values", "{% set a = {'k': A}.values()|first %}{% set b = dict(k=B).items()|first|last %}"),
    (
        "item-by-a-loop",
        "{% for k in ['k'] %}{% set a = {'k': A}[k] %}{% set b = dict(k=B)[k] %}{{ L }}{% endfor %}",
    ),
    (
        "item-of-an-own-name",
        "{% set n = 'x' ~ messages|length %}{% set a = {n: A}.x1 %}{% set b = dict([('k', B)]).k %}",
    ),
    (
        "namespace-of-pairs",
        "{% set n = namespace([('k', A)]) %}{% set a = n.k %}{% set b = namespace({'k': B}).k %}",
    ),
    ("namespace-by-stars", "{% set a = namespace(**{'k': A}).k %}{% set b = dict(**dict([('k', B)])).k %}"),
    (
        "a-list-in-a-list",
        "{% set l = [[]] %}{% set _ = l[0].append(A) %}{% set a = l[0][0] %}{% set _ = l[0].append(B) %}{% set b = l[0][1] %}",
    ),
    (
        "another-name-of-a-list",
        "{% set l = [] %}{% set k = l %}{% set _ = k.extend([A, B]) %}{% set a = l[0] %}{% set b = l[1] %}",
    ),
    (
        "an-item-of-a-list",
        "{% set l = [] %}{% set n = [l] %}{% for k in n %}{% set _ = k.append(A) %}{% set _ = k.append(B) %}{% endfor %}{% set a = l[0] %}{% set b = l[1] %}",
    ),
    (
        "a-dict-that-is-filled",
        "{% set d = {} %}{% set _ = d.update([('k', A)]) %}{% set a = d.k %}{% set _ = d.update(l=B) %}{% set b = d.values()|last %}",
    ),
    (
        "a-list-by-stars",
        "{% set l = [] %}{% set _ = l.append(*[A]) %}{% set _ = l.append(*[B]) %}{% set a = l[0] %}{% set b = l[1] %}",
    ),
    (
        "the-loop",
        "{% for i in [1] %}{% set a = loop.cycle(A, 0) %}{% set b = loop.cycle(B) %}{{ L }}{% endfor %}",
    ),
    ("a-set-block", "{% set a %}{{ A }}{% endset %}{% set b | trim %}{{ B }}{% endset %}"),
    ("a-macro", "{% macro m(x) %}{{ x }}{% endmacro %}{% set a = m(A)|string %}{% set b = m(x=B)|string %}"),
    ("parameters-by-stars", "{% macro m(a, b) %}{{ L }}{% endmacro %}{{ m(**{'a': A, 'b': B}) }}"),
    ("default-of-a-parameter", "{% macro m(a=A, b=B) %}{{ L }}{% endmacro %}{{ m() }}"),
    (
        "more-arguments",
        "{% macro m() %}{% set a = varargs[0] %}{% set b = kwargs.k %}{{ L }}{% endmacro %}{{ m(A, k=B) }}",
    ),
    (
        "more-arguments-of-a-caller",
        "{% macro m() %}{{ caller(A, k=B) }}{% endmacro %}{% call m() %}{% set a = varargs[0] %}{% set b = kwargs['k'] %}{{ L }}{% endcall %}",
    ),
    // What sets the variable does so elsewhere, or never.
    ("itself", "{% set eod = eod %}{% set eoi = eoi %}{% set a = eod %}{% set b = eoi %}"),
    (
        "set-in-a-branch",
        "{% if false %}{% set eod = 'a' %}{% set eoi = 'b' %}{% endif %}{% set a = eod %}{% set b = eoi %}",
    ),
    (
        "set-in-a-loop",
        "{% for eod in [] %}{% endfor %}{% for i in [1] %}{% set eoi = 'x' %}{% endfor %}{% set a = eod %}{% set b = eoi %}",
    ),
    (
        "a-parameter-elsewhere",
        "{% macro m(eod) %}{% endmacro %}{{ m(eod=1) }}{% set a = eod %}{% with eoi = 1 %}{% endwith %}{% set b = eoi %}",
    ),
];

/// The templates. `a` and `b` are looked up where the way says `L`, or behind it.
pub(super) fn templates() -> Vec<(&'static str, String)> {
    let lookup = "(messages|e)[a][b].t.sys.modules.get('os').replace('a', 'b')";
    // Methods of what is looked up twice are review for that.
    let apart = format!(
        "{{% set s = messages|e %}}{{% set f = s[a] %}}{{% set g = f[b] %}}{{{{ g{} }}}}",
        lookup.split_once("[b]").map(|(_, rest)| rest).unwrap()
    );
    let made = WAYS.iter().map(|(name, way)| {
        let text = way.replace('A', "eod").replace('B', "eoi");
        let text = if text.contains("{{ L }}") { text.replace("{{ L }}", &apart) } else { text + &apart };
        (*name, text)
    });
    made.collect()
}

#[test]
fn a_given_name_stays_one_through_whatever_it_is_handed_to() {
    let clean: Vec<_> = templates().into_iter().filter(|(_, text)| judge(text).0 == Verdict::Clean).collect();
    assert_eq!(clean, []);
}

/// Texts of the template, put together while rendering, on the ways where only those were followed less far.
#[test]
fn a_name_that_is_put_together_stays_one_too() {
    for text in [
        "{{ (messages|e)['x'|int(u ~ 'new' ~ u)] }}",
        "{{ (messages|e)[({u ~ 'new' ~ u: 1}.keys() - [])|first] }}",
        "{% set n = namespace([('a', u ~ 'new' ~ u)]) %}{{ (messages|e)[n.a] }}",
        "{% set l = [[]] %}{% set _ = l[0].append(u ~ 'new' ~ u) %}{{ (messages|e)[l[0][0]] }}",
        "{% set l = [] %}{% set k = l %}{% set _ = k.append(u ~ 'new' ~ u) %}{{ (messages|e)[l[0]] }}",
    ] {
        let text = format!("{{% for u in ['__'] %}}{text}{{% endfor %}}");
        assert_eq!(judge(&text).0, Verdict::Review, "{text}");
    }
}

/// What is looked up by numbers and by names of messages, beside what a variable of the program gives.
#[test]
fn given_texts_beside_a_subscript_are_data() {
    for text in [
        "{% set ns = namespace(head=preface, last=0) %}{{ messages[ns.last].content }}",
        "{% set ns = namespace(parts=[], last=0) %}{% for m in messages %}{% set _ = ns.parts.append(bos_token ~ m.content) %}{% endfor %}{{ messages[ns.last].content }}",
        "{% set all = [{'role': 'system', 'content': preface}] + messages %}{% set names = {'system': 'S'} %}{% for m in all %}{{ names[m.role] }}{{ names[m['role']] }}{% endfor %}{{ names[all[0].role] }}",
        "{% for m in messages|selectattr('role', 'equalto', who) %}{% set x = m['role'] %}{{ {'user': 'U'}[x] }}{% endfor %}",
        "{% for m in messages %}{{ m.content.split(eos_token)[loop.index0] }}{{ tools[loop.index0] }}{% endfor %}",
        "{% macro next(state) %}{{ pictures[state.at] }}{% set state.at = state.at + 1 %}{% endmacro %}{% set state = namespace(at=0, form=none) %}{% if form is defined %}{% set state.form = form %}{% endif %}{{ next(state) }}{{ messages[state.at - 1].role }}",
        "{% for i in range(messages|length - (skipped|int)) %}{{ messages[i]['role'] ~ today }}{% endfor %}",
        "{% if not today is defined %}{% set today = strftime_now('%Y') %}{% endif %}{{ today }}{{ messages[0].get('name', user_name) }}",
    ] {
        assert_eq!(judge(text), (Verdict::Clean, vec![]), "{text}");
    }
}
