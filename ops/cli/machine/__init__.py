"""Commands for this machine: demo, doctor, bench, accounts."""
