"""What examples are worth: `python -m bench.model_quality`."""

import argparse
import os
import sys

from bench.command_line import progress, run, whole_number
from bench.model_quality.comparison import EXAMPLES_A_LABEL, RememberingEncoder, compare
from bench.model_quality.frozen_half import measure_frozen_half
from bench.model_quality.labelled import FILES, VARIABLE, LabelledPosts, NoLabelledPosts, read_labelled
from bench.model_quality.report import Figures, as_json, broken_bounds, table
from zero_shot_model import assets
from zero_shot_model.encoder import OpenVinoEncoder
from zero_shot_model.errors import StartError


def main() -> None:
    """Exits with 0; with 1 when a bound is broken and --check is given; 2 for a mistake."""
    options = _options()
    try:
        sets = [read_labelled(os.environ.get(VARIABLE), name) for name in FILES]
        model, tokenizer = assets.verified(assets.MODEL, None), assets.verified(assets.TOKENIZER, None)
    except (NoLabelledPosts, StartError) as error:
        print(f"bench-model-quality: {error}", file=sys.stderr)
        sys.exit(2)
    encoder = OpenVinoEncoder(model, tokenizer, threads=os.cpu_count() or 1)
    run(
        "bench-model-quality",
        lambda: _figures(sets, encoder, options.draws),
        table,
        broken_bounds,
        as_json,
        check=options.check,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.model_quality",
        description="What a few examples a label are worth, on the labelled posts of LABELLED_POSTS_DIR; "
        "see bench/README.md.",
    )
    parser.add_argument("--draws", type=whole_number, default=5, help="of examples (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a figure is out of its bounds")
    return parser.parse_args()


def _figures(sets: list[LabelledPosts], encoder: OpenVinoEncoder, draws: int) -> Figures:
    of = draws * len(EXAMPLES_A_LABEL)
    compared = [compare(posts, encoder, draws, progress(f"draws of {posts.name}", of)) for posts in sets]
    return Figures(draws, compared, measure_frozen_half(RememberingEncoder(encoder), draws))


if __name__ == "__main__":
    main()
