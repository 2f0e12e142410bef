//! Attachments of generated mail. They come from a pool that the whole tenant shares, so that the
//! same file is found in many mailboxes.

use super::blob::{Blob, Texture};
use super::draw::Draw;
use super::plan::{MailProfile, Shape, World};
use crate::numbers::mix;

/// A file that travels with a message.
#[derive(Clone, Debug)]
pub(crate) struct PlannedFile {
    pub(crate) name: String,
    pub(crate) content_type: &'static str,
    /// Set for pictures inside the body.
    pub(crate) content_id: Option<String>,
    pub(crate) blob: Blob,
}

/// Different files per size class.
const POOL: u64 = 300;

#[derive(Clone, Copy)]
struct Kind {
    extension: &'static str,
    content_type: &'static str,
    texture: Texture,
    magic: &'static [u8],
}

const PDF: &Kind = &Kind {
    extension: "pdf",
    content_type: "application/pdf",
    texture: Texture::Dense,
    magic: b"%PDF-1.7\n",
};

const KINDS: &[Kind] = &[
    *PDF,
    Kind {
        extension: "docx",
        content_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        texture: Texture::Dense,
        magic: b"PK\x03\x04",
    },
    Kind {
        extension: "xlsx",
        content_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        texture: Texture::Dense,
        magic: b"PK\x03\x04",
    },
    Kind {
        extension: "csv",
        content_type: "text/csv",
        texture: Texture::Text,
        magic: b"",
    },
    Kind {
        extension: "jpg",
        content_type: "image/jpeg",
        texture: Texture::Dense,
        magic: b"\xff\xd8\xff\xe0",
    },
    Kind {
        extension: "log",
        content_type: "application/octet-stream",
        texture: Texture::Text,
        magic: b"",
    },
];

const NAMES: &[&str] = &[
    "Report",
    "Rechnung Überprüfung",
    "scan0001",
    "契約書",
    "Q3 figures (final) v2",
    "Załącznik nr 1",
    "O'Brien – offer",
    "photo",
    "a;b=c, d",
    "отчёт",
];

/// Chooses attachments and inline pictures so that the message comes near to `size` bytes.
pub(crate) fn choose_files(
    world: &World,
    shape: Shape,
    size: u64,
    key: u64,
    draw: &mut Draw,
) -> Vec<PlannedFile> {
    let mut files = Vec::new();
    if world.profile == MailProfile::Small {
        if draw.one_in(50) {
            files.push(pool_file(world.seed, 1_500, draw));
        }
        return files;
    }
    let mut left = size;
    if left > 9_000 && draw.percent(30) {
        let picture = signature_picture(world.seed, draw);
        left = left.saturating_sub(picture.blob.len() * 37 / 27);
        files.push(picture);
    }
    let wants_files = match left {
        0..=14_000 => draw.percent(5),
        14_001..=160_000 => draw.percent(40),
        _ => true,
    };
    if wants_files && !matches!(shape, Shape::Empty | Shape::Encrypted) {
        let count = if left > 400_000 { 1 + draw.below(3) } else { 1 };
        let share = left / count * 27 / 37 * 4 / 5;
        for _ in 0..count {
            files.push(if draw.percent(70) {
                pool_file(world.seed, share, draw)
            } else {
                own_file(mix(&[key, draw.next()]), share, draw)
            });
        }
    }
    files
}

/// A file of the tenant's pool with about this many bytes.
fn pool_file(seed: u64, bytes: u64, draw: &mut Draw) -> PlannedFile {
    let class = 63 - u64::from(bytes.max(1).leading_zeros());
    let which = draw.zipf(POOL);
    let mut own = Draw::new(&[seed, 0x706f_6f6c, class, which]);
    let size = own.between(1 << class, (1 << class) + (1 << class) / 2);
    own_file(mix(&[seed, class, which]), size, &mut own)
}

fn own_file(seed: u64, bytes: u64, draw: &mut Draw) -> PlannedFile {
    let choice = draw.zipf(crate::numbers::wide(KINDS.len()));
    let kind = KINDS.get(crate::numbers::index(choice)).unwrap_or(PDF);
    PlannedFile {
        name: format!(
            "{} {}.{}",
            draw.word(NAMES),
            draw.below(1000),
            kind.extension
        ),
        content_type: kind.content_type,
        content_id: None,
        blob: Blob::Generated {
            seed,
            bytes: bytes.max(1),
            texture: kind.texture,
            magic: kind.magic,
        },
    }
}

/// Logos in signatures: few, and in a great many messages.
fn signature_picture(seed: u64, draw: &mut Draw) -> PlannedFile {
    let which = draw.zipf(40);
    let mut own = Draw::new(&[seed, 0x6c6f_676f, which]);
    PlannedFile {
        name: format!("image{:03}.png", which + 1),
        content_type: "image/png",
        content_id: Some(format!(
            "image{:03}.png@01DC{:04X}.{:08X}",
            which + 1,
            own.below(65_536),
            own.next32()
        )),
        blob: Blob::Generated {
            seed: mix(&[seed, 0x6c6f_676f, which]),
            bytes: own.between(2_500, 9_000),
            texture: Texture::Dense,
            magic: b"\x89PNG\r\n\x1a\n",
        },
    }
}
