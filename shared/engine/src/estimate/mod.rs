//! What a deployment in an AWS account will ask for, cost and take, before there is one.
//!
//! The counts behind it are those of [`costs`], which tests compare with counted passes of the real planner,
//! workers and vault: an estimate cannot drift away from what the program does. How long single requests
//! take is assumed ([`costs`] says what), and prices come from a file.

mod amounts;
pub mod costs;
mod first;
mod month;
mod pace;
mod prices;
mod question;

pub use first::{FirstBackup, RestoreAll};
pub use month::{Line, Month, Service};
pub use pace::{Bound, Pace};
pub use prices::{Prices, S3Class};
pub use question::Question;

/// Of a day.
const DAY_SECONDS: f64 = 86_400.0;

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// How one pass over all mailboxes goes.
    pub pace: Pace,
    /// What an ordinary month costs, with as many passes as are asked for or possible.
    pub month: Month,
    /// What the first backup takes, once.
    pub first: FirstBackup,
    /// What a restore of everything takes.
    pub restore: RestoreAll,
}

/// Estimates.
#[must_use]
pub fn estimate(question: &Question, prices: &Prices) -> Estimate {
    let pace = Pace::of(question);
    let possible = Question {
        passes_per_day: question.passes_per_day.min(DAY_SECONDS / pace.seconds),
        ..question.clone()
    };
    Estimate {
        month: Month::of(&possible, prices, &pace),
        first: FirstBackup::of(question, prices),
        restore: RestoreAll::of(question, prices),
        pace,
    }
}

/// For amounts that are shown with a few digits.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn float(number: u64) -> f64 {
    number as f64
}
