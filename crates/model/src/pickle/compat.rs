//! Room `model`, pickle: names of Python 2 -> names of Python 3, as the loader maps them below protocol 3.

use std::collections::HashMap;
use std::sync::LazyLock;

/// `module name module name`, `*` for any name.
const TABLE: &str = include_str!("../../../../data/python-renames.tsv");

type Pair = (&'static str, &'static str);

static NAMES: LazyLock<HashMap<Pair, Pair>> = LazyLock::new(|| {
    rows().filter(|(_, name, ..)| *name != "*").map(|(a, b, c, d)| ((a, b), (c, d))).collect()
});

static MODULES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    rows().filter(|(_, name, ..)| *name == "*").map(|(from, _, to, _)| (from, to)).collect()
});

fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split('\t');
        Some((words.next()?, words.next()?, words.next()?, words.next()?))
    })
}

/// The name that is imported instead; none where the table is silent. Single names come before modules.
pub(crate) fn renamed(module: &str, name: &str) -> Option<(String, String)> {
    if let Some((module, name)) = NAMES.get(&(module, name)) {
        return Some(((*module).to_owned(), (*name).to_owned()));
    }
    MODULES.get(module).map(|module| ((*module).to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_names_come_before_their_module() {
        let to = |module, name| renamed(module, name).map(|(module, name)| format!("{module}.{name}"));
        assert_eq!(to("__builtin__", "eval").as_deref(), Some("builtins.eval"));
        assert_eq!(to("__builtin__", "xrange").as_deref(), Some("builtins.range"));
        assert_eq!(to("commands", "getoutput").as_deref(), Some("subprocess.getoutput"));
        assert_eq!(to("os", "system"), None);
    }

    #[test]
    #[ignore = "needs python3: compares the table with CPython's own"]
    fn the_table_is_cpythons() {
        let script = "import _compat_pickle as c
for (m,n),(a,b) in sorted(c.NAME_MAPPING.items()): print(m,n,a,b,sep='\\t')
for m,a in sorted(c.IMPORT_MAPPING.items()): print(m,'*',a,'*',sep='\\t')";
        let output = std::process::Command::new("python3").args(["-I", "-c", script]).output().unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        let ours: Vec<&str> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(ours, theirs.lines().collect::<Vec<_>>());
    }
}
