"""A table of users: read in any form, cleaned, redacted, known with events or without."""

import json

import pytest

from genrec.data import Dataset
from genrec.data.join import join
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import DataError

EVENTS = "user_id,item_id,timestamp\nann,tea,1\nann,cup,2\nann,pot,3\nbob,tea,1\n"
USERS = """user_id,about,town,age
ann,"I drink tea &amp; bake. ann@post.example",Oslo,41
new,"Call me on +44 20 7946 0123, I like
pots",,
bob,,,
ann,"I drink tea &amp; bake. ann@post.example",Oslo,41
ann,I changed my mind,,
,whose?,,
card,4111 1111 1111 1111,,
"""
KNOWN = {"ann": "I drink tea & bake. … · town: Oslo · age: 41", "new": "Call me on …, I like pots"}


def make(folder, users, **settings):
    (folder / "events.csv").write_text(EVENTS)
    config = PrepareConfig(**{"max_reject_share": 0.5, **settings})
    return prepare(folder / "events.csv", None, folder / "data", config, users)


def test_descriptions_are_cleaned_and_every_row_is_accounted_for(tmp_path):
    (tmp_path / "users.csv").write_text(USERS)
    report = make(tmp_path, tmp_path / "users.csv")
    data = Dataset.load(tmp_path / "data")
    assert data.descriptions == KNOWN
    assert report.described == 2 and report.user_rows == 7
    assert report.user_rejects == {"missing user_id": 1, "repeated user_id": 1}
    assert "4111" not in (tmp_path / "data" / "report.json").read_text()


def test_a_history_knows_its_user_with_events_or_without(tmp_path):
    (tmp_path / "users.csv").write_text(USERS)
    make(tmp_path, [tmp_path / "users.csv"])
    data = Dataset.load(tmp_path / "data")
    assert data.history("ann").about == data.history("ann").before(2).about == KNOWN["ann"]
    assert data.history("ann").without([0]).about == KNOWN["ann"]
    assert (data.history("new").events, data.history("new").about) == ((), KNOWN["new"])
    assert data.history("bob").about is None
    assert next(data.examples("test")).history.about == KNOWN["ann"]
    assert [history.about for history in data.histories("train")] == [KNOWN["ann"], None]
    with pytest.raises(DataError, match="no user 'card'"):
        data.history("card")


@pytest.mark.parametrize("form", ["jsonl", "parquet", "tabs"])
def test_users_come_in_any_form(tmp_path, form):
    rows = [{"UserID": "new", "bio": "I like pots", "pets": ["dog", "cat"]}]
    path = tmp_path / f"users.{form}"
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif form == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        path.write_text("UserID\tbio\tpets\nnew\tI like pots\tdog, cat\n")
    make(tmp_path, path, columns=("about=bio",))
    assert Dataset.load(tmp_path / "data").descriptions == {"new": "I like pots · pets: dog, cat"}


def test_a_table_without_ids_is_refused(tmp_path):
    (tmp_path / "users.csv").write_text("name,about\nann,I bake\n")
    with pytest.raises(DataError, match="no column 'user_id'"):
        make(tmp_path, tmp_path / "users.csv")


def test_too_many_useless_rows_are_told(tmp_path):
    (tmp_path / "users.csv").write_text("user_id,about\n,I bake\n,I hike\n")
    with pytest.raises(DataError, match="user rows cannot be used.*missing user_id"):
        make(tmp_path, tmp_path / "users.csv", max_reject_share=0.1)


def test_joining_keeps_replaces_takes_back_and_forgets(tmp_path):
    (tmp_path / "users.csv").write_text(USERS)
    make(tmp_path, tmp_path / "users.csv")
    data, config = Dataset.load(tmp_path / "data"), PrepareConfig()

    def joined(said, forgotten=()):
        join(data, [], {}, forgotten, (), said, tmp_path / "joined", config, {})
        return Dataset.load(tmp_path / "joined").descriptions

    assert joined({}) == KNOWN
    assert joined({"bob": "I hike", "new": ""}) == {"ann": KNOWN["ann"], "bob": "I hike"}
    assert joined({}, ["ann"]) == {"new": KNOWN["new"]}
