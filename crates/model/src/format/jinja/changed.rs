//! Room `model`, format `jinja`: `list.append(text)` and its like -> every name by which the changed object may be reached. It
//! holds the text from then on under all of them, whatever it was called when it was changed.

use std::collections::HashMap;
use std::collections::HashSet;

use minijinja::machinery::ast::BinOpKind;
use minijinja::machinery::ast::Call;
use minijinja::machinery::ast::Expr;

use super::binding::Binding;
use super::fold::Folder;
use super::held;
use super::tree;

/// An object and what is put into it.
pub(super) type Change<'e, 's> = (&'e Expr<'s>, &'e Expr<'s>);
/// Values by name, and whether the name is of an element of the value.
type Values<'m, 'e, 's> = HashMap<&'m str, Vec<(&'e Expr<'s>, bool)>>;

/// What a call puts into the object that its method is of.
pub(super) fn of_call<'e, 's>(call: &'e Call<'s>) -> impl Iterator<Item = Change<'e, 's>> {
    let object = match &call.expr {
        Expr::GetAttr(method)
            if matches!(method.name, "append" | "extend" | "insert" | "setdefault" | "update") =>
        {
            Some(&method.expr)
        }
        _ => None,
    };
    let arguments = |object| call.args.iter().map(move |argument| (object, tree::value(argument)));
    object.into_iter().flat_map(arguments)
}

/// Objects and what is put into them -> the same as values of names. None where there are more than `most` together.
pub(super) fn spread<'e, 's>(
    folder: &Folder<'_>,
    all: &[Binding<'e, 's>],
    changes: &[Change<'e, 's>],
    most: usize,
) -> Option<Vec<Binding<'e, 's>>> {
    let mut values: Values<'_, '_, '_> = HashMap::new();
    for (name, value, is_element) in all {
        values.entry(name).or_default().push((value, *is_element));
    }
    let mut found = Vec::new();
    for (object, value) in changes {
        for name in names(folder, &values, object) {
            found.push((name, *value, true));
            if found.len() + all.len() > most {
                return None;
            }
        }
    }
    Some(found)
}

/// Names of an object. With each name it is known whether the object is what it names or somewhere in that.
fn names(folder: &Folder<'_>, values: &Values<'_, '_, '_>, object: &Expr<'_>) -> HashSet<String> {
    let mut seen: HashSet<(String, bool)> = HashSet::new();
    let mut rest = vec![(object, false)];
    while let Some((expr, is_inner)) = rest.pop() {
        if !folder.step() {
            break;
        }
        let name = match expr {
            Expr::Var(var) => Some(var.id.to_owned()),
            Expr::GetAttr(attribute) => Some(format!(".{}", attribute.name)),
            Expr::GetItem(item) => folder.text(&item.subscript_expr).map(|key| format!(".{key}")),
            _ => None,
        };
        if let Some(name) = name
            && seen.insert((name.clone(), is_inner))
        {
            let all = values.get(name.as_str()).into_iter().flatten();
            rest.extend(all.map(|(value, is_element)| (*value, is_inner || *is_element)));
        }
        rest.extend(behind(values, expr, is_inner));
    }
    seen.into_iter().map(|(name, _)| name).collect()
}

/// Expressions that give the same object, or something that holds it.
fn behind<'a, 's>(
    values: &Values<'_, '_, '_>,
    expr: &'a Expr<'s>,
    is_inner: bool,
) -> Vec<(&'a Expr<'s>, bool)> {
    let parts = match expr {
        Expr::IfExpr(each) => {
            let ends = [&each.true_expr].into_iter().chain(&each.false_expr);
            return ends.map(|end| (end, is_inner)).collect();
        }
        Expr::BinOp(binary) => match binary.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => {
                return vec![(&binary.left, is_inner), (&binary.right, is_inner)];
            }
            BinOpKind::Add | BinOpKind::Mul if is_inner => vec![&binary.left, &binary.right],
            _ => vec![],
        },
        // A namespace has no items: what is in it is reached by name.
        Expr::GetAttr(attribute) if is_namespace(values, &attribute.expr) => vec![],
        Expr::GetAttr(attribute) => vec![&attribute.expr],
        Expr::GetItem(item) => vec![&item.expr],
        Expr::Slice(slice) if is_inner => vec![&slice.expr],
        Expr::Filter(filter) if !held::gives_number(filter.name) => tree::children(expr),
        Expr::Call(call) => match &call.expr {
            Expr::Var(var) if is_inner && matches!(var.id, "dict" | "namespace") => {
                call.args.iter().map(tree::value).collect()
            }
            Expr::GetAttr(method)
                if matches!(
                    method.name,
                    "copy" | "cycle" | "get" | "items" | "pop" | "setdefault" | "values"
                ) =>
            {
                [&method.expr].into_iter().chain(call.args.iter().map(tree::value)).collect()
            }
            _ => vec![],
        },
        Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) if is_inner => tree::children(expr),
        _ => vec![],
    };
    parts.into_iter().map(|part| (part, true)).collect()
}

/// A name of nothing but namespaces.
fn is_namespace(values: &Values<'_, '_, '_>, expr: &Expr<'_>) -> bool {
    let makes = |value: &Expr<'_>| matches!(value, Expr::Call(call) if matches!(&call.expr, Expr::Var(var) if var.id == "namespace"));
    let Expr::Var(var) = expr else { return false };
    values.get(var.id).is_some_and(|all| all.iter().all(|(value, is_element)| !is_element && makes(value)))
}
