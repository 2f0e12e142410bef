//! Many row entries in columns: the content of a row frame.

use mailkeep_model::FolderId;
use prost::Message;

use crate::format::frame::FrameRef;
use crate::ids::{ItemKey, PackNumber};
use crate::index::rows::column::{Malformed, NumberReader};
use crate::index::rows::item_columns::{ItemColumns, ItemReaderColumns, ItemWriter};
use crate::index::rows::{Life, Patch, Row, RowEntry, SortKey};
use crate::pack_table::{ContentRef, PartLocation};

/// Marks of an entry.
const IS_PATCH: u32 = 1;
const HAS_END: u32 = 1 << 1;
const HAS_NEXT: u32 = 1 << 2;
const HAS_CONTENT: u32 = 1 << 4;
const IS_DROPPED: u32 = 1 << 5;

/// Where contents lie.
#[derive(Clone, PartialEq, prost::Message)]
struct ContentColumns {
    /// Differences to the pack before.
    #[prost(sint64, repeated, tag = "1")]
    packs: Vec<i64>,
    /// Differences to the frame number before.
    #[prost(sint64, repeated, tag = "2")]
    frames: Vec<i64>,
    /// Differences to the end of the frame before.
    #[prost(sint64, repeated, tag = "3")]
    offsets: Vec<i64>,
    #[prost(uint32, repeated, tag = "4")]
    stored_bytes: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    plain_bytes: Vec<u32>,
    #[prost(uint64, repeated, tag = "6")]
    size_bytes: Vec<u64>,
    #[prost(fixed64, repeated, tag = "7")]
    fingerprints: Vec<u64>,
}

/// A batch.
#[derive(Clone, PartialEq, prost::Message)]
struct RowBatch {
    #[prost(uint32, repeated, tag = "1")]
    marks: Vec<u32>,
    #[prost(fixed64, repeated, tag = "2")]
    keys: Vec<u64>,
    /// Differences to the entry before.
    #[prost(sint64, repeated, tag = "3")]
    folders: Vec<i64>,
    /// Differences to the entry before.
    #[prost(sint64, repeated, tag = "4")]
    froms: Vec<i64>,
    /// `end - from`, for entries with an end.
    #[prost(uint64, repeated, tag = "5")]
    ends: Vec<u64>,
    /// `next - from`, for entries with a next version.
    #[prost(uint64, repeated, tag = "6")]
    nexts: Vec<u64>,
    /// Sort times of patches, microseconds.
    #[prost(sint64, repeated, tag = "7")]
    patch_times: Vec<i64>,
    #[prost(message, required, tag = "9")]
    contents: ContentColumns,
    #[prost(message, required, tag = "10")]
    items: ItemColumns,
}

/// The difference that [`undiff`] undoes.
fn diff(value: u64, before: u64) -> i64 {
    value.wrapping_sub(before).cast_signed()
}

fn undiff(difference: i64, before: u64) -> u64 {
    before.wrapping_add(difference.cast_unsigned())
}

/// Encodes entries, in their order.
pub(crate) fn encode(entries: &[RowEntry]) -> Vec<u8> {
    let mut batch = RowBatch::default();
    let mut items = ItemWriter::default();
    let mut before = Before::default();
    for entry in entries {
        let (key, life) = match entry {
            RowEntry::Full(row) => (row.sort_key(), row.life),
            RowEntry::Patch(key, patch) => (*key, patch.life),
        };
        batch.keys.push(key.key.0);
        batch
            .folders
            .push(diff(key.folder.into(), before.folder.into()));
        batch.froms.push(diff(key.from, before.from));
        before.folder = key.folder;
        before.from = key.from;
        let mut mark = 0;
        if let Some(end) = life.end {
            mark |= HAS_END;
            batch.ends.push(end.wrapping_sub(key.from));
        }
        if let Some(next) = life.next {
            mark |= HAS_NEXT;
            batch.nexts.push(next.wrapping_sub(key.from));
        }
        let content = match entry {
            RowEntry::Patch(_, patch) => {
                mark |= IS_PATCH;
                if patch.is_dropped {
                    mark |= IS_DROPPED;
                }
                batch.patch_times.push(key.time);
                &patch.content
            }
            RowEntry::Full(row) => {
                items.push(&row.item);
                &row.content
            }
        };
        if let Some(content) = content {
            mark |= HAS_CONTENT;
            push_content(&mut batch.contents, &mut before, content);
        }
        batch.marks.push(mark);
    }
    batch.items = items.finish();
    batch.encode_to_vec()
}

#[derive(Default)]
struct Before {
    folder: u32,
    from: u64,
    pack: u64,
    frame: u64,
    end: u64,
}

fn push_content(columns: &mut ContentColumns, before: &mut Before, content: &ContentRef) {
    let PartLocation { pack, frame } = content.place;
    columns.packs.push(diff(pack.0.into(), before.pack));
    columns.frames.push(diff(frame.number.into(), before.frame));
    columns.offsets.push(diff(frame.offset.into(), before.end));
    columns.stored_bytes.push(frame.stored_bytes);
    columns.plain_bytes.push(frame.plain_bytes);
    columns.size_bytes.push(content.size_bytes);
    columns.fingerprints.push(content.fingerprint);
    before.pack = pack.0.into();
    before.frame = frame.number.into();
    before.end = frame.end();
}

/// Decodes entries. `folder` gives the id of a folder's number.
pub(crate) fn decode(
    bytes: &[u8],
    folder: &dyn Fn(u32) -> Option<FolderId>,
) -> Result<Vec<RowEntry>, Malformed> {
    let batch = RowBatch::decode(bytes).map_err(|_| Malformed("rows are not readable"))?;
    let mut reader = Reader {
        keys: NumberReader::new(&batch.keys),
        folders: NumberReader::new(&batch.folders),
        froms: NumberReader::new(&batch.froms),
        ends: NumberReader::new(&batch.ends),
        nexts: NumberReader::new(&batch.nexts),
        patch_times: NumberReader::new(&batch.patch_times),
        contents: ContentReader::new(&batch.contents),
        items: ItemReaderColumns::new(&batch.items),
        before: Before::default(),
    };
    batch
        .marks
        .iter()
        .map(|mark| reader.next(*mark, folder))
        .collect()
}

struct Reader<'a> {
    keys: NumberReader<'a, u64>,
    folders: NumberReader<'a, i64>,
    froms: NumberReader<'a, i64>,
    ends: NumberReader<'a, u64>,
    nexts: NumberReader<'a, u64>,
    patch_times: NumberReader<'a, i64>,
    contents: ContentReader<'a>,
    items: ItemReaderColumns<'a>,
    before: Before,
}

impl Reader<'_> {
    fn next(
        &mut self,
        mark: u32,
        folder_id: &dyn Fn(u32) -> Option<FolderId>,
    ) -> Result<RowEntry, Malformed> {
        let key = ItemKey(self.keys.next()?);
        let folder = u32::try_from(undiff(self.folders.next()?, self.before.folder.into()))
            .map_err(|_| Malformed("a folder number is too big"))?;
        let from = undiff(self.froms.next()?, self.before.from);
        self.before.folder = folder;
        self.before.from = from;
        let optional = |bit: u32, column: &mut NumberReader<'_, u64>| {
            (mark & bit != 0)
                .then(|| column.next().map(|age| from.wrapping_add(age)))
                .transpose()
        };
        let life = Life {
            end: optional(HAS_END, &mut self.ends)?,
            next: optional(HAS_NEXT, &mut self.nexts)?,
        };
        let content = (mark & HAS_CONTENT != 0)
            .then(|| self.contents.next(&mut self.before))
            .transpose()?;
        if mark & IS_PATCH != 0 {
            let time = self.patch_times.next()?;
            let key = SortKey {
                folder,
                time,
                key,
                from,
            };
            let patch = Patch {
                life,
                content,
                is_dropped: mark & IS_DROPPED != 0,
            };
            return Ok(RowEntry::Patch(key, patch));
        }
        let folder_id = folder_id(folder).ok_or(Malformed("a row is in an unknown folder"))?;
        let item = self.items.next(folder_id)?;
        Ok(RowEntry::Full(Box::new(Row {
            key,
            folder,
            from,
            life,
            content,
            item,
        })))
    }
}

struct ContentReader<'a> {
    packs: NumberReader<'a, i64>,
    frames: NumberReader<'a, i64>,
    offsets: NumberReader<'a, i64>,
    stored_bytes: NumberReader<'a, u32>,
    plain_bytes: NumberReader<'a, u32>,
    size_bytes: NumberReader<'a, u64>,
    fingerprints: NumberReader<'a, u64>,
}

impl<'a> ContentReader<'a> {
    fn new(columns: &'a ContentColumns) -> Self {
        Self {
            packs: NumberReader::new(&columns.packs),
            frames: NumberReader::new(&columns.frames),
            offsets: NumberReader::new(&columns.offsets),
            stored_bytes: NumberReader::new(&columns.stored_bytes),
            plain_bytes: NumberReader::new(&columns.plain_bytes),
            size_bytes: NumberReader::new(&columns.size_bytes),
            fingerprints: NumberReader::new(&columns.fingerprints),
        }
    }

    fn next(&mut self, before: &mut Before) -> Result<ContentRef, Malformed> {
        let narrow =
            |value: u64| u32::try_from(value).map_err(|_| Malformed("a place is out of range"));
        let frame = FrameRef {
            number: narrow(undiff(self.frames.next()?, before.frame))?,
            offset: narrow(undiff(self.offsets.next()?, before.end))?,
            stored_bytes: self.stored_bytes.next()?,
            plain_bytes: self.plain_bytes.next()?,
        };
        let pack = PackNumber(narrow(undiff(self.packs.next()?, before.pack))?);
        before.pack = pack.0.into();
        before.frame = frame.number.into();
        before.end = frame.end();
        Ok(ContentRef {
            place: PartLocation { pack, frame },
            size_bytes: self.size_bytes.next()?,
            fingerprint: self.fingerprints.next()?,
        })
    }
}
