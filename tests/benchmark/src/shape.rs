//! Gives simulated messages what the mail of real mailboxes has and the simulated tenant's has not: headers
//! full of random tokens, and files that the same mailbox holds many times.
//!
//! The figures come from a collection of 27,000 mails, half of them real, that other tools were measured with.

use mailkeep_content::{PartEncoder, PartShape, SplitEvent, Splitter};

use crate::draw::Draw;

/// Random letters that servers put into the headers of each message: signatures and opaque verdicts.
const TOKEN_LETTERS: std::ops::Range<u32> = 3_000..8_000;
/// Letters of a token on a line.
const TOKEN_LINE: usize = 76;
/// How many of a hundred files of a size are copies of one that the mailbox has: below 8, 32, 128, 512 KiB, and
/// above.
const COPIES: [(usize, u32); 5] = [
    (8 << 10, 25),
    (32 << 10, 60),
    (128 << 10, 50),
    (512 << 10, 25),
    (usize::MAX, 8),
];
/// Pictures in signatures are so many times as long as the tenant's.
const PICTURE_FACTOR: usize = 3;

/// The files of one mailbox, by size.
#[derive(Default)]
pub(crate) struct Files([Vec<Vec<u8>>; COPIES.len()]);

impl Files {
    /// The file itself, which is remembered, or one of about its size that the mailbox has.
    fn choose(&mut self, file: Vec<u8>, draw: &mut Draw) -> Vec<u8> {
        let class = COPIES.iter().position(|(limit, _)| file.len() < *limit);
        let class = class.unwrap_or(COPIES.len() - 1);
        let percent = COPIES.get(class).map_or(0, |(_, percent)| *percent);
        let Some(known) = self.0.get_mut(class) else {
            return file;
        };
        let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
        if draw.below(100) < percent && count > 0 {
            // Some are far more common than others.
            let which = draw
                .below(count)
                .min(draw.below(count))
                .min(draw.below(count));
            let which = usize::try_from(which).unwrap_or(0);
            return known.get(which).cloned().unwrap_or(file);
        }
        known.push(file.clone());
        file
    }
}

/// The message in a mailbox that has `files`.
pub(crate) fn reshape(raw: &[u8], files: &mut Files, draw: &mut Draw) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 4);
    push_tokens(&mut out, draw);
    let mut file = vec![];
    let mut sink = |event: SplitEvent<'_>| match event {
        SplitEvent::Text(text) => out.extend_from_slice(text),
        SplitEvent::PartStart => file.clear(),
        SplitEvent::PartData(data) => file.extend_from_slice(data),
        SplitEvent::PartEnd(shape) => {
            let own = picture(std::mem::take(&mut file));
            push_file(&mut out, &files.choose(own, draw), &shape);
        }
    };
    let mut splitter = Splitter::new();
    splitter.push(raw, &mut sink);
    splitter.finish(&mut sink);
    out
}

fn push_tokens(out: &mut Vec<u8>, draw: &mut Draw) {
    let spread = TOKEN_LETTERS.end - TOKEN_LETTERS.start;
    let letters = usize::try_from(TOKEN_LETTERS.start + draw.below(spread)).unwrap_or(0);
    for (name, share) in [
        (
            "ARC-Seal: i=1; a=rsa-sha256; s=arcselector10001; cv=none; b=",
            5,
        ),
        (
            "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; b=",
            5,
        ),
        (
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; b=",
            5,
        ),
        ("X-Microsoft-Antispam-Message-Info:", 1),
    ] {
        out.extend_from_slice(name.as_bytes());
        let mut left = if share == 1 {
            letters * 2 / 5
        } else {
            letters / share
        };
        while left > 0 {
            let line = left.min(TOKEN_LINE);
            out.extend_from_slice(b"\r\n ");
            out.extend_from_slice(draw.id(line).as_bytes());
            left -= line;
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Makes small pictures longer.
fn picture(file: Vec<u8>) -> Vec<u8> {
    if !file.starts_with(b"\x89PNG") {
        return file;
    }
    let seed = file.iter().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
    });
    let mut longer = file;
    let len = longer.len() * (PICTURE_FACTOR - 1);
    longer.extend(Draw::new(seed, 0).bytes(len));
    longer
}

fn push_file(out: &mut Vec<u8>, file: &[u8], shape: &PartShape) {
    let mut encoder = PartEncoder::new(shape);
    encoder.push(file, out);
    encoder.finish(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(raw: &[u8]) -> Vec<Vec<u8>> {
        mailkeep_content::PlaceholderMime::split(raw).1
    }

    fn message(file: &[u8]) -> Vec<u8> {
        let shape = PartShape {
            line_length: 76,
            line_ending: mailkeep_content::LineEnding::Crlf,
            decoded_bytes: 0,
            ends_with_line_ending: true,
        };
        let mut raw = b"Subject: x\r\n\r\n".to_vec();
        push_file(&mut raw, file, &shape);
        raw
    }

    #[test]
    fn files_stay_files_and_some_are_copies() {
        let (mut files, mut seen) = (Files::default(), std::collections::HashSet::new());
        for number in 0..200 {
            let file = Draw::new(7, number).bytes(20_000);
            let reshaped = reshape(&message(&file), &mut files, &mut Draw::new(8, number));
            let found = parts(&reshaped);
            assert_eq!(found.len(), 1, "tokens must not look like files");
            assert_eq!(found[0].len(), file.len());
            assert!(reshaped.len() > 3_000 + file.len() * 4 / 3);
            seen.insert(found[0].clone());
        }
        assert!((50..120).contains(&seen.len()), "{}", seen.len());
    }

    #[test]
    fn the_same_picture_stays_the_same() {
        let small = [b"\x89PNG".as_slice(), &Draw::new(1, 1).bytes(3_000)].concat();
        let longer = picture(small.clone());
        assert_eq!(longer, picture(small.clone()));
        assert_eq!(longer.len(), 3 * small.len());
    }
}
