# make run    install what the presenter needs into .venv and open it on the embedded portrait
# make test   install everything and run the whole suite
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
export OMP_WAIT_POLICY := PASSIVE
LIMNER_SHARED ?= ../shared
APT    := apt-get install -y -q --no-install-recommends
# Debian packages the suite drives: a browser, speech with exact phone times, a sound server and PortAudio, FFmpeg, and a
# C++ compiler with ZeroMQ and MessagePack for the bus example. Node.js is used where it is there; so are obs-studio with
# xvfb, janus and coturn, which install services or much else and are left to you.
DEBIAN := chromium flite espeak-ng libespeak-ng1 pulseaudio pulseaudio-utils libasound2-plugins libportaudio2 ffmpeg \
          g++ libzmq3-dev libmsgpack-cxx-dev

.PHONY: run test lint bench gpu soak fuzz train-speech debian clean

run: $(VENV)/.run
	$(BIN)/limner serve $(ARGS)

test: debian $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/python -m limner.models.modelfiles || echo "landmark models could not be had; the tests that need them will say so"
	$(BIN)/python -m pytest
	sh tests/wheel.sh

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "limner needs Python 3.11 or newer; found $$($(PYTHON) -V). Set PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 2; }

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[rig,mic]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e '.[rig,mic,zmq,camera,neural,pipecat,livekit,test]'
	@touch $@ $(VENV)/.run

debian:
	@missing=$$(for p in $(DEBIAN); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive $(APT) $$missing >/dev/null; \
	  else echo "tests that need these Debian packages will be skipped: sudo $(APT) $$(echo $$missing)"; fi; fi

lint: $(VENV)/.test
	$(BIN)/ruff check .

bench: $(VENV)/.test
	$(BIN)/limner bench engine --json benchmarks/results/engine.json
	$(BIN)/limner bench face --json benchmarks/results/face.json $(if $(wildcard $(LIMNER_SHARED)/data),--material $(LIMNER_SHARED)/data)
	$(BIN)/limner bench models --json benchmarks/results/models.json
	$(BIN)/limner bench streams --json benchmarks/results/streams.json
	$(BIN)/limner bench sessions --json benchmarks/results/sessions.json
	$(BIN)/limner bench bus --json benchmarks/results/bus.json

# On a machine with an NVIDIA GPU: every test that needs it, the kernels under compute-sanitizer where that is on the PATH,
# the bench, and half an hour in which no memory may grow. CUDA=cuda13 for CUDA 13.
CUDA ?= cuda12
MINUTES ?= 30
KERNEL_TESTS := $(addprefix tests/cuda/test_,affine.py blend.py colour.py correlation.py kernels.py raster.py warp.py)
gpu: $(VENV)/.test
	$(PIP) install -c constraints.txt -e '.[$(CUDA)]'
	$(BIN)/python -m pytest -m gpu -rs
	@if command -v compute-sanitizer >/dev/null; then \
	  compute-sanitizer --error-exitcode 1 $(BIN)/python -m pytest -m gpu $(KERNEL_TESTS); \
	else echo "compute-sanitizer is not on the PATH: the kernels' memory accesses were not checked (it comes with the CUDA toolkit)"; fi
	$(BIN)/limner bench gpu --json benchmarks/results/gpu.json
	$(BIN)/limner bench gpu --minutes $(MINUTES) --json benchmarks/results/gpu_soak.json

# Ten minutes of the real face in real time: memory and queues. Hostile bytes at every door that takes some.
soak: $(VENV)/.test
	$(BIN)/python -m limner.clients.soak --minutes 10 --json benchmarks/results/soak.json

fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz all --runs 100000

train-speech: debian $(VENV)/.test
	nice $(BIN)/python -m limner.models.training.speech

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache
