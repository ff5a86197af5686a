"""The `thermalwatch` command line, one module per command."""
