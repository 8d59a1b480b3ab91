//! What the pages for users show is true.

use std::{fs, path::Path};

use timbre::{
    request::{Defaults, Request},
    wire::GenerationRequest,
};

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The text between a fence of this kind and the next fence.
fn fenced<'a>(page: &'a str, kind: &str) -> Vec<&'a str> {
    let blocks = page.split("\n```").collect::<Vec<_>>();
    blocks.into_iter().filter_map(|block| block.strip_prefix(&format!("{kind}\n"))).collect()
}

#[test]
fn requests_in_the_documentation_are_accepted() {
    let page = page("docs/API.md");
    let requests = fenced(&page, "json");
    assert!(!requests.is_empty());
    for text in requests {
        let wire: GenerationRequest = serde_json::from_str(text).unwrap();
        let request = Request::new(wire, &Defaults::default()).unwrap();
        timbre::plan::plan(&request).unwrap();
    }
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    let pages = [
        "README.md",
        "CHANGELOG.md",
        "cli/README.md",
        "docs/API.md",
        "docs/ARCHITECTURE.md",
        "docs/COMPOSITION.md",
        "docs/CONTRIBUTING.md",
        "docs/PERFORMANCE.md",
    ];
    for name in pages {
        let text = page(name);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let directory = directory.parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let target = link.split('#').next().unwrap();
            let local = !target.is_empty() && !target.contains("://");
            assert!(!local || directory.join(target).exists(), "{name} links to {link}");
        }
    }
}
