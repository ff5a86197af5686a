"""`python -m ops` is the `thermalwatch` command."""

from ops.cli.main import main

if __name__ == "__main__":
    main()
