//! Room `model`, format `jinja`: a syntax tree -> its statements and expressions, one behind another, without recursion.

use minijinja::machinery::Span;
use minijinja::machinery::ast::BinOpKind;
use minijinja::machinery::ast::Call;
use minijinja::machinery::ast::CallArg;
use minijinja::machinery::ast::Expr;
use minijinja::machinery::ast::Stmt;

/// Every statement, in the order of the text.
pub(super) fn statements<'t, 's>(root: &'t Stmt<'s>) -> Vec<&'t Stmt<'s>> {
    let mut all = Vec::new();
    let mut rest = vec![root];
    while let Some(statement) = rest.pop() {
        all.push(statement);
        let bodies: [&[Stmt<'s>]; 2] = match statement {
            Stmt::Template(template) => [&template.children, &[]],
            Stmt::ForLoop(each) => [&each.body, &each.else_body],
            Stmt::IfCond(condition) => [&condition.true_body, &condition.false_body],
            Stmt::WithBlock(block) => [&block.body, &[]],
            Stmt::SetBlock(block) => [&block.body, &[]],
            Stmt::AutoEscape(block) => [&block.body, &[]],
            Stmt::FilterBlock(block) => [&block.body, &[]],
            Stmt::Block(block) => [&block.body, &[]],
            Stmt::Macro(each) => [&each.body, &[]],
            Stmt::CallBlock(block) => [&block.macro_decl.body, &[]],
            _ => [&[], &[]],
        };
        let [first, second] = bodies;
        rest.extend(second.iter().rev());
        rest.extend(first.iter().rev());
    }
    all
}

/// The expressions of a statement itself.
pub(super) fn parts<'t, 's>(statement: &'t Stmt<'s>) -> Vec<&'t Expr<'s>> {
    match statement {
        Stmt::EmitExpr(emit) => vec![&emit.expr],
        Stmt::ForLoop(each) => [&each.iter].into_iter().chain(&each.filter_expr).collect(),
        Stmt::IfCond(condition) => vec![&condition.expr],
        Stmt::WithBlock(block) => block.assignments.iter().map(|(_, value)| value).collect(),
        Stmt::Set(set) => vec![&set.target, &set.expr],
        Stmt::SetBlock(block) => [&block.target].into_iter().chain(&block.filter).collect(),
        Stmt::AutoEscape(block) => vec![&block.enabled],
        Stmt::FilterBlock(block) => vec![&block.filter],
        Stmt::Import(import) => vec![&import.expr],
        Stmt::FromImport(import) => vec![&import.expr],
        Stmt::Extends(extends) => vec![&extends.name],
        Stmt::Include(include) => vec![&include.name],
        Stmt::Macro(each) => each.defaults.iter().collect(),
        Stmt::CallBlock(block) => {
            let arguments = block.call.args.iter().map(value);
            block.macro_decl.defaults.iter().chain(arguments).chain([&block.call.expr]).collect()
        }
        Stmt::Do(call) => call.call.args.iter().map(value).chain([&call.call.expr]).collect(),
        Stmt::Template(_) | Stmt::EmitRaw(_) | Stmt::Block(_) | Stmt::Continue(_) | Stmt::Break(_) => vec![],
    }
}

/// The expressions in an expression.
pub(super) fn children<'t, 's>(expr: &'t Expr<'s>) -> Vec<&'t Expr<'s>> {
    match expr {
        Expr::Var(_) | Expr::Const(_) => vec![],
        Expr::Slice(slice) => {
            [&slice.expr].into_iter().chain(&slice.start).chain(&slice.stop).chain(&slice.step).collect()
        }
        Expr::UnaryOp(unary) => vec![&unary.expr],
        Expr::BinOp(binary) => vec![&binary.left, &binary.right],
        Expr::Compare(compare) => {
            [&compare.expr].into_iter().chain(compare.ops.iter().map(|op| &op.expr)).collect()
        }
        Expr::IfExpr(each) => {
            [&each.test_expr, &each.true_expr].into_iter().chain(&each.false_expr).collect()
        }
        Expr::Filter(filter) => filter.expr.iter().chain(filter.args.iter().map(value)).collect(),
        Expr::Test(test) => [&test.expr].into_iter().chain(test.args.iter().map(value)).collect(),
        Expr::GetAttr(attribute) => vec![&attribute.expr],
        Expr::GetItem(item) => vec![&item.expr, &item.subscript_expr],
        Expr::Call(call) => [&call.expr].into_iter().chain(call.args.iter().map(value)).collect(),
        Expr::List(list) => list.items.iter().collect(),
        Expr::Tuple(tuple) => tuple.items.iter().collect(),
        Expr::Map(map) => map.keys.iter().chain(&map.values).collect(),
    }
}

/// Links of the longest chain in an expression: attributes, items, slices, calls and filters, each of what the one before gives.
pub(super) fn links(expr: &Expr<'_>) -> usize {
    let (mut rest, mut most) = (vec![(expr, 0)], 0);
    while let Some((expr, links)) = rest.pop() {
        most = links.max(most);
        let base = match expr {
            Expr::GetAttr(attribute) => Some(&attribute.expr),
            Expr::GetItem(item) => Some(&item.expr),
            Expr::Slice(slice) => Some(&slice.expr),
            Expr::Call(call) => Some(&call.expr),
            Expr::Filter(filter) => filter.expr.as_ref(),
            _ => None,
        };
        let is_base = |child| base.is_some_and(|base| std::ptr::eq(base, child));
        rest.extend(
            children(expr).into_iter().map(|child| (child, if is_base(child) { links + 1 } else { 0 })),
        );
    }
    most
}

/// An argument without its name or stars.
pub(super) fn value<'t, 's>(argument: &'t CallArg<'s>) -> &'t Expr<'s> {
    match argument {
        CallArg::Pos(value)
        | CallArg::Kwarg(_, value)
        | CallArg::PosSplat(value)
        | CallArg::KwargSplat(value) => value,
    }
}

/// Arguments of a call but those that it gives by a name.
pub(super) fn without_names<'t, 's>(call: &'t Call<'s>) -> impl Iterator<Item = &'t Expr<'s>> {
    call.args.iter().filter(|argument| !matches!(argument, CallArg::Kwarg(..))).map(value)
}

/// Whether an operator says if something is so.
pub(super) fn is_comparison(op: BinOpKind) -> bool {
    matches!(
        op,
        BinOpKind::Eq
            | BinOpKind::Ne
            | BinOpKind::Lt
            | BinOpKind::Lte
            | BinOpKind::Gt
            | BinOpKind::Gte
            | BinOpKind::In
    )
}

/// First byte of a span.
pub(super) fn at(span: Span) -> usize {
    span.start_offset as usize
}
