"""`python -m wnsense` is the command line."""

from wnsense.cli import main

if __name__ == "__main__":
    main()
