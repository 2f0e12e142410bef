"""Keys: docs/format.md, sections 3 to 5."""

import base64
import struct

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wire import Damaged, Message, NewerThanMe

MY_FORMAT = 1
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class WrongKey(Exception):
    """The key opens none of the vault's recipients."""


def hkdf(salt, secret, info, length):
    return HKDF(SHA512(), length, salt, info).derive(secret)


def subkey(key, label):
    return hkdf(b"mailkeep v1", key, label.encode(), 32)


def keyed_hash(key, *parts, length):
    hasher = blake3(key=key)
    for part in parts[:-1]:
        hasher.update(struct.pack("<Q", len(part)))
        hasher.update(part)
    hasher.update(parts[-1])
    return hasher.digest(length)


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def _crc_table():
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


CRC_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def aes_open(key, nonce, sealed, additional, what):
    try:
        return AESGCM(key).decrypt(nonce, sealed, additional)
    except InvalidTag:
        raise Damaged(what) from None


def read_record(data, what):
    """The message of a record, section 3."""
    if data[:4] != b"MKR1" or len(data) < 12:
        raise Damaged(f"{what}: not a record")
    _, min_reader, crc = struct.unpack_from("<HHI", data, 4)
    if min_reader > MY_FORMAT:
        raise NewerThanMe(what)
    if crc32c(data[12:]) != crc:
        raise Damaged(f"{what}: checksum")
    return Message(data[12:])


def unwrap(salt, secret, info, commitment, sealed, what):
    """The wrapped secrets of a key record, or None for a wrong key."""
    material = hkdf(salt, secret, info, 64)
    if material[32:] != commitment:
        return None
    return [
        aes_open(material[:32], bytes(8) + struct.pack(">I", number), one, b"\0", what)
        for number, one in enumerate(sealed)
    ]


def parse_recovery_key(text):
    """The 32 bytes of secret behind the printed form."""
    plain = "".join(text.split()).replace("-", "").upper()
    if not plain.startswith("MKR1") or len(plain) != 60:
        raise WrongKey("not a recovery key: MKR1- and 56 characters")
    bits = 0
    for letter in plain[4:].translate(str.maketrans("OIL", "011")):
        if letter not in CROCKFORD:
            raise WrongKey(f"{letter!r} cannot be in a recovery key")
        bits = bits << 5 | CROCKFORD.index(letter)
    data = bits.to_bytes(35, "big")
    secret, check = data[:32], data[32:]
    if keyed_hash(secret, b"mailkeep v1 recovery key checksum", length=3) != check:
        raise WrongKey("recovery key with a typing error")
    return secret


class Unlock:
    """Something that opens a vault: kind 1 passphrase, 2 key file, 3 recovery key."""

    def __init__(self, kind, secret):
        self.kind, self.secret = kind, secret

    def secret_for(self, record):
        if self.kind == 1:
            memory, passes, lanes = (record.uint(field) for field in (7, 8, 9))
            return Argon2id(
                salt=record.bytes(4), length=32, iterations=passes, lanes=lanes, memory_cost=memory
            ).derive(self.secret)
        if self.kind == 2:
            return self.secret
        ephemeral = X25519PublicKey.from_public_bytes(record.bytes(11))
        return X25519PrivateKey.from_private_bytes(self.secret).exchange(ephemeral)


class Ring:
    """What an open vault knows of keys: its id, the key of names, the root key of each epoch."""

    def __init__(self, vault_id, naming, roots):
        self.vault_id, self.naming, self.roots = vault_id, naming, roots


def open_ring(store, unlock):
    """Section 4: recipient, root key, ring."""
    vault = read_record(store.get("vault"), "vault")
    vault_id = vault.message(1).text(1)
    later = [name for name in store.names("keys/") if name.endswith("/root")]
    epoch = max((int(name.split("/")[1]) for name in later), default=1)
    name = "vault" if epoch == 1 else f"keys/{epoch}/root"
    root = vault.message(2) if epoch == 1 else read_record(store.get(name), name)
    key = open_root_key(store, unlock, vault_id, epoch, root.bytes(3))
    secret = subkey(key, "vault ring")
    info = b"mailkeep v1 root" + vault_id.encode() + name.encode()
    opened = unwrap(root.bytes(4), secret, info, root.bytes(5), [root.bytes(6)], name)
    if opened is None or root.text(1) != vault_id or root.uint(2) != epoch:
        raise Damaged(f"{name}: does not belong to this vault")
    ring = Message(opened[0])
    if ring.bytes(1) != blake3(vault.bytes(1)).digest():
        raise Damaged("vault: its body is not the one of the ring")
    roots = {one.uint(1): one.bytes(2) for one in ring.messages(3)}
    return Ring(vault_id, ring.bytes(2), roots | {epoch: key})


def open_root_key(store, unlock, vault_id, epoch, root_id):
    """The root key of the current epoch."""
    for name in store.names(f"keys/{epoch}/"):
        if name.endswith("/root"):
            continue
        record = read_record(store.get(name), name)
        if record.text(1) != vault_id or record.uint(2) != unlock.kind:
            continue
        if record.bytes(12) != root_id:
            continue
        info = b"mailkeep v1 recipient" + record.bytes(10) + record.bytes(11)
        info += vault_id.encode() + name.encode()
        secret = unlock.secret_for(record)
        opened = unwrap(record.bytes(4), secret, info, record.bytes(5), [record.bytes(6)], name)
        if opened is None:
            continue
        root = opened[0]
        wanted = keyed_hash(subkey(root, "vault root id"), vault_id.encode(), length=16)
        if wanted != root_id:
            raise Damaged(f"{name}: another root key")
        return root
    raise WrongKey("no recipient of the vault fits")
