"""A mailbox's index: docs/format-index.md, sections 1, 2, 4 and 5."""

import struct

import container
from batch import read_batch
from keys import CROCKFORD, MY_FORMAT
from wire import Damaged, Message, NewerThanMe


# Roots of trees beside the visible one; they have names of their own in paths.
BESIDE = {"recoverableitemsroot", "archivemsgfolderroot", "archiverecoverableitemsroot"}
# The number of no pack: what lay there was lost to damage.
LOST = 2**32 - 1


def ulid_text(data):
    number = int.from_bytes(data, "big")
    return "".join(CROCKFORD[number >> 5 * place & 31] for place in reversed(range(26)))


class Index:
    """Folders, rows, packs and places of parts of one mailbox."""

    def __init__(self, mailbox):
        self.mailbox = mailbox
        self.sequence, self.commit = 0, bytes(16)
        self.folder_ids, self.folders = {}, {}
        self.rows, self.packs, self.parts, self.gaps = {}, {}, {}, {}
        self.runs = []

    def name(self, rest):
        return f"m/{self.mailbox.name}/{rest}"

    # The log.

    def read_log(self):
        """Folds every commit behind the current state."""
        floor = self.floor()
        if self.sequence < floor:
            self.read_checkpoint(floor)
        names = self.mailbox.vault.store.names(self.name("log/"))
        for name in names:
            sequence = int(name.rsplit("/", 1)[1])
            if sequence <= self.sequence:
                continue
            if sequence != self.sequence + 1:
                raise Damaged(f"commit {self.sequence + 1} is missing")
            self.commit_of(name, sequence)
        return self

    def commit_of(self, name, sequence):
        segment = self.mailbox.open(name, container.LOG)
        record = Message(segment.read(segment.numbers_of(container.RECORD_FRAME)[-1]))
        if record.uint(1) > MY_FORMAT:
            raise NewerThanMe(name)
        if record.uint(2) != sequence or record.bytes(4) != self.commit:
            raise Damaged(f"{name}: not the commit after {self.sequence}")
        self.sequence, self.commit = sequence, record.bytes(3)
        for change in record.messages(8):
            self.folder_ids[change.uint(1)] = change.text(2)
            if change.bool(4):
                self.folders.pop(change.text(2), None)
            elif change.has(3):
                self.folders[change.text(2)] = Folder(change.message(3))
        for item in record.texts(12):
            self.gaps.pop(item, None)
        for gap in record.messages(11):
            self.gaps[gap.text(1)] = gap.text(4)
        for pack in record.messages(15) + record.messages(26):
            self.add_pack(pack)
        for pack in record.messages(27):
            self.packs.pop(pack.uint(1), None)
        if record.has(16):
            self.packs[record.uint(16)] = name
        release = record.message(25)
        for at in range(0, len(release.bytes(4)), 16):
            self.parts.pop(release.bytes(4)[at : at + 16], None)
        for pack in release.messages(5):
            if pack.has(1):
                self.packs.pop(pack.uint(1), None)
        self.thin(release.numbers(1))
        self.add_parts(record.message(18))
        entries = 0
        for number in segment.numbers_of(container.ROW_BLOCK):
            batch = read_batch(Message(segment.read(number)))
            entries += len(batch)
            for entry in batch:
                self.lay_over(entry)
        if entries != record.uint(20):
            raise Damaged(f"{name}: {entries} entries instead of {record.uint(20)}")
        if record.has(7):
            self.runs.append((sequence, record.text(6)))

    def thin(self, numbers):
        """Forgets restore points that retention took something from."""
        ranges = list(zip(numbers[::2], numbers[1::2]))
        self.runs = [run for run in self.runs if not any(a <= run[0] < b for a, b in ranges)]

    def add_pack(self, pack):
        if not pack.has(2) and not pack.has(3):
            self.packs.pop(pack.uint(1), None)
        elif pack.bytes(2):
            self.packs[pack.uint(1)] = self.name(f"pack/{ulid_text(pack.bytes(2))}")
        else:
            self.packs[pack.uint(1)] = self.name(f"log/{pack.uint(3):020}")

    def add_parts(self, parts):
        ids, packs, frames, stored = parts.bytes(1), parts.numbers(2), parts.numbers(3), parts.numbers(5)
        if not len(ids) == 16 * len(packs) == 16 * len(frames) == 16 * len(stored):
            raise Damaged("parts with columns of different lengths")
        for at, (pack, frame, length) in enumerate(zip(packs, frames, stored)):
            id = ids[16 * at : 16 * at + 16]
            if length and pack != LOST:
                self.parts[id] = pack, frame
            else:
                self.parts.pop(id, None)

    def lay_over(self, entry):
        """A row, or a patch over the row with its key."""
        if entry.is_dropped:
            self.rows.pop(entry.key, None)
            return
        row = self.rows.setdefault(entry.key, entry)
        if row is entry:
            return
        if entry.end is not None:
            row.end = entry.end
        if entry.next is not None:
            row.next = entry.next
        if entry.item is not None:
            row.item, row.content = entry.item, entry.content
        elif entry.content is not None:
            row.content = entry.content

    # Checkpoints.

    def floor(self):
        """The commit up to which the log is closed and its objects may be gone; 0 without."""
        name = self.name("floor")
        if "floor" not in self.mailbox.vault.store.folders(self.name("")):
            return 0
        holder = self.mailbox.open(name, container.FLOOR)
        record = Message(holder.read(holder.numbers_of(container.RECORD_FRAME)[-1]))
        if record.uint(1) > MY_FORMAT:
            raise NewerThanMe(name)
        return record.uint(2)

    def read_checkpoint(self, wanted=None):
        """Takes the state of the newest checkpoint, if there is any, or of the wanted one."""
        prefix = self.name("ckpt/")
        roots = [name for name in self.mailbox.vault.store.names(prefix) if "." not in name[len(prefix) :]]
        if wanted is not None:
            roots = [name for name in roots if int(name[len(prefix) :]) == wanted]
            if not roots:
                raise Damaged(f"checkpoint {wanted} is missing, and the log before it is closed")
        if not roots:
            return self
        holder = self.mailbox.open(roots[-1], container.CHECKPOINT)
        root = Message(holder.read(holder.numbers_of(container.ROOT_FRAME)[-1]))
        if root.uint(1) > MY_FORMAT:
            raise NewerThanMe(roots[-1])
        if root.uint(2) != int(roots[-1].rsplit("/", 1)[1]):
            raise Damaged(f"{roots[-1]}: another sequence")
        self.sequence, self.commit = root.uint(2), root.bytes(3)
        objects = [self.checkpoint_object(holder, one) for one in root.messages(4)]
        for block in self.blocks(objects, root.message(5), row_bounds):
            for entry in read_batch(block):
                self.lay_over(entry)
        for block in self.blocks(objects, root.message(7), part_bounds):
            self.add_parts(block)
        for block in self.blocks(objects, root.message(8), pack_bounds):
            for pack in block.messages(1):
                self.add_pack(pack)
        for block in self.blocks(objects, root.message(9), snapshot_bounds):
            for snapshot in block.messages(1):
                if snapshot.has(4):
                    self.runs.append((snapshot.uint(1), snapshot.text(2)))
        self.thin(root.numbers(17))
        self.folder_ids = {one.uint(1): one.text(2) for one in root.messages(10)}
        for version in root.messages(11):
            if not version.has(4):
                self.folders[self.folder_ids[version.uint(1)]] = Folder(version.message(2))
        for gap in root.messages(12):
            if not gap.has(3):
                self.gaps[gap.message(1).text(1)] = gap.message(1).text(4)
        return self

    def checkpoint_object(self, holder, one):
        if not one.has(3):
            return holder
        part = f".{one.uint(2)}" if one.uint(2) else ""
        return self.mailbox.open(self.name(f"ckpt/{one.uint(1):020}{part}"), container.CHECKPOINT)

    def blocks(self, objects, table, bounds):
        """The blocks of all runs of a table, oldest run first."""
        for run in table.messages(1):
            columns = [run.numbers(number) for number in (1, 2, 6)]
            first, last = run.bytes(7), run.bytes(8)
            width = len(first) // max(len(columns[0]), 1)
            for at, (holder, frame, entries) in enumerate(zip(*columns)):
                block = Message(objects[holder].read(frame))
                keys = bounds(block)
                expected = first[at * width :][:width], last[at * width :][:width]
                if (len(keys), keys[0], keys[-1]) != (entries, *expected):
                    raise Damaged("a block does not hold what its root says")
                if keys != sorted(keys):
                    raise Damaged("a block is not sorted")
                yield block

    # What people ask for.

    def path(self, folder):
        names = []
        while len(names) < 1000:
            if folder.parent is not None or folder.well_known in BESIDE:
                names.append(folder.name)
            folder = self.folders.get(folder.parent)
            if folder is None:
                break
        return "/".join(reversed(names))

    def current(self):
        """The current version of every item, as (path, row)."""
        out = []
        for key, row in self.rows.items():
            if row.item is None:
                raise Damaged("an end of a version that is not there")
            if row.end is None or row.end > self.sequence:
                folder = self.folders.get(self.folder_ids[key[0]])
                out.append((self.path(folder) if folder else "", row))
        return sorted(out, key=lambda one: (one[0], one[1].key))

    def message(self, row):
        """The bytes of a row's message."""
        message = self.mailbox.message(self.item_frame(row), self.part_place)
        if len(message) != row.content[5]:
            raise Damaged("the message has another length than the index says")
        return message

    def export(self, row):
        """The export stream of a row's item and the version of the server that wrote it; None without one."""
        return row.content and self.mailbox.export_stream(self.item_frame(row), self.part_place)

    def item_frame(self, row):
        """The frame that describes a row's message."""
        pack, frame, offset, stored, plain, _ = row.content
        if pack == LOST:
            raise Damaged("the message was lost to damage, and a repair has recorded it")
        holder = self.mailbox.holder(self.packs[pack])
        found = holder.frames[frame]
        if (found.kind, found.offset, found.stored, found.plain) != (
            container.ITEM_FRAME,
            offset,
            stored,
            plain,
        ):
            raise Damaged(f"{holder.name}: frame {frame} is not where the index says")
        return holder.read(frame)

    def part_place(self, content_id):
        place = self.parts.get(content_id)
        return place and (self.packs[place[0]], place[1])


class Folder:
    def __init__(self, message):
        self.id, self.name, self.well_known = message.text(1), message.text(3), message.text(4)
        self.parent = message.text(2) if message.has(2) else None
        self.is_hidden = message.bool(5)


def row_key(folder, time, item_key, start):
    time = time + 2**63 ^ 2**64 - 1
    return struct.pack(">IQQQ", folder, time, item_key, start)


def row_bounds(block):
    return [row_key(*entry.key) for entry in read_batch(block)]


def part_bounds(block):
    ids = block.bytes(1)
    return [ids[at : at + 16] for at in range(0, len(ids), 16)]


def pack_bounds(block):
    return [struct.pack(">I", pack.uint(1)) for pack in block.messages(1)]


def snapshot_bounds(block):
    return [struct.pack(">Q", snapshot.uint(1)) for snapshot in block.messages(1)]
