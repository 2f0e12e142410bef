"""Protocol Buffers, as far as the vault uses them."""


class Damaged(Exception):
    """What was read is not what the format says."""


class NewerThanMe(Exception):
    """Written by a later version."""


def varint(data, at):
    """The number at `at`, and where the next thing begins."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Damaged("number without an end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value & (2**64 - 1), at


def varints(data):
    """All numbers of a packed field."""
    at, out = 0, []
    while at < len(data):
        value, at = varint(data, at)
        out.append(value)
    return out


def zigzag(value):
    """The signed number behind a sint."""
    return (value >> 1) ^ -(value & 1)


class Message:
    """The fields of one message by number."""

    def __init__(self, data):
        self.fields = {}
        at = 0
        while at < len(data):
            key, at = varint(data, at)
            kind = key & 7
            if kind == 0:
                value, at = varint(data, at)
            elif kind in (1, 5):
                end = at + (8 if kind == 1 else 4)
                value, at = data[at:end], end
            elif kind == 2:
                length, at = varint(data, at)
                value, at = data[at : at + length], at + length
            else:
                raise Damaged(f"wire type {kind}")
            if at > len(data):
                raise Damaged("field longer than its message")
            self.fields.setdefault(key >> 3, []).append(value)

    def has(self, number):
        return number in self.fields

    def _last(self, number, kind, default):
        value = self.fields.get(number, [default])[-1]
        if not isinstance(value, kind):
            raise Damaged(f"field {number} has another type")
        return value

    def uint(self, number):
        return self._last(number, int, 0)

    def int64(self, number):
        value = self.uint(number)
        return value - 2**64 if value >= 2**63 else value

    def sint(self, number):
        return zigzag(self.uint(number))

    def bool(self, number):
        return self.uint(number) != 0

    def bytes(self, number):
        return self._last(number, bytes, b"")

    def text(self, number):
        return self.bytes(number).decode()

    def texts(self, number):
        return [value.decode() for value in self.fields.get(number, [])]

    def all_bytes(self, number):
        return self.fields.get(number, [])

    def message(self, number):
        return Message(self.bytes(number))

    def optional(self, number):
        return self.message(number) if self.has(number) else None

    def messages(self, number):
        return [Message(value) for value in self.fields.get(number, [])]

    def numbers(self, number):
        """A repeated number, packed or not."""
        out = []
        for value in self.fields.get(number, []):
            out += varints(value) if isinstance(value, bytes) else [value]
        return out

    def sints(self, number):
        return [zigzag(value) for value in self.numbers(number)]
