// How well one number foretells another: what experiments/prediction/values.py says in Python, for the pairs that a reader keeps.
// Both are tested against each other. A pair is { draw, x, y }: its draw, the forecast and what was observed.

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const products = (first, second) => first.reduce((sum, value, place) => sum + value * second[place], 0);
const centred = (values) => {
  const middle = mean(values);
  return values.map((value) => value - middle);
};

export const observedMean = (pairs) => mean(pairs.map(({ y }) => y));

// The line of least squares, as a function of x.
export function line(pairs) {
  const x = pairs.map((pair) => pair.x), away = centred(x), slope = products(away, centred(pairs.map(({ y }) => y))) / products(away, away);
  return (at) => observedMean(pairs) + slope * (at - mean(x));
}

// The share of the squared error that the line of the other draws saves, against their mean.
export function heldOutR2(pairs) {
  let errors = 0, spread = 0;
  for (const draw of new Set(pairs.map((pair) => pair.draw))) {
    const others = pairs.filter((pair) => pair.draw !== draw), foretold = line(others), usual = observedMean(others);
    for (const { x, y } of pairs.filter((pair) => pair.draw === draw)) {
      errors += (y - foretold(x)) ** 2;
      spread += (y - usual) ** 2;
    }
  }
  return 1 - errors / spread;
}

// Ranks from 1; equal values share the mean of theirs.
function ranks(values) {
  const below = (value) => values.filter((other) => other < value).length;
  const equal = (value) => values.filter((other) => other === value).length;
  return values.map((value) => below(value) + (equal(value) + 1) / 2);
}

// Spearman's rank correlation; 0 where all forecasts are equal.
export function rankCorrelation(pairs) {
  const x = centred(ranks(pairs.map((pair) => pair.x))), y = centred(ranks(pairs.map((pair) => pair.y)));
  return products(x, x) ? products(x, y) / Math.sqrt(products(x, x) * products(y, y)) : 0;
}

// The chance that a forecast of `own` exceeds one of `others`; ties count half.
export function auroc(own, others) {
  const signs = own.flatMap(({ x }) => others.map((other) => Math.sign(x - other.x)));
  return mean(signs) / 2 + 0.5;
}
