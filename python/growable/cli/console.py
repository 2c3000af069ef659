"""rich's console, less its own answer to a closed pipe. Needs rich: import it only when wanted."""

from __future__ import annotations

from rich.console import Console


class PipeAwareConsole(Console):
    """A console that leaves a closed pipe to the caller."""

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that is being handled; rich itself would end the process."""
        raise
