"""The settings of logins with an OpenID provider."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from ops.config.section import Section


def _split_words(value: object) -> object:
    """Split ``a,b``, as in an environment variable, into a list."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(_split_words)]


class OidcSettings(Section):
    """Logins with an OpenID provider, such as Keycloak or Entra ID."""

    #: URL of the provider, exactly as it calls itself; empty: no logins with OpenID.
    issuer: str = ""
    #: The id under which this server is registered there.
    client_id: str = ""
    #: The secret that belongs to the id.
    client_secret: SecretStr = SecretStr("")
    #: What is requested besides `openid`.
    scopes: Words = ("profile",)
    #: Claim of the ID token with the name that the account gets.
    name_claim: str = Field(default="preferred_username", min_length=1)
    #: Claim of the ID token with a role or a list of roles or groups.
    role_claim: str = Field(default="groups", min_length=1)
    #: Values of the role claim that grant the role viewer.
    viewers: Words = ()
    #: Values of the role claim that grant the role reviewer.
    reviewers: Words = ()
    #: Values of the role claim that grant the role admin.
    admins: Words = ()

    @model_validator(mode="after")
    def _is_complete(self) -> OidcSettings:
        if not self.issuer:
            return self
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("issuer: should begin with https://")
        if not self.client_id or not self.client_secret.get_secret_value():
            raise ValueError("client_id: needed with an issuer, and so is client_secret")
        if not (self.viewers or self.reviewers or self.admins):
            raise ValueError("viewers: nobody could log in without viewers, reviewers or admins")
        return self
