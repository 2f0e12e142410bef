"""A small server of Exchange Web Services that shares no code with mailkeep or the simulated tenant.

It is written from the published documentation, by somebody who has seen neither: other prefixes, the oldest change
first, small pages, faults with status 200, nine digits behind the second, no SOAP header, MIME that is built anew with
other boundaries at each read, character references that XML forbids. It knows the operations that a backup and a
restore of a mailbox need and refuses all others.
"""

import base64
import email
import email.policy
import itertools
import random
import threading
import xml.etree.ElementTree as ET
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape, quoteattr

MESSAGES = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
TYPES = "{http://schemas.microsoft.com/exchange/services/2006/types}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
PAGE = 7
MARK = "MailkeepRestore"
FLAGS, DELIVERED = "0x0e07", "0x0e06"


class Refusal(Exception):
    """The whole request fails."""


class Missing(Exception):
    """One thing that was asked for fails."""


class Item:
    def __init__(self, folder, kind, subject):
        self.folder, self.kind, self.subject = folder, kind, subject
        self.item_class = {"Contact": "IPM.Contact", "CalendarItem": "IPM.Appointment"}.get(kind, "IPM.Note")
        self.text, self.files = "", []
        self.received = "2024-05-06T07:08:09.123456789Z"
        self.is_read, self.is_draft, self.categories, self.key = False, False, [], 1
        self.raw, self.message_id, self.fields, self.extended = None, None, "", {}

    def mime(self):
        """The message, put together anew: no two reads have one boundary."""
        if self.kind == "CalendarItem":
            return (
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//unseen//\r\nBEGIN:VEVENT\r\n"
                f"UID:{self.message_id}\r\nSUMMARY:{self.subject}\r\nDTSTART:20261112T090000Z\r\n"
                "DTEND:20261112T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            ).encode()
        if self.raw is not None and not self.raw.is_multipart():
            return self.raw.as_bytes(policy=email.policy.SMTP)
        if self.raw is not None:
            message = email.message_from_bytes(self.raw.as_bytes(), policy=email.policy.SMTP)
        else:
            message = EmailMessage(policy=email.policy.SMTP)
            message["From"] = "Somebody <somebody@elsewhere.example>"
            message["To"] = "ann@unseen.example"
            message["Subject"] = "".join(c for c in self.subject if c >= " ")
            message["Date"] = "Mon, 06 May 2024 07:08:09 +0000"
            message["Message-ID"] = self.message_id
            message.set_content(self.text)
            for name, content in self.files:
                message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
        if message.is_multipart():
            message.set_boundary(f"=_{random.getrandbits(80):020x}")
        return message.as_bytes()


class Store:
    """Two mailboxes."""

    def __init__(self):
        self.lock = threading.RLock()
        self.names = itertools.count(1)
        self.sent, self.calls, self.faults, self.strange = [], [], 0, []
        self.change = 0
        self.folders, self.items, self.log = {}, {}, []
        self.epoch = 1
        for who in ("ann", "bob"):
            root = self.folder(who, None, "Toppen af informationslager", "")
            for known, name in (("inbox", "Indbakke"), ("sentitems", "Sendt post"), ("deleteditems", "Slettet post")):
                self.folder(who, root, name, "IPF.Note", known)
            self.folder(who, root, "Kalender", "IPF.Appointment", "calendar")
            self.folder(who, root, "Kontakter", "IPF.Contact", "contacts")
            self.folder(who, root, "A/S & <Søn>", "IPF.Note")

    def folder(self, who, parent, name, kind, known=None):
        known = "msgfolderroot" if parent is None else known
        number = next(self.names)
        # Ids that differ in nothing but case.
        key = f"{'fOlD' if number % 2 else 'FoLd'}{(number + 1) // 2}=="
        self.folders[key] = {"who": who, "parent": parent, "name": name, "class": kind, "known": known}
        return key

    def known(self, who, known):
        for key, folder in self.folders.items():
            if folder["who"] == who and folder["known"] == known:
                return key
        raise Missing("ErrorFolderNotFound")

    def add(self, item):
        number = next(self.names)
        key = f"{'iTeM' if number % 2 else 'ItEm'}{(number + 1) // 2}+/=="
        item.message_id = item.message_id or f"<{number}@unseen.example>"
        self.items[key] = item
        self.note("Create", key, item.folder)
        return key

    def note(self, kind, key, folder):
        self.change += 1
        self.log.append((self.change, kind, key, folder))

    def mail(self, who, known, subject, text="Hej", files=()):
        item = Item(self.known(who, known), "Message", subject)
        item.text, item.files = text, list(files)
        return self.add(item)

    def edit(self, key, text):
        item = self.items[key]
        item.text, item.key = text, item.key + 1
        self.note("Update", key, item.folder)

    def read(self, key):
        item = self.items[key]
        item.is_read, item.key = True, item.key + 1
        self.note("ReadFlagChange", key, item.folder)

    def delete(self, key):
        item = self.items.pop(key)
        self.note("Delete", key, item.folder)

    def move(self, key, folder):
        item = self.items.pop(key)
        self.note("Delete", key, item.folder)
        item.folder = folder
        return self.add(item)

    def within(self, folder):
        return [(key, item) for key, item in self.items.items() if item.folder == folder]

    def of(self, who):
        return [item for item in self.items.values() if self.folders[item.folder]["who"] == who]


def element(name, text):
    return f"<y:{name}>{escape(str(text))}</y:{name}>"


def success(name, payload):
    return f'<{name}ResponseMessage ResponseClass="Success"><ResponseCode>NoError</ResponseCode>{payload}</{name}ResponseMessage>'


def failure(name, code):
    return (
        f'<{name}ResponseMessage ResponseClass="Error"><MessageText>Nej.</MessageText>'
        f"<ResponseCode>{code}</ResponseCode></{name}ResponseMessage>"
    )


def id_of(node):
    return node.get("Id")


def extended_key(field):
    if field.get("PropertyTag"):
        return f"0x{int(field.get('PropertyTag'), 0):04x}"
    return field.get("PropertyName") or f"{field.get('PropertySetId')} {field.get('PropertyId')}"


class Service:
    """The operations."""

    def __init__(self, store):
        self.store = store

    def answer(self, who, request):
        name = request.tag.removeprefix(MESSAGES)
        work = getattr(self, name, None)
        if not request.tag.startswith(MESSAGES) or work is None:
            raise Refusal("ErrorInvalidRequest")
        self.store.calls.append(name)
        return name, work(who, request)

    # Folders

    def find_folder(self, who, node):
        if node.tag == TYPES + "DistinguishedFolderId":
            return self.store.known(who, id_of(node))
        key = id_of(node)
        if key not in self.store.folders:
            raise Missing("ErrorFolderNotFound")
        return key

    def write_folder(self, key):
        folder = self.store.folders[key]
        kind = {"IPF.Appointment": "CalendarFolder", "IPF.Contact": "ContactsFolder"}.get(folder["class"], "Folder")
        parent = f"<y:ParentFolderId Id={quoteattr(folder['parent'] or 'nowhere')}/>"
        kind_of = element("FolderClass", folder["class"]) if folder["class"] else ""
        count = len(self.store.within(key))
        return (
            f"<y:{kind}><y:FolderId Id={quoteattr(key)}/>{parent}{kind_of}"
            f"{element('DisplayName', folder['name'])}{element('TotalCount', count)}</y:{kind}>"
        )

    def each(self, name, nodes, work):
        out = []
        for node in nodes:
            try:
                out.append(success(name, work(node)))
            except Missing as refused:
                out.append(failure(name, refused.args[0]))
        return "".join(out)

    def GetFolder(self, who, request):
        ids = request.find(MESSAGES + "FolderIds")
        work = lambda node: f"<Folders>{self.write_folder(self.find_folder(who, node))}</Folders>"
        return self.each("GetFolder", ids, work)

    def below(self, top, is_deep):
        found = [key for key, one in self.store.folders.items() if one["parent"] == top]
        return [*found, *(deeper for key in found for deeper in self.below(key, True))] if is_deep else found

    def FindFolder(self, who, request):
        view = request.find(MESSAGES + "IndexedPageFolderView")
        name = request.find(f"{MESSAGES}Restriction/{TYPES}IsEqualTo/{TYPES}FieldURIOrConstant/{TYPES}Constant")

        def work(node):
            found = self.below(self.find_folder(who, node), request.get("Traversal") == "Deep")
            if name is not None:
                found = [key for key in found if self.store.folders[key]["name"] == name.get("Value")]
            start = int(view.get("Offset"))
            page = found[start : start + PAGE]
            is_last = "true" if start + PAGE >= len(found) else "false"
            inside = "".join(map(self.write_folder, page))
            head = f'IndexedPagingOffset="{start + len(page)}" TotalItemsInView="{len(found)}"'
            return f'<RootFolder {head} IncludesLastItemInRange="{is_last}"><y:Folders>{inside}</y:Folders></RootFolder>'

        return self.each("FindFolder", request.find(MESSAGES + "ParentFolderIds"), work)

    def CreateFolder(self, who, request):
        parent = self.find_folder(who, request.find(MESSAGES + "ParentFolderId")[0])

        def work(node):
            name = node.findtext(TYPES + "DisplayName")
            kinds = {"CalendarFolder": "IPF.Appointment", "ContactsFolder": "IPF.Contact", "TasksFolder": "IPF.Task"}
            kind = node.findtext(TYPES + "FolderClass") or kinds.get(node.tag.removeprefix(TYPES), "IPF.Note")
            if any(self.store.folders[key]["name"] == name for key in self.below(parent, False)):
                raise Missing("ErrorFolderExists")
            key = self.store.folder(who, parent, name, kind)
            return f"<Folders><y:Folder><y:FolderId Id={quoteattr(key)}/></y:Folder></Folders>"

        return self.each("CreateFolder", request.find(MESSAGES + "Folders"), work)

    # Following

    def SyncFolderItems(self, who, request):
        folder = self.find_folder(who, request.find(MESSAGES + "SyncFolderId")[0])
        state = request.findtext(MESSAGES + "SyncState")
        since, is_first = 0, True
        if state:
            epoch, since, first = state.split("~")
            is_first = first == "first"
            if int(epoch) != self.store.epoch:
                empty = "<SyncState/><IncludesLastItemInRange>true</IncludesLastItemInRange>"
                refused = failure("SyncFolderItems", "ErrorInvalidSyncStateData")
                return refused.replace("</SyncFolderItemsR", empty + "</SyncFolderItemsR", 1)
        news = [one for one in self.store.log if one[0] > int(since) and one[3] == folder]
        if is_first:
            # A first round names what there is, the oldest first, and no history.
            news = [one for one in news if one[1] == "Create" and self.here(one[2], folder)]
        page = news[: min(PAGE, int(request.findtext(MESSAGES + "MaxChangesReturned")))]
        is_last = len(page) == len(news)
        at = self.store.change if is_last else page[-1][0]
        changes = "".join(self.write_change(*one[1:3]) for one in page)
        state = f"{self.store.epoch}~{at}~{'first' if is_first and not is_last else 'later'}"
        flag = "true" if is_last else "false"
        payload = f"<SyncState>{state}</SyncState><IncludesLastItemInRange>{flag}</IncludesLastItemInRange>"
        return success("SyncFolderItems", f"{payload}<Changes>{changes}</Changes>")

    def here(self, key, folder):
        return key in self.store.items and self.store.items[key].folder == folder

    def write_change(self, kind, key):
        identity = f"<y:ItemId Id={quoteattr(key)}/>"
        if kind == "Delete" or key not in self.store.items:
            return f"<y:Delete>{identity}</y:Delete>"
        if kind == "ReadFlagChange":
            return f"<y:ReadFlagChange>{identity}<y:IsRead>true</y:IsRead></y:ReadFlagChange>"
        item = self.store.items[key]
        inside = f"<y:{item.kind}>{self.identity(key)}</y:{item.kind}>"
        return f"<y:{kind}>{inside}</y:{kind}>"

    # Items

    def identity(self, key):
        return f'<y:ItemId Id={quoteattr(key)} ChangeKey="k{self.store.items[key].key}"/>'

    def get(self, key):
        if key not in self.store.items:
            raise Missing("ErrorItemNotFound")
        return self.store.items[key]

    def write_item(self, key, shape):
        item = self.get(key)
        wants = lambda name: (shape.findtext(TYPES + name) or "") == "true"
        fields = {one.get("FieldURI") for one in shape.iter(TYPES + "FieldURI")}
        is_all = shape.findtext(TYPES + "BaseShape") == "AllProperties"
        asked = lambda name: is_all or any(field.endswith(f":{name}") for field in fields)
        out = []
        if wants("IncludeMimeContent"):
            if item.kind == "Contact":
                raise Missing("ErrorUnsupportedMimeConversion")
            content = base64.encodebytes(item.mime()).decode()
            out.append(f'<y:MimeContent CharacterSet="UTF-8">{content}</y:MimeContent>')
        out.append(self.identity(key))
        for name, text in (
            ("ItemClass", item.item_class),
            ("Subject", item.subject),
            ("DateTimeReceived", item.received),
            ("Size", len(item.text) + 1000),
            ("IsDraft", str(item.is_draft).lower()),
            ("DateTimeCreated", "2024-05-06T09:08:09.000000001+02:00"),
            ("LastModifiedTime", f"2024-05-06T07:08:{10 + item.key:02}.987654321Z"),
            ("InternetMessageId", item.message_id),
            ("IsRead", str(item.is_read).lower()),
        ):
            is_mail = name not in ("InternetMessageId", "IsRead") or item.kind == "Message"
            if asked(name) and is_mail and (text or name != "Subject"):
                # What XML forbids comes as it is in the store.
                out.append(element(name, text).replace("\x1f", "&#x1F;").replace("\x00", "&#x0;"))
        if asked("ParentFolderId"):
            out.insert(-1, f"<y:ParentFolderId Id={quoteattr(item.folder)}/>")
        if asked("Categories") and item.categories:
            names = "".join(element("String", one) for one in item.categories)
            out.append(f"<y:Categories>{names}</y:Categories>")
        for field in shape.iter(TYPES + "ExtendedFieldURI"):
            value = item.extended.get(extended_key(field))
            if value is not None:
                given = " ".join(f"{name}={quoteattr(text)}" for name, text in field.attrib.items())
                out.append(f"<y:ExtendedProperty><y:ExtendedFieldURI {given}/>{element('Value', value)}</y:ExtendedProperty>")
        if is_all:
            out.append(f'<y:Body BodyType="Text">{escape(item.text)}</y:Body>' + item.fields)
            # What no client has heard of.
            out.append('<y:Aura Hue="blue"><y:Glow>3</y:Glow></y:Aura>')
        return f"<y:{item.kind}>{''.join(out)}</y:{item.kind}>"

    def GetItem(self, who, request):
        shape = request.find(MESSAGES + "ItemShape")
        work = lambda node: f"<Items>{self.write_item(id_of(node), shape)}</Items>"
        return self.each("GetItem", request.find(MESSAGES + "ItemIds"), work)

    def FindItem(self, who, request):
        shape = request.find(MESSAGES + "ItemShape")
        equal = request.find(f"{MESSAGES}Restriction/{TYPES}IsEqualTo")

        def work(node):
            found = [key for key, _ in self.store.within(self.find_folder(who, node))]
            if equal is not None:
                wanted = equal.find(f"{TYPES}FieldURIOrConstant/{TYPES}Constant").get("Value")
                key_of = extended_key(equal.find(TYPES + "ExtendedFieldURI"))
                found = [key for key in found if self.store.items[key].extended.get(key_of) == wanted]
            if not found:
                return ""
            view = request.find(MESSAGES + "IndexedPageItemView")
            start = int(view.get("Offset")) if view is not None else 0
            page = found[start : start + PAGE] if view is not None else found
            is_last = "true" if start + len(page) >= len(found) else "false"
            inside = "".join(self.write_item(key, shape) for key in page)
            head = f'IndexedPagingOffset="{start + len(page)}" IncludesLastItemInRange="{is_last}"'
            return f"<RootFolder {head}><y:Items>{inside}</y:Items></RootFolder>"

        return self.each("FindItem", request.find(MESSAGES + "ParentFolderIds"), work)

    def CreateItem(self, who, request):
        folder = self.find_folder(who, request.find(MESSAGES + "SavedItemFolderId")[0])
        if request.get("MessageDisposition") != "SaveOnly" or request.get("SendMeetingInvitations") != "SendToNone":
            self.store.sent.append(ET.tostring(request))

        def work(node):
            item = Item(folder, node.tag.removeprefix(TYPES), node.findtext(TYPES + "Subject") or "")
            item.is_draft = item.kind == "Message"
            item.item_class = node.findtext(TYPES + "ItemClass") or item.item_class
            mime = node.findtext(TYPES + "MimeContent")
            if mime and item.kind == "CalendarItem":
                lines = dict(line.split(":", 1) for line in base64.b64decode(mime).decode().splitlines() if ":" in line)
                item.subject, item.message_id = lines["SUMMARY"], lines["UID"]
            elif mime:
                item.raw = email.message_from_bytes(base64.b64decode(mime), policy=email.policy.SMTP)
                item.subject, item.message_id = str(item.raw["Subject"] or ""), item.raw["Message-ID"]
            for one in node.iter(TYPES + "ExtendedProperty"):
                item.extended[extended_key(one[0])] = one.findtext(TYPES + "Value")
            if FLAGS in item.extended:
                item.is_draft = item.extended[FLAGS] == "8"
            item.received = item.extended.get(DELIVERED, item.received)
            item.is_read = node.findtext(TYPES + "IsRead") == "true"
            item.categories = [one.text for one in node.iter(TYPES + "String") if item.kind != "Contact"]
            own = ("GivenName", "Surname", "CompanyName")
            item.fields = "".join(element(name, node.findtext(TYPES + name)) for name in own if node.find(TYPES + name) is not None)
            key = self.store.add(item)
            return f"<Items><y:{item.kind}>{self.identity(key)}</y:{item.kind}></Items>"

        return self.each("CreateItem", request.find(MESSAGES + "Items"), work)

    def DeleteItem(self, who, request):
        def work(node):
            self.get(id_of(node))
            self.store.delete(id_of(node))
            return ""

        return self.each("DeleteItem", request.find(MESSAGES + "ItemIds"), work)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store, login = None, None

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
        if self.headers.get("Authorization") != wanted:
            return self.reply(401, b"no", "text/plain")
        with self.store.lock:
            try:
                text = self.work(body)
            except Refusal as refused:
                text = self.fault(refused.args[0])
        self.reply(200, text.encode(), "application/soap+xml; charset=utf-8")

    def work(self, body):
        self.store.faults += 1
        # Now and then it is too busy, and says so with status 200.
        if self.store.faults % 11 == 5:
            return self.fault("ErrorServerBusy", "<y:MessageXml><y:Value Name='BackOffMilliseconds'>20</y:Value></y:MessageXml>")
        envelope = ET.fromstring(body)
        address = envelope.find(f".//{TYPES}PrimarySmtpAddress")
        who = address.text.split("@")[0] if address is not None else None
        if who not in ("ann", "bob"):
            raise Refusal("ErrorNonExistentMailbox")
        name, inside = Service(self.store).answer(who, envelope.find(SOAP + "Body")[0])
        types = TYPES[1:-1]
        return (
            f"<?xml version='1.0'?><E:Envelope xmlns:E='{SOAP[1:-1]}' xmlns:y='{types}'><E:Body>"
            f"<{name}Response xmlns='{MESSAGES[1:-1]}'><ResponseMessages>{inside}</ResponseMessages></{name}Response>"
            "</E:Body></E:Envelope>"
        )

    def fault(self, code, more=""):
        return (
            f"<E:Envelope xmlns:E='{SOAP[1:-1]}' xmlns:y='{TYPES[1:-1]}'><E:Body><E:Fault>"
            f"<faultcode>q:{code}</faultcode><faultstring>Nej.</faultstring><detail>{more}</detail>"
            "</E:Fault></E:Body></E:Envelope>"
        )

    def reply(self, status, content, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Basic realm='unseen'")
        self.end_headers()
        self.wfile.write(content)


def serve(store, login):
    """Starts the server; returns it and its address."""
    handler = type("Bound", (Handler,), {"store": store, "login": login})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/EWS/Exchange.asmx"
