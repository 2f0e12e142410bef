"""mailkeep, as users run it, with a server of Exchange Web Services that its developers did not write it for.

Everything is backed up, changes cost what changed, a lost sync state stores nothing again, and what is restored is
what there was.
"""

import email
import email.policy
import hashlib
import json
import os
import pathlib
import subprocess

import pytest

from unseen_ews import Item, Store, serve

LOGIN = "CORP\\svc:pä$s"


class Place:
    """A vault and a connection to the server."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Store()
        self.server, url = serve(self.store, LOGIN)
        (folder / "addresses.txt").write_text("ann@unseen.example\nbob@unseen.example\n")
        keys = ["--new-key-file", folder / "vault.key", "--recovery-key-file", folder / "recovery.key"]
        self.command("init", *keys, key=False)
        user, password = LOGIN.split(":")
        reach = ["--ews-url", url, "--login", "basic", "--user", user, "--mailboxes-file", folder / "addresses.txt"]
        self.command("connection", "add", "unseen", *reach, password=password)

    def command(self, *words, key=True, password=None, code=0):
        environment = {"PATH": os.environ["PATH"], "MAILKEEP_VAULT": str(self.folder / "vault")}
        if key:
            environment["MAILKEEP_KEY_FILE"] = str(self.folder / "vault.key")
        if password:
            environment["MAILKEEP_EXCHANGE_PASSWORD"] = password
        command = [os.environ["MAILKEEP_BIN"], *map(str, words), "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def backup(self, code=0):
        self.store.calls.clear()
        lines = self.command("backup", code=code)
        (run,) = [one for one in lines if one["type"] == "run_finished"]
        return run["counters"]

    def exported(self, address):
        """What the vault has, by what it says: MIME that is built anew differs in nothing else."""
        out = self.folder / f"out-{len(list(self.folder.glob('out-*')))}"
        self.command("export", "--mailbox", address, "--output", out)
        return sorted(meaning(path.read_bytes()) for path in pathlib.Path(out).rglob("*.eml"))


def meaning(raw):
    message = email.message_from_bytes(raw, policy=email.policy.SMTP)
    parts = []
    for part in message.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        name = part.get_filename() or ""
        text = content.decode(errors="replace").strip() if not name else hashlib.sha256(content).hexdigest()
        parts.append((name, text))
    return (str(message["Subject"] or ""), tuple(parts))


def mails(store, who):
    return sorted(meaning(item.mime()) for item in store.of(who) if item.kind == "Message")


def plain(text):
    """Without what XML forbids: it can neither be asked for nor be written."""
    return "".join(letter for letter in text if letter >= " ")


def facts(store, who):
    """What a restore has to bring back, wherever it is."""
    return sorted(
        (item.kind, item.item_class, plain(item.subject), item.is_read, item.is_draft, item.categories)
        for item in store.of(who)
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("unseen"))
    store = place.store
    for n in range(30):
        files = [(f"fil {n}.bin", bytes([n]) * (n * 700))] if n % 3 == 0 else []
        key = store.mail("ann", "inbox", f"Brev nr. {n}", f"Linje\n\nSlut {n}", files)
        store.items[key].is_read = n % 2 == 0
        store.items[key].categories = ["Rød & grøn"] if n % 5 == 0 else []
    store.mail("ann", "sentitems", "Mærkeligt \x1f emne \x00 her")
    store.mail("ann", "sentitems", "")
    own = store.mail("ann", "inbox", "En anden slags")
    store.items[own].item_class = "IPM.Note.Faktura"
    contact = Item(store.known("ann", "contacts"), "Contact", "Åse Ørsted")
    contact.fields = "<y:GivenName>Åse</y:GivenName><y:Surname>Ørsted</y:Surname>"
    store.add(contact)
    store.add(Item(store.known("ann", "calendar"), "CalendarItem", "Frokost"))
    store.mail("bob", "inbox", "Til Bob")
    yield place
    place.server.shutdown()


def test_everything_is_backed_up(place):
    store = place.store
    counters = place.backup()
    assert counters["items_stored"] == len(store.items) == 36
    for who in ("ann", "bob"):
        held = place.exported(f"{who}@unseen.example")
        expected = mails(store, who)
        # Contact and appointment are there, too, as messages of their own.
        assert [one for one in held if one in expected] == expected
        assert len(held) == len(store.of(who))


def test_an_unchanged_mailbox_is_not_read_again(place):
    counters = place.backup()
    assert counters["items_stored"] == counters["items_updated"] == 0
    assert "GetItem" not in place.store.calls
    assert set(place.store.calls) <= {"FindFolder", "GetFolder", "SyncFolderItems"}


def test_only_what_changed_is_stored(place):
    store = place.store
    inbox = [key for key, item in store.within(store.known("ann", "inbox")) if item.subject.startswith("Brev")]
    store.edit(inbox[3], "Rettet")
    store.read(inbox[5])
    store.delete(inbox[7])
    store.move(inbox[9], store.known("ann", "deleteditems"))
    store.mail("ann", "inbox", "Nyt", files=[("ny.bin", b"ny" * 5000)])
    counters = place.backup()
    assert counters["items_stored"] <= 4, counters
    assert counters["items_deleted"] == 2, counters
    held = place.exported("ann@unseen.example")
    expected = mails(store, "ann")
    assert [one for one in held if one in expected] == expected
    assert len(held) == len(store.of("ann"))
    assert place.backup()["items_stored"] == 0


def test_a_lost_sync_state_stores_nothing_again(place):
    place.store.epoch += 1
    counters = place.backup()
    assert counters["items_stored"] == 0, counters
    assert counters["items_unchanged"] >= len(place.store.items), counters


def test_a_new_folder_with_everything_once(place):
    store = place.store
    before = facts(store, "bob")
    source = facts(store, "ann")
    there = ["restore", "--mailbox", "ann@unseen.example", "--to", "bob@unseen.example", "--folder-name", "Fra Ann"]
    place.command(*there)
    after = facts(store, "bob")
    for one in before:
        after.remove(one)
    assert after == source
    back = sorted(one for one in mails(store, "bob") if one[0] != "Til Bob")
    assert back == mails(store, "ann")
    contact = next(item for item in store.of("bob") if item.kind == "Contact")
    assert "Ørsted" in contact.fields
    # A second time nothing is written.
    count = len(store.items)
    place.command(*there)
    assert len(store.items) == count
    assert store.sent == []


def test_what_was_deleted_comes_back_where_it_was(place):
    store = place.store
    place.backup()
    before = facts(store, "ann")
    inbox = store.known("ann", "inbox")
    for key, _ in store.within(inbox)[:6]:
        store.delete(key)
    place.command("restore", "--mailbox", "ann@unseen.example", "--placement", "original")
    assert facts(store, "ann") == before
    assert len(store.within(inbox)) == 30
    assert store.sent == []


def test_a_refused_login_says_so(place):
    place.command(
        "connection",
        "add",
        "wrong",
        "--ews-url",
        f"http://127.0.0.1:{place.server.server_address[1]}/EWS/Exchange.asmx",
        "--login",
        "basic",
        "--user",
        "CORP\\svc",
        "--mailboxes-file",
        place.folder / "addresses.txt",
        password="wrong",
    )
    place.command("backup", "--connection", "wrong", code=4)
    place.command("connection", "rm", "wrong")
