import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from benchmarks.decode_speed import allowed_tokens, generate
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import Trie
from genrec.errors import DecodeError
from tests.decode.dense import fuse
from tests.decode.exact import exact_scores
from tests.decode.tries import CLOSE, FEW, search


def random_paths(seed, num_paths=60, num_levels=3, width=12):
    """Paths over one band of tokens a level, so that some nodes have one child and some many."""
    rng = np.random.default_rng(seed)
    rows = np.minimum(rng.geometric(0.25, (20 * num_paths, num_levels)) - 1, width - 1)
    rows = np.unique(rows, axis=0)
    rows = rows[rng.permutation(len(rows))[:num_paths]]
    return rows + np.arange(num_levels) * width


def check_best(beams, scores):
    """Check beams against the scores of all leaves. Shapes: (B, K), (B, N)."""
    found = scores.gather(1, beams.leaves.clamp(min=0)).masked_fill(beams.leaves < 0, -torch.inf)
    torch.testing.assert_close(beams.scores, found, **CLOSE)
    best = scores.topk(beams.leaves.shape[1]).values
    torch.testing.assert_close(beams.scores, best, **CLOSE)
    for leaves in beams.leaves:
        assert len(set(leaves[leaves >= 0].tolist())) == int((leaves >= 0).sum())


@pytest.mark.parametrize("num_levels", [1, 2, 3, 4])
def test_the_oracle_itself_agrees_with_scores_by_hand(model, prompts, oracle, num_levels):
    paths = random_paths(1, 12, num_levels)
    trie = DeviceTrie.from_trie(Trie.build(paths))
    input_ids, mask = prompts(0, 2)
    exclude, candidates = [[0, 3], []], [None, [1, 2, 5, 6]]
    constraint = Constraint.build(trie, exclude, candidates)
    scores = exact_scores(model, input_ids, mask, trie, constraint, batch_size=6)
    for row, left in enumerate(({*range(len(paths))} - {0, 3}, {1, 2, 5, 6})):
        left = left & {*range(len(paths))}
        prompt = input_ids[row][mask[row].bool()].tolist()
        by_hand = oracle(model, prompt, [tuple(path) for path in paths.tolist()], sorted(left))
        expected = torch.full((len(paths),), -torch.inf)
        expected[list(by_hand)] = torch.tensor(list(by_hand.values()))
        torch.testing.assert_close(scores[row], expected, **CLOSE)


@pytest.mark.parametrize("num_levels", [1, 2, 3, 4])
def test_a_wide_beam_is_exact(model, prompts, num_levels):
    trie = DeviceTrie.from_trie(Trie.build(random_paths(2, 40, num_levels)))
    input_ids, mask = prompts(1, 3)
    beams = search(model, input_ids, mask, trie, num_beams=trie.num_leaves)
    assert beams.leaves.dtype == torch.int64 and beams.scores.dtype == torch.float32
    check_best(beams, exact_scores(model, input_ids, mask, trie))


@FEW
@given(st.integers(0, 10**6), st.data())
def test_what_training_never_met_takes_an_equal_share(qwen3, prompts, oracle, seed, data):
    paths = random_paths(seed, data.draw(st.integers(1, 20)), data.draw(st.integers(1, 4)))
    rows = range(len(paths))
    seen = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    exclude = data.draw(st.sets(st.sampled_from(rows), max_size=len(rows) - 1))
    trie = DeviceTrie.from_trie(Trie.build(paths), seen_in_training=seen)
    constraint = Constraint.build(trie, exclude=[sorted(exclude)])
    input_ids, mask = prompts(seed, 1)
    scores = exact_scores(qwen3, input_ids, mask, trie, constraint)
    left = sorted({*rows} - exclude)
    prompt, tuples = input_ids[0].tolist(), [tuple(path) for path in paths.tolist()]
    by_hand = oracle(qwen3, prompt, tuples, left, np.flatnonzero(seen).tolist())
    expected = torch.full((1, len(paths)), -torch.inf)
    expected[0, left] = torch.tensor([by_hand[leaf] for leaf in left])
    torch.testing.assert_close(scores, expected, **CLOSE)
    torch.testing.assert_close(scores.exp().sum(), torch.tensor(1.0), **CLOSE)
    check_best(search(qwen3, input_ids, mask, trie, len(paths), constraint), scores)


@FEW
@given(st.integers(0, 10**6), st.data())
def test_a_wide_beam_is_exact_under_filters_and_fills_what_is_asked(qwen3, prompts, seed, data):
    paths = random_paths(seed, data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4)))
    trie = DeviceTrie.from_trie(Trie.build(paths))
    leaves = st.lists(st.integers(0, len(paths) - 1), max_size=len(paths))
    exclude = data.draw(st.lists(leaves, min_size=1, max_size=3))
    candidates = [data.draw(st.none() | leaves) for _ in exclude]
    constraint = Constraint.build(trie, exclude, candidates)
    input_ids, mask = prompts(seed, len(exclude))
    beams = search(qwen3, input_ids, mask, trie, len(paths), constraint)
    check_best(beams, exact_scores(qwen3, input_ids, mask, trie, constraint))


@FEW
@given(st.integers(0, 10**6), st.integers(1, 8), st.data())
def test_k_asked_is_k_returned_and_all_of_it_allowed(qwen3, prompts, seed, num_beams, data):
    paths = random_paths(seed, 50, 3)
    trie = DeviceTrie.from_trie(Trie.build(paths))
    input_ids, mask = prompts(seed, 2)
    # Most of the best are taken away, then most of all: beams must not run into dead ends.
    best = search(qwen3, input_ids, mask, trie, 40).leaves
    num_left = data.draw(st.integers(0, 12))
    candidates = torch.randperm(len(paths), generator=torch.Generator().manual_seed(seed))[
        : num_left + 6
    ]
    exclude = [row[row >= 0][:30].tolist() for row in best]
    constraint = Constraint.build(trie, exclude, [candidates, candidates])
    beams = search(qwen3, input_ids, mask, trie, num_beams, constraint)
    for row, banned in zip(beams.leaves.tolist(), exclude, strict=True):
        allowed = set(candidates.tolist()) - set(banned)
        kept = [leaf for leaf in row if leaf >= 0]
        assert len(kept) == len(set(kept)) == min(num_beams, len(allowed))
        assert set(kept) <= allowed
        assert row[len(kept) :] == [-1] * (num_beams - len(kept))
    assert torch.equal(beams.scores.isneginf(), beams.leaves < 0)


@FEW
@given(st.integers(0, 10**6), st.integers(1, 9), st.data())
def test_the_few_that_are_wanted_are_the_best_of_all_that_a_beam_finds(
    qwen3, prompts, seed, wanted, data
):
    """Under filters and a second model's say, whatever of the last level was left out."""
    paths = random_paths(seed, 120, data.draw(st.integers(2, 4)))
    trie = DeviceTrie.from_trie(Trie.build(paths))
    leaves = st.lists(st.integers(0, len(paths) - 1), max_size=len(paths))
    constraint = Constraint.build(trie, data.draw(st.lists(leaves, min_size=3, max_size=3)))
    fusion = None
    if data.draw(st.booleans()):
        spread = data.draw(st.sampled_from([0.1, 3.0]))
        said = spread * torch.randn(3, len(paths), generator=torch.Generator().manual_seed(seed))
        fusion = fuse(trie, said, 0.5, constraint)
    asked = (qwen3, *prompts(seed, 3), trie, 24, constraint, fusion)
    every, few = search(*asked), search(*asked, wanted=wanted)
    assert few.leaves.shape == few.scores.shape == few.alone.shape == (3, wanted)
    for found, expected in zip(few, every, strict=True):
        torch.testing.assert_close(found, expected[:, :wanted], **CLOSE)


def test_of_the_last_level_only_beams_that_can_lead_to_the_best_are_run(qwen3, prompts):
    paths = [[a, 20 + b, 30 + c] for a in range(4) for b in range(4) for c in range(4)]
    trie = DeviceTrie.from_trie(Trie.build(paths))
    input_ids, mask = prompts(4, 2)
    counts = count_tokens(qwen3, lambda: search(qwen3, input_ids, mask, trie, 16))
    assert counts == [4, 16]
    counts = count_tokens(qwen3, lambda: search(qwen3, input_ids, mask, trie, 16, wanted=2))
    # Three beams, and some more where one of these may still have a child among the best two.
    assert counts[:2] == [4, 3] and sum(counts) < 4 + 16


def test_rows_that_may_produce_nothing_return_nothing(qwen3, prompts):
    trie = DeviceTrie.from_trie(Trie.build(random_paths(3, 10)))
    beams = search(qwen3, *prompts(0, 2), trie, 3, Constraint.build(trie, candidates=[[], []]))
    assert beams.leaves.tolist() == [[-1] * 3] * 2
    assert beams.scores.isneginf().all()


@pytest.mark.parametrize("num_beams", [1, 4, 10])
def test_the_same_as_generate_with_allowed_tokens(model, prompts, num_beams):
    paths = random_paths(3, 80)
    trie = Trie.build(paths)
    input_ids, mask = prompts(2, 4)
    found, scores = generate(model, input_ids, mask, allowed_tokens(paths), num_beams)
    beams = search(model, input_ids, mask, DeviceTrie.from_trie(trie), num_beams)
    assert torch.equal(torch.tensor(paths)[beams.leaves], found)
    if scores is not None:
        torch.testing.assert_close(beams.scores, scores, **CLOSE)


def test_padding_on_either_side_and_company_change_nothing(model, prompts):
    trie = DeviceTrie.from_trie(Trie.build(random_paths(4, 80)))
    left_ids, left_mask = prompts(3, 5)
    right_ids, right_mask = prompts(3, 5, side="right")
    left = search(model, left_ids, left_mask, trie, 6)
    right = search(model, right_ids, right_mask, trie, 6)
    assert torch.equal(left.leaves, right.leaves)
    torch.testing.assert_close(left.scores, right.scores, **CLOSE)
    for row in range(5):
        inside = left_mask[row].bool()
        alone_ids = left_ids[row, inside].unsqueeze(0)
        alone = search(model, alone_ids, torch.ones_like(alone_ids), trie, 6)
        assert torch.equal(alone.leaves[0], left.leaves[row])
        torch.testing.assert_close(alone.scores[0], left.scores[row], **CLOSE)


def count_tokens(model, run):
    """Run and return how many tokens went through the model after the prompt, by pass."""
    counts = []
    hook = model.register_forward_pre_hook(
        lambda module, args, kwargs: counts.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    run()
    hook.remove()
    return counts[1:]


def test_every_token_is_run_once(qwen3, prompts):
    paths = [[a, b, c] for a in (0, 1) for b in (20, 21) for c in (30, 31)]
    trie = DeviceTrie.from_trie(Trie.build(paths))
    input_ids, mask = prompts(4, 2)
    counts = count_tokens(qwen3, lambda: search(qwen3, input_ids, mask, trie, 8))
    assert counts == [2, 4]


def test_forced_steps_are_not_run_and_do_not_change_scores(qwen3, prompts):
    # Below 1 the choice comes at the third level, behind a forced second; below 2 and 3 no choice
    # follows: 1 and 20 wait until 30, 31 and 32 are compared, and nothing else is run.
    paths = [[1, 20, 30], [1, 20, 31], [1, 20, 32], [2, 21, 30], [3, 22, 30]]
    trie = DeviceTrie.from_trie(Trie.build(paths))
    input_ids, mask = prompts(4, 2)
    found = []
    counts = count_tokens(qwen3, lambda: found.append(search(qwen3, input_ids, mask, trie, 5)))
    assert counts == [2]
    check_best(found[0], exact_scores(qwen3, input_ids, mask, trie))
    # A filter that leaves node 20 one child leaves nothing to run.
    constraint = Constraint.build(trie, exclude=[[0, 1], [1, 2]])
    counts = count_tokens(
        qwen3,
        lambda: found.append(search(qwen3, input_ids, mask, trie, 5, constraint)),
    )
    assert counts == []
    check_best(found[1], exact_scores(qwen3, input_ids, mask, trie, constraint))


def test_equal_scores_come_in_the_order_of_their_paths(qwen3, prompts):
    model = type(qwen3)(qwen3.config).eval()
    model.lm_head.weight.data.zero_()  # every token is as likely
    paths = random_paths(5, 40)
    beams = search(model, *prompts(5, 2), DeviceTrie.from_trie(Trie.build(paths)), len(paths))
    assert len(set(beams.scores[0].tolist())) < len(paths)
    for leaves, scores in zip(beams.leaves.tolist(), beams.scores.tolist(), strict=True):
        keys = [(-score, *paths[leaf].tolist()) for score, leaf in zip(scores, leaves, strict=True)]
        assert keys == sorted(keys)
    few = search(
        model, *prompts(5, 2), DeviceTrie.from_trie(Trie.build([[3], [1], [4], [2], [5]])), 3
    )
    assert few.leaves.tolist() == [[1, 3, 0]] * 2


def test_a_lora_adapter_counts(qwen3, build, prompts):
    trie = DeviceTrie.from_trie(Trie.build(random_paths(6, 40)))
    input_ids, mask = prompts(6, 3)
    bare = search(qwen3, input_ids, mask, trie, 40)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    adapted = get_peft_model(build("qwen3"), config, adapter_name="default").eval()
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.mul_(3)
    beams = search(adapted, input_ids, mask, trie, 40)
    check_best(beams, exact_scores(adapted, input_ids, mask, trie))
    merged = adapted.merge_and_unload().eval()
    merged_beams = search(merged, input_ids, mask, trie, 40)
    torch.testing.assert_close(beams.scores, merged_beams.scores, **CLOSE)
    assert not torch.allclose(beams.scores, bare.scores, atol=1e-2)


def test_half_precision_runs_and_stays_near(build, prompts):
    trie = DeviceTrie.from_trie(Trie.build(random_paths(7, 40)))
    input_ids, mask = prompts(7, 3)
    full = search(build("qwen3"), input_ids, mask, trie, 40)
    half = search(build("qwen3", torch.bfloat16), input_ids, mask, trie, 40)
    assert half.scores.dtype == torch.float32
    for row in range(3):
        scores = full.scores[row][full.leaves[row].argsort()]
        half_scores = half.scores[row][half.leaves[row].argsort()]
        assert (scores - half_scores).abs().max() < 0.3
        assert torch.corrcoef(torch.stack([scores, half_scores]))[0, 1] > 0.99


def test_models_that_cannot_hold_siblings_are_refused(build, prompts):
    trie = DeviceTrie.from_trie(Trie.build([[1, 20], [2, 21]]))
    with pytest.raises(DecodeError, match="training mode"):
        search(build("qwen3").train(), *prompts(0, 1), trie, 2)
    eager = build("llama")
    eager.set_attn_implementation("eager")
    with pytest.raises(DecodeError, match="attn_implementation='sdpa'"):
        search(eager, *prompts(0, 1), trie, 2)
    sliding = build("qwen3")
    sliding.config.layer_types = ["sliding_attention"] * 2
    sliding.config.sliding_window = 10
    with pytest.raises(DecodeError, match="11 tokens, the model's window is 10"):
        search(sliding, *prompts(0, 1), trie, 2)
    foreign = DeviceTrie.from_trie(Trie.build([[1, 48]]))
    with pytest.raises(ValueError, match="token 48, the model knows 48"):
        search(build("qwen3"), *prompts(0, 1), foreign, 2)


def test_a_generation_config_has_no_say(qwen3, build, prompts):
    trie = DeviceTrie.from_trie(Trie.build(random_paths(8, 40)))
    opinionated = build("qwen3")
    opinionated.generation_config.update(top_k=2, top_p=0.1, temperature=0.1, num_beams=3)
    expected = search(qwen3, *prompts(8, 2), trie, 10)
    assert torch.equal(search(opinionated, *prompts(8, 2), trie, 10).leaves, expected.leaves)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_what_a_cpu_finds(build, prompts):
    paths = random_paths(9, 80)
    input_ids, mask = prompts(9, 4)
    exclude, candidates = [[0, 1], [], [2], []], [None, list(range(40)), None, [5]]
    on_cpu = DeviceTrie.from_trie(Trie.build(paths))
    expected = search(
        build("qwen3"), input_ids, mask, on_cpu, 10, Constraint.build(on_cpu, exclude, candidates)
    )
    on_gpu = DeviceTrie.from_trie(Trie.build(paths), "cuda")
    beams = search(
        build("qwen3").cuda(),
        input_ids.cuda(),
        mask.cuda(),
        on_gpu,
        10,
        Constraint.build(on_gpu, exclude, candidates),
    )
    assert torch.equal(beams.leaves.cpu(), expected.leaves)
    torch.testing.assert_close(beams.scores.cpu(), expected.scores, atol=1e-3, rtol=0)
