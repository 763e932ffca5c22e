"""What training prints: a progress bar, and lines above it."""

import sys

from tqdm import tqdm


def print_line(line: str) -> None:
    """Print a line on stderr, which is not buffered, above the progress bar if there is one."""
    tqdm.write(line, file=sys.stderr)


class ProgressBar(tqdm):
    """Counts note positions, padding included, so that it shows how many are read per second."""

    def __init__(self, total_updates: int, first_update: int = 0) -> None:
        """Show an empty bar.

        Args:
            total_updates: optimizer updates of the whole training.
            first_update: updates that an earlier, interrupted process made.
        """
        super().__init__(desc="train", unit=" notes", unit_scale=True)
        self._total_updates, self._first_update = total_updates, first_update

    def advance(self, positions: int, loss: float) -> None:
        """Show that one more update has been made.

        Args:
            positions: note positions of its batch; the same for every update.
            loss: of the epoch so far, in nats per note.
        """
        if self.total is None:
            self.total, self.initial = self._total_updates * positions, self._first_update * positions
            self.n = self.last_print_n = self.initial
        self.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self.update(positions)
