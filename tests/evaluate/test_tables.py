import pytest

from genrec.errors import ConfigError, DataError
from genrec.evaluate.checks.tables import read_table


@pytest.fixture
def read(tmp_path):
    def write_and_read(text: str, **options):
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return read_table(path, **options)

    return write_and_read


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("HR@10", "recall"),
        ("R@10", "recall"),
        ("Recall@10", "recall"),
        ("recall_10", "recall"),
        ("Hit Rate @ 10", "recall"),
        ("hits@10", "recall"),
        ("NDCG@10", "ndcg"),
        ("N@10", "ndcg"),
        ("ndcg 10", "ndcg"),
        ("NDCG10", "ndcg"),
        ("ndcg@k=10", "ndcg"),
        ("N@10 ↑", "ndcg"),
        ("MRR@10", "mrr"),
        ("**N@10**", "ndcg"),
    ],
)
def test_names_of_metrics(read, name, metric):
    (row,) = read(f"Method,{name}\nSASRec,0.0605\n").rows
    (cell,) = row.cells
    assert (row.model, cell.metric, cell.k) == ("SASRec", metric, 10)
    assert (cell.value, cell.slack) == pytest.approx((0.0605, 0.00005))


@pytest.mark.parametrize(
    ("text", "value", "slack"),
    [
        ("0.0605", 0.0605, 0.00005),
        (".0605", 0.0605, 0.00005),
        ("0.0605*", 0.0605, 0.00005),
        ("**0.0605**", 0.0605, 0.00005),
        ("0.0605 ± 0.0012", 0.0605, 0.00005),
        ("6.05%", 0.0605, 0.00005),
        ("6.05e-2", 0.0605, 0.00005),
        ("0.06", 0.06, 0.005),
        ("1", 1, 0.5),
    ],
)
def test_cells_keep_their_digits(read, text, value, slack):
    (row,) = read(f"model,R@10\nx,{text}\n").rows
    assert (row.cells[0].value, row.cells[0].slack) == pytest.approx((value, slack))


def test_empty_cells_are_passed_over_and_words_are_told(read):
    (row,) = read("model,R@5,R@10,N@10\nx,-,,soon\n" + "y,,,\n" + "z,0.1,,\n").rows[-1:]
    assert [cell.k for cell in row.cells] == [5]
    assert read("model,R@5,N@5\nx,0.1,soon\n").rows[0].unreadable == ("soon",)


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ("6.05,3.18", {}, 0.0605),
        ("0.0605,0.0318", {}, 0.0605),
        ("0.9,0.5", {"unit": "percent"}, 0.009),
        ("6.05,3.18", {"unit": "share"}, 6.05),
    ],
)
def test_percent_or_share(read, values, options, expected):
    (row,) = read(f"model,R@10,N@10\nx,{values}\n", **options).rows
    assert row.cells[0].value == pytest.approx(expected)


def test_a_percent_sign_in_the_header_counts_for_its_column(read):
    (row,) = read("model,R@10 (%),N@10\nx,0.9,0.005\n").rows
    assert [cell.value for cell in row.cells] == pytest.approx([0.009, 0.005])


def test_data_sets_as_column_or_in_front_of_metrics(read):
    by_column = read("dataset,model,R@10\nBeauty,x,0.1\nToys,x,0.2\n").rows
    in_front = read("model,Beauty R@10,Toys R@10\nx,0.1,0.2\n").rows
    for rows in (by_column, in_front):
        assert [row.where.lower() for row in rows] == ["beauty · x", "toys · x"]
        assert [row.cells[0].value for row in rows] == [0.1, 0.2]


@pytest.mark.parametrize(
    "text",
    [
        "dataset,model,metric,value\nB,x,R@5,0.1\nB,x,N@5,0.08\nB,y,R@5,0.2\n",
        "dataset,model,metric,k,value\nB,x,recall,5,0.1\nB,x,NDCG,5,0.08\nB,y,HR,5,0.2\n",
        "dataset,model,metric@k,value\nB,x,H@5,0.1\nB,x,N@5,0.08\nB,y,H@5,0.2\n",
        "dataset,metric,x,y\nB,R@5,0.1,0.2\nB,N@5,0.08,-\n",
        "dataset,model,k,recall,ndcg\nB,x,5,0.1,0.08\nB,y,5,0.2,\n",
    ],
    ids=["long", "long with k", "long with metric@k", "turned", "cutoff in a column"],
)
def test_other_forms(read, text):
    first, second = read(text).rows
    assert [cell.title for cell in first.cells] == ["Recall@5", "NDCG@5"]
    assert (second.model, second.cells[0].value) == ("y", 0.2)


@pytest.mark.parametrize(
    "text",
    ["model;R@10;N@10\nx;0,1;0,05\n", "model\tR@10\tN@10\nx\t0.1\t0.05\n",
     "| model | R@10 | N@10 |\n|---|---:|---|\n| x | 0.1 | 0.05 |\n"],
    ids=["semicolon and decimal comma", "tab", "markdown"],
)  # fmt: skip
def test_other_delimiters(read, text):
    (row,) = read(text).rows
    assert (row.model, [cell.value for cell in row.cells]) == ("x", [0.1, 0.05])


def test_a_second_row_of_one_name_is_another_row(read):
    text = "model,metric,value\nx,R@5,0.1\nx,N@5,0.08\nx,R@5,0.2\nx,N@5,0.1\n"
    assert [len(row.cells) for row in read(text).rows] == [2, 2]


def test_one_letter_and_a_number_is_no_metric(read):
    assert read("model,R2,R@5\nx,0.9,0.1\n").ignored == ("R2",)


def test_facts_stand_in_columns_of_their_own(read):
    table = read("model,Beam size,level,candidates,notes,R@10\nx,20,SID,101,hello,0.1\n")
    assert table.rows[0].facts == {"num_beams": 20, "level": "sid", "num_ranked": 101}
    assert table.ignored == ("notes",)


def test_nothing_to_check_is_told(read, tmp_path):
    with pytest.raises(DataError, match="HR@10"):
        read("name,colour\nx,red\n")
    with pytest.raises(DataError):
        read("")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="percent"):
        read("model,R@10\nx,1\n", unit="permille")
