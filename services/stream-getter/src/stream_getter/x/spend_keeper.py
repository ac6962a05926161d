"""What takes time around the spend: saving it, telling people, asking X for its figure. In threads of its own."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from pipeline.connection_state import ConnectionState
from pipeline.errors import Unavailable, UserMistake
from pipeline.logs import get_logger
from pipeline.state_store import StateConflict, StateNotSaved, StateStore
from stream_getter.notices import Notices
from stream_getter.x.spend_guard import BudgetGuard
from stream_getter.x.spend_state import KIND, SpendState
from stream_getter.x.usage import UsageReader, UsageUnknown

log = get_logger(__name__)

#: Seconds between two saves, and so what a killed process forgets: 1,250 posts at X's fastest.
SAVE_SECONDS = 5.0
#: Between two questions to X, and after one that failed. X allows 50 in 15 minutes, and its figure lags anyway.
ASK_EVERY = timedelta(hours=1)
ASK_AGAIN = timedelta(minutes=5)
#: Seconds that a start waits for X's figure before it reads without.
_FIRST_SECONDS = 5.0


#: Two readers that save in the same place meet now and then; the next step tries again.
_TRIES = 2


class SpendKeeper:
    """Runs beside a BudgetGuard from ``start`` to ``close``. Nothing that fails here stops the reading.

    A state that is lost or cannot be read yet counts as nothing spent: what it held is added once it can be read.
    """

    def __init__(
        self,
        guard: BudgetGuard,
        store: StateStore,
        usage: UsageReader,
        notices: Notices,
        now: Callable[[], datetime],
        wake: threading.Event,
        save_seconds: float = SAVE_SECONDS,
    ) -> None:
        self._guard = guard
        self._store = store
        self._usage = usage
        self._notices = notices
        self._now = now
        self._wake = wake
        self._save_seconds = save_seconds
        self._asking = ConnectionState("X's figure of what was read this month")
        self._asked_at: datetime | None = None
        self._ask_after = timedelta(0)
        self._loading = ConnectionState("the spend so far")
        self._loaded = False
        self._conflict_told = False
        self._saved: SpendState | None = None
        self._ended = threading.Event()
        self._asked_once = threading.Event()
        self._saver = threading.Thread(target=self._save_to_the_end, name="spend", daemon=True)
        # not the same thread: X may take half a minute to answer, and a save must not wait for that at the end
        self._asker = threading.Thread(target=self._ask_to_the_end, name="spend-usage", daemon=True)

    def start(self, first_seconds: float = _FIRST_SECONDS) -> None:
        """Loads what was saved, and waits a little for X's figure. Raises UserMistake for a place that cannot be."""
        self._load()
        self._saver.start()
        self._asker.start()
        self._asked_once.wait(first_seconds)

    def close(self, seconds: float) -> None:
        """Saves for the last time, within ``seconds``. A question to X that is under way is not waited for."""
        self._ended.set()
        self._wake.set()
        self._saver.join(max(0.0, seconds))
        if self._saver.is_alive():
            log.warning("the spend was not saved in time", seconds=round(seconds, 1))

    def _save_to_the_end(self) -> None:
        while not self._ended.is_set():
            self._step()
            self._wake.wait(self._save_seconds)
            self._wake.clear()
        self._save_and_tell()

    def _step(self) -> None:
        if not self._loaded:
            self._load_later()
        self._save_and_tell()

    def _ask_to_the_end(self) -> None:
        while not self._ended.is_set():
            self._ask_if_due()
            self._asked_once.set()
            self._ended.wait(self._save_seconds)
        self._usage.close()

    def _ask_if_due(self) -> None:
        if self._is_due():
            self._ask()

    def _is_due(self) -> bool:
        turned = self._guard.month_has_turned()
        if turned or self._asked_at is None:
            return True
        # also after a step back of the clock
        return not timedelta(0) <= self._now() - self._asked_at < self._ask_after

    def _ask(self) -> None:
        self._asked_at = self._now()
        try:
            said = self._usage.read()
        except UsageUnknown as error:
            self._ask_after = ASK_AGAIN
            self._asking.failed(str(error))
            return
        self._asking.reached()
        self._ask_after = ASK_EVERY if self._guard.x_said(said) else ASK_AGAIN

    def _save_and_tell(self) -> None:
        # in this order: telling may wait for room, and what is saved still has it as untold
        self._save()
        if news := self._guard.news():
            for told in news:
                self._notices.tell(*told)
            self._guard.news_was_told()
            self._save()

    def _load(self) -> None:
        try:
            saved = self._store.load(KIND, SpendState)
        except Unavailable as error:
            self._loading.failed(f"{error}; counting from nothing until then")
            return
        self._take_over(saved)

    def _load_later(self) -> None:
        try:
            saved = self._store.load(KIND, SpendState)
        except (Unavailable, UserMistake) as error:
            self._loading.failed(str(error))
            return
        self._take_over(saved)

    def _take_over(self, saved: SpendState | None) -> None:
        self._loaded = True
        self._loading.reached()
        if saved is not None:
            self._guard.go_on_from(saved, merge="add")

    def _save(self) -> None:
        for _ in range(_TRIES):
            state = self._guard.state()
            if not self._loaded or state == self._saved:
                return
            try:
                self._store.save(KIND, state)
                self._saved = state
            except StateNotSaved:
                return  # told by the store; tried again with the next step
            except StateConflict as error:
                self._agree(str(error))

    def _agree(self, reason: str) -> None:
        if not self._conflict_told:
            self._conflict_told = True
            log.warning("another reader saves its spend in the same place: the larger count holds", reason=reason)
        try:
            other = self._store.load(KIND, SpendState)
        except (Unavailable, UserMistake) as error:
            log.warning("the other reader's spend cannot be read", reason=str(error))
            return
        if other is not None:
            self._guard.go_on_from(other, merge="larger")


class KeptBudgets:
    """See SpendGuard: a BudgetGuard, and at the end its keeper's."""

    def __init__(self, guard: BudgetGuard, keeper: SpendKeeper) -> None:
        self.count = guard.count
        self.closed = guard.closed
        self.wait = guard.wait
        self.close = keeper.close
