//! Room `model`, format `jinja`: expressions of constants -> their value, as Jinja2 computes it. What is not computed here
//! is told by `binding`: text that is put together at run time.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::HashSet;

use minijinja::machinery::ast::BinOpKind;
use minijinja::machinery::ast::Call;
use minijinja::machinery::ast::CallArg;
use minijinja::machinery::ast::Expr;
use minijinja::machinery::ast::Filter;
use minijinja::machinery::ast::Slice;
use minijinja::machinery::ast::UnaryOpKind;

use super::literal;

/// Longest text, and most items with the text in them, that is computed; attributes are shorter.
const SIZE: usize = 1024;
/// Looks at an expression in all templates of one file. Ordinary ones take thousands; each look at a chain may take its length.
const STEPS: u32 = 2_000_000;
/// Letters and items of a value that are one step: a list of as many words as are kept is copied at each look.
const COPIED: usize = 8;

/// What is left of the steps; none where there were too many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps(Option<u32>);

impl Default for Steps {
    fn default() -> Self {
        Self(Some(STEPS))
    }
}

/// A value that does not depend on data.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Folded {
    Text(String),
    Int(i64),
    List(Vec<Self>),
}

impl Folded {
    fn size(&self) -> usize {
        1 + match self {
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Int(_) => 0,
        }
    }
}

/// The text and the variables that hold constants.
pub(super) struct Folder<'t> {
    pub(super) source: &'t str,
    constants: HashMap<String, Folded>,
    steps: Cell<Steps>,
    /// Addresses of expressions that have no value: without it each part of a chain would be folded again for each.
    without: RefCell<HashSet<usize>>,
}

impl<'t> Folder<'t> {
    pub(super) fn new(source: &'t str, steps: Steps) -> Self {
        let (steps, without) = (Cell::new(steps), RefCell::default());
        Self { source, constants: HashMap::new(), steps, without }
    }

    /// A variable that holds one value wherever it is read.
    pub(super) fn constant(&mut self, name: &str, value: Folded) {
        self.constants.insert(name.to_owned(), value);
        self.without.get_mut().clear();
    }

    /// Counts a look; false where there were too many.
    pub(super) fn step(&self) -> bool {
        self.take(1)
    }

    fn take(&self, steps: usize) -> bool {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let left = self.steps.get().0.and_then(|left| left.checked_sub(steps));
        self.steps.set(Steps(left));
        left.is_some()
    }

    pub(super) fn steps(&self) -> Steps {
        self.steps.get()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.steps.get().0.is_none()
    }

    pub(super) fn text(&self, expr: &Expr<'_>) -> Option<String> {
        match self.fold(expr) {
            Some(Folded::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text that stands in the template, of any length; none where only Python can decode it.
    pub(super) fn literal(&self, expr: &Expr<'_>) -> Option<String> {
        let span = expr.span();
        literal::text(self.source.get(span.start_offset as usize..span.end_offset as usize)?)
    }

    pub(super) fn fold(&self, expr: &Expr<'_>) -> Option<Folded> {
        let address = std::ptr::from_ref(expr).addr();
        if !self.step() || self.without.borrow().contains(&address) {
            return None;
        }
        let folded = self.value(expr);
        match &folded {
            Some(folded) => _ = self.take(folded.size() / COPIED),
            None => _ = self.without.borrow_mut().insert(address),
        }
        folded
    }

    fn value(&self, expr: &Expr<'_>) -> Option<Folded> {
        let folded = match expr {
            Expr::Const(constant) if constant.value.as_str().is_some() => Folded::Text(self.literal(expr)?),
            Expr::Const(constant) => Folded::Int(constant.value.as_i64()?),
            Expr::Var(var) => self.constants.get(var.id)?.clone(),
            Expr::UnaryOp(unary) if matches!(unary.op, UnaryOpKind::Neg) => {
                Folded::Int(self.int(&unary.expr)?.checked_neg()?)
            }
            Expr::BinOp(binary) => self.binary(binary.op, &binary.left, &binary.right)?,
            Expr::List(list) => self.list(&list.items)?,
            Expr::Tuple(tuple) => self.list(&tuple.items)?,
            Expr::Filter(filter) => self.filter(filter)?,
            Expr::Call(call) => self.method(call)?,
            Expr::Slice(slice) => self.slice(slice)?,
            Expr::GetItem(item) => {
                let index = self.int(&item.subscript_expr)?;
                match self.fold(&item.expr)? {
                    Folded::Text(text) => {
                        let letters: Vec<char> = text.chars().collect();
                        Folded::Text(pick(&letters, index)?.to_string())
                    }
                    Folded::List(items) => pick(&items, index)?.clone(),
                    Folded::Int(_) => return None,
                }
            }
            _ => return None,
        };
        (folded.size() <= SIZE).then_some(folded)
    }

    fn int(&self, expr: &Expr<'_>) -> Option<i64> {
        match self.fold(expr)? {
            Folded::Int(number) => Some(number),
            _ => None,
        }
    }

    fn list(&self, items: &[Expr<'_>]) -> Option<Folded> {
        let (mut folded, mut size) = (Vec::new(), 0);
        for item in items {
            let item = self.fold(item)?;
            size += item.size();
            if size > SIZE {
                return None;
            }
            folded.push(item);
        }
        Some(Folded::List(folded))
    }

    fn binary(&self, op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>) -> Option<Folded> {
        let (left, right) = (self.fold(left)?, self.fold(right)?);
        Some(match (op, left, right) {
            (BinOpKind::Concat, left, right) => Folded::Text(show(&left)? + &show(&right)?),
            (BinOpKind::Add, Folded::Text(left), Folded::Text(right)) => Folded::Text(left + &right),
            (BinOpKind::Add, Folded::List(left), Folded::List(right)) => Folded::List([left, right].concat()),
            (BinOpKind::Add, Folded::Int(left), Folded::Int(right)) => Folded::Int(left.checked_add(right)?),
            (BinOpKind::Sub, Folded::Int(left), Folded::Int(right)) => Folded::Int(left.checked_sub(right)?),
            (BinOpKind::Mul, Folded::Int(left), Folded::Int(right)) => Folded::Int(left.checked_mul(right)?),
            (BinOpKind::Mul, Folded::Text(text), Folded::Int(times))
            | (BinOpKind::Mul, Folded::Int(times), Folded::Text(text)) => {
                let times = usize::try_from(times).unwrap_or(0);
                (text.len().checked_mul(times)? <= SIZE).then(|| Folded::Text(text.repeat(times)))?
            }
            (BinOpKind::Rem, Folded::Text(form), Folded::List(values)) => {
                Folded::Text(percent(&form, &values)?)
            }
            (BinOpKind::Rem, Folded::Text(form), value) => Folded::Text(percent(&form, &[value])?),
            _ => return None,
        })
    }

    fn filter(&self, filter: &Filter<'_>) -> Option<Folded> {
        let arguments = self.arguments(&filter.args)?;
        Self::named(filter.name, self.fold(filter.expr.as_ref()?)?, &arguments)
    }

    fn method(&self, call: &Call<'_>) -> Option<Folded> {
        let Expr::GetAttr(method) = &call.expr else { return None };
        let arguments = self.arguments(&call.args)?;
        match (method.name, self.fold(&method.expr)?, arguments.as_slice()) {
            ("join", Folded::Text(between), [items]) => {
                Self::named("join", items.clone(), &[Folded::Text(between)])
            }
            ("strip", text, []) => Self::named("trim", text, &[]),
            ("format", Folded::Text(form), values) => {
                let mut values = values.iter();
                let pieces = form.split("{}").map(str::to_owned).collect::<Vec<_>>();
                let mut text = pieces.first()?.clone();
                for piece in pieces.iter().skip(1) {
                    text += &show(values.next()?)?;
                    text += piece;
                }
                (!text.contains(['{', '}'])).then_some(Folded::Text(text))
            }
            (name @ ("lower" | "upper" | "replace"), text, arguments) => Self::named(name, text, arguments),
            _ => None,
        }
    }

    fn arguments(&self, arguments: &[CallArg<'_>]) -> Option<Vec<Folded>> {
        let positional = |argument: &CallArg<'_>| match argument {
            CallArg::Pos(value) => self.fold(value),
            _ => None,
        };
        arguments.iter().map(positional).collect()
    }

    /// A filter, or a method that does the same.
    fn named(name: &str, value: Folded, arguments: &[Folded]) -> Option<Folded> {
        // A text that grows with each of its letters would cost the square of the limit.
        let grows = arguments.iter().map(Folded::size).sum::<usize>().saturating_mul(value.size());
        if grows > 16 * SIZE {
            return None;
        }
        Some(match (name, value, arguments) {
            ("join", Folded::List(items), between) => {
                let between = between.first().map_or(Some(String::new()), show)?;
                let items = items.iter().map(show).collect::<Option<Vec<_>>>()?;
                Folded::Text(items.join(&between))
            }
            ("join", Folded::Text(text), between) => {
                let between = between.first().map_or(Some(String::new()), show)?;
                let letters: Vec<String> = text.chars().map(String::from).collect();
                Folded::Text(letters.join(&between))
            }
            ("reverse", Folded::Text(text), []) => Folded::Text(text.chars().rev().collect()),
            ("reverse", Folded::List(items), []) => Folded::List(items.into_iter().rev().collect()),
            ("replace", Folded::Text(text), [Folded::Text(old), Folded::Text(new)]) => {
                Folded::Text(text.replace(old.as_str(), new))
            }
            ("lower", Folded::Text(text), []) => Folded::Text(text.to_lowercase()),
            ("upper", Folded::Text(text), []) => Folded::Text(text.to_uppercase()),
            ("trim", Folded::Text(text), []) => Folded::Text(text.trim().to_owned()),
            ("string" | "safe", value, []) => Folded::Text(show(&value)?),
            ("list", Folded::Text(text), []) => {
                Folded::List(text.chars().map(|letter| Folded::Text(letter.to_string())).collect())
            }
            ("list", list @ Folded::List(_), []) => list,
            ("first", Folded::List(items), []) => items.into_iter().next()?,
            ("last", Folded::List(items), []) => items.into_iter().next_back()?,
            ("first", Folded::Text(text), []) => Folded::Text(text.chars().next()?.into()),
            ("last", Folded::Text(text), []) => Folded::Text(text.chars().next_back()?.into()),
            ("length" | "count", Folded::Text(text), []) => {
                Folded::Int(i64::try_from(text.chars().count()).ok()?)
            }
            ("length" | "count", Folded::List(items), []) => Folded::Int(i64::try_from(items.len()).ok()?),
            ("format", Folded::Text(form), values) => Folded::Text(percent(&form, values)?),
            _ => return None,
        })
    }

    fn slice(&self, slice: &Slice<'_>) -> Option<Folded> {
        let bound = |bound: &Option<Expr<'_>>| match bound {
            None => Some(None),
            Some(expr) => self.int(expr).map(Some),
        };
        let (start, stop, step) =
            (bound(&slice.start)?, bound(&slice.stop)?, bound(&slice.step)?.unwrap_or(1));
        match self.fold(&slice.expr)? {
            Folded::Text(text) => {
                let letters: Vec<char> = text.chars().collect();
                Some(Folded::Text(sliced(&letters, start, stop, step)?.into_iter().collect()))
            }
            Folded::List(items) => sliced(&items, start, stop, step).map(Folded::List),
            Folded::Int(_) => None,
        }
    }
}

fn pick<T>(items: &[T], index: i64) -> Option<&T> {
    let count = i64::try_from(items.len()).ok()?;
    items.get(usize::try_from(if index < 0 { index.checked_add(count)? } else { index }).ok()?)
}

/// `items[start:stop:step]` of Python.
fn sliced<T: Clone>(items: &[T], start: Option<i64>, stop: Option<i64>, step: i64) -> Option<Vec<T>> {
    let count = i64::try_from(items.len()).ok()?;
    let (low, high) = if step < 0 { (-1, count - 1) } else { (0, count) };
    let within = |place: i64| (if place < 0 { place.saturating_add(count) } else { place }).clamp(low, high);
    let (first, last) = if step < 0 { (high, low) } else { (low, high) };
    let (mut at, end) = (start.map_or(first, within), stop.map_or(last, within));
    let mut picked = Vec::new();
    while step != 0 && if step < 0 { at > end } else { at < end } {
        picked.push(items.get(usize::try_from(at).ok()?)?.clone());
        at = at.checked_add(step)?;
    }
    (step != 0).then_some(picked)
}

fn show(value: &Folded) -> Option<String> {
    match value {
        Folded::Text(text) => Some(text.clone()),
        Folded::Int(number) => Some(number.to_string()),
        Folded::List(_) => None,
    }
}

/// `form % values` with the few directives that give text.
fn percent(form: &str, values: &[Folded]) -> Option<String> {
    let (mut text, mut rest, mut values) = (String::new(), form.chars(), values.iter());
    while let Some(letter) = rest.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match (rest.next()?, &mut values) {
            ('%', _) => text.push('%'),
            ('s' | 'd', values) => text += &show(values.next()?)?,
            ('c', values) => match values.next()? {
                Folded::Int(code) => text.push(char::from_u32(u32::try_from(*code).ok()?)?),
                Folded::Text(letter) => text += letter,
                Folded::List(_) => return None,
            },
            _ => return None,
        }
    }
    Some(text)
}
