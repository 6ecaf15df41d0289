"""What every picture shares: axes given or made, colours, and names drawn as the text they are.

A function that draws takes ``ax`` and returns it, as in pandas and seaborn: a figure of a user's
own can hold several. matplotlib loads with the first picture.

Source of the colours: Okabe and Ito 2008, "Color universal design", told apart with every common
kind of colour blindness.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrec.arguments import check_type
from genrec.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW)
INK, QUIET, PALE = "#222222", "#666666", "#D9D9D9"

_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK JP", "Noto Sans Arabic", "Unifont")


@contextmanager
def open_axes(ax: Axes | None, size: tuple[float, float]) -> Iterator[Axes]:
    """Yield the axes to draw on, with fonts for many scripts while they are drawn on.

    Args:
        ax: The user's; None: those of a new pyplot figure, which a notebook shows by itself.
        size: Of a new figure, inches.

    Raises:
        ConfigError: matplotlib is not installed.
        WrongTypeError: ``ax`` is no axes.
    """
    with _drawing():
        from matplotlib.axes import Axes

        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.subplots(figsize=size, layout="constrained")[1]
        yield check_type(ax, "ax", Axes, "matplotlib axes")


@contextmanager
def picture(path: Path | str, size: tuple[float, float]) -> Iterator[Any]:
    """Yield a new figure, and write it when it is drawn.

    Args:
        path: To write; its ending says how: .png, .svg or .pdf.
        size: Inches.

    Raises:
        ConfigError: matplotlib is not installed, or nothing can be written there.
    """
    with _drawing():
        from matplotlib.figure import Figure

        # Not through pyplot, which needs a display and keeps figures alive.
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150)
        except (ValueError, OSError) as error:
            raise ConfigError(f"cannot draw to {path}: {str(error).splitlines()[0]}") from None


def plain(text: str, most: int | None = None) -> str:
    """Return a text as matplotlib shows it: a dollar sign begins no formula.

    Args:
        text: Such as a title.
        most: Characters, beyond which it is cut.
    """
    short = text if most is None or len(text) <= most else text[: most - 1] + "…"
    return short.replace("$", r"\$")


def name_ticks(axis: Any, places: Sequence[float], names: Sequence[str], most: int = 28) -> None:
    """Write names of ``most`` characters beside places of an axis, in the picture's fonts."""
    import matplotlib

    # An axis that was made before would keep the fonts of then.
    axis.set_ticks(
        places,
        [plain(name, most) for name in names],
        fontfamily=matplotlib.rcParams["font.family"],
    )


@contextmanager
def _drawing() -> Iterator[None]:
    try:
        import matplotlib
        from matplotlib.font_manager import get_font_names
    except ImportError:
        raise ConfigError("drawing needs matplotlib: pip install 'genrec[interests]'") from None
    installed = set(get_font_names())
    own: list[str] = matplotlib.rcParams["font.family"]
    fonts = [*own, *(font for font in _FONTS if font in installed and font not in own)]
    with matplotlib.rc_context({"font.family": fonts}), warnings.catch_warnings():
        # A character that no installed font has is drawn as a box, and told of once a label.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield
