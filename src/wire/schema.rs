//! The wire types as JSON Schema (draft 2020-12), one document per body that others store or validate.

use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::{CompositionPlan, GenerationArtifact, GenerationRequest, GenerationStatus};

/// The documents with their names: `GenerationRequest`, `GenerationStatus`, `GenerationArtifact` and `CompositionPlan`.
pub fn documents() -> Vec<(&'static str, Value)> {
    vec![
        ("GenerationRequest", document::<GenerationRequest>("GenerationRequest")),
        ("GenerationStatus", document::<GenerationStatus>("GenerationStatus")),
        ("GenerationArtifact", document::<GenerationArtifact>("GenerationArtifact")),
        ("CompositionPlan", document::<CompositionPlan>("CompositionPlan")),
    ]
}

/// One type with everything it refers to under `$defs`.
fn document<T: ToSchema + PartialSchema>(name: &str) -> Value {
    let mut referenced = Vec::new();
    T::schemas(&mut referenced);
    let definitions = referenced.into_iter().map(|(name, schema)| (name, json!(schema))).collect();
    let mut document = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": name });
    if let (Value::Object(document), Value::Object(schema)) = (&mut document, json!(T::schema())) {
        document.extend(schema);
        document.insert("$defs".into(), Value::Object(definitions));
    }
    point_to_definitions(&mut document);
    document
}

/// OpenAPI keeps shared schemas under `#/components/schemas/`, JSON Schema under `#/$defs/`.
fn point_to_definitions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(target) if name == "$ref" => {
                        *target = target.replace("#/components/schemas/", "#/$defs/");
                    }
                    _ => point_to_definitions(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(point_to_definitions),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field.as_str() {
                        Some(target) if name == "$ref" => found.push(target.to_owned()),
                        _ => references(field, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_stays_in_its_document() {
        for (name, document) in documents() {
            let mut found = Vec::new();
            references(&document, &mut found);
            assert!(!found.is_empty(), "{name}");
            for target in found {
                let key = target.strip_prefix("#/$defs/").unwrap_or_else(|| panic!("{name}: {target}"));
                assert!(document["$defs"].get(key).is_some(), "{name}: {key}");
            }
        }
    }
}
