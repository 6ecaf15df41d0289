"""Pages of the documentation site that are made when it is built.

Enters: README, CONTRIBUTING and CHANGELOG, which people look for at the top of the repository, the
notebooks, and the tree of ``genrec``. Leaves: the same three as pages with their links turned
round, the notebooks as pages with their stored outputs, and one API page for each package, which
mkdocstrings fills from docstrings.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[2]
TOP = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the API pages to the navigation."""
    pages = [{name: f"api/{name}.md"} for name in api_pages()]
    config.nav = [*(config.nav or []), {"API": pages}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the made pages to those that lie in ``docs``."""
    for name, page in TOP.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        for other, target in TOP.items():
            text = text.replace(f"]({other})", f"]({target})")
        files.append(File.generated(config, page, content=text))
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        for name, content in notebook_page(path).items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    for name, modules in api_pages().items():
        blocks = "\n\n".join(f"::: {module}" for module in modules)
        files.append(File.generated(config, f"api/{name}.md", content=f"# {name}\n\n{blocks}\n"))
    return files


def notebook_page(path: Path) -> dict[str, str | bytes]:
    """Return the files of a notebook's page: its Markdown, and the pictures in it."""
    text, resources = MarkdownExporter().from_filename(str(path))
    pictures = resources.get("outputs", {})
    for name in pictures:
        text = text.replace(f"({name})", f"({path.stem}_{name})")
    text = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", text)
    return {f"{path.stem}.md": text} | {
        f"{path.stem}_{name}": content for name, content in pictures.items()
    }


def api_pages() -> dict[str, list[str]]:
    """Return the modules of each page: a package's own, or those that lie in ``genrec`` itself."""
    pages: dict[str, list[str]] = {}
    for path in sorted((ROOT / "genrec").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "migrations" in parts or parts[-1] == "__main__":
            continue
        module = ".".join(part for part in parts if part != "__init__")
        pages.setdefault(parts[1] if len(parts) > 2 else "genrec", []).append(module)
    return pages
