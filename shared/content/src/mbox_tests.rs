use std::io::BufReader;

use proptest::prelude::*;

use super::*;

fn write(messages: &[Vec<u8>], step: usize) -> Vec<u8> {
    let mut out = vec![];
    let mut writer = MboxWriter::new();
    for message in messages {
        writer.begin("a@b.example", DateTime::UNIX_EPOCH, &mut out);
        for piece in message.chunks(step) {
            writer.write(piece, &mut out);
        }
        writer.end(&mut out);
    }
    out
}

fn read(mbox: &[u8], buffer: usize) -> Vec<Vec<u8>> {
    MboxReader::new(BufReader::with_capacity(buffer, mbox), 1 << 20)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn lines_that_look_like_separators_are_escaped() {
    let message = b"Subject: x\r\n\r\nFrom me\r\n>From you\r\n>>Fromage\r\n> From\r\n".to_vec();
    let mbox = write(std::slice::from_ref(&message), 1_000);
    assert_eq!(
        String::from_utf8_lossy(&mbox),
        "From a@b.example Thu Jan  1 00:00:00 1970\nSubject: x\r\n\r\n>From me\r\n\
         >>From you\r\n>>Fromage\r\n> From\r\n\n"
    );
    assert_eq!(read(&mbox, 7), [message]);
}

#[test]
fn a_file_of_another_program_is_read() {
    let mbox =
        b"\nFrom a Mon Jan  1 10:00:00 2024\r\nA: 1\r\n\r\nFrom here on\r\n\r\nFrom there\r\n\r\n\
        From b Mon Jan  1 10:00:00 2024\r\nB: 2\r\n\r\nFrom c Mon Jan  1 10:00:00 2024\r\n";
    let messages = read(mbox, 3);
    assert_eq!(
        messages[0],
        b"A: 1\r\n\r\nFrom here on\r\n\r\nFrom there\r\n"
    );
    assert_eq!(messages[1..], [b"B: 2\r\n".to_vec(), vec![]]);
    let no_time = b"From a\nA: 1\n\nFrom b\nB: 2\n\n";
    assert_eq!(read(no_time, 8), [b"A: 1\n", b"B: 2\n"]);
}

#[test]
fn a_message_that_is_too_large_does_not_hide_the_next() {
    let mbox = write(&[vec![b'a'; 1_000], b"b\n".to_vec(), vec![b'c'; 99]], 50);
    let mut reader = MboxReader::new(BufReader::with_capacity(16, &mbox[..]), 100);
    assert!(matches!(
        reader.next(),
        Some(Err(MboxError::TooLarge {
            number: 1,
            limit: 100
        }))
    ));
    assert_eq!(reader.next().unwrap().unwrap(), b"b\n");
    assert_eq!(reader.next().unwrap().unwrap().len(), 100);
    assert!(reader.next().is_none());
}

#[test]
fn what_is_no_mbox_is_refused() {
    let mut reader = MboxReader::new(&b"Subject: x\n\nbody"[..], 100);
    assert!(matches!(reader.next(), Some(Err(MboxError::NotMbox))));
    assert!(reader.next().is_none());
    assert!(MboxReader::new(&b""[..], 100).next().is_none());
}

proptest! {
    #[test]
    fn messages_come_back(
        messages in proptest::collection::vec(
            proptest::collection::vec(
                prop::sample::select(vec![
                    &b"\n"[..], b"\r\n", b"From ", b"Fro", b">", b"x 10:00 ", b"\r", b"\xff",
                ]),
                0..30,
            ),
            0..4,
        ),
        step in 1..20_usize,
        buffer in 1..40_usize,
    ) {
        let messages: Vec<Vec<u8>> = messages.into_iter().map(|m| m.concat()).collect();
        let expected: Vec<Vec<u8>> = messages
            .iter()
            .map(|message| {
                let mut message = message.clone();
                if !message.is_empty() && !message.ends_with(b"\n") {
                    message.push(b'\n');
                }
                message
            })
            .collect();
        let mbox = write(&messages, step);
        prop_assert_eq!(read(&mbox, buffer), expected);
    }

    #[test]
    fn any_file_can_be_read(mbox in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mbox = [b"From x\n".to_vec(), mbox].concat();
        let read: Vec<_> = MboxReader::new(&mbox[..], 100).collect();
        prop_assert!(!read.is_empty());
    }
}
