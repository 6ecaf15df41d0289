"""Adapters come, are switched and go while clients ask; nobody's request fails."""

import itertools
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from genrec.data import Dataset
from genrec.engines.base import ItemQuery
from genrec.engines.vllm.client import VllmEngine
from genrec.schema import Request


def test_no_request_fails_while_adapters_change(engine, vllm_server, run, chain, prompts, tmp_path):
    """Four clients ask with the run's adapter while others are loaded, used and dropped."""
    copies = [tmp_path / f"copy{number}" for number in range(3)]
    for number, copy in enumerate(copies):
        shutil.copytree(chain.sft, copy)
        manifest = json.loads((copy / "manifest.json").read_text())
        manifest["content_hash"] = f"{number:016d}"
        (copy / "manifest.json").write_text(json.dumps(manifest))
    expected = engine.items([ItemQuery(prompt) for prompt in prompts], 5)
    stop, failures, asked = threading.Event(), [], [0] * 4

    def load(number):
        while not stop.is_set():
            place = asked[number] % len(prompts)
            try:
                found = engine.items([ItemQuery(prompts[place])], 5)[0]
                np.testing.assert_allclose(found.scores, expected[place].scores, atol=1e-4)
                assert found.rows.tolist() == expected[place].rows.tolist()
            except Exception as error:
                failures.append(error)
            asked[number] += 1

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    other = VllmEngine(vllm_server.url, run, num_beams=20)
    for number, copy in enumerate(copies * 2):
        other.load_adapter(f"copy{number}", copy)
        other.use_adapter(f"copy{number}")
        found = other.items([ItemQuery(prompts[0])], 5)[0]
        np.testing.assert_allclose(found.scores, expected[0].scores, atol=1e-4)
        other.use_adapter(None)
        other.drop_adapter(f"copy{number}")
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    assert min(asked) >= 3 and other.adapters == []


def test_answers_without_an_adapter_are_the_bases_own_among_requests_with_one(
    vllm_server, run, chain, torch_engine
):
    """Prompts nobody asked before, so that what is computed among others is what is answered."""
    histories = itertools.islice(Dataset.load(chain.data).histories("test"), 40, 64)
    prompts = run.encoder.prompts([Request(history) for history in histories])
    queries = [ItemQuery(prompt) for prompt in prompts]
    engines = [VllmEngine(vllm_server.url, run, num_beams=20) for _ in range(3)]
    for name, engine in zip(("one", "two"), engines[1:], strict=True):
        engine.load_adapter(name, chain.sft)
        engine.use_adapter(name)
    with ThreadPoolExecutor(3) as threads:
        bare, *tuned = threads.map(lambda engine: engine.items(queries, 5), engines)
    try:
        torch_engine.use_adapter(None)
        expected = torch_engine.items(queries, 5)
    finally:
        torch_engine.use_adapter("default")
    for answers, right in ((bare, expected), (tuned[0], torch_engine.items(queries, 5))):
        for found, known in zip(answers, right, strict=True):
            np.testing.assert_allclose(found.scores, known.scores, atol=1e-4)
    for engine in engines[1:]:
        name = engine.adapter
        engine.use_adapter(None)
        engine.drop_adapter(name)


def test_an_adapter_trained_again_in_place_is_not_answered_from_the_old_cache(
    vllm_server, run, chain, prompts, tmp_path
):
    """vLLM tells cached prompts apart by an adapter's name and path, not by its weights."""
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "daily"
    shutil.copytree(chain.sft, path)
    url = f"{vllm_server.url}/genrec/adapters"
    engine = VllmEngine(vllm_server.url, run, num_beams=20)

    def answer():
        httpx.post(url, json={"name": "daily", "path": str(path)}).raise_for_status()
        body = {"base": engine._base, "table": engine._table_id, "prompts": [prompts[-1]]}
        body["adapter"] = "daily"
        found = httpx.post(f"{vllm_server.url}/genrec/codes", json=body)
        return np.array(found.raise_for_status().json()["log_probs"][0])

    first = answer()
    np.testing.assert_allclose(answer(), first, atol=1e-6)
    weights = load_file(path / "adapter_model.safetensors")
    zeros = {name: np.zeros_like(value) for name, value in weights.items()}
    save_file(zeros, path / "adapter_model.safetensors", {"format": "pt"})
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["content_hash"] = "1" * 16
    (path / "manifest.json").write_text(json.dumps(manifest))
    taken = httpx.post(url, json={"name": "daily", "path": str(path)})
    assert taken.status_code == 400 and "another adapter" in taken.text
    httpx.delete(f"{url}/daily").raise_for_status()
    bare = engine.code_log_probs([prompts[-1]])[0]
    np.testing.assert_allclose(answer(), bare[np.isfinite(bare)], atol=1e-5)
    assert np.abs(answer() - first).max() > 1e-3
    httpx.delete(f"{url}/daily").raise_for_status()


@pytest.mark.parametrize("change", ["missing", "other base", "damaged", "name"])
def test_adapters_that_do_not_fit_are_refused_by_the_server_too(
    vllm_server, chain, tmp_path, change
):
    path, name = tmp_path / "adapter", "wrong"
    if change != "missing":
        shutil.copytree(chain.sft, path)
    if change == "other base":
        manifest = json.loads((path / "manifest.json").read_text())
        manifest["parents"]["base"]["content_hash"] = "0" * 16
        (path / "manifest.json").write_text(json.dumps(manifest))
    if change == "damaged":
        (path / "adapter_model.safetensors").write_bytes(b"no weights")
    if change == "name":
        name = "../wrong"
    answer = httpx.post(
        f"{vllm_server.url}/genrec/adapters", json={"name": name, "path": str(path)}, timeout=60
    )
    assert answer.status_code == 400 and answer.json()["error"]["message"]
    assert name not in httpx.get(f"{vllm_server.url}/genrec").json()["adapters"]
    gone = httpx.delete(f"{vllm_server.url}/genrec/adapters/nobody")
    assert gone.status_code == 404 and "load it first" in gone.text


def test_vllms_unchecked_way_to_load_adapters_is_closed(vllm_server, chain):
    body = {"lora_name": "unchecked", "lora_path": str(chain.sft)}
    answer = httpx.post(f"{vllm_server.url}/v1/load_lora_adapter", json=body)
    assert answer.status_code == 404
