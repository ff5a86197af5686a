"""Protections of accounts, sessions, tokens and of the audit log about them."""

from tests.faults.removals.removal import Edit, Removal

_LOGINS = "tests/ops/web/test_logins.py::"
_CODES = "tests/ops/web/test_second_factor.py::"
_PASSWORDS = "tests/ops/web/test_passwords.py::"
_AUDIT = "tests/ops/web/test_audit_log.py::"
_ACCESS = "tests/ops/web/test_access.py::"

REMOVALS = (
    Removal(
        "codes-are-used-once",
        (f"{_CODES}test_a_code_is_accepted_once",),
        (
            Edit(
                "storage/second_factor.py",
                "accounts.c.totp_step < step)",
                "accounts.c.totp_step <= step)",
            ),
        ),
    ),
    Removal(
        "recovery-codes-are-used-once",
        (f"{_CODES}test_each_recovery_code_stands_in_once",),
        (
            Edit(
                "storage/second_factor.py",
                "return connection.execute(delete(recovery_codes).where(*chosen)).rowcount == 1",
                "return connection.scalar(select(func.count()).where(*chosen)) == 1",
            ),
        ),
    ),
    Removal(
        "guesses-of-codes-are-limited",
        (f"{_CODES}test_guesses_of_a_code_are_rate_limited",),
        (
            Edit(
                "ops/web/routes/login.py",
                "    if secret is not None:\n        services.throttle",
                "    if secret is not None or code:\n        services.throttle",
            ),
        ),
    ),
    Removal(
        "recovery-codes-are-stored-as-digests",
        (f"{_CODES}test_secret_and_recovery_codes_are_in_no_entry_and_no_code_in_the_database",),
        (Edit("storage/second_factor.py", '{"digest": digest_of(code),', '{"digest": code,'),),
    ),
    Removal(
        "codes-are-switched-with-the-password",
        (f"{_CODES}test_switching_codes_on_and_off_needs_the_password",),
        (
            Edit(
                "ops/web/routes/second_factor.py",
                "if not await services.lanes.logins.run(check):",
                "if await services.lanes.logins.run(check) is None:",
            ),
        ),
    ),
    Removal(
        "common-passwords-are-refused",
        (f"{_PASSWORDS}test_a_weak_password_is_refused_with_the_reason[password1234-common]",),
        (
            Edit(
                "ops/web/security/passwords.py",
                'if found["score"] < LEAST_SCORE:',
                'if found["score"] < 0:',
            ),
        ),
    ),
    Removal(
        "unknown-accounts-take-as-long",
        (f"{_ACCESS}test_an_unknown_account_is_checked_like_an_existing_one",),
        (
            Edit(
                "ops/web/security/hashing.py",
                "return _hasher.verify(stored or _nobodys_hash(), password) and stored is not None",
                "return stored is not None and _hasher.verify(stored, password)",
            ),
        ),
    ),
    Removal(
        "a-changed-password-ends-logins-in-progress",
        (f"{_LOGINS}test_a_login_that_was_checked_before_the_password_changed_opens_no_session",),
        (
            Edit(
                "storage/sessions.py",
                "and_(accounts.c.name == name, accounts.c.password_hash == password_hash)",
                "accounts.c.name == name",
            ),
        ),
    ),
    Removal(
        "sessions-end-unused",
        (f"{_LOGINS}test_a_session_ends_after_twelve_hours_without_a_request",),
        (
            Edit(
                "storage/sessions.py",
                "sessions.c.last_used_at > now - idle_s",
                "sessions.c.last_used_at > 0",
            ),
        ),
    ),
    Removal(
        "sessions-end-at-an-age",
        (f"{_LOGINS}test_a_session_ends_after_seven_days_even_if_it_is_used",),
        (
            Edit(
                "storage/sessions.py",
                "and_(sessions.c.expires_at > now, ",
                "and_(sessions.c.expires_at > 0, ",
            ),
        ),
    ),
    Removal(
        "sessions-of-others-are-not-ended",
        (f"{_LOGINS}test_a_user_sees_their_sessions_and_ends_one",),
        (
            Edit(
                "storage/sessions.py",
                "chosen = and_(chosen, sessions.c.account == account)",
                "pass",
            ),
        ),
    ),
    Removal(
        "tokens-expire",
        (f"{_LOGINS}test_a_token_expires",),
        (
            Edit(
                "storage/tokens.py",
                "api_tokens.c.expires_at > now)",
                "api_tokens.c.expires_at > 0)",
            ),
        ),
    ),
    Removal(
        "tokens-have-a-scope",
        (f"{_LOGINS}test_a_token_allows_no_more_than_its_scope_and_the_role_of_its_account",),
        (
            Edit(
                "storage/tokens.py",
                "return min(_needed(self.scope), self.account_role, key=ROLES.index)",
                "return self.account_role",
            ),
        ),
    ),
    Removal(
        "tokens-for-uploads-only-upload",
        (f"{_LOGINS}test_a_token_allows_no_more_than_its_scope_and_the_role_of_its_account",),
        (Edit("ops/web/deps.py", "if user.upload_only and request", "if not user and request"),),
    ),
    Removal(
        "tokens-manage-no-logins",
        (f"{_LOGINS}test_sessions_and_tokens_are_not_managed_with_a_token",),
        (
            Edit(
                "ops/web/deps.py",
                'if user.via not in ("session", "header"):',
                'if user.via == "none":',
            ),
        ),
    ),
    Removal(
        "secrets-are-stored-as-digests",
        (f"{_ACCESS}test_accounts_are_added_listed_and_removed_from_the_command_line",),
        (
            Edit(
                "storage/accounts.py",
                'return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()',
                "return secret",
            ),
        ),
    ),
    Removal(
        "a-changed-password-ends-logins",
        (
            f"{_LOGINS}test_sessions_tokens_and_live_streams_end_with[password-sqlite]",
            f"{_PASSWORDS}test_a_user_changes_their_password_and_other_logins_end",
        ),
        (Edit("storage/accounts.py", "        _end_logins(connection, name, keep=keep)\n", ""),),
    ),
    Removal(
        "a-changed-role-ends-logins",
        (f"{_LOGINS}test_sessions_tokens_and_live_streams_end_with[role-sqlite]",),
        (Edit("storage/accounts.py", "        _end_logins(connection, name)\n", ""),),
    ),
    Removal(
        "live-updates-end-with-the-login",
        (
            f"{_LOGINS}test_sessions_tokens_and_live_streams_end_with",
            f"{_LOGINS}test_a_live_stream_ends_when_its_token_or_session_is_revoked",
        ),
        (
            Edit(
                "ops/web/security/access.py",
                "if user.digest and user.digest not in open_}",
                "if not user.name}",
            ),
        ),
    ),
    Removal(
        "live-updates-end-with-the-role",
        ("tests/ops/web/test_user_header.py::test_a_live_stream_ends_when_the_role_changes",),
        (
            Edit(
                "ops/web/security/access.py",
                'if user.via == "header" and accounts',
                'if user.via == "none" and accounts',
            ),
        ),
    ),
    Removal(
        "live-updates-end-with-the-first-account",
        (f"{_LOGINS}test_streams_without_a_login_end_with_the_first_account",),
        (
            Edit(
                "ops/web/security/access.py", "if LOCAL in users and self", "if not users and self"
            ),
        ),
    ),
    Removal(
        "changes-and-their-entries-are-one-transaction",
        (f"{_AUDIT}test_a_change_whose_entry_cannot_be_written_is_not_made",),
        (
            Edit(
                "storage/accounts.py",
                '        record(connection, by, "role_changed", name, f"{before}',
                "    with writing(engine) as connection:\n"
                '        record(connection, by, "role_changed", name, f"{before}',
            ),
        ),
    ),
    Removal(
        "failed-logins-leave-entries",
        (f"{_AUDIT}test_logins_failures_and_logouts_leave_entries_with_their_address",),
        (
            Edit(
                "ops/web/security/access.py",
                'record_alone(self.engine, actor, "login_failed", name, detail, now=self.clock())',
                "pass",
            ),
        ),
    ),
    Removal(
        "wrong-names-are-not-logged",
        (f"{_AUDIT}test_logins_failures_and_logouts_leave_entries_with_their_address",),
        (
            Edit(
                "ops/web/security/access.py",
                'self.note_failure(name if stored else "", address, detail)',
                "self.note_failure(name, address, detail)",
            ),
        ),
    ),
    Removal(
        "the-audit-log-is-for-admins",
        (f"{_AUDIT}test_only_admins_read_the_audit_log",),
        (
            Edit(
                "ops/web/routes/accounts.py",
                "def audit_log(\n    services: ServicesDep,\n    _user: AdminDep,",
                "def audit_log(\n    services: ServicesDep,\n    _user: UserDep,",
            ),
        ),
    ),
)
