"""Logins with an OpenID Connect provider: code flow with PKCE, checked ID tokens. No Flask."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from webapp.access.secret import Secret
from webapp.accounts.external import ExternalUser
from webapp.accounts.users import normalize_name
from webapp.errors import Forbidden, Unavailable

TIMEOUT = 10  # seconds for each answer of the provider
KEEP_SECONDS = 3600.0  # seconds that the provider's facts and keys are used
LEEWAY = 60  # seconds by which its clock may differ
SCOPE = "openid profile email"
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
     "Ed25519"}
)  # fmt: skip
"""Signatures that only the provider can make: none with a shared secret, and no missing one."""

MAX_IDENTITY = 500  # characters of issuer and subject
MAX_ANSWER = 1 << 20  # bytes of one answer
WELL_KNOWN = "/.well-known/openid-configuration"
FAILED = "The login with the provider did not succeed; start it again from the login page."

log = logging.getLogger("easel.accounts")


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What a browser keeps while its user is at the provider."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def start(cls) -> "LoginAttempt":
        """A new one, at random."""
        return cls(generate_token(32), generate_token(32), generate_token(48))


@dataclass(slots=True)
class KnownFacts:
    """What the provider published, and when it was read."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    keys: KeySet | None = None
    read_at: float = 0.0


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """A provider, and as whom Easel is known there."""

    issuer: str
    client_id: str
    client_secret: Secret | None
    name_claim: str
    known: KnownFacts = field(default_factory=KnownFacts)
    lock: "threading.Lock" = field(default_factory=threading.Lock)

    def authorization_url(self, redirect_uri: str, attempt: LoginAttempt) -> str:
        """Where the browser goes. Raises ``Unavailable`` where the provider does not answer."""
        endpoint = str(self.facts().metadata["authorization_endpoint"])
        with self._session(redirect_uri) as session:
            url, _ = session.create_authorization_url(
                endpoint, state=attempt.state, code_verifier=attempt.verifier, nonce=attempt.nonce
            )
        return str(url)

    def finish(self, redirect_uri: str, code: str, attempt: LoginAttempt) -> ExternalUser:
        """Who has logged in. Raises ``Forbidden``, and ``Unavailable`` without an answer."""
        facts = self.facts()
        try:
            with self._session(redirect_uri) as session:
                tokens = session.fetch_token(
                    str(facts.metadata["token_endpoint"]), grant_type="authorization_code",
                    code=code, code_verifier=attempt.verifier, timeout=TIMEOUT,
                )  # fmt: skip
            claims = self._check_token(tokens, attempt.nonce)
        except (AuthlibBaseError, JoseError, KeyError, ValueError) as error:
            log.warning("login with %s refused: %s", self.issuer, type(error).__name__)
            raise Forbidden(FAILED) from error
        except requests.RequestException as error:
            raise self._unavailable(error) from error
        name = normalize_name(str(claims.get(self.name_claim) or ""))
        identity = f"{self.issuer} {claims['sub']}"
        if len(identity) > MAX_IDENTITY:
            raise Forbidden(FAILED)
        return ExternalUser(name, identity, f"the provider {self.issuer}")

    def facts(self) -> KnownFacts:
        """What the provider published, read anew each hour. Raises ``Unavailable``."""
        with self.lock:
            if not self.known.read_at or monotonic() - self.known.read_at > KEEP_SECONDS:
                self._read_facts()
            return self.known

    def _read_facts(self) -> None:
        """Raises ``Unavailable``, also for what another issuer published."""
        try:
            metadata = self._get_json(self.issuer.rstrip("/") + WELL_KNOWN)
            if metadata.get("issuer") != self.issuer:
                raise ValueError("it names another issuer")
            keys = KeySet.import_key_set(self._get_json(str(metadata["jwks_uri"])))  # type: ignore[arg-type]
        except (requests.RequestException, JoseError, KeyError, ValueError) as error:
            raise self._unavailable(error) from error
        self.known.metadata, self.known.keys, self.known.read_at = metadata, keys, monotonic()

    def _check_token(self, tokens: Mapping[str, Any], nonce: str) -> CodeIDToken:
        facts = self.known
        if facts.keys is None:
            raise ValueError("no keys")
        offered = facts.metadata.get("id_token_signing_alg_values_supported", ["RS256"])
        registry = JWSRegistry(algorithms=sorted(ALGORITHMS.intersection(offered)))
        text = str(tokens["id_token"])
        try:
            token = jwt.decode(text, key=facts.keys, registry=registry)
        except JoseError:  # the provider may have changed its keys
            with self.lock:
                self._read_facts()
            token = jwt.decode(text, key=facts.keys, registry=registry)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {"iss": {"essential": True, "value": self.issuer},
             "aud": {"essential": True, "value": self.client_id}},
            {"nonce": nonce, "client_id": self.client_id,
             "access_token": tokens.get("access_token")},
        )  # fmt: skip
        claims.validate(leeway=LEEWAY)
        return claims

    def _session(self, redirect_uri: str) -> OAuth2Session:
        secret = self.client_secret
        session = OAuth2Session(
            self.client_id, secret.reveal() if secret else None, scope=SCOPE,
            redirect_uri=redirect_uri, code_challenge_method="S256",
        )  # fmt: skip
        session.max_redirects = 0
        return session

    def _get_json(self, url: str) -> dict[str, Any]:
        with requests.get(url, timeout=TIMEOUT, allow_redirects=False, stream=True) as answer:
            answer.raise_for_status()
            text = answer.raw.read(MAX_ANSWER, decode_content=True)
        found = requests.compat.json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("its answer is no object")
        return found

    def _unavailable(self, error: Exception) -> Unavailable:
        log.error("the login provider %s: %s", self.issuer, error)
        return Unavailable("The login provider does not answer as it should; the log says why.")
