# make demo   everything, once, on made-up pictures: environment, data set, check, train, evaluate, export, predict
# make test   environment, then the tests; make test-slow those that take minutes
# make lint   formatting, lint and types
# make bench  how fast each inference engine is here, after make demo

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
CONFIG = paddlex/configs/image_anomaly_detection/STFPM.yaml
DATASET = dataset/metal_grid
OUTPUT = output/demo
MODE = $(RUN) main.py -c $(CONFIG) -o Global.dataset_dir=$(DATASET) -o Global.output=$(OUTPUT) -o Global.mode=

.PHONY: demo test test-slow lint bench install clean

install: $(VENV)/installed

# GPU users: install paddlepaddle-gpu into $(VENV) first; it is then left alone.
$(VENV)/installed: setup.py requirements.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -c "import importlib.util as u; raise SystemExit(u.find_spec('paddle') is None)" || $(RUN) -m pip install --quiet "paddlepaddle==3.2.2"
	$(RUN) -m pip install --quiet -e ".[dev]"
	touch $@

demo: install
	$(RUN) -m paddlex --make_demo_dataset $(DATASET)
	$(MODE)check_dataset
	$(MODE)train
	$(MODE)evaluate
	$(MODE)export
	$(MODE)predict -o Predict.input=$(DATASET)/images/val
	$(RUN) -m paddlex.modules.image_anomaly_detection.demo.summary $(OUTPUT)

# every inference engine on the model of `make demo`
bench: install
	$(RUN) benchmarks/inference.py $(OUTPUT)/best_model/inference $(DATASET)/images/val --plot $(OUTPUT)/inference.png

test: install
	$(RUN) -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: install
	$(RUN) -m pytest -n 2 --dist loadfile -m slow

lint: install
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

clean:
	rm -rf $(VENV) output dataset build *.egg-info
