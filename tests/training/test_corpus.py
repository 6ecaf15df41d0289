"""The plan of an epoch: which samples, how often, in which steps."""

from collections import Counter
from itertools import chain

import pytest

from genrec.data import Dataset
from genrec.model.load import load_run
from genrec.model.loss import Target
from genrec.stream.sid_text import sid_text
from genrec.stream.templates import quote
from genrec.training.config import Mixture
from genrec.training.corpus import TASKS, Corpus, write_corpus
from genrec.training.samples import REVIEWS, TEXT_CHARS, text_samples
from tests.little_run import make_little_base


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A function from shares to how often each task's samples stand in an epoch."""
    folder = tmp_path_factory.mktemp("corpus")
    items, events = folder / "items.csv", folder / "events.csv"
    items.write_text("item_id,title\n" + "".join(f"{each},Thing {each}\n" for each in "abcdef"))
    rows = [
        f"{user},{item},{1_600_000_000 + place}"
        for user in "xyz"
        for place, item in enumerate("abcdef")
    ]
    events.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    make_little_base(folder, events, items)
    run, everything = load_run(folder / "base"), Mixture(titles=1)
    write_corpus(folder / "corpus", Dataset.load(folder / "data"), run.encoder, everything, 0)

    def plan(epoch: int = 0, **shares: float) -> tuple[Counter, dict[str, set[int]]]:
        mixture = Mixture(**{**dict.fromkeys(TASKS, 0), **shares})
        corpus = Corpus(folder / "corpus", mixture, 256, 2, 0, seed=0)
        counted = Counter(chain.from_iterable(chain.from_iterable(corpus.steps(epoch))))
        return counted, {task: set(numbers) for task, numbers in corpus._of_task.items()}

    return plan


@pytest.mark.parametrize("share", [0, 0.5, 1, 2, 2.5])
def test_a_share_says_how_often_samples_come(plan, share):
    counted, of_task = plan(titles=share)
    titles = of_task["titles"]
    assert len(titles) == 12  # Both ways between the ID and the title of each of six items.
    assert set(counted) <= titles and counted.total() == round(share * len(titles))
    often = {counted[number] for number in titles}
    assert often <= {int(share), int(share) + (share % 1 > 0)}


def test_tasks_are_mixed_and_epochs_differ(plan):
    counted, of_task = plan(next_item=1, titles=3)
    assert {counted[number] for number in of_task["next_item"]} == {1}
    assert {counted[number] for number in of_task["titles"]} == {3}
    assert plan(epoch=1, titles=0.5)[0] != plan(epoch=2, titles=0.5)[0]
    assert not plan()[0]


def test_texts_ask_for_the_item_that_they_tell_of(tmp_path):
    items, events = tmp_path / "items.jsonl", tmp_path / "events.csv"
    long = "A pot of clay, " * 40
    items.write_text(
        '{"item_id": "a", "title": "Pot", "categories": ["Home", "Tea"], "description": "'
        + long
        + '"}\n{"item_id": "b", "title": "Cup"}\n'
    )
    said = ["Lovely <|item|> pot", *(f"Again {number}" for number in range(REVIEWS)), ""]
    rows = [f"u{number},a,{number},{text}" for number, text in enumerate(said)]
    rows += [f"u{number},b,{number + 9}," for number in range(4)]
    events.write_text("\n".join(["user_id,item_id,timestamp,review", *rows]) + "\n")
    make_little_base(tmp_path, events, items)
    run, data = load_run(tmp_path / "base"), Dataset.load(tmp_path / "data")
    found = list(text_samples(data.items, data.histories("train"), run.encoder))
    codes = sid_text(run.table.codes_of("a"))
    tokenizer = run.encoder.tokenizer
    written = [tokenizer.decode(sample.input_ids) for sample in found]
    texts = ["Tea · Home", quote(long, TEXT_CHARS), "Lovely ‹|item|> pot", "Again 0", "Again 1"]
    assert written == [f"<|title|>{text}<|item|>{codes}" for text in texts]
    for sample in found:
        answer = run.table.num_levels
        asked = [Target.NONE] * (len(sample.input_ids) - answer) + [Target.TITLE] * answer
        assert sample.targets == asked
