//! `schemas/` is what the program prints.

use std::{fs, path::Path};

use serde_json::{Value, json};

#[test]
fn schemas_are_those_of_this_build() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let mut documents = timbre::wire::schema::documents();
    documents.push(("openapi", json!(timbre::http::openapi())));
    for (name, document) in &documents {
        let path = directory.join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let committed: Value = serde_json::from_str(&text).unwrap();
        assert!(
            committed == *document,
            "schemas/{name}.json is not what this build prints: run `make schemas`"
        );
    }
    let files = fs::read_dir(directory).unwrap().count();
    assert_eq!(files, documents.len(), "a file in schemas/ belongs to no document");
}
