//! The schema: which elements a request may have, in which order, with which values.

mod check;
mod grammar;

use std::collections::HashMap;
use std::sync::OnceLock;

pub(crate) use check::check;

/// The order tables, derived from the published schemas.
const TABLE: &str = include_str!("types.txt");

/// One type.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Attributes, text and children.
    Complex(Complex),
    /// Values.
    Simple(Simple),
}

/// A type with attributes or children.
#[derive(Debug, Default)]
pub(crate) struct Complex {
    attributes: Vec<Attribute>,
    text: Option<String>,
    content: Vec<Occurs>,
}

#[derive(Debug)]
struct Attribute {
    name: String,
    kind: String,
    is_required: bool,
}

/// A particle and how often it may come.
#[derive(Debug)]
struct Occurs {
    particle: Particle,
    low: usize,
    high: usize,
}

#[derive(Debug)]
enum Particle {
    Element { name: String, kind: String },
    Any,
    Sequence(Vec<Occurs>),
    Choice(Vec<Occurs>),
    Unordered(Vec<Occurs>),
}

/// A type of values.
#[derive(Debug)]
pub(crate) enum Simple {
    Enum(Vec<String>),
    Limited {
        base: String,
        low: Option<i64>,
        high: Option<i64>,
        shortest: Option<usize>,
        has_pattern: bool,
    },
    List(String),
    Union(Vec<String>),
}

/// All types.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    types: HashMap<String, Kind>,
    elements: HashMap<String, String>,
}

impl Schema {
    /// The published schema.
    pub(crate) fn get() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| grammar::read(TABLE))
    }

    /// Names of the children of a type in their order.
    pub(crate) fn order(&self, kind: &str) -> Vec<&str> {
        let mut names = vec![];
        if let Some(Kind::Complex(complex)) = self.types.get(kind) {
            collect(&complex.content, &mut names);
        }
        names
    }

    /// True for a value of an enumeration.
    pub(crate) fn has_value(&self, kind: &str, value: &str) -> bool {
        match self.types.get(kind) {
            Some(Kind::Simple(Simple::Enum(values))) => values.iter().any(|one| one == value),
            _ => false,
        }
    }
}

fn collect<'a>(content: &'a [Occurs], names: &mut Vec<&'a str>) {
    for occurs in content {
        match &occurs.particle {
            Particle::Element { name, .. } => names.push(name),
            Particle::Any => {}
            Particle::Sequence(inner) | Particle::Choice(inner) | Particle::Unordered(inner) => {
                collect(inner, names);
            }
        }
    }
}
