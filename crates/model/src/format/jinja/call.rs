//! Room `model`, format `jinja`: calls. What a template of a model calls is few and known: functions and macros that nothing
//! else is bound to, and methods that no item can stand for.

use minijinja::machinery::ast::Call;
use minijinja::machinery::ast::CallArg;
use minijinja::machinery::ast::Expr;
use minijinja::machinery::ast::GetAttr;
use ringfence_finding::Verdict;

use super::check::Check;
use super::names;
use super::objects;
use crate::keys::shown;

impl Check<'_> {
    pub(super) fn call(&mut self, call: &Call<'_>, place: usize) {
        for argument in &call.args {
            if let CallArg::Kwarg(name, _) = argument {
                self.attribute(place, name);
            }
        }
        match &call.expr {
            Expr::Var(var) => self.function(place, var.id),
            Expr::GetAttr(method) => self.method(place, method),
            _ => {
                let message = "calls what an expression gives".to_owned();
                self.tell(place, Verdict::Review, message);
            }
        }
    }

    fn function(&mut self, place: usize, name: &str) {
        let is_bound = self.bindings.bound.contains(name);
        if !is_bound && (self.bindings.macros.contains_key(name) || names::is_function(name)) {
            return;
        }
        if names::is_sink(name) {
            return self.tell(place, Verdict::Malicious, format!("calls {name}, which runs code"));
        }
        let message = if is_bound {
            format!("calls what the variable {name} holds")
        } else {
            format!("calls {name}, a function of the program around it that nobody has judged")
        };
        self.tell(place, Verdict::Review, message);
    }

    fn method(&mut self, place: usize, method: &GetAttr<'_>) {
        let name = method.name;
        if names::is_sink(name) || matches!(name, "system" | "format_map" | "load_module") {
            let verdict = if name == "format_map" { Verdict::Review } else { Verdict::Malicious };
            return self.tell(place, verdict, format!("calls the method {name}"));
        }
        let is_block =
            matches!(&method.expr, Expr::Var(var) if var.id == "self") && self.bindings.blocks.contains(name);
        if !names::is_method(name) && !is_block {
            let message = format!("calls the method {}, which is none of text, lists or dicts", shown(name));
            return self.tell(place, Verdict::Review, message);
        }
        // Where an object has no such method, Jinja2 takes the item.
        if self.bindings.may_be_item(name) {
            let message = format!("calls {}, which may be an item of a dict or namespace", shown(name));
            return self.tell(place, Verdict::Review, message);
        }
        if objects::unseen(&self.bindings.folder, &method.expr) > 1 {
            let message = format!("calls {} of something that is looked up twice by variables", shown(name));
            return self.tell(place, Verdict::Review, message);
        }
        if name == "format" {
            self.format(place, &method.expr);
        }
    }

    /// `'{0.__class__}'.format(x)` walks attributes.
    fn format(&mut self, place: usize, form: &Expr<'_>) {
        let Some(form) = self.bindings.folder.text(form) else {
            let message = "formats by a text that is not written in the template".to_owned();
            return self.tell(place, Verdict::Review, message);
        };
        let fields =
            form.split('{').skip(1).map(|rest| rest.split(['}', ':', '!']).next().unwrap_or_default());
        for field in fields {
            let parts = field.split(['.', '[', ']']).skip(1);
            match parts.filter_map(names::attribute).max() {
                Some(verdict) => self.tell(place, verdict, format!("formats the attribute {}", shown(field))),
                None if field.contains(['.', '[']) => {
                    self.tell(place, Verdict::Review, format!("formats the attribute {}", shown(field)));
                }
                None => {}
            }
        }
    }
}
