//! Room `model`, format `jinja`: names and what stands behind them. Sources: Jinja2 3.1's own filters, tests and globals,
//! and what Hugging Face's `apply_chat_template` adds (`raise_exception`, `strftime_now`, `tojson`, loop controls).

use ringfence_finding::Verdict;

/// Attributes without underscores that lead to frames, code or modules.
const INTERNALS: [&str; 20] = [
    "ag_code",
    "ag_frame",
    "co_code",
    "cr_code",
    "cr_frame",
    "f_back",
    "f_builtins",
    "f_code",
    "f_globals",
    "f_locals",
    "func_closure",
    "func_code",
    "func_globals",
    "gi_code",
    "gi_frame",
    "gi_yieldfrom",
    "im_class",
    "im_func",
    "im_self",
    "tb_frame",
];
/// What runs code when it is reached.
const SINKS: [&str; 11] = [
    "builtins",
    "check_output",
    "eval",
    "exec",
    "getattr",
    "globals",
    "importlib",
    "mro",
    "os",
    "popen",
    "subprocess",
];
/// Objects that environments hand to every template; each leads to its module.
const HOST: [&str; 12] = [
    "application",
    "config",
    "cycler",
    "environ",
    "g",
    "get_flashed_messages",
    "joiner",
    "lipsum",
    "request",
    "self",
    "session",
    "url_for",
];
/// Names that have no business in a template, whole or in a longer text.
const DUNDERS: [&str; 24] = [
    "__base__",
    "__bases__",
    "__builtins__",
    "__call__",
    "__class__",
    "__closure__",
    "__code__",
    "__dict__",
    "__func__",
    "__getattr__",
    "__getattribute__",
    "__getitem__",
    "__globals__",
    "__import__",
    "__init__",
    "__init_subclass__",
    "__loader__",
    "__module__",
    "__mro__",
    "__new__",
    "__reduce__",
    "__self__",
    "__spec__",
    "__subclasses__",
];
/// Functions that a template may call.
const FUNCTIONS: [&str; 8] =
    ["caller", "dict", "loop", "namespace", "raise_exception", "range", "strftime_now", "super"];
/// Methods of text, lists, dicts and loops that read data or change the template's own.
const METHODS: [&str; 49] = [
    "append",
    "capitalize",
    "casefold",
    "center",
    "changed",
    "clear",
    "copy",
    "count",
    "cycle",
    "endswith",
    "expandtabs",
    "extend",
    "find",
    "format",
    "get",
    "index",
    "insert",
    "isalnum",
    "isalpha",
    "isdecimal",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "istitle",
    "isupper",
    "items",
    "join",
    "keys",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "pop",
    "removeprefix",
    "removesuffix",
    "replace",
    "reverse",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "setdefault",
    "sort",
    "split",
    "splitlines",
    "startswith",
];
const MORE_METHODS: [&str; 7] = ["strip", "swapcase", "title", "update", "upper", "values", "zfill"];
/// Filters of Jinja2.
const FILTERS: [&str; 53] = [
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "random",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
    "xmlattr",
];
/// Tests of Jinja2.
const TESTS: [&str; 39] = [
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// What reaching an attribute means; none where it is data.
pub(super) fn attribute(name: &str) -> Option<Verdict> {
    // Filters take dotted names and walk them.
    name.split('.').filter_map(part).max()
}

fn part(name: &str) -> Option<Verdict> {
    if name.starts_with("__") || INTERNALS.contains(&name) || SINKS.contains(&name) {
        return Some(Verdict::Malicious);
    }
    name.starts_with('_').then_some(Verdict::Review)
}

/// A text that holds a name of the interpreter.
pub(super) fn is_telling(text: &str) -> bool {
    let is_whole = text.len() > 4 && text.starts_with("__") && text.ends_with("__");
    let is_name = is_whole && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name || DUNDERS.iter().any(|name| text.contains(name))
}

/// Whether a text is a name of the interpreter: what gives it to a template gives a way out.
pub(crate) fn is_way_out(text: &str) -> bool {
    DUNDERS.contains(&text)
}

/// An object of the environment, or a module.
pub(super) fn is_host(name: &str) -> bool {
    HOST.contains(&name) || SINKS.contains(&name) || name.starts_with("__")
}

/// Names of the program's objects that are ordinary words as well.
pub(super) fn is_common(name: &str) -> bool {
    matches!(name, "application" | "config" | "environ" | "g" | "request" | "session")
}

/// A token of the tokenizer: a text that the author of the template writes, too, in another file or beside it.
pub(super) fn is_token(name: &str) -> bool {
    name.ends_with("_token") || name.ends_with("_tokens")
}

pub(super) fn is_sink(name: &str) -> bool {
    SINKS.contains(&name) || name.starts_with("__")
}

pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

pub(super) fn is_method(name: &str) -> bool {
    METHODS.contains(&name) || MORE_METHODS.contains(&name)
}

pub(super) fn is_filter(name: &str) -> bool {
    FILTERS.contains(&name)
}

pub(super) fn is_test(name: &str) -> bool {
    TESTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_data_unless_they_lead_out() {
        for (name, verdict) in [
            ("content", None),
            ("role.name", None),
            ("__class__", Some(Verdict::Malicious)),
            ("a.__init__.b", Some(Verdict::Malicious)),
            ("gi_frame", Some(Verdict::Malicious)),
            ("_func", Some(Verdict::Review)),
        ] {
            assert_eq!(attribute(name), verdict, "{name}");
        }
        assert!(
            is_telling("__anything__")
                && is_telling("x.__class__")
                && !is_telling("____")
                && !is_telling("<__media__>")
        );
    }
}
