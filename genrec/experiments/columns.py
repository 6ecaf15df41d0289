"""A file or a data frame of a user's own, to arrays that can be reckoned with.

Enters: CSV, Parquet, or a frame of pandas, Polars or Arrow. Leaves: finite numbers and codes of
IDs; whatever else stands there is refused with its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from genrec.arguments import wrong_type
from genrec.errors import DataError
from genrec.frames.read import as_frame
from genrec.schema import ITEM_ID, USER_ID

ARM = "arm"
RECOMMENDATION_ID = "recommendation_id"
_TEXT_COLUMNS = (USER_ID, ITEM_ID, ARM, RECOMMENDATION_ID)


def read_table(path: Path) -> pa.Table:
    """Read a Parquet file, or a CSV or TSV file (also compressed); IDs stay as they are written.

    Raises:
        DataError: There is none, or it cannot be read.
    """
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        delimiter = "\t" if ".tsv" in path.suffixes else ","
        return arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(_TEXT_COLUMNS, pa.string())
            ),
        )
    except FileNotFoundError:
        raise DataError(f"no file {path}; give a Parquet or CSV file") from None
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read ({reason}); give Parquet or CSV") from None


def to_frame(value: Any, name: str) -> nw.DataFrame[Any]:
    """Return a data frame behind one interface.

    Raises:
        DataError: It is none, or has no rows.
    """
    frame = as_frame(value, name)
    if frame is None:
        raise wrong_type(value, name, "a data frame of pandas or Polars, or an Arrow table")
    if not len(frame):
        raise DataError(f"{name} has no rows")
    return frame


def id_codes(frame: nw.DataFrame[Any], column: str, name: str) -> tuple[np.ndarray, list[str]]:
    """Return a column of IDs as codes from 0 in order of appearance, and the IDs.

    Raises:
        DataError: One is missing, or is neither text nor a whole number; it names the row.
    """
    where = f"{name}.{column}"
    try:
        values = frame[column].to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        raise DataError(
            f"{where} holds values of several kinds, or no valid Unicode; make all of them text"
        ) from None
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    if not (
        pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    ):
        raise DataError(
            f"{where} holds values of type {kind}; IDs are text or whole numbers (pandas makes "
            "decimals of them where one is missing: drop that row)"
        )
    text = values.cast(pa.string())
    is_missing = pc.fill_null(pc.equal(text, ""), True)
    if pc.any(is_missing).as_py():
        row = pc.index(is_missing, True).as_py()
        raise DataError(f"{where}[{row}] is missing; drop the row or fill it in")
    ids = pa.chunked_array([text]).combine_chunks().dictionary_encode()
    return ids.indices.to_numpy(zero_copy_only=False), ids.dictionary.to_pylist()


def numbers(
    frame: nw.DataFrame[Any],
    column: str,
    name: str,
    low: float | None = None,
    high: float | None = None,
) -> np.ndarray:
    """Return a column of finite numbers; True and False are 1 and 0.

    Args:
        frame: The user's.
        column: Which.
        name: Of the frame, for messages.
        low: The least that may occur.
        high: The most.

    Raises:
        DataError: A value is missing, no number, not finite or out of range; it names the row.
    """
    try:
        values = pc.cast(frame[column].to_arrow(), pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{name}.{column} does not hold numbers ({reason})") from None
    array = values.to_numpy(zero_copy_only=False)
    remedy = "drop the row or give a finite number"
    refuse_rows(~np.isfinite(array), array, f"{name}.{column}", remedy)
    if low is not None:
        refuse_rows(array < low, array, f"{name}.{column}", f"it must be at least {low:g}")
    if high is not None:
        refuse_rows(array > high, array, f"{name}.{column}", f"it must be at most {high:g}")
    return np.asarray(array, dtype=float)


def refuse_rows(wrong: np.ndarray, values: np.ndarray, name: str, remedy: str) -> None:
    """Refuse a column if any row of it is wrong.

    Args:
        wrong: Which rows are. Shape: (R,).
        values: The column. Shape: (R,).
        name: Of the column.
        remedy: What to do about it.

    Raises:
        DataError: One is; it names the first and counts the others.
    """
    rows: Sequence[int] = np.flatnonzero(wrong).tolist()
    if rows:
        more = f" and {len(rows) - 1:,} more rows" if len(rows) > 1 else ""
        raise DataError(f"{name}[{rows[0]}] is {values[rows[0]]:g}{more}; {remedy}")
