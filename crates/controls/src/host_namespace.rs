//! A pod in, whether it shares a namespace of its node out: network, processes or shared memory.

use ringfence_inventory::Field;
use ringfence_inventory::Pod;

use crate::hit::Hit;
use crate::hit::Results;

/// Judges a switch of the pod (`hostPID`): on fails with `message`, off and nothing pass.
pub(crate) fn judge(pod: Pod<'_>, switch: &'static str, message: &'static str, results: &mut Results<'_>) {
    match pod.field(switch) {
        Field::Set(value) => match value.means_bool() {
            Some(true) => results.fail(Hit::at(pod.object(), value, message)),
            Some(false) => {}
            None => {
                let words = format!("the value of `{switch}` is a variable");
                results.unknown(pod.object(), Some(value), words);
            }
        },
        Field::CannotSay => results.built_by_operator(pod, switch),
        Field::Unset => {}
    }
}
