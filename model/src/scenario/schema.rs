//! The JSON Schema of scenario files, from the same list of keys that reads them.

use super::read::scenario;
use super::table::Table;
use serde_json::{Value as Json, json};

/// The JSON Schema (2020-12) of scenario files, indented, with a final newline: what
/// `model/scenario.schema.json` holds.
#[must_use]
pub fn schema() -> String {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "versus scenario",
        "description": "A load, a message, and the stacks that are compared under it.",
    });
    if let (Some(head), Some(body)) = (schema.as_object_mut(), Table::describe(scenario).as_object_mut()) {
        head.append(body);
    }
    format!("{:#}\n", sorted(schema))
}

/// Keys in alphabetical order, whichever map `serde_json` was built with.
fn sorted(json: Json) -> Json {
    match json {
        Json::Object(fields) => {
            let mut fields: Vec<(String, Json)> =
                fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(fields.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}
