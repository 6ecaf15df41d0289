"""A plain OpenAI client: whatever it asks, only IDs that exist come back."""

import asyncio
from dataclasses import replace

import httpx
import openai
import pytest

from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.model.load import load_run
from genrec.schema import Item
from genrec.semantic_ids.extend import add_items
from tests.vllm.conftest import codes_in

RAW = {"skip_special_tokens": False, "spaces_between_special_tokens": False}
"""Without these vLLM leaves special tokens, and so items, out of the text."""


@pytest.fixture(scope="module")
def model(moved):
    return str(moved.folder / "base")


@pytest.fixture
def items(run):
    return {tuple(codes): row for row, codes in enumerate(run.table.codes.tolist())}


async def ask(client, model, prompt, max_tokens=3, extra=None, **options):
    body = {**RAW, **(extra or {})}
    return await client.completions.create(
        model=model, prompt=prompt, max_tokens=max_tokens, extra_body=body, **options
    )


async def rows_of(answer, items):
    return [items[tuple(codes_in(choice.text))] for choice in (await answer).choices]


def test_samples_beams_and_streams_are_items(client, model, prompts, items):
    async def talk():
        streamed = []
        for prompt in prompts[:3]:
            samples = await rows_of(ask(client, model, prompt, n=30, temperature=1.5), items)
            assert len(set(samples)) > 5
            assert len(await rows_of(ask(client, model, prompt, temperature=0), items)) == 1
            beams = ask(client, model, prompt, n=20, temperature=0, extra={"use_beam_search": True})
            beams = await rows_of(beams, items)
            assert len(beams) == len(set(beams)) == 20
            pieces = [
                chunk.choices[0].text
                async for chunk in await ask(client, model, prompt, stream=True, temperature=1.0)
            ]
            assert tuple(codes_in("".join(pieces))) in items
            streamed.append(len(pieces))
        # A busy server may send together what it could not send one by one; not every time.
        assert max(streamed) >= 3

    asyncio.run(talk())


def test_vllms_own_beams_are_those_of_the_causal_lm_alone(client, model, chain, prompts, items):
    """The SASRec head has its say in our own routes only."""
    alone = TorchEngine(replace(load_run(chain.pretrain), sasrec_head=None), num_beams=20)
    beams = ask(client, model, prompts[-1], n=20, temperature=0, extra={"use_beam_search": True})
    assert asyncio.run(rows_of(beams, items)) == (
        alone.items([ItemQuery(prompts[-1])], 20)[0].rows.tolist()
    )


def test_a_prompt_may_stand_inside_an_item_and_text_goes_on_after_one(client, model, prompts, run):
    tokens = run.vocabulary.paths(run.table.codes)
    prompt = [*prompts[-1], *tokens[7, :2].tolist()]

    async def talk():
        last = await ask(client, model, prompt, max_tokens=1, n=8, temperature=2.0)
        endings = {tuple(run.table.codes[7, :2].tolist() + _last(c.text)) for c in last.choices}
        assert endings <= set(map(tuple, run.table.codes.tolist()))
        after = await ask(client, model, [*prompt, int(tokens[7, 2])], max_tokens=8, temperature=0)
        assert after.choices[0].text and not after.choices[0].text.startswith("<a_")

    asyncio.run(talk())


def _last(text):
    return [int(text[text.index("_") + 1 : -1])]


def test_filters_hold_for_each_request_of_its_own(client, model, prompts, items, run):
    ids = run.table.item_ids

    async def talk():
        async def narrow(number):
            candidates = list(range(number, 240, 24))
            extra = {
                "vllm_xargs": {
                    "genrec_candidates": [ids[row] for row in candidates],
                    "genrec_exclude": [candidates[0], ids[candidates[1]]],
                }
            }
            answer = ask(client, model, prompts[1], n=4, temperature=2.0, extra=extra)
            assert set(await rows_of(answer, items)) <= set(candidates[2:])

        await asyncio.gather(*(narrow(number) for number in range(12)))

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"genrec_candidates": "item"}, "must be a list"),
        ({"genrec_candidates": ["nobody"]}, "nobody"),
        ({"genrec_exclude": [10**9]}, "not in the served table"),
        ({"genrec_exclude": [0.5]}, "must be a list"),
        ({"genrec_candidates": [3], "genrec_exclude": [3]}, "leave no item"),
    ],
)
def test_bad_filters_are_the_clients_error(client, model, prompts, filters, message):
    with pytest.raises(openai.BadRequestError, match=message):
        asyncio.run(ask(client, model, prompts[0], extra={"vllm_xargs": filters}))


def test_filters_that_vllms_beam_search_would_drop_are_refused(client, model, prompts):
    extra = {"use_beam_search": True, "vllm_xargs": {"genrec_candidates": [1, 2, 3]}}
    with pytest.raises(openai.BadRequestError, match="/genrec/items"):
        asyncio.run(ask(client, model, prompts[0], n=3, extra=extra))


def test_mixed_traffic_with_cancelled_requests(client, model, engine, prompts, items, run):
    """Text, samples, beams and an adapter at once; a third of the clients hang up."""
    adapter = engine._loaded["run"].served_name
    text_prompt = run.encoder.tokenize(["rated 5 · lovely tea"])[0]

    async def talk():
        async def text(number):
            answer = await ask(client, model, text_prompt, 12, temperature=1.0, seed=number)
            assert answer.choices[0].text

        async def sample(number):
            name = (model, adapter)[number % 2]
            prompt = prompts[number % len(prompts)]
            await rows_of(ask(client, name, prompt, n=3, temperature=1.5), items)

        async def beams(number):
            extra = {"use_beam_search": True}
            answer = ask(client, adapter, prompts[number % 3], n=10, temperature=0, extra=extra)
            assert len(set(await rows_of(answer, items))) == 10

        async def hang_up(number):
            question = ask(client, model, text_prompt, 200, n=2, extra={"ignore_eos": True})
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(question, 0.02 * (1 + number % 4))

        kinds = (text, sample, hang_up, beams, sample, hang_up)
        await asyncio.gather(*(kinds[number % 6](number) for number in range(48)))

    asyncio.run(talk())
    assert _running(engine) == 0


def _running(engine) -> float:
    """Requests vLLM still works on, soon after the last client left."""
    for _ in range(50):
        metrics = engine._http.get("/metrics").text
        lines = [line for line in metrics.splitlines() if line.startswith("vllm:num_requests_run")]
        running = sum(float(line.split()[-1]) for line in lines)
        if lines and not running:
            return 0.0
    return running


def test_an_item_put_while_serving_can_be_written_at_once(
    client, model, engine, prompts, run, vllm_server
):
    grown = add_items(run.table, [Item("new", title="Tea kettle of glass")])
    extra = {"vllm_xargs": {"genrec_candidates": ["new"]}}

    async def talk():
        with pytest.raises(openai.BadRequestError, match="new"):
            await ask(client, model, prompts[0], extra=extra)
        engine.replace_table(grown)
        try:
            answer = await ask(client, model, prompts[0], extra=extra)
            assert codes_in(answer.choices[0].text) == list(grown.codes_of("new"))
            assert httpx.get(f"{vllm_server.url}/genrec").json()["items"] == len(grown)
        finally:
            engine.replace_table(run.table)
        with pytest.raises(openai.BadRequestError, match="new"):
            await ask(client, model, prompts[0], extra=extra)

    asyncio.run(talk())
