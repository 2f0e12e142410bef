"""Row batches: docs/format-index.md, section 3."""

import base64
import struct

from wire import Damaged

PATCH, HAS_END, HAS_NEXT, HAS_CONTENT, DROPPED = 1, 2, 4, 16, 32
WRAP = 2**64


def signed(value):
    value %= WRAP
    return value - WRAP if value >= WRAP // 2 else value


def fixed64(message, number):
    """A packed column of eight bytes each."""
    data = b"".join(message.all_bytes(number))
    if len(data) % 8:
        raise Damaged("column of fixed64")
    return [value for (value,) in struct.iter_unpack("<Q", data)]


class Column:
    """Hands the values of a column out one after another."""

    def __init__(self, values):
        self.values, self.at = values, 0

    def take(self):
        if self.at >= len(self.values):
            raise Damaged("a column is too short")
        self.at += 1
        return self.values[self.at - 1]


def text_column(message):
    """The values of a Text."""
    if message is None:
        return Column([])
    data, forms, out, at = message.bytes(2), message.bytes(3), [], 0
    for number, length in enumerate(message.numbers(1)):
        value = data[at : at + length]
        at += length
        form = forms[number] if forms else 0
        if form == 0:
            out.append(value.decode())
            continue
        if form > 4:
            raise Damaged(f"text form {form}")
        encode = base64.urlsafe_b64encode if form < 3 else base64.b64encode
        letters = encode(value).decode()
        out.append(letters if form in (1, 3) else letters.rstrip("="))
    if at != len(data):
        raise Damaged("texts of another length")
    return Column(out)


class Addresses:
    def __init__(self, message):
        self.names = text_column(message and message.optional(1))
        self.addresses = text_column(message and message.optional(2))

    def take(self):
        return self.names.take(), self.addresses.take()


class Recipients:
    def __init__(self, message):
        self.counts = Column(message.numbers(1) if message else [])
        self.all = Addresses(message and message.optional(2))

    def take(self):
        return [self.all.take() for _ in range(self.counts.take())]


class Times:
    """A Time column: differences and nanoseconds."""

    def __init__(self, message):
        self.seconds = Column(message.sints(1) if message else [])
        self.nanoseconds = Column(message.numbers(2) if message else [])

    def take(self, reference):
        """Seconds and nanoseconds since 1970."""
        seconds = signed(reference + self.seconds.take())
        return seconds, self.nanoseconds.take() if self.nanoseconds.values else 0


TIME_NAMES = ["received", "sent", "created", "modified", "flag_start", "flag_due", "flag_completed"]
# The bit of each time and the field of its column.
TIMES = [(5, 12), (4, 13), (6, 14), (7, 15), (8, 19), (9, 19), (10, 19)]


class Items:
    """The metadata of the rows of a batch."""

    def __init__(self, message):
        self.message = message
        self.flags = Column(message.numbers(1))
        fields = {2: "id", 3: "change_key", 4: "class", 6: "subject", 17: "message_id", 18: "conversation"}
        self.texts = {name: text_column(message.optional(number)) for number, name in fields.items()}
        self.kinds = Column(message.numbers(5))
        self.sender_from = Addresses(message.optional(7))
        self.senders = Addresses(message.optional(8))
        self.recipients = {
            name: Recipients(message.optional(number)) for number, name in ((9, "to"), (10, "cc"), (11, "bcc"))
        }
        self.times = {number: Times(message.optional(number)) for number in (12, 13, 14, 15, 19)}
        self.sizes = Column(message.numbers(16))
        self.category_counts = Column(message.numbers(20))
        self.categories = text_column(message.optional(21))
        self.first_time_before = 0

    def take(self):
        flags = self.flags.take()
        item = {name: column.take() for name, column in self.texts.items()}
        item["kind"] = self.kinds.take() if flags >> 11 & 1 else None
        item["from"] = self.sender_from.take()
        item["sender"] = self.senders.take() if flags >> 3 & 1 else None
        item |= {name: column.take() for name, column in self.recipients.items()}
        reference, is_first = self.first_time_before, True
        for name, (bit, field) in zip(TIME_NAMES, TIMES):
            item[name] = None
            if flags >> bit & 1:
                item[name] = self.times[field].take(reference)
                reference = item[name][0]
                if is_first:
                    self.first_time_before, is_first = reference, False
        item["size"] = self.sizes.take()
        item["categories"] = [self.categories.take() for _ in range(self.category_counts.take())]
        item["is_read"], item["is_draft"], item["has_attachments"] = (
            bool(flags >> bit & 1) for bit in (0, 1, 2)
        )
        item["flag"], item["importance"], item["sensitivity"] = (flags >> bit & 3 for bit in (12, 14, 16))
        return item

    @staticmethod
    def sort_time(item):
        """Microseconds since 1970."""
        seconds, nanoseconds = item["received"] or item["sent"] or item["created"] or (0, 0)
        return seconds * 1_000_000 + nanoseconds // 1000


class Entry:
    """A row (with an item) or a patch (also a tombstone)."""

    def __init__(self):
        self.key = None
        self.end = self.next = self.content = self.item = None
        self.is_dropped = False


def read_contents(message, count):
    """Pack, frame, offset, stored and plain length, message size of each content."""
    columns = [message.sints(1), message.sints(2), message.sints(3)]
    columns += [message.numbers(number) for number in (4, 5, 6)]
    if any(len(column) != count for column in columns):
        raise Damaged("contents of different lengths")
    pack = frame = end = 0
    out = []
    for pack_step, frame_step, offset_step, stored, plain, size in zip(*columns):
        pack, frame = signed(pack + pack_step), signed(frame + frame_step)
        offset = signed(end + offset_step)
        end = offset + stored
        out.append((pack, frame, offset, stored, plain, size))
    return Column(out)


def read_batch(message):
    """The entries of a row batch in their order."""
    marks, item_keys = message.numbers(1), fixed64(message, 2)
    folders, froms = message.sints(3), message.sints(4)
    if not len(marks) == len(item_keys) == len(folders) == len(froms):
        raise Damaged("a row batch with columns of different lengths")
    ends, nexts, times = (Column(values) for values in (message.numbers(5), message.numbers(6), message.sints(7)))
    contents = read_contents(message.message(9), sum(mark & HAS_CONTENT != 0 for mark in marks))
    items = Items(message.message(10))
    folder = start = 0
    out = []
    for mark, item_key, folder_step, from_step in zip(marks, item_keys, folders, froms):
        folder, start = signed(folder + folder_step), (start + from_step) % WRAP
        entry = Entry()
        if mark & HAS_END:
            entry.end = (start + ends.take()) % WRAP
        if mark & HAS_NEXT:
            entry.next = (start + nexts.take()) % WRAP
        if mark & PATCH:
            time = times.take()
            entry.is_dropped = bool(mark & DROPPED)
        else:
            entry.item = items.take()
            time = Items.sort_time(entry.item)
        if mark & HAS_CONTENT:
            entry.content = contents.take()
        entry.key = (folder, time, item_key, start)
        out.append(entry)
    return out
