"""Protections of logins with OpenID."""

from tests.faults.removals.removal import Edit, Removal

_OPENID = "tests/ops/web/test_oidc.py::"
_FORGED = (
    "tests/ops/web/test_oidc.py::test_a_token_for_another_login_client_issuer_or_time_is_refused"
)

REMOVALS = (
    Removal(
        "states-belong-to-a-browser",
        (f"{_OPENID}test_a_login_cannot_be_finished_in_another_browser",),
        (
            Edit(
                "ops/web/security/oidc.py",
                "if not hmac.compare_digest(state.encode(), expected.encode()):",
                "if not state:",
            ),
        ),
    ),
    Removal(
        "states-are-used-once",
        (f"{_OPENID}test_a_login_cannot_be_finished_twice_or_late",),
        (
            Edit(
                "ops/web/security/oidc.py", "self._begun.pop(state, None)", "self._begun.get(state)"
            ),
        ),
    ),
    Removal(
        "states-expire",
        (f"{_OPENID}test_a_login_cannot_be_finished_twice_or_late",),
        (
            Edit(
                "ops/web/security/oidc.py",
                "if begun is None or self._clock() - begun.at > LOGIN_S:",
                "if begun is None:",
            ),
        ),
    ),
    Removal(
        "id-tokens-are-of-this-login",
        (f"{_FORGED}[nonce]",),
        (
            Edit(
                "ops/web/security/oidc.py",
                'nonce={"essential": True, "value": begun.nonce},',
                'nonce={"essential": True},',
            ),
        ),
    ),
    Removal(
        "id-tokens-are-for-this-client",
        (f"{_FORGED}[aud]",),
        (
            Edit(
                "ops/web/security/oidc.py",
                'aud={"essential": True, "value": settings.client_id},',
                'aud={"essential": True},',
            ),
        ),
    ),
    Removal(
        "id-tokens-are-of-this-issuer",
        (f"{_FORGED}[iss]",),
        (
            Edit(
                "ops/web/security/oidc.py",
                'iss={"essential": True, "value": settings.issuer},',
                'iss={"essential": True},',
            ),
        ),
    ),
    Removal(
        "id-tokens-expire",
        (f"{_FORGED}[exp]",),
        (Edit("ops/web/security/oidc.py", "leeway=LEEWAY_S,", "leeway=1 << 40,"),),
    ),
    Removal(
        "id-tokens-are-not-those-of-another-program",
        (f"{_FORGED}[azp]",),
        (
            Edit(
                "ops/web/security/oidc.py",
                'if claims.get("azp", settings.client_id) != settings.client_id:',
                "if not claims:",
            ),
        ),
    ),
    Removal(
        "id-tokens-are-signed",
        (f"{_OPENID}test_a_token_signed_with_another_key_is_refused",),
        (
            Edit(
                "ops/web/security/oidc.py",
                "                token = jwt.decode(\n                    answer[",
                "                import base64\n"
                "                import json\n"
                "                from types import SimpleNamespace\n"
                "\n"
                "                def decoded(text, *_):\n"
                "                    body = base64.urlsafe_b64decode(text.split('.')[1] + '==')\n"
                "                    return SimpleNamespace(claims=json.loads(body))\n"
                "\n"
                "                token = decoded(\n"
                "                    answer[",
            ),
        ),
    ),
    Removal(
        "stolen-codes-need-the-verifier",
        (f"{_OPENID}test_a_stolen_code_is_useless_without_the_verifier",),
        (
            Edit(
                "ops/web/security/oidc.py",
                "                code_verifier=begun.verifier,\n            )\n",
                '                code_verifier="everybodys".ljust(43, "-"),\n            )\n',
            ),
            Edit(
                "ops/web/security/oidc.py",
                "                    code_verifier=begun.verifier,\n                    timeout",
                '                    code_verifier="everybodys".ljust(43, "-"),\n'
                "                    timeout",
            ),
        ),
    ),
    Removal(
        "providers-are-who-they-say",
        (f"{_OPENID}test_a_provider_that_does_not_answer_or_is_another_is_reported",),
        (Edit("ops/web/security/oidc.py", 'if metadata["issuer"] != issuer:', "if not metadata:"),),
    ),
    Removal(
        "strangers-have-no-role",
        (f"{_OPENID}test_a_person_without_a_role_is_refused",),
        (
            Edit(
                "ops/web/security/oidc.py",
                '        raise OidcError(f"{name} has no role here;',
                '        return Identity(f"{settings.issuer} {claims[\'sub\']}", name, "viewer")\n'
                '        raise OidcError(f"{name} has no role here;',
            ),
        ),
    ),
    Removal(
        "accounts-are-not-taken-over-by-name",
        (f"{_OPENID}test_the_name_of_another_account_is_not_taken_over",),
        (
            Edit(
                "storage/accounts.py",
                '                raise AccountExists(\n                    f"there is another',
                "                return name\n"
                "                raise AccountExists(\n"
                '                    f"there is another',
            ),
        ),
    ),
    Removal(
        "a-changed-group-ends-logins",
        (f"{_OPENID}test_a_changed_role_applies_at_the_next_login_and_ends_other_sessions",),
        (Edit("storage/accounts.py", "            _end_logins(connection, known.name)\n", ""),),
    ),
)
