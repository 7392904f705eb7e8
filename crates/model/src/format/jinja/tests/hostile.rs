//! Room `model`, format `jinja`, tests: templates that leave their data, each with the verdict it must get. Payloads are
//! `echo`.

use ringfence_finding::Verdict;

use super::judge;

/// A hostile template: name, text, verdict at least, and whether rendering it runs a program.
pub(super) const HOSTILE: &[(&str, &str, Verdict, bool)] = {
    use Verdict::Malicious;
    use Verdict::Review;
    &[
        (
            "globals-of-cycler",
            "{{ cycler.__init__.__globals__.os.popen('echo hi').read() }}",
            Malicious,
            true,
        ),
        ("globals-of-lipsum", "{{ lipsum.__globals__['os'].system('echo hi') }}", Malicious, true),
        (
            "globals-of-macro",
            "{% macro m() %}{% endmacro %}{{ namespace.__init__.__globals__.__builtins__.__import__('os').system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "subclasses",
            "{% for c in ''.__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close' %}{{ c.__init__.__globals__['system']('echo hi') }}{% endfor %}",
            Malicious,
            true,
        ),
        ("items", "{{ cycler['__init__']['__globals__']['os']['system']('echo hi') }}", Malicious, true),
        (
            "attr-filter",
            "{{ ((cycler|attr('__init__'))|attr('__globals__')).os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "escapes",
            r"{{ cycler['\x5f\137init\u005f_']['\U0000005f\x5fglobals__'].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "concatenation",
            "{{ cycler['__in' ~ 'it__']['__glo' + 'bals__'].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "adjacent-strings",
            "{{ cycler['__in' 'it__']['__globals' \"__\"].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "join",
            "{{ cycler[['__', 'init', '__']|join]['__'.join(['', 'globals', ''])].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "reversed",
            "{{ cycler['__tini__'[::-1]]['__slabolg__'|reverse].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "replaced",
            "{{ cycler['xxinitxx'|replace('x', '_')]['..globals..'.replace('.', '_')].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "formatted",
            "{{ cycler['%sinit%s' % ('__', '__')]['%c%cglobals__'|format(95, 95)].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "variables",
            "{% set a = '__in' %}{% set b = a ~ 'it__' %}{% set c = '_' * 2 %}{{ cycler[b][c ~ 'globals' ~ c].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        ("mapped", "{{ ([cycler]|map(attribute='__init__')|list)[0]|string }}", Malicious, false),
        ("mapped-by-attr", "{{ [cycler]|map('attr', '__init__')|list }}", Malicious, false),
        ("selected", "{{ [1]|selectattr('__class__.__base__')|list }}", Malicious, false),
        ("frame", "{{ ''.x.gi_frame.f_globals }}", Malicious, false),
        ("self", "{{ self._TemplateReference__context.cycler.__init__ }}", Malicious, false),
        ("host", "{{ config.items() }}{{ request.application }}", Malicious, false),
        ("format-fields", "{{ '{0.__class__.__init__}'.format(messages) }}", Malicious, false),
        (
            "in-a-macro",
            "{% macro m(x) %}{{ x.__init__.__globals__.os.system('echo hi') }}{% endmacro %}{{ m(cycler) }}",
            Malicious,
            true,
        ),
        (
            "in-a-condition",
            "{% if cycler.__init__.__globals__.os.system('echo hi') %}{% endif %}",
            Malicious,
            true,
        ),
        (
            "in-a-default",
            "{% macro m(x=cycler.__init__.__globals__.os.system('echo hi')) %}{% endmacro %}{{ m() }}",
            Malicious,
            true,
        ),
        (
            "in-a-call-block",
            "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ cycler.__init__.__globals__.os.system('echo hi') }}{% endcall %}",
            Malicious,
            true,
        ),
        (
            "in-an-argument",
            "{% set x = dict(a=cycler.__init__.__globals__.os.system('echo hi')) %}",
            Malicious,
            true,
        ),
        ("in-a-slice", "{{ 'ab'[cycler.__init__.__globals__.os.system('echo hi'):] }}", Malicious, true),
        (
            "in-a-filter-block",
            "{% filter replace('a', cycler.__init__.__globals__.os.system('echo hi')|string) %}a{% endfilter %}",
            Malicious,
            true,
        ),
        (
            "in-a-loop-filter",
            "{% for x in [1] if cycler.__init__.__globals__.os.system('echo hi') %}{% endfor %}",
            Malicious,
            true,
        ),
        (
            "in-a-with",
            "{% with x = cycler.__init__.__globals__.os.system('echo hi') %}{% endwith %}",
            Malicious,
            true,
        ),
        (
            "in-a-test",
            "{% if 1 is divisibleby(1 + cycler.__init__.__globals__.os.system('echo hi')) %}{% endif %}",
            Malicious,
            true,
        ),
        (
            "in-a-set-block",
            "{% set x | replace('a', 'b') %}{{ cycler.__init__.__globals__.os.system('echo hi') }}{% endset %}",
            Malicious,
            true,
        ),
        // Text that is put together piece by piece: what it is called is not known, that something is looked up so is.
        (
            "by-a-loop",
            "{% set ns = namespace(s='') %}{% for c in '__init__' %}{% set ns.s = ns.s ~ c %}{% endfor %}{% set ns.t = '_' ~ '_' ~ 'globals' %}{{ cycler[ns.s][ns.t ~ '__'].os.system('echo hi') }}",
            Review,
            true,
        ),
        (
            "by-keywords",
            "{{ cycler[dict(__in=1, it__=2)|join][dict(__glob=1, als__=1)|join].os.system('echo hi') }}",
            Review,
            true,
        ),
        (
            "by-a-set-block",
            "{% set k %}__in{% endset %}{% set g %}__globals__{% endset %}{{ cycler[k ~ 'it__'][g].os.system('echo hi') }}",
            Review,
            true,
        ),
        (
            "by-a-list",
            "{% set l = [] %}{% set _ = l.append('__in' ~ 'it__') %}{% set _ = l.append('__glob' + 'als__') %}{{ cycler[l[0]][l[1]].os.system('echo hi') }}",
            Review,
            true,
        ),
        (
            "by-a-macro",
            "{% macro u() %}__init__{% endmacro %}{% macro g() %}__globals__{% endmacro %}{{ cycler[u()][g()].os.system('echo hi') }}",
            Review,
            true,
        ),
        (
            "by-a-parameter",
            "{% macro m(k, g) %}{{ cycler[k][g].os.system('echo hi') }}{% endmacro %}{{ m('__in' ~ 'it__', '_' ~ '_globals__') }}",
            Review,
            true,
        ),
        (
            "by-a-slice",
            "{% set s = 'x__init__x__globals__' %}{% for i in [1] %}{{ cycler[s[i:9]][s[i + 9:]].os.system('echo hi') }}{% endfor %}",
            Review,
            true,
        ),
        (
            "by-attr-of-a-variable",
            "{% for k in ['__init__'] %}{{ ((cycler|attr(k))|attr('__glob' ~ 'als__')).os.system('echo hi') }}{% endfor %}",
            Malicious,
            true,
        ),
        (
            "by-parameters",
            "{% macro m(__init__, __globals__) %}{% endmacro %}{{ cycler[m.arguments[0]][m.arguments[1]].os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "by-more-arguments",
            "{% macro m() %}{% set a = varargs %}{{ cycler[a[0]][a[1]].os.system('echo hi') }}{% endmacro %}{% for u in ['__'] %}{{ m(u ~ 'init' ~ u, u ~ 'globals' ~ u) }}{% endfor %}",
            Review,
            true,
        ),
        (
            "by-a-caller",
            "{% macro m() %}{% for u in ['__'] %}{{ caller(u ~ 'init' ~ u, u ~ 'globals' ~ u) }}{% endfor %}{% endmacro %}{% call(a, b) m() %}{{ cycler[a][b].os.system('echo hi') }}{% endcall %}",
            Review,
            true,
        ),
        (
            "by-a-recursive-loop",
            "{% for a in ['x'] recursive %}{% if a == 'x' %}{% for u in ['__'] %}{{ loop.depth }}{% endfor %}{{ loop(['__' ~ ('init'|lower) ~ '__']) }}{% else %}{{ cycler[a].__globals__.os.system('echo hi') }}{% endif %}{% endfor %}",
            Malicious,
            true,
        ),
        (
            "by-trimming",
            "{{ cycler['x__init__x'|trim('x')]['y__globals__y'|trim('y')].os.system('echo hi') }}",
            Review,
            true,
        ),
        (
            "by-the-loop",
            "{% for u in ['__'] %}{% for a in [u ~ 'init' ~ u, 1] %}{% if loop.previtem %}{{ cycler[loop.previtem].__globals__.os.system('echo hi') }}{% endif %}{% endfor %}{% endfor %}",
            Malicious,
            true,
        ),
        (
            "by-unicode-names",
            r"{{ cycler['\N{LOW LINE}_init__']['\N{LOW LINE}_globals__'].os.system('echo hi') }}",
            Review,
            true,
        ),
        // Words that each stand in the template, and that only a condition, a loop or a parameter puts side by side.
        (
            "by-the-sum-of-parameters",
            "{% macro m(a, b) %}{{ cycler[a + b].__globals__.os.system('echo hi') }}{% endmacro %}{{ m('__ini', 't__') }}",
            Malicious,
            true,
        ),
        (
            "by-the-sum-of-attributes",
            "{% set ns = namespace(a='__ini', b='t__') %}{{ cycler[ns.a + ns.b].__globals__.os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "by-the-sum-of-items",
            "{% for a in ['__ini'] %}{% for b in ['t__'] %}{{ cycler[a+b].__globals__.os.system('echo hi') }}{% endfor %}{% endfor %}",
            Malicious,
            true,
        ),
        (
            "by-the-sum-of-choices",
            "{% set a = '__ini' %}{% set a = a or a %}{{ cycler[(a or '') + (['t__']|max)].__globals__.os.system('echo hi') }}",
            Malicious,
            true,
        ),
        (
            "by-conditions",
            "{% set u = '_' if true else '' %}{% set i = 'init' if true else '' %}{% set g = 'globals' if true else '' %}{% set o = 'os' if true else '' %}{% set s = 'system' if true else '' %}{% set f = namespace[u+u+i+u+u][u+u+g+u+u][o][s] %}{{ {'join': f}.join('echo hi') }}",
            Review,
            true,
        ),
        ("by-a-word-behind-a-condition", "{{ messages['os' if true else ''] }}", Review, false),
        ("by-a-word-in-a-dict", "{% set d = {'k': 'f_globals'} %}{{ messages[d.k] }}", Review, false),
        ("called-variable", "{% for f in [lipsum] %}{{ f(1) }}{% endfor %}", Review, false),
        (
            "called-macro-that-is-set",
            "{% macro f() %}{% endmacro %}{% set f = tools %}{{ f('x') }}",
            Review,
            false,
        ),
        ("called-join-of-a-dict", "{{ {'join': tools}.join('x') }}", Review, false),
        ("called-join-by-a-block", "{% call {'join': tools}.join('x') %}{% endcall %}", Review, false),
        ("called-get-of-a-namespace", "{{ namespace(get=tools).get('x') }}", Review, false),
        ("called-strip-of-a-list", "{{ dict([['strip', tools]]).strip('x') }}", Review, false),
        ("called-strip-of-pieces", "{{ {'st' ~ role: tools}.strip('x') }}", Review, false),
        // Tokens stand in the same file.
        (
            "by-a-token",
            "{% set p = bos_token.split(',') %}{% set d = {'join': cycler[p[0]][p[1]][p[2]][p[3]]} %}{{ d.join('echo hi') }}",
            Review,
            false,
        ),
        ("by-a-token-alone", "{{ cycler[eos_token] }}", Review, false),
        ("function-by-a-variable", "{{ namespace[documents[0]] }}", Review, false),
        ("macro-by-a-variable", "{% macro f() %}{% endmacro %}{{ f[documents[0]] }}", Review, false),
        ("nothing-by-a-variable", "{{ ''[documents[0]] }}", Review, false),
        ("by-given-names", "{% set f = namespace %}{{ f[boi][eoi][img].replace('a', 'b') }}", Review, true),
        (
            "by-given-names-that-are-set",
            "{% set a = eod %}{% set b = eoi %}{% set s = messages|e %}{% set f = s[a] %}{% set g = f[b] %}{{ g.t.sys.modules.get('os').replace('a', 'b') }}",
            Review,
            true,
        ),
        (
            "by-given-names-in-a-loop",
            "{% for a, b in [(eod, eoi)] %}{% set f = (messages|e)[a] %}{% set g = f[b] %}{{ g.t.sys.modules.get('os').replace('a', 'b') }}{% endfor %}",
            Review,
            true,
        ),
        (
            "by-given-names-of-a-namespace",
            "{% set n = namespace(a=eod, b=eoi) %}{% set f = (messages|e)[n.a] %}{% set g = f[n.b] %}{{ g.t.sys.modules.get('os').replace('a', 'b') }}",
            Review,
            true,
        ),
        (
            "by-given-names-of-a-macro",
            "{% macro m(a, b) %}{% set f = (messages|e)[a] %}{% set g = f[b] %}{{ g.t.sys.modules.get('os').replace('a', 'b') }}{% endmacro %}{{ m(eod, eoi) }}",
            Review,
            true,
        ),
        ("by-a-given-name-with", "{% with a = boi %}{{ messages[a] }}{% endwith %}", Review, false),
        ("by-the-first-given-name", "{{ messages[(boi,)|first] }}{{ messages[[boi][0]] }}", Review, false),
        ("by-a-given-name-of-a-dict", "{{ messages[{'k': boi}.k] }}", Review, false),
        (
            "by-messages",
            "{% set f = namespace %}{% for m in messages %}{{ f[m.content] }}{% endfor %}",
            Review,
            false,
        ),
        (
            "an-alias-in-a-loop",
            "{% for f in [namespace] %}{{ f[messages[0].content] }}{% endfor %}",
            Review,
            false,
        ),
        ("one-of-two", "{% set f = namespace if tools else 0 %}{{ f[messages[0].content] }}", Review, false),
        ("either", "{{ (namespace or 1)[messages[0].content] }}", Review, false),
        (
            "an-alias-of-a-macro",
            "{% macro m() %}{% endmacro %}{% set z = m %}{{ z[messages[0].content] }}",
            Review,
            false,
        ),
        ("a-range", "{{ range(3)[messages[0].content] }}", Review, false),
        ("a-namespace", "{% set n = namespace() %}{{ n[messages[0].content] }}", Review, false),
        ("a-method", "{% set f = messages.append %}{{ f[messages[0].content] }}", Review, false),
        ("a-list", "{{ [][a] }}", Review, false),
        ("data-by-a-given-name", "{{ messages[boi] }}", Review, false),
        ("data-by-a-trimmed-name", "{{ messages[boi|trim] }}", Review, false),
        (
            "twice-by-messages",
            "{% set m = messages %}{{ m[m[0].role][m[0].content].replace('a', 'b') }}",
            Review,
            false,
        ),
        (
            "joined-by-attribute",
            "{{ [namespace]|join('', attribute='__init_' ~ '_.__global' ~ 's__.os.environ' ~ zz) }}",
            Review,
            false,
        ),
        (
            "mapped-by-map",
            "{{ [['x']]|map('map', 'attr', '__cla' ~ 'ss__' ~ u)|map('list')|list }}",
            Review,
            false,
        ),
        ("mapped-by-join", "{{ [['x']]|map('join', '', '__cla' ~ 'ss__' ~ u)|list }}", Review, false),
        ("called-item", "{{ tools[0]('echo hi') }}", Review, false),
        ("called-host", "{{ get_flag('x') }}", Review, false),
        ("unknown-filter", "{{ 'x'|shell }}", Review, false),
        ("unknown-method", "{{ messages.run('x') }}", Review, false),
        ("include", "{% include 'other' %}", Review, false),
        ("import", "{% from 'other' import x %}", Review, false),
        ("extends", "{% extends 'other' %}", Review, false),
        ("unparsed", "{% print(cycler.__init__.__globals__.os.system('echo hi')) %}", Malicious, true),
        ("not-a-template", "{{ a b }}", Review, false),
        ("unknown-tag", "{% debug %}", Review, false),
        // Jinja2 ends a raw block at any blank of Unicode; the reader here does not.
        (
            "raw-that-ends-early",
            "{% raw %}{%\u{a0}endraw\u{a0}%}{{ cycler.__init__.__globals__.os.system('echo hi') }}{% raw %}{% endraw %}",
            Malicious,
            true,
        ),
        ("generation-in-a-variable", "{{% generation %}{ cycler.__init__ }}", Malicious, false),
    ]
};

#[test]
fn every_hostile_template_is_told() {
    for (name, text, verdict, _) in HOSTILE {
        let (judged, words) = judge(text);
        assert!(judged >= *verdict, "{name}: {judged} {words:?}");
        assert!(
            *verdict == Verdict::Malicious || judged == *verdict || name.starts_with("by-"),
            "{name}: {judged} {words:?}"
        );
    }
}

#[test]
fn a_macro_is_told_where_it_stands() {
    let text = "{{ bos_token }}{% macro __init__() %}{% endmacro %}";
    let found = super::read(text).found;
    let place = text.find("macro").unwrap();
    assert!(found.iter().any(|found| (place - 3..=place).contains(&found.at)), "{found:?}");
}

/// What puts names together is told by itself, not only because of what it is applied to.
#[test]
fn names_that_are_put_together_are_told_on_data_too() {
    for (name, text, ..) in HOSTILE.iter().filter(|(name, ..)| name.starts_with("by-")) {
        let text = text
            .replace("cycler", "messages")
            .replace(".os.system('echo hi')", "")
            .replace(".__globals__", "");
        let (judged, words) = judge(&text);
        assert!(judged >= Verdict::Review, "{name}: {words:?}");
    }
}
