"""The endpoints: the HTTP API, pages, login and health."""
