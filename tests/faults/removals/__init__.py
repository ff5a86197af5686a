"""Every protection that a fault test checks, and how to remove it from the product."""

from tests.faults.removals import of_files, of_producers, of_security, of_services, of_workers

REMOVALS = (
    *of_workers.REMOVALS,
    *of_producers.REMOVALS,
    *of_services.REMOVALS,
    *of_files.REMOVALS,
    *of_security.REMOVALS,
)
