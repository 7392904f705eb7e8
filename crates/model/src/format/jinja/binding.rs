//! Room `model`, format `jinja`: what variables hold: constants, macros, and text that is put together while rendering.
//!
//! Attributes may be reached by `value[name]`, where `name` is computed piece by piece so that no constant of the template
//! gives it away. So it is followed, without regard to order and scope, which names can hold text of the template (`held`)
//! and which can hold text that is put together of it; looking something up by the latter is *review*.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;

use minijinja::machinery::ast::BinOpKind;
use minijinja::machinery::ast::Call;
use minijinja::machinery::ast::CallArg;
use minijinja::machinery::ast::Expr;
use minijinja::machinery::ast::Stmt;

use super::changed;
use super::fold::Folder;
use super::fold::Steps;
use super::free;
use super::given::Given;
use super::held;
use super::held::Held;
use super::names;
use super::tree;

/// Rounds until what holds built text is known; templates that need more are taken at their worst.
pub(super) const ROUNDS: usize = 8;
/// Most values of names. Each argument of a call counts for each parameter that it may be given to.
const BINDINGS: usize = 200_000;

/// What is known of names. An attribute or item `x` of anything is kept as `.x`.
pub(super) struct Bindings<'t> {
    pub(super) folder: Folder<'t>,
    /// Parameters of each macro, of each time it is defined.
    pub(super) macros: HashMap<String, Vec<Vec<String>>>,
    pub(super) blocks: HashSet<String>,
    pub(super) bound: HashSet<String>,
    /// A word of the template, whole, leads out of it: whatever is looked up by text of the template may be that word.
    pub(super) has_way_out: bool,
    /// Items and attributes that hold what may be called, as `.x`; a mere `.` where their names are not known.
    callable: HashSet<String>,
    /// Names of what has attributes and no items: functions, macros, what `namespace()` gives.
    pub(super) objects: HashSet<String>,
    built: HashSet<String>,
    /// Names of what comes from outside.
    pub(super) given: Given,
    /// Parameters that `**dict` may fill.
    pub(super) spilled: HashSet<String>,
    held: Held,
    /// What `caller(...)` and `loop(...)` hand their arguments to.
    late: BTreeSet<String>,
    /// There are more bindings than are followed.
    is_over: bool,
}

/// A name, what is put into it, and whether an element of it is.
pub(super) type Binding<'e, 's> = (String, &'e Expr<'s>, bool);

impl<'t> Bindings<'t> {
    pub(super) fn read(source: &'t str, root: &Stmt<'_>, statements: &[&Stmt<'_>], steps: Steps) -> Self {
        let folder = Folder::new(source, steps);
        let (macros, blocks) = (HashMap::new(), HashSet::new());
        let mut read = Self {
            folder,
            macros,
            blocks,
            bound: HashSet::new(),
            has_way_out: false,
            callable: HashSet::new(),
            objects: HashSet::new(),
            built: HashSet::new(),
            given: Given::new(free::free(root)),
            spilled: HashSet::new(),
            held: Held::default(),
            late: BTreeSet::new(),
            is_over: false,
        };
        for statement in statements {
            match statement {
                Stmt::Macro(each) => {
                    let names = each.args.iter().flat_map(targets).collect();
                    read.macros.entry(each.name.to_owned()).or_default().push(names);
                }
                Stmt::CallBlock(block) => read.late.extend(block.macro_decl.args.iter().flat_map(targets)),
                Stmt::ForLoop(each) if each.recursive => read.late.extend(targets(&each.target)),
                Stmt::Block(block) => _ = read.blocks.insert(block.name.to_owned()),
                _ => {}
            }
        }
        let (mut all, mut changes): (Vec<Binding<'_, '_>>, Vec<_>) = (Vec::new(), Vec::new());
        for statement in statements {
            read.of_statement(statement, &mut all);
            let mut rest = tree::parts(statement);
            while let Some(expr) = rest.pop() {
                rest.extend(tree::children(expr));
                read.of_expr(expr, &mut all);
                if let Expr::Call(call) = expr {
                    changes.extend(changed::of_call(call));
                }
            }
            match statement {
                Stmt::CallBlock(block) => changes.extend(changed::of_call(&block.call)),
                Stmt::Do(each) => changes.extend(changed::of_call(&each.call)),
                _ => {}
            }
        }
        match changed::spread(&read.folder, &all, &changes, BINDINGS) {
            Some(more) => all.extend(more),
            None => read.is_over = true,
        }
        read.constants(&all);
        read.spread(&all);
        read.spread_objects(&all);
        read.spread_given(&all);
        read.has_way_out = read.is_way_out(statements);
        read
    }

    fn is_way_out(&self, statements: &[&Stmt<'_>]) -> bool {
        let mut rest: Vec<_> = statements.iter().flat_map(|statement| tree::parts(statement)).collect();
        while let Some(expr) = rest.pop() {
            rest.extend(tree::children(expr));
            // A mere `_` is a word of many templates.
            let is_name = |text: &str| text.contains(|letter: char| letter.is_ascii_alphanumeric());
            if self.folder.text(expr).is_some_and(|text| is_name(&text) && names::attribute(&text).is_some())
            {
                return true;
            }
        }
        false
    }

    fn of_statement<'e, 's>(&mut self, statement: &'e Stmt<'s>, all: &mut Vec<Binding<'e, 's>>) {
        match statement {
            Stmt::Set(set) => assign(&set.target, &set.expr, all),
            Stmt::WithBlock(block) => {
                block.assignments.iter().for_each(|(target, value)| assign(target, value, all));
            }
            Stmt::ForLoop(each) => {
                all.extend(targets(&each.target).into_iter().map(|name| (name, &each.iter, true)));
            }
            // What a block writes is text of the template.
            Stmt::SetBlock(block) => {
                self.bound.extend(targets(&block.target));
                self.built.extend(targets(&block.target));
            }
            Stmt::Macro(each) => defaults(&each.args, &each.defaults, all),
            Stmt::CallBlock(block) => {
                defaults(&block.macro_decl.args, &block.macro_decl.defaults, all);
                self.of_call(&block.call, all);
            }
            Stmt::Do(call) => self.of_call(&call.call, all),
            _ => {}
        }
        match statement {
            Stmt::Macro(each) => self.bound.extend(each.args.iter().flat_map(targets)),
            Stmt::CallBlock(block) => self.bound.extend(block.macro_decl.args.iter().flat_map(targets)),
            _ => {}
        }
    }

    fn of_expr<'e, 's>(&mut self, expr: &'e Expr<'s>, all: &mut Vec<Binding<'e, 's>>) {
        match expr {
            Expr::Call(call) => self.of_call(call, all),
            Expr::Map(map) => {
                for (key, value) in map.keys.iter().zip(&map.values) {
                    match self.folder.text(key) {
                        Some(key) => all.push((format!(".{key}"), value, false)),
                        // `{key: value}` of data is ordinary; a key of pieces is not.
                        None if !matches!(key, Expr::Var(_) | Expr::GetAttr(_)) => {
                            all.push((".".to_owned(), value, false));
                        }
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn of_call<'e, 's>(&mut self, call: &'e Call<'s>, all: &mut Vec<Binding<'e, 's>>) {
        let none = BTreeSet::new();
        let (parameters, late) = match &call.expr {
            Expr::Var(var) if matches!(var.id, "caller" | "loop") => (None, &self.late),
            Expr::Var(var) => (self.macros.get(var.id), &none),
            _ => (None, &none),
        };
        let rest: &[&str] = if late.is_empty() { &[] } else { &["varargs", "kwargs"] };
        let each =
            late.len() + parameters.into_iter().flatten().map(|names| names.len() + 1).sum::<usize>() + 6;
        if each.saturating_mul(call.args.len()).saturating_add(all.len()) > BINDINGS {
            self.is_over = true;
            return;
        }
        if fills_by_list(call) {
            self.callable.insert(".".to_owned());
        }
        for (index, argument) in call.args.iter().enumerate() {
            match argument {
                CallArg::Kwarg(name, value) => {
                    all.push((format!(".{name}"), value, false));
                    if parameters.is_some() {
                        all.push(((*name).to_owned(), value, false));
                        all.push(("kwargs".to_owned(), value, true));
                    }
                    all.extend(late.iter().map(|name| (name.clone(), value, true)));
                    all.extend(rest.iter().map(|name| ((*name).to_owned(), value, true)));
                }
                CallArg::Pos(value) => {
                    for names in parameters.into_iter().flatten() {
                        let name = names.get(index).map_or("varargs", String::as_str);
                        all.push((name.to_owned(), value, name == "varargs"));
                    }
                    all.extend(late.iter().map(|name| (name.clone(), value, true)));
                    all.extend(rest.iter().map(|name| ((*name).to_owned(), value, true)));
                }
                CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                    let names = parameters.into_iter().flatten().flatten().chain(late);
                    if matches!(argument, CallArg::KwargSplat(_)) {
                        self.spilled.extend(names.clone().cloned());
                    }
                    all.extend(names.map(|name| (name.clone(), value, true)));
                    all.extend(["varargs", "kwargs"].map(|name| (name.to_owned(), value, true)));
                }
            }
        }
    }

    /// A limit that was reached.
    pub(super) fn budget(&self) -> Option<&'static str> {
        if self.is_over {
            return Some("values of the names of a template");
        }
        self.folder.is_exhausted().then_some("steps through the expressions of a template")
    }

    /// Names that are bound once, to a constant. A loop's variable is not.
    fn constants(&mut self, all: &[Binding<'_, '_>]) {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for (name, ..) in all {
            *times.entry(name).or_default() += 1;
        }
        for (name, value, is_element) in all {
            let once =
                times.get(name.as_str()) == Some(&1) && !self.built.contains(name) && !name.starts_with('.');
            // A parameter without a caller that is seen may be given anything.
            if once
                && !is_element
                && !self.bound.contains(name)
                && !self.given.is_free(name)
                && let Some(folded) = self.folder.fold(value)
            {
                self.folder.constant(name, folded);
            }
        }
        self.bound.extend(all.iter().map(|(name, ..)| name.clone()));
        let items = all.iter().filter(|(name, value, _)| name.starts_with('.') && may_be_called(value));
        self.callable.extend(items.map(|(name, ..)| name.clone()));
    }

    /// Whether a method may be an item instead, which the template has put there.
    pub(super) fn may_be_item(&self, method: &str) -> bool {
        self.callable.contains(".") || self.callable.contains(&format!(".{method}"))
    }

    fn spread(&mut self, all: &[Binding<'_, '_>]) {
        for _ in 0..ROUNDS {
            let before = self.built.len() + self.held.len();
            for (name, value, is_element) in all {
                self.held.bind(&self.folder, name, value, *is_element);
                if self.is_built(value) || *is_element && self.folder.text(value).is_some() {
                    self.built.insert(name.clone());
                }
            }
            if self.built.len() + self.held.len() == before {
                return;
            }
        }
        self.built.extend(all.iter().map(|(name, ..)| name.clone()));
    }

    /// Whether an expression may give a text that the template holds.
    pub(super) fn is_text(&self, expr: &Expr<'_>) -> bool {
        self.held.is_plain(&self.folder, expr)
    }

    /// Whether an expression may give text that the template puts together and that no constant shows.
    pub(super) fn is_built(&self, expr: &Expr<'_>) -> bool {
        self.folder.step() && self.may_be_built(expr)
    }

    fn may_be_built(&self, expr: &Expr<'_>) -> bool {
        match expr {
            Expr::Const(_) | Expr::Compare(_) | Expr::Test(_) | Expr::UnaryOp(_) => false,
            Expr::Var(var) => self.built.contains(var.id) || names::is_token(var.id),
            Expr::GetAttr(attribute) => {
                matches!(attribute.name, "nextitem" | "previtem")
                    || self.built.contains(&format!(".{}", attribute.name))
                    || self.is_built(&attribute.expr)
            }
            Expr::GetItem(item) => {
                let key = self.folder.text(&item.subscript_expr);
                key.is_some_and(|key| self.built.contains(&format!(".{key}")))
                    || self.is_built(&item.expr)
                    || self.folder.text(&item.expr).is_some()
            }
            Expr::Slice(slice) => self.is_built(&slice.expr) || self.is_text(&slice.expr),
            Expr::BinOp(binary) => {
                let of = |expr| self.is_built(expr) || self.is_text(expr);
                match binary.op {
                    BinOpKind::Concat => self.folder.fold(expr).is_none(),
                    BinOpKind::Add | BinOpKind::Mul => {
                        (of(&binary.left) || of(&binary.right)) && self.folder.fold(expr).is_none()
                    }
                    // Of the keys of a dict.
                    BinOpKind::Sub => self.is_built(&binary.left) || self.is_built(&binary.right),
                    BinOpKind::Rem => of(&binary.left) && self.folder.fold(expr).is_none(),
                    BinOpKind::ScAnd | BinOpKind::ScOr => {
                        self.is_built(&binary.left) || self.is_built(&binary.right)
                    }
                    _ => false,
                }
            }
            Expr::IfExpr(each) => {
                self.is_built(&each.true_expr)
                    || each.false_expr.as_ref().is_some_and(|expr| self.is_built(expr))
            }
            Expr::Filter(filter) => match filter.name {
                name if held::gives_number(name) => {
                    held::gives_default(name)
                        && filter.args.iter().any(|argument| self.is_built(tree::value(argument)))
                }
                "batch" | "capitalize" | "d" | "default" | "dictsort" | "first" | "items" | "last"
                | "list" | "lower" | "max" | "min" | "reject" | "rejectattr" | "reverse" | "select"
                | "selectattr" | "slice" | "sort" | "sum" | "title" | "trim" | "unique" | "upper" => {
                    let mut parts = filter.expr.iter().chain(filter.args.iter().map(tree::value));
                    let is_text = |expr| {
                        if held::gives_list(filter.name) {
                            self.folder.text(expr).is_some()
                        } else {
                            self.is_text(expr)
                        }
                    };
                    let of_text = filter.expr.as_ref().is_some_and(is_text);
                    parts.any(|expr| self.is_built(expr)) || of_text && self.folder.fold(expr).is_none()
                }
                _ => self.folder.fold(expr).is_none(),
            },
            Expr::Call(call) => self.is_built_call(call) && self.folder.fold(expr).is_none(),
            Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => {
                tree::children(expr).into_iter().any(|child| self.is_built(child))
            }
        }
    }

    fn is_built_call(&self, call: &Call<'_>) -> bool {
        match &call.expr {
            Expr::Var(var) if var.id == "namespace" => {
                tree::without_names(call).any(|argument| self.is_built(argument))
            }
            Expr::Var(var) => !matches!(var.id, "range" | "raise_exception"),
            Expr::GetAttr(method) if held::is_asking(method.name) => false,
            Expr::GetAttr(method) => match method.name {
                "copy" | "get" | "items" | "keys" | "lower" | "lstrip" | "partition" | "pop"
                | "removeprefix" | "removesuffix" | "rpartition" | "rsplit" | "rstrip" | "split"
                | "splitlines" | "strip" | "title" | "upper" | "values" => {
                    let from = |expr| self.is_built(expr) || self.is_text(expr);
                    from(&method.expr)
                        || call.args.iter().any(|argument| self.is_built(tree::value(argument)))
                        || held::known_key(&self.folder, call).is_some_and(|(key, _)| {
                            method.name == "get" && self.built.contains(&format!(".{key}"))
                        })
                }
                _ => true,
            },
            _ => true,
        }
    }
}

/// Calls that make items of a list of keys and values.
fn fills_by_list(call: &Call<'_>) -> bool {
    let fills = match &call.expr {
        Expr::Var(var) => matches!(var.id, "dict" | "namespace"),
        Expr::GetAttr(method) => matches!(method.name, "setdefault" | "update"),
        _ => false,
    };
    let is_dict =
        |argument: &CallArg<'_>| !matches!(argument, CallArg::Pos(value) if !matches!(value, Expr::Map(_)));
    fills && !call.args.iter().all(is_dict)
}

/// Whether a value may be something else than data that the template writes down.
fn may_be_called(value: &Expr<'_>) -> bool {
    match value {
        Expr::Const(_)
        | Expr::Compare(_)
        | Expr::Test(_)
        | Expr::UnaryOp(_)
        | Expr::List(_)
        | Expr::Tuple(_)
        | Expr::Map(_)
        | Expr::Slice(_) => false,
        Expr::BinOp(binary) => matches!(binary.op, BinOpKind::ScAnd | BinOpKind::ScOr),
        Expr::Var(_)
        | Expr::GetAttr(_)
        | Expr::GetItem(_)
        | Expr::IfExpr(_)
        | Expr::Filter(_)
        | Expr::Call(_) => true,
    }
}

/// Names that a target binds; an attribute is kept as `.x`.
pub(super) fn targets(target: &Expr<'_>) -> Vec<String> {
    match target {
        Expr::Var(var) => vec![var.id.to_owned()],
        Expr::GetAttr(attribute) => vec![format!(".{}", attribute.name)],
        Expr::List(list) => list.items.iter().flat_map(targets).collect(),
        _ => vec![],
    }
}

fn assign<'e, 's>(target: &Expr<'s>, value: &'e Expr<'s>, all: &mut Vec<Binding<'e, 's>>) {
    let values = match value {
        Expr::List(list) => Some(&list.items),
        Expr::Tuple(tuple) => Some(&tuple.items),
        _ => None,
    };
    match (target, values) {
        (Expr::List(names), Some(values)) if names.items.len() == values.len() => {
            names.items.iter().zip(values).for_each(|(name, value)| assign(name, value, all));
        }
        (Expr::List(_), _) => all.extend(targets(target).into_iter().map(|name| (name, value, true))),
        _ => all.extend(targets(target).into_iter().map(|name| (name, value, false))),
    }
}

fn defaults<'e, 's>(names: &[Expr<'s>], values: &'e [Expr<'s>], all: &mut Vec<Binding<'e, 's>>) {
    let without = names.len().saturating_sub(values.len());
    for (name, value) in names.iter().skip(without).zip(values) {
        all.extend(targets(name).into_iter().map(|name| (name, value, false)));
    }
}
