"""The command behind `make post TEXT="..."`: one more post on the running demo's stream."""

import os
import sys

import requests

from demo.road import ADDRESS


def main() -> None:
    """Exits with 2 when there is no text or no demo."""
    text = os.environ.get("TEXT", "").strip()
    if not text:
        sys.exit('post: TEXT: expected the post\'s words, got nothing: make post TEXT="..."')
    try:
        address = sys.argv[1] if len(sys.argv) > 1 else ADDRESS.read_text()
        response = requests.post(
            address + "/simulator/posts",
            data=text.encode(),
            headers={"Content-Type": "text/plain; charset=utf-8"},
            timeout=5,
            proxies={"http": ""},
        )
    except (OSError, requests.RequestException):
        sys.exit("post: expected a running demo whose sample has been played, found none: make demo")
    print(response.text.strip())
    sys.exit(0 if response.ok else 1)


if __name__ == "__main__":
    main()
