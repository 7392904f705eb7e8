//! Room `model`, pickle: scorers of scikit-learn. `_PassthroughScorer.__call__` (1.9.1, sklearn/metrics/_scorer.py) calls a method
//! of what it is handed, so that whatever calls an attribute of some object would lead on to methods of the file's choosing.
//! Writers leave a scorer in `scorer_` and `scoring` of a search, which calls it when a person asks for a score. So each reference
//! to one is counted where it comes onto the stack and where it comes into a search; one that stands elsewhere is told.

use std::collections::HashSet;

use super::effect::Effect;
use super::end::Step;
use super::facts::Use;
use super::machine::Machine;
use super::value::Value;

/// Modules of the searches; other classes of theirs hold no scorers.
const SEARCHES: [&str; 2] =
    ["sklearn.model_selection._search", "sklearn.model_selection._search_successive_halving"];
/// Attributes of a search that are scorers.
const PLACES: [&str; 2] = ["scorer_", "scoring"];
/// Where functions of scores stand, which a `_Scorer` calls.
const METRICS: &str = "sklearn.metrics.";

/// References to scorers in one stream.
#[derive(Debug, Default)]
pub(super) struct Scorers {
    /// Name and place of the first one.
    first: Option<(u32, u64)>,
    /// References that stand in no search.
    loose: i64,
    /// Dicts whose references were counted.
    seen: HashSet<u32>,
}

impl Machine<'_> {
    /// Whether the memo may not hand a value out without a look at it.
    #[inline]
    pub(super) fn is_followed(&self, value: Value) -> bool {
        matches!(value, Value::Global(_))
            || self.scorers.first.is_some() && matches!(value, Value::Object { .. })
    }

    /// One more reference to an object of this class comes onto the stack.
    pub(super) fn refers_to(&mut self, class: u32) {
        if self.effect_of(class) == Effect::Scorer {
            self.scorers.first.get_or_insert((class, self.at));
            self.scorers.loose += 1;
        }
    }

    /// State for an object: a search takes the scorers that are its attributes.
    pub(super) fn place_scorers(&mut self, class: u32, state: Value) -> Step {
        if self.scorers.loose == 0 || !SEARCHES.contains(&self.module_of(class).0) {
            return Ok(());
        }
        let (Value::Fresh { size, .. }, Some(entries)) = (state, self.entries(state)) else { return Ok(()) };
        // Put into a second object, a dict would be counted again.
        if !self.scorers.seen.insert(size) {
            return Ok(());
        }
        for (key, value) in entries {
            let is_scorer =
                matches!(value, Value::Object { class, .. } if self.effect_of(class) == Effect::Scorer);
            if is_scorer && self.text_of(key)?.is_some_and(|key| PLACES.contains(&key.as_str())) {
                self.scorers.loose -= 1;
            }
        }
        Ok(())
    }

    /// Whether a scorer would call something else than a function of scores.
    pub(super) fn is_odd_scorer(&mut self, class: u32, state: Value) -> Step<bool> {
        if self.effect_of(class) != Effect::Scorer {
            return Ok(false);
        }
        let Some(entries) = self.entries(state) else { return Ok(true) };
        for (key, value) in entries {
            let is_function = self.text_of(key)?.is_none_or(|key| key == "_score_func");
            let is_metric =
                matches!(value, Value::Global(name) if self.module_of(name).0.starts_with(METRICS));
            if is_function && !is_metric {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// STOP: tells of references that stand in no search. A loader that takes arrays of joblib for opcodes meets a STOP among
    /// their numbers, before any search has its state: of such a reading nothing is told.
    pub(super) fn close_scorers(&mut self) {
        let scorers = std::mem::take(&mut self.scorers);
        let name = scorers.first.filter(|_| scorers.loose != 0);
        if let Some((class, at)) = name {
            self.used_at(class, Use::OddArguments, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Verdict;

    use crate::testing::judge;
    use crate::testing::values::build;
    use crate::testing::values::call;
    use crate::testing::values::dict;
    use crate::testing::values::get;
    use crate::testing::values::int;
    use crate::testing::values::last;
    use crate::testing::values::name;
    use crate::testing::values::new;
    use crate::testing::values::none;
    use crate::testing::values::put;
    use crate::testing::values::tuple;

    fn passes() -> Vec<u8> {
        let model = new(name("sklearn.linear_model._logistic", "LogisticRegression"), &[]);
        scorer("_PassthroughScorer", &[("_estimator", model)])
    }

    fn scores(function: Vec<u8>) -> Vec<u8> {
        scorer("_Scorer", &[("_score_func", function), ("_sign", int(1)), ("_kwargs", dict(&[]))])
    }

    fn accuracy() -> Vec<u8> {
        name("sklearn.metrics._classification", "accuracy_score")
    }

    fn scorer(class: &str, state: &[(&str, Vec<u8>)]) -> Vec<u8> {
        build(new(name("sklearn.metrics._scorer", class), &[]), dict(state))
    }

    fn empty() -> Vec<u8> {
        new(name("sklearn.model_selection._search", "GridSearchCV"), &[])
    }

    fn search(state: &[(&str, Vec<u8>)]) -> Vec<u8> {
        build(empty(), dict(state))
    }

    fn space(state: Vec<u8>) -> Vec<u8> {
        build(new(name("types", "SimpleNamespace"), &[]), state)
    }

    #[test]
    fn a_scorer_stands_in_a_search_and_nowhere_else() {
        let twice = |second: Vec<u8>| last(&[put(search(&[("scorer_", put(passes(), 1))]), 2), second]);
        let reconstructor = || name("copyreg", "_reconstructor");
        for (what, value, expected) in [
            ("as its writer leaves it", search(&[("scorer_", passes())]), Verdict::Clean),
            ("a function", search(&[("scorer_", scores(accuracy()))]), Verdict::Clean),
            (
                "one in both places",
                search(&[("scoring", put(scores(accuracy()), 1)), ("scorer_", get(1))]),
                Verdict::Clean,
            ),
            (
                "two searches",
                tuple(&[search(&[("scorer_", passes())]), search(&[("scorer_", passes())])]),
                Verdict::Clean,
            ),
            ("alone", passes(), Verdict::Review),
            ("another attribute", search(&[("estimator", passes())]), Verdict::Review),
            ("another object", space(dict(&[("scorer_", passes())])), Verdict::Review),
            ("a second reference", twice(space(dict(&[("pop", get(1))]))), Verdict::Review),
            ("handed to a call", twice(call(name("numpy", "dtype"), &[get(1)])), Verdict::Review),
            ("called", twice(call(get(1), &[get(2)])), Verdict::Review),
            ("in a tuple", search(&[("scorer_", tuple(&[passes()]))]), Verdict::Review),
            (
                "made in another way",
                call(
                    reconstructor(),
                    &[name("sklearn.metrics._scorer", "_Scorer"), name("builtins", "object"), none()],
                ),
                Verdict::Review,
            ),
            // The same dict for a second search would stand for the reference that is elsewhere.
            (
                "one dict for two searches",
                last(&[
                    build(empty(), put(dict(&[("scorer_", put(passes(), 1))]), 3)),
                    build(empty(), get(3)),
                    space(dict(&[("pop", get(1))])),
                ]),
                Verdict::Review,
            ),
            ("a function of others", search(&[("scorer_", scores(name("numpy", "mean")))]), Verdict::Review),
        ] {
            let file = judge(&[&b"\x80\x04"[..], &value, b"."].concat());
            assert_eq!(file.verdict, expected, "{what}: {:#?}", file.findings);
            assert!(
                expected == Verdict::Clean || file.findings.iter().any(|found| found.id.number == 103),
                "{what}: {:#?}",
                file.findings
            );
        }
    }
}
