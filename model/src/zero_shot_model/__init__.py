"""A zero-shot text classifier behind SageMaker's container contract and Hugging Face's request shapes."""
