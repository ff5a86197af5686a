"""The demo: a simulated plant with known faults, run through the whole product."""
