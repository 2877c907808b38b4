# make install  an environment in .venv that makes and uses models
# make demo     everything, once, on made-up pictures: environment, data set, check, train, evaluate, export, predict; and
#               a second model, PaddleX's STFPM, beside it (2 epochs, where it usually has 5)
# make test     environment, then the tests; make test-slow those that take minutes; make test-endurance those for a night
# make lint     formatting, lint and types
# make bench    how fast each inference engine is here, after make demo
# make coverage how much of the code the fast tests run
# make sbom     dist/sbom.json, a bill of materials of what is installed; make licences: docs/licences.md from it

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
CONFIGS = paddlex/configs/image_anomaly_detection
DATASET = dataset/metal_grid
OUTPUT = output/demo
MAIN = $(RUN) main.py -o Global.dataset_dir=$(DATASET)
BEST = $(MAIN) -c $(CONFIGS)/PatchCorePaDiM.yaml -o Global.output=$(OUTPUT) -o Global.mode=
STFPM = $(MAIN) -c $(CONFIGS)/STFPM.yaml -o Global.output=$(OUTPUT)_stfpm -o Global.mode=

.PHONY: demo test test-slow test-endurance lint bench coverage sbom licences install lock clean

install: $(VENV)/demo

# What is installed is what locks/ names, with the checksums of every file: for the demonstration (demo.txt) what making a
# model needs, for the rest (test.txt) what the tests need as well. They are for Python 3.10 to 3.13.
# GPU users: install paddlepaddle-gpu into $(VENV) first; it is then left alone.
PIP = $(RUN) -m pip install --quiet --require-hashes
HAS_PADDLE = $(RUN) -c "import importlib.util as u; raise SystemExit(u.find_spec('paddle') is None)"

$(VENV)/%: pyproject.toml locks/paddle.txt locks/%.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(HAS_PADDLE) || $(PIP) --no-deps -r locks/paddle.txt
	$(PIP) -r locks/$*.txt
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# after a change of what pyproject.toml asks for
LOCK = $(RUN) -m uv --no-config pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate
lock: $(VENV)/test
	$(LOCK) pyproject.toml --extra train --extra cpu --no-emit-package paddlepaddle -o locks/demo.txt
	$(LOCK) pyproject.toml --extra onnx --extra openvino --extra serving --extra line --extra mqtt --extra opcua --extra modbus -o locks/runtime.txt
	$(LOCK) pyproject.toml --extra dev --extra cpu --no-emit-package paddlepaddle -o locks/test.txt
	grep ^paddlepaddle requirements.txt | $(LOCK) --no-deps - -o locks/paddle.txt

demo: $(VENV)/demo
	$(RUN) -m paddlex --make_demo_dataset $(DATASET)
	$(BEST)check_dataset
	$(BEST)train
	$(BEST)evaluate
	$(BEST)export
	$(BEST)predict -o Predict.input=$(DATASET)/images/val
	$(STFPM)train -o Train.epochs_iters=2
	$(STFPM)evaluate
	$(RUN) -m paddlex.data.demo.summary $(OUTPUT) $(OUTPUT)_stfpm

# every inference engine on the model of `make demo`
bench: $(VENV)/test
	$(RUN) benchmarks/inference.py $(OUTPUT)/best_model/inference $(DATASET)/images/val --plot $(OUTPUT)/inference.png

test: $(VENV)/test
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: $(VENV)/test
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "slow and not endurance"

test-endurance: $(VENV)/test
	$(RUN) -m pytest -m endurance

lint: $(VENV)/test
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

coverage: $(VENV)/test
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" --cov --cov-report=term:skip-covered

BILL = $(RUN) -m paddlex.utils.bill_of_materials
sbom: $(VENV)/test
	mkdir -p dist
	$(BILL) > dist/sbom.json

licences: $(VENV)/test
	sed -i '/^| package | licence |/,$$d' docs/licences.md
	$(BILL) --markdown >> docs/licences.md

clean:
	rm -rf $(VENV) output dataset build *.egg-info
