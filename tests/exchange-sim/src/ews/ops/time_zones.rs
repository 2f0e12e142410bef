//! `GetServerTimeZones`.

use crate::ews::context::Context;
use crate::ews::soap::Message;
use crate::ews::xml::Node;

/// Id, name and bias of a few zones.
const ZONES: &[(&str, &str, &str)] = &[
    ("UTC", "(UTC) Coordinated Universal Time", "PT0S"),
    (
        "W. Europe Standard Time",
        "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
        "-PT1H",
    ),
    (
        "Romance Standard Time",
        "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris",
        "-PT1H",
    ),
    (
        "Eastern Standard Time",
        "(UTC-05:00) Eastern Time (US & Canada)",
        "PT5H",
    ),
    (
        "Tokyo Standard Time",
        "(UTC+09:00) Osaka, Sapporo, Tokyo",
        "-PT9H",
    ),
];

pub(super) fn run(context: &Context, request: &Node) -> Message {
    let is_full = request.attribute("ReturnFullTimeZoneData") == Some("true");
    let wanted: Vec<&str> = super::list(request, "m:Ids")
        .iter()
        .map(|id| id.text.as_str())
        .collect();
    let mut out = context.out();
    out.start("m:TimeZoneDefinitions", &[]);
    for (id, name, bias) in ZONES {
        if !wanted.is_empty() && !wanted.contains(id) {
            continue;
        }
        out.start("t:TimeZoneDefinition", &[("Id", id), ("Name", name)]);
        if is_full {
            let period = format!("trule:Microsoft/Registry/{id}/2007-Standard");
            out.start("t:Periods", &[])
                .empty(
                    "t:Period",
                    &[("Bias", bias), ("Name", "Standard"), ("Id", &period)],
                )
                .end()
                .start("t:TransitionsGroups", &[])
                .start("t:TransitionsGroup", &[("Id", "0")])
                .start("t:Transition", &[])
                .start("t:To", &[("Kind", "Period")])
                .raw_text(&period)
                .end()
                .end()
                .end()
                .end()
                .start("t:Transitions", &[])
                .start("t:Transition", &[])
                .start("t:To", &[("Kind", "Group")])
                .raw_text("0")
                .end()
                .end()
                .end();
        }
        out.end();
    }
    out.end();
    Message::good(out)
}
