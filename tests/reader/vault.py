"""Stores, vaults and mailboxes: docs/format.md, sections 1, 5 and 7 to 10."""

import base64
import json
import os
import struct

from blake3 import blake3

import container
from batch import read_batch
from container import Container
from keys import base32, keyed_hash, open_ring, read_record, subkey, unwrap
from wire import Damaged, Message


class Folder:
    """Objects as files of a folder, and how often they were read."""

    def __init__(self, root):
        self.root = root

    def get(self, name):
        with open(os.path.join(self.root, name), "rb") as file:
            return file.read()

    def names(self, prefix):
        """All names below a prefix that ends with a slash, in order."""
        out = []
        for folder, _, files in os.walk(os.path.join(self.root, prefix)):
            relative = os.path.relpath(folder, self.root)
            out += [f"{relative}/{file}" for file in files]
        return sorted(out)

    def folders(self, prefix):
        path = os.path.join(self.root, prefix)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []


class Vault:
    """An open vault."""

    def __init__(self, store, unlock):
        self.store = store
        self.ring = open_ring(store, unlock)
        self.id = self.ring.vault_id
        self.dictionaries = {}

    def dictionary(self, number):
        if number not in self.dictionaries:
            self.dictionaries[number] = self.store.get(f"dict/{number}")
        return self.dictionaries[number]

    def record(self, name, kind):
        """The record of an object that belongs to no mailbox."""
        scopes = {epoch: subkey(root, "vault objects") for epoch, root in self.ring.roots.items()}
        holder = Container(name, self.store.get(name), kind, scopes, self.dictionary)
        return holder.read(holder.numbers_of(container.RECORD_FRAME)[-1])

    def runs(self):
        """What runs did, oldest first: section 9."""
        return [json.loads(self.record(name, container.RUN)) for name in self.store.names("runs/")]

    def document(self, kind, name):
        """The content of a document: section 10."""
        names = subkey(self.ring.naming, "vault document names")
        digest = base32(keyed_hash(names, kind.encode(), name.encode(), length=16))
        object_name = f"doc/{kind}/{digest}"
        document = Message(self.record(object_name, container.DOCUMENT))
        if (document.text(1), document.text(2)) != (kind, name):
            raise Damaged(f"{object_name}: another document")
        return document.bytes(3)

    def mailboxes(self):
        names = self.store.folders("m/")
        erased = {name for name in names if f"m/{name}/key/erased" in self.store.names(f"m/{name}/key/")}
        return [Mailbox(self, name) for name in names if name not in erased]

    def mailbox(self, wanted):
        """The mailbox with this name in the vault, or this address."""
        for mailbox in self.mailboxes():
            if wanted in (mailbox.name, mailbox.address):
                return mailbox
        raise SystemExit(f"no mailbox {wanted}")


class Mailbox:
    """A mailbox with its key."""

    def __init__(self, vault, name):
        self.vault, self.name = vault, name
        self.scopes = {}
        for object_name in vault.store.names(f"m/{name}/key/"):
            epoch = int(object_name.rsplit("/", 1)[1])
            key, profile = self.open_key(object_name)
            self.scopes[epoch] = subkey(key, "mailbox objects")
            if epoch == 1:
                self.key, self.profile = key, profile
        profile = self.profile
        self.realm, self.source_id = profile.text(1), profile.text(2)
        self.address, self.display_name = profile.text(3), profile.text(4)
        names = subkey(vault.ring.naming, "vault mailbox names")
        parts = self.realm.encode(), self.source_id.encode(), struct.pack("<I", profile.uint(8))
        if base32(keyed_hash(names, *parts, length=16)) != name:
            raise Damaged(f"m/{name}/key/1: profile of another mailbox")
        self.content_ids = subkey(self.key, "mailbox content ids")
        self.item_keys = subkey(self.key, "mailbox item keys")
        self.open_packs = {}
        self.places = None

    def open_key(self, object_name):
        """The mailbox key of one epoch, and the profile."""
        record = read_record(self.vault.store.get(object_name), object_name)
        info = b"mailkeep v1 mailbox key" + self.vault.id.encode() + object_name.encode()
        root = self.vault.ring.roots.get(record.uint(1))
        if root is None:
            raise Damaged(f"{object_name}: no root key of its epoch")
        secret = subkey(root, "vault mailbox keys")
        sealed = [record.bytes(4), record.bytes(5)]
        opened = unwrap(record.bytes(2), secret, info, record.bytes(3), sealed, object_name)
        if opened is None:
            raise Damaged(f"{object_name}: does not belong to this vault")
        return opened[0], Message(opened[1])

    def item_key(self, item_id):
        return keyed_hash(self.item_keys, item_id.encode(), length=8)

    def open(self, name, kind):
        data = self.vault.store.get(name)
        return Container(name, data, kind, self.scopes, self.vault.dictionary)

    def messages_without_index(self):
        """All messages of all packs and segments: section 12."""
        for folder in ("pack", "log"):
            for name in self.vault.store.names(f"m/{self.name}/{folder}/"):
                holder = self.holder(name)
                for number in holder.numbers_of(container.ITEM_FRAME):
                    yield self.message(holder.read(number), self.part_places().get)

    def owners(self):
        """Folder, metadata and message of each item in a pack, from packs alone: section 7, rows of a pack."""
        for name in self.vault.store.names(f"m/{self.name}/pack/"):
            for number in self.holder(name).numbers_of(container.PACK_ROWS):
                rows = Message(self.holder(name).read(number))
                folders = rows.texts(1)
                for row in read_batch(Message(rows.bytes(2))):
                    frame = self.holder(name).read(row.content[1])
                    yield folders[row.key[0]], row, self.message(frame, self.part_places().get)

    def holder(self, name):
        """A pack or segment, kept open: a few of them are read again and again."""
        if name not in self.open_packs:
            if len(self.open_packs) >= 4:
                self.open_packs.pop(next(iter(self.open_packs)))
            kind = container.PACK if "/pack/" in name else container.LOG
            self.open_packs[name] = self.open(name, kind)
        return self.open_packs[name]

    def part_places(self):
        """Where each content lies, from the frame tables of all packs and segments."""
        if self.places is None:
            self.places = {}
            for folder in ("pack", "log"):
                for name in self.vault.store.names(f"m/{self.name}/{folder}/"):
                    for number, frame in enumerate(self.holder(name).frames):
                        if frame.content_id is not None:
                            self.places[frame.content_id] = (name, number)
        return self.places

    def part(self, content_id, find):
        place = find(content_id)
        if place is None:
            raise Damaged(f"no object holds the content {content_id.hex()}")
        content = self.holder(place[0]).read(place[1])
        if keyed_hash(self.content_ids, content, length=16) != content_id:
            raise Damaged(f"{place[0]}: frame {place[1]} has another content id")
        return content

    def message(self, frame, find):
        """The bytes of the message that an item frame describes. `find` tells where a part lies."""
        item = Message(frame)
        out = b"".join(self.segment(segment, find) for segment in item.messages(1))
        if len(out) != item.uint(6):
            raise Damaged(f"message has {len(out)} bytes instead of {item.uint(6)}")
        if blake3(out).digest() != item.bytes(5):
            raise Damaged("the hash of the message differs")
        self.export_stream(frame, find)
        return out

    def export_stream(self, frame, find):
        """The source's own lossless form, which only an Exchange server reads, and that server's version; None without."""
        export = Message(frame).optional(8)
        if not export:
            return None
        out = self.sized(export.bytes(1), export.uint(2), find)
        if blake3(out).digest() != export.bytes(3):
            raise Damaged("the hash of the export stream differs")
        return out, export.text(4)

    def segment(self, segment, find):
        if segment.has(1):
            return segment.bytes(1)
        chunks, part = segment.optional(2), segment.optional(3)
        if chunks:
            return self.sized(chunks.bytes(1), chunks.uint(2), find)
        if not part:
            raise Damaged("a segment of no known kind")
        letters = base64.b64encode(self.sized(part.bytes(1), part.uint(2), find))
        width, ending = part.uint(3), b"\n" if part.uint(4) else b"\r\n"
        lines = [letters[at : at + width] for at in range(0, len(letters), width)]
        return ending.join(lines) + (b"" if part.bool(5) else ending)

    def sized(self, ids, length, find):
        content = b"".join(self.part(ids[at : at + 16], find) for at in range(0, len(ids), 16))
        if len(content) != length:
            raise Damaged(f"parts have {len(content)} bytes instead of {length}")
        return content
