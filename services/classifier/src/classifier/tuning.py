"""Whether the thresholds were made for the model that judges: the scores of another mean something else."""

from pipeline.logs import get_logger

log = get_logger(__name__)


def warn_of_thresholds_for_another_model(tuned_for: str | None, model: str, place: str) -> None:
    """Logs one line where the configuration at ``place`` names another model; names are compared letter by letter.

    It is no reason to stop: alerts by rough thresholds are better than none.
    """
    if tuned_for is not None and tuned_for != model:
        log.warning(
            'the thresholds were made for another model and must be set anew: docs/deploy.md, "Another model"',
            place=place,
            tuned_for=tuned_for,
            model=model,
        )
