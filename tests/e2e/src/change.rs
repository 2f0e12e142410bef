//! What people do to their mail between two backups.

use std::time::Duration;

use exchange_sim::Admin;

/// An hour later: one mail in the inbox and one in the archive more, and of the first seven items one edited,
/// moved, deleted, deleted softly, flagged, categorised and marked as unread.
pub fn change_mail(admin: &Admin, mailbox: &str, ids: &[String]) {
    admin.advance(Duration::from_secs(3_600));
    admin.add_mail(mailbox, "inbox").unwrap();
    admin
        .add_raw_mail(mailbox, "archive", b"Subject: raw\r\n\r\nbody")
        .unwrap();
    admin.edit_body(mailbox, &ids[0]).unwrap();
    admin.move_mail(mailbox, &ids[1], "archive").unwrap();
    admin.delete_mail(mailbox, &ids[2]).unwrap();
    admin.soft_delete_mail(mailbox, &ids[3]).unwrap();
    admin.set_flag(mailbox, &ids[4], true).unwrap();
    admin
        .set_categories(mailbox, &ids[5], &["Rot", "Blau"])
        .unwrap();
    admin.set_read(mailbox, &ids[6], false).unwrap();
}
