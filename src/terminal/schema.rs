//! `timbre schema`.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{Failure, print, print_json};
use crate::{http, wire::schema};

pub(super) fn run(name: Option<&str>, write: Option<&Path>) -> Result<(), Failure> {
    let mut documents = schema::documents();
    documents.push(("openapi", json!(http::openapi())));
    if let Some(directory) = write {
        return documents.iter().try_for_each(|(name, document)| write_file(directory, name, document));
    }
    match name {
        Some(name) => match documents.iter().find(|(known, _)| *known == name) {
            Some((_, document)) => print_json(document),
            None => {
                Err(Failure::Usage(format!("there is no schema {name:?}; there are {}", names(&documents))))
            }
        },
        None => print(&format!("{}\n", names(&documents))),
    }
}

fn names(documents: &[(&'static str, Value)]) -> String {
    documents.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

fn write_file(directory: &Path, name: &str, document: &Value) -> Result<(), Failure> {
    let path = directory.join(format!("{name}.json"));
    let json = serde_json::to_string_pretty(document).map_err(|error| Failure::Output(error.into()))?;
    fs::write(&path, json + "\n").map_err(|source| crate::artifact::ArtifactError::Write { path, source })?;
    Ok(())
}
