"""Sealed objects: docs/format.md, section 6."""

import struct

import zstandard

from keys import MY_FORMAT, aes_open, crc32c, hkdf
from wire import Damaged, Message, NewerThanMe

PACK, LOG, CHECKPOINT, RUN, DOCUMENT, FLOOR = 1, 2, 3, 4, 5, 6
ITEM_FRAME, PART_FRAME, RECORD_FRAME = 1, 2, 3
ROW_BLOCK, LOOKUP_BLOCK, PART_BLOCK, ROOT_FRAME, DICTIONARY_FRAME = 4, 5, 6, 7, 8
PACK_ROWS = 13
HEADER, TRAILER, TAG = 80, 96, 16
LARGEST = 64 << 20


class Frame:
    """Where a frame is and what it holds."""

    def __init__(self, kind, offset, stored, plain, content_id):
        self.kind, self.offset, self.stored = kind, offset, stored
        self.plain, self.content_id = plain, content_id


class Container:
    """An open object. `dictionary(number)` gives a zstd dictionary of the vault,
    `scope_keys` the key of each epoch."""

    def __init__(self, name, data, kind, scope_keys, dictionary):
        self.name, self.data, self.dictionary = name, data, dictionary
        if len(data) < HEADER + TRAILER or data[-4:] != b"MKVE":
            raise Damaged(f"{name}: no trailer")
        header = data[-TRAILER : HEADER - TRAILER]
        if header[:4] != b"MKV1":
            raise Damaged(f"{name}: not a sealed object")
        _, min_reader, suite, found, _, epoch = struct.unpack_from("<HHHBBI", header, 4)
        if min_reader > MY_FORMAT:
            raise NewerThanMe(name)
        if data[:HEADER] != header:
            raise Damaged(f"{name}: header and trailer differ")
        if suite != 1 or found != kind or epoch not in scope_keys:
            raise Damaged(f"{name}: suite, kind or epoch")
        info = b"mailkeep v1 object" + header[:16] + name.encode()
        material = hkdf(header[16:48], scope_keys[epoch], info, 64)
        if material[32:] != header[48:]:
            raise Damaged(f"{name}: damaged or not this object")
        self.key = material[:32]
        footer_bytes, count, crc = struct.unpack_from("<III", data, len(data) - 16)
        end = len(data) - TRAILER
        footer = data[end - footer_bytes : end]
        if crc32c(footer) != crc:
            raise Damaged(f"{name}: checksum of the footer")
        nonce = b"\1" + bytes(11)
        table = aes_open(self.key, nonce, footer, struct.pack("<I", count), f"{name}: footer")
        self.frames = frames_of(Message(table), count, end - footer_bytes, name)

    def read(self, number):
        """The content of a frame."""
        if number >= len(self.frames):
            raise Damaged(f"{self.name}: no frame {number}")
        frame = self.frames[number]
        sealed = self.data[frame.offset : frame.offset + frame.stored]
        nonce = bytes(8) + struct.pack(">I", number)
        what = f"{self.name}: frame {number}"
        opened = aes_open(self.key, nonce, sealed, bytes([frame.kind]), what)
        payload, method = opened[:-1], opened[-1]
        if method:
            dictionary = None
            if method > 1:
                dictionary = zstandard.ZstdCompressionDict(self.dictionary(method - 1))
            try:
                payload = zstandard.ZstdDecompressor(dict_data=dictionary).decompress(
                    payload, max_output_size=max(frame.plain, 1)
                )
            except zstandard.ZstdError as error:
                raise Damaged(f"{what}: {error}") from None
        if len(payload) != frame.plain:
            raise Damaged(f"{what}: length")
        return payload

    def numbers_of(self, kind):
        return [number for number, frame in enumerate(self.frames) if frame.kind == kind]


def frames_of(table, count, end, name):
    """The frames of a frame table; they must fill the space up to `end`."""
    kinds, stored, plain = table.bytes(1), table.numbers(2), table.numbers(3)
    if not len(kinds) == len(stored) == len(plain) == count or max(plain, default=0) > LARGEST:
        raise Damaged(f"{name}: frame table")
    ids, number = {}, 0
    content_ids = table.bytes(5)
    for index, step in enumerate(table.numbers(4)):
        number += step
        ids[number] = content_ids[16 * index : 16 * index + 16]
    offset, frames = HEADER, []
    for number in range(count):
        frames.append(Frame(kinds[number], offset, stored[number], plain[number], ids.get(number)))
        offset += stored[number]
    if offset != end:
        raise Damaged(f"{name}: frames do not fill the object")
    return frames
