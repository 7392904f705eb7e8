//! Room `inventory`: a [`Snapshot`] -> a file that can be scanned again elsewhere: one JSON document a line, the header
//! first, then one object each. Every text goes through a redactor that the caller gives; this room knows no secrets.

use std::io;
use std::io::Write;

use super::Extent;
use super::Item;
use super::Listed;
use super::Served;
use super::Snapshot;
use crate::pod::KindSchema;
use crate::pod::SchemaPath;
use crate::pod::SchemaShape;
use crate::yaml::Value;
use crate::yaml::write_json_string;

/// Version of the form, in the header's `apiVersion`.
pub(super) const API_VERSION: &str = "ringfence.dev/v1alpha1";
/// The header's `kind`.
pub(super) const KIND: &str = "SavedInventory";

/// Says what of an object may stand in a file that leaves the house.
pub trait Redact {
    /// What to write in the place of a scalar; none: the scalar itself. Its neighbours in the tree may be asked.
    fn value(&self, value: Value<'_>) -> Option<String>;

    /// What to write in the place of a key of a mapping; none: the key itself.
    fn key(&self, key: &str) -> Option<String>;
}

impl Snapshot {
    /// Writes it, redacted. [`Snapshot::load`] reads it again.
    ///
    /// # Errors
    /// Of the writer.
    pub fn save(&self, redact: &dyn Redact, out: &mut dyn Write) -> io::Result<()> {
        let mut line = String::new();
        self.header(&mut line);
        line.push('\n');
        out.write_all(line.as_bytes())?;
        for item in &self.items {
            line.clear();
            write_item(item, redact, &mut line);
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn header(&self, out: &mut String) {
        let about = &self.about;
        object(out, |fields| {
            fields.text("apiVersion", Some(API_VERSION));
            fields.text("kind", Some(KIND));
            fields.nested("about", |fields| {
                fields.text("server", Some(&about.server));
                fields.text("context", about.context.as_deref());
                fields.text("version", about.version.as_deref());
                fields.text("date", about.date.as_deref());
                fields.text("namespace", Some(&about.namespace));
            });
            fields.nested("narrowed", |fields| {
                fields.texts("namespaces", &self.narrowed.namespaces);
                fields.text("selector", self.narrowed.selector.as_deref());
            });
            fields.number("objects", u64::try_from(self.items.len()).unwrap_or(u64::MAX));
            fields.list("lists", &self.lists, listed);
            fields.list("served", &self.served, served);
            fields.list("schemas", self.schemas.iter().filter(|schema| schema.may_bear_pods()), schema);
            fields.texts("silent", &self.silent);
        });
    }
}

fn listed(listed: &Listed, fields: &mut Fields<'_>) {
    fields.text("group", Some(&listed.group));
    fields.text("kind", Some(&listed.kind));
    fields.text("plural", Some(&listed.plural));
    fields.flag("bearsPods", listed.bears_pods);
    fields.text("version", listed.version.as_deref());
    fields.number("objects", u64::from(listed.objects));
    match &listed.extent {
        Extent::Everywhere => fields.text("whole", Some("everywhere")),
        Extent::Nowhere => fields.text("whole", Some("nowhere")),
        Extent::Namespaces(names) => fields.texts("wholeIn", names),
    }
    if let Some(gap) = &listed.gap {
        fields.text("gap", Some(gap.kind.as_str()));
        fields.text("message", Some(&gap.message));
    }
}

fn served(served: &Served, fields: &mut Fields<'_>) {
    fields.text("group", Some(&served.group));
    fields.text("kind", Some(&served.kind));
    fields.text("plural", Some(&served.plural));
    fields.text("scope", Some(if served.namespaced { "Namespaced" } else { "Cluster" }));
    fields.texts("versions", &served.versions);
    fields.texts("verbs", &served.verbs);
}

fn schema(schema: &KindSchema, fields: &mut Fields<'_>) {
    fields.text("group", Some(&schema.group));
    fields.text("kind", Some(&schema.kind));
    fields.text("plural", Some(&schema.plural));
    fields.text("scope", Some(if schema.namespaced { "Namespaced" } else { "Cluster" }));
    fields.texts("served", schema.served.iter().map(|version| &**version));
    let path = |path: &SchemaPath, fields: &mut Fields<'_>| fields.texts("path", path.steps());
    for (name, wanted) in [("specs", SchemaShape::Spec), ("parts", SchemaShape::Part)] {
        let paths = schema.paths.iter().filter(|(shape, _)| *shape == wanted).map(|(_, path)| path);
        fields.list(name, paths, path);
    }
    fields.list("opaque", &schema.opaque, path);
    fields.list("gaps", &schema.gaps, |gap, fields| {
        fields.text("reason", Some(gap.reason.as_str()));
        fields.text("message", Some(&gap.message));
    });
}

fn write_item(item: &Item, redact: &dyn Redact, out: &mut String) {
    object(out, |fields| {
        if item.copies > 1 {
            fields.number("copies", u64::from(item.copies));
        }
        if !item.nodes.is_empty() {
            fields.texts("nodes", item.nodes.iter().map(|node| &**node));
        }
        fields.raw("object", |out| write_redacted(item.tree.root(), redact, out));
    });
}

/// Writes a value of a JSON text as JSON, every scalar and key through the redactor. What is not replaced stands there
/// as it was written.
pub fn write_redacted(value: Value<'_>, redact: &dyn Redact, out: &mut String) {
    let written = |range: std::ops::Range<usize>| value.tree().source().get(range).unwrap_or("null");
    if value.is_mapping() {
        out.push('{');
        for (index, (key, value)) in value.entries().enumerate() {
            if index > 0 {
                out.push(',');
            }
            match (redact.key(key), value.key_range()) {
                (None, Some(range)) => out.push_str(written(range)),
                (text, _) => write_json_string(text.as_deref().unwrap_or(key), out),
            }
            out.push(':');
            write_redacted(value, redact, out);
        }
        out.push('}');
    } else if value.is_sequence() {
        out.push('[');
        for (index, item) in value.items().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_redacted(item, redact, out);
        }
        out.push(']');
    } else {
        match redact.value(value) {
            Some(text) => write_json_string(&text, out),
            None => out.push_str(written(value.range())),
        }
    }
}

fn object(out: &mut String, write: impl FnOnce(&mut Fields<'_>)) {
    out.push('{');
    let mut fields = Fields { out, any: false };
    write(&mut fields);
    out.push('}');
}

/// Writes the members of one JSON object.
struct Fields<'o> {
    out: &'o mut String,
    any: bool,
}

impl Fields<'_> {
    fn raw(&mut self, key: &str, write: impl FnOnce(&mut String)) {
        if self.any {
            self.out.push(',');
        }
        self.any = true;
        write_json_string(key, self.out);
        self.out.push(':');
        write(self.out);
    }

    fn text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.raw(key, |out| write_json_string(text, out));
        }
    }

    fn flag(&mut self, key: &str, is: bool) {
        self.raw(key, |out| out.push_str(if is { "true" } else { "false" }));
    }

    fn number(&mut self, key: &str, number: u64) {
        self.raw(key, |out| out.push_str(&number.to_string()));
    }

    fn texts<T: AsRef<str>>(&mut self, key: &str, texts: impl IntoIterator<Item = T>) {
        self.raw(key, |out| {
            out.push('[');
            for (index, text) in texts.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json_string(text.as_ref(), out);
            }
            out.push(']');
        });
    }

    fn nested(&mut self, key: &str, write: impl FnOnce(&mut Fields<'_>)) {
        self.raw(key, |out| object(out, write));
    }

    fn list<T>(&mut self, key: &str, items: impl IntoIterator<Item = T>, write: impl Fn(T, &mut Fields<'_>)) {
        self.raw(key, |out| {
            out.push('[');
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                object(out, |fields| write(item, fields));
            }
            out.push(']');
        });
    }
}
