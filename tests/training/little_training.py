"""A training of a hand-made model in one process: as it is, and cut by FSDP2 (on gloo).

    python -m tests.training.little_training OUT

Accelerate offers FSDP2 on GPUs only, so its state is told that it is at work; all else is real.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed.tensor import DTensor

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.policy import Policy
from genrec.decode.search import beam_search, run_search
from genrec.decode.tree import PrefillCache
from genrec.decode.trie import Trie
from genrec.model.item_loss import ItemLoss
from genrec.model.loss import StreamLoss, Target
from genrec.model.vocabulary import new_rows, sid_tokens
from genrec.stream.templates import MARKERS
from genrec.training.config import Lora, Optimizer, TrainConfig
from genrec.training.loop import make_accelerator, train
from genrec.training.parameters import choose_parameters, make_optimizer
from genrec.training.validation import Validation
from genrec.training.workspace import Workspace
from tests.model.test_packed_attention import (
    CODEBOOK_SIZE,
    CODES,
    FIRST_CODE,
    OPENING,
    ROW_TOKENS,
    VOCABULARY,
    make_batch,
    model_of,
)

TABLE = SimpleNamespace(num_levels=3, codebook_size=CODEBOOK_SIZE)
TOKENS = [*MARKERS, *sid_tokens(TABLE)]
FIRST_NEW = FIRST_CODE - len(MARKERS)
VOCAB = {token: FIRST_NEW + number for number, token in enumerate(TOKENS)}
RUN = SimpleNamespace(
    encoder=SimpleNamespace(tokenizer=SimpleNamespace(get_vocab=lambda: VOCAB)),
    table=TABLE,
    base_config=SimpleNamespace(source="a pretrained one"),
)


class Rows:
    """Two steps of four rows an epoch, in place of a corpus on disk."""

    def __init__(self) -> None:
        self._batches = [make_batch(seed) for seed in (0, 1)]

    def steps(self, epoch: int) -> list[list[list[int]]]:
        return [[[step, row] for row in range(4)] for step in (0, 1)]

    def batch(self, rows: list[list[int]]) -> dict[str, torch.Tensor]:
        names = self._batches[0]
        return {
            name: torch.stack([self._batches[step][name][row] for step, row in rows])
            for name in names
        }


def best_probability(module: StreamLoss) -> float:
    """Search as validation does, and return how sure the model is of the best."""
    prompts = torch.tensor([[2, OPENING], [3, OPENING]])
    trie = DeviceTrie.from_trie(Trie.build(VOCABULARY.paths(CODES)))
    read = PrefillCache(module, prompts, torch.ones_like(prompts), trie)
    return run_search(beam_search(Policy(trie), 2, 4), read).scores.exp().max().item()


def use_fsdp2(folder: Path) -> None:
    """Let every accelerator from now on cut models among processes, of which there is one."""
    group = f"file://{folder / 'group'}"
    torch.distributed.init_process_group("gloo", init_method=group, rank=0, world_size=1)
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["Qwen3DecoderLayer"],
        state_dict_type="FULL_STATE_DICT",
    )
    for state in (PartialState(), AcceleratorState()):
        state.distributed_type, state.fsdp_plugin = DistributedType.FSDP, plugin


def little_training(trainable: str, folder: Path) -> dict[str, object]:
    """Train; return the curve, and all weights before and after."""
    config = TrainConfig(
        data="data",
        base="base",
        out=folder / "run",
        trackers=[],
        epochs=3,
        row_tokens=ROW_TOKENS,
        rows_per_step=4,
        rows_per_device=2,
        trainable=trainable,
        optimizer=Optimizer(learning_rate=1e-3, rows_learning_rate=1e-2),
        lora=Lora(rank=2, dropout=0.0),
    )
    workspace = Workspace(config)
    workspace.path.mkdir(parents=True)
    accelerator = make_accelerator(config, workspace)
    RUN.model = model_of("qwen3")
    model = choose_parameters(RUN, config)
    module = StreamLoss(
        model,
        ItemLoss(VOCABULARY, CODES, OPENING),
        {Target.ITEM: 1.0, Target.REVIEW: 0.3},
        trained_rows=None if trainable == "all" else new_rows(RUN.encoder.tokenizer, TABLE),
    )
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    optimizer = make_optimizer(model, RUN, config)
    validation = Validation(best_probability, best_probability)
    progress = train(accelerator, module, optimizer, Rows(), config, workspace, validation)
    is_cut = any(isinstance(weight, DTensor) for weight in module.parameters())
    after = accelerator.get_state_dict(module)
    return {"before": before, "after": after, "curve": progress.curve, "is_cut": is_cut}


def main(out: Path) -> None:
    """Train all weights, then an adapter and new rows: as they are, then cut."""
    found = {}
    for how in ("whole", "cut"):
        if how == "cut":
            use_fsdp2(out.parent)
        for trainable in ("all", "lora_and_rows"):
            found[how, trainable] = little_training(trainable, out.parent / how / trainable)
    torch.save(found, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
