#!/usr/bin/env bash
# What only an NVIDIA GPU can show: run it on a machine that has one, with a driver of version 580 or newer.
# It makes an environment of its own (VENV), runs the tests that need a GPU, and types the commands once.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv-gpu}
PYTHON=${PYTHON:-python3}
WORK=${WORK:-$(mktemp -d)}

"$PYTHON" -m venv "$VENV"
bin=$PWD/$VENV/bin
"$bin/python" -m pip install --quiet --constraint constraints.txt torch
"$bin/python" -m pip install --quiet --constraint constraints.txt --editable ".[gpu,trt,dev]"
"$bin/python" -m pip install --quiet --constraint constraints.txt --editable ".[trt-rtx]" ||
    echo "TensorRT-RTX cannot be installed here: its checks are skipped"
"$bin/clearer" doctor

"$bin/python" -m pytest -m gpu -rs

cd "$WORK"
"$bin/clearer" search --width 8 --search-iterations 60 --iterations 300 --device cuda --out run
"$bin/clearer" export run --trt
# The same again: nothing is built, the engine is said to be reused.
"$bin/clearer" export run --trt --json | grep '"reused": true'
"$bin/clearer" export run --trt-rtx || echo "no TensorRT-RTX engine: see above"
"$bin/clearer" bench run
echo "all of it is in $WORK/run"
