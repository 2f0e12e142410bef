//! Definitions as they stand in files.

use std::time::Duration;

use super::*;
use crate::schedule::Day;

const MINIMAL: &str = "name = \"All mail\"\nconnection = \"contoso\"\nstorage = \"main\"\n";

const FULL: &str = r#"
name = "Nightly"
type = "continuous"
connection = "contoso"
storage = "main"
idle_time = "01:30:00"
on_window_end = "finish"
start_on_create = false
priority = 1
concurrent_mailboxes = 8
concurrent_items = 2

[schedule]
zone = "Europe/Warsaw"

[schedule.pattern.weekly]
every_weeks = 2
days = ["monday", "friday"]
hours = { from = "22:00", to = "06:00" }
range = { start = "2026-01-05", end = "2030-12-31" }

[[blackouts]]
days = ["friday"]
hours = { from = "23:00", to = "23:30" }
zone = "America/New_York"

[scope]
mailboxes = { group = "sales@contoso.example" }
exclude = ["robot@contoso.example"]
rooms = false

[folders]
exclude = ["deleted_items", "junk_email"]
only = [
    { folder = { special = "inbox" }, with_subfolders = true },
    { folder = { id = "AAMkAD" } },
]

[items]
age = { not_older_than = "6 months" }
age_basis = "received"
all_contacts = true
kinds = { journal = false }
classes = { built_in_and = ["IPM.Invoice"] }
sensitive_items = true

[change_tracking]
method = "comparison"
on_failure = "fail"

[retry]
attempts = 3

[hooks.before]
call = { exec = ["bash", "/opt/before.sh"] }
on_failure = "fail_job"

[hooks.after]
call = { webhook = "https://hooks.example/after" }
wait = false
timeout_seconds = 60

[notifications]
report_to = "a@contoso.example; b@contoso.example"
name_mailboxes = true
"#;

fn read(text: &str) -> JobDefinition {
    toml::from_str(text).unwrap()
}

fn fields(job: &JobDefinition) -> Vec<String> {
    job.problems()
        .list()
        .iter()
        .map(|error| error.field.clone())
        .collect()
}

#[test]
fn what_is_left_out_has_its_default() {
    let job = read(MINIMAL);
    assert_eq!(job, JobDefinition::new("All mail", "contoso", "main"));
    assert!(job.problems().is_empty());
    assert_eq!(job.kind, JobKind::Continuous);
    assert_eq!(job.pause().unwrap().to_string(), "00:01:00");
    assert_eq!(
        (job.priority, job.concurrent_mailboxes, job.concurrent_items),
        (3, 3, 4)
    );
    assert_eq!(job.on_window_end, WindowEnd::Pause);
    assert_eq!(job.change_tracking.method, TrackingMethod::Microsoft);
    assert_eq!(job.change_tracking.on_failure, TrackingFailure::Switch);
    assert_eq!(job.scope.mailboxes, Mailboxes::All);
    assert!(!job.items.sensitive_items);
    assert_eq!(job.retry.attempts, 5);
}

#[test]
fn every_setting_survives_writing_and_reading() {
    let job = read(FULL);
    assert!(job.problems().is_empty(), "{}", job.problems());
    let text = toml::to_string(&job).unwrap();
    assert_eq!(read(&text), job, "{text}");
    let minimal = read(MINIMAL);
    assert_eq!(read(&toml::to_string(&minimal).unwrap()), minimal);
    // The default of a setting is not what the full example says, so that each one was read.
    let default = JobDefinition::new("Nightly", "contoso", "main");
    let (job, default) = (
        toml::Table::try_from(&job).unwrap(),
        toml::Table::try_from(&default).unwrap(),
    );
    let same: Vec<_> = job
        .iter()
        .filter(|(name, value)| default.get(*name) == Some(*value))
        .collect();
    let names: Vec<_> = same.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["connection", "name", "storage", "type"]);
}

#[test]
fn an_unknown_field_is_an_error_that_names_it() {
    for (text, field) in [
        ("colour = 1\n", "colour"),
        (
            "[schedule]\npattern = { daily = {} }\nzones = \"UTC\"\n",
            "zones",
        ),
        ("[schedule.pattern.daily]\nevery = 2\n", "every"),
        (
            "[schedule.pattern.daily.hours]\nuntil = \"06:00\"\n",
            "until",
        ),
        ("[schedule.pattern.hourly]\n", "hourly"),
        ("[[blackouts]]\nday = [\"friday\"]\n", "day"),
        ("[scope]\nmailbox = \"all\"\n", "mailbox"),
        ("[folders]\nexcluded = []\n", "excluded"),
        ("[items]\nages = \"all\"\n", "ages"),
        ("[items.kinds]\nmails = false\n", "mails"),
        ("[change_tracking]\nmode = \"none\"\n", "mode"),
        ("[retry]\ntries = 3\n", "tries"),
        ("[hooks.during]\n", "during"),
        ("[hooks.before]\nrun = 1\n", "run"),
        ("[notifications]\nreport = \"\"\n", "report"),
    ] {
        let error = toml::from_str::<JobDefinition>(&format!("{MINIMAL}{text}")).unwrap_err();
        assert!(
            error.message().contains(&format!("`{field}`")),
            "{text}: {error}"
        );
        assert!(error.message().contains("unknown"), "{text}: {error}");
        assert!(
            error.span().is_some_and(|span| span.start >= MINIMAL.len()),
            "{text}: {error}"
        );
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let job = read(
        r#"
name = "  "
type = "one_time"
connection = ""
storage = "main"
idle_time = "00:05:00"
priority = 6
concurrent_mailboxes = 0
concurrent_items = 101
[schedule]
pattern = { weekly = { days = [] } }
[[blackouts]]
days = []
hours = { from = "10:00" }
zone = "UTC"
[scope]
mailboxes = { chosen = ["a@b.example", " "] }
[folders]
only = []
[items]
kinds = { mail = false, calendar = false, contacts = false, tasks = false, notes = false, journal = false }
[retry]
attempts = 0
first_wait_seconds = 9000
[hooks.before]
call = { exec = [] }
[hooks.after]
call = { webhook = "http://hooks.example" }
timeout_seconds = 0
"#,
    );
    assert_eq!(
        fields(&job),
        [
            "name",
            "connection",
            "idle_time",
            "priority",
            "concurrent_mailboxes",
            "concurrent_items",
            "schedule.pattern.weekly.days",
            "blackouts[0].days",
            "blackouts[0].hours.to",
            "scope.mailboxes.chosen[1]",
            "folders.only",
            "items.kinds",
            "retry.attempts",
            "retry.first_wait_seconds",
            "hooks.before.call.exec",
            "hooks.after.call.webhook",
            "hooks.after.timeout_seconds",
        ]
    );
}

#[test]
fn public_folders_are_chosen_each_with_its_subfolders_or_without() {
    assert_eq!(read(MINIMAL).scope.public_folders, None);
    let all = read(&format!("{MINIMAL}[scope]\npublic_folders = \"all\"\n"));
    assert_eq!(all.scope.public_folders, Some(PublicFolders::All));
    let chosen = read(&format!(
        "{MINIMAL}[scope]\nmailboxes = \"none\"\n\
         [[scope.public_folders.chosen]]\npath = 'Company/Sales \\/ EMEA'\nwith_subfolders = true\n\
         [[scope.public_folders.chosen]]\npath = \"Company\"\n"
    ));
    assert!(chosen.problems().is_empty(), "{:?}", chosen.problems());
    let Some(PublicFolders::Chosen(choices)) = &chosen.scope.public_folders else {
        panic!("{:?}", chosen.scope);
    };
    assert_eq!(choices[0].names().0, ["Company", "Sales / EMEA"]);
    assert!(choices[0].with_subfolders && !choices[1].with_subfolders);
    let text = toml::to_string(&chosen).unwrap();
    assert_eq!(read(&text), chosen);
}

#[test]
fn public_folders_that_cannot_be_meant_are_refused() {
    for (scope, field) in [
        ("mailboxes = \"none\"", "scope.mailboxes"),
        (
            "public_folders = { chosen = [] }",
            "scope.public_folders.chosen",
        ),
        (
            "public_folders = { chosen = [{ path = \"a\" }, { path = \"/\" }] }",
            "scope.public_folders.chosen[1].path",
        ),
        (
            "public_folders = { chosen = [{ path = \"a/b\" }, { path = \"A/B\" }] }",
            "scope.public_folders.chosen[1].path",
        ),
    ] {
        let job = read(&format!("{MINIMAL}[scope]\n{scope}\n"));
        assert_eq!(fields(&job), [field], "{scope}");
    }
    let unknown = "[scope]\npublic_folders = { chosen = [{ path = \"a\", subfolders = true }] }\n";
    assert!(toml::from_str::<JobDefinition>(&format!("{MINIMAL}{unknown}")).is_err());
}

#[test]
fn a_blackout_needs_days_hours_and_a_zone() {
    for (left_out, rest) in [
        ("days", "hours = {}\nzone = \"UTC\"\n"),
        ("hours", "days = [\"monday\"]\nzone = \"UTC\"\n"),
        ("zone", "days = [\"monday\"]\nhours = {}\n"),
    ] {
        let text = format!("{MINIMAL}[[blackouts]]\n{rest}");
        let error = toml::from_str::<JobDefinition>(&text).unwrap_err();
        assert!(error.message().contains(left_out), "{error}");
    }
}

#[test]
fn a_job_has_exactly_one_pattern() {
    let two = "[schedule.pattern.daily]\n[schedule.pattern.weekly]\ndays = [\"monday\"]\n";
    assert!(toml::from_str::<JobDefinition>(&format!("{MINIMAL}{two}")).is_err());
    let none = "[schedule]\nzone = \"UTC\"\n";
    assert!(toml::from_str::<JobDefinition>(&format!("{MINIMAL}{none}")).is_err());
}

#[test]
fn a_type_is_continuous_or_one_time_and_only_continuous_jobs_pause() {
    let mut job = read(MINIMAL);
    job.kind = JobKind::OneTime;
    assert_eq!(job.pause(), None);
    assert!(job.problems().is_empty());
    job.idle_time = Some(IdleTime::default());
    assert_eq!(fields(&job), ["idle_time"]);
    assert!(toml::from_str::<JobDefinition>(&format!("type = \"twice\"\n{MINIMAL}")).is_err());
}

#[test]
fn idle_times_are_hours_minutes_and_seconds() {
    for (good, seconds) in [("00:00:00", 0), ("00:01:00", 60), ("99:59:59", 359_999)] {
        let time: IdleTime = good.parse().unwrap();
        assert_eq!(time.to_string(), good);
        assert_eq!(time.duration(), Duration::from_secs(seconds));
    }
    for bad in [
        "",
        "1:00:00",
        "00:60:00",
        "00:00:60",
        "100:00:00",
        "00:01",
        "-1:00:00",
        "00:+1:00",
        "1h",
    ] {
        assert!(bad.parse::<IdleTime>().is_err(), "{bad}");
    }
}

#[test]
fn a_schedule_that_is_off_is_none_but_must_be_right() {
    let mut job = read(FULL);
    job.start_on_create = None;
    assert!(job.is_scheduled() && job.starts_on_create());
    // 2026-01-04 is a Sunday; the pattern begins on Monday at 22:00 in Warsaw.
    let sunday = "2026-01-04T12:00:00Z".parse().unwrap();
    assert!(!job.activity().unwrap().is_active(sunday));
    let schedule = job.schedule.as_mut().unwrap();
    schedule.enabled = false;
    assert!(!job.is_scheduled() && !job.starts_on_create());
    assert!(
        job.activity().unwrap().is_active(sunday),
        "a person may start it at any time"
    );
    // Blackouts hold all the same: 23:10 in New York on Friday.
    assert!(
        !job.activity()
            .unwrap()
            .is_active("2026-01-10T04:10:00Z".parse().unwrap())
    );
    let wrong = ActivityPattern::Weekly(crate::schedule::Weekly::default());
    job.schedule.as_mut().unwrap().pattern = wrong;
    assert_eq!(fields(&job), ["schedule.pattern.weekly.days"]);
}

#[test]
fn names_are_the_same_whatever_their_case_space_and_encoding() {
    for (one, other) in [
        ("Nightly", " nightly\t"),
        ("All  mail", "all mail"),
        ("B\u{fc}ro", "bu\u{308}ro"),
        ("STRASSE", "Stra\u{df}e"),
        ("\u{3a3}\u{391}\u{3a3}", "\u{3c3}\u{3b1}\u{3c3}"),
        ("\u{ff2a}ob", "job"),
        ("a\u{a0}b", "A b"),
    ] {
        assert_eq!(name_key(one), name_key(other), "{one} {other}");
    }
    for (one, other) in [
        ("a", "b"),
        ("ab", "a b"),
        ("resume", "r\u{e9}sum\u{e9}"),
        ("i", "l"),
    ] {
        assert_ne!(name_key(one), name_key(other));
    }
    assert_eq!(name_key(" \u{3000} "), "");
}

proptest::proptest! {
    /// A key is its own key: what is stored under it is found under it.
    #[test]
    fn the_key_of_a_key_is_itself(name in "\\PC{0,12}") {
        let key = name_key(&name);
        proptest::prop_assert_eq!(name_key(&key), key);
    }
}

#[test]
fn addresses_are_parted_by_semicolons() {
    let list: AddressList = " a@x.example;; B@x.example ; A@x.example;".parse().unwrap();
    assert_eq!(list.addresses(), ["a@x.example", "B@x.example"]);
    assert_eq!(list.to_string(), "a@x.example; B@x.example");
    assert!("".parse::<AddressList>().unwrap().addresses().is_empty());
    let error = "a@x.example, b@x.example; nobody; c@x"
        .parse::<AddressList>()
        .unwrap_err();
    assert!(
        error.contains("`;`") && error.contains("`nobody`") && error.contains("`c@x`"),
        "{error}"
    );
    for bad in [
        "@x.example",
        "a b@x.example",
        "a@x..example",
        "<a@x.example>",
        "a@x@y.example",
    ] {
        assert!(bad.parse::<AddressList>().is_err(), "{bad}");
    }
}

#[test]
fn webhooks_are_encrypted_unless_they_stay_on_the_machine() {
    let problems = |address: &str| {
        let mut job = read(MINIMAL);
        job.hooks.after = Some(Hook {
            call: HookKind::Webhook(address.to_owned()),
            wait: true,
            on_failure: HookFailure::FailJob,
            timeout_seconds: 1,
        });
        fields(&job).len()
    };
    for good in [
        "https://a.example/x",
        "http://localhost:80/x",
        "http://127.0.0.1",
        "http://[::1]:1?x",
    ] {
        assert_eq!(problems(good), 0, "{good}");
    }
    for bad in [
        "",
        "https://",
        "https:///x",
        "http://a.example",
        "http://localhost.a.example",
        "ftp://a",
        "https://a b",
    ] {
        assert_eq!(problems(bad), 1, "{bad}");
    }
}

#[test]
fn days_are_written_in_words() {
    for day in Day::ALL {
        let text = toml::Value::try_from(day).unwrap();
        assert_eq!(text.as_str().unwrap(), format!("{day:?}").to_lowercase());
    }
}
