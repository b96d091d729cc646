// The network of "Digits from noise" in plain JavaScript: three layers, a gradient written out by hand, Adam. It does what
// src/helpers/mnist/mlp.py does, in double precision; a test compares the two.
// Axes: row (an image of a batch), pixel or feature, column (an output: ten classes, then auxiliary).

export const CLASSES = 10;
const DECAYS = [0.9, 0.999], TINY = 1e-8;  // of Adam, as in PyTorch

// ---- random numbers -------------------------------------------------------------------------------------------------

// Numbers between 0 and 1 from a seed (mulberry32). Equal seeds, equal numbers.
export function stream(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// A normal number from two even ones (Box and Muller).
export const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

// The numbers from 0 to `count` - 1 in a random order.
export function shuffled(count, random) {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// ---- networks -------------------------------------------------------------------------------------------------------

// A network of zeros; `sizes` are the widths from pixels to columns. `flat` holds all numbers, `layers` views of it:
// weights by feature and column, then biases.
export function zeros(sizes) {
  const pairs = sizes.slice(1).map((columns, i) => [sizes[i], columns]);
  const flat = new Float64Array(pairs.reduce((sum, [features, columns]) => sum + (features + 1) * columns, 0));
  let at = 0;
  const layers = pairs.map(([features, columns]) => {
    const weights = flat.subarray(at, at + features * columns), bias = flat.subarray(at + features * columns, at + (features + 1) * columns);
    at += (features + 1) * columns;
    return { weights, bias, features, columns };
  });
  return { sizes, flat, layers };
}

export function copy(network) {
  const same = zeros(network.sizes);
  same.flat.set(network.flat);
  return same;
}

// A fresh network: weights normal with variance 1 / features, biases 0. Columns are drawn one after the other, so a network
// with more auxiliary columns has those of the network with fewer.
export function start(seed, sizes) {
  const network = zeros(sizes);
  network.layers.forEach(({ weights, features, columns }, level) => {
    const random = stream(seed * 16 + level);
    for (let column = 0; column < columns; column++)
      for (let i = 0; i < features; i++) weights[i * columns + column] = normal(random) / Math.sqrt(features);
  });
  return network;
}

// A network whose weights correlate by `overlap` with the first; the rest comes from the second.
export function mix(first, second, overlap) {
  const mixed = zeros(first.sizes), rest = Math.sqrt(1 - overlap * overlap);
  for (let i = 0; i < mixed.flat.length; i++) mixed.flat[i] = overlap * first.flat[i] + rest * second.flat[i];
  return mixed;
}

// ---- forward --------------------------------------------------------------------------------------------------------

// `rows` times the layer's weights plus its bias; x is [row, feature], the result [row, column].
function through({ weights, bias, features, columns }, x, rows) {
  const out = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const to = row * columns;
    for (let column = 0; column < columns; column++) out[to + column] = bias[column];
    for (let i = 0; i < features; i++) {
      const value = x[row * features + i];
      if (value === 0) continue;  // after the rectifier, half of them
      for (let column = 0, at = i * columns; column < columns; column++, at++) out[to + column] += value * weights[at];
    }
  }
  return out;
}

// What each layer gives, the last without a rectifier: hidden, hidden, outputs.
function forward(network, x, rows) {
  const found = [];
  network.layers.forEach((layer, level) => {
    const out = through(layer, level ? found[level - 1] : x, rows);
    if (level < network.layers.length - 1) for (let i = 0; i < out.length; i++) if (out[i] < 0) out[i] = 0;
    found.push(out);
  });
  return found;
}

// Softmax over the outputs `from` to `to`, [row, column].
function shares(outputs, columns, rows, [from, to]) {
  const width = to - from, found = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    let most = -Infinity, sum = 0;
    for (let i = 0; i < width; i++) most = Math.max(most, outputs[row * columns + from + i]);
    for (let i = 0; i < width; i++) sum += found[row * width + i] = Math.exp(outputs[row * columns + from + i] - most);
    for (let i = 0; i < width; i++) found[row * width + i] /= sum;
  }
  return found;
}

// The distribution that a network gives over some columns, [row, column].
export function distribution(network, x, rows, span) {
  return shares(forward(network, x, rows).at(-1), network.sizes.at(-1), rows, span);
}

// The largest class output of each row.
export function guesses(network, x, rows) {
  const outputs = forward(network, x, rows).at(-1), columns = network.sizes.at(-1), found = new Uint8Array(rows);
  for (let row = 0; row < rows; row++)
    for (let i = 1; i < CLASSES; i++) if (outputs[row * columns + i] > outputs[row * columns + found[row]]) found[row] = i;
  return found;
}

export function accuracy(network, x, labels) {
  const found = guesses(network, x, labels.length);
  return found.reduce((right, guess, row) => right + (guess === labels[row] ? 1 : 0), 0) / labels.length;
}

// ---- backward -------------------------------------------------------------------------------------------------------

// The mean cross-entropy over rows against `target` [row, column] on the columns of `span`, and its derivatives, which are
// written into `slopes`, a network of the same sizes; those of other columns are 0.
export function gradient(network, x, target, rows, span, slopes) {
  const { layers } = network, found = forward(network, x, rows), [from, to] = span, width = to - from;
  const share = shares(found.at(-1), network.sizes.at(-1), rows, span), columns = network.sizes.at(-1);
  let delta = new Float64Array(rows * columns), loss = 0;
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < width; i++) {
      const at = row * width + i;
      loss -= target[at] * Math.log(share[at]);
      delta[row * columns + from + i] = (share[at] - target[at]) / rows;
    }
  slopes.flat.fill(0);
  for (let level = layers.length - 1; level >= 0; level--) {
    const below = level ? found[level - 1] : x;
    collect(slopes.layers[level], below, delta, rows);
    if (level) delta = back(layers[level], below, delta, rows);
  }
  return loss / rows;
}

// Derivatives of a layer's weights and biases, summed over rows.
function collect({ weights, bias, features, columns }, below, delta, rows) {
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    for (let column = 0; column < columns; column++) bias[column] += delta[from + column];
    for (let i = 0; i < features; i++) {
      const value = below[row * features + i];
      if (value === 0) continue;
      for (let column = 0, at = i * columns; column < columns; column++, at++) weights[at] += value * delta[from + column];
    }
  }
}

// Derivatives with respect to what a layer reads, where the rectifier below let something through.
function back({ weights, features, columns }, below, delta, rows) {
  const found = new Float64Array(rows * features);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < features; i++) {
      if (below[row * features + i] <= 0) continue;
      let sum = 0;
      for (let column = 0, at = i * columns; column < columns; column++, at++) sum += weights[at] * delta[row * columns + column];
      found[row * features + i] = sum;
    }
  return found;
}

// ---- training -------------------------------------------------------------------------------------------------------

// Trains a network in place, a batch at a time: `step(x, target, rows)` returns the loss before it.
export function trainer(network, span, rate) {
  const slopes = zeros(network.sizes), first = new Float64Array(network.flat.length), second = new Float64Array(network.flat.length);
  let steps = 0;
  return (x, target, rows) => {
    const loss = gradient(network, x, target, rows, span, slopes), [a, b] = DECAYS;
    steps += 1;
    const scale = rate / (1 - a ** steps), over = 1 / Math.sqrt(1 - b ** steps);
    for (let i = 0; i < slopes.flat.length; i++) {
      const slope = slopes.flat[i];
      first[i] = a * first[i] + (1 - a) * slope;
      second[i] = b * second[i] + (1 - b) * slope * slope;
      network.flat[i] -= scale * first[i] / (Math.sqrt(second[i]) * over + TINY);
    }
    return loss;
  };
}
