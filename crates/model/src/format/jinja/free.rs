//! Room `model`, format `jinja`: a syntax tree -> the names that are read where nothing in the template has surely set them,
//! by the scopes of Jinja2 3.1: there the environment's variable of that name is read, whatever sets it elsewhere.

use std::collections::HashMap;
use std::collections::HashSet;

use minijinja::machinery::ast::BinOpKind;
use minijinja::machinery::ast::Expr;
use minijinja::machinery::ast::Macro;
use minijinja::machinery::ast::Stmt;

use super::binding::targets;
use super::tree;

/// Variables that are no text of the tokenizer's configuration: transformers refuses it under the names of its own arguments.
const OWN: [&str; 4] = ["add_generation_prompt", "documents", "messages", "tools"];
/// What Jinja2 sets in a macro.
const OF_MACRO: [&str; 3] = ["caller", "kwargs", "varargs"];

/// The names. One that is read so anywhere is among them.
pub(super) fn free(root: &Stmt<'_>) -> HashSet<String> {
    let mut walk = Walk::default();
    walk.bind(OWN.map(str::to_owned));
    walk.statement(root);
    // A macro sees what the template has set at its end, and what it sets in some branch only it may not see.
    let unsure = std::mem::take(&mut walk.unsure);
    walk.times.retain(|name, _| !unsure.contains(name));
    while let Some(each) = walk.later.pop() {
        walk.callee(each);
    }
    walk.free
}

/// A walk in the order of the text.
#[derive(Default)]
struct Walk<'e, 's> {
    /// Names that are set, in their order, and how often each stands among them.
    set: Vec<String>,
    times: HashMap<String, usize>,
    /// Names that one branch sets and another does not.
    unsure: HashSet<String>,
    free: HashSet<String>,
    /// Macros run where they are called.
    later: Vec<&'e Macro<'s>>,
}

impl<'e, 's> Walk<'e, 's> {
    fn statement(&mut self, statement: &'e Stmt<'s>) {
        match statement {
            Stmt::Template(template) => self.body(&template.children),
            Stmt::ForLoop(each) => {
                self.read(&each.iter, false);
                let mark = self.set.len();
                self.bind(targets(&each.target));
                self.bind(["loop".to_owned()]);
                each.filter_expr.iter().for_each(|filter| self.read(filter, true));
                self.body(&each.body);
                self.leave(mark);
                self.scope(&each.else_body);
            }
            Stmt::IfCond(condition) => {
                self.read(&condition.expr, true);
                let mark = self.set.len();
                self.body(&condition.true_body);
                let one: HashSet<_> = self.leave(mark).into_iter().collect();
                self.body(&condition.false_body);
                let other: HashSet<_> = self.leave(mark).into_iter().collect();
                self.unsure.extend(one.symmetric_difference(&other).cloned());
                self.bind(one.into_iter().filter(|name| other.contains(name)));
            }
            Stmt::WithBlock(block) => {
                self.read_all(block.assignments.iter().map(|(_, value)| value));
                let mark = self.set.len();
                self.bind(block.assignments.iter().flat_map(|(target, _)| targets(target)));
                self.body(&block.body);
                self.leave(mark);
            }
            Stmt::Set(set) => {
                self.read(&set.expr, false);
                self.target(&set.target);
            }
            Stmt::SetBlock(block) => {
                self.read_all(&block.filter);
                self.scope(&block.body);
                self.target(&block.target);
            }
            // It sees nothing of what stands around it.
            Stmt::Block(block) => {
                let times = std::mem::take(&mut self.times);
                self.scope(&block.body);
                self.times = times;
            }
            Stmt::Macro(each) => {
                self.later.push(each);
                self.bind([each.name.to_owned()]);
            }
            Stmt::CallBlock(block) => {
                self.read_all(tree::parts(statement));
                self.callee(&block.macro_decl);
            }
            Stmt::AutoEscape(block) => self.scope(&block.body),
            Stmt::FilterBlock(block) => {
                self.read(&block.filter, false);
                self.scope(&block.body);
            }
            _ => self.read_all(tree::parts(statement)),
        }
    }

    fn body(&mut self, statements: &'e [Stmt<'s>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    /// Statements whose names end with them.
    fn scope(&mut self, statements: &'e [Stmt<'s>]) {
        let mark = self.set.len();
        self.body(statements);
        self.leave(mark);
    }

    fn callee(&mut self, each: &'e Macro<'s>) {
        self.read_all(&each.defaults);
        let mark = self.set.len();
        self.bind(each.args.iter().flat_map(targets));
        self.bind(OF_MACRO.map(str::to_owned));
        self.body(&each.body);
        self.leave(mark);
    }

    fn target(&mut self, target: &'e Expr<'s>) {
        if let Expr::GetAttr(attribute) = target {
            self.read(&attribute.expr, false);
        }
        self.bind(targets(target));
    }

    fn bind(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            *self.times.entry(name.clone()).or_default() += 1;
            self.set.push(name);
        }
    }

    /// Ends a scope; gives the names that it set.
    fn leave(&mut self, mark: usize) -> Vec<String> {
        let names = self.set.split_off(mark);
        for name in &names {
            if let Some(times) = self.times.get_mut(name) {
                *times = times.saturating_sub(1);
            }
        }
        names
    }

    fn read_all<'x>(&mut self, all: impl IntoIterator<Item = &'x Expr<'s>>)
    where
        's: 'x,
    {
        for expr in all {
            self.read(expr, false);
        }
    }

    /// `is_asked`: of the value it is only asked whether it is true.
    fn read(&mut self, expr: &Expr<'_>, is_asked: bool) {
        let mut rest = vec![(expr, is_asked)];
        while let Some((expr, is_asked)) = rest.pop() {
            if let Expr::Var(var) = expr
                && !is_asked
                && self.times.get(var.id).is_none_or(|times| *times == 0)
            {
                self.free.insert(var.id.to_owned());
            }
            let children = tree::children(expr).into_iter().enumerate();
            rest.extend(children.map(|(index, child)| (child, asks(expr, index, is_asked))));
        }
    }
}

/// Whether the value of a part ends in its expression: what is compared, tested or called.
fn asks(expr: &Expr<'_>, index: usize, is_asked: bool) -> bool {
    match expr {
        Expr::Compare(_) | Expr::Test(_) | Expr::UnaryOp(_) => true,
        Expr::Call(_) => index == 0,
        Expr::IfExpr(_) => index == 0 || is_asked,
        Expr::BinOp(binary) => {
            tree::is_comparison(binary.op)
                || is_asked && matches!(binary.op, BinOpKind::ScAnd | BinOpKind::ScOr)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let root = minijinja::machinery::parse(text, "", minijinja::syntax::SyntaxConfig::default()).unwrap();
        let mut names: Vec<_> = free(&root).into_iter().collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_is_free_where_nothing_has_surely_set_it() {
        for (text, free) in [
            ("{{ a }}{% set a = 1 %}", &["a"][..]),
            ("{% set a = 1 %}{{ a }}", &[]),
            ("{% set a = a %}{{ a }}", &["a"]),
            ("{% for a in tools %}{{ a }}{{ loop }}{% endfor %}", &[]),
            ("{% for a in tools %}{% endfor %}{{ a }}{{ loop }}", &["a", "loop"]),
            ("{% for a in [] %}{% else %}{{ a }}{% endfor %}", &["a"]),
            ("{% if x %}{% set a = 1 %}{% endif %}{{ a }}", &["a"]),
            ("{% if x %}{% set a = 1 %}{% else %}{% set a = 2 %}{% endif %}{{ a }}", &[]),
            ("{% if x %}{% set a = 1 %}{% elif y %}{% else %}{% set a = 2 %}{% endif %}{{ a }}", &["a"]),
            ("{% with a = 1 %}{{ a }}{% endwith %}", &[]),
            ("{% with a = a %}{% endwith %}", &["a"]),
            ("{% with a = 1 %}{% endwith %}{{ a }}", &["a"]),
            ("{% macro m(a) %}{{ a }}{{ varargs }}{% endmacro %}", &[]),
            ("{% macro m(a) %}{% endmacro %}{{ a }}{{ varargs }}{{ m(a=1) }}", &["a", "varargs"]),
            ("{% macro m() %}{{ a }}{% endmacro %}{% set a = 1 %}", &[]),
            (
                "{% macro m() %}{{ a }}{% endmacro %}{% if x %}{% set a = 1 %}{% endif %}{{ m() }}{% set a = 1 %}",
                &["a"],
            ),
            ("{% set a = 1 %}{% block b %}{{ a }}{% endblock %}", &["a"]),
            ("{% set b %}{% set a = 1 %}{% endset %}{{ a }}{{ b }}", &["a"]),
            ("{% if a is defined and b == c and not d %}{% endif %}{{ 1 if e else 2 }}{{ f() }}", &[]),
            ("{% if d[a] == 1 %}{% endif %}", &["a", "d"]),
            ("{{ namespace }}{{ messages }}", &["namespace"]),
        ] {
            assert_eq!(of(text), free, "{text}");
        }
    }
}
