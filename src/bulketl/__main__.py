"""The first steps of the command line: `bulketl`, and `python -m bulketl`."""

from bulketl.loading import starting


def main() -> None:
    """Run the command line."""
    starting.hold()
    from bulketl.cli import app

    app.main()


if __name__ == "__main__":
    main()
