"""A study as one object, and how to add one.

A study lives in a folder `lab/studies/NAME/` of these files:

- `specification.py`: frozen dataclasses, data only. One of them extends `Specification[Plan]` by fields of its own. It
  overrides `facts` if the numbers depend on more than the plan. The fingerprint is made of `facts`.
- `cases.py`: the specification with its values; several studies may share one folder.
- `measure.py`: one part of the work, from its data to its arrays.
- `run.py`: a function `(specification, store, progress) -> StudyResult` that makes every missing part, keeps each as it
  ends, and merges all. `PartLedger` keeps parts under their `file_key`; `make_parts` does all of this for studies
  whose parts are alike.
- `table.py`: reads a table back into frozen dataclasses. A `TableReader` has the head and the function for the rest.
- `picture.py`: `pictures(study)`, figures by the suffix of their file names; the main one has the suffix "".
- `caption.py`: `findings(study)` and `paragraphs(study)`.
- `page.py`: `view(study)`, the charts of the interactive page; optional.
- `study.py`: a function `NAME_study(specification) -> Study`, and `STUDIES`, the tuple of the folder's studies. Its
  `presented` joins the reader with the functions of pictures, caption and page, which take the typed values.

`table`, `picture`, `caption` and `page` import neither `measure` nor `run` nor `study`. One contract in pyproject.toml
holds this for the folders of all studies.
Outside the folder a new study touches one line: its name and folder in `lab/studies/registry.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wnsense.atomic import write_text
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.specification import Scale, Specification
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.frame.study_caption import Caption, caption_of
from wnsense.pages.picture_file import save
from wnsense.running.progress import ProgressCallback, no_progress


def accept_any(_store: Store, _table: Table) -> None:
    """Accept a finished table whatever data it was made from."""


@dataclass(frozen=True)
class Study:
    """A study with all that can be done with it.

    Attributes:
        specification: Data that describe the study.
        measure: Makes every missing part, keeps each as it ends, and returns the content of the table. It takes the
            files of the study and a callback for reports of progress. It raises InputError if files belong to another
            specification or version, or cannot be written, and KeyboardInterrupt if interrupted.
        presentation: Pictures, findings and charts of a table.
        on_data: Returns the same study with data from a folder; None for studies that need no data.
        accept: Raises InputError if a finished table was made from other data.
    """

    specification: Specification[object]
    measure: Callable[[Store, ProgressCallback], StudyResult]
    presentation: Presentation
    on_data: "Callable[[Path], Study] | None" = None
    accept: Callable[[Store, Table], None] = accept_any

    @property
    def name(self) -> str:
        """Name on the command line and of the files."""
        return self.specification.name

    def store(self, directory: Path, scale: Scale) -> Store:
        """Return the files of this study in a directory."""
        return Store(directory, self.specification, scale)

    def run(self, directory: Path, scale: Scale, progress: ProgressCallback = no_progress) -> Table:
        """Make every missing part and write the table; return the table at once if it is there.

        Each part is kept as it ends, and long parts have checkpoints. After an interruption the same call continues
        and repeats no finished part.

        Args:
            directory: Folder of the table and the parts.
            scale: Scale of the study.
            progress: Callback for reports of progress.

        Raises:
            InputError: If the folder holds another specification, version or data, or cannot be written.
            KeyboardInterrupt: If interrupted.
        """
        store = self.store(directory, scale)
        finished = store.finished()
        if finished is not None:
            self.accept(store, finished)
            return finished
        return store.finish(self.measure(store, progress))

    def caption(self, table: Table) -> Caption:
        """Return the caption of a table.

        Raises:
            InputError: If the table is not of this study, or damaged.
        """
        return caption_of(table, self.presentation)

    def publish(self, directory: Path, scale: Scale, table: Table) -> list[Path]:
        """Write the pictures and the caption of a table; return their paths."""
        store = self.store(directory, scale)
        figures = {store.picture(suffix): figure for suffix, figure in self.presentation.pictures(table).items()}
        for path, figure in figures.items():
            save(figure, path)
        write_text(store.caption, self.caption(table).text())
        return [*figures, store.caption]
