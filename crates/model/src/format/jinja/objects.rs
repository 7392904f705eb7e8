//! Room `model`, format `jinja`: what a subscript by a variable may reach. Where an object has no such item, Jinja2 takes the
//! attribute of that name, and the name may come from elsewhere: a message, or a token of the tokenizer's configuration.

use minijinja::machinery::ast::BinOpKind;
use minijinja::machinery::ast::Expr;

use super::binding::Binding;
use super::binding::Bindings;
use super::binding::ROUNDS;
use super::fold::Folder;
use super::names;

/// Calls that give something without items that a text could name.
const OBJECTS: [&str; 5] = ["cycler", "joiner", "lipsum", "namespace", "range"];

impl Bindings<'_> {
    pub(super) fn spread_objects(&mut self, all: &[Binding<'_, '_>]) {
        for _ in 0..ROUNDS {
            let before = self.objects.len();
            for (name, value, _) in all {
                if !self.objects.contains(name) && self.may_be_object(value) {
                    self.objects.insert(name.clone());
                }
            }
            if self.objects.len() == before {
                return;
            }
        }
        self.objects.extend(all.iter().map(|(name, ..)| name.clone()));
    }

    /// Whether an expression may give something that has attributes and no items, or a list of such. A subscript by text is
    /// the attribute of that name then, whatever the text is.
    pub(super) fn may_be_object(&self, expr: &Expr<'_>) -> bool {
        let is_one = |expr: &Expr<'_>| self.folder.step() && self.may_be_object(expr);
        match expr {
            Expr::Var(var) => {
                let is_data = var.id == "dict" && self.bound.contains(var.id);
                let is_function = names::is_function(var.id) || self.macros.contains_key(var.id);
                is_function && !is_data || self.objects.contains(var.id)
            }
            Expr::GetAttr(attribute) => {
                names::is_method(attribute.name) || self.objects.contains(&format!(".{}", attribute.name))
            }
            Expr::GetItem(item) => {
                let key = self.folder.text(&item.subscript_expr);
                key.is_some_and(|key| self.objects.contains(&format!(".{key}"))) || is_one(&item.expr)
            }
            Expr::Call(call) => matches!(&call.expr, Expr::Var(var) if OBJECTS.contains(&var.id)),
            Expr::IfExpr(each) => is_one(&each.true_expr) || each.false_expr.as_ref().is_some_and(is_one),
            Expr::BinOp(binary) if matches!(binary.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
                is_one(&binary.left) || is_one(&binary.right)
            }
            Expr::Filter(filter) => filter.expr.as_ref().is_some_and(is_one),
            Expr::Slice(slice) => is_one(&slice.expr),
            Expr::List(list) => list.items.iter().any(is_one),
            Expr::Tuple(tuple) => tuple.items.iter().any(is_one),
            Expr::Map(map) => map.values.iter().any(is_one),
            Expr::Const(_) | Expr::Compare(_) | Expr::Test(_) | Expr::UnaryOp(_) | Expr::BinOp(_) => false,
        }
    }
}

/// How many subscripts of a chain are by text that the template does not show, up to two.
pub(super) fn unseen(folder: &Folder<'_>, expr: &Expr<'_>) -> usize {
    let mut count = 0;
    let mut rest = Some(expr);
    while let Some(expr) = rest.filter(|_| count < 2 && folder.step()) {
        rest = match expr {
            Expr::GetItem(item) => {
                let is_seen = matches!(item.subscript_expr, Expr::Const(_))
                    || folder.fold(&item.subscript_expr).is_some();
                count += usize::from(!is_seen);
                Some(&item.expr)
            }
            Expr::GetAttr(attribute) => Some(&attribute.expr),
            Expr::Call(call) => Some(&call.expr),
            _ => None,
        };
    }
    count
}
