"""A progress bar for commands that count what their threads do."""

from tqdm import tqdm


class QuietTqdm(tqdm):  # type: ignore[type-arg]
    """tqdm without a thread of its own: bars are drawn as things go."""

    monitor_interval = 0
