//! Reading JSON as the service really sends it.

use serde::de::DeserializeOwned;

/// Reads JSON. Raw control characters, halves of surrogate pairs and broken UTF-8 inside strings,
/// which the service is known to send, are put right first.
///
/// # Errors
/// When it is still no JSON of that shape, ordinarily because it was cut off.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(_) => serde_json::from_str(&repair(body)),
    }
}

/// What is wrong with strings, put right; what is outside of strings stays.
fn repair(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_string = false;
    let mut pending_high: Option<u32> = None;
    while let Some(c) = chars.next() {
        let is_escape = in_string && c == '\\';
        let unit = (is_escape && chars.peek() == Some(&'u')).then(|| {
            chars.next();
            (0..4).try_fold(0, |unit: u32, _| {
                let digit = chars.peek().and_then(|c| c.to_digit(16))?;
                chars.next();
                Some(unit << 4 | digit)
            })
        });
        if let Some(high) = pending_high.take() {
            match unit {
                Some(Some(low @ 0xDC00..=0xDFFF)) => {
                    escape(&mut out, high);
                    escape(&mut out, low);
                    continue;
                }
                _ => out.push('\u{fffd}'),
            }
        }
        match unit {
            Some(Some(high @ 0xD800..=0xDBFF)) => pending_high = Some(high),
            Some(Some(0xDC00..=0xDFFF) | None) => out.push('\u{fffd}'),
            Some(Some(other)) => escape(&mut out, other),
            None if is_escape => {
                out.push(c);
                out.extend(chars.next());
            }
            None if in_string && c < ' ' => escape(&mut out, u32::from(c)),
            None => {
                if c == '"' {
                    in_string = !in_string;
                }
                out.push(c);
            }
        }
    }
    out
}

fn escape(out: &mut String, unit: u32) {
    out.push_str(&format!("\\u{unit:04x}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn damaged_strings_are_read() {
        for (raw, expected) in [
            (&b"{\"a\":\"x\x01\ny\"}"[..], "x\u{1}\ny"),
            (br#"{"a":"cut \ud83d"}"#, "cut \u{fffd}"),
            (br#"{"a":"\ud83dx"}"#, "\u{fffd}x"),
            (br#"{"a":"\udc00 \ud83d\ude00"}"#, "\u{fffd} \u{1f600}"),
            (b"{\"a\":\"\xff\"}", "\u{fffd}"),
            (b"{\"a\":\"quote \\\" \\\\ \x02\"}", "quote \" \\ \u{2}"),
            (b"{\"a\":\"\\ud83d\\n\"}", "\u{fffd}\n"),
        ] {
            let value: Value = parse(raw).unwrap();
            assert_eq!(value["a"], expected);
        }
    }

    #[test]
    fn a_cut_answer_stays_an_error() {
        assert!(parse::<Value>(br#"{"value":["#).is_err());
        assert!(parse::<Value>(br#"{"value":[{"a":"b"#).is_err());
        assert!(parse::<Value>(b"").is_err());
    }

    proptest! {
        #[test]
        fn good_json_is_not_changed(text in "\\PC{0,40}") {
            let json = serde_json::to_string(&serde_json::json!({ "a": text })).unwrap();
            let repaired: Value = serde_json::from_str(&repair(json.as_bytes())).unwrap();
            prop_assert_eq!(&repaired["a"], &Value::from(text));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = repair(&bytes);
        }
    }
}
