"""Protections against requests of strangers, through proxies, and from pages of other sites."""

from tests.faults.removals.removal import Edit, Removal

_ACCESS = "tests/ops/web/test_access.py::"
_PROXIES = "tests/ops/web/test_proxies.py::"
_HEADER = "tests/ops/web/test_user_header.py::"
_UPLOADS = "tests/ops/web/test_uploads.py::"

REMOVALS = (
    Removal(
        "forwarded-requests-need-accounts",
        (f"{_PROXIES}test_without_accounts_a_forwarded_request_is_refused",),
        (
            Edit(
                "ops/web/security/guards.py",
                "        if is_forwarded(headers):\n",
                "        if not headers:\n",
            ),
        ),
    ),
    Removal(
        "the-scheme-is-told-by-trusted-proxies-only",
        (
            f"{_PROXIES}test_the_cookie_is_secure_if_a_trusted_proxy_was_reached_by_https[203.0.113.7-https-False]",
        ),
        (Edit("ops/web/security/proxies.py", "if peer in self.trusted:", "if peer:"),),
    ),
    Removal(
        "addresses-are-told-by-trusted-proxies-only",
        (f"{_PROXIES}test_a_client_cannot_escape_the_rate_limit_by_its_own_headers",),
        (
            Edit("ops/web/security/proxies.py", "if peer in self.trusted:", "if peer:"),
            Edit(
                "ops/web/security/proxies.py",
                "if client not in self or found is None:",
                "if found is None:",
            ),
        ),
    ),
    Removal(
        "the-rightmost-address-counts",
        (
            f"{_PROXIES}test_the_client_is_the_rightmost_address_that_is_no_trusted_proxy",
            f"{_PROXIES}test_the_rate_limit_goes_by_the_address_that_a_trusted_proxy_reports",
        ),
        (Edit("ops/web/security/proxies.py", "in reversed([", "in iter(["),),
    ),
    Removal(
        "customers-with-many-addresses-are-one-client",
        (f"{_PROXIES}test_addresses_of_one_customer_count_as_one_client",),
        (
            Edit(
                "ops/web/security/proxies.py",
                "str(ip_network((int(found), IPV6_BITS), strict=False))",
                "str(found)",
            ),
        ),
    ),
    Removal(
        "cookies-are-secure-behind-a-proxy",
        (
            f"{_PROXIES}test_the_cookie_is_secure_if_a_trusted_proxy_was_reached_by_https[10.0.0.5-https-True]",
        ),
        (Edit("ops/web/security/proxies.py", 'scope["scheme"] = scheme', "pass"),),
    ),
    Removal(
        "cookies-of-https-are-bound-to-the-host",
        (
            f"{_ACCESS}test_over_https_the_cookie_is_secure_and_bound_to_the_host",
            f"{_ACCESS}test_over_https_the_cookie_of_http_opens_nothing",
        ),
        (
            Edit(
                "ops/web/security/access.py",
                'return HOST_ONLY + COOKIE if scheme == "https" else COOKIE',
                "return COOKIE",
            ),
        ),
    ),
    Removal(
        "browsers-stay-with-https",
        (f"{_ACCESS}test_browsers_stay_with_https_once_it_was_used",),
        (
            Edit(
                "ops/web/security/guards.py",
                'headers.setdefault("Strict-Transport-Security", HSTS)',
                "pass",
            ),
        ),
    ),
    Removal(
        "names-come-from-trusted-proxies-only",
        (f"{_HEADER}test_the_header_of_anybody_else_is_ignored",),
        (
            Edit(
                "ops/web/security/user_header.py",
                "if self.name and peer is not None and peer in self.trusted:",
                "if self.name and peer is not None:",
            ),
        ),
    ),
    Removal(
        "of-two-names-none-counts",
        (f"{_HEADER}test_an_unknown_name_or_two_names_let_nobody_in",),
        (
            Edit(
                "ops/web/security/user_header.py",
                "if len(sent) == 1 and sent[0]:",
                "if sent and sent[0]:",
            ),
        ),
    ),
    Removal(
        "logins-by-header-need-csrf-tokens",
        (f"{_HEADER}test_unsafe_requests_need_the_csrf_token_as_in_a_session",),
        (
            Edit(
                "ops/web/deps.py",
                '        if user.via in ("session", "header"):\n',
                '        if user.via == "session":\n',
            ),
        ),
    ),
    Removal(
        "sessions-need-csrf-tokens",
        (f"{_ACCESS}test_unsafe_requests_of_a_session_need_its_csrf_token",),
        (
            Edit(
                "ops/web/deps.py",
                '        if user.via in ("session", "header"):\n',
                '        if user.via == "header":\n',
            ),
        ),
    ),
    Removal(
        "requests-of-other-sites-are-refused",
        (f"{_ACCESS}test_pages_of_other_sites_cannot_use_a_server_without_accounts",),
        (
            Edit(
                "ops/web/deps.py",
                '    if foreign or site not in ("none", "same-origin"):\n',
                "    if not site:\n",
            ),
        ),
    ),
    Removal(
        "host-names-of-others-are-refused",
        (f"{_ACCESS}test_a_foreign_host_name_is_rejected",),
        (Edit("ops/web/security/guards.py", "if name.lower() in _LOOPBACK_NAMES:", "if name:"),),
    ),
    Removal(
        "pages-run-no-scripts-of-others",
        (f"{_ACCESS}test_every_response_has_security_headers",),
        (Edit("ops/web/security/guards.py", '    "Content-Security-Policy": POLICY,\n', ""),),
    ),
    Removal(
        "logins-lead-to-no-other-site",
        (
            f"{_ACCESS}test_a_login_does_not_redirect_to_another_site",
            "tests/ops/web/test_oidc.py::test_a_login_does_not_redirect_to_another_site",
        ),
        (
            Edit(
                "ops/web/routes/login.py",
                'return place if is_ours and place.isprintable() else "/"',
                "return place",
            ),
        ),
    ),
    Removal(
        "the-last-account-opens-nothing",
        (
            f"{_ACCESS}test_a_loopback_server_that_had_accounts_requires_a_login_until_it_is_restarted",
        ),
        (
            Edit("ops/web/security/access.py", "if not self._login_required and now -", "if now -"),
            Edit(
                "ops/web/security/access.py",
                "return self._login_required or await to_thread",
                "return await to_thread",
            ),
        ),
    ),
    Removal(
        "a-public-server-is-never-open",
        (f"{_ACCESS}test_a_public_server_grants_no_access_after_its_last_account_is_removed",),
        (
            Edit(
                "ops/web/security/access.py",
                "self._login_required = not loopback",
                "self._login_required = False",
            ),
        ),
    ),
    Removal(
        "a-public-server-needs-accounts",
        (f"{_ACCESS}test_a_public_server_does_not_start_without_accounts",),
        (Edit("ops/web/server.py", "    if not any_accounts(engine):\n", "    if not engine:\n"),),
    ),
    Removal(
        "roles-are-checked",
        (f"{_ACCESS}test_requests_that_require_a_higher_role_are_rejected",),
        (Edit("ops/web/deps.py", "if not user.may(role):", "if not role:"),),
    ),
    Removal(
        "failed-logins-are-limited",
        (
            f"{_ACCESS}test_failed_logins_are_rate_limited_per_account",
            "tests/ops/web/test_passwords.py::test_guesses_of_the_current_password_are_rate_limited",
        ),
        (
            Edit(
                "ops/web/routes/login.py",
                "    if wait_s := services.throttle.wait_s(name, address):\n",
                "    if wait_s := 0:\n",
            ),
        ),
    ),
    Removal(
        "bodies-are-limited",
        (f"{_UPLOADS}test_a_body_that_is_too_large_is_rejected_before_all_of_it_has_come",),
        (
            Edit(
                "ops/web/security/guards.py",
                "            if received > limit:\n",
                "            if received < 0:\n",
            ),
        ),
    ),
)
