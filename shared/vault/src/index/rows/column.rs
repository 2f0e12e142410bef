//! Columns: the values of one field of many rows, one after another.

use chrono::{DateTime, Utc};
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding};

/// Why bytes that were decrypted correctly could not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Texts one after another. A text that is base64 (ids of Exchange are) is kept as the bytes it
/// stands for, when encoding those bytes gives the same text.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TextColumn {
    /// Bytes that each value occupies in `bytes`.
    #[prost(uint32, repeated, tag = "1")]
    lengths: Vec<u32>,
    /// All values, without separators.
    #[prost(bytes = "vec", tag = "2")]
    bytes: Vec<u8>,
    /// One byte per value: 0 text, else the base64 form (see [`FORMS`]). Empty when all are 0.
    #[prost(bytes = "vec", tag = "3")]
    forms: Vec<u8>,
}

/// The base64 forms, by the number that stands for them minus one.
const FORMS: [&Encoding; 4] = [&BASE64URL, &BASE64URL_NOPAD, &BASE64, &BASE64_NOPAD];

/// Shorter texts gain nothing.
const SHORTEST_BASE64: usize = 16;

impl TextColumn {
    /// Appends a text as it is.
    pub(crate) fn push(&mut self, text: &str) {
        self.push_bytes(text.as_bytes(), 0);
    }

    /// Appends a text that may be base64.
    pub(crate) fn push_id(&mut self, text: &str) {
        if text.len() >= SHORTEST_BASE64 {
            for (form, encoding) in (1..).zip(FORMS) {
                if let Ok(bytes) = encoding.decode(text.as_bytes())
                    && encoding.encode(&bytes) == text
                {
                    return self.push_bytes(&bytes, form);
                }
            }
        }
        self.push(text);
    }

    fn push_bytes(&mut self, bytes: &[u8], form: u8) {
        if form != 0 && self.forms.is_empty() {
            self.forms.resize(self.lengths.len(), 0);
        }
        if form != 0 || !self.forms.is_empty() {
            self.forms.push(form);
        }
        // A body of the protocol is far below 4 GiB; a longer one would be cut, never mixed up.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.lengths.push(length);
        let end = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.bytes
            .extend_from_slice(bytes.get(..end).unwrap_or_default());
    }

    /// Reads the texts from the first.
    pub(crate) fn reader(&self) -> TextReader<'_> {
        TextReader {
            column: self,
            index: 0,
            offset: 0,
        }
    }
}

/// Reads a [`TextColumn`] value by value.
pub(crate) struct TextReader<'a> {
    column: &'a TextColumn,
    index: usize,
    offset: usize,
}

impl TextReader<'_> {
    /// The next text.
    pub(crate) fn next(&mut self) -> Result<String, Malformed> {
        let column = self.column;
        let length = *column
            .lengths
            .get(self.index)
            .ok_or(Malformed("a text column is too short"))?;
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.offset.checked_add(length))
            .ok_or(Malformed("a text is too long"))?;
        let bytes = column
            .bytes
            .get(self.offset..end)
            .ok_or(Malformed("a text column lacks bytes"))?;
        let form = column.forms.get(self.index).copied().unwrap_or(0);
        self.index += 1;
        self.offset = end;
        match usize::from(form).checked_sub(1) {
            None => String::from_utf8(bytes.to_vec()).map_err(|_| Malformed("a text is not UTF-8")),
            Some(form) => FORMS
                .get(form)
                .map(|encoding| encoding.encode(bytes))
                .ok_or(Malformed("a text has an unknown form")),
        }
    }
}

/// Points in time, each kept as the difference to one that the reader knows already.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TimeColumn {
    /// Seconds since the reference, wrapping.
    #[prost(sint64, repeated, tag = "1")]
    seconds: Vec<i64>,
    /// Nanoseconds of each value; empty when all are 0.
    #[prost(uint32, repeated, tag = "2")]
    nanoseconds: Vec<u32>,
}

impl TimeColumn {
    /// Appends a time.
    pub(crate) fn push(&mut self, time: DateTime<Utc>, reference: i64) {
        let nanoseconds = time.timestamp_subsec_nanos();
        if nanoseconds != 0 && self.nanoseconds.is_empty() {
            self.nanoseconds.resize(self.seconds.len(), 0);
        }
        if nanoseconds != 0 || !self.nanoseconds.is_empty() {
            self.nanoseconds.push(nanoseconds);
        }
        self.seconds.push(time.timestamp().wrapping_sub(reference));
    }

    /// Reads the times from the first.
    pub(crate) fn reader(&self) -> TimeReader<'_> {
        TimeReader {
            column: self,
            index: 0,
        }
    }
}

/// Reads a [`TimeColumn`] value by value.
pub(crate) struct TimeReader<'a> {
    column: &'a TimeColumn,
    index: usize,
}

impl TimeReader<'_> {
    /// The next time.
    pub(crate) fn next(&mut self, reference: i64) -> Result<DateTime<Utc>, Malformed> {
        let seconds = *self
            .column
            .seconds
            .get(self.index)
            .ok_or(Malformed("a time column is too short"))?;
        let nanoseconds = self
            .column
            .nanoseconds
            .get(self.index)
            .copied()
            .unwrap_or(0);
        self.index += 1;
        DateTime::from_timestamp(seconds.wrapping_add(reference), nanoseconds)
            .ok_or(Malformed("a time is out of range"))
    }
}

/// Reads a column of numbers value by value.
pub(crate) struct NumberReader<'a, T> {
    values: std::slice::Iter<'a, T>,
}

impl<'a, T: Copy> NumberReader<'a, T> {
    /// Starts at the first number.
    pub(crate) fn new(values: &'a [T]) -> Self {
        Self {
            values: values.iter(),
        }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> Result<T, Malformed> {
        self.values
            .next()
            .copied()
            .ok_or(Malformed("a number column is too short"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,40}",
            "[A-Za-z0-9_-]{0,60}={0,2}",
            "[A-Za-z0-9+/]{0,60}={0,2}",
            proptest::collection::vec(any::<u8>(), 0..60).prop_map(|b| BASE64URL.encode(&b)),
            proptest::collection::vec(any::<u8>(), 0..60).prop_map(|b| BASE64.encode(&b)),
        ]
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in proptest::collection::vec((text(), any::<bool>()), 0..20)) {
            let mut column = TextColumn::default();
            for (text, is_id) in &texts {
                if *is_id { column.push_id(text) } else { column.push(text) }
            }
            let mut reader = column.reader();
            for (text, _) in &texts {
                prop_assert_eq!(&reader.next().unwrap(), text);
            }
            prop_assert!(reader.next().is_err());
        }
    }

    #[test]
    fn an_id_of_exchange_is_kept_as_bytes() {
        let id = BASE64URL.encode(&[7; 111]);
        let mut column = TextColumn::default();
        column.push("plain");
        column.push_id(&id);
        assert_eq!(column.bytes.len(), 5 + 111);
        assert_eq!(column.forms, [0, 1]);
    }

    #[test]
    fn lengths_that_lie_are_an_error() {
        let column = TextColumn {
            lengths: vec![u32::MAX],
            bytes: vec![1],
            forms: vec![],
        };
        assert_eq!(
            column.reader().next(),
            Err(Malformed("a text column lacks bytes"))
        );
        let column = TextColumn {
            lengths: vec![1],
            bytes: vec![1],
            forms: vec![9],
        };
        assert!(column.reader().next().is_err());
    }
}
