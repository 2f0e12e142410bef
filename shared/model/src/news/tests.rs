use super::*;
use crate::job::Notifications;
use crate::{Counters, FailureClass, MailboxSummary, SourceMailboxId};

const FULL: &str = r#"
tell_retries = true

[mail]
server = "smtp.contoso.example"
from = "mailkeep@contoso.example"
user = "mailkeep"
password = "env:SMTP_PASSWORD"
ca = "file:/etc/mailkeep/ca.pem"

[[webhooks]]
name = "ops"
url = "https://ops.contoso.example/hook"
secret = "file:/etc/mailkeep/hook.key"

[good_news]
types = ["recovered"]
frequency = "each"
mail_to = "a@contoso.example; b@contoso.example"

[bad_news]
frequency = "hourly"
mail_to = "a@contoso.example"
webhooks = ["ops"]
"#;

fn read(text: &str) -> NotificationSettings {
    toml::from_str(text).unwrap()
}

fn news(kind: NewsKind) -> News {
    News {
        id: "run-1.3".to_owned(),
        kind,
        reason: (kind.tone() == Tone::Bad).then_some(Reason::Failure(FailureClass::AuthCredential)),
        job: "01JOB".to_owned(),
        job_name: "Nightly".to_owned(),
        run: Some(RunId("01RUN".to_owned())),
        at: "2026-02-03T10:20:30Z".parse().unwrap(),
        attempt: None,
        figures: Some(Figures {
            mailboxes: 12,
            mailboxes_failed: 1,
            items_scanned: 1_200,
            items_stored: 30,
            bytes_read: 12 << 20,
            bytes_stored: 1_023,
            seconds: 3_725,
            ..Figures::default()
        }),
    }
}

fn summary(number: u32, outcome: MailboxOutcome) -> MailboxSummary {
    MailboxSummary {
        mailbox: SourceMailboxId(format!("id-{number}")),
        address: format!("person{number}@contoso.example"),
        vault_mailbox: format!("vault{number}"),
        sequence: 1,
        outcome,
        counters: Counters::default(),
        incomplete_folders: 0,
        warnings: vec!["folder `Secret plans` is incomplete".to_owned()],
    }
}

#[test]
fn settings_survive_writing_and_reading() {
    let full = read(FULL);
    assert!(full.problems().is_empty(), "{}", full.problems());
    assert_eq!(read(&toml::to_string(&full).unwrap()), full);
    let empty = read("");
    assert_eq!(empty, NotificationSettings::new());
    assert_eq!(empty.good_news.frequency, Frequency::Daily);
    assert_eq!(empty.bad_news.frequency, Frequency::Changes);
    assert_eq!(full.mail.unwrap().port(), 587);
}

#[test]
fn everything_wrong_with_the_settings_is_told_at_once() {
    let settings = read(
        r#"
[mail]
server = "smtp contoso"
security = "none"
from = "nobody"
password = "hunter2"

[[webhooks]]
name = "ops"
url = "http://ops.contoso.example"
secret = "s3cret"
[[webhooks]]
name = "ops"
url = "http://localhost:8080"
secret = "env:KEY"
ca = "file:"

[good_news]
types = ["recovered", "failed"]
[bad_news]
types = ["completed"]
webhooks = ["nobody"]
"#,
    );
    let problems = settings.problems();
    let fields: Vec<_> = problems.list().iter().map(|it| it.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "mail.server",
            "mail.security",
            "mail.from",
            "mail.user",
            "mail.password",
            "webhooks[0].url",
            "webhooks[0].secret",
            "webhooks[1].ca",
            "webhooks[1].name",
            "good_news.types[1]",
            "bad_news.types[0]",
            "bad_news.webhooks[0]",
        ]
    );
    let words = problems.to_string();
    assert!(
        !words.contains("hunter2") && !words.contains("s3cret"),
        "{words}"
    );
    // All bad addresses of a list are named at once.
    let error = toml::from_str::<NotificationSettings>(
        "[bad_news]\nmail_to = \"a@b.example; x; y@, z@b.example\"\n",
    );
    let error = error.unwrap_err().to_string();
    for bad in ["`x`", "`y@, z@b.example`"] {
        assert!(error.contains(bad), "{bad}: {error}");
    }
}

#[test]
fn services_of_aws_are_checked_like_servers() {
    let good = read(
        r#"
[ses]
from = "backup@contoso.example"
configuration_set = "backup"
[[topics]]
name = "ops"
arn = "arn:aws:sns:eu-central-1:123456789012:mail-backup.fifo"
[bad_news]
mail_to = "a@contoso.example"
topics = ["ops"]
"#,
    );
    assert!(good.problems().is_empty() && good.sends_mail());
    let bad = read(
        r#"
[mail]
server = "mail.contoso.example"
from = "a@contoso.example"
[ses]
from = "nobody"
configuration_set = "a b"
[[topics]]
name = "ops"
arn = "arn:aws:sqs:eu-central-1:123456789012:queue"
[[topics]]
name = "ops"
arn = "arn:aws:sns:eu-central-1:123456789012"
[good_news]
topics = ["dev"]
"#,
    );
    let problems = bad.problems();
    let fields: Vec<_> = problems.list().iter().map(|it| it.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "ses.from",
            "ses.configuration_set",
            "ses",
            "topics[0].arn",
            "topics[1].arn",
            "topics[1].name",
            "good_news.topics[0]",
        ]
    );
}

#[test]
fn mail_needs_a_server() {
    let settings = read("[bad_news]\nmail_to = \"a@contoso.example\"\n");
    assert_eq!(settings.problems().list()[0].field, "bad_news.mail_to");
    let job = Notifications {
        report_to: "a@contoso.example".parse().unwrap(),
        name_mailboxes: false,
    };
    let problems = settings.problems_of(&job);
    assert_eq!(problems.list()[0].field, "notifications.report_to");
    assert!(read(FULL).problems_of(&job).is_empty());
    assert!(settings.problems_of(&Notifications::default()).is_empty());
}

#[test]
fn a_mail_server_without_protection_is_this_machine() {
    let with = |server: &str, security: &str| {
        let text = format!(
            "[mail]\nserver = \"{server}\"\nsecurity = \"{security}\"\nfrom = \"a@b.example\"\n"
        );
        read(&text).problems().is_empty()
    };
    for (server, is_here) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("localhost.evil.example", false),
        ("smtp.contoso.example", false),
    ] {
        assert_eq!(with(server, "none"), is_here, "{server}");
        assert!(with(server, "tls") && with(server, "start_tls"));
    }
}

#[test]
fn the_words_tell_the_job_the_reason_and_what_to_do() {
    let written = write_news(&[news(NewsKind::Failed)], 0);
    assert_eq!(written.subject, "[mailkeep] Nightly failed");
    assert_eq!(
        written.text,
        "Job Nightly failed.\n  When: 2026-02-03T10:20:30Z\n  Run: 01RUN\n  Reason: auth_credential\n  \
         What to do: Authentication failed: the secret or certificate is wrong or expired; renew it and \
         run `mailkeep connection test`\n  Mailboxes: 12, 1 failed\n  Items: 1200 scanned, 30 stored, 0 \
         failed\n  Bytes: 12.0 MiB read, 1023 B stored\n  Time: 01:02:05\n"
    );
    for kind in NewsKind::ALL {
        let written = write_news(&[news(kind)], 0);
        assert!(
            written.subject.ends_with(kind.words()),
            "{}",
            written.subject
        );
        let has_reason = written.text.contains("What to do:");
        assert_eq!(has_reason, kind.tone() == Tone::Bad, "{kind:?}");
    }
}

#[test]
fn collected_news_stand_in_one_message() {
    let good = vec![news(NewsKind::Completed); 3];
    let written = write_news(&good, 0);
    assert_eq!(written.subject, "[mailkeep] 3 pieces of good news");
    assert_eq!(written.text.matches("Job Nightly completed.").count(), 3);
    let bad = vec![news(NewsKind::Failed); 2];
    let written = write_news(&bad, 40);
    assert_eq!(written.subject, "[mailkeep] 42 pieces of bad news");
    assert!(written.text.contains("And 40 more"));
}

#[test]
fn a_name_cannot_break_out_of_its_line() {
    let mut one = news(NewsKind::Completed);
    one.job_name = format!(
        "x\r\nBcc: all@contoso.example\u{2028}y\u{202e}{}",
        "z".repeat(500)
    );
    let written = write_news(&[one], 0);
    assert_eq!(written.subject.lines().count(), 1);
    assert!(!written.subject.contains(['\r', '\u{2028}', '\u{202e}']));
    assert!(written.subject.len() < 200);
    assert!(
        written
            .text
            .lines()
            .next()
            .unwrap()
            .starts_with("Job x  Bcc")
    );
}

#[test]
fn mailboxes_are_named_only_when_the_job_says_so() {
    let failed = MailboxOutcome::Failed {
        class: FailureClass::AuthScope,
        code: "ErrorAccessDenied".to_owned(),
        message: "secret words of the service".to_owned(),
    };
    let mut mailboxes = vec![
        summary(1, MailboxOutcome::Complete),
        summary(2, MailboxOutcome::WithGaps { gaps: 7 }),
        summary(3, failed),
    ];
    mailboxes.extend((4..400).map(|number| summary(number, MailboxOutcome::Stopped)));
    let run = RunSummary {
        run: RunId("01RUN".to_owned()),
        connection: "contoso".to_owned(),
        started_at: "2026-02-03T10:00:00Z".parse().unwrap(),
        finished_at: "2026-02-03T10:01:30Z".parse().unwrap(),
        mailboxes,
    };
    let figures = Figures::from(&run);
    assert_eq!((figures.mailboxes, figures.mailboxes_failed), (399, 1));
    assert_eq!((figures.mailboxes_with_gaps, figures.seconds), (1, 90));
    let report = Report::new(news(NewsKind::Partial), &run, false);
    let text = write_report(&report).text;
    assert!(
        !text.contains('@') && text.contains("mailbox vault2: gaps"),
        "{text}"
    );
    assert!(text.contains("7 items are missing") && text.contains("auth_scope"));
    assert!(!text.contains("vault1:"), "complete ones are not listed");
    assert!(text.contains("- and 198 more"), "{text}");
    assert!(!text.contains("Secret plans") && !text.contains("secret words"));
    let named = write_report(&Report::new(news(NewsKind::Partial), &run, true)).text;
    assert!(named.contains("- person2@contoso.example: gaps"), "{named}");
}

#[test]
fn programs_get_a_document_with_a_version() {
    let entries = [news(NewsKind::Failed)];
    let at = "2026-02-03T10:21:00Z".parse().unwrap();
    let document = serde_json::to_value(Document::new("m1", at, &entries)).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["id"], "m1");
    assert_eq!(document["is_test"], false);
    let first = &document["news"][0];
    for (field, value) in [
        ("type", "failed"),
        ("tone", "bad"),
        ("code", "auth_credential"),
        ("job_name", "Nightly"),
        ("run", "01RUN"),
        ("id", "run-1.3"),
        ("at", "2026-02-03T10:20:30Z"),
    ] {
        assert_eq!(first[field], value, "{field}");
    }
    assert!(first["action"].as_str().unwrap().contains("renew it"));
    assert_eq!(first["figures"]["items_stored"], 30);
    let test = Document::new("t", at, &[]);
    assert!(test.is_test && write_test(at).text.contains("2026-02-03T10:21:00Z"));
}
