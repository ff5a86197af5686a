"""Commands about this machine: demo, doctor, bench, accounts."""
