"""Every protection that a fault test is there for, and how to take it out of the product."""

from tests.faults.removals import of_files, of_producers, of_security, of_services, of_workers

REMOVALS = (
    *of_workers.REMOVALS,
    *of_producers.REMOVALS,
    *of_services.REMOVALS,
    *of_files.REMOVALS,
    *of_security.REMOVALS,
)
