//! Room `model`, format `jinja`: each statement and expression -> what it reaches beyond data.

use minijinja::machinery::ast::BinOpKind;
use minijinja::machinery::ast::CallArg;
use minijinja::machinery::ast::Expr;
use minijinja::machinery::ast::Filter;
use minijinja::machinery::ast::Macro;
use minijinja::machinery::ast::Stmt;
use ringfence_finding::Verdict;

use super::Found;
use super::binding::Bindings;
use super::literal;
use super::names;
use super::tree;
use super::tree::at;
use crate::keys::shown;

/// Filters that take attributes by name, with the place of that argument.
const BY_NAME: [(&str, usize); 11] = [
    ("attr", 0),
    ("groupby", 0),
    ("join", 1),
    ("map", usize::MAX),
    ("max", 1),
    ("min", 1),
    ("rejectattr", 0),
    ("selectattr", 0),
    ("sort", 2),
    ("sum", 0),
    ("unique", 1),
];

/// The findings of one template.
pub(super) struct Check<'t> {
    source: &'t str,
    pub(super) bindings: &'t Bindings<'t>,
    pub(super) found: Vec<Found>,
    /// What stands behind the first raw block that may end early. Blocks further on have less behind them: to look at the
    /// rest again for each would take the square of a template.
    behind: Option<Verdict>,
}

impl<'t> Check<'t> {
    pub(super) fn new(source: &'t str, bindings: &'t Bindings<'t>) -> Self {
        Self { source, bindings, found: Vec::new(), behind: None }
    }

    pub(super) fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::EmitRaw(raw) => {
                if let Some(place) = literal::hidden_end(raw.raw) {
                    let start = at(raw.span());
                    let rest = self.source.get(start..).unwrap_or_default();
                    let verdict = *self.behind.get_or_insert_with(|| literal::unparsed(rest).verdict);
                    self.tell(
                        start + place,
                        verdict,
                        "holds text for one reader that is code for another".to_owned(),
                    );
                }
            }
            Stmt::Import(each) => self.other_template(at(each.span())),
            Stmt::FromImport(each) => self.other_template(at(each.span())),
            Stmt::Include(each) => self.other_template(at(each.span())),
            Stmt::Extends(each) => self.other_template(at(each.span())),
            Stmt::CallBlock(block) => {
                self.call(&block.call, at(block.call.span()));
                self.parameters(&block.macro_decl, at(block.span()));
            }
            Stmt::Macro(each) => self.parameters(each, at(each.span())),
            Stmt::Do(each) => self.call(&each.call, at(each.call.span())),
            _ => {}
        }
        let mut rest: Vec<(&Expr<'_>, bool)> =
            tree::parts(statement).into_iter().map(|expr| (expr, true)).collect();
        while let Some((expr, is_outermost)) = rest.pop() {
            self.expr(expr, is_outermost);
            let is_whole = !matches!(expr, Expr::BinOp(_));
            rest.extend(tree::children(expr).into_iter().map(|child| (child, is_whole)));
        }
    }

    /// `is_outermost`: not a part of a longer sum or concatenation.
    fn expr(&mut self, expr: &Expr<'_>, is_outermost: bool) {
        let place = at(expr.span());
        match expr {
            Expr::Var(var) if names::is_host(var.id) && !self.is_own(var.id) => {
                self.tell(
                    place,
                    Verdict::Review,
                    format!("names {}, an object of the program around it", var.id),
                );
            }
            Expr::Const(constant) if constant.value.as_str().is_some() => {
                if let Some(text) = self.bindings.folder.literal(expr) {
                    self.telling(place, &text);
                } else {
                    let message = "holds a text that only Python can decode".to_owned();
                    self.tell(place, Verdict::Review, message);
                }
            }
            Expr::BinOp(binary)
                if is_outermost
                    && matches!(binary.op, BinOpKind::Add | BinOpKind::Concat | BinOpKind::Rem) =>
            {
                if let Some(text) = self.bindings.folder.text(expr) {
                    self.telling(place, &text);
                }
            }
            Expr::GetAttr(attribute) => {
                self.attribute(place, attribute.name);
                self.of_host(&attribute.expr, attribute.name);
            }
            Expr::GetItem(item) => match self.bindings.folder.text(&item.subscript_expr) {
                Some(key) => {
                    self.attribute(place, &key);
                    self.of_host(&item.expr, &key);
                }
                None if self.bindings.is_built(&item.subscript_expr) => {
                    let message = "looks something up by a name that the template puts together".to_owned();
                    self.tell(place, Verdict::Review, message);
                }
                None if self.bindings.has_way_out && self.bindings.is_text(&item.subscript_expr) => {
                    let message = "looks something up by one of several words of the template".to_owned();
                    self.tell(place, Verdict::Review, message);
                }
                None if self.has_no_items(&item.expr) && !is_number(&item.subscript_expr) => {
                    let message = "looks up by a variable what has attributes alone".to_owned();
                    self.tell(place, Verdict::Review, message);
                }
                None if self.bindings.is_given(&item.subscript_expr) => {
                    let message =
                        "looks something up by a variable that nothing in the template sets".to_owned();
                    self.tell(place, Verdict::Review, message);
                }
                None => self.of_host(&item.expr, "an item"),
            },
            Expr::Filter(filter) => self.filter(filter, place),
            Expr::Test(test) if !names::is_test(test.name) => {
                self.tell(
                    place,
                    Verdict::Review,
                    format!("asks by the test {}, which is not Jinja's own", test.name),
                );
            }
            Expr::Call(call) => self.call(call, place),
            _ => {}
        }
    }

    /// `name` and `arguments` of a macro give its words back as text.
    fn parameters(&mut self, each: &Macro<'_>, place: usize) {
        self.attribute(place, each.name);
        for argument in &each.args {
            if let Expr::Var(var) = argument {
                self.attribute(at(var.span()), var.id);
            }
        }
    }

    fn telling(&mut self, place: usize, text: &str) {
        if names::is_telling(text) {
            let message = format!("holds the name {} as text", shown(text));
            self.tell(place, Verdict::Review, message);
        }
    }

    pub(super) fn attribute(&mut self, place: usize, name: &str) {
        if let Some(verdict) = names::attribute(name) {
            let message =
                format!("reaches the attribute {}, which leads from data to the interpreter", shown(name));
            self.tell(place, verdict, message);
        }
    }

    /// Attributes of what the environment hands to every template.
    fn of_host(&mut self, base: &Expr<'_>, name: &str) {
        let Expr::Var(var) = base else { return };
        let is_block = var.id == "self" && self.bindings.blocks.contains(name);
        if !names::is_host(var.id) || is_block {
            return;
        }
        if !self.is_own(var.id) {
            let message =
                format!("reaches {} of {}, an object of the program around it", shown(name), var.id);
            self.tell(at(var.span()), Verdict::Malicious, message);
        }
    }

    /// A function, a macro, an object, or a constant without letters: a subscript of it is its attribute or nothing.
    fn has_no_items(&self, base: &Expr<'_>) -> bool {
        match base {
            Expr::Const(constant) => constant.value.as_str().is_none_or(str::is_empty),
            _ => self.bindings.may_be_object(base),
        }
    }

    /// A variable of the template, under a name that some programs use for theirs.
    fn is_own(&self, name: &str) -> bool {
        self.bindings.bound.contains(name) && names::is_common(name)
    }

    fn filter(&mut self, filter: &Filter<'_>, place: usize) {
        if !names::is_filter(filter.name) {
            let message = format!("applies the filter {}, which is not Jinja's own", filter.name);
            self.tell(place, Verdict::Review, message);
        }
        let Some((_, position)) = BY_NAME.iter().find(|(name, _)| *name == filter.name) else { return };
        let mut is_by_attribute = false;
        for (index, argument) in filter.args.iter().enumerate() {
            let value = tree::value(argument);
            let text = self.bindings.folder.text(value);
            let is_name = match argument {
                CallArg::Pos(_) => index == *position,
                CallArg::Kwarg(name, _) => matches!(*name, "attribute" | "name"),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => true,
            };
            // `map("attr", name)` applies another filter.
            let names_filter = filter.name == "map" && index == 0 && matches!(argument, CallArg::Pos(_));
            let follows_attr = is_by_attribute && index >= 1;
            match &text {
                Some(text) if names_filter => {
                    is_by_attribute = BY_NAME.iter().any(|(name, _)| name == text);
                    if !names::is_filter(text) {
                        let message = format!("applies the filter {}, which is not Jinja's own", shown(text));
                        self.tell(place, Verdict::Review, message);
                    }
                }
                Some(text) => self.attribute(place, text),
                None if (is_name || names_filter || follows_attr) && !is_number(value) => {
                    let message =
                        "looks something up by a name that is not written in the template".to_owned();
                    self.tell(place, Verdict::Review, message);
                }
                None => {}
            }
        }
    }

    fn other_template(&mut self, place: usize) {
        self.tell(place, Verdict::Review, "reads another template, which nobody looked at".to_owned());
    }

    pub(super) fn tell(&mut self, at: usize, verdict: Verdict, message: String) {
        self.found.push(Found { at, verdict, message });
    }
}

fn is_number(expr: &Expr<'_>) -> bool {
    matches!(expr, Expr::Const(constant) if constant.value.as_str().is_none())
}
