//! Groups and attributes of the directory.

use super::Admin;
use super::change::{AdminError, Done};
use crate::content::draw::guid;
use crate::numbers::{locked, wide};
use crate::store::groups::Group;

impl Admin {
    /// Makes a group, with an address or as a mere security group, and returns its id.
    pub fn new_group(&self, name: &str, mail: Option<&str>) -> String {
        let mut groups = locked(&self.tenant.groups);
        let number = wide(groups.len());
        let id = guid(&[self.tenant.world.seed, 0x6772_6f75, number]);
        groups.push(Group {
            id: id.clone(),
            name: name.to_owned(),
            mail: mail.map(str::to_owned),
            members: vec![],
        });
        id
    }

    /// Makes a mailbox or another group a member of a group. All are named by id, mailboxes also by address.
    ///
    /// # Errors
    /// When there is no such group or member.
    pub fn add_member(&self, group: &str, member: &str) -> Done<()> {
        let member = self.member(member)?;
        self.with_group(group, |group| {
            if !group.members.contains(&member) {
                group.members.push(member);
            }
        })
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// When there is no such group or member.
    pub fn remove_member(&self, group: &str, member: &str) -> Done<()> {
        let member = self.member(member)?;
        self.with_group(group, |group| group.members.retain(|one| *one != member))
    }

    /// Sets what the directory knows of a person, by the property's name in Entra: `department`,
    /// `extensionAttribute7`.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn set_attribute(&self, mailbox: &str, name: &str, value: &str) -> Done<()> {
        let account = self.account(mailbox)?;
        locked(&account.attributes).insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn member(&self, text: &str) -> Done<String> {
        let groups = locked(&self.tenant.groups);
        if groups.iter().any(|group| group.id == text) {
            return Ok(text.to_owned());
        }
        drop(groups);
        Ok(self.account(text)?.id.clone())
    }

    fn with_group(&self, id: &str, change: impl FnOnce(&mut Group)) -> Done<()> {
        let mut groups = locked(&self.tenant.groups);
        let group = groups.iter_mut().find(|group| group.id == id);
        change(group.ok_or_else(|| AdminError::NoGroup(id.to_owned()))?);
        Ok(())
    }
}
