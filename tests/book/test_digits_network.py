"""The network in JavaScript is the one in Python: the same loss, gradient, steps and readings from the same numbers."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.mnist import mlp

SCRIPT = Path(__file__).parents[2] / "src/helpers/figures/assets/digits_network.js"
IN_NODE = """import * as net from "./digits_network.js"; import { readFileSync } from "node:fs";
const input = JSON.parse(readFileSync("input.json", "utf8"));
const network = (flat) => { const made = net.zeros(input.sizes); made.flat.set(flat); return made; };
const run = (body) => { %s };
console.log(JSON.stringify(run(), (_, value) => (ArrayBuffer.isView(value) ? [...value] : value)));"""
SIZES, ROWS, SPAN = (6, 5, 4, 13), 7, (10, 13)
pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="no node to run JavaScript with")


@pytest.fixture
def run_js(tmp_path):
    """A function that runs the body of a JavaScript function of ``input``, the network's module being ``net``."""

    def run(body, **given):
        (tmp_path / "digits_network.js").write_text(SCRIPT.read_text())
        (tmp_path / "package.json").write_text('{"type": "module"}')
        (tmp_path / "input.json").write_text(json.dumps({"sizes": SIZES, "rows": ROWS, "span": SPAN, **given}))
        (tmp_path / "main.mjs").write_text(IN_NODE % body)
        done = subprocess.run(["node", "main.mjs"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def lesson(seed=1, columns=3):
    """A network, images and targets, in double precision."""
    rng = np.random.default_rng(seed)
    network = mlp.start(seed, SIZES, torch.float64)
    network.flat.add_(torch.from_numpy(0.1 * rng.standard_normal(len(network.flat))))  # biases are not zero either
    images = torch.from_numpy(rng.uniform(-1, 1, (ROWS, SIZES[0])))
    targets = torch.softmax(torch.from_numpy(rng.standard_normal((ROWS, columns))), dim=1)
    return network, images, targets


def given(network, images, targets):
    """The same as lists."""
    return {"flat": network.flat.tolist(), "x": images.flatten().tolist(), "target": targets.flatten().tolist()}


def loss(network, images, targets, columns):
    """The mean cross-entropy over rows."""
    logs = torch.log_softmax(mlp.outputs(network, images, columns), dim=1)
    return float(-(targets * logs).sum(dim=1).mean())


@pytest.mark.parametrize("span", [(10, 13), (0, 10)])
def test_loss_and_gradient_are_those_of_python(run_js, span):
    columns = slice(*span)
    network, images, targets = lesson(columns=span[1] - span[0])
    gradient = mlp.Gradient(network, columns)
    gradient.fill(images, targets)
    body = """const slopes = net.zeros(input.sizes);
        const loss = net.gradient(network(input.flat), input.x, input.target, input.rows, input.span, slopes);
        return { loss, slopes: slopes.flat };"""
    found = run_js(body, **given(network, images, targets) | {"span": span})
    assert found["loss"] == pytest.approx(loss(network, images, targets, columns), abs=1e-5)
    assert np.abs(np.array(found["slopes"]) - gradient.slopes.flat.numpy()).max() < 1e-5
    assert found["loss"] == pytest.approx(loss(network, images, targets, columns), abs=1e-12)  # in truth it is closer


def test_twenty_steps_of_training_are_those_of_python(run_js):
    network, images, targets = lesson()
    body = """const made = network(input.flat), step = net.trainer(made, input.span, 0.01);
        for (let i = 0; i < 20; i++) step(input.x, input.target, input.rows);
        return made.flat;"""
    found = run_js(body, **given(network, images, targets))
    recipe, every = mlp.Recipe(20, ROWS, 0.01), torch.arange(ROWS)
    mlp.train(network, images, targets, slice(*SPAN), lambda epoch: every, recipe)
    assert np.abs(np.array(found) - network.flat.numpy()).max() < 1e-8


def test_readings_and_distributions_are_those_of_python(run_js):
    network, images, targets = lesson()
    body = """const made = network(input.flat);
        const shares = net.distribution(made, input.x, input.rows, input.span);
        const right = net.accuracy(made, input.x, new Uint8Array(input.rows));
        return { guesses: net.guesses(made, input.x, input.rows), shares, right };"""
    found = run_js(body, **given(network, images, targets))
    outputs = mlp.outputs(network, images, slice(0, 13))
    assert found["guesses"] == outputs[:, :10].argmax(dim=1).tolist()
    assert found["shares"] == pytest.approx(torch.softmax(outputs[:, 10:], dim=1).flatten().tolist(), abs=1e-12)
    assert found["right"] == found["guesses"].count(0) / ROWS


def test_starts_mix_as_in_python(run_js):
    first, second = (mlp.start(seed, SIZES, torch.float64) for seed in (1, 2))
    body = "return net.mix(network(input.first), network(input.second), 0.9).flat;"
    found = run_js(body, first=first.flat.tolist(), second=second.flat.tolist())
    assert found == pytest.approx(mlp.mix(first, second, 0.9).flat.tolist(), abs=1e-12)


def test_a_start_has_the_columns_of_one_with_fewer_and_the_right_spread(run_js):
    body = """const sizes = [196, 96, 96, 13], whole = net.start(3, sizes), fewer = net.start(3, [196, 96, 96, 11]);
        const at = (made, i, column) => made.layers[2].weights[i * made.sizes[3] + column];
        const column = (made, place) => Array.from({ length: 96 }, (_, i) => at(made, i, place));
        const { weights } = whole.layers[0], mean = weights.reduce((a, b) => a + b, 0) / weights.length;
        const spread = weights.reduce((a, b) => a + (b - mean) ** 2, 0) / weights.length;
        return { same: [0, 10].every((i) => column(whole, i).join() === column(fewer, i).join()), mean, spread,
                 trunk: whole.layers[1].weights.join() === fewer.layers[1].weights.join(),
                 other: net.start(4, sizes).flat[0] === whole.flat[0] };"""
    found = run_js(body)
    assert (found["same"], found["trunk"], found["other"]) == (True, True, False)
    assert abs(found["mean"]) < 0.002 and math.isclose(found["spread"], 1 / 196, rel_tol=0.05)
