//! Room `model`, format `jinja`: which expressions may give a text that comes from outside of the template and is of no
//! message. Who configures the tokenizer can give any variable that the template does not set any value (`extra_special_tokens`
//! of transformers are variables of every template), and it stays one under each name: what a call, filter or operator
//! gives may be, or hold, whatever it was given.

use std::collections::HashSet;

use minijinja::machinery::ast::Call;
use minijinja::machinery::ast::CallArg;
use minijinja::machinery::ast::Expr;
use minijinja::machinery::ast::Filter;

use super::binding::Binding;
use super::binding::Bindings;
use super::binding::ROUNDS;
use super::fold::Folded;
use super::held;
use super::tree;

/// Names of what comes from outside. An attribute or item `x` of anything is kept as `.x`.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Names that are read where nothing has set them.
    free: HashSet<String>,
    /// Names of what may be such a text, or hold one in a place without a name.
    open: HashSet<String>,
    /// Names of what may hold one under a name: `{'role': x}`.
    keyed: HashSet<String>,
}

impl Given {
    pub(super) fn new(free: HashSet<String>) -> Self {
        Self { free, ..Self::default() }
    }

    pub(super) fn is_free(&self, name: &str) -> bool {
        self.free.contains(name)
    }
}

impl Bindings<'_> {
    /// Finds the names, until no more are found.
    pub(super) fn spread_given(&mut self, all: &[Binding<'_, '_>]) {
        for _ in 0..ROUNDS {
            let before = self.given.open.len() + self.given.keyed.len();
            for (name, value, _) in all {
                if !self.given.open.contains(name) && self.may_give(value, self.spilled.contains(name)) {
                    self.given.open.insert(name.clone());
                }
                if !self.given.keyed.contains(name) && self.may_give(value, true) {
                    self.given.keyed.insert(name.clone());
                }
            }
            if self.given.open.len() + self.given.keyed.len() == before {
                return;
            }
        }
        self.given.open.extend(all.iter().map(|(name, ..)| name.clone()));
    }

    /// Whether an expression may give such a text.
    pub(super) fn is_given(&self, expr: &Expr<'_>) -> bool {
        self.may_give(expr, false)
    }

    /// `keyed`: or something that holds one under a name.
    fn may_give(&self, expr: &Expr<'_>, keyed: bool) -> bool {
        if !self.folder.step() {
            return false;
        }
        let gives = |expr: &Expr<'_>| self.may_give(expr, keyed);
        let holds = |expr: &Expr<'_>| self.may_give(expr, true);
        let known = |name: &str| self.given.open.contains(name) || keyed && self.given.keyed.contains(name);
        match expr {
            Expr::Const(_) | Expr::Compare(_) | Expr::Test(_) | Expr::UnaryOp(_) => false,
            Expr::Var(var) => self.given.is_free(var.id) || known(var.id),
            Expr::GetAttr(attribute) => {
                known(&format!(".{}", attribute.name)) || self.is_given(&attribute.expr)
            }
            Expr::GetItem(item) => match self.folder.fold(&item.subscript_expr) {
                Some(Folded::Text(key)) => known(&format!(".{key}")) || self.is_given(&item.expr),
                Some(_) => gives(&item.expr),
                None => holds(&item.expr),
            },
            Expr::Slice(slice) => gives(&slice.expr),
            Expr::IfExpr(each) => gives(&each.true_expr) || each.false_expr.as_ref().is_some_and(gives),
            Expr::BinOp(binary) => {
                !tree::is_comparison(binary.op) && (gives(&binary.left) || gives(&binary.right))
            }
            Expr::Filter(filter) => self.may_filter_give(filter, keyed),
            Expr::Call(call) => self.may_call_give(call, keyed),
            Expr::List(list) => list.items.iter().any(gives),
            Expr::Tuple(tuple) => tuple.items.iter().any(gives),
            Expr::Map(map) => {
                map.keys.iter().zip(&map.values).any(|(key, value)| {
                    holds(key) || (keyed || self.folder.text(key).is_none()) && holds(value)
                })
            }
        }
    }

    fn may_filter_give(&self, filter: &Filter<'_>, keyed: bool) -> bool {
        let keyed = keyed || !gives_items(filter.name);
        let of_arguments = || filter.args.iter().any(|argument| self.may_give(tree::value(argument), keyed));
        match filter.name {
            // What these are given only says what to take.
            "reject" | "rejectattr" | "select" | "selectattr" => {
                filter.expr.as_ref().is_some_and(|expr| self.may_give(expr, keyed))
            }
            name if held::gives_number(name) => held::gives_default(name) && of_arguments(),
            _ => filter.expr.as_ref().is_some_and(|expr| self.may_give(expr, keyed)) || of_arguments(),
        }
    }

    fn may_call_give(&self, call: &Call<'_>, keyed: bool) -> bool {
        let of_arguments = || call.args.iter().any(|argument| self.may_give(tree::value(argument), true));
        match &call.expr {
            Expr::Var(var) => match var.id {
                "raise_exception" | "range" => false,
                "dict" | "namespace" => call.args.iter().any(|argument| match argument {
                    CallArg::Kwarg(_, value) => keyed && self.may_give(value, true),
                    CallArg::Pos(value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                        self.may_give(value, keyed)
                    }
                }),
                _ => of_arguments(),
            },
            Expr::GetAttr(method) => {
                !held::is_asking(method.name) && (self.may_give(&method.expr, true) || of_arguments())
            }
            callee => self.may_give(callee, true) || of_arguments(),
        }
    }
}

/// Filters that give what they are given, or items of it, as they are: names in these stay names.
fn gives_items(name: &str) -> bool {
    matches!(
        name,
        "batch"
            | "d"
            | "default"
            | "first"
            | "last"
            | "list"
            | "max"
            | "min"
            | "random"
            | "reject"
            | "rejectattr"
            | "reverse"
            | "select"
            | "selectattr"
            | "slice"
            | "sort"
            | "unique"
    )
}
