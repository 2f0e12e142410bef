"""The simulated tenant, seen by clients that others wrote.

O365 (folders, paging, messages, MIME, attachments) and oauthlib (tokens) know nothing of this project.
What they read is compared with the truth that the tenant's admin endpoint tells.
"""

import base64
import email
import json
import os
import subprocess
import urllib.parse

import pytest
import requests
from blake3 import blake3
from O365 import Account, Connection, MSGraphProtocol
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

IMMUTABLE = 'IdType="ImmutableId"'


@pytest.fixture(scope="module")
def tenant():
    """The connection details of a tenant that runs for these tests."""
    command = [os.environ["EXCHANGE_SIM_BIN"], "--seed", "21", "--mailboxes", "2", "--items", "300"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def token(tenant):
    """An access token, by the client credentials flow of oauthlib."""
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    session = OAuth2Session(client=BackendApplicationClient(client_id=tenant["client_id"]))
    answer = session.fetch_token(
        f"{tenant['base_url']}/{tenant['tenant_id']}/oauth2/v2.0/token",
        client_id=tenant["client_id"],
        client_secret=tenant["client_secret"],
        include_client_id=True,
        scope="https://graph.microsoft.com/.default",
    )
    assert answer["token_type"] == "Bearer"
    return answer["access_token"]


@pytest.fixture(scope="module")
def account(tenant, token):
    """An O365 account that talks to the tenant instead of to Microsoft."""

    class LoopbackProtocol(MSGraphProtocol):
        _protocol_url = tenant["base_url"] + "/"

    class TokenConnection(Connection):
        """Takes the token as it is: O365's own login accepts https hosts of Microsoft only."""

        def get_session(self, load_token=False):
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {token}"
            session.headers["Prefer"] = IMMUTABLE
            return session

    connected = Account(
        (tenant["client_id"], tenant["client_secret"]),
        auth_flow_type="credentials",
        tenant_id=tenant["tenant_id"],
        protocol=LoopbackProtocol(timezone="UTC"),
    )
    connected.con = TokenConnection(
        (tenant["client_id"], tenant["client_secret"]),
        auth_flow_type="credentials",
        tenant_id=tenant["tenant_id"],
        request_retries=0,
        requests_delay=0,
    )
    return connected


@pytest.fixture(scope="module")
def truth(tenant):
    """Asks the admin endpoint."""

    def ask(question, **fields):
        query = urllib.parse.urlencode(fields)
        answer = requests.get(f"{tenant['base_url']}/_admin/{question}?{query}", timeout=60)
        answer.raise_for_status()
        return answer

    return ask


@pytest.fixture(scope="module")
def users(truth):
    return [one for one in truth("mailboxes").json() if one["has_mailbox"]]


def all_folders(parent):
    for folder in parent.get_folders(limit=None, batch=7):
        yield folder
        yield from all_folders(folder)


def true_folders(truth, user):
    folders = truth("folders", mailbox=user).json()
    return {one["id"]: one for one in folders if not one["is_hidden"]}


def test_folders_are_listed_with_all_levels(account, truth, users):
    names = set()
    for user in users:
        mailbox = account.mailbox(resource=user["address"])
        seen = {one.folder_id: one for one in all_folders(mailbox)}
        expected = true_folders(truth, user["id"])
        assert {one: seen[one].name for one in seen} == {
            one: expected[one]["name"] for one in expected
        }
        for one, folder in seen.items():
            assert folder.total_items_count == expected[one]["items"]
        names.update(folder.name for folder in seen.values())
    assert "Posteingang" in names
    assert any("/" in name for name in names)


def test_messages_are_paged(account, truth, users):
    for user in users:
        items = truth("items", mailbox=user["id"]).json()
        mailbox = account.mailbox(resource=user["address"])
        count = 0
        for folder in all_folders(mailbox):
            expected = {one["id"]: one for one in items if one["folder"] == folder.folder_id}
            seen = {one.object_id: one for one in folder.get_messages(limit=None, batch=13)}
            assert set(seen) == set(expected)
            count += len(seen)
            for one, message in seen.items():
                assert message.subject == expected[one]["subject"]
                assert message.is_read == expected[one]["is_read"]
                assert message.is_draft == expected[one]["is_draft"]
                received = message.received.strftime("%Y-%m-%dT%H:%M:%SZ")
                assert received == expected[one]["received"]
        assert count == user["items"]


def test_mime_and_attachments_are_read(account, truth, users):
    user = users[0]
    mailbox = account.mailbox(resource=user["address"])
    kinds = set()
    for folder in all_folders(mailbox):
        for message in folder.get_messages(limit=None, batch=20):
            fields = {"mailbox": user["id"], "item": message.object_id}
            raw = truth("raw", **fields).content
            mime = message.get_mime_content()
            # Boundaries are made anew at every read and have the same length each time.
            assert len(mime) == len(raw)
            read, true = email.message_from_bytes(mime), email.message_from_bytes(raw)
            for name in ("From", "To", "Subject", "Message-ID", "Date"):
                assert read[name] == true[name]
            expected = truth("attachments", **fields).json()
            message.attachments.download_attachments()
            url = message.build_url(f"/messages/{message.object_id}/attachments")
            listed = account.con.get(url).json()["value"]
            assert [one["name"] for one in listed] == [one["name"] for one in expected]
            for one, true_one in zip(listed, expected):
                kinds.add(one["@odata.type"].rsplit(".", 1)[1])
                if one["@odata.type"].endswith("referenceAttachment"):
                    continue
                value = account.con.get(f"{url}/{one['id']}/$value").content
                assert blake3(value).hexdigest() == true_one["blake3"]
                if "contentBytes" in one:
                    assert base64.b64decode(one["contentBytes"]) == value
            # O365 calls everything a file that is not an item.
            others = [one for one in listed if not one["@odata.type"].endswith("itemAttachment")]
            downloaded = [one for one in message.attachments if one.attachment_type == "file"]
            assert [one.name for one in downloaded] == [one["name"] for one in others]
    assert "fileAttachment" in kinds and "itemAttachment" in kinds


def follow(con, link):
    """All lines of one round of a change feed and the link to the next round."""
    lines = []
    headers = {"Prefer": f"{IMMUTABLE}, odata.maxpagesize=9"}
    while True:
        page = con.get(link, headers=headers).json()
        lines += page["value"]
        if "@odata.deltaLink" in page:
            return lines, page["@odata.deltaLink"]
        link = page["@odata.nextLink"]


def test_changes_are_followed(account, tenant, truth, users):
    user = users[1]
    mailbox = account.mailbox(resource=user["address"])
    con = account.con
    # One request, so that the connection has its session.
    mailbox.inbox_folder().get_messages(limit=1)
    known, links = {}, {}

    def round_trip():
        folders = true_folders(truth, user["id"])
        for gone in set(links) - set(folders):
            links.pop(gone), known.pop(gone)
        for one, folder in folders.items():
            if folder["is_search"]:
                continue
            start = mailbox.build_url(f"/mailFolders/{one}/messages/delta?$select=changeKey")
            lines, links[one] = follow(con, links.get(one, start))
            items = known.setdefault(one, {})
            for line in lines:
                if "@removed" in line:
                    items.pop(line["id"], None)
                else:
                    items[line["id"]] = line["changeKey"]

    def expected():
        items = truth("items", mailbox=user["id"]).json()
        return {
            one: {item["id"]: item["change_key"] for item in items if item["folder"] == one}
            for one, folder in true_folders(truth, user["id"]).items()
            if not folder["is_search"]
        }

    round_trip()
    assert known == expected()
    for _ in range(3):
        answer = requests.post(
            f"{tenant['base_url']}/_admin/evolve", json={"percent": 20}, timeout=60
        )
        changed = answer.json()
        assert changed["moved"] > 0 and changed["deleted"] > 0
        round_trip()
        assert known == expected()


def test_a_message_is_written_and_nothing_is_sent(account, truth, users):
    user = users[0]
    mailbox = account.mailbox(resource=user["address"])
    draft = mailbox.new_message()
    draft.subject = "Entwurf – 下書き"
    draft.body = "<p>hello</p>"
    draft.to.add("somebody@fabrikam.example")
    assert draft.save_draft()
    items = truth("items", mailbox=user["id"]).json()
    written = [one for one in items if one["subject"] == "Entwurf – 下書き"]
    assert len(written) == 1 and written[0]["is_draft"]
    assert truth("sent").json() == []
