"""A small OpenID provider, made with Authlib, that answers over HTTP and logs in without asking."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "thermalwatch at the plant", "a secret of the client"


@dataclass
class Code:
    """An authorization code."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Client:
    """The only client."""

    client_id = CLIENT_ID

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.provider.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Provider:
    """What the provider knows, and what a test changes about its answers."""

    redirect_uri: str
    claims: dict[str, Any] = field(default_factory=dict)
    #: Claims of ID tokens that are replaced, as an attacker would.
    forged: dict[str, Any] = field(default_factory=dict)
    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    published: RSAKey | None = None  #: if not `key`
    codes: dict[str, Code] = field(default_factory=dict)


class PlainRequest(OAuth2Request):  # type: ignore[misc]
    """A request whose parameters are all in `text`, a query or a form."""

    def __init__(self, method: str, uri: str, headers: dict[str, str], text: str) -> None:
        super().__init__(method, uri, headers=headers)
        self.sent = dict(parse_qsl(text))
        self.payload = BasicOAuth2Payload(self.sent)

    @property
    def args(self) -> dict[str, str]:
        return self.sent

    @property
    def form(self) -> dict[str, str]:
        return self.sent


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server, for requests that are plain values."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(scopes_supported=["openid", "profile"])
        self.client = Client(provider)
        generator = BearerTokenGenerator(lambda **_: base64.b16encode(b"access").decode())
        self.register_token_generator("default", generator)
        grant = type("Grant", (CodeGrant,), {"provider": provider})
        extensions = [CodeChallenge(required=True), IdToken(provider)]
        self.register_grant(grant, extensions)

    def query_client(self, client_id: str) -> Client | None:
        return self.client if client_id == CLIENT_ID else None

    def save_token(self, token: object, request: object) -> None:
        pass

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        pass

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any, Any]:
        return status, body, headers


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    provider: Provider
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        sent = request.payload.data
        names = ("nonce", "code_challenge", "code_challenge_method")
        chosen = {name: sent[name] for name in names}
        self.provider.codes[code] = Code(code, sent["redirect_uri"], sent["scope"], **chosen)

    def query_authorization_code(self, code: str, _client: Client) -> Code | None:
        return self.provider.codes.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.provider.codes[authorization_code.code]

    def authenticate_user(self, _authorization_code: Code) -> str:
        return "somebody"


class IdToken(OpenIDCode):  # type: ignore[misc]
    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=True)
        self.provider = provider

    def exists_nonce(self, nonce: str, _request: OAuth2Request) -> bool:
        return any(code.nonce == nonce for code in self.provider.codes.values())

    def resolve_client_private_key(self, _client: Client) -> RSAKey:
        return self.provider.key

    def get_client_algorithm(self, _client: Client) -> str:
        return "RS256"

    def get_client_claims(self, _client: Client) -> dict[str, Any]:
        return {"iss": self.provider.issuer, "exp": int(time.time()) + 300}

    def generate_user_info(self, _user: str, _scope: str) -> dict[str, Any]:
        return self.provider.claims | self.provider.forged


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    """Serve `provider` on loopback; sets its issuer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/.well-known/openid-configuration":
                self.answer(200, configuration(provider), {})
            elif path == "/keys":
                key = provider.published or provider.key
                self.answer(200, {"keys": [key.as_dict(private=False)]}, {})
            else:
                request = self.request_of(urlsplit(self.path).query)
                grant = server.get_consent_grant(request, "somebody")
                self.answer(*server.create_authorization_response(request, "somebody", grant=grant))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(*server.create_token_response(self.request_of(body)))

        def request_of(self, text: str) -> OAuth2Request:
            uri = f"{provider.issuer}{self.path}"
            return PlainRequest(self.command, uri, dict(self.headers), text)

        def answer(self, status: int, body: Any, headers: Any) -> None:
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = Server(provider)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        provider.issuer = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield provider
        http.shutdown()
        thread.join()


def configuration(provider: Provider) -> dict[str, str]:
    """The provider's description of itself."""
    return {
        "issuer": provider.issuer,
        "authorization_endpoint": f"{provider.issuer}/authorize",
        "token_endpoint": f"{provider.issuer}/token",
        "jwks_uri": f"{provider.issuer}/keys",
    }
