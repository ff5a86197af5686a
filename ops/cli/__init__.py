"""The `thermalwatch` command, one module a verb."""
