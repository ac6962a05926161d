"""Links between the repository's own documents lead somewhere."""

from pathlib import Path

import pytest

from tests.support.markdown import anchors, relative_links

REPOSITORY = Path(__file__).parents[2]
#: Of the repository, and of its parts one or two folders down.
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "*/*.md", "*/*/*.md")
    for path in REPOSITORY.glob(pattern)
    if not path.relative_to(REPOSITORY).parts[0].startswith(".")
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_relative_link_leads_to_a_file_and_its_heading(document: Path) -> None:
    for link in relative_links(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_documents_have_links() -> None:
    assert relative_links(REPOSITORY / "docs" / "deploy.md")
