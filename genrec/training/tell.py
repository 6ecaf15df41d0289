"""What training tells its user: once, whatever the number of processes, and never on stdout."""

from __future__ import annotations

from accelerate import Accelerator

from genrec.progress import console


def tell(accelerator: Accelerator, line: str) -> None:
    """Print a line from the main process."""
    if accelerator.is_main_process:
        console.print(line, soft_wrap=True, highlight=False)
