"""mailkeep's NTLM, checked by the server side of pyspnego, which others wrote.

A server stands before the simulated Exchange organisation. It lets a connection in once pyspnego has accepted the
three messages of the login, and passes its requests on.
"""

import base64
import http.client
import http.server
import json
import os
import subprocess
import threading
import urllib.parse

import pytest
import requests
import spnego

USER, DOMAIN, PASSWORD = "svc-backup", "CORP", "Ünicode pä$$wörd €"


class Guard(http.server.BaseHTTPRequestHandler):
    """One connection: its login lasts as long as it does."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.context, self.user = None, None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.client_address, self.headers.get("Authorization", "")[:4]))
        if self.user is None and not self.let_in():
            return
        self.pass_on(body)

    def let_in(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme != "NTLM":
            return self.refuse("NTLM")
        if self.context is None:
            self.context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        try:
            answer = self.context.step(base64.b64decode(token))
        except spnego.exceptions.SpnegoError as error:
            self.server.refused.append(str(error))
            self.context = None
            return self.refuse("NTLM")
        if not self.context.complete:
            return self.refuse("NTLM " + base64.b64encode(answer).decode())
        self.user = self.context.client_principal
        self.server.users.append(self.user)
        return True

    def refuse(self, offer):
        self.send_response(401)
        self.send_header("WWW-Authenticate", offer)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def pass_on(self, body):
        behind = http.client.HTTPConnection(self.server.behind)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "authorization", "content-length")
        }
        pair = f"{self.server.login[0]}:{self.server.login[1]}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        behind.request("POST", self.path, body, headers)
        answer = behind.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        behind.close()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def tenant():
    command = [os.environ["EXCHANGE_SIM_BIN"], "--seed", "5", "--exchange", "--mailboxes", "1", "--items", "20"]
    process = subprocess.Popen([*command, "--real-time"], stdout=subprocess.PIPE)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def guard(tenant, tmp_path, monkeypatch):
    users = tmp_path / "users"
    users.write_text(f"{DOMAIN}:{USER}:{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Guard)
    server.daemon_threads = True
    server.seen, server.users, server.refused = [], [], []
    server.behind = urllib.parse.urlsplit(tenant["base_url"]).netloc
    server.login = (tenant["exchange"]["user"], tenant["exchange"]["password"])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def mailkeep(folder, *arguments, password=PASSWORD):
    environment = {name: value for name, value in os.environ.items() if "MAILKEEP_" not in name}
    environment["MAILKEEP_EXCHANGE_PASSWORD"] = password
    key = [] if arguments[0] == "init" else ["--key-file", folder / "vault.key"]
    command = [os.environ["MAILKEEP_BIN"], *arguments, "--vault", folder / "vault", "--quiet", *key]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def connect(guard, folder, user, password=PASSWORD):
    addresses = folder / "addresses.txt"
    addresses.write_text(guard.address_of_mailbox)
    url = f"http://127.0.0.1:{guard.server_port}/EWS/Exchange.asmx"
    arguments = ["--ews-url", url, "--user", user, "--mailboxes-file", addresses, "--replace"]
    done = mailkeep(folder, "connection", "add", "hq", *arguments, password=password)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def place(guard, tenant, tmp_path):
    mailboxes = requests.get(f"{tenant['base_url']}/_admin/mailboxes", timeout=60).json()
    guard.address_of_mailbox = next(one["address"] for one in mailboxes if one["has_mailbox"])
    keys = ["--new-key-file", tmp_path / "vault.key", "--recovery-key-file", tmp_path / "recovery.key"]
    done = mailkeep(tmp_path, "init", *keys)
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.mark.parametrize("user", [f"{DOMAIN}\\{USER}", f"{DOMAIN.lower()}\\{USER.upper()}"])
def test_a_backup_logs_in_as_pyspnego_wants_it(guard, place, user):
    connect(guard, place, user)
    done = mailkeep(place, "backup")
    assert done.returncode == 0, done.stderr
    assert guard.users and not guard.refused
    assert {one.split("\\")[-1].lower() for one in guard.users} == {USER}
    # A connection is logged in once; what follows on it carries no proof.
    connections = {address for address, _ in guard.seen}
    assert len(guard.users) == len(connections)
    assert len([scheme for _, scheme in guard.seen if scheme]) == 2 * len(connections)
    assert len(guard.seen) > 3 * len(connections)


def test_a_wrong_password_is_refused_and_told(guard, place):
    connect(guard, place, f"{DOMAIN}\\{USER}", password="not-the-one")
    done = mailkeep(place, "backup")
    assert done.returncode == 4, done.stderr
    assert guard.refused and not guard.users
    told = done.stdout + done.stderr
    assert "not-the-one" not in told and "http_401" in told
