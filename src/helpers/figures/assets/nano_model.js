// A nano language model, its word list and its way of sampling, in plain JavaScript: what `helpers.models.nano`,
// `helpers.world.tokenizer` and `helpers.models.sampling` are in Python, for a page without a kernel.
// Weights come from the book's own safetensors files. Activations are float64, so the logits differ from PyTorch's by
// float32's rounding alone. One token is read at a time, against remembered keys and values.

// ---- files ----------------------------------------------------------------------------------------------------------

// Float32Array of a stored tensor; every bfloat16 number is the upper half of a float32 number.
function floats(buffer, dtype, from, to) {
  if (dtype === "F32") return new Float32Array(buffer.slice(from, to));
  if (dtype !== "BF16") throw new Error(`weights of kind ${dtype} cannot be read here`);
  const upper = new Uint16Array(buffer.slice(from, to)), bits = new Uint32Array(upper.length);
  for (let i = 0; i < upper.length; i++) bits[i] = upper[i] << 16;
  return new Float32Array(bits.buffer);
}

// Map of tensor name -> { shape, values } of a safetensors file, given as an ArrayBuffer.
export function readTensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = new Map();
  for (const [name, stored] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [from, to] = stored.data_offsets.map((offset) => 8 + length + offset);
    tensors.set(name, { shape: stored.shape, values: floats(buffer, stored.dtype, from, to) });
  }
  return tensors;
}

// The weights of a model that is stored as a change of its start: `<name>` is added, or `<name>.up` times `<name>.down`.
export function changed(start, change) {
  const weights = new Map(start);
  for (const [name, { shape, values }] of change) {
    if (name.endsWith(".down")) continue;
    const target = name.replace(/\.up$/, ""), sum = Float32Array.from(start.get(target).values);
    if (name === target) values.forEach((value, i) => { sum[i] += value; });
    else addProduct(sum, values, change.get(`${target}.down`).values, shape[1]);
    weights.set(target, { shape: start.get(target).shape, values: sum });
  }
  return weights;
}

function addProduct(sum, up, down, rank) {
  const width = down.length / rank;
  for (let i = 0; i < sum.length; i++) {
    const row = Math.floor(i / width), column = i % width;
    let added = 0;
    for (let r = 0; r < rank; r++) added += up[row * rank + r] * down[r * width + column];
    sum[i] += added;
  }
}

// ---- the model ------------------------------------------------------------------------------------------------------

// Matrix (rows, columns) times vector (columns).
function times(matrix, vector) {
  const columns = vector.length, product = new Float64Array(matrix.length / columns);
  for (let row = 0, at = 0; row < product.length; row++) {
    let sum = 0;
    for (let i = 0; i < columns; i++, at++) sum += matrix[at] * vector[i];
    product[row] = sum;
  }
  return product;
}

function normed(vector, scale, epsilon) {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const over = 1 / Math.sqrt(squares / vector.length + epsilon);
  return vector.map((value, i) => value * over * scale[i]);
}

function add(sum, vector) {
  for (let i = 0; i < sum.length; i++) sum[i] += vector[i];
}

// exp(logits) / sum, as a Float64Array.
export function softmax(logits) {
  const shares = new Float64Array(logits.length);
  let most = -Infinity, sum = 0;
  for (let i = 0; i < shares.length; i++) if (logits[i] > most) most = logits[i];
  for (let i = 0; i < shares.length; i++) sum += shares[i] = Math.exp(logits[i] - most);
  for (let i = 0; i < shares.length; i++) shares[i] /= sum;
  return shares;
}

export class NanoModel {
  // config: hidden, layers, heads, key_heads, epsilon, theta, context, as `model_bundle` writes them.
  constructor(config, weights) {
    this.config = config;
    const of = (name) => weights.get(name).values;
    this.embedding = of("model.embed_tokens.weight");
    this.norm = of("model.norm.weight");
    this.blocks = Array.from({ length: config.layers }, (_, layer) => {
      const own = (name) => of(`model.layers.${layer}.${name}.weight`);
      return {
        before: own("input_layernorm"), after: own("post_attention_layernorm"),
        query: own("self_attn.q_proj"), key: own("self_attn.k_proj"), value: own("self_attn.v_proj"), out: own("self_attn.o_proj"),
        gate: own("mlp.gate_proj"), up: own("mlp.up_proj"), down: own("mlp.down_proj"),
      };
    });
    this.head = config.hidden / config.heads;  // numbers in one attention head
    const half = this.head / 2, angle = (_, at) => Math.floor(at / half) * config.theta ** (-(at % half) / half);
    const angles = Float64Array.from({ length: config.context * half }, angle);  // by place and number
    this.cosines = angles.map(Math.cos);
    this.sines = angles.map(Math.sin);
  }

  // An empty memory of what was read; `length` may be set back to forget the last tokens.
  start() {
    const room = this.config.context * this.config.key_heads * this.head;
    return { length: 0, layers: this.blocks.map(() => ({ keys: new Float64Array(room), values: new Float64Array(room) })) };
  }

  // Read one token; returns the final state, from which `logits` tells what may come next.
  read(memory, token) {
    const { hidden, epsilon, context } = this.config;
    if (memory.length >= context) throw new Error(`a nano model reads ${context} tokens at most`);
    const state = Float64Array.from(this.embedding.subarray(token * hidden, (token + 1) * hidden));
    this.blocks.forEach((block, layer) => {
      add(state, this.attend(block, memory.layers[layer], memory.length, normed(state, block.before, epsilon)));
      const read = normed(state, block.after, epsilon), gate = times(block.gate, read), up = times(block.up, read);
      for (let i = 0; i < gate.length; i++) up[i] *= gate[i] / (1 + Math.exp(-gate[i]));
      add(state, times(block.down, up));
    });
    memory.length += 1;
    return normed(state, this.norm, epsilon);
  }

  // Read several tokens; returns the final state after the last.
  readAll(memory, tokens) {
    let state = null;
    for (const token of tokens) state = this.read(memory, token);
    return state;
  }

  logits(state) {
    return times(this.embedding, state);
  }

  attend(block, { keys, values }, place, read) {
    const { heads, key_heads } = this.config, width = this.head, stride = key_heads * width;
    const query = this.turned(times(block.query, read), place), mixed = new Float64Array(query.length);
    keys.set(this.turned(times(block.key, read), place), place * stride);
    values.set(times(block.value, read), place * stride);
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head * key_heads / heads) * width;  // several heads share one head of keys and values
      const scores = new Float64Array(place + 1);
      for (let at = 0; at <= place; at++) {
        let sum = 0;
        for (let i = 0; i < width; i++) sum += query[head * width + i] * keys[at * stride + shared + i];
        scores[at] = sum / Math.sqrt(width);
      }
      softmax(scores).forEach((share, at) => {
        for (let i = 0; i < width; i++) mixed[head * width + i] += share * values[at * stride + shared + i];
      });
    }
    return times(block.out, mixed);
  }

  // Rotary positions as transformers has them: number i of a head turns with number i + half.
  turned(vector, place) {
    const half = this.head / 2, turned = vector.slice();
    for (let start = 0; start < vector.length; start += this.head) {
      for (let i = 0; i < half; i++) {
        const cosine = this.cosines[place * half + i], sine = this.sines[place * half + i];
        const a = vector[start + i], b = vector[start + half + i];
        turned[start + i] = a * cosine - b * sine;
        turned[start + half + i] = b * cosine + a * sine;
      }
    }
    return turned;
  }
}

// ---- words ----------------------------------------------------------------------------------------------------------

// How many letters must change to make one word of another.
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}

export class Words {
  // list: tokens in the order of their ids, `specials` among them, the `pattern` that cuts text, the default `system`.
  constructor({ tokens, specials, pattern, system }) {
    this.tokens = tokens;
    this.system = system;
    this.specials = new Set(specials);
    this.ids = new Map(tokens.map((token, id) => [token, id]));
    this.pattern = new RegExp(pattern, "gsu");
    this.cut = new RegExp(`(${specials.map((token) => token.replace(/[|<>]/g, "\\$&")).join("|")})`);
    this.end = this.ids.get("<|end|>");
    this.unknown = this.ids.get("<unk>");
    this.plain = [...new Set(tokens.map((token) => token.trim()))].filter((token) => /^[A-Za-z_']+$/.test(token)).sort();
  }

  // Token ids of a text in which special tokens count as such.
  encode(text) {
    const ids = [];
    for (const part of text.split(this.cut))
      if (this.specials.has(part)) ids.push(this.ids.get(part));
      else for (const [piece] of part.matchAll(this.pattern)) ids.push(this.ids.get(piece) ?? this.unknown);
    return ids;
  }

  decode(ids) {
    const text = ids.filter((id) => !this.specials.has(this.tokens[id])).map((id) => this.tokens[id]).join("");
    return text.replace(/^ (?=[A-Za-z])/, "");
  }

  // A chat as text, as the tokenizer's template has it; `answering` lets the assistant speak next.
  chat(messages, answering = false) {
    let text = messages[0].role === "system" ? "" : `<|system|> ${this.system}<|end|>`;
    for (const { role, content } of messages) text += `<|${role}|>${this.spaced(content)}<|end|>`;
    return text + (answering ? "<|assistant|>" : "");
  }

  // Words carry the space before them.
  spaced(content) {
    return (/^\p{L}/u.test(content) ? " " : "") + content;
  }

  // Token ids of a question that the assistant is about to answer, after a system message and [asked, answered] pairs.
  asked(question, { system = "", history = [] } = {}) {
    const messages = system ? [{ role: "system", content: system }] : [];
    for (const [user, assistant] of history) messages.push({ role: "user", content: user }, { role: "assistant", content: assistant });
    return this.encode(this.chat([...messages, { role: "user", content: question }], true));
  }

  // Token ids of what the assistant says.
  said(answer) {
    return this.encode(this.spaced(answer));
  }

  // The pieces of a text that the models do not know, each with up to three known words that are spelt alike.
  strangers(text) {
    const pieces = [...this.spaced(text).matchAll(this.pattern)].map(([piece]) => piece);
    const unknown = new Set(pieces.filter((piece) => !this.ids.has(piece)).map((piece) => piece.trim() || piece));
    return [...unknown].map((word) => ({ word, near: this.near(word) }));
  }

  near(word) {
    const lower = word.toLowerCase(), far = Math.max(1, Math.floor(word.length / 2));
    const ranked = this.plain.map((known) => [distance(lower, known.toLowerCase()), known]);
    return ranked.filter(([apart]) => apart <= far).sort(([a], [b]) => a - b).slice(0, 3).map(([, known]) => known);
  }
}

// ---- what a model says ----------------------------------------------------------------------------------------------

// Chance of each token as the next after `ids`.
export function nextChances(model, ids) {
  return softmax(model.logits(model.readAll(model.start(), ids)));
}

// Chance that the reply to `ids` begins with each of the answers (token ids). What several answers begin with in common
// is read once: they are gone through in an order in which the memory need only be set back.
export function answerChances(model, ids, answers) {
  const memory = model.start(), chances = new Float64Array(answers.length);
  const order = answers.map((answer, place) => place).sort((a, b) => compare(answers[a], answers[b]));
  let path = [], shares = [softmax(model.logits(model.readAll(memory, ids)))];
  for (const place of order) {
    const answer = answers[place];
    let common = 0;
    while (common < Math.min(path.length, answer.length - 1) && path[common] === answer[common]) common++;
    shares = shares.slice(0, common + 1);
    memory.length = ids.length + common;
    path = answer.slice(0, -1);
    for (const token of path.slice(common)) shares.push(softmax(model.logits(model.read(memory, token))));
    chances[place] = answer.reduce((product, token, i) => product * shares[i][token], 1);
  }
  return chances;
}

function compare(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

// Random numbers between 0 and 1 from a seed and a row, 53 bits each (sfc32). Equal seeds and rows, equal numbers.
export function stream(seed, row = 0) {
  let a = 0x9e3779b9 ^ seed, b = 0x243f6a88 ^ row, c = 0xb7e15162, counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 16; i++) next();  // until the seed has reached every bit
  return () => ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000;
}

// What a model writes after `ids`: token ids, without the one that ends the answer. Every token has an exponential clock
// that runs at its chance, and the first to ring is written (Gumbel's coupling). Two models that get equal streams use
// the same clocks at the same place, and differ only as much as their distributions do.
export function write(model, ids, random, { end, limit = 26 }) {
  const memory = model.start(), written = [];
  let state = model.readAll(memory, ids);
  while (written.length < limit) {
    const token = firstToRing(softmax(model.logits(state)), random);
    if (token === end) break;
    written.push(token);
    if (written.length < limit) state = model.read(memory, token);
  }
  return written;
}

function firstToRing(shares, random) {
  let best = -1, most = -1;
  for (let token = 0; token < shares.length; token++) {
    const rate = shares[token] / -Math.log(1 - random());  // 1 - random() is above 0
    if (rate > most) [best, most] = [token, rate];
  }
  return best;
}

// Where two lists of tokens part: the first place, and every place at which they differ (their lengths count).
export function partings(one, other) {
  const places = [];
  for (let place = 0; place < Math.max(one.length, other.length); place++) if (one[place] !== other[place]) places.push(place);
  return { first: places.length ? places[0] : null, places };
}
