"""Citation as in CITATION.cff, by number and without links, so that a page needs no network."""

from importlib.metadata import version

SOFTWARE = "wnsense: low-rank recovery by weight normalization"
PAPER_TITLE = "On the Benefits of Weight Normalization for Overparameterized Matrix Sensing"
PAPER_AUTHORS = ("Wei", "Zhang", "Li", "He")
PAPER_YEAR = 2026
PAPER_NUMBER = "2510.01175"


def citation() -> str:
    """Return the citation of the software and of its paper, as text to copy."""
    *first, last = PAPER_AUTHORS
    return (
        f"The wnsense developers. {SOFTWARE}. Version {version('wnsense')}.\n\n"
        f"{', '.join(first)} and {last}. {PAPER_TITLE}. ICLR {PAPER_YEAR}. arXiv:{PAPER_NUMBER}."
    )
