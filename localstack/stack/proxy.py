"""A proxy between the functions and the emulator that makes calls fail, as AWS does now and then, and counts them."""

import collections
import http.client
import http.server
import random
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Rule:
    """What happens to some calls."""

    service: str
    """s3, dynamodb, sqs or kms."""
    status: int = 503
    body: str = ""
    operation: str = ""
    """Part of the operation's name; for S3 the method."""
    contains: bytes = b""
    """Part of the call's body."""
    path: str = ""
    """Part of the path."""
    share: float = 1.0
    """Which share of the calls it hits."""
    times: int = 1_000_000_000
    is_after: bool = False
    """The call is carried out, and then its answer lost."""
    is_twice: bool = False
    """The call is carried out twice."""
    hits: int = field(default=0, init=False)


S3_SLOW = Rule("s3", 503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
S3_CONFLICT = Rule(
    "s3", 409, "<Error><Code>ConditionalRequestConflict</Code><Message>Try again.</Message></Error>", operation="PUT"
)
S3_LOST = Rule("s3", 500, "<Error><Code>InternalError</Code><Message>x</Message></Error>", operation="PUT", is_after=True)
TABLE_SLOW = Rule(
    "dynamodb",
    400,
    '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}',
)
TABLE_LOST = Rule(
    "dynamodb", 500, '{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"x"}', is_after=True
)
QUEUE_TWICE = Rule("sqs", operation="SendMessageBatch", is_twice=True)


class Proxy:
    """Passes calls on, but for those that a rule hits. Chances depend on the seed and the order of calls."""

    def __init__(self, upstream: str, seed: int = 7) -> None:
        self.host = urlsplit(upstream).netloc
        self.random = random.Random(seed)
        self.rules: list[Rule] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.sent: list[str] = []
        self.lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments) -> None:
                pass

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, BrokenPipeError):
                    self.close_connection = True

            def pass_on(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()

    def take_counts(self) -> collections.Counter[str]:
        """Calls by service and operation since the last time."""
        with self.lock:
            counts, self.counts = self.counts, collections.Counter()
            return counts

    def answer(self, call: http.server.BaseHTTPRequestHandler) -> None:
        body = call.rfile.read(int(call.headers.get("Content-Length") or 0))
        service, operation = name_of(call)
        with self.lock:
            self.counts[f"{service} {operation}"] += 1
            rule = next((rule for rule in self.rules if self.is_hit(rule, service, operation, call.path, body)), None)
            if operation == "SendMessageBatch":
                self.sent.append(body.decode())
        if rule and not rule.is_after and not rule.is_twice:
            return reply(call, rule.status, [], rule.body.encode())
        status, headers, answer = self.forward(call, body)
        if rule and rule.is_twice:
            self.forward(call, body)
        if rule and rule.is_after:
            return reply(call, rule.status, [], rule.body.encode())
        return reply(call, status, headers, answer)

    def is_hit(self, rule: Rule, service: str, operation: str, path: str, body: bytes) -> bool:
        fits = rule.service == service and rule.operation in operation and rule.contains in body and rule.path in path
        if not fits or rule.hits >= rule.times or self.random.random() >= rule.share:
            return False
        rule.hits += 1
        return True

    def forward(self, call: http.server.BaseHTTPRequestHandler, body: bytes):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            headers = {k: v for k, v in call.headers.items() if k.lower() not in ("connection", "expect")}
            connection.request(call.command, call.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def name_of(call) -> tuple[str, str]:
    """Service and operation of a call."""
    target = call.headers.get("X-Amz-Target", "")
    for start, service in (("DynamoDB", "dynamodb"), ("AmazonSQS", "sqs"), ("TrentService", "kms"), ("secretsmanager", "secrets")):
        if target.startswith(start):
            return service, target.split(".", 1)[1]
    is_list = call.command == "GET" and "list-type=2" in call.path
    return "s3", "LIST" if is_list else call.command


def reply(call, status: int, headers, body: bytes) -> None:
    call.send_response_only(status)
    length = None
    for name, value in headers:
        if name.lower() == "content-length":
            length = value
        elif name.lower() not in ("connection", "transfer-encoding"):
            call.send_header(name, value)
    # A HEAD has the length of what is not sent.
    call.send_header("Content-Length", length if call.command == "HEAD" and length else str(len(body)))
    call.end_headers()
    if call.command != "HEAD":
        call.wfile.write(body)
