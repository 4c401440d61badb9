"""How a service ends whose learning has diverged: what was learnt before is kept, and why it ends is written down."""

from __future__ import annotations

import logging
from collections.abc import Callable

from spiral.computing.divergence import DivergedError
from spiral.runs.checkpoints import CheckpointError
from spiral.runs.divergence_record import DivergenceRecord
from spiral.serving.options import refuse

_log = logging.getLogger(__name__)


def end_diverged(error: DivergedError, record: DivergenceRecord, finish: Callable[[], object] = lambda: None) -> int:
    """``finish`` the run, then keep the error in ``record``; the exit code. What can't be written is logged."""
    try:
        finish()
        record.write(str(error))
    except (OSError, CheckpointError) as failure:
        _log.error("not written down: %s", failure)
    return refuse(error.service, error, code=1)
