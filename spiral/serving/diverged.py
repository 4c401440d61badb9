"""End a service whose learning has diverged: keep what was learned before, and record why it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable

from spiral.computing.divergence import DivergedError
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.divergence_record import DivergenceRecord
from spiral.serving.options import refuse

_log = logging.getLogger(__name__)


def end_diverged(error: DivergedError, record: DivergenceRecord, finish: Callable[[], object] = lambda: None) -> int:
    """``finish`` the run, store the error in ``record``, and return the exit code. Failures to write are logged."""
    try:
        finish()
        record.write(str(error))
    except (OSError, CheckpointError) as failure:
        _log.error("not saved: %s", failure)
    return refuse(error.service, error, code=1)
