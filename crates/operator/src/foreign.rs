//! Room `operator`: NetworkPolicies of others in a domain, seen -> what they open. Policies only add up, so one that is older
//! than the domain keeps open what the domain closes. It is not ours to remove: it is named, and nothing is called closed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_domain::Desired;
use ringfence_domain::Rules;
use ringfence_domain::spec::Mode;

use crate::inventory::key_of;
use crate::source::Source;
use crate::store::Key;
use crate::store::Store;

/// The policies that open each domain in Enforce, in words.
pub(crate) fn opened(desired: &Desired, rules: &Rules, store: &Store) -> BTreeMap<String, Vec<String>> {
    let closed = desired.outcomes.iter().filter(|(_, outcome)| {
        let network = outcome.resolved.as_ref().map(|it| &it.spec.network);
        outcome.mode >= Mode::Enforce && network.is_some_and(|it| it.default_deny)
    });
    let domains: BTreeMap<&str, &String> = closed
        .flat_map(|(name, outcome)| outcome.namespaces.iter().map(move |it| (it.as_str(), name)))
        .collect();
    let ours: BTreeSet<Key> = desired.objects.iter().filter_map(key_of).collect();
    let mut opened: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((namespace, name), live) in store.all(Source::NetworkPolicies) {
        let Some(domain) = domains.get(namespace.as_str()) else { continue };
        let key = Key { source: Source::NetworkPolicies, namespace: namespace.clone(), name: name.clone() };
        if !ours.contains(&key) && !live.is_going() && rules.opens(&live.tree()) {
            opened.entry((*domain).clone()).or_default().push(format!(
                "{key}: its spec.egress opens the way out of the domain, and NetworkPolicies only add up. Fix: delete it, \
                 or have its destination added to spec.network.egress of the SecurityDomain"
            ));
        }
    }
    opened
}
