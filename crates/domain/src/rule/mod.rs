//! Room `domain`: what a pod may ask for, one file per family. Each rule stands here twice, side by side: as the CEL that
//! the API server evaluates, and as the same judgement in Rust, by which a simulation says beforehand what will be refused.
//!
//! `pod spec, namespace annotations -> rules -> messages of those that fail`

mod budget;
pub(crate) mod case;
pub(crate) mod cel;
mod devices;
mod host;
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
