//! Room `model`, format `jinja`: which expressions may give a text that the template itself holds, behind a condition, a loop
//! or a parameter. Two such texts can be put together to a name that no constant shows.

use std::collections::HashSet;

use minijinja::machinery::ast::BinOpKind;
use minijinja::machinery::ast::Call;
use minijinja::machinery::ast::CallArg;
use minijinja::machinery::ast::Expr;

use super::fold::Folder;
use super::tree;

/// Names that may hold text of the template. An attribute or item `x` of anything is kept as `.x`.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The text itself.
    plain: HashSet<String>,
    /// The text or something with the text in it.
    within: HashSet<String>,
}

impl Held {
    /// How much is known, to see when nothing is added.
    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.within.len()
    }

    /// Puts a value, or an element of it, under a name.
    pub(super) fn bind(&mut self, folder: &Folder<'_>, name: &str, value: &Expr<'_>, is_element: bool) {
        if self.is_within(folder, value) {
            if is_element || self.is_plain(folder, value) {
                self.plain.insert(name.to_owned());
            }
            self.within.insert(name.to_owned());
        }
    }

    /// Whether it may give such a text.
    pub(super) fn is_plain(&self, folder: &Folder<'_>, expr: &Expr<'_>) -> bool {
        folder.step() && self.may_be_plain(folder, expr)
    }

    fn may_be_plain(&self, folder: &Folder<'_>, expr: &Expr<'_>) -> bool {
        match expr {
            // Nothing is cut or put together out of no letters.
            Expr::Const(constant) => constant.value.as_str().is_some_and(|text| !text.is_empty()),
            Expr::Var(var) => self.plain.contains(var.id),
            Expr::GetAttr(attribute) => {
                self.plain.contains(&format!(".{}", attribute.name))
                    || self.is_within(folder, &attribute.expr)
            }
            Expr::GetItem(item) => {
                let key = folder.text(&item.subscript_expr);
                key.is_some_and(|key| self.plain.contains(&format!(".{key}")))
                    || self.is_within(folder, &item.expr)
            }
            Expr::Slice(slice) => self.is_plain(folder, &slice.expr),
            Expr::BinOp(binary) if gives_operands(binary.op) => {
                self.is_plain(folder, &binary.left) || self.is_plain(folder, &binary.right)
            }
            Expr::IfExpr(each) => {
                let mut ends = [&each.true_expr].into_iter().chain(&each.false_expr);
                ends.any(|end| self.is_plain(folder, end))
            }
            Expr::Filter(filter) if gives_list(filter.name) => false,
            Expr::Call(call) if matches!(&call.expr, Expr::GetAttr(method) if gives_list(method.name)) => {
                false
            }
            Expr::Filter(_) | Expr::Call(_) => self.is_within(folder, expr),
            _ => false,
        }
    }

    /// Whether it may give such a text, or something with the text in it.
    fn is_within(&self, folder: &Folder<'_>, expr: &Expr<'_>) -> bool {
        folder.step() && self.may_be_within(folder, expr)
    }

    fn may_be_within(&self, folder: &Folder<'_>, expr: &Expr<'_>) -> bool {
        match expr {
            Expr::Compare(_) | Expr::Test(_) | Expr::UnaryOp(_) => false,
            Expr::Const(_) => self.is_plain(folder, expr),
            Expr::Var(var) => self.within.contains(var.id),
            Expr::GetAttr(attribute) => {
                self.within.contains(&format!(".{}", attribute.name))
                    || self.is_within(folder, &attribute.expr)
            }
            Expr::GetItem(item) => {
                let key = folder.text(&item.subscript_expr);
                key.is_some_and(|key| self.within.contains(&format!(".{key}")))
                    || self.is_within(folder, &item.expr)
            }
            Expr::Slice(slice) => self.is_within(folder, &slice.expr),
            Expr::BinOp(binary) if !gives_operands(binary.op) => false,
            Expr::IfExpr(each) => {
                let mut ends = [&each.true_expr].into_iter().chain(&each.false_expr);
                ends.any(|end| self.is_within(folder, end))
            }
            Expr::Filter(filter) if gives_number(filter.name) => {
                gives_default(filter.name)
                    && filter.args.iter().any(|argument| self.is_within(folder, tree::value(argument)))
            }
            Expr::Call(call) => self.is_call_within(folder, call),
            Expr::BinOp(_) | Expr::Filter(_) | Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => {
                tree::children(expr).into_iter().any(|child| self.is_within(folder, child))
            }
        }
    }

    fn is_call_within(&self, folder: &Folder<'_>, call: &Call<'_>) -> bool {
        let of_arguments = || call.args.iter().any(|argument| self.is_within(folder, tree::value(argument)));
        match &call.expr {
            Expr::Var(var) if matches!(var.id, "range" | "raise_exception") => false,
            Expr::Var(var) if var.id == "namespace" => {
                tree::without_names(call).any(|argument| self.is_within(folder, argument))
            }
            Expr::GetAttr(method) if is_asking(method.name) => false,
            Expr::GetAttr(method) => match method.name {
                // What these are given says where to cut.
                "copy" | "items" | "keys" | "lower" | "lstrip" | "partition" | "removeprefix"
                | "removesuffix" | "rpartition" | "rsplit" | "rstrip" | "split" | "splitlines" | "strip"
                | "title" | "upper" | "values" => self.is_within(folder, &method.expr),
                // A key that is known is no part of what it leads to.
                "get" if let Some((key, rest)) = known_key(folder, call) => {
                    self.within.contains(&format!(".{key}"))
                        || self.is_within(folder, &method.expr)
                        || rest.iter().any(|argument| self.is_within(folder, tree::value(argument)))
                }
                _ => self.is_within(folder, &method.expr) || of_arguments(),
            },
            _ => of_arguments(),
        }
    }
}

/// The key that `x.get(key, ...)` looks up where it is known, and the other arguments.
pub(super) fn known_key<'c, 's>(
    folder: &Folder<'_>,
    call: &'c Call<'s>,
) -> Option<(String, &'c [CallArg<'s>])> {
    let (CallArg::Pos(key), rest) = call.args.split_first()? else { return None };
    Some((folder.text(key)?, rest))
}

fn gives_operands(op: BinOpKind) -> bool {
    matches!(
        op,
        BinOpKind::Add
            | BinOpKind::Concat
            | BinOpKind::Mul
            | BinOpKind::Rem
            | BinOpKind::ScAnd
            | BinOpKind::ScOr
            // Of the keys of a dict.
            | BinOpKind::Sub
    )
}

/// A filter or method of a text, list or dict.
pub(super) fn gives_list(name: &str) -> bool {
    matches!(
        name,
        "batch"
            | "dictsort"
            | "groupby"
            | "items"
            | "keys"
            | "list"
            | "map"
            | "partition"
            | "reject"
            | "rejectattr"
            | "rpartition"
            | "rsplit"
            | "select"
            | "selectattr"
            | "slice"
            | "sort"
            | "split"
            | "splitlines"
            | "unique"
            | "values"
    )
}

pub(super) fn gives_number(name: &str) -> bool {
    matches!(name, "abs" | "count" | "float" | "int" | "length" | "round" | "wordcount")
}

/// Of those, the filters that give their argument where there is no number.
pub(super) fn gives_default(name: &str) -> bool {
    matches!(name, "float" | "int")
}

/// Methods that give a number, or whether something is so.
pub(super) fn is_asking(name: &str) -> bool {
    matches!(name, "count" | "endswith" | "find" | "index" | "isdigit" | "rfind" | "rindex" | "startswith")
}
