"""Logins with an OpenID provider: authorization code with PKCE, state and nonce.

The provider's addresses and keys are fetched at each login: logins are rare, and a provider may
replace its keys at any time.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.errors import OidcError
from storage.accounts import Role

if TYPE_CHECKING:
    from ops.config.oidc_settings import OidcSettings

#: Seconds for a login at the provider.
LOGIN_S: Final = 600.0
#: Most logins begun and not finished, so that nobody can fill the memory.
REMEMBERED: Final = 1000
#: Seconds after which a request to the provider fails.
ANSWER_S: Final = 10.0
#: Seconds by which the provider's clock may be off.
LEEWAY_S: Final = 60
#: Signatures of ID tokens; without `none` and without those made with the client's secret.
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
)


@dataclass(frozen=True)
class Identity:
    """Who logged in at the provider."""

    key: str  #: issuer and subject; never changes
    name: str
    role: Role


@dataclass(frozen=True)
class _Begun:
    at: float
    nonce: str
    verifier: str
    redirect_uri: str
    then: str  #: page of ours to go to after the login


class OidcLogin:
    """Logins with the provider of `settings`. In memory, because there is one server process."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, _Begun] = OrderedDict()

    @property
    def enabled(self) -> bool:
        """Whether a provider is configured."""
        return bool(self._settings.issuer)

    def begin(self, redirect_uri: str, then: str) -> tuple[str, str]:
        """URL of the provider to go to, and the state that the browser must bring back.

        Raises:
            OidcError: the provider does not answer, or not as one.
        """
        begun = _Begun(
            self._clock(),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            redirect_uri,
            then,
        )
        state = secrets.token_urlsafe(32)
        with self._session(redirect_uri) as session:
            url, _ = session.create_authorization_url(
                self._metadata(session)["authorization_endpoint"],
                state=state,
                nonce=begun.nonce,
                code_verifier=begun.verifier,
            )
        with self._lock:
            self._begun[state] = begun
            while len(self._begun) > REMEMBERED:
                self._begun.popitem(last=False)
        return str(url), state

    def finish(self, *, state: str, expected: str, code: str) -> tuple[Identity, str]:
        """Who logged in, and the page to go to. `expected` is the state of this browser.

        Raises:
            OidcError: the login was not begun in this browser, took too long or was used, the
                provider does not confirm it, or the person has no role here.
        """
        if not hmac.compare_digest(state.encode(), expected.encode()):
            raise OidcError("this login was not begun in this browser; log in again")
        with self._lock:
            begun = self._begun.pop(state, None)
        if begun is None or self._clock() - begun.at > LOGIN_S:
            raise OidcError("this login took too long or was used already; log in again")
        return self._identity(self._claims(begun, code)), begun.then

    def _claims(self, begun: _Begun, code: str) -> Mapping[str, Any]:
        from authlib.common.errors import AuthlibBaseError
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet
        from requests import RequestException

        settings = self._settings
        with self._session(begun.redirect_uri) as session:
            metadata = self._metadata(session)
            try:
                answer = session.fetch_token(
                    metadata["token_endpoint"],
                    code=code,
                    code_verifier=begun.verifier,
                    timeout=ANSWER_S,
                )
                keys = session.get(metadata["jwks_uri"], withhold_token=True, timeout=ANSWER_S)
                keys.raise_for_status()
                token = jwt.decode(
                    answer["id_token"], KeySet.import_key_set(keys.json()), list(ALGORITHMS)
                )
                jwt.JWTClaimsRegistry(
                    leeway=LEEWAY_S,
                    iss={"essential": True, "value": settings.issuer},
                    aud={"essential": True, "value": settings.client_id},
                    nonce={"essential": True, "value": begun.nonce},
                    sub={"essential": True},
                    exp={"essential": True},
                ).validate(token.claims)
            except (AuthlibBaseError, JoseError, RequestException, KeyError, ValueError) as error:
                # the error's text may hold parts of the answer
                raise OidcError(
                    f"the OpenID provider did not confirm the login ({type(error).__name__})"
                ) from None
        claims: Mapping[str, Any] = token.claims
        if claims.get("azp", settings.client_id) != settings.client_id:
            raise OidcError("the OpenID provider confirmed a login to another program")
        return claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        settings = self._settings
        name = claims.get(settings.name_claim)
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise OidcError(f"the ID token has no {settings.name_claim!r}, the name of the account")
        given = claims.get(settings.role_claim)
        listed = given if isinstance(given, list) else [given]
        values = {value for value in listed if isinstance(value, str)}
        by_role: tuple[tuple[Role, tuple[str, ...]], ...] = (
            ("admin", settings.admins),
            ("reviewer", settings.reviewers),
            ("viewer", settings.viewers),
        )
        for role, needed in by_role:
            if values & set(needed):
                return Identity(f"{settings.issuer} {claims['sub']}", name[:100], role)
        raise OidcError(f"{name} has no role here; ask an administrator of the OpenID provider")

    def _session(self, redirect_uri: str) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        return OAuth2Session(
            self._settings.client_id,
            self._settings.client_secret.get_secret_value(),
            scope=" ".join(("openid", *self._settings.scopes)),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )

    def _metadata(self, session: Any) -> Mapping[str, Any]:
        from requests import RequestException

        issuer = self._settings.issuer
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            answer = session.get(url, withhold_token=True, timeout=ANSWER_S)
            answer.raise_for_status()
            metadata: Mapping[str, Any] = answer.json()
            if metadata["issuer"] != issuer:
                raise OidcError(f"the OpenID provider calls itself {metadata['issuer']!r}")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not isinstance(metadata[name], str):
                    raise TypeError(name)
        except (RequestException, KeyError, TypeError, ValueError) as error:
            kind = type(error).__name__
            raise OidcError(f"the OpenID provider {issuer} does not answer ({kind})") from None
        return metadata
