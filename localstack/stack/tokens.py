"""Tokens, as Entra ID or another service gives them, instead of signatures of IAM."""

import base64
import http.server
import json
import threading
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .world import World

AUDIENCE = "mailkeep"


class Issuer:
    """A service that gives tokens, on loopback."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_arguments) -> None:
                pass

            def do_GET(self) -> None:
                numbers = issuer.key.public_key().public_numbers()
                key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": number(numbers.n), "e": number(numbers.e)}
                keys = {"keys": [key]}
                told = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
                body = json.dumps(keys if self.path == "/keys" else told).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, roles: list[str], key=None, **more) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "iat": now - 5, "nbf": now - 5, "exp": now + 300}
        claims |= {"oid": "11-22", "sub": "x", "name": "Ann", "roles": roles} | more
        head = encoded(json.dumps({"alg": "RS256", "typ": "JWT", "kid": "1"}).encode())
        body = encoded(json.dumps(claims).encode())
        signed = (key or self.key).sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{head}.{body}.{encoded(signed)}"

    def stop(self) -> None:
        self.server.shutdown()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def signed_tokens(world: World, say) -> None:
    """With an issuer, the API takes its tokens and nothing else: issuer, audience, time and signature are checked, and
    the claim `roles` says who may do what."""
    issuer = Issuer()
    try:
        world.deploy(JwtIssuer=issuer.url, JwtAudience=AUDIENCE)
        who = world.api("GET", "/v1/me", token=issuer.token(["Mailkeep.RestoreOperator", "Other.Role"]))
        assert (who["id"], who["name"], who["roles"]) == ("entra:11-22", "Ann", ["restore_operator"]), who
        world.api("GET", "/v1/restores", token=issuer.token(["restore_operator"]))
        world.api("GET", "/v1/restores", status=403, token=issuer.token(["viewer"]))
        world.api("GET", "/v1/jobs", token=issuer.token(["viewer"]))
        world.api("GET", "/v1/jobs", status=403, token=issuer.token([]))
        another = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        everything = ["administrator"]
        for wrong in (
            issuer.token(everything, aud="another"),
            issuer.token(everything, iss="http://127.0.0.1:1"),
            issuer.token(everything, exp=int(time.time()) - 5),
            issuer.token(everything, key=another),
            "none",
        ):
            world.api("GET", "/v1/jobs", status=401, token=wrong)
        # A signature of IAM is no token.
        world.api("GET", "/v1/jobs", status=401)
        say("tokens with the right issuer, audience, time and signature have their roles; all others are refused")
    finally:
        world.deploy(JwtIssuer="", JwtAudience="")
        issuer.stop()
    world.api("GET", "/v1/jobs")
