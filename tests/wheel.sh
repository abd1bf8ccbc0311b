#!/bin/sh
# Build the wheel through the sdist, install it apart, and run the quick tests against it instead of the checkout.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
$python -m build -q --outdir "$scratch/dist" .
$python -m pip install -q --disable-pip-version-check --no-deps --target "$scratch/site" "$scratch"/dist/*.whl
cp -r tests pyproject.toml "$scratch/"
here=$PWD
cd "$scratch"
PYTHONPATH="$scratch/site" "$here/$python" -c "
import limner.engine.types as t, limner.models.avatar as a
assert t.__file__.startswith('$scratch'), t.__file__
assert a.default_avatar().portrait.image.size"
LIMNER_SHARED="$here/../shared" PYTHONPATH="$scratch/site" "$here/$python" -m pytest tests/engine tests/test_layout.py tests/models/test_avatar.py
