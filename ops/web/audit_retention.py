"""Deletes old audit log entries once a day while the server runs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from storage.audit_log import delete_before
from storage.errors import StorageError

if TYPE_CHECKING:
    from ops.web.services import Services

log = logging.getLogger(__name__)

#: Seconds between two deletions.
DAY_S: Final = 86_400.0


def delete_old_entries(services: Services) -> int:
    """Delete the entries that are older than `[retention] audit_log_days`; return their number."""
    kept_s = services.settings.retention.audit_log_days * DAY_S
    return delete_before(services.engine, services.clock() - kept_s)


async def delete_daily(services: Services) -> None:
    """Run until cancelled."""
    while True:
        try:
            await to_thread.run_sync(delete_old_entries, services)
        except StorageError as error:
            log.warning("old entries of the audit log stay until tomorrow: %s", error)
        await asyncio.sleep(DAY_S)
