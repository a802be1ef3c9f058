//! A chat template with the environment that transformers gives it: trim_blocks and lstrip_blocks on, loop controls,
//! `{% generation %}`, `raise_exception`, `strftime_now`, its own `tojson`, and Python's methods and printing.

use crate::python::{self, JsonStyle};
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

/// The name in error messages: "... (in chat template:12)".
const NAME: &str = "chat template";

pub struct Template {
    environment: Environment<'static>,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(|out, _, value| Ok(out.write_str(&python::str(value)?)?));
        environment.add_filter("string", |value: Value| python::str(&value));
        environment.add_filter("tojson", to_json);
        environment.add_filter("trim", trim);
        environment.add_test("iterable", is_iterable);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_template_owned(NAME, accept_generation_blocks(text))?;
        Ok(Self { environment })
    }

    pub fn render(&self, context: &serde_json::Value) -> Result<String, Error> {
        self.environment.get_template(NAME)?.render(Value::from_serialize(context))
    }
}

fn raise_exception(message: Value) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, python::str(&message)?))
}

/// As Jinja2's, also of values that are no strings.
fn trim(value: Value, chars: Option<String>) -> Result<String, Error> {
    let text = python::str(&value)?;
    Ok(match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).to_owned(),
        None => text.trim().to_owned(),
    })
}

/// None is not: templates tell absent tools or content by it.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now({format:?}): {error}")))
}

fn to_json(value: Value, ensure_ascii: Option<bool>, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let ensure_ascii = match ensure_ascii {
        Some(given) => given,
        None => options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
    };
    let indent = match indent {
        Some(given) => Some(given),
        None => options.get::<Option<Value>>("indent")?,
    };
    let indent = indent.as_ref().map(indent_text).transpose()?.flatten();
    let (item_separator, key_separator) = match options.get::<Option<Vec<String>>>("separators")? {
        None => (if indent.is_some() { "," } else { ", " }.into(), ": ".into()),
        Some(pair) => match <[String; 2]>::try_from(pair) {
            Ok([item, key]) => (item, key),
            Err(_) => return Err(Error::new(ErrorKind::InvalidOperation, "tojson: separators must be two strings")),
        },
    };
    let sort_keys = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    options.assert_all_used()?;
    let style = JsonStyle { ensure_ascii, indent, item_separator, key_separator, sort_keys };
    python::json(&value, &style).map(Value::from)
}

/// json.dumps takes a number of spaces, the text itself, or None for one line.
fn indent_text(indent: &Value) -> Result<Option<String>, Error> {
    if indent.kind() == ValueKind::None {
        return Ok(None);
    }
    if let Some(text) = indent.as_str() {
        return Ok(Some(text.to_owned()));
    }
    let spaces = i64::try_from(indent.clone())?;
    Ok(Some(" ".repeat(spaces.clamp(0, 64) as usize)))
}

/// `{% generation %}` marks the assistant's part for training and prints its body as it is; inside, `set` is local.
/// `with` behaves the same, so the tag is renamed, which keeps its whitespace control and every line number.
fn accept_generation_blocks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        out.push_str(before);
        let word_start = tag.len() - tag.trim_start_matches(['-', '+']).trim_start().len();
        let (head, word) = tag.split_at(word_start);
        rest = tag;
        for (name, replacement) in [("generation", "with"), ("endgeneration", "endwith")] {
            let Some(tail) = word.strip_prefix(name) else { continue };
            if tail.trim_start().trim_start_matches(['-', '+']).starts_with("%}") {
                out.push_str(head);
                out.push_str(replacement);
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}
