//! The import direction of `docs/ARCHITECTURE.md`, read from the paths in the code: `use` lines and all others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// Modules in the order of data. A module may use what stands before it; those on one line do not use each other, but `wire`
/// is made of `audio` and `music`.
const LAYERS: &[&[&str]] = &[
    &["audio", "cancel", "music"],
    &["wire", "convert"],
    &["source"],
    &["request"],
    &["plan"],
    &["render"],
    &["mix"],
    &["master"],
    &["artifact"],
    &["job"],
    &["http", "worker", "models"],
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

/// A source file of the library.
struct Source {
    /// The module it belongs to.
    module: String,
    path: PathBuf,
    code: Vec<Token>,
}

/// The source files of the library, but for the two that name every module.
fn source_files() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found
        .into_iter()
        .filter_map(|path| {
            let within = path.strip_prefix(&root).unwrap().with_extension("");
            let names: Vec<&str> = within.iter().map(|name| name.to_str().unwrap()).collect();
            let depth = names.iter().filter(|name| **name != "mod").count();
            let code = tokens(&fs::read_to_string(&path).unwrap(), depth);
            let module = names[0].to_owned();
            (module != "main" && module != "lib").then_some(Source { module, path, code })
        })
        .collect()
}

/// A piece of code that is no comment.
#[derive(Clone)]
struct Token {
    /// Of a literal only that it is one.
    text: String,
    /// How deep the module is that it stands in; the crate's root is 0.
    depth: usize,
    /// Whether it stands in a test module.
    test: bool,
}

/// The code of a file whose module is this deep.
fn tokens(text: &str, depth: usize) -> Vec<Token> {
    let mut found = Vec::new();
    walk(text.parse().unwrap(), depth, false, &mut found);
    found
}

fn walk(stream: TokenStream, depth: usize, test: bool, found: &mut Vec<Token>) {
    let mut joint = false;
    for tree in stream {
        let mut push = |text: &str| found.push(Token { text: text.to_owned(), depth, test });
        match tree {
            TokenTree::Ident(ident) => push(&ident.to_string()),
            TokenTree::Literal(_) => push("literal"),
            TokenTree::Punct(punct) => {
                let second = joint && punct.as_char() == ':';
                joint = !second && punct.as_char() == ':' && punct.spacing() == Spacing::Joint;
                if second {
                    push("::");
                } else if !joint {
                    push(&punct.to_string());
                }
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                push(open);
                let before = found.iter().rev().skip(1).map(|token| token.text.as_str());
                // `mod name {`, and before it what may only be attributes.
                let in_module = open == "{" && before.clone().nth(1) == Some("mod");
                let attributes = before.skip(2).take_while(|text| !["}", ";"].contains(text));
                let cfg_test = ["]", ")", "test", "(", "cfg", "["];
                let of_tests = in_module
                    && attributes.collect::<Vec<_>>().windows(cfg_test.len()).any(|some| some == cfg_test);
                walk(group.stream(), depth + usize::from(in_module), test || of_tests, found);
                found.push(Token { text: close.to_owned(), depth, test });
            }
        }
    }
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or_else(|| panic!("{module} has no layer"))
}

/// The modules named right after the crate's root, which is reached by `crate::` or by enough `super::`; those in braces included.
fn imports(code: &[Token]) -> Vec<String> {
    let text = |at: usize| code.get(at).map_or("", |token| token.text.as_str());
    let mut names = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let start = at;
        let mut up = 0;
        while text(at) == "super" && text(at + 1) == "::" {
            (up, at) = (up + 1, at + 2);
        }
        let root = text(at) == "crate" && text(at + 1) == "::";
        if root {
            at += 2;
        }
        if root || (up > 0 && up >= code[start].depth) {
            if text(at) == "{" {
                names.extend(group(code, at));
            } else {
                names.push(text(at).to_owned());
            }
        }
        at = at.max(start + 1);
    }
    names
}

/// The first name of each path in the braces that open at `open`.
fn group(code: &[Token], open: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    for (token, before) in code[open + 1..].iter().zip(&code[open..]) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 0 => break,
            "}" => depth -= 1,
            name if depth == 0 && ["{", ","].contains(&before.text.as_str()) && name != "," => {
                names.push(name.to_owned());
            }
            _ => {}
        }
    }
    names
}

/// The names that something is taken from: `name::`.
fn named(code: &[Token]) -> impl Iterator<Item = &Token> {
    code.iter().zip(&code[1..]).filter(|(_, next)| next.text == "::").map(|(name, _)| name)
}

#[test]
fn imports_go_down_only() {
    for Source { module, path, code } in source_files() {
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
    let of_http = ["axum", "futures_util", "hyper", "hyper_util", "tokio", "tokio_io_timeout", "tower_http"];
    for Source { module, path, code } in source_files() {
        let at = layer(&module);
        let in_musicgen = path.components().any(|part| part.as_os_str() == "musicgen");
        // What the tests of a module need from the environment is no setting.
        let tests = path.ends_with("tests.rs");
        for name in named(&code) {
            let (text, path) = (name.text.as_str(), path.display());
            assert!(at >= layer("http") || !of_http.contains(&text), "{path} uses {text}");
            assert!(in_musicgen || !text.starts_with("candle"), "{path} uses {text}");
            assert!(
                text != "env" || module == "config" || tests || name.test,
                "{path} reads the environment"
            );
        }
    }
}

#[test]
fn the_reader_sees_code_and_nothing_else() {
    let code = r#"
        //! crate::http
        use crate::{audio::{Pcm, Spec}, plan, wire::X};
        use super::super::job::{self, Store}; // crate::http
        const URL: &str = "http://crate::http"; const C: char = '"'; /* crate::http */ fn f() { crate::mix::join(); super::near(); }
        #[cfg(test)]
        mod tests { use super::*; use super::super::near; use super::super::super::render::Engine; use std::env::var; }
        pub(super) fn g() { crate::master::master(); std::env::var(); }
    "#;
    let code = tokens(code, 2);
    assert_eq!(imports(&code), ["audio", "plan", "wire", "job", "mix", "render", "master"]);
    let env: Vec<bool> = named(&code).filter(|name| name.text == "env").map(|name| name.test).collect();
    assert_eq!(env, [true, false]);
}
