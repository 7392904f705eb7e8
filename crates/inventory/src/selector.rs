//! Label selectors against labels, with a third answer for labels nobody can know.

use crate::yaml::Value;

/// Yes, no, or a fact is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Selects.
    Yes,
    /// Does not select.
    No,
    /// Depends on a label that the source does not hold.
    Unknown,
}

impl Match {
    /// Both must hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            _ => Self::Yes,
        }
    }

    /// One is enough.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            _ => Self::No,
        }
    }
}

/// Labels of something a selector may meet.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'i> {
    /// Labels as written; None when there are none, or when the object is not in the set.
    pub written: Option<Value<'i>>,
    /// A label that the API server sets by itself, whatever is written (`kubernetes.io/metadata.name`).
    pub synthetic: Option<(&'static str, &'i str)>,
    /// Whether the object was seen: a key that is not written is then absent, else unknown.
    pub seen: bool,
}

enum Lookup<'i> {
    Is(&'i str),
    Absent,
    Unknown,
}

impl<'i> Labels<'i> {
    /// Labels of an object that stands in the set.
    pub fn written(labels: Option<Value<'i>>) -> Self {
        Self { written: labels, synthetic: None, seen: true }
    }

    fn lookup(&self, key: &str) -> Lookup<'i> {
        if let Some((_, value)) = self.synthetic.filter(|(name, _)| *name == key) {
            return Lookup::Is(value);
        }
        match self.written.and_then(|labels| labels.get(key)) {
            Some(value) => Lookup::Is(value.text().unwrap_or("")),
            None if self.seen => Lookup::Absent,
            None => Lookup::Unknown,
        }
    }
}

/// Whether a `LabelSelector` (`matchLabels`, `matchExpressions`) selects. An empty one selects everything.
pub fn label_selector(selector: Value<'_>, labels: Labels<'_>) -> Match {
    let pairs = selector.get("matchLabels").map_or(Match::Yes, |pairs| match_labels(pairs, labels));
    let expressions = selector.get("matchExpressions").map_or(Match::Yes, |expressions| {
        expressions.items().fold(Match::Yes, |so_far, one| so_far.and(expression(one, labels)))
    });
    pairs.and(expressions)
}

/// Whether every pair of a plain map (a Service's `selector`) is among the labels.
pub fn match_labels(pairs: Value<'_>, labels: Labels<'_>) -> Match {
    pairs.entries().fold(Match::Yes, |so_far, (key, wanted)| {
        so_far.and(match labels.lookup(key) {
            Lookup::Is(value) if Some(value) == wanted.text() => Match::Yes,
            Lookup::Is(_) | Lookup::Absent => Match::No,
            Lookup::Unknown => Match::Unknown,
        })
    })
}

fn expression(expression: Value<'_>, labels: Labels<'_>) -> Match {
    let key = expression.get("key").and_then(Value::text).unwrap_or("");
    let listed = |value: &str| {
        expression.get("values").is_some_and(|values| values.items().any(|item| item.text() == Some(value)))
    };
    let holds = match (expression.str_at("operator").unwrap_or(""), labels.lookup(key)) {
        (_, Lookup::Unknown) => return Match::Unknown,
        ("In", Lookup::Is(value)) => listed(value),
        ("NotIn", Lookup::Is(value)) => !listed(value),
        ("NotIn" | "DoesNotExist", Lookup::Absent) | ("Exists", Lookup::Is(_)) => true,
        _ => false,
    };
    if holds { Match::Yes } else { Match::No }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_yaml;

    fn select(selector: &str, labels: &str, seen: bool) -> Match {
        let selector = read_yaml(selector).unwrap().unwrap();
        let labels = read_yaml(labels).unwrap().unwrap();
        label_selector(selector.root(), Labels { written: Some(labels.root()), synthetic: None, seen })
    }

    #[test]
    fn follows_the_api_for_every_operator() {
        let labels = "{app: a, tier: 1}";
        for (selector, expected) in [
            ("{}", Match::Yes),
            ("{matchLabels: {app: a}}", Match::Yes),
            ("{matchLabels: {app: a, tier: '1'}}", Match::Yes),
            ("{matchLabels: {app: b}}", Match::No),
            ("{matchLabels: {x: a}}", Match::No),
            ("{matchExpressions: [{key: app, operator: In, values: [a, b]}]}", Match::Yes),
            ("{matchExpressions: [{key: x, operator: In, values: [a]}]}", Match::No),
            ("{matchExpressions: [{key: app, operator: NotIn, values: [a]}]}", Match::No),
            ("{matchExpressions: [{key: x, operator: NotIn, values: [a]}]}", Match::Yes),
            ("{matchExpressions: [{key: app, operator: Exists}]}", Match::Yes),
            ("{matchExpressions: [{key: app, operator: DoesNotExist}]}", Match::No),
            ("{matchExpressions: [{key: x, operator: DoesNotExist}]}", Match::Yes),
            ("{matchExpressions: [{key: app, operator: Nonsense}]}", Match::No),
        ] {
            assert_eq!(select(selector, labels, true), expected, "{selector}");
        }
    }

    #[test]
    fn a_label_nobody_saw_is_unknown_not_absent() {
        assert_eq!(select("{matchLabels: {x: a}}", "{}", false), Match::Unknown);
        assert_eq!(
            select("{matchExpressions: [{key: x, operator: DoesNotExist}]}", "{}", false),
            Match::Unknown
        );
    }
}
