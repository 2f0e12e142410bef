"""A vault that mailkeep wrote, read by a reader that shares nothing with it but docs/format.md.

What the reader restores is compared byte for byte with the simulated tenant's truth, and with what
mailkeep itself exports.
"""

import base64
import email.message
import email.policy
import json
import os
import pathlib
import random
import subprocess
import sys

import pytest
import requests
from blake3 import blake3

READER = pathlib.Path(__file__).parent.parent / "reader"


class Place:
    """A tenant, a vault of its mail, and the two programs that read the vault."""

    def __init__(self, folder, connection):
        self.folder, self.connection = folder, connection
        self.vault, self.key = folder / "vault", folder / "vault.key"
        self.recovery = folder / "recovery.key"

    def mailkeep(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if "MAILKEEP_" not in name}
        environment["MAILKEEP_CLIENT_SECRET"] = self.connection["client_secret"]
        key = [] if arguments[0] == "init" else ["--key-file", self.key]
        command = [os.environ["MAILKEEP_BIN"], *arguments, "--vault", self.vault, "--quiet", *key]
        return subprocess.run(command, env=environment, check=True, capture_output=True).stdout

    def read(self, *arguments, key=None):
        key = key or ["--key-file", self.key]
        command = [sys.executable, READER, self.vault, *key, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout

    def lines(self, *arguments, **options):
        return [json.loads(line) for line in self.read(*arguments, **options).splitlines()]

    def ask(self, question, **fields):
        url = f"{self.connection['base_url']}/_admin/{question}"
        answer = requests.get(url, params=fields, timeout=60)
        answer.raise_for_status()
        return answer

    def users(self):
        return [one for one in self.ask("mailboxes").json() if one["has_mailbox"]]

    def evolve(self, percent):
        self.tell("evolve", percent=percent)

    def tell(self, command, **fields):
        url = f"{self.connection['base_url']}/_admin/{command}"
        requests.post(url, json=fields, timeout=60).raise_for_status()

    def add_mail(self, raw):
        user = self.users()[0]["id"]
        folders = self.ask("folders", mailbox=user).json()
        inbox = next(one["id"] for one in folders if one["name"] in ("Inbox", "Posteingang"))
        self.tell("add_raw_mail", mailbox=user, folder=inbox, base64=base64.b64encode(raw).decode())


def big_mail():
    """A long text with an attachment that is stored in chunks, and a text beyond 8 MiB."""
    draw = random.Random(5)
    words = [draw.randbytes(4).hex() for _ in range(3000)]
    for text_bytes, attachment_bytes in ((400_000, 3_000_000), (9_000_000, 50_000)):
        message = email.message.EmailMessage(policy=email.policy.SMTP)
        message["From"], message["Subject"] = "Ann <ann@fabrikam.example>", "Big mail"
        message.set_content("\n".join(draw.choice(words) for _ in range(text_bytes // 9)))
        message.add_attachment(draw.randbytes(attachment_bytes), "application", "octet-stream")
        yield message.as_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two mailboxes after a first backup, a changed one, retention, and so many more that there is a
    checkpoint."""
    command = [os.environ["EXCHANGE_SIM_BIN"], "--seed", "8", "--mailboxes", "2", "--items", "120"]
    process = subprocess.Popen([*command, "--stable-mime"], stdout=subprocess.PIPE)
    try:
        connection = json.loads(process.stdout.readline())
        made = Place(tmp_path_factory.mktemp("reader"), connection)
        made.mailkeep("init", "--new-key-file", made.key, "--recovery-key-file", made.recovery)
        urls = ["--login-url", connection["base_url"], "--graph-url", connection["base_url"]]
        tenant = ["--tenant", connection["tenant_id"], "--client-id", connection["client_id"]]
        made.mailkeep("connection", "add", "sim", *tenant, *urls)
        for raw in big_mail():
            made.add_mail(raw)
        made.mailkeep("backup")
        made.evolve(20)
        made.mailkeep("backup")
        first = made.users()[0]["address"]
        for number in range(34):
            made.evolve(1)
            made.mailkeep("backup", "--mailbox", first)
            if number == 20:
                # Tombstones, in the log and in the checkpoint.
                made.mailkeep("policy", "set", "--keep", "0d")
                made.mailkeep("retain", "--yes")
        yield made
    finally:
        process.terminate()
        process.wait()


def test_items_are_listed_as_the_tenant_has_them(place):
    user = place.users()[0]
    folders = {one["id"]: one for one in place.ask("folders", mailbox=user["id"]).json()}
    true = {
        one["id"]: one
        for one in place.ask("items", mailbox=user["id"]).json()
        if not folders[one["folder"]]["is_hidden"]
    }
    seen = {one["id"]: one for one in place.lines("items", user["address"])}
    assert seen.keys() == true.keys() and len(seen) > 100
    for one, item in seen.items():
        for name in ("subject", "is_read", "received"):
            assert item[name] == true[one][name], name
        assert item["folder"].split("/")[-1] == folders[true[one]["folder"]]["name"].split("/")[-1]


def test_folders_are_listed(place):
    user = place.users()[0]
    true = place.ask("folders", mailbox=user["id"]).json()
    visible = {one["id"]: one["name"] for one in true if not (one["is_hidden"] or one["is_search"])}
    seen = {one["id"]: one for one in place.lines("folders", user["address"])}
    assert visible.keys() <= seen.keys()
    for one, name in visible.items():
        assert seen[one]["folder"].endswith(name) and not seen[one]["is_hidden"]
    assert all(seen[one]["is_hidden"] for one in seen.keys() - visible.keys())


def test_messages_come_back_byte_for_byte(place):
    user = place.users()[0]
    items = place.lines("items", user["address"])
    # The two biggest ones have texts and parts in chunks; some others stand for the rest.
    items.sort(key=lambda one: -one["size"])
    assert items[0]["size"] > 9 << 20 and items[1]["size"] > 4_000_000
    for item in items[:3] + items[3::30]:
        raw = place.ask("raw", mailbox=user["id"], item=item["id"]).content
        assert len(raw) == item["size"]
        assert place.read("message", user["address"], item["item"]) == raw
        through = ["--through", "checkpoint"]
        assert place.read("message", user["address"], item["item"], *through) == raw


def test_a_checkpoint_says_what_the_log_says(place):
    [mailbox] = [one for one in place.lines("mailboxes") if one["address"] == place.users()[0]["address"]]
    checkpoints = list((place.vault / "m" / mailbox["mailbox"] / "ckpt").iterdir())
    assert checkpoints
    for verb in ("items", "folders"):
        log = place.lines(verb, mailbox["mailbox"])
        assert log == place.lines(verb, mailbox["mailbox"], "--through", "checkpoint")
    assert len(log) > 5


def test_both_programs_export_the_same(place, tmp_path):
    address = place.users()[1]["address"]
    place.mailkeep("export", "--mailbox", address, "--output", tmp_path / "out")
    exported = [blake3(file.read_bytes()).hexdigest() for file in (tmp_path / "out").rglob("*.eml")]
    # Without any index: what was replaced or removed since is found, too.
    found = [one["blake3"] for one in place.lines("salvage", address)]
    assert len(exported) == len(place.lines("items", address))
    assert set(exported) <= set(found)


def test_the_recovery_key_opens_the_vault(place):
    recovery = ["--recovery-key-file", place.recovery]
    assert place.lines("mailboxes", key=recovery) == place.lines("mailboxes")


def test_a_passphrase_opens_a_vault(place, tmp_path):
    vault, passphrase = tmp_path / "vault", tmp_path / "passphrase"
    passphrase.write_text("Füße, and more words\n")
    recovery = ["--recovery-key-file", tmp_path / "recovery"]
    files = ["--vault", vault, "--passphrase-file", passphrase]
    subprocess.run([os.environ["MAILKEEP_BIN"], "init", *files, *recovery], check=True)
    command = [sys.executable, READER, vault, "--passphrase-file", passphrase, "mailboxes"]
    assert subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout == b""
    passphrase.write_text("another one\n")
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 1 and b"WrongKey" in done.stderr


def test_damage_is_found(place, tmp_path):
    """The reader does not simply agree: a changed byte is refused."""
    copy = tmp_path / "vault"
    subprocess.run(["cp", "-r", place.vault, copy], check=True)
    address = place.users()[1]["address"]
    [name] = [one["mailbox"] for one in place.lines("mailboxes") if one["address"] == address]
    segment = min((copy / "m" / name / "log").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    command = [sys.executable, READER, copy, "--key-file", place.key, "salvage", address]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 1 and b"Damaged" in done.stderr


def test_runs_and_documents_are_read(place):
    runs = place.lines("runs")
    assert len(runs) == 36 and all(run["connection"] == "sim" for run in runs)
    assert runs[0]["mailboxes"][0]["outcome"]["state"] == "complete"
    assert json.loads(place.read("document", "policy", "default"))["keep_days"] == 0


GOLDEN = READER.parent.parent / "shared" / "vault" / "golden" / "1"


@pytest.mark.parametrize("key", ["--passphrase-file passphrase.txt", "--key-file vault.key", "--recovery-key-file recovery.key"])
def test_the_golden_vault_is_read(key):
    """What an earlier mailkeep wrote, by what this page said then: item by item, with its content."""
    option, file = key.split()
    expected = {}
    for line in (GOLDEN / "contents.txt").read_text().splitlines():
        fields = line.split(" ")
        if len(fields) == 7 and fields[0].endswith("@example.com"):
            address, sequence, item, _, folder, state, digest = fields
            expected.setdefault(address, {}).setdefault(int(sequence), []).append((item, folder, state, digest))
    assert len(expected) == 3
    for address, points in expected.items():
        newest = points[max(points)]
        there = {(item, folder, digest) for item, folder, state, digest in newest if state == "there"}
        whole = sorted(one for one in there if one[2] != "lost")
        command = [sys.executable, READER, GOLDEN / "vault", option, GOLDEN / file, "items", address]
        if len(whole) == len(there):
            command.append("--digest")
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        seen = [json.loads(line) for line in done.stdout.splitlines()]
        assert sorted(one["id"] for one in seen) == sorted(one[0] for one in there)
        if len(whole) == len(there):
            assert sorted((one["id"], one["folder"], one["blake3"][:32]) for one in seen) == whole


SECOND = GOLDEN.parent / "2"


def second(*arguments):
    command = [sys.executable, READER, SECOND / "vault", "--key-file", SECOND / "vault.key", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return [json.loads(line) for line in done.stdout.splitlines()]


def second_contents(kind):
    lines = (SECOND / "contents.txt").read_text().splitlines()
    return [line.split(" ", 7)[1:] for line in lines if line.startswith(f"{kind} ")]


@pytest.mark.parametrize("through", ["log", "checkpoint"])
def test_export_streams_are_read(through):
    """Exchange's own lossless form of items, beside the message of each."""
    expected = second_contents("item")
    address = "eve@example.com"
    items = second("items", address, "--digest", "--through", through)
    assert sorted((one["id"], one["blake3"][:32]) for one in items) == sorted(
        (item, message) for item, _, message, *_ in expected
    )
    exports = second("exports", address, "--through", through)
    assert sorted((one["id"], one["size"], one["blake3"][:32], one["server"]) for one in exports) == sorted(
        (item, int(size), digest, server) for item, _, _, size, digest, server, *_ in expected if int(size)
    )
    assert len(exports) > 8 and max(one["size"] for one in exports) > 1_000_000


def test_packs_tell_whose_their_items_are(tmp_path):
    """Without one commit or checkpoint: each item in a pack, with its folder and its message."""
    expected = second_contents("told")
    vault = tmp_path / "vault"
    subprocess.run(["cp", "-r", SECOND / "vault", vault], check=True)
    [mailbox] = [one for one in (vault / "m").iterdir()]
    for folder in ("log", "ckpt"):
        subprocess.run(["rm", "-r", mailbox / folder], check=True)
    command = [sys.executable, READER, vault, "--key-file", SECOND / "vault.key", "owners", "eve@example.com"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted([one["id"], one["blake3"][:32]] for one in told) == sorted(expected)
    assert len(told) > 5 and {one["folder"] for one in told} <= {"inbox", "calendar"}
    assert all(one["subject"] == f"Subject of {one['id']}" for one in told)
