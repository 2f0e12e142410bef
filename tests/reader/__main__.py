"""The command line: see README.md."""

import argparse
import datetime
import json
import struct
import sys

from blake3 import blake3

from index import Index
from keys import Unlock, WrongKey, base32, parse_recovery_key
from vault import Folder, Vault
from wire import Damaged, NewerThanMe


def arguments():
    parser = argparse.ArgumentParser(prog="reader", description="Reads a mailkeep vault.")
    parser.add_argument("vault")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file")
    key.add_argument("--recovery-key-file")
    key.add_argument("--passphrase-file")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("mailboxes")
    for verb in ("folders", "items", "message", "exports", "salvage"):
        one = verbs.add_parser(verb)
        one.add_argument("mailbox", help="its name in the vault, or its address")
        one.add_argument("--through", choices=["log", "checkpoint"], default="log")
        if verb == "message":
            one.add_argument("item")
        if verb == "items":
            one.add_argument("--digest", action="store_true", help="read each message, and hash it")
    verbs.add_parser("owners").add_argument("mailbox", help="its name in the vault, or its address")
    verbs.add_parser("runs")
    document = verbs.add_parser("document")
    document.add_argument("kind")
    document.add_argument("name")
    return parser.parse_args()


def unlock(given):
    name = given.key_file or given.recovery_key_file or given.passphrase_file
    with open(name, "rb") as file:
        lines = [line.strip() for line in file.read().decode().splitlines()]
    if given.passphrase_file:
        return Unlock(1, lines[0].encode())
    start = "mailkeep-key-1 " if given.key_file else "MKR1-"
    keys = [line for line in lines if line.startswith(start)]
    if not keys:
        raise WrongKey(f"{name} has no line that begins with {start}")
    if given.recovery_key_file:
        return Unlock(3, parse_recovery_key(keys[0]))
    return Unlock(2, bytes.fromhex(keys[0].removeprefix(start)))


def reference(item_key):
    """An item key as people see it."""
    return base32(struct.pack(">Q", item_key))


def time_text(time):
    if time is None:
        return None
    moment = datetime.datetime.fromtimestamp(time[0], datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def item_line(path, row):
    item = row.item
    return {
        "item": reference(row.key[2]),
        "folder": path,
        "id": item["id"],
        "subject": item["subject"],
        "from": item["from"][1],
        "received": time_text(item["received"]),
        "is_read": item["is_read"],
        "size": row.content[5] if row.content else None,
    }


def run(given):
    def show(value):
        print(json.dumps(value, ensure_ascii=False))

    vault = Vault(Folder(given.vault), unlock(given))
    if given.verb == "mailboxes":
        for mailbox in vault.mailboxes():
            show({"mailbox": mailbox.name, "address": mailbox.address, "name": mailbox.display_name})
        return
    if given.verb == "runs":
        for run in vault.runs():
            show(run)
        return
    if given.verb == "document":
        sys.stdout.buffer.write(vault.document(given.kind, given.name))
        return
    mailbox = vault.mailbox(given.mailbox)
    if given.verb == "owners":
        for folder, row, message in mailbox.owners():
            digest = blake3(message).hexdigest()
            show({"id": row.item["id"], "folder": folder, "subject": row.item["subject"], "blake3": digest})
        return
    if given.verb == "salvage":
        for message in mailbox.messages_without_index():
            show({"blake3": blake3(message).hexdigest(), "size": len(message)})
        return
    index = Index(mailbox)
    if given.through == "checkpoint":
        index.read_checkpoint()
    index.read_log()
    if given.verb == "folders":
        folders = [folder for folder in index.folders.values() if folder.parent is not None]
        for folder in sorted(folders, key=index.path):
            show({"folder": index.path(folder), "id": folder.id, "is_hidden": folder.is_hidden})
        return
    rows = index.current()
    if given.verb == "items":
        for path, row in rows:
            line = item_line(path, row)
            if given.digest:
                line["blake3"] = blake3(index.message(row)).hexdigest()
            show(line)
        return
    if given.verb == "exports":
        for path, row in rows:
            export = index.export(row)
            if export is None:
                continue
            stream, server = export
            digest = blake3(stream).hexdigest()
            show({"id": row.item["id"], "folder": path, "size": len(stream), "blake3": digest, "server": server})
        return
    for _, row in rows:
        if reference(row.key[2]) == given.item:
            sys.stdout.buffer.write(index.message(row))
            return
    sys.exit(f"no item {given.item}")


try:
    run(arguments())
except (Damaged, NewerThanMe, WrongKey) as error:
    sys.exit(f"{type(error).__name__}: {error}")
