"""A small OpenID Connect provider, which lets in whom a test names."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, CLIENT_SECRET = "easel", "what-the-provider-knows"
BASIC = "Basic " + base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()


@dataclass
class Provider:
    """What it answers; a test changes ``claims`` and ``key``, and looks at ``asked``."""

    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signing: Any = None  # another key or algorithm than the published one
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    challenges: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def visit(self, location: str, sub: str, name: str) -> str:
        """What the browser brings back after its user has logged in as ``name``."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(location).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        self.claims = {"sub": sub, "preferred_username": name, **self.claims}
        self.challenges["code-1"] = (query["code_challenge"], query["nonce"])
        back = urlsplit(query["redirect_uri"])
        return f"{back.path}?code=code-1&state={query['state']}"

    def token(self, form: dict[str, list[str]], authorization: str) -> dict[str, Any] | None:
        """The answer of the token endpoint; None for a wrong code, verifier or client."""
        challenge, nonce = self.challenges.pop(form["code"][0], ("", ""))
        made = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        if base64.urlsafe_b64encode(made).decode().rstrip("=") != challenge:
            return None
        if authorization != BASIC:
            return None
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": nonce}
        header = {"alg": self.algorithm, "kid": "one"}
        text = jwt.encode(
            header, {**claims, **self.claims}, self.signing or self.key,
            algorithms=[self.algorithm],
        )  # fmt: skip
        return {"access_token": "access", "token_type": "Bearer", "id_token": text}

    def answer(self, path: str, form: dict[str, list[str]], authorization: str) -> Any:
        """JSON for a path."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256", "HS256"],
            }  # fmt: skip
        if path == "/keys":
            return {"keys": [self.key.as_dict(private=False)]}
        return self.token(form, authorization)


@contextmanager
def oidc_provider() -> Iterator[Provider]:
    """One that listens on this machine."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond({})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self.respond(parse_qs(self.rfile.read(length).decode()))

        def respond(self, form: dict[str, list[str]]) -> None:
            found = provider.answer(self.path, form, self.headers.get("Authorization", ""))
            text = json.dumps(found or {"error": "invalid_grant"}).encode()
            self.send_response(200 if found else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
