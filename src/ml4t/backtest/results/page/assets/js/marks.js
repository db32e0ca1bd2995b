// Bars and points, which uPlot leaves to be drawn: columns, rows of bars, scatters.
"use strict";
page.marks = (() => {
  const { value } = page.format;
  const { place, clear, axis, range, color, swatch, SERIES } = page.charts;
  const shade = (one) => page.theme.color(one < 0 ? "loss" : "gain");

  function columnsOf(figure) {
    const [x] = figure.columns.filter((one) => one.channel === "x");
    const ys = figure.columns.filter((one) => figure.drawn.includes(one.name));
    return { x, ys, others: figure.columns.filter((one) => one.channel === "text") };
  }

  // Upright bars, side by side where there are two of a place.
  function upright(figure, host, readout, rows) {
    clear(host);
    const { x, ys, others } = columnsOf(figure);
    const names = rows[x.name].map((one) =>
      x.format === "time" ? value(one, "time").slice(0, 7) : value(one, x.format));
    const at = names.map((_, i) => i);
    // Gain and loss have colours of their own where there are both.
    const isSigned = ys.length === 1 && rows[ys[0].name].some((one) => one < 0);
    const draw = (which) => (chart, _, from, to) => {
      const slot = (chart.valToPos(1, "x", true) - chart.valToPos(0, "x", true)) * 0.78;
      const width = Math.max(1, slot / ys.length - (slot > 8 ? 1 : 0));
      const base = chart.valToPos(0, "y", true);
      for (let i = from; i <= to; i++) {
        const one = rows[ys[which].name][i];
        if (one === null) continue;
        const left = chart.valToPos(i, "x", true) - slot / 2 + (slot / ys.length) * which;
        const top = chart.valToPos(one, "y", true);
        chart.ctx.fillStyle = isSigned ? shade(one) : page.theme.color(SERIES[which]);
        chart.ctx.fillRect(left, Math.min(top, base), width, Math.max(1, Math.abs(top - base)));
      }
      return null;
    };
    place(host, readout, {
      padding: [10, 14, 0, 0],
      scales: {
        x: { time: false, range: () => [-0.6, names.length - 0.4] },
        y: { range: (_, low, high) => range(_, Math.min(0, low), Math.max(0, high)) },
      },
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
      axes: [
        {
          ...axis(2, "text", (_, splits) => splits.map((one) => names[one] ?? "")),
          incrs: [1, 2, 3, 4, 5, 6, 12, 24, 36, 60, 120, 240],
          space: 12 + 7 * Math.max(...names.map((one) => one.length)),
        },
        axis(3, ys[0].format),
      ],
      series: [{}, ...ys.map((one, i) => ({
        label: one.label, paths: draw(i), points: { show: false }, stroke: color(SERIES[i]),
      }))],
    }, [at, ...ys.map((one) => rows[one.name])], (i) => [
      swatch("none", x.label, names[i]),
      ...ys.map((one, k) => swatch(
        isSigned ? (rows[one.name][i] < 0 ? "loss" : "gain") : SERIES[k],
        one.label, value(rows[one.name][i], one.format))),
      ...others.map((one) => swatch("none", one.label, value(rows[one.name][i], one.format))),
    ], figure.title);
  }

  // Bars that lie, with their names: of few parts that are words.
  function lying(figure, host, readout, rows) {
    clear(host);
    const { x, ys, others } = columnsOf(figure);
    const [y] = ys;
    const most = Math.max(...rows[y.name].map((one) => Math.abs(one ?? 0)), 0);
    const hasLoss = rows[y.name].some((one) => one < 0);
    const list = document.createElement("ul");
    list.className = hasLoss ? "bars signed" : "bars";
    rows[x.name].forEach((name, i) => {
      const item = document.createElement("li");
      const words = document.createElement("span");
      words.className = "what";
      words.textContent = name === null ? "open or not known" : name;
      const track = document.createElement("span");
      track.className = "track";
      const bar = document.createElement("span");
      const one = rows[y.name][i] ?? 0;
      bar.className = one < 0 ? "bar loss" : hasLoss ? "bar gain" : "bar";
      bar.style.setProperty("--share", most ? Math.abs(one) / most : 0);
      track.append(bar);
      const number = document.createElement("b");
      number.textContent = value(rows[y.name][i], y.format);
      const more = document.createElement("small");
      more.textContent = others.slice(0, 1)
        .map((other) => `${value(rows[other.name][i], other.format)} ${other.label.toLowerCase()}`).join();
      item.append(words, track, number, more);
      list.append(item);
    });
    host.append(list);
    readout.replaceChildren();
    readout.hidden = true;
    host.classList.add(`rows-${rows[x.name].length}`);
    ["role", "tabindex", "aria-label", "aria-valuenow", "aria-valuetext", "aria-valuemin",
      "aria-valuemax"].forEach((one) => host.removeAttribute(one));
  }

  function bars(figure, host, readout, rows) {
    const { x } = columnsOf(figure);
    host.className = "chart";
    readout.hidden = false;
    const isWords = rows[x.name].some((one) => typeof one === "string");
    (isWords && rows[x.name].length <= 12 ? lying : upright)(figure, host, readout, rows);
  }

  function scatter(figure, host, readout) {
    clear(host);
    const { x, ys, others } = columnsOf(figure);
    const [y] = ys;
    const given = page.data.rows(figure);
    const order = given[x.name].map((_, i) => i)
      .filter((i) => given[x.name][i] !== null && given[y.name][i] !== null)
      .sort((a, b) => given[x.name][a] - given[x.name][b]);
    const xs = order.map((i) => given[x.name][i]);
    const values = order.map((i) => given[y.name][i]);
    let near = null;
    const draw = (chart, _, from, to) => {
      const ratio = devicePixelRatio;
      const size = (order.length > 3000 ? 2 : 3.4) * ratio;
      chart.ctx.globalAlpha = order.length > 3000 ? 0.45 : 0.7;
      for (const sign of [1, -1]) {
        chart.ctx.fillStyle = shade(sign);
        for (let i = from; i <= to; i++) {
          if ((values[i] < 0 ? -1 : 1) !== sign) continue;
          const left = chart.valToPos(xs[i], "x", true);
          const top = chart.valToPos(values[i], "y", true);
          chart.ctx.fillRect(left - size / 2, top - size / 2, size, size);
        }
      }
      chart.ctx.globalAlpha = 1;
      return null;
    };
    const ring = document.createElement("div");
    ring.className = "ring";
    const pick = (chart) => {
      const { left, top } = chart.cursor;
      if (left < 0 || top < 0) return near;
      let best = Infinity;
      for (let i = 0; i < order.length; i++) {
        const dx = chart.valToPos(xs[i], "x") - left;
        if (Math.abs(dx) > 40) continue;
        const dy = chart.valToPos(values[i], "y") - top;
        if (dx * dx + dy * dy < best) [best, near] = [dx * dx + dy * dy, i];
      }
      mark(chart);
      return near;
    };
    function mark(chart) {
      if (near === null) return;
      ring.style.left = `${chart.valToPos(xs[near], "x")}px`;
      ring.style.top = `${chart.valToPos(values[near], "y")}px`;
      ring.hidden = false;
    }
    const chart = place(host, readout, {
      padding: [10, 14, 0, 0],
      scales: { x: { time: false, range }, y: { range } },
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      axes: [axis(2, x.format), axis(3, y.format)],
      series: [{}, { label: y.label, paths: draw, points: { show: false }, stroke: color("gain") }],
      pick,
      onKey: (i) => {
        near = i;
        mark(chart);
      },
    }, [xs, values], (i) => [
      swatch("none", x.label, value(xs[i], x.format)),
      swatch(values[i] < 0 ? "loss" : "gain", y.label, value(values[i], y.format)),
      ...others.map((one) => swatch("none", one.label, value(given[one.name][order[i]], one.format))),
    ], figure.title);
    ring.hidden = true;
    chart.over.append(ring);
    const choose = () => near !== null && page.trade.show(given.trade_id[order[near]]);
    chart.over.addEventListener("click", choose);
    host.addEventListener("keydown", (event) => event.key === "Enter" && choose());
  }

  return { bars, scatter };
})();
