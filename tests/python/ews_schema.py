"""Microsoft's published schemas of Exchange Web Services, and a proxy that holds traffic against them.

The schemas are not part of this repository. They are in https://github.com/OfficeDev/Interop-TestSuites (MIT licence),
folder ExchangeWebServices/Source/Common/SchemaValidation, cut into one pair of files per specification; here they are
put together again.
"""

import http.client
import pathlib
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lxml import etree

XS = "{http://www.w3.org/2001/XMLSchema}"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
XML = "http://www.w3.org/XML/1998/namespace"
BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
FAULT = "{http://schemas.xmlsoap.org/soap/envelope/}Fault"


def merged(folder, endings, namespace, imports):
    root = etree.Element(
        XS + "schema",
        nsmap={"m": MESSAGES, "t": TYPES, "tns": namespace, "xs": XS[1:-1], None: namespace},
        targetNamespace=namespace,
        elementFormDefault="qualified",
    )
    for name, place in imports:
        etree.SubElement(root, XS + "import", namespace=name, schemaLocation=place)
    seen = set()
    for path in sorted(folder.glob("MS-OXWS*.xsd")):
        if not path.stem.endswith(endings):
            continue
        for child in etree.parse(str(path)).getroot():
            is_definition = isinstance(child.tag, str) and child.tag not in (XS + "include", XS + "import")
            key = (child.tag, child.get("name"))
            if is_definition and key not in seen:
                seen.add(key)
                root.append(child)
    return etree.ElementTree(root)


def schema(folder, scratch):
    """The schema of all messages."""
    folder, scratch = pathlib.Path(folder), pathlib.Path(scratch)
    (scratch / "xml.xsd").write_text(
        f'<xs:schema xmlns:xs="{XS[1:-1]}" targetNamespace="{XML}"><xs:attribute name="lang" type="xs:language"/></xs:schema>'
    )
    merged(folder, ("types",), TYPES, [(XML, "xml.xsd")]).write(str(scratch / "types.xsd"))
    messages = merged(folder, ("messages", "message"), MESSAGES, [(TYPES, "types.xsd")])
    messages.write(str(scratch / "messages.xsd"))
    return etree.XMLSchema(etree.parse(str(scratch / "messages.xsd")))


class Inspector:
    """A proxy in front of a server. It lets everything through and notes what is not valid."""

    def __init__(self, target, rules):
        self.target, self.rules = urllib.parse.urlsplit(target), rules
        self.seen, self.wrong, self.lock = {}, [], threading.Lock()
        inspector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                inspector.forward(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{self.target.path}"

    def forward(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        # A connection per request: logins that belong to connections do not work through here.
        connection = http.client.HTTPConnection(self.target.netloc, timeout=120)
        headers = {name: value for name, value in handler.headers.items() if name.lower() != "host"}
        connection.request("POST", handler.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status in (200, 500) and handler.path.lower().startswith("/ews/"):
            self.inspect("request", body)
            self.inspect("response", content)
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def inspect(self, kind, document):
        # References that XML forbids come from real servers, too; they are not what is looked at here.
        text = re.sub(rb"&#(x(0*[0-8bcefBCEF]|0*1[0-9a-fA-F]|[dD][89a-fA-F]..|[fF]{3}[eEfF])|0*([0-8]|1[124-9]|2[0-9]|3[01]));", b"?", document)
        body = etree.fromstring(text, etree.XMLParser(huge_tree=True)).find(BODY)
        inside = body[0]
        if inside.tag == FAULT:
            return
        with self.lock:
            name = f"{kind} {etree.QName(inside).localname}"
            self.seen[name] = self.seen.get(name, 0) + 1
            alone = etree.ElementTree(etree.fromstring(etree.tostring(inside)))
            if not self.rules.validate(alone):
                for error in list(self.rules.error_log)[:3]:
                    self.wrong.append(f"{name}: {error.message}")
