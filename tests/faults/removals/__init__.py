"""Every protection that a fault test checks or that keeps an attacker out, and how to remove it."""

from tests.faults.removals import (
    of_bundles,
    of_clients,
    of_crowds,
    of_decoding,
    of_files,
    of_identity,
    of_jobs,
    of_logins,
    of_openid,
    of_outputs,
    of_producers,
    of_requests,
    of_security,
    of_services,
    of_uploads,
    of_workers,
)

REMOVALS = (
    *of_workers.REMOVALS,
    *of_producers.REMOVALS,
    *of_services.REMOVALS,
    *of_files.REMOVALS,
    *of_decoding.REMOVALS,
    *of_identity.REMOVALS,
    *of_security.REMOVALS,
    *of_jobs.REMOVALS,
    *of_bundles.REMOVALS,
    *of_crowds.REMOVALS,
    *of_clients.REMOVALS,
    *of_requests.REMOVALS,
    *of_logins.REMOVALS,
    *of_openid.REMOVALS,
    *of_uploads.REMOVALS,
    *of_outputs.REMOVALS,
)
