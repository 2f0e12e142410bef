"""The simulated Exchange organisation, seen by exchangelib.

exchangelib is a client of Exchange Web Services that others wrote against real servers. What it reads is compared
with the truth that the tenant's admin endpoint tells; what it writes is read back.
"""

import base64
import json
import os
import subprocess
from decimal import Decimal
from xml.etree import ElementTree

import pytest
import requests
from exchangelib import (
    BASIC,
    DELEGATE,
    IMPERSONATION,
    NTLM,
    Account,
    CalendarItem,
    Configuration,
    Contact,
    Credentials,
    EWSDateTime,
    EWSTimeZone,
    ExtendedProperty,
    FileAttachment,
    ItemAttachment,
    Mailbox,
    Message,
    Task,
)
from exchangelib.errors import (
    DoesNotExist,
    ErrorAccessDenied,
    ErrorFolderExists,
    ErrorImpersonateUserDenied,
    ErrorInvalidOperation,
    ErrorInvalidSyncStateData,
    ErrorItemNotFound,
    EWSError,
    UnauthorizedError,
)
from exchangelib.folders import Calendar, Contacts, Folder
from exchangelib.items import MeetingCancellation, MeetingRequest, MeetingResponse
from exchangelib.protocol import BaseProtocol, CachingProtocol, FaultTolerance
from exchangelib.recurrence import Recurrence, WeeklyPattern
from exchangelib.services.common import EWSAccountService

UTC = EWSTimeZone("UTC")


class Marker(ExtendedProperty):
    property_set_id = "6f1c2a36-2f0f-4f6b-9d43-7a8f5be0c1d2"
    property_name = "Outside"
    property_type = "String"


class Words(ExtendedProperty):
    distinguished_property_set_id = "PublicStrings"
    property_name = "Words"
    property_type = "StringArray"


Message.register("outside", Marker)
Message.register("words", Words)


def started(*arguments):
    command = [os.environ["EXCHANGE_SIM_BIN"], "--seed", "21", "--exchange", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    return process, json.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def tenant():
    """The connection details of a tenant that runs for these tests."""
    process, details = started("--mailboxes", "2", "--items", "120", "--real-time")
    try:
        yield details
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def truth(tenant):
    """Asks the admin endpoint."""

    def ask(question, **fields):
        answer = requests.get(f"{tenant['base_url']}/_admin/{question}", params=fields, timeout=60)
        answer.raise_for_status()
        return answer.json()

    return ask


@pytest.fixture(scope="module")
def command(tenant):
    """Commands the tenant."""

    def tell(name, **fields):
        answer = requests.post(f"{tenant['base_url']}/_admin/{name}", json=fields, timeout=60)
        answer.raise_for_status()

    return tell


@pytest.fixture(scope="module")
def users(truth):
    return [one for one in truth("mailboxes") if one["has_mailbox"]]


def connect(details, address, login=None, auth=NTLM, access=IMPERSONATION, **more):
    user, password = login or (details["exchange"]["user"], details["exchange"]["password"])
    config = Configuration(
        service_endpoint=details["exchange"]["url"],
        credentials=Credentials(user, password),
        auth_type=auth,
        max_connections=2,
        **more,
    )
    return Account(address, config=config, autodiscover=False, access_type=access, default_timezone=UTC)


@pytest.fixture(scope="module")
def account(tenant, users):
    return connect(tenant, users[0]["address"])


def true_items(truth, user, folder_id):
    folders = {one["exchange_id"]: one["id"] for one in truth("folders", mailbox=user)}
    items = truth("items", mailbox=user)
    return {one["exchange_id"]: one for one in items if one["folder"] == folders[folder_id]}


@pytest.mark.parametrize("auth", [NTLM, BASIC])
@pytest.mark.parametrize("who", ["service", "owner"])
def test_logins(tenant, truth, users, auth, who):
    address = users[1]["address"]
    if who == "service":
        account = connect(tenant, address, auth=auth)
    else:
        login = truth("login", mailbox=address)
        account = connect(tenant, address, (login["user"], login["password"]), auth, DELEGATE)
    folder = next(one for one in truth("folders", mailbox=address) if one["well_known"] == "inbox")
    assert account.inbox.id == folder["exchange_id"]
    assert account.inbox.name == "Posteingang"
    assert account.inbox.total_count == folder["items"]


@pytest.mark.parametrize("auth", [NTLM, BASIC])
def test_a_wrong_password_is_refused(tenant, users, auth):
    login = (tenant["exchange"]["user"], "wrong")
    with pytest.raises(UnauthorizedError):
        connect(tenant, users[0]["address"], login, auth).inbox.refresh()


def test_the_version_is_found_out(account):
    assert account.version.build.major_version == 15
    assert account.version.api_version.startswith("Exchange20")


def test_a_private_authority(users, tmp_path):
    process, details = started("--mailboxes", "1", "--items", "5", "--tls")
    pem = tmp_path / "authority.pem"
    pem.write_text(details["exchange"]["authority_pem"])

    class Trusting(requests.adapters.HTTPAdapter):
        def cert_verify(self, conn, url, verify, cert):
            super().cert_verify(conn, url, str(pem), cert)

    usual = BaseProtocol.HTTP_ADAPTER_CLS
    BaseProtocol.HTTP_ADAPTER_CLS = Trusting
    try:
        account = connect(details, users[0]["address"])
        assert details["exchange"]["url"].startswith("https://")
        assert account.inbox.name == "Inbox"
    finally:
        BaseProtocol.HTTP_ADAPTER_CLS = usual
        process.terminate()
        process.wait()


def test_the_folder_tree(account, truth, users):
    expected = {
        one["exchange_id"]: one["name"]
        for one in truth("folders", mailbox=users[0]["id"])
        if one["well_known"] != "msgfolderroot"
    }
    seen = {one.id: one.name for one in account.msg_folder_root.walk()}
    assert len(seen) > 20
    assert seen == {one: expected[one] for one in seen}
    by_sync = {one.id: one.name for change, one in account.msg_folder_root.sync_hierarchy()}
    # exchangelib leaves search folders out of its own walk only.
    assert set(seen) <= set(by_sync)


def test_changes_of_the_tree(account, truth, users, command):
    root = account.msg_folder_root
    list(root.sync_hierarchy())
    assert list(root.sync_hierarchy()) == []
    made = Folder(parent=account.inbox, name="Von außen")
    made.save()
    with pytest.raises(ErrorFolderExists):
        Folder(parent=account.inbox, name="Von außen").save()
    changes = list(root.sync_hierarchy())
    assert [(change, one.name) for change, one in changes] == [("create", "Von außen")]
    made.name = "Umbenannt"
    made.save(update_fields=["name"])
    assert [(change, one.name) for change, one in root.sync_hierarchy()] == [("update", "Umbenannt")]
    gone = made.id
    made.delete()
    assert [(change, one.id) for change, one in root.sync_hierarchy()] == [("delete", gone)]


def test_items_and_their_properties(account, truth, users):
    expected = true_items(truth, users[0]["id"], account.inbox.id)
    seen = list(account.inbox.all().only("subject", "is_read", "categories", "message_id", "datetime_received"))
    assert {one.id for one in seen} == set(expected)
    for one in seen:
        true = expected[one.id]
        # A listing cuts texts.
        assert (one.subject or "")[:255] == true["subject"][:255]
        assert one.is_read == true["is_read"] or not isinstance(one, Message)
        assert one.datetime_received.strftime("%Y-%m-%dT%H:%M:%SZ") == true["received"]
    ordered = [one.datetime_received for one in account.inbox.all().order_by("datetime_received")]
    assert ordered == sorted(ordered)
    unread = account.inbox.filter(is_read=False).count()
    assert unread == sum(1 for one in seen if one.is_read is False)


NESTED = b"""From: a@x.example\r
Subject: outer\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
text\r
--b\r
Content-Type: message/rfc822\r
Content-Disposition: attachment\r
\r
From: c@x.example\r
Subject: inner\r
\r
inside\r
--b--\r
"""


def test_mime_and_attachments(account, truth, users, command):
    raw = base64.b64encode(NESTED).decode()
    command("add_raw_mail", mailbox=users[0]["id"], folder="inbox", base64=raw)
    expected = true_items(truth, users[0]["id"], account.inbox.id)
    files = nested = 0
    for item in account.inbox.all().only("mime_content", "attachments", "subject"):
        true = truth("attachments", mailbox=users[0]["id"], item=expected[item.id]["id"])
        kinds = {False: FileAttachment, True: ItemAttachment}
        assert all(isinstance(one, tuple(kinds.values())) for one in item.attachments or [])
        assert b"\r\n" in item.mime_content or b"\n" in item.mime_content
        by_name = {one["name"]: one for one in true}
        for one in item.attachments or []:
            if isinstance(one, FileAttachment):
                assert len(one.content) == by_name[one.name]["bytes"]
                files += 1
            else:
                assert b"Subject: inner" in one.item.mime_content or one.item.subject != "inner"
                nested += 1
    assert files > 5 and nested > 0


def test_item_sync(account, truth, users, command):
    user = users[0]["id"]
    inbox = account.inbox
    inbox.item_sync_state = None
    sync = lambda **more: list(inbox.sync_items(only_fields=["subject"], **more))
    first = sync(max_changes_returned=10)
    expected = true_items(truth, user, inbox.id)
    assert {one.id for change, one in first} == set(expected)
    assert {change for change, one in first} == {"create"}
    assert sync() == []
    items = list(expected.values())
    command("set_read", mailbox=user, item=items[0]["id"], is_read=not items[0]["is_read"])
    command("edit_body", mailbox=user, item=items[1]["id"])
    command("move_mail", mailbox=user, item=items[2]["id"], folder="drafts")
    command("add_mail", mailbox=user, folder="inbox")
    changes = sync()
    kinds = sorted(change for change, one in changes)
    assert kinds == ["create", "delete", "read_flag_change", "update"]
    command("expire_delta_tokens", mailbox=user)
    with pytest.raises(ErrorInvalidSyncStateData):
        sync()


def test_every_class_is_there(account):
    kinds = {type(one) for one in account.inbox.all()}
    assert {Message, MeetingRequest, MeetingResponse, MeetingCancellation} <= kinds
    contact = next(one for one in account.contacts.all() if isinstance(one, Contact))
    assert contact.surname == "Müller"
    assert {one.email for one in contact.email_addresses} == {"joerg@fabrikam.example", "jm@contoso.example"}
    assert contact.physical_addresses[0].city == "Köln"
    series = next(one for one in account.calendar.all() if one.recurrence)
    assert series.type == "RecurringMaster"
    assert series.recurrence.boundary.number == 10
    assert len(series.modified_occurrences) == 1 and len(series.deleted_occurrences) == 1
    assert series.required_attendees[0].mailbox.email_address == "ann@contoso.example"
    single = next(one for one in account.calendar.all() if not one.recurrence)
    assert (single.subject, single.sensitivity, single.location) == ("Dentist", "Private", "Main street 7")
    assert single.start == EWSDateTime(2026, 11, 10, 9, 0, tzinfo=UTC)
    assert {one.subject for one in account.tasks.all()} == {"Write the report", "Water the plants"}


def test_export_and_upload(account):
    items = [*account.contacts.all(), *account.calendar.all(), *list(account.inbox.all()[:5])]
    folders = {Contact: account.contacts, CalendarItem: account.calendar}
    for item in items:
        (data,) = account.export([item])
        target = folders.get(type(item), item.folder or account.drafts)
        if type(item).__name__ == "DistributionList":
            target = account.contacts
        ((new, _),) = account.upload([(target, data)])
        (again,) = account.export([target.get(id=new)])
        assert base64.b64decode(again)[:8] == base64.b64decode(data)[:8]
        copy = target.get(id=new)
        assert type(copy) is type(item) and copy.subject == item.subject
        copy.delete(**({"send_meeting_cancellations": "SendToNone"} if isinstance(copy, CalendarItem) else {}))
        with pytest.raises((ErrorItemNotFound, DoesNotExist)):
            target.get(id=new)


def test_messages_are_written_and_read_back(account, truth):
    mime = b"From: a@x.example\r\nTo: b@x.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHallo\r\n"
    message = Message(
        folder=account.inbox,
        mime_content=mime,
        is_read=True,
        categories=["Rot", "Blau"],
        outside="mark & <1>",
        words=["eins", "zwei"],
    )
    message.save()
    back = account.inbox.get(outside="mark & <1>")
    assert (back.subject, back.is_read, back.categories) == ("Grüße", True, ["Rot", "Blau"])
    assert back.words == ["eins", "zwei"]
    assert back.mime_content == mime
    back.attach(FileAttachment(name="ein.txt", content=b"inhalt"))
    back.subject = "Geändert"
    back.save(update_fields=["subject"])
    back = account.inbox.get(outside="mark & <1>")
    assert back.subject == "Geändert"
    assert back.attachments[0].content == b"inhalt"
    back.move(account.drafts)
    assert account.inbox.filter(outside="mark & <1>").count() == 0
    back = account.drafts.get(outside="mark & <1>")
    back.delete()
    assert truth("sent") == []


def test_appointments_contacts_and_tasks_are_written_and_read_back(account, truth):
    start = EWSDateTime(2026, 12, 1, 9, 0, tzinfo=UTC)
    end = EWSDateTime(2026, 12, 1, 10, 0, tzinfo=UTC)
    event = CalendarItem(
        folder=account.calendar,
        subject="Serie",
        start=start,
        end=end,
        recurrence=Recurrence(pattern=WeeklyPattern(interval=2, weekdays=["Tuesday"]), start=start.date(), number=3),
    )
    event.save(send_meeting_invitations="SendToNone")
    back = account.calendar.get(subject="Serie")
    assert (back.start, back.end, back.type) == (start, end, "RecurringMaster")
    assert back.recurrence.pattern.interval == 2
    assert account.calendar.view(start=start, end=end).count() == 0
    back.delete(send_meeting_cancellations="SendToNone")
    contact = Contact(
        folder=account.contacts, given_name="Zoë", surname="Ødegård", company_name="A & B", display_name="Zoë Ødegård"
    )
    contact.save()
    back = account.contacts.get(surname="Ødegård")
    assert (back.given_name, back.company_name, back.display_name) == ("Zoë", "A & B", "Zoë Ødegård")
    back.delete()
    task = Task(folder=account.tasks, subject="Neu", status="InProgress", percent_complete=Decimal(30))
    task.save()
    back = account.tasks.get(subject="Neu")
    assert (back.status, back.percent_complete, back.is_complete) == ("InProgress", 30, False)
    back.delete(affected_task_occurrences="AllOccurrences")
    assert truth("sent") == []


def test_sending_is_noted(account, truth, users):
    Message(account=account, subject="Raus", to_recipients=[Mailbox(email_address="a@x.example")]).send()
    sent = truth("sent")
    assert [one["template"] for one in sent] == ["/EWS/CreateItem"]
    assert sent[0]["mailbox"] == users[0]["id"]


def test_public_folders(account):
    root = account.public_folders_root
    company = root / "Company"
    names = {one.name for one in company.children}
    assert names == {"Announcements", "Sales / EMEA", "Holidays", "Suppliers", "Board"}
    assert isinstance(company / "Holidays", Calendar) and isinstance(company / "Suppliers", Contacts)
    assert (company / "Announcements").all().count() == 2
    assert (company / "Suppliers").all().count() == 1
    assert (company / "Holidays").all().count() == 1
    with pytest.raises(ErrorAccessDenied):
        (company / "Board").all().count()
    with pytest.raises(ErrorInvalidOperation):
        list((company / "Announcements").sync_items(only_fields=["subject"]))
    post = Message(folder=company / "Announcements", subject="Neues")
    post.save()
    assert (company / "Announcements").get(subject="Neues").subject == "Neues"


def test_public_folders_are_walked_read_and_compared(account, truth, command):
    mailbox = "public-folders"
    folders = [one for one in truth("folders", mailbox=mailbox) if one["well_known"] != "publicfoldersroot"]
    walked = {one.id: one for one in account.public_folders_root.walk()}
    assert {one.id: one.name for one in walked.values()} == {one["exchange_id"]: one["name"] for one in folders}
    true = {one["exchange_id"]: one for one in truth("items", mailbox=mailbox)}
    read = {}
    for one in folders:
        if one["name"] == "Board":
            continue
        for item in walked[one["exchange_id"]].all().only("subject", "mime_content"):
            assert item.mime_content or not isinstance(item, Message)
            read[item.id] = (item.subject or "")[:255]
    board = next(one["id"] for one in folders if one["name"] == "Board")
    assert read == {key: one["subject"][:255] for key, one in true.items() if one["folder"] != board}
    # What changed shows in ids and change keys.
    sales = next(one for one in walked.values() if one.name == "Sales / EMEA")
    keys = lambda: {one.id: one.changekey for one in sales.all().only("subject")}
    before = keys()
    edited, deleted = (true[one]["id"] for one in before)
    command("edit_body", mailbox=mailbox, item=edited)
    command("delete_mail", mailbox=mailbox, item=deleted)
    folder = next(one["id"] for one in folders if one["name"] == "Sales / EMEA")
    command("add_mail", mailbox=mailbox, folder=folder)
    after = keys()
    assert len(after.keys() & before.keys()) == 1 and len(after.keys() - before.keys()) == 1
    (kept,) = after.keys() & before.keys()
    assert after[kept] != before[kept]
    with pytest.raises(ErrorInvalidOperation):
        list(account.public_folders_root.sync_hierarchy())


POX = """<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>
<EMailAddress>{}</EMailAddress><AcceptableResponseSchema>x</AcceptableResponseSchema></Request></Autodiscover>"""


def test_public_folders_are_routed_to_the_mailbox_that_holds_them(monkeypatch):
    process, details = started("--mailboxes", "1", "--items", "5", "--public-mailboxes", "2", "--real-time")
    try:
        login = (details["exchange"]["user"].encode(), details["exchange"]["password"].encode())

        def discover(address, name):
            url = f"{details['base_url']}/autodiscover/autodiscover.xml"
            head = {"Content-Type": "text/xml"}
            answer = requests.post(url, POX.format(address).encode(), headers=head, auth=login, timeout=60)
            tree = ElementTree.fromstring(answer.content)
            return next(one.text for one in tree.iter() if one.tag.endswith("}" + name))

        users = requests.get(f"{details['base_url']}/_admin/mailboxes", timeout=60).json()
        owner = next(one["address"] for one in users if one["has_mailbox"])
        account = connect(details, owner)
        anchor = discover(owner, "SmtpAddress")
        hierarchy = (anchor, discover(anchor, "Server"))
        route = {}

        def headers(self, usual=EWSAccountService._extra_headers):
            return {**usual(self), **route}

        monkeypatch.setattr(EWSAccountService, "_extra_headers", headers)
        with pytest.raises(EWSError, match="ErrorPublicFolderOperationFailed"):
            list(account.public_folders_root.children)

        def go(anchor, mailbox):
            route.update({"X-AnchorMailbox": anchor, "X-PublicFolderMailbox": mailbox})

        go(*hierarchy)
        sales = account.public_folders_root / "Company" / "Sales / EMEA"
        with pytest.raises(EWSError, match="ErrorPublicFolderOperationFailed"):
            sales.all().count()
        guid = bytes(replicas_of(sales))[:36].decode()
        assert guid != hierarchy[1].split("@")[0]
        content = discover(f"{guid}@sim.example", "AutoDiscoverSMTPAddress")
        go(content, content)
        assert sales.all().count() == 2
    finally:
        process.terminate()
        process.wait()


def replicas_of(folder):
    class Replicas(ExtendedProperty):
        property_tag = 0x6698
        property_type = "Binary"

    Folder.register("replicas", Replicas)
    try:
        folder.refresh()
        return folder.replicas
    finally:
        Folder.deregister("replicas")


def test_archive_and_recoverable_items(account):
    assert account.archive_inbox.all().count() == 1
    names = {one.name for one in account.archive_msg_folder_root.children}
    assert names == {"Deleted Items", "Inbox"}
    assert account.recoverable_items_deletions.name == "Deletions"


def test_impersonation_needs_its_role(tenant, command, users):
    command("set_service_rights", rights={"impersonation": False, "full_access": True})
    try:
        with pytest.raises(ErrorImpersonateUserDenied):
            connect(tenant, users[0]["address"]).inbox.refresh()
        delegate = connect(tenant, users[0]["address"], access=DELEGATE)
        assert delegate.inbox.total_count > 0
    finally:
        command("set_service_rights", rights={})


def test_a_busy_server_is_waited_for(tenant, command, users, truth):
    # exchangelib keeps one connection, with one policy, for each address and login.
    CachingProtocol.clear_cache()
    account = connect(tenant, users[0]["address"], retry_policy=FaultTolerance(max_wait=60))
    account.inbox.refresh()
    command("inject", fault={"kind": {"ews_busy": {"backoff_millis": 1500}}, "times": 1})
    account.inbox.refresh()
    assert truth("strain")["ignored_backoff"] == 0
