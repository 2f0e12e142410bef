//! Links in Markdown files.

use std::collections::HashSet;

use crate::tree::{assert_none, files, root, text};

/// Lines outside of fenced code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Targets of inline links, images and link definitions.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // What is in backticks is shown, not followed.
        let shown: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let inline = shown
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        found.extend(inline.map(|link| link.split(" \"").next().unwrap().to_owned()));
        if shown.starts_with('[')
            && let Some((_, target)) = shown.split_once("]: ")
        {
            found.push(target.trim().to_owned());
        }
    }
    found
}

/// Anchors that headings get on the usual hosts.
fn anchors(text: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor = kept.collect::<String>().replace(' ', "-");
        let mut number = 0;
        let mut unique = anchor.clone();
        while !found.insert(unique.clone()) {
            number += 1;
            unique = format!("{anchor}-{number}");
        }
    }
    found
}

/// Where a link leads that stands in the file `name`, and why it leads nowhere.
fn problem(name: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let target = match path {
        "" => root().join(name),
        path => root().join(folder).join(path),
    };
    if !target.exists() {
        return Some(format!("{name}: {link} leads nowhere"));
    }
    if !target
        .canonicalize()
        .unwrap()
        .starts_with(root().canonicalize().unwrap())
    {
        return Some(format!("{name}: {link} leads out of the repository"));
    }
    let is_markdown = target
        .extension()
        .is_some_and(|extension| extension == "md");
    if !anchor.is_empty() && is_markdown {
        let text = std::fs::read_to_string(&target).unwrap();
        if !anchors(&text).contains(anchor) {
            return Some(format!("{name}: {link} leads to no heading"));
        }
    }
    None
}

#[test]
fn links_lead_somewhere() {
    let markdown = files().into_iter().filter(|name| name.ends_with(".md"));
    let findings: Vec<_> = markdown
        .flat_map(|name| {
            let links = links(&text(&name).unwrap());
            links
                .into_iter()
                .filter_map(|link| problem(&name, &link))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_none("broken links", &findings);
}

#[test]
fn links_are_found() {
    let text =
        "# A b, c\n[x](a.md#y) ![z](b.png \"t\")\n```\n[no](c)\n```\n`[no](d)` [e](f)\n[r]: g.md\n";
    assert_eq!(links(text), ["a.md#y", "b.png", "f", "g.md"]);
    assert!(anchors(text).contains("a-b-c"));
    assert!(problem("README.md", "no/such.md").is_some());
    assert!(problem("README.md", "Cargo.toml").is_none());
    assert!(problem("README.md", "#no-such-heading").is_some());
}
