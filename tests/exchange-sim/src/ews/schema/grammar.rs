//! Reads the order tables.

use super::{Attribute, Complex, Kind, Occurs, Particle, Schema, Simple};

/// Reads all lines.
pub(super) fn read(table: &str) -> Schema {
    let mut lines: Vec<String> = vec![];
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        match lines.last_mut() {
            Some(last) if line.starts_with(' ') => last.push_str(line),
            _ => lines.push(line.to_owned()),
        }
    }
    let mut schema = Schema::default();
    for line in &lines {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        if name == "element" {
            if let Some((element, kind)) = rest.split_once('=') {
                schema.elements.insert(element.to_owned(), kind.to_owned());
            }
            continue;
        }
        let kind = match rest.strip_prefix("# ") {
            Some(values) => Kind::Simple(simple(values)),
            None => Kind::Complex(complex(rest)),
        };
        schema.types.insert(name.to_owned(), kind);
    }
    schema
}

fn simple(text: &str) -> Simple {
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    let rest = || words.clone().map(str::to_owned).collect();
    match first {
        "enum" => Simple::Enum(rest()),
        "list" => Simple::List(words.next().unwrap_or_default().to_owned()),
        "union" => Simple::Union(rest()),
        base => {
            let mut limited = (None, None, None, false);
            for word in words {
                let (key, value) = word.split_once('=').unwrap_or((word, ""));
                match key {
                    "minInclusive" => limited.0 = value.parse().ok(),
                    "maxInclusive" => limited.1 = value.parse().ok(),
                    "minLength" | "length" => limited.2 = value.parse().ok(),
                    _ => limited.3 = true,
                }
            }
            Simple::Limited {
                base: base.to_owned(),
                low: limited.0,
                high: limited.1,
                shortest: limited.2,
                has_pattern: limited.3,
            }
        }
    }
}

fn complex(text: &str) -> Complex {
    let mut complex = Complex::default();
    let mut words = vec![];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if let Some(attribute) = word.strip_prefix('@') {
            let (name, kind) = attribute.split_once('=').unwrap_or((attribute, ""));
            complex.attributes.push(Attribute {
                name: name.to_owned(),
                kind: kind.trim_end_matches('!').to_owned(),
                is_required: kind.ends_with('!'),
            });
        } else if let Some(kind) = word.strip_prefix('$') {
            complex.text = Some(kind.to_owned());
        } else {
            words.push(word);
        }
    }
    let mut words = words.into_iter();
    complex.content = match group(&mut words) {
        (Particle::Sequence(content), _) => content,
        (particle, _) => vec![Occurs {
            particle,
            low: 1,
            high: 1,
        }],
    };
    complex
}

/// Reads up to the end or a closing bracket; gives what follows the bracket.
fn group<'a>(words: &mut impl Iterator<Item = &'a str>) -> (Particle, &'a str) {
    let mut content = vec![];
    let (mut is_choice, mut is_unordered) = (false, false);
    let mut tail = "";
    while let Some(word) = words.next() {
        match word {
            "|" => is_choice = true,
            "&" => is_unordered = true,
            "(" => {
                let (particle, times) = group(words);
                let (low, high) = occurrence(times);
                content.push(Occurs {
                    particle,
                    low,
                    high,
                });
            }
            _ if word.starts_with(')') => {
                tail = word.trim_start_matches(')');
                break;
            }
            _ => content.push(element(word)),
        }
    }
    let particle = match (is_choice, is_unordered) {
        (true, _) => Particle::Choice(content),
        (_, true) => Particle::Unordered(content),
        _ => Particle::Sequence(content),
    };
    (particle, tail)
}

fn element(word: &str) -> Occurs {
    let end = word.find(['?', '*', '+', '{']).unwrap_or(word.len());
    let (name, times) = word.split_at(end);
    let (low, high) = occurrence(times);
    let particle = match name.split_once('=') {
        Some((name, kind)) => Particle::Element {
            name: name.to_owned(),
            kind: kind.to_owned(),
        },
        None => Particle::Any,
    };
    Occurs {
        particle,
        low,
        high,
    }
}

fn occurrence(text: &str) -> (usize, usize) {
    match text {
        "?" => (0, 1),
        "*" => (0, usize::MAX),
        "+" => (1, usize::MAX),
        _ => match text
            .trim_matches(['{', '}'])
            .split_once(',')
            .map(|(low, high)| (low.parse(), high.parse()))
        {
            Some((Ok(low), high)) => (low, high.unwrap_or(usize::MAX)),
            _ => (1, 1),
        },
    }
}
