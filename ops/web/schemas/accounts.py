"""Accounts, sessions, API tokens, the audit log."""

from __future__ import annotations

from pydantic import BaseModel, Field

from ops.web.schemas.answer import Answer
from ops.web.security.api_tokens import LONGEST_NAME, MOST_DAYS, USUAL_DAYS
from ops.web.security.passwords import LEAST, MOST
from storage.accounts import Role
from storage.audit_log import Action, Via
from storage.tokens import Scope


class AccountInfo(Answer):
    name: str
    role: Role
    created_at: float


class AccountList(Answer):
    accounts: list[AccountInfo]


class SessionInfo(Answer):
    id: str
    created_at: float
    last_used_at: float = Field(description="To the minute.")
    expires_at: float = Field(description="At the latest; earlier if it is not used.")
    address: str
    user_agent: str
    current: bool = Field(description="Whether this request was made in it.")


class SessionList(Answer):
    sessions: list[SessionInfo]


class TokenInfo(Answer):
    id: str
    name: str
    scope: Scope = Field(description="Never allows more than the role of the account.")
    created_at: float
    expires_at: float | None = Field(description="null: never; made before there were expiries.")
    last_used_at: float | None = Field(description="To the minute.")


class TokenList(Answer):
    tokens: list[TokenInfo]


class TokenRequest(BaseModel):
    model_config = {"extra": "forbid"}

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="What it is for.")
    scope: Scope = "viewer"
    days: int = Field(default=USUAL_DAYS, ge=1, le=MOST_DAYS)


class TokenMade(TokenInfo):
    token: str = Field(description="The secret. It is shown only now.")


class PasswordRequest(BaseModel):
    model_config = {"extra": "forbid"}

    current: str = Field(max_length=1000)
    new: str = Field(max_length=1000, description=f"{LEAST} to {MOST} characters.")


class SecondFactor(Answer):
    enabled: bool
    recovery_codes_left: int


class NewSecret(Answer):
    secret: str = Field(description="In base32, for an authenticator app.")
    uri: str = Field(description="The same as an otpauth: address.")


class SecondFactorRequest(BaseModel):
    model_config = {"extra": "forbid"}

    password: str = Field(max_length=1000)
    secret: str = Field(
        pattern="^[A-Z2-7]{32}$", description="From `POST me/second-factor/secret`."
    )
    code: str = Field(max_length=100, description="The code that the app shows now.")


class RecoveryCodes(Answer):
    recovery_codes: list[str] = Field(description="Each works once. They are shown only now.")


class PasswordProof(BaseModel):
    model_config = {"extra": "forbid"}

    password: str = Field(max_length=1000)


class AuditEntry(Answer):
    id: int
    at: float
    actor: str = Field(description="Account; of a command the user of the operating system.")
    via: Via
    address: str
    action: Action
    subject: str
    detail: str


class AuditPage(Answer):
    entries: list[AuditEntry]
    next: str | None
