// Reads what `packing.py` packed: inflates the stream once, a column when it is asked for.
"use strict";
const page = {};

// What an element holds as base64 of gzip; letter by letter, as a call per letter takes seconds.
page.inflated = async (id) => {
  const letters = atob(document.getElementById(id).textContent);
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

page.data = (() => {
  let head = null;
  let bytes = null;
  let start = 0;
  const known = new Map();

  async function open() {
    bytes = await page.inflated("data");
    const length = new DataView(bytes.buffer).getUint32(0, true);
    head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    start = 4 + length;
    return head;
  }

  // The bytes of all rows stand in planes, the lowest first.
  function whole(form) {
    const { n, width } = form;
    const at = start + form.at;
    const values = new Array(n);
    let last = 0;
    for (let i = 0; i < n; i++) {
      let code = 0;
      for (let plane = width - 1; plane >= 0; plane--) {
        code = code * 256 + bytes[at + plane * n + i];
      }
      if (form.moves) {
        last += code % 2 ? -(code + 1) / 2 : code / 2;
        code = last;
      }
      const place = code - (form.null ? 1 : 0);
      values[i] = place < 0 ? null : form.least + place * form.step;
    }
    return values;
  }

  function doubles(form) {
    const { n } = form;
    const at = start + form.at;
    const view = new DataView(new ArrayBuffer(8));
    const values = new Array(n);
    for (let i = 0; i < n; i++) {
      for (let plane = 0; plane < 8; plane++) view.setUint8(plane, bytes[at + plane * n + i]);
      const value = view.getFloat64(0, true);
      values[i] = Number.isNaN(value) ? null : value;
    }
    return values;
  }

  function read(form) {
    if (form.kind === "double") return doubles(form);
    const values = whole(form);
    if (form.kind === "text") return values.map((one) => (one === null ? null : form.texts[one]));
    // Times are seconds since 1970, as the charts want them.
    const unit = form.kind === "time" ? 1e6 : 10 ** form.decimals;
    return unit === 1 ? values : values.map((one) => (one === null ? null : one / unit));
  }

  function column(place) {
    if (!known.has(place)) known.set(place, read(head.columns[place]));
    return known.get(place);
  }

  // The rows of a figure as columns by name.
  function rows(figure) {
    return Object.fromEntries(figure.columns.map((one) => [one.name, column(one.data)]));
  }

  function figure(name) {
    return head.figures.find((one) => one.name === name);
  }

  function paths(name) {
    const places = Object.entries(head.paths[name]);
    return Object.fromEntries(places.map(([key, place]) => [key, column(place)]));
  }

  return { open, column, rows, figure, paths, get head() { return head; } };
})();
