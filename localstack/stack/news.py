"""Somebody who is told by a webhook what became of jobs."""

import base64
import hashlib
import hmac
import http.server
import json
import threading

KEY = "0123456789abcdef0123456789abcdef"


class Receiver:
    """Receives news, on loopback."""

    def __init__(self) -> None:
        self.news: list[dict] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_arguments) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # As the specification of Standard Webhooks says.
                signed = b".".join([self.headers["webhook-id"].encode(), self.headers["webhook-timestamp"].encode(), body])
                expected = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
                is_signed = f"v1,{expected}" in self.headers["webhook-signature"].split()
                receiver.news.append(json.loads(body) | {"is_signed": is_signed})
                self.send_response(204)
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/news"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self) -> str:
        """Settings of notifications that tell this receiver of everything."""
        hook = f'[[webhooks]]\nname = "ops"\nurl = "{self.url}"\nsecret = "aws:mailkeep-news-key"\n'
        cards = [f'[{card}]\nfrequency = "each"\nwebhooks = ["ops"]\n' for card in ("good_news", "bad_news")]
        return hook + "".join(cards)

    def stop(self) -> None:
        self.server.shutdown()
