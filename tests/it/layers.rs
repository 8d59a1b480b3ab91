//! The import direction of `docs/ARCHITECTURE.md`, read from the `use` lines.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules in the order of data. A module may use what stands before it; those on one line do not use each other, but `wire`
/// is made of `audio` and `music`.
const LAYERS: &[&[&str]] = &[
    &["audio", "cancel", "music"],
    &["wire"],
    &["request"],
    &["plan"],
    &["render"],
    &["mix"],
    &["master"],
    &["artifact"],
    &["job"],
    &["http", "worker"],
    &["config"],
    &["app"],
    &["terminal"],
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The source files of the library with the module they belong to, and their text without comments.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found
        .into_iter()
        .filter_map(|path| {
            let within = path.strip_prefix(&root).unwrap();
            let module = within.iter().next()?.to_str()?.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<&str> =
                text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
            (module != "main" && module != "lib").then(|| (module, path.clone(), code.join("\n")))
        })
        .collect()
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or_else(|| panic!("{module} has no layer"))
}

/// The modules named after `crate::`, those in braces included.
fn imports(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.push(std::mem::take(&mut name));
                    }
                    c if depth == 0 && !c.is_whitespace() => name.push(c),
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    let first = |name: String| name.split("::").next().unwrap_or_default().to_owned();
    names.into_iter().map(first).filter(|name| !name.is_empty()).collect()
}

#[test]
fn imports_go_down_only() {
    for (module, path, code) in modules() {
        for used in imports(&code) {
            assert!(
                used == module || layer(&used) < layer(&module),
                "{}: {module} must not use {used}",
                path.display()
            );
        }
    }
}

#[test]
fn heavy_crates_stay_in_their_place() {
    for (module, path, code) in modules() {
        let at = layer(&module);
        for foreign in ["axum::", "tokio::", "hyper::"] {
            assert!(at >= layer("http") || !code.contains(foreign), "{} uses {foreign}", path.display());
        }
        let in_musicgen = path.components().any(|part| part.as_os_str() == "musicgen");
        assert!(in_musicgen || !code.contains("candle"), "{} uses candle", path.display());
        // `std::env` holds settings; what the tests of a module need is no setting.
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let settings = module == "config" || path.ends_with("tests.rs");
        assert!(settings || !code.contains("env::"), "{} reads the environment", path.display());
    }
}

#[test]
fn the_reader_of_imports_sees_groups() {
    let code = "use crate::{audio::{Pcm, Spec}, plan, wire::X};\ncrate::mix::join()";
    assert_eq!(imports(code), ["audio", "plan", "wire", "mix"]);
}
