"""Requests of mailkeep and answers of the simulated Exchange organisation are valid against Microsoft's schemas.

Not part of `./check`, because the schemas are not part of this repository:

    git clone --depth 1 https://github.com/OfficeDev/Interop-TestSuites
    EWS_SCHEMAS=Interop-TestSuites/ExchangeWebServices/Source/Common/SchemaValidation ./check python
"""

import json
import os
import subprocess

import pytest

SCHEMAS = os.environ.get("EWS_SCHEMAS")
pytestmark = pytest.mark.skipif(not SCHEMAS, reason="EWS_SCHEMAS does not name the folder of Microsoft's schemas")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    from ews_schema import Inspector, schema

    folder = tmp_path_factory.mktemp("schema")
    command = [os.environ["EXCHANGE_SIM_BIN"], "--exchange", "--real-time", "--mailboxes", "2", "--items", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    details = json.loads(process.stdout.readline())
    rules = schema(os.path.abspath(SCHEMAS), folder)
    inspector = Inspector(details["exchange"]["url"], rules)
    try:
        yield folder, details, inspector
    finally:
        process.terminate()
        process.wait()


def run(folder, *words, password=None, codes=(0,)):
    environment = {"PATH": os.environ["PATH"], "MAILKEEP_VAULT": str(folder / "vault")}
    if words[0] != "init":
        environment["MAILKEEP_KEY_FILE"] = str(folder / "vault.key")
    if password:
        environment["MAILKEEP_EXCHANGE_PASSWORD"] = password
    command = [os.environ["MAILKEEP_BIN"], *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode in codes, done.stdout + done.stderr


def test_the_proxy_notices_what_is_not_valid(place):
    """A test that cannot fail is worse than none."""
    _, _, inspector = place
    envelope = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>'
    body = '<m:GetItem xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><m:ItemIds/></m:GetItem>'
    inspector.inspect("request", (envelope % body).encode())
    assert len(inspector.wrong) == 1
    inspector.wrong.clear()
    inspector.seen.clear()


def test_backup_and_restore(place):
    folder, details, inspector = place
    admin = f"{details['base_url']}/_admin/mailboxes"
    import requests

    addresses = [one["address"].lower() for one in requests.get(admin, timeout=60).json() if one["has_mailbox"]]
    (folder / "addresses.txt").write_text("\n".join(addresses))
    run(folder, "init", "--new-key-file", folder / "vault.key", "--recovery-key-file", folder / "recovery.key")
    reach = ["--ews-url", inspector.url, "--login", "basic", "--user", details["exchange"]["user"]]
    lists = ["--mailboxes-file", folder / "addresses.txt", "--public-folders-as", addresses[0]]
    run(folder, "connection", "add", "hq", *reach, *lists, password=details["exchange"]["password"])
    run(folder, "connection", "test", "hq")
    for _ in range(2):
        run(folder, "backup", codes=(3,))
        requests.post(f"{details['base_url']}/_admin/evolve", json={"percent": 20}, timeout=60).raise_for_status()
    first, second = addresses
    run(folder, "restore", "--mailbox", first, "--to", second, "--folder-name", "Back")
    run(folder, "restore", "--mailbox", first, "--placement", "original", "--on-conflict", "replace")
    below = ["--folder-name", "Back", "--below", "Company/Announcements"]
    run(folder, "restore", "--mailbox", first, "--to", "public-folders", *below)
    for kind in ("request", "response"):
        end = "Response" if kind == "response" else ""
        for name in ("FindFolder", "GetFolder", "SyncFolderItems", "GetItem", "FindItem", "CreateFolder", "CreateItem", "DeleteItem"):
            assert inspector.seen.get(f"{kind} {name}{end}"), (name, inspector.seen)
    assert inspector.wrong == []


def test_what_exchangelib_asks_for(place):
    from exchangelib import BASIC, IMPERSONATION, Account, Configuration, Credentials

    _, details, inspector = place
    config = Configuration(
        service_endpoint=inspector.url,
        # requests writes texts in Latin-1, and the server reads UTF-8.
        credentials=Credentials(details["exchange"]["user"], details["exchange"]["password"].encode().decode("latin-1")),
        auth_type=BASIC,
        max_connections=1,
    )
    import requests

    users = [one for one in requests.get(f"{details['base_url']}/_admin/mailboxes", timeout=60).json() if one["has_mailbox"]]
    account = Account(users[0]["address"], config=config, autodiscover=False, access_type=IMPERSONATION)
    for folder in (account.inbox, account.calendar, account.contacts, account.tasks, account.notes):
        items = list(folder.all())
        assert items
        list(folder.sync_items(only_fields=["subject"]))
        account.export(items[:2])
    list(account.msg_folder_root.sync_hierarchy())
    assert [one.name for one in account.public_folders_root.walk()]
    # The published files are those of Exchange 2016; two folders got their names in a later version.
    is_later = lambda one: "DistinguishedFolderId" in one and ("'scheduled'" in one or "'archive'" in one)
    wrong = [one for one in inspector.wrong if one.startswith("response") and not is_later(one)]
    assert wrong == []
