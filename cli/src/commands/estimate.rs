//! `mailkeep estimate`.

use std::path::Path;

use mailkeep_engine::estimate::{Bound, Estimate, Line, Prices, Question, costs, estimate};
use serde_json::{Value, json};

use crate::args::EstimateArgs;
use crate::output::{Column, Output, Table, human};
use crate::session::Session;
use crate::{CliError, Exit};

/// Prices that come with the program.
const PRICES: &str = include_str!("../../data/prices.toml");
/// Larger than any file of prices.
const MAX_BYTES: u64 = 1 << 20;

/// Carries out the verb.
///
/// # Errors
/// When the prices cannot be read.
pub(super) fn run(session: &Session, args: &EstimateArgs) -> Result<Exit, CliError> {
    let prices = prices(args)?;
    let question = args.question();
    let answer = estimate(&question, &prices);
    let mut output = session.output();
    if output.is_json() {
        objects(&mut output, &question, &prices, &answer)?;
    } else {
        text(&mut output, &question, &prices, &answer)?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn prices(args: &EstimateArgs) -> Result<Prices, CliError> {
    let (text, name) = match &args.prices {
        Some(path) => (read(path)?, path.display().to_string()),
        None => (PRICES.to_owned(), "the prices of the program".to_owned()),
    };
    let wrong = |what: String| CliError::Usage(format!("{name}: {what}"));
    let prices: Prices = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    match prices.problem(args.storage_class.name()) {
        Some(problem) => Err(wrong(problem)),
        None => Ok(prices),
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    let metadata = std::fs::metadata(path).map_err(CliError::file("reading", path))?;
    if metadata.len() > MAX_BYTES {
        let what = "larger than 1 MiB, which no prices are";
        return Err(CliError::Usage(format!("{}: {what}", path.display())));
    }
    std::fs::read_to_string(path).map_err(CliError::file("reading", path))
}

fn object(line: &Line, when: &str) -> Value {
    json!({
        "type": "estimate_line",
        "of": when,
        "service": line.service.name(),
        "what": line.what,
        "quantity": line.quantity,
        "cost": line.cost,
    })
}

fn objects(
    output: &mut Output,
    question: &Question,
    prices: &Prices,
    answer: &Estimate,
) -> Result<(), CliError> {
    for (lines, when) in [
        (&answer.month.lines, "month"),
        (&answer.first.lines, "first_backup"),
        (&answer.restore.lines, "restore"),
    ] {
        for line in lines {
            output.object(&object(line, when))?;
        }
    }
    let (pace, first, restore) = (&answer.pace, &answer.first, &answer.restore);
    output.object(&json!({
        "type": "estimate",
        "region": prices.region,
        "prices_as_of": prices.as_of,
        "currency": prices.currency,
        "mailboxes": question.mailboxes,
        "cost_per_month": answer.month.cost(),
        "tasks_per_month": answer.month.tasks,
        "messages_per_month": answer.month.messages,
        "stored_bytes": answer.month.stored_bytes,
        "pass_seconds": pace.seconds,
        "pass_bound_by": bound(pace.bound),
        "pass_worker_seconds": pace.worker_seconds,
        "pass_planner_seconds": pace.planner_seconds,
        "pass_source_requests": pace.source_requests,
        "handed_out_per_second": pace.handed_out_per_second,
        "first_backup_cost": sum(&first.lines),
        "first_backup_seconds": first.seconds,
        "first_backup_mailbox_seconds": first.mailbox_seconds,
        "restore_cost": sum(&restore.lines),
        "restore_seconds": restore.seconds,
        "restore_mailbox_seconds": restore.mailbox_seconds,
        "restore_requests": restore.requests,
    }))
}

fn bound(bound: Bound) -> &'static str {
    match bound {
        Bound::Workers => "workers",
        Bound::Planner => "planner",
    }
}

fn sum(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.cost).sum()
}

fn text(
    output: &mut Output,
    question: &Question,
    prices: &Prices,
    answer: &Estimate,
) -> Result<(), CliError> {
    let (region, as_of) = (&prices.region, &prices.as_of);
    let currency = &prices.currency;
    output.line(format!("Prices of {region}, {as_of}, in {currency}"))?;
    output.line(format!(
        "\nA month, {} after the first backup",
        human::plural(question.months.into(), "month")
    ))?;
    table(output, &answer.month.lines)?;
    let pace = &answer.pace;
    output.line(format!(
        "\nA pass takes {}, decided by the {}: {} of workers, {} of the planner, which hands out {:.0} mailboxes \
         a second at most; {} requests to the source",
        human::duration(pace.seconds),
        bound(pace.bound),
        human::duration(pace.worker_seconds),
        human::duration(pace.planner_seconds),
        pace.handed_out_per_second,
        number(pace.source_requests),
    ))?;
    let every = 86_400.0 / question.passes_per_day;
    if pace.seconds > every {
        output.line(format!(
            "That is longer than the {} between two passes: there will be fewer, and the month has as many as are possible",
            human::duration(every)
        ))?;
    }
    let first = &answer.first;
    output.line("\nThe first backup, once")?;
    table(output, &first.lines)?;
    output.line(format!(
        "It takes {}; one mailbox takes {}",
        human::duration(first.seconds),
        human::duration(first.mailbox_seconds),
    ))?;
    let restore = &answer.restore;
    output.line("\nA restore of everything into Exchange Online")?;
    table(output, &restore.lines)?;
    let by = if restore.is_bound_by_bytes {
        "150 MB in five minutes"
    } else {
        "10,000 requests in ten minutes, four at once"
    };
    output.line(format!(
        "It takes {} with {} mailboxes at once; one mailbox takes {}, because the service takes {by} for each",
        human::duration(restore.seconds),
        human::count(question.restores.into()),
        human::duration(restore.mailbox_seconds),
    ))?;
    output.line(format!(
        "\nAssumed: {:.2} s for a request to Microsoft Graph, {:.3} s to S3, {:.3} s for a transaction of \
         DynamoDB; {:.0} % of mail is stored. Calls of the API are not in it",
        costs::SOURCE_SECONDS,
        costs::STORE_SECONDS,
        costs::TABLE_WRITE_SECONDS,
        costs::STORED_PART * 100.0,
    ))
}

fn table(output: &mut Output, lines: &[Line]) -> Result<(), CliError> {
    let mut table = Table::new([
        Column::left("SERVICE", 22),
        Column::left("WHAT", 24),
        Column::right("QUANTITY", 16),
        Column::right("COST", 12),
    ]);
    for line in lines {
        let cells = [
            line.service.name().to_owned(),
            line.what.to_owned(),
            number(line.quantity),
            format!("{:.2}", line.cost),
        ];
        output.row(&mut table, cells)?;
    }
    let cells = [
        "all".to_owned(),
        String::new(),
        String::new(),
        format!("{:.2}", sum(lines)),
    ];
    output.row(&mut table, cells)
}

/// A number of things, with thousands apart.
fn number(quantity: f64) -> String {
    if quantity < 9.95 {
        return format!("{quantity:.1}");
    }
    let digits = format!("{quantity:.0}");
    digits.parse().map_or(digits, human::count)
}
