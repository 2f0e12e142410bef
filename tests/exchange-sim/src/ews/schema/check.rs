//! Checks an element against the schema. The content models are deterministic, so that the first
//! particle that fits is the right one.

use super::{Complex, Kind, Occurs, Particle, Schema, Simple};
use crate::ews::xml::Node;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Byte of the document.
    pub(crate) at: usize,
    /// In the words of .NET's validator.
    pub(crate) text: String,
}

type Checked<T> = Result<T, Violation>;

/// Checks an operation, an answer or a header element.
pub(crate) fn check(node: &Node) -> Checked<()> {
    let schema = Schema::get();
    match schema.elements.get(&node.name) {
        Some(kind) => schema.value(node, kind),
        None => Err(Violation {
            at: node.at,
            text: format!("The element '{}' is not declared.", node.local()),
        }),
    }
}

impl Schema {
    fn value(&self, node: &Node, kind: &str) -> Checked<()> {
        match self.types.get(kind) {
            Some(Kind::Complex(complex)) => self.complex(node, complex),
            Some(Kind::Simple(_)) => self.plain(node, kind),
            None if kind == "xs:any" => Ok(()),
            None => self.plain(node, kind),
        }
    }

    /// An element that holds a value only.
    fn plain(&self, node: &Node, kind: &str) -> Checked<()> {
        if let Some(child) = node.children.first() {
            return Err(unexpected(node, child));
        }
        if let Some((name, _)) = node.attributes.iter().find(|(name, _)| !is_foreign(name)) {
            return Err(undeclared(node, name));
        }
        self.text(node, &node.text, kind)
    }

    fn text(&self, node: &Node, text: &str, kind: &str) -> Checked<()> {
        if self.is_value(text, kind) {
            return Ok(());
        }
        let shown: String = text.chars().take(80).collect();
        Err(Violation {
            at: node.at,
            text: format!(
                "The '{}' element is invalid - The value '{shown}' is invalid according to its datatype '{kind}'.",
                node.local()
            ),
        })
    }

    fn complex(&self, node: &Node, complex: &Complex) -> Checked<()> {
        for (name, value) in node.attributes.iter().filter(|(name, _)| !is_foreign(name)) {
            let Some(known) = complex.attributes.iter().find(|one| one.name == *name) else {
                return Err(undeclared(node, name));
            };
            self.text(node, value, &known.kind)?;
        }
        let missing = complex
            .attributes
            .iter()
            .find(|one| one.is_required && node.attribute(&one.name).is_none());
        if let Some(missing) = missing {
            return Err(Violation {
                at: node.at,
                text: format!("The required attribute '{}' is missing.", missing.name),
            });
        }
        match &complex.text {
            Some(kind) if complex.content.is_empty() => self.text(node, &node.text, kind)?,
            Some(_) => {}
            None if node.text.trim().is_empty() => {}
            None => {
                return Err(Violation {
                    at: node.at,
                    text: format!("The element '{}' cannot contain text.", node.local()),
                });
            }
        }
        match self.sequence(node, &complex.content, 0)? {
            Some(end) => match node.children.get(end) {
                None => Ok(()),
                Some(child) => Err(unexpected(node, child)),
            },
            None => Err(match node.children.first() {
                Some(child) => unexpected(node, child),
                None => Violation {
                    at: node.at,
                    text: format!("The element '{}' has incomplete content.", node.local()),
                },
            }),
        }
    }

    /// The place behind what the particles take, or `None` when they do not fit.
    fn sequence(&self, node: &Node, content: &[Occurs], start: usize) -> Checked<Option<usize>> {
        let mut at = start;
        for occurs in content {
            match self.occurs(node, occurs, at)? {
                Some(next) => at = next,
                None if at > start => {
                    let at = node.children.get(at).map_or(node.at, |child| child.at);
                    let text = format!(
                        "The element '{}' has invalid or missing child elements.",
                        node.local()
                    );
                    return Err(Violation { at, text });
                }
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    fn occurs(&self, node: &Node, occurs: &Occurs, start: usize) -> Checked<Option<usize>> {
        let (mut at, mut count) = (start, 0);
        while count < occurs.high {
            match self.particle(node, &occurs.particle, at)? {
                Some(next) => {
                    count += 1;
                    if next == at {
                        // It takes nothing, as often as wanted.
                        count = count.max(occurs.low);
                        break;
                    }
                    at = next;
                }
                None => break,
            }
        }
        Ok((count >= occurs.low).then_some(at))
    }

    fn particle(&self, node: &Node, particle: &Particle, at: usize) -> Checked<Option<usize>> {
        match particle {
            Particle::Element { name, kind } => match node.children.get(at) {
                Some(child) if child.name == *name => {
                    self.value(child, kind)?;
                    Ok(Some(at + 1))
                }
                _ => Ok(None),
            },
            Particle::Any => Ok(node.children.get(at).map(|_| at + 1)),
            Particle::Sequence(inner) => self.sequence(node, inner, at),
            Particle::Choice(inner) => {
                let mut empty = None;
                for occurs in inner {
                    match self.occurs(node, occurs, at)? {
                        Some(next) if next > at => return Ok(Some(next)),
                        Some(next) => empty = Some(next),
                        None => {}
                    }
                }
                Ok(empty)
            }
            Particle::Unordered(inner) => {
                let mut taken = vec![false; inner.len()];
                let mut at = at;
                'next: loop {
                    for (occurs, done) in inner.iter().zip(&mut taken) {
                        if *done {
                            continue;
                        }
                        if let Some(next) = self.occurs(node, occurs, at)?
                            && next > at
                        {
                            *done = true;
                            at = next;
                            continue 'next;
                        }
                    }
                    break;
                }
                let is_complete = inner
                    .iter()
                    .zip(&taken)
                    .all(|(occurs, done)| *done || occurs.low == 0);
                Ok(is_complete.then_some(at))
            }
        }
    }

    fn is_value(&self, text: &str, kind: &str) -> bool {
        match self.types.get(kind) {
            Some(Kind::Simple(Simple::Enum(values))) => {
                values.iter().any(|one| one == &text.replace(' ', "_"))
            }
            Some(Kind::Simple(Simple::List(item))) => text
                .split_ascii_whitespace()
                .all(|word| self.is_value(word, item)),
            Some(Kind::Simple(Simple::Union(kinds))) => {
                kinds.iter().any(|one| self.is_value(text, one))
            }
            Some(Kind::Simple(Simple::Limited {
                base,
                low,
                high,
                shortest,
                has_pattern,
            })) => {
                let number = || text.trim().parse::<i64>().ok();
                self.is_value(text, base)
                    && low.is_none_or(|low| number().is_some_and(|number| number >= low))
                    && high.is_none_or(|high| number().is_some_and(|number| number <= high))
                    && shortest.is_none_or(|shortest| text.chars().count() >= shortest)
                    && (!has_pattern || fits_pattern(text, kind))
            }
            Some(Kind::Complex(_)) => false,
            None => is_basic(text, kind),
        }
    }
}

/// The few patterns that matter.
fn fits_pattern(text: &str, kind: &str) -> bool {
    match kind {
        "t:PropertyTagType.u0" => {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            digits.is_some_and(|digits| {
                (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
            })
        }
        "t:GuidType" => {
            text.len() == 36
                && text.bytes().enumerate().all(|(at, byte)| match at {
                    8 | 13 | 18 | 23 => byte == b'-',
                    _ => byte.is_ascii_hexdigit(),
                })
        }
        _ => true,
    }
}

fn is_basic(text: &str, kind: &str) -> bool {
    let trimmed = text.trim();
    match kind {
        "xs:boolean" => matches!(trimmed, "true" | "false" | "1" | "0"),
        "xs:int" | "xs:integer" | "xs:negativeInteger" => trimmed.parse::<i32>().is_ok(),
        "xs:short" => trimmed.parse::<i16>().is_ok(),
        "xs:long" => trimmed.parse::<i64>().is_ok(),
        "xs:unsignedShort" => trimmed.parse::<u16>().is_ok(),
        "xs:unsignedInt" | "xs:nonNegativeInteger" | "xs:positiveInteger" => {
            trimmed.parse::<u32>().is_ok()
        }
        "xs:unsignedByte" => trimmed.parse::<u8>().is_ok(),
        "xs:float" | "xs:double" => trimmed.parse::<f64>().is_ok(),
        "xs:dateTime" => is_date_time(trimmed),
        "xs:date" => trimmed
            .get(..10)
            .is_some_and(|date| chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok()),
        "xs:base64Binary" => {
            let clean: Vec<u8> = text
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            base64_simd::STANDARD.check(&clean).is_ok()
        }
        _ => true,
    }
}

fn is_date_time(text: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(text).is_ok()
        || chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok()
}

/// Attributes of other vocabularies, for example of schema instances and of the envelope.
fn is_foreign(name: &str) -> bool {
    name.contains(':')
}

fn unexpected(node: &Node, child: &Node) -> Violation {
    Violation {
        at: child.at,
        text: format!(
            "The element '{}' has invalid child element '{}'.",
            node.local(),
            child.local()
        ),
    }
}

fn undeclared(node: &Node, name: &str) -> Violation {
    Violation {
        at: node.at,
        text: format!(
            "The '{name}' attribute is not declared on the element '{}'.",
            node.local()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ews::xml::{MESSAGES, TYPES};

    fn checked(text: &str) -> Checked<()> {
        let (name, rest) = text.split_at(text.find(['>', ' ']).unwrap());
        let text = format!("{name} xmlns:m=\"{MESSAGES}\" xmlns:t=\"{TYPES}\"{rest}");
        check(&Node::parse(text.as_bytes()).unwrap())
    }

    const SHAPE: &str = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>";
    const FOLDER: &str = "<m:SyncFolderId><t:DistinguishedFolderId Id=\"inbox\"/></m:SyncFolderId>";

    #[test]
    fn order_and_values_are_checked() {
        let most = |count: &str| format!("<m:MaxChangesReturned>{count}</m:MaxChangesReturned>");
        let sync =
            |inner: String| checked(&format!("<m:SyncFolderItems>{inner}</m:SyncFolderItems>"));
        sync(format!("{SHAPE}{FOLDER}{}", most("512"))).unwrap();
        for bad in [
            format!("{FOLDER}{SHAPE}{}", most("512")),
            format!("{SHAPE}{FOLDER}{}", most("513")),
            format!("{SHAPE}{FOLDER}{}", most("0")),
            format!("{SHAPE}{FOLDER}"),
            format!("{SHAPE}{FOLDER}{}<m:SyncState/>", most("1")),
            format!("{SHAPE}{}{}", FOLDER.replace("inbox", "Inbox"), most("1")),
            format!("{SHAPE}{FOLDER}{}text", most("1")),
        ] {
            sync(bad.clone()).expect_err(&bad);
        }
    }

    #[test]
    fn attributes_choices_and_patterns_are_checked() {
        let get = |field: &str| {
            checked(&format!(
                "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{field}\
                 </t:AdditionalProperties></m:ItemShape><m:ItemIds><t:ItemId Id=\"a\"/></m:ItemIds></m:GetItem>"
            ))
        };
        get("<t:ExtendedFieldURI PropertyTag=\"0x0E07\" PropertyType=\"Integer\"/>").unwrap();
        get("<t:ExtendedFieldURI PropertyTag=\"3591\" PropertyType=\"Integer\"/>").unwrap();
        for bad in [
            "<t:ExtendedFieldURI PropertyTag=\"0x0E0712\" PropertyType=\"Integer\"/>",
            "<t:ExtendedFieldURI PropertyTag=\"0x0E07\"/>",
            "<t:ExtendedFieldURI PropertySetId=\"{6f1c}\" PropertyName=\"x\" PropertyType=\"String\"/>",
            "<t:FieldURI FieldURI=\"item:Nothing\"/>",
            "<t:FieldURI FieldURI=\"item:Subject\" Other=\"x\"/>",
            "<t:ItemId Id=\"x\"/>",
            "",
        ] {
            assert!(get(bad).is_err(), "{bad}");
        }
        let empty = "<m:ExportItems><m:ItemIds></m:ItemIds></m:ExportItems>";
        assert!(checked(empty).is_err());
        assert!(checked("<m:Nothing></m:Nothing>").is_err());
    }
}
