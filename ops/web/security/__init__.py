"""Who may do what: accounts, sessions, request checks, throttling."""
