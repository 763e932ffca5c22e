"""Check params.yaml before any other stage runs, and before DVC clears away what they made."""

from stages.entry import run
from stages.settings import Settings


def main(params: Settings) -> None:
    """Nothing is left to do: `run` has read and checked every key."""


if __name__ == "__main__":
    run(main)
