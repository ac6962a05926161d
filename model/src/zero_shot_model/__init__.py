"""A zero-shot text classifier behind SageMaker's container contract and Hugging Face's request shapes."""

import os

# The cores belong to the model. Both libraries would start threads of their own beside it, which made a product of
# 32 texts and 100 labels a hundred times slower. OpenBLAS reads its variable when numpy is imported, hence here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

__version__ = "0.1.0"
