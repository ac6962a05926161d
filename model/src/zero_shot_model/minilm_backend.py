"""The embedded model as a backend."""

from zero_shot_model.encoder import OpenVinoEncoder
from zero_shot_model.protocol import ClassificationRequest
from zero_shot_model.scoring import Classification, ZeroShotClassifier


class MiniLmBackend:
    """all-MiniLM-L6-v2 with the formula of `scoring`. See Backend."""

    knows_examples = True

    def __init__(self, encoder: OpenVinoEncoder, cached_labels: int) -> None:
        self._encoder = encoder
        self._classifier = ZeroShotClassifier(encoder, cached_labels)

    def classify(self, request: ClassificationRequest) -> list[Classification]:
        """See Backend."""
        return self._classifier.classify(
            request.texts, request.labels, request.multi_label, request.template, request.examples
        )

    def close(self) -> None:
        """See Backend."""
        self._encoder.close()
