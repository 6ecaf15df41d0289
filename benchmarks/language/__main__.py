"""What language buys: from scratch against a pretrained model, IDs against words, on one log.

    python -m benchmarks.language --events FILE --items FILE --out runs/language/NAME

Every row (``rows.py``) trains a model on the same events and ranks the same catalogue for the same
users, the causal LM alone and pooled with the SASRec head. The columns (``columns.py``) ask with
whole histories and by the last events alone, without reviews and without titles; about items that
training never met, for which each row is trained once more on what is left; and about another
log's catalogue, where one is given with ``--other-events`` and ``--other-items``; and, where
``--users`` takes a sample for training, about everybody else. What is there already in the folder
is not made again, so rows, columns and seeds can be added one by one.

The last lines are the section that ``python -m benchmarks.results_page`` puts into docs/results.md,
and its figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from benchmarks.event_files import read_events, read_items, write_events, write_items
from benchmarks.language.columns import COLUMNS, PARTS, ask, make_new, place
from benchmarks.language.rows import ROWS, genrec, make_tables, train
from benchmarks.language.section import COMMAND_FILE, read_cells, to_json, write_section


def sample_users(events: Path, users: int, out: Path) -> Path:
    """Write the events of a seeded sample of users of a CSV file."""
    rows = read_events(events)
    known = sorted({row["user_id"] for row in rows})
    kept = set(random.Random(0).sample(known, min(users, len(known))))
    return write_events((row for row in rows if row["user_id"] in kept), out)


def leave_strangers(events: Path, sample: Path, out: Path) -> Path:
    """Write the events of who is not in a sample, of items that are; both are CSV files."""
    taken = read_events(sample)
    users, items = ({row[name] for row in taken} for name in ("user_id", "item_id"))
    others = (row for row in read_events(events) if row["user_id"] not in users)
    return write_events((row for row in others if row["item_id"] in items), out)


def keep_items(items: Path, events: Path, out: Path) -> Path:
    """Write the items of a JSONL file that a CSV file of events names."""
    taken = {row["item_id"] for row in read_events(events)}
    return write_items((item for item in read_items(items) if item["item_id"] in taken), out)


def held_out(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the setting of ``genrec prepare`` for whose events are held out for validation."""
    users = arguments.valid_users
    return () if users is None else ("--set", f"valid_users={users}")


def make_folder(arguments: argparse.Namespace) -> None:
    """Prepare the data and tables that rows and columns want."""
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "data").exists():
        events, items = arguments.events, arguments.items
        if arguments.users:
            events = sample_users(events, arguments.users, folder / "events.csv")
        if arguments.own_items:
            items = keep_items(items, events, folder / "items.jsonl")
        files = ("--events", events, "--items", items)
        genrec("prepare", *files, "--out", folder / "data", *held_out(arguments))
    make_tables(folder)
    if "new-items" in arguments.columns:
        make_new(folder, arguments.items, held_out(arguments))
    if "other-catalogue" in arguments.columns and not (folder / "other").exists():
        files = ("--events", arguments.other_events, "--items", arguments.other_items)
        genrec("prepare", *files, "--out", folder / "other")
    if "strangers" in arguments.columns and not (folder / "strangers").exists():
        out = folder / "strangers.csv"
        leave_strangers(arguments.events, folder / "events.csv", out)
        items = folder / "items.jsonl" if arguments.own_items else arguments.items
        genrec("prepare", "--events", out, "--items", items, "--out", folder / "strangers")


def note_command(arguments: argparse.Namespace, commands: Path) -> None:
    """Keep the command for the page, without the folders of this machine."""
    said = ["python -m benchmarks.language"]
    for name in ("events", "items", "other_events", "other_items"):
        if file := getattr(arguments, name):
            said.append(f"--{name.replace('_', '-')} {file.parent.name}/{file.name}")
    said.append(f"--out runs/language/{arguments.out.name}")
    for name in ("users", "valid_users", "asked_users", "beams", "review_chars", "precision"):
        if (value := getattr(arguments, name)) is not None:
            said.append(f"--{name.replace('_', '-')} {value}")
    if arguments.own_items:
        said.append("--own-items")
    kept = commands.read_text(encoding="utf-8").splitlines() if commands.exists() else []
    lines = dict.fromkeys([*kept, " ".join(said)])
    commands.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--other-events", type=Path, help="a log whose catalogue is ranked, too")
    parser.add_argument("--other-items", type=Path)
    parser.add_argument("--users", type=int, help="train on a seeded sample of so many (CSV only)")
    parser.add_argument("--valid-users", type=int, help="of `genrec prepare`; default: its own")
    parser.add_argument("--own-items", action="store_true", help="leave out what they never took")
    parser.add_argument("--asked-users", type=int, default=200, help="a seeded sample is asked")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--beams", type=int, default=20)
    parser.add_argument("--review-chars", type=int, default=200, help="of a review in the stream")
    parser.add_argument("--precision", default="no", help="of the training: no or bf16")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[*ROWS])
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, help="default: all that can be")
    arguments = parser.parse_args()
    has_other = bool(arguments.other_events and arguments.other_items)
    if arguments.columns is None:
        # What no prompt holds cannot be taken away.
        can = {
            "other-catalogue": has_other,
            "strangers": bool(arguments.users),
            "no-reviews": bool(arguments.review_chars),
        }
        arguments.columns = [name for name in COLUMNS if can.get(name, True)]
    elif "other-catalogue" in arguments.columns and not has_other:
        parser.error("another catalogue: give --other-events and --other-items")
    elif "strangers" in arguments.columns and not arguments.users:
        parser.error("people it never met: give --users, or everybody is met")
    return arguments


def main() -> None:
    """Train and ask what is not there yet, and print the section."""
    arguments = read_arguments()
    folder: Path = arguments.out
    make_folder(arguments)
    note_command(arguments, folder / COMMAND_FILE)
    launcher = ("--config_file", "train/accelerate/cpu.yaml")
    launcher += ("--mixed_precision", arguments.precision)
    for seed in arguments.seeds:
        for name in arguments.rows:
            for column in arguments.columns:
                if column == "no-titles" and not ROWS[name].reads_titles:
                    continue
                asked = COLUMNS[column]
                home = folder / "new" if asked.catalogue == "new" else folder
                run = train(name, home, seed, launcher, arguments.review_chars)
                for part, weight in PARTS.items():
                    out = place(folder, name, part, column) / str(seed)
                    if not out.exists():
                        ask(asked, run, weight, folder, arguments.beams, arguments.asked_users, out)
    print(write_section(folder))
    print(json.dumps(to_json(read_cells(folder)), ensure_ascii=False))


if __name__ == "__main__":
    main()
