//! Room `domain`: a value in, YAML for people out. Plain where every reader of YAML, 1.1 or 1.2, takes it for the same
//! string, else in double quotes as JSON writes them.

use std::fmt::Write as _;

use serde_json::Value;

/// A document, without a leading `---`.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(value, 0, &mut text),
        Value::Array(list) if !list.is_empty() => block(value, 0, &mut text),
        flat => {
            scalar(flat, &mut text);
            text.push('\n');
        }
    }
    text
}

/// A mapping or sequence that is not empty, each line indented.
fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let _ = write!(text, "{:indent$}", "");
                string(key, text);
                text.push(':');
                after_key(value, indent, text);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| after_dash(item, indent, text)),
        _ => {}
    }
}

fn after_key(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            block(value, indent + 2, text);
        }
        // As kubectl writes them: a sequence stands under its key.
        Value::Array(list) if !list.is_empty() => {
            text.push('\n');
            block(value, indent, text);
        }
        flat => {
            text.push(' ');
            scalar(flat, text);
            text.push('\n');
        }
    }
}

fn after_dash(value: &Value, indent: usize, text: &mut String) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    let _ = write!(text, "{:indent$}- ", "");
    if nested {
        // The first line follows the dash, in the place of its indentation.
        let mut inner = String::new();
        block(value, indent + 2, &mut inner);
        text.push_str(inner.get(indent + 2..).unwrap_or_default());
    } else {
        scalar(value, text);
        text.push('\n');
    }
}

fn scalar(value: &Value, text: &mut String) {
    match value {
        Value::String(it) => string(it, text),
        Value::Object(_) => text.push_str("{}"),
        Value::Array(_) => text.push_str("[]"),
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

fn string(it: &str, text: &mut String) {
    if is_plain(it) {
        text.push_str(it);
    } else {
        let _ = write!(text, "{}", Value::from(it));
    }
}

/// Whether no reader takes it for anything but this string.
fn is_plain(it: &str) -> bool {
    const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan"];

    let starts_well = it.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./ ,()'`;=+@$".contains(&byte);
    starts_well
        && it.bytes().all(plain)
        && !it.ends_with(' ')
        && !WORDS.iter().any(|word| it.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_reads_as_kubectl_prints_it() {
        let value = json!({
            "kind": "A", "empty": {}, "none": [], "n": 1, "count": 1, "yes": true,
            "list": [{"a": 1, "b": [1, [2]]}, "x"],
            "words": ["no", "1e3", "0x1f", "a: b", "a #b", "- x", "", "~", "x\ny", "true", "2001-01-01"],
        });
        let expected = "\
kind: A
empty: {}
none: []
\"n\": 1
count: 1
\"yes\": true
list:
- a: 1
  b:
  - 1
  - - 2
- x
words:
- \"no\"
- \"1e3\"
- \"0x1f\"
- \"a: b\"
- \"a #b\"
- \"- x\"
- \"\"
- \"~\"
- \"x\\ny\"
- \"true\"
- \"2001-01-01\"
";
        assert_eq!(yaml(&value), expected);
    }
}
