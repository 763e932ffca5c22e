"""What training prints: a progress bar, and lines above it."""

import sys

from tqdm import tqdm


def print_line(line: str) -> None:
    """Print a line on stderr, which is not buffered, above the progress bar if there is one."""
    tqdm.write(line, file=sys.stderr)


class ProgressBar(tqdm):
    """Counts note positions, padding included, so that it shows how many are read per second."""

    def __init__(self, total: int, initial: int = 0, disable: bool = False) -> None:
        """Show an empty bar.

        Args:
            total: note positions of the whole training.
            initial: those that an earlier, interrupted process read.
            disable: show nothing.
        """
        super().__init__(desc="train", total=total, initial=initial, unit=" notes", unit_scale=True, disable=disable)

    def advance(self, positions: int, loss: float) -> None:
        """Show that more positions have been read.

        Args:
            positions: how many.
            loss: of the epoch so far, in nats per note.
        """
        self.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self.update(positions)
