// A table of any length: rows are drawn as they are scrolled to, sorted and searched in place.
"use strict";
page.table = (() => {
  const ROW = 30;
  const { value, NUMERIC } = page.format;
  let n = 0;

  function element(kind, role, text) {
    const made = document.createElement(kind);
    if (role) made.setAttribute("role", role);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // As wide as what a few hundred rows and the heading need, in letters.
  function widths(columns, rows) {
    return columns.map((one) => {
      const values = rows[one.name];
      let most = one.label.length + 2;
      const stride = Math.max(1, Math.floor(values.length / 300));
      for (let i = 0; i < values.length; i += stride) {
        most = Math.max(most, value(values[i], one.format).length);
      }
      return `minmax(${(Math.min(most, 64) * 0.96 + 2.2).toFixed(1)}ch, auto)`;
    }).join(" ");
  }

  function compare(a, b) {
    if (a === null) return b === null ? 0 : 1;
    if (b === null) return -1;
    return a < b ? -1 : a > b ? 1 : 0;
  }

  // `rows` has an array per column; `onPick(i)` is called with the place of the row in it.
  function grid(host, title, columns, rows, { shown = 12, search = false, onPick = null } = {}) {
    const id = `grid-${n++}`;
    const total = columns.length ? rows[columns[0].name].length : 0;
    const all = Array.from({ length: total }, (_, i) => i);
    let order = all;
    let sorted = null;
    let active = 0;
    let texts = null;

    const box = element("div");
    box.className = "virtual";
    const body = element("div", "grid");
    body.className = "viewport";
    body.tabIndex = 0;
    body.setAttribute("aria-label", title);
    body.setAttribute("aria-colcount", columns.length);
    body.style.setProperty("--columns", widths(columns, rows));
    body.style.height = `${ROW * (Math.min(total, shown) + 1) + 14}px`;
    const head = element("div", "row");
    head.className = "row head";
    const buttons = columns.map((one, i) => {
      const cell = element("span", "columnheader");
      if (NUMERIC.has(one.format)) cell.className = "number";
      const button = element("button", null, one.label);
      button.type = "button";
      button.addEventListener("click", () => sort(i));
      cell.append(button);
      head.append(cell);
      return cell;
    });
    const space = element("div", "rowgroup");
    space.className = "space";
    body.append(head, space);

    function draw() {
      const first = Math.max(0, Math.floor(body.scrollTop / ROW) - 6);
      const last = Math.min(order.length, first + shown + 14);
      const made = [];
      for (let place = first; place < last; place++) {
        const row = element("div", "row");
        row.className = place === active && onPick ? "row active" : "row";
        row.id = `${id}-${place}`;
        row.setAttribute("aria-rowindex", place + 2);
        row.style.top = `${place * ROW}px`;
        for (const one of columns) {
          const cell = element("span", "gridcell", value(rows[one.name][order[place]], one.format));
          if (NUMERIC.has(one.format)) {
            cell.className = rows[one.name][order[place]] < 0 ? "number minus" : "number";
          }
          row.append(cell);
        }
        if (onPick) row.addEventListener("click", () => pick(place));
        made.push(row);
      }
      space.style.height = `${order.length * ROW}px`;
      space.replaceChildren(...made);
      body.setAttribute("aria-rowcount", order.length + 1);
      body.setAttribute("aria-activedescendant", `${id}-${active}`);
    }

    function sort(i) {
      const { name } = columns[i];
      const isDown = sorted && sorted.i === i ? !sorted.isDown : NUMERIC.has(columns[i].format);
      sorted = { i, isDown };
      const sign = isDown ? -1 : 1;
      order = [...order].sort((a, b) => {
        const [one, other] = [rows[name][a], rows[name][b]];
        // What is not there stands last, whichever way.
        if (one === null || other === null) return compare(one, other);
        return sign * compare(one, other) || a - b;
      });
      buttons.forEach((cell, k) => {
        if (k === i) cell.setAttribute("aria-sort", isDown ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      });
      active = 0;
      body.scrollTop = 0;
      draw();
    }

    function find(words) {
      texts = texts || all.map((i) =>
        columns.map((one) => value(rows[one.name][i], one.format)).join("\u0001").toLowerCase());
      const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
      order = all.filter((i) => wanted.every((word) => texts[i].includes(word)));
      active = 0;
      body.scrollTop = 0;
      if (sorted) {
        sorted.isDown = !sorted.isDown;
        sort(sorted.i);
      } else draw();
    }

    function pick(place) {
      active = place;
      draw();
      if (onPick && order.length) onPick(order[active]);
    }

    body.addEventListener("scroll", draw, { passive: true });
    body.addEventListener("keydown", (event) => {
      const moves = {
        ArrowDown: 1, ArrowUp: -1, PageDown: shown, PageUp: -shown, Home: -Infinity, End: Infinity,
      };
      if (event.target !== body) return;
      if (event.key === "Enter" && onPick) return pick(active);
      if (!(event.key in moves)) return;
      event.preventDefault();
      active = Math.max(0, Math.min(order.length - 1, active + moves[event.key]));
      const top = active * ROW;
      if (top < body.scrollTop) body.scrollTop = top;
      const room = body.clientHeight - ROW;
      if (top + ROW > body.scrollTop + room) body.scrollTop = top + ROW - room;
      draw();
    });

    if (search) {
      const label = element("label", null, "Search ");
      const field = element("input");
      field.type = "search";
      field.placeholder = "asset, rule, date ...";
      const count = element("span");
      count.className = "count";
      count.setAttribute("aria-live", "polite");
      const say = () => {
        count.textContent = order.length === total
          ? `${total.toLocaleString("en-US")} rows`
          : `${order.length.toLocaleString("en-US")} of ${total.toLocaleString("en-US")} rows`;
      };
      field.addEventListener("input", () => {
        find(field.value);
        say();
      });
      label.append(field);
      const bar = element("div");
      bar.className = "search";
      bar.append(label, count);
      say();
      box.append(bar);
    }
    box.append(body);
    host.replaceChildren(box);
    draw();
    return { sort, find };
  }

  return { grid };
})();
