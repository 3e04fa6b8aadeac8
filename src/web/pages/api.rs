//! `/api`: the `OpenAPI` document, for people. Works offline.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use askama::Template;
use axum::{Extension, Router, response::Html, routing::get};
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::page;
use crate::{
    error::AppResult,
    web::{AppState, language::Language, shell::Shell},
};

/// The page's sentences in Persian, by their English: the document itself is for programs, which are told in one language.
static PERSIAN: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| rows(include_str!("../../../locales/fa/api.tsv")).collect());

/// What an error's `type` can be, its status, and when it is that.
const PROBLEMS: [(&str, u16, &str); 8] = [
    ("not-found", 404, "no such set, word or address; `suggestions` has near spellings."),
    ("sign-in", 401, "on a shared server, nobody is signed in; a program sends `Authorization: Bearer` and a token."),
    ("forbidden", 403, "the role or the token does not allow it."),
    ("too-many", 429, "signing in was tried too often; `Retry-After` says when to try again."),
    ("conflict", 409, "the thing is in a state that doesn’t allow this, such as resuming a run that is done."),
    ("invalid", 422, "`field` names what can’t be used, `detail` says what was expected."),
    ("busy", 503, "too much is asked at once; `Retry-After` says when to come back."),
    ("unavailable", 503, "not here yet; `detail` says what brings it."),
];

fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

/// One method at one address.
#[derive(Debug)]
struct Endpoint {
    method: String,
    path: String,
    summary: String,
    parameters: Vec<Parameter>,
    /// Field by field, for a body in JSON.
    body: Vec<Field>,
    /// Field by field, of a good answer.
    answer: Vec<Field>,
    /// What a good answer looks like, from the examples of its fields; empty where it is no JSON.
    sample: String,
    /// The other answers: status and when.
    problems: Vec<(String, String)>,
    /// A command that shows it.
    example: String,
}

impl Endpoint {
    /// Where the page has it.
    fn anchor(&self) -> String {
        let words = self.path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        std::iter::once(self.method.to_lowercase().as_str()).chain(words).collect::<Vec<_>>().join("-")
    }

    /// What is sent and what comes back, field by field, with the key of the caption.
    fn tables(&self) -> [(&'static str, &[Field]); 2] {
        [("api-body", &self.body), ("api-answer", &self.answer)]
    }
}

#[derive(Debug)]
struct Parameter {
    name: String,
    /// The key of the text that says where it stands.
    place: &'static str,
    kind: String,
    is_required: bool,
    description: String,
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: String,
    description: String,
}

#[derive(Debug)]
struct Chapter {
    name: String,
    description: String,
    endpoints: Vec<Endpoint>,
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    shell: Shell,
    chapters: Arc<Vec<Chapter>>,
}

impl ApiPage {
    /// A text of the document in the reader's language.
    fn told<'text>(&self, english: &'text str) -> &'text str {
        if self.shell.language == Language::Persian { PERSIAN.get(english).copied().unwrap_or(english) } else { english }
    }

    /// The same in pieces, with whether each is code: what stands between backticks.
    fn pieces<'text>(&self, english: &'text str) -> impl Iterator<Item = (&'text str, bool)> {
        let pieces = self.told(english).split('`').enumerate().map(|(place, piece)| (piece, place % 2 == 1));
        pieces.filter(|(piece, _)| !piece.is_empty())
    }

    fn problems(&self) -> [(&'static str, u16, &'static str); 8] {
        PROBLEMS
    }
}

pub fn router(document: OpenApi) -> Router<AppState> {
    let chapters = Arc::new(chapters(&serde_json::to_value(document).unwrap_or_default()));
    Router::new().route("/api", get(api)).layer(Extension(chapters))
}

async fn api(Extension(chapters): Extension<Arc<Vec<Chapter>>>, shell: Shell) -> AppResult<Html<String>> {
    page(&ApiPage { shell, chapters })
}

fn chapters(document: &Value) -> Vec<Chapter> {
    let mut endpoints: Vec<(String, Endpoint)> = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if operation["responses"].is_object() {
                endpoints.push((text(&operation["tags"][0]), endpoint(document, path, method, operation)));
            }
        }
    }
    let tags = document["tags"].as_array().into_iter().flatten();
    tags.map(|tag| {
        let name = text(&tag["name"]);
        let (own, others) = std::mem::take(&mut endpoints).into_iter().partition(|(tag, _)| *tag == name);
        endpoints = others;
        let own: Vec<(String, Endpoint)> = own;
        Chapter { description: prose(&tag["description"]), endpoints: own.into_iter().map(|(_, endpoint)| endpoint).collect(), name }
    })
    .collect()
}

fn endpoint(document: &Value, path: &str, method: &str, operation: &Value) -> Endpoint {
    let given: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    let parameters = given.iter().map(|parameter| Parameter {
        name: text(&parameter["name"]),
        place: match parameter["in"].as_str() {
            Some("path") => "api-in-path",
            Some("header") => "api-in-header",
            _ => "api-in-query",
        },
        kind: kind(&parameter["schema"]),
        is_required: parameter["required"] == true,
        description: prose(&parameter["description"]),
    });
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let responses = operation["responses"].as_object().into_iter().flatten();
    let good = responses.clone().find(|(status, _)| status.starts_with('2')).map_or(&Value::Null, |(_, response)| response);
    let good = &good["content"]["application/json"]["schema"];
    let problems = responses
        .filter(|(status, _)| !status.starts_with('2'))
        .map(|(status, response)| (status.clone(), prose(&response["description"])));
    Endpoint {
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: [prose(&operation["summary"]), prose(&operation["description"])].join(" ").trim().to_owned(),
        parameters: parameters.collect(),
        body: fields(document, body),
        answer: fields(document, good),
        sample: if resolve(document, good)["properties"].is_object() { format!("{:#}", sample(document, good)) } else { String::new() },
        problems: problems.collect(),
        example: example(document, path, method, &given, body),
    }
}

/// The fields of a schema, following references one level deep per array.
fn fields(document: &Value, schema: &Value) -> Vec<Field> {
    let schema = resolve(document, schema);
    let mut fields = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let resolved = resolve(document, field);
        fields.push(Field { name: name.clone(), kind: kind(field), description: prose(&field["description"]) });
        let items = resolve(document, &resolved["items"]);
        let nested = if items["properties"].is_object() { items } else { resolved };
        for (inner, field) in nested["properties"].as_object().into_iter().flatten() {
            let separator = if resolved["items"].is_null() { "." } else { "[]." };
            fields.push(Field { name: format!("{name}{separator}{inner}"), kind: kind(field), description: prose(&field["description"]) });
        }
    }
    fields
}

/// A value of a schema: its example where there is one, else a stand-in of its type.
fn sample(document: &Value, schema: &Value) -> Value {
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    let schema = resolve(document, schema);
    if let Some(properties) = schema["properties"].as_object() {
        return properties.iter().map(|(name, field)| (name.clone(), sample(document, field))).collect();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match (kind, &schema["enum"][0]) {
        (_, value) if !value.is_null() => value.clone(),
        (Some("array"), _) => Value::Array(vec![sample(document, &schema["items"])]),
        (Some("integer"), _) => Value::from(0),
        (Some("number"), _) => Value::from(0.5),
        (Some("string"), _) if schema["type"].is_array() => Value::Null,
        _ => Value::from("…"),
    }
}

fn resolve<'document>(document: &'document Value, schema: &'document Value) -> &'document Value {
    let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("{}[]", kind_of_items(schema)),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
    .replace("array", &format!("{}[]", kind_of_items(schema)))
}

fn kind_of_items(schema: &Value) -> String {
    if schema["items"].is_object() { kind(&schema["items"]) } else { "any".to_owned() }
}

fn example(document: &Value, path: &str, method: &str, parameters: &[&Value], body: &Value) -> String {
    let mut address = path.to_owned();
    let mut query = Vec::new();
    for parameter in parameters {
        let name = text(&parameter["name"]);
        let values = match &parameter["example"] {
            Value::Array(values) => values.iter().map(plain).collect(),
            Value::Null => continue,
            value => vec![plain(value)],
        };
        if parameter["in"] == "path" {
            address = address.replace(&format!("{{{name}}}"), &values.join(""));
        } else {
            query.extend(values.into_iter().map(|value| format!("{name}={value}")));
        }
    }
    if !query.is_empty() {
        address = format!("{address}?{}", query.join("&"));
    }
    let command = if method == "get" { "curl".to_owned() } else { format!("curl -X {}", method.to_uppercase()) };
    let properties = resolve(document, body)["properties"].as_object();
    let examples = properties.into_iter().flatten().filter(|(_, field)| !field["example"].is_null());
    let body: serde_json::Map<String, Value> = examples.map(|(name, field)| (name.clone(), field["example"].clone())).collect();
    let data = if body.is_empty() { String::new() } else { format!(" --json '{}'", Value::Object(body)) };
    format!("{command} 'http://127.0.0.1:8080{address}'{data}")
        .replace("curl -X POST ", if data.is_empty() { "curl -X POST " } else { "curl " })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text in one line, however its comment in the source is broken.
fn prose(value: &Value) -> String {
    text(value).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::web::api;

    /// Every text that the page shows of the document.
    fn shown() -> BTreeSet<String> {
        let mut shown: BTreeSet<String> = PROBLEMS.iter().map(|(.., when)| (*when).to_owned()).collect();
        for chapter in chapters(&serde_json::to_value(api::router().1).unwrap()) {
            shown.extend([chapter.name, chapter.description]);
            for endpoint in chapter.endpoints {
                shown.insert(endpoint.summary);
                shown.extend(endpoint.parameters.into_iter().map(|parameter| parameter.description));
                shown.extend(endpoint.body.into_iter().chain(endpoint.answer).map(|field| field.description));
                shown.extend(endpoint.problems.into_iter().map(|(_, description)| description));
            }
        }
        shown.remove("");
        shown
    }

    #[test]
    fn every_text_of_the_reference_is_there_in_persian_and_no_other() {
        let (shown, told) = (shown(), PERSIAN.keys().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>());
        assert!(shown.len() > 200, "{}", shown.len());
        let list = |texts: Vec<&String>| texts.into_iter().map(|text| format!("{text}\n")).collect::<String>();
        let (missing, spare) = (list(shown.difference(&told).collect()), list(told.difference(&shown).collect()));
        assert!(missing.is_empty() && spare.is_empty(), "locales/fa/api.tsv lacks\n{missing}\nand nobody says\n{spare}");
    }

    #[test]
    fn what_is_code_is_the_same_in_both_languages() {
        let code = |text: &'static str| {
            let mut code: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
            code.sort_unstable();
            (code, text.matches('`').count() % 2)
        };
        for (english, persian) in PERSIAN.iter() {
            assert_eq!(code(english), code(persian), "{english}");
            assert!(persian.chars().any(|letter| ('\u{600}'..='\u{6ff}').contains(&letter)) || !english.contains(' '), "{english}");
        }
    }
}
