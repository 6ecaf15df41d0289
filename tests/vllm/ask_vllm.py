"""Runs inside the environment that has vLLM: the next-token log-probabilities it gives.

Reads JSON on standard input: base, adapter, prompt (token IDs), tokens (to report). Writes JSON.
"""

import json
import sys


def main() -> None:
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    asked = json.load(sys.stdin)
    llm = LLM(
        asked["base"],
        enable_lora=True,
        max_lora_rank=64,
        dtype="float32",
        max_model_len=256,
        max_logprobs=-1,
        enforce_eager=True,
    )
    parameters = SamplingParams(max_tokens=1, temperature=0.0, logprobs=-1)
    adapter = LoRARequest("adapter", 1, asked["adapter"])
    answer = {}
    for name, lora in (("adapter", adapter), ("base", None)):
        prompt = {"prompt_token_ids": asked["prompt"]}
        output = llm.generate([prompt], parameters, lora_request=lora, use_tqdm=False)[0]
        logprobs = output.outputs[0].logprobs[0]
        answer[name] = [logprobs[token].logprob for token in asked["tokens"]]
    sys.stdout.write("ANSWER " + json.dumps(answer) + "\n")  # vLLM prints too


if __name__ == "__main__":
    main()
