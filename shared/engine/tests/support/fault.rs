//! Scripted faults.

use mailkeep_exchange::SourceError;
use mailkeep_model::FailureClass;

/// A call that a rule can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Mailboxes,
    Sync,
    FirstPage,
    Changes,
    Content,
    Locate,
    LocateItem,
    Folders,
    CreateFolder,
    Existing,
    Create,
    Delete,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The call fails.
    Fail(FailureClass),
    /// The content's stream breaks after so many bytes.
    Break(usize),
    /// Content comes with one byte changed and no error (as a rebuilt representation would).
    Other(Vec<u8>),
    /// A restore dies between creating the item and finishing it.
    DieUnfinished,
}

/// When it goes wrong.
#[derive(Clone, Debug)]
pub struct Rule {
    pub op: Op,
    /// Mailbox id, `None` for any.
    pub mailbox: Option<String>,
    /// Folder or item id, `None` for any.
    pub object: Option<String>,
    /// Calls that match but pass before the rule bites.
    pub skip: u32,
    /// How often it bites; `None` for ever.
    pub times: Option<u32>,
    pub fault: Fault,
}

impl Rule {
    pub fn new(op: Op, fault: Fault) -> Self {
        Self {
            op,
            mailbox: None,
            object: None,
            skip: 0,
            times: None,
            fault,
        }
    }

    pub fn fail(op: Op, class: FailureClass) -> Self {
        Self::new(op, Fault::Fail(class))
    }

    pub fn of(mut self, object: &str) -> Self {
        self.object = Some(object.into());
        self
    }

    pub fn mailbox(mut self, mailbox: &str) -> Self {
        self.mailbox = Some(mailbox.into());
        self
    }

    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// The rules in force.
#[derive(Default)]
pub struct Script(pub Vec<Rule>);

impl Script {
    /// The fault that this call meets, if any.
    pub fn hit(&mut self, op: Op, mailbox: &str, object: &str) -> Option<Fault> {
        for rule in &mut self.0 {
            let matches = rule.op == op
                && rule.mailbox.as_deref().is_none_or(|m| m == mailbox)
                && rule.object.as_deref().is_none_or(|o| o == object);
            if !matches || rule.times == Some(0) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            return Some(rule.fault.clone());
        }
        None
    }

    /// As [`Self::hit`], for calls that can only fail.
    pub fn fail(&mut self, op: Op, mailbox: &str, object: &str) -> Result<(), SourceError> {
        match self.hit(op, mailbox, object) {
            Some(Fault::Fail(class)) => Err(error(op, class)),
            _ => Ok(()),
        }
    }
}

pub fn error(op: Op, class: FailureClass) -> SourceError {
    SourceError::new(class, format!("{op:?}"), class.code(), "scripted fault")
}
