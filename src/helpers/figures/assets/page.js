// What explorers need of a page and its kernel: elements, lists in words, a state in an address, files that are asked for.

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

// A state as letters that are safe in an address and in a selector, for themes look up what follows the #.
export function packed(state) {
  const text = String.fromCharCode(...new TextEncoder().encode(JSON.stringify(state)));
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function unpacked(letters) {
  try {
    const text = atob(letters.replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  } catch {
    return {};  // a link that was cut short opens the explorer as it is
  }
}

// The state that the page's address has for an explorer of this name; null where it has none.
export function fromLink(name) {
  const start = `#${name}-`, { hash } = location;
  return hash.startsWith(start) ? unpacked(hash.slice(start.length)) : null;
}

// Where a page of the book keeps its files; undefined where there is a kernel instead.
export const bookRoot = () => document.documentElement.dataset.content_root;

const PATIENCE = 60000;  // milliseconds until a kernel counts as gone

// What a kernel answers to `wanted`: that which `heard(message, buffers)` makes of a message, undefined if it is another.
export function fromKernel(model, wanted, heard) {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => finish(fail, new Error("the kernel does not answer; run the cell again")), PATIENCE);
    const hear = (message, buffers) => {
      const found = heard(message, buffers);
      if (found !== undefined) finish(done, found);
    };
    const finish = (end, value) => {
      clearTimeout(timer);
      model.off("msg:custom", hear);
      end(value);
    };
    model.on("msg:custom", hear);
    model.send(wanted);
  });
}
