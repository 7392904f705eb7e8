//! One AI namespace in, the roles there that give people and accounts certain rights out: what the controls of rights
//! share.

use std::cmp::Reverse;

use ringfence_finding::Confidence;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::PodResource;
use ringfence_inventory::rbac::allows;
use ringfence_inventory::rbac::has_resource_names;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;
use crate::rights::Binding;
use crate::rights::GROUP;
use crate::rights::Role;
use crate::rights::everything;
use crate::rights::rules;

/// Rights that a control looks for.
pub(crate) struct Sought<'s> {
    /// Resources of which each counts.
    pub(crate) resources: &'s [PodResource],
    /// Those that no namespace holds: they count where a binding holds everywhere.
    pub(crate) of_cluster: &'s [PodResource],
    /// Whether `create` counts for `resources`; for those of no namespace it does with every control that seeks some.
    pub(crate) creates: bool,
    /// Verbs on what is there already.
    pub(crate) changes: &'static [&'static str],
    /// What the message says of who may create, and of who only has one of the other verbs.
    pub(crate) words: [&'static str; 2],
    /// A word for many of them: `kinds of workloads`.
    pub(crate) many: &'static str,
    /// What the built-in roles `edit` and `admin` do with them; none: nothing.
    pub(crate) built_in: Option<&'static str>,
    /// Severity, in place of the control's own, of rights on objects by their names only.
    pub(crate) named: Option<Severity>,
}

/// Group and plural of each.
pub(crate) fn resources(names: &[(&str, &str)]) -> Vec<PodResource> {
    let resource = |(group, plural): &(&str, &str)| PodResource {
        group: (*group).to_owned(),
        plural: (*plural).to_owned(),
    };
    names.iter().map(resource).collect()
}

/// Judges the roles of a namespace and the ClusterRoles bound there. One finding a role, its subjects as evidence.
pub(crate) fn judge(
    cx: &Cx<'_>,
    name: Option<&str>,
    namespace: &Namespace,
    sought: &Sought<'_>,
    results: &mut Results<'_>,
) {
    let own = |kind: &'static str| {
        let objects = namespace.objects.iter().map(|id| cx.inventory.object(*id));
        objects.filter(move |object| object.is(GROUP, kind))
    };
    // They hold in every namespace and are told with the first that matters.
    let is_first = cx.ai_namespaces().next() == Some(name);
    let cluster_wide = cx.inventory.objects_of(GROUP, "ClusterRoleBinding").filter(|_| is_first);
    let bindings: Vec<Binding<'_>> =
        own("RoleBinding").chain(cluster_wide).filter_map(|object| Binding::read(cx, object)).collect();
    for role in own("Role") {
        judge_role(cx, role, &bindings, sought, results);
    }
    for binding in bindings.iter().filter(|binding| !binding.subjects.is_empty()) {
        match binding.role {
            Role::Edit => fail_built_in(binding, "edit", sought, results),
            Role::Admin if !binding.is_cluster_wide() => fail_built_in(binding, "admin", sought, results),
            Role::Given(role) if &*role.kind == "ClusterRole" => {
                judge_cluster_role(cx, role, binding, sought, results);
            }
            Role::Missing => results.unknown(binding.object, Some(binding.role_name), binding.missing()),
            // Namespaced roles have had their turn; who may do everything is the matter of RF-RBAC-001.
            Role::Given(_) | Role::Admin | Role::ClusterAdmin | Role::Harmless => {}
        }
    }
}

/// A role in the namespace: its bindings stand beside it, so none at all is worth a word.
fn judge_role<'i>(
    cx: &Cx<'i>,
    role: &'i Object,
    bindings: &[Binding<'i>],
    sought: &Sought<'_>,
    results: &mut Results<'_>,
) {
    let rules = rules(cx, role).unwrap_or_default();
    let Some(grants) = Grants::of(&rules, sought, false) else { return };
    let bound: Vec<&Binding<'_>> = bindings
        .iter()
        .filter(|binding| matches!(binding.role, Role::Given(given) if std::ptr::eq(given, role)))
        .collect();
    let subjects = bound.iter().any(|binding| !binding.subjects.is_empty());
    // Bound to a control plane only, or RF-RBAC-001 says it.
    if !bound.is_empty() && (!subjects || everything(&rules).is_some()) {
        return;
    }
    let mut hit = grants.hit(role, sought);
    for binding in &bound {
        for subject in &binding.subjects {
            hit = hit.supported_by(binding.object, subject.at);
        }
    }
    if bound.is_empty() {
        hit = hit.confidence(Confidence::Medium).supported_by_fact(role, "no binding of it is in the set");
    }
    results.fail(hit);
}

/// A role for all namespaces, told once however many bindings hand it out: the engine joins their evidence.
fn judge_cluster_role<'i>(
    cx: &Cx<'i>,
    role: &'i Object,
    binding: &Binding<'i>,
    sought: &Sought<'_>,
    results: &mut Results<'_>,
) {
    let Some(rules) = rules(cx, role) else {
        let words = format!("{} {} is gathered from roles that are not in the set", role.kind, role.name);
        results.unknown(binding.object, Some(binding.role_name), words);
        return;
    };
    if everything(&rules).is_some() {
        return;
    }
    let Some(grants) = Grants::of(&rules, sought, binding.is_cluster_wide()) else { return };
    let mut hit = grants.hit(role, sought);
    for subject in &binding.subjects {
        hit = hit.supported_by(binding.object, subject.at);
    }
    results.fail(hit);
}

fn fail_built_in(binding: &Binding<'_>, name: &str, sought: &Sought<'_>, results: &mut Results<'_>) {
    let Some(does) = sought.built_in else { return };
    let message = format!("gives {} {name}: it {does}", binding.who());
    let hit = Hit::at(binding.object, binding.role_name, message);
    let subjects = binding.subjects.iter();
    results.fail(subjects.fold(hit, |hit, subject| hit.supported_by(binding.object, subject.at)));
}

/// What is sought and a role gives.
struct Grants<'i> {
    /// Plurals, those that can be created first.
    names: Vec<(bool, String)>,
    /// Rules that say so, each once.
    rules: Vec<(&'i Object, Value<'i>)>,
}

impl<'i> Grants<'i> {
    fn of(rules: &[(&'i Object, Value<'i>)], sought: &Sought<'_>, everywhere: bool) -> Option<Self> {
        let mut grants = Self { names: Vec::new(), rules: Vec::new() };
        let of_cluster = sought.of_cluster.iter().filter(|_| everywhere).map(|one| (true, one));
        let resources = sought.resources.iter().map(|one| (sought.creates, one));
        for (creates, resource) in resources.chain(of_cluster) {
            let may = |rule: Value<'_>, verb: &str| allows(rule, &resource.group, &resource.plural, verb);
            // A request to create carries no name to compare with the list.
            let create = |rule: Value<'_>| creates && may(rule, "create") && !has_resource_names(rule);
            let change = |rule: Value<'_>| sought.changes.iter().any(|verb| may(rule, verb));
            let granting = rules.iter().filter(|(_, rule)| create(*rule) || change(*rule));
            let mut is_created = None;
            for (role, rule) in granting {
                is_created = Some(is_created.unwrap_or(false) || create(*rule));
                if !grants.rules.iter().any(|(_, known)| known.id() == rule.id()) {
                    grants.rules.push((role, *rule));
                }
            }
            if let Some(is_created) = is_created
                && !grants.names.iter().any(|(_, name)| *name == resource.plural)
            {
                grants.names.push((is_created, resource.plural.clone()));
            }
        }
        grants.names.sort_by_key(|(is_created, _)| Reverse(*is_created));
        (!grants.names.is_empty()).then_some(grants)
    }

    fn hit(&self, role: &'i Object, sought: &Sought<'_>) -> Hit<'i> {
        let places =
            self.rules.iter().map(|(object, rule)| (*object, rule.get("resources").unwrap_or(*rule)));
        // The rule of another role that is gathered into this one is evidence only.
        let own = places.clone().find(|(object, _)| std::ptr::eq(*object, role));
        let mut hit = match own {
            Some((_, at)) => Hit::at(role, at, self.message(sought)).field("rules"),
            None => Hit::absent(role, self.message(sought)),
        };
        let severity = sought.named.filter(|_| self.rules.iter().all(|(_, rule)| has_resource_names(*rule)));
        if let Some(severity) = severity {
            hit = hit.severity(severity);
        }
        for (object, at) in places {
            if own.is_none_or(|(_, first)| first.id() != at.id() || !std::ptr::eq(object, role)) {
                hit = hit.also_at(object, at);
            }
        }
        hit
    }

    fn message(&self, sought: &Sought<'_>) -> String {
        /// Beyond these a number says more than names.
        const MANY: usize = 8;
        let names: Vec<&str> = self.names.iter().map(|(_, name)| name.as_str()).collect();
        let [create, change] = sought.words;
        let verb = if self.names.iter().any(|(is_created, _)| *is_created) { create } else { change };
        match names.as_slice() {
            [one] => format!("can {verb} {one}"),
            [one, other] => format!("can {verb} {one} and {other}"),
            many if many.len() > MANY => format!("can {verb} {} {}", many.len(), sought.many),
            [one, other, more @ ..] => format!("can {verb} {one}, {other} and {} more", more.len()),
            [] => String::new(),
        }
    }
}
