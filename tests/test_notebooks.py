"""The notebooks of the documentation run, and give the outputs that are stored in them."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
NOTEBOOKS = ("quickstart", "own_data", "interests")
"""In the order in which they are read: the last one opens the model of the first."""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebooks as they are after running in an empty copy of their folder, by name."""
    folder = tmp_path_factory.mktemp("docs")
    for part in ("notebooks", "samples"):
        shutil.copytree(ROOT / "docs" / part, folder / part, ignore=shutil.ignore_patterns("*/"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("PYTHONWARNINGS", "ignore:IProgress not found")
        return {name: _run(folder / "notebooks" / f"{name}.ipynb") for name in NOTEBOOKS}


def _run(path: Path):
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    return NotebookClient(notebook, timeout=600, resources=resources).execute()


def outputs(notebook) -> list[list[set[str]]]:
    """Return for each cell of code the kinds of what it returns and draws.

    Lines of progress are left out: how many there are depends on how long it took.
    """
    return [
        [
            set(output.data)
            for output in cell.outputs
            if output.output_type == "execute_result" or "image/png" in output.get("data", ())
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_gives_what_is_stored_in_it(executed, name):
    stored = nbformat.read(ROOT / "docs" / "notebooks" / f"{name}.ipynb", as_version=4)
    assert outputs(executed[name]) == outputs(stored)
    assert all(cell.execution_count for cell in stored.cells if cell.cell_type == "code")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_names_no_folder_of_a_machine(name):
    text = (ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    assert "site-packages" not in text and str(ROOT) not in text


def test_what_notebooks_show_of_real_work(executed):
    shown = {name: nbformat.writes(notebook) for name, notebook in executed.items()}
    assert "validation NDCG@10" in shown["quickstart"]
    assert "--columns user_id=visitorid,event_type=event" in shown["own_data"]
    assert "DataError" in shown["own_data"]
    assert shown["interests"].count("image/png") == 2
