//! Items with their source's own lossless form.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{TryStreamExt, stream};
use mailkeep_ports::{Rng, SeededRng};

use super::world::{commit, folder, item, list, mime, new_mailbox, read};
use crate::content_store::{ContentHead, ExportSource, StoredContent};
use crate::index::filter::ItemFilter;
use crate::index::version::ItemVersion;
use crate::index::writer::MailboxWriter;

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    SeededRng::new(seed).fill(&mut noise);
    noise
}

/// Stores a message with its export stream, in pieces of an odd size.
async fn store(
    writer: &MailboxWriter,
    text: &str,
    export: &[u8],
    previous: Option<&ItemVersion>,
) -> StoredContent {
    let message = stream::iter([Ok::<_, Infallible>(Bytes::from(mime(text)))]);
    let pieces: Vec<_> = export
        .chunks(33_333)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let export = std::future::ready(Ok(Some(ExportSource {
        server_version: "15.2.1748.10".to_owned(),
        bytes: stream::iter(pieces),
    })));
    let stored = writer.store_content_and_export(ContentHead::default(), message, export, previous);
    stored.await.map_err(|_| "no content").unwrap()
}

#[tokio::test]
async fn an_export_stream_comes_back_beside_the_message() {
    let (_store, mailbox) = new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    writer.put_folder(folder("f", None));
    let exports = [noise(700, 1), noise(3 << 20, 2), vec![]];
    for (n, export) in exports.iter().enumerate() {
        let name = n.to_string();
        let stored = store(&writer, &name, export, None).await;
        writer.put_item(item(&name, "f", 0), stored);
    }
    commit(&writer).await.unwrap();
    let view = mailbox.view().await.unwrap();
    for version in list(&view, &ItemFilter::default(), 10).await {
        let name = version.item.id.0.clone();
        let wanted = &exports[name.parse::<usize>().unwrap()];
        let reader = view.content(&version).await.unwrap();
        assert_eq!(read(&view, &version).await, mime(&name));
        let found: Vec<Bytes> = reader.export().try_collect().await.unwrap();
        assert!(&found.concat() == wanted, "{name}");
        let length = Some(wanted.len() as u64).filter(|length| *length > 0);
        assert_eq!(reader.export_bytes(), length, "{name}");
        let version = length.map(|_| "15.2.1748.10");
        assert_eq!(reader.export_server_version(), version, "{name}");
    }
}

#[tokio::test]
async fn another_export_stream_is_another_content_and_equal_parts_are_stored_once() {
    let (_store, mailbox) = new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    writer.put_folder(folder("f", None));
    let big = noise(3 << 20, 3);
    let stored = store(&writer, "one", &big, None).await;
    writer.put_item(item("one", "f", 0), stored);
    let before = commit(&writer).await.unwrap();
    let key = writer.key(&item("one", "f", 0).id);
    let current = writer.current(key).await.unwrap().unwrap();
    let again = store(&writer, "one", &big, Some(&current)).await;
    assert!(again.was_unchanged);
    let mut other = big.clone();
    other[5] ^= 1;
    let changed = store(&writer, "one", &other, Some(&current)).await;
    assert!(!changed.was_unchanged);
    writer.put_item(item("one", "f", 1), changed);
    let after = commit(&writer).await.unwrap();
    assert!(before.bytes_stored > 3 << 20);
    assert!(after.bytes_stored < 400_000, "{after:?}");
}
