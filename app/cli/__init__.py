"""The `modelward` command."""

import gc

# The collector takes a sixth of a start, and finds nothing in what is only being imported.
gc.disable()

from app.cli.commands import main  # noqa: E402

gc.freeze()
gc.enable()

__all__ = ["main"]
