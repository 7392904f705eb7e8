//! Room `domain`: what a pod may ask for, one file per family. Each rule stands here twice, side by side: as the CEL that
//! the API server evaluates, and as the same judgement in Rust, by which a simulation says beforehand what will be refused.
//!
//! `pod spec, namespace annotations -> rules -> messages of those that fail`

mod budget;
pub(crate) mod case;
pub(crate) mod cel;
mod devices;
pub(crate) mod host;
mod literal;
mod mountable;
mod placement;
mod token;
mod toleration;

use case::Case;

use crate::policy::Rules;

/// A rule.
pub(crate) struct Rule {
    /// What kubectl prints: control, field, what is wrong, what to change.
    pub(crate) message: &'static str,
    /// CEL that is true where there is nothing to refuse. Reads the variables of [`cel::variables`].
    pub(crate) cel: fn(&Rules) -> String,
    /// The same in Rust.
    pub(crate) holds: fn(&Case<'_>) -> bool,
}

impl Rule {
    /// Id of the control it answers: the first word of its message.
    pub(crate) fn control(&self) -> &'static str {
        self.message.split(' ').next().unwrap_or_default()
    }
}

/// Rules of pods in namespaces of a domain. The API server prints the first that fails: what says most comes first.
pub(crate) fn inside() -> impl Iterator<Item = &'static Rule> {
    let families = [
        toleration::INSIDE,
        placement::INSIDE,
        devices::INSIDE,
        host::INSIDE,
        literal::INSIDE,
        token::INSIDE,
        mountable::INSIDE,
        budget::INSIDE,
    ];
    families.into_iter().flatten()
}

/// Rules of pods everywhere else: they keep off the domains' nodes.
pub(crate) fn outside() -> impl Iterator<Item = &'static Rule> {
    [toleration::OUTSIDE, placement::OUTSIDE, devices::OUTSIDE].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ringfence_finding::ControlId;

    use super::*;

    #[test]
    fn every_message_names_control_and_field_and_says_what_to_change() {
        let mut seen = BTreeSet::new();
        for rule in inside().chain(outside()) {
            let message = rule.message;
            let (head, rest) = message.split_once(": ").unwrap();
            let (control, field) = head.split_once(' ').unwrap();
            assert!(control.parse::<ControlId>().is_ok() && rule.control() == control, "{message}");
            assert!(!field.is_empty() && !field.contains(' '), "{message}");
            let (wrong, fix) = rest.split_once(". Fix: ").unwrap();
            assert!(wrong.starts_with(char::is_lowercase) || wrong.starts_with("the NVIDIA"), "{message}");
            assert!(
                fix.ends_with(['.', ')']) && !message.contains("  ") && !message.contains('\n'),
                "{message}"
            );
            seen.insert(message);
        }
        // Device mounts and node names are the same inside and outside.
        assert_eq!(seen.len() + 2, inside().chain(outside()).count());
    }
}
