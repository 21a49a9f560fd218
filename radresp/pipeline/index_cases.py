"""Rows of folders that say by their names what is in them: plain case folders and BIDS subjects."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Ordered
from pathlib import Path

from radresp import io
from radresp.core import CaseFiles, Sequence, Timepoint
from radresp.errors import RadrespError
from radresp.pipeline.index_request import COMPLETE, Cells, IndexRequest, empty_cells


def case_rows(folders: Ordered[Path], request: IndexRequest, taken: set[str]) -> Iterator[Cells]:
    """One row a case folder.

    Its name is the case id, as everywhere in radresp, unless it is taken, cannot be one, or looks
    like a person's; then the case gets a pseudonym.

    Parameters
    ----------
    folders : sequence of Path
        Case folders.
    request : IndexRequest
        What to index.
    taken : set of str
        Case ids in use; those of the rows are added.
    """
    for folder in folders:
        place = folder.relative_to(request.root).as_posix()
        pseudonym = io.case_name(io.keyed_hash(request.key, "case", place))
        personal = bool(io.privacy_notes((folder.name,), (1,), column="case_id"))
        row: Cells = {"case_id": pseudonym, **empty_cells()}
        try:
            files = io.find_case(folder, request.root, sessions=request.sessions)
        except RadrespError as error:
            row["x_index"] = f"{error.code}: {error.found}"
        else:
            if not personal and files.case_id.casefold() not in {name.casefold() for name in taken}:
                row["case_id"] = files.case_id
            row |= _addresses(files, request)
            lacking = [t for t in Timepoint if (t, Sequence.T2) not in files.images]
            row["x_index"] = "; ".join(f"{t}_t2: no file" for t in lacking) or COMPLETE
        taken.add(row["case_id"])
        yield row


def _addresses(files: CaseFiles, request: IndexRequest) -> Cells:
    cells = {f"{t}_{s}": path for (t, s), path in files.images.items()}
    for key, path in files.masks.items():
        middle = "" if key.sequence is Sequence.T2 else f"{key.sequence}_"
        cells[f"{key.timepoint}_{middle}{key.roi}"] = path
    return {name: path.relative_to(request.base).as_posix() for name, path in cells.items()}
