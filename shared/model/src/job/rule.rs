//! Choosing mailboxes by what a directory says of their accounts.

use serde::{Deserialize, Serialize};

use crate::FieldErrors;

/// Conditions in one rule, at most.
const MAX_CONDITIONS: usize = 100;
/// Levels of `all` and `any`, at most.
const MAX_DEPTH: usize = 5;

/// A condition (`attribute` with one of `equals`, `starts_with`, `contains`), or several of which `all` or
/// `any` must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// The attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<Attribute>,
    /// Its value; case does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// How its value begins; case does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<String>,
    /// What is in its value; case does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Rules that must all hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Rule>,
    /// Rules of which one must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Rule>,
}

/// An attribute that a directory keeps of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Attribute {
    Address,
    DisplayName,
    Department,
    Company,
    Office,
    City,
    State,
    Country,
    UsageLocation,
    JobTitle,
    EmployeeType,
    ExtensionAttribute1,
    ExtensionAttribute2,
    ExtensionAttribute3,
    ExtensionAttribute4,
    ExtensionAttribute5,
    ExtensionAttribute6,
    ExtensionAttribute7,
    ExtensionAttribute8,
    ExtensionAttribute9,
    ExtensionAttribute10,
    ExtensionAttribute11,
    ExtensionAttribute12,
    ExtensionAttribute13,
    ExtensionAttribute14,
    ExtensionAttribute15,
}

impl Attribute {
    /// Its name in Entra. The fifteen `extensionAttribute…` are those that Exchange calls custom
    /// attributes.
    #[must_use]
    pub fn directory_name(self) -> &'static str {
        match self {
            Self::Address => "mail",
            Self::DisplayName => "displayName",
            Self::Department => "department",
            Self::Company => "companyName",
            Self::Office => "officeLocation",
            Self::City => "city",
            Self::State => "state",
            Self::Country => "country",
            Self::UsageLocation => "usageLocation",
            Self::JobTitle => "jobTitle",
            Self::EmployeeType => "employeeType",
            Self::ExtensionAttribute1 => "extensionAttribute1",
            Self::ExtensionAttribute2 => "extensionAttribute2",
            Self::ExtensionAttribute3 => "extensionAttribute3",
            Self::ExtensionAttribute4 => "extensionAttribute4",
            Self::ExtensionAttribute5 => "extensionAttribute5",
            Self::ExtensionAttribute6 => "extensionAttribute6",
            Self::ExtensionAttribute7 => "extensionAttribute7",
            Self::ExtensionAttribute8 => "extensionAttribute8",
            Self::ExtensionAttribute9 => "extensionAttribute9",
            Self::ExtensionAttribute10 => "extensionAttribute10",
            Self::ExtensionAttribute11 => "extensionAttribute11",
            Self::ExtensionAttribute12 => "extensionAttribute12",
            Self::ExtensionAttribute13 => "extensionAttribute13",
            Self::ExtensionAttribute14 => "extensionAttribute14",
            Self::ExtensionAttribute15 => "extensionAttribute15",
        }
    }

    /// True for the fifteen that are parts of one property of an account.
    #[must_use]
    pub fn is_extension(self) -> bool {
        self.directory_name().starts_with("extensionAttribute")
    }

    /// True for what every source knows of a mailbox.
    #[must_use]
    pub fn is_of_profile(self) -> bool {
        matches!(self, Self::Address | Self::DisplayName)
    }
}

impl Rule {
    /// An attribute that must have this value.
    #[must_use]
    pub fn equals(attribute: Attribute, value: impl Into<String>) -> Self {
        Self {
            attribute: Some(attribute),
            equals: Some(value.into()),
            ..Self::default()
        }
    }

    /// True when an account with these values fits. One that lacks an attribute has the empty value. A rule
    /// that says nothing fits nobody.
    #[must_use]
    pub fn fits(&self, value_of: &dyn Fn(Attribute) -> String) -> bool {
        if !self.all.is_empty() {
            return self.all.iter().all(|rule| rule.fits(value_of));
        }
        if !self.any.is_empty() {
            return self.any.iter().any(|rule| rule.fits(value_of));
        }
        let Some(attribute) = self.attribute else {
            return false;
        };
        let value = folded(&value_of(attribute));
        let is = |wanted: &Option<String>, fits: fn(&str, &str) -> bool| {
            let wanted = wanted.as_deref().map(folded);
            wanted.is_some_and(|wanted| !wanted.is_empty() && fits(&value, &wanted))
        };
        is(&self.equals, |value, wanted| value == wanted)
            || is(&self.starts_with, |value, wanted| value.starts_with(wanted))
            || is(&self.contains, |value, wanted| value.contains(wanted))
    }

    /// Every attribute that it asks for, each once.
    #[must_use]
    pub fn attributes(&self) -> Vec<Attribute> {
        let mut found: Vec<Attribute> = self.attribute.into_iter().collect();
        let parts = self.all.iter().chain(&self.any);
        found.extend(parts.flat_map(Self::attributes));
        found.sort_unstable();
        found.dedup();
        found
    }

    pub(super) fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        errors.require(
            self.conditions() <= MAX_CONDITIONS,
            "",
            format!("more than {MAX_CONDITIONS} conditions; use a group"),
        );
        self.check(&mut errors, "", 0);
        errors
    }

    fn conditions(&self) -> usize {
        let parts = self.all.iter().chain(&self.any);
        usize::from(self.attribute.is_some()) + parts.map(Self::conditions).sum::<usize>()
    }

    fn check(&self, errors: &mut FieldErrors, field: &str, depth: usize) {
        if depth > MAX_DEPTH {
            errors.add(field, format!("more than {MAX_DEPTH} levels"));
            return;
        }
        let below = |name: &str| match field {
            "" => name.to_owned(),
            field => format!("{field}.{name}"),
        };
        let tests = [
            ("equals", &self.equals),
            ("starts_with", &self.starts_with),
            ("contains", &self.contains),
        ];
        let given = tests.iter().filter(|(_, value)| value.is_some()).count();
        let is_condition = self.attribute.is_some() || given > 0;
        let kinds = [is_condition, !self.all.is_empty(), !self.any.is_empty()];
        let kinds = kinds.into_iter().filter(|is_it| *is_it).count();
        errors.require(
            kinds == 1,
            field,
            "give either an attribute with equals, starts_with or contains, or all, or any",
        );
        if is_condition {
            errors.require(
                self.attribute.is_some(),
                &below("attribute"),
                "missing; name the attribute",
            );
            errors.require(
                given == 1,
                field,
                "give one of equals, starts_with and contains",
            );
        }
        for (name, value) in tests {
            let is_empty = value.as_ref().is_some_and(|it| it.trim().is_empty());
            errors.require(!is_empty, &below(name), "empty; give the value");
        }
        for (name, rules) in [("all", &self.all), ("any", &self.any)] {
            for (index, rule) in rules.iter().enumerate() {
                rule.check(errors, &below(&format!("{name}[{index}]")), depth + 1);
            }
        }
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Rule {
        toml::from_str::<std::collections::BTreeMap<String, Rule>>(text)
            .unwrap()
            .remove("rule")
            .unwrap()
    }

    fn fields(rule: &Rule) -> Vec<String> {
        let problems = rule.problems();
        problems.list().iter().map(|it| it.field.clone()).collect()
    }

    #[test]
    fn conditions_are_joined_by_all_and_any() {
        let rule = read(
            "[[rule.all]]\nattribute = \"department\"\nstarts_with = \" SALES\"\n\
             [[rule.all]]\nany = [{ attribute = \"city\", contains = \"ien\" }, \
             { attribute = \"extension_attribute1\", equals = \"Keep\" }]\n",
        );
        assert!(fields(&rule).is_empty());
        let fits = |department: &str, city: &str, mark: &str| {
            rule.fits(&|attribute| {
                match attribute {
                    Attribute::Department => department,
                    Attribute::City => city,
                    Attribute::ExtensionAttribute1 => mark,
                    other => panic!("{other:?} was not asked for"),
                }
                .to_owned()
            })
        };
        assert!(fits("Sales North", "WIEN", ""));
        assert!(fits("sales", "", "keep "));
        assert!(!fits("sales", "Graz", "kept"));
        assert!(!fits("Presales", "Wien", "keep"));
        assert!(!fits("", "", ""));
        assert_eq!(
            rule.attributes(),
            [
                Attribute::Department,
                Attribute::City,
                Attribute::ExtensionAttribute1
            ]
        );
    }

    #[test]
    fn what_says_nothing_fits_nobody_and_is_refused() {
        for text in [
            "rule = {}",
            "rule = { attribute = \"city\" }",
            "rule = { attribute = \"city\", equals = \" \" }",
        ] {
            let rule = read(text);
            assert!(!rule.fits(&|_| String::new()), "{text}");
            assert!(!fields(&rule).is_empty(), "{text}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_with_its_field() {
        let rule = read(
            "rule = { all = [\n\
             { attribute = \"city\", equals = \"a\", contains = \"b\" },\n\
             { equals = \"a\" },\n\
             { any = [{ attribute = \"city\", starts_with = \"\" }] },\n\
             { attribute = \"city\", equals = \"a\", any = [{ attribute = \"city\", equals = \"a\" }] },\n\
             ] }",
        );
        assert_eq!(
            fields(&rule),
            [
                "all[0]",
                "all[1].attribute",
                "all[2].any[0].starts_with",
                "all[3]"
            ]
        );
        let condition = Rule::equals(Attribute::City, "Wien");
        let many = Rule {
            any: vec![condition.clone(); MAX_CONDITIONS + 1],
            ..Rule::default()
        };
        assert_eq!(fields(&many), [""]);
        let mut deep = condition;
        for _ in 0..=MAX_DEPTH {
            deep = Rule {
                all: vec![deep],
                ..Rule::default()
            };
        }
        assert_eq!(fields(&deep).len(), 1);
        for wrong in [
            "rule = { attribute = \"shoe_size\" }",
            "rule = { ends_with = \"x\" }",
        ] {
            let read = toml::from_str::<std::collections::BTreeMap<String, Rule>>(wrong);
            assert!(read.is_err(), "{wrong}");
        }
    }
}
