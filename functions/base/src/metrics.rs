//! Metrics in CloudWatch's embedded format: a JSON object on a line of the log, of which CloudWatch makes
//! metrics without a request. Whatever is no metric in it can be searched for.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use mailkeep_ports::{Clock, UsageCounts};
use serde_json::{Map, Value, json};

/// The namespace of all metrics.
const NAMESPACE: &str = "mailkeep";
/// Most values of one metric in one line.
const MOST_VALUES: usize = 100;
/// Most metrics in one line.
const MOST_METRICS: usize = 100;

/// In what a metric is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pieces.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// Where metrics of a function go.
pub struct Metrics {
    stack: String,
    function: String,
    clock: Arc<dyn Clock>,
    output: Mutex<Box<dyn Write + Send>>,
}

/// The metrics of one line.
pub struct MetricLine<'a> {
    metrics: &'a Metrics,
    definitions: Vec<Value>,
    members: Map<String, Value>,
}

impl Metrics {
    /// To standard output, where Lambda takes them from.
    #[must_use]
    pub fn to_output(stack: &str, function: &str, clock: Arc<dyn Clock>) -> Self {
        Self::to(Box::new(std::io::stdout()), stack, function, clock)
    }

    /// To this place.
    #[must_use]
    pub fn to(
        output: Box<dyn Write + Send>,
        stack: &str,
        function: &str,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            stack: stack.to_owned(),
            function: function.to_owned(),
            clock,
            output: Mutex::new(output),
        }
    }

    /// A line without metrics yet.
    #[must_use]
    pub fn line(&self) -> MetricLine<'_> {
        MetricLine {
            metrics: self,
            definitions: vec![],
            members: Map::new(),
        }
    }

    /// What was asked of AWS: what it costs, and what was slowed down.
    pub fn usage(&self, counts: &UsageCounts) {
        if *counts == UsageCounts::default() {
            return;
        }
        self.line()
            .metric("StorePuts", Unit::Count, counts.store_puts)
            .metric(
                "StoreGets",
                Unit::Count,
                counts.store_gets + counts.store_heads,
            )
            .metric("StoreLists", Unit::Count, counts.store_lists)
            .metric("StoreDeletes", Unit::Count, counts.store_deletes)
            .metric("StoreBytesWritten", Unit::Bytes, counts.store_bytes_written)
            .metric("StoreBytesRead", Unit::Bytes, counts.store_bytes_read)
            .metric("TableReadUnits", Unit::Count, counts.table_read_units)
            .metric("TableWriteUnits", Unit::Count, counts.table_write_units)
            .metric("QueueRequests", Unit::Count, counts.queue_requests)
            .metric("AwsThrottles", Unit::Count, counts.throttles)
            .metric("AwsFailures", Unit::Count, counts.failures)
            .write();
    }
}

impl MetricLine<'_> {
    /// Adds a metric.
    #[must_use]
    pub fn metric(self, name: &str, unit: Unit, value: u64) -> Self {
        self.add(name, unit, json!(value))
    }

    /// Adds a metric of several values, of which the first hundred count.
    #[must_use]
    pub fn values(self, name: &str, unit: Unit, values: &[u64]) -> Self {
        let values: Vec<u64> = values.iter().copied().take(MOST_VALUES).collect();
        self.add(name, unit, json!(values))
    }

    /// Adds something to search for.
    #[must_use]
    pub fn about(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    fn add(mut self, name: &str, unit: Unit, value: Value) -> Self {
        if self.definitions.len() < MOST_METRICS {
            self.definitions
                .push(json!({"Name": name, "Unit": unit.name()}));
            self.members.insert(name.to_owned(), value);
        }
        self
    }

    /// Writes the line. One that cannot be written is lost: metrics never stop the work.
    pub fn write(self) {
        let metrics = self.metrics;
        let mut line = self.members;
        let meta = json!({
            "Timestamp": metrics.clock.now().timestamp_millis(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                // Each further combination would be a metric that is paid for; logs know the function.
                "Dimensions": [["Stack"]],
                "Metrics": self.definitions,
            }],
        });
        line.insert("_aws".to_owned(), meta);
        line.insert("Stack".to_owned(), json!(metrics.stack));
        line.insert("Function".to_owned(), json!(metrics.function));
        let text = format!("{}\n", Value::Object(line));
        let mut output = metrics
            .output
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let _ = output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush());
    }
}

#[cfg(test)]
mod tests {
    use mailkeep_ports::TestClock;

    use super::*;

    /// A place that a test can read.
    #[derive(Clone, Default)]
    struct Place(Arc<Mutex<Vec<u8>>>);

    impl Write for Place {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_what_cloudwatch_makes_metrics_of() {
        let place = Place::default();
        let clock = Arc::new(TestClock::default());
        let metrics = Metrics::to(Box::new(place.clone()), "prod", "worker", clock);
        metrics
            .line()
            .metric("ItemsStored", Unit::Count, 7)
            .values("MailboxLag", Unit::Seconds, &[1, 2])
            .about("task", "job-1/abc")
            .write();
        metrics.usage(&UsageCounts::default());
        let text = String::from_utf8(place.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "mailkeep");
        assert_eq!(
            directive["Metrics"][1],
            json!({"Name": "MailboxLag", "Unit": "Seconds"})
        );
        assert_eq!(
            (&line["ItemsStored"], &line["MailboxLag"]),
            (&json!(7), &json!([1, 2]))
        );
        // Every dimension and every metric has to be a member.
        for name in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[name.as_str().unwrap()].is_string(), "{name}");
        }
        assert!(line["_aws"]["Timestamp"].is_i64() && line["task"] == "job-1/abc");
    }
}
