"""Tables of anybody: the numbers that each check refuses, and what is said beside them."""

from pathlib import Path

import pytest

from genrec.evaluate.checks import check, read_report_tables

PUBLISHED = Path(__file__).parent / "published"


@pytest.fixture
def table(tmp_path):
    """Return the rules that a table breaks, with where."""

    def write_and_check(text: str) -> list[tuple[str, str]]:
        (tmp_path / "table.csv").write_text(text, encoding="utf-8")
        (table,) = read_report_tables(tmp_path / "table.csv")
        return [(found.rule, found.where) for found in check(table)]

    return write_and_check


# --- the numbers alone


def test_the_published_impossible_cells_are_refused_and_no_others():
    """MiniOneRec, arXiv 2510.24431: four cells of its table cannot stand beside the others."""
    (table,) = read_report_tables(PUBLISHED / "minionerec.csv")
    found = [(each.rule, each.where) for each in check(table) if each.severity == "fail"]
    assert found == [
        ("bounds", "Industrial · HSTU · NDCG@3"),
        ("bounds", "Industrial · D3 · NDCG@3"),
        ("bounds", "Office · TIGER · NDCG@5"),
        ("bounds", "Office · S-DPO · NDCG@10"),
    ]
    assert sum(len(row.cells) for row in table.rows) == 132


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("0.0500,0.0300,0.0400,0.0250", "monotone"),
        ("0.0500,0.0300,0.0700,0.0250", "bounds"),
        ("0.0500,0.0600,0.0700,0.0650", "bounds"),
        ("0.0500,0.0100,0.0700,0.0170", "bounds"),
        ("0.0500,0.0300,1.0700,0.0350", "range"),
        ("0.0500,-0.0300,0.0700,0.0350", "range"),
    ],
    ids=["recall falls", "ndcg falls", "ndcg over recall", "ndcg too low", "over 1", "below 0"],
)
def test_impossible_numbers(table, row, rule):
    header = "model,R@5,N@5,R@10,N@10\nrepeat-last,.01,.01,.01,.01\n"
    found = table(f"{header}x,{row}\n")
    assert found and {each for each, _ in found} == {rule}
    assert all(where.startswith("x · ") for _, where in found)
    assert table(f"{header}x,0.0500,0.0300,0.0700,0.0365\n") == []


@pytest.mark.parametrize(
    "row", [".0500,.0700,.0600,.0600", ".0500,.0700,.0400,.0300"], ids=["over recall", "falls"]
)
def test_with_one_target_bounds_alone_tell_an_impossible_mrr(table, row):
    header = "model,R@5,R@10,MRR@5,MRR@10\nrepeat-last,.01,.01,.01,.01\n"
    assert {rule for rule, _ in table(f"{header}x,{row}\n")} == {"bounds"}


def test_rounding_is_no_fall(table):
    header = "model,R@5,R@10\nrepeat-last,.01,.01\n"
    assert table(f"{header}x,.05,.0499\n") == []
    assert table(f"{header}x,.0500,.0498\n") == [("monotone", "x · Recall@10")]


def test_mrr_falls_with_several_targets(table):
    header = "model,protocol,MRR@5,MRR@10,N@5,N@10\nrepeat-last,global-time,.1,.1,.1,.1\n"
    assert table(f"{header}x,global-time,.30,.20,.30,.30\n") == [("monotone", "x · MRR@10")]
    assert table(f"{header}x,global-time,.30,.30,.30,.20\n") == []


def test_words_for_numbers_are_told(table):
    assert ("readable", "repeat-last") in table("model,R@5\nx,.1\nrepeat-last,good\n")


# --- what a table says beside its numbers


@pytest.mark.parametrize(
    ("column", "bad", "good", "rule"),
    [
        ("num_beams", "5", "10", "beams"),
        ("level", "sid", "item", "item-level"),
        ("invalid rate", "2%", "0", "valid-lists"),
        ("duplicates", "0.1", "0.0", "valid-lists"),
        ("num_items,candidates", "12101,101", "12101,12101", "whole-catalogue"),
    ],
)
def test_what_a_table_admits(table, column, bad, good, rule):
    text = f"model,R@10,{column}\nrepeat-last,.01,{good}\nx,.1,%s\n"
    assert table(text % bad) == [(rule, "x")]
    assert table(text % good) == []


def test_each_data_set_needs_its_floor(table):
    text = "dataset,model,R@10\nA,Repeat last item,.01\nA,x,.1\nB,x,.1\n"
    assert table(text) == [("floor", "B")]
