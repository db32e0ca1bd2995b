// What every chart has: its place, its axes, its cursor by mouse and keyboard, its readout.
"use strict";
page.charts = (() => {
  const { value, tick } = page.format;
  const DAY = 86400;
  const all = [];
  const color = (name) => () => page.theme.color(name);
  const SERIES = Array.from({ length: 8 }, (_, i) => `series-${i + 1}`);

  // Two ticks of 28 days may be in one month: the second has no name, not the same one again.
  function timeTicks(_, splits, __, ___, step) {
    const names = splits.map((one) => {
      const text = new Date(one * 1000).toISOString();
      if (step >= 360 * DAY) return text.slice(0, 4);
      if (step >= 27 * DAY) return text.slice(0, 7);
      return step >= DAY ? text.slice(0, 10) : text.slice(11, 16);
    });
    return names.map((name, i) => (name === names[i - 1] ? null : name));
  }

  const STEPS = [1, 2, 7, 14, 28, 61, 91, 182, 365, 730, 1095, 1825, 3650].map((days) => days * DAY);

  // Years take less room than months, months less than days.
  function timeSpace(_, __, from, to) {
    const days = (to - from) / DAY;
    return days > 1200 ? 46 : days > 120 ? 66 : 88;
  }

  function axis(side, format, values, { isDaily = false } = {}) {
    const isTime = format === "time";
    return {
      side,
      stroke: color("muted"),
      grid: { show: side === 3, stroke: color("grid"), width: 1 },
      ticks: { show: side === 2, stroke: color("grid"), width: 1, size: 4 },
      font: "12px system-ui, sans-serif",
      gap: 6,
      // All of one width: pictures one below the other have their bars one below the other.
      size: side === 2 ? 28 : 54,
      space: side === 2 ? (isTime ? timeSpace : 70) : 44,
      ...(isTime && isDaily ? { incrs: STEPS } : {}),
      values: values || (isTime
        ? timeTicks
        : (_, splits, __, ___, step) => splits.map((one) => tick(one, format, step))),
    };
  }

  const isDaily = (times) => times.every((one) => one % DAY === 0);

  // What does not move has room around it; uPlot would show 0 in 0 to 100. It rounds the ends of
  // an axis to 9 decimals, and never comes to an end of the ticks where that is all there is.
  function range(_, low, high) {
    if (low === null || high === null) return [0, 1];
    const move = high - low;
    if (move > Math.max(Math.abs(low), Math.abs(high)) * 1e-7) {
      return move > 1e-6
        ? uPlot.rangeNum(low, high, 0.1, true)
        : [low - move * 0.1, high + move * 0.1];
    }
    const room = Math.abs(low) * 0.05 || 0.01;
    return [low - room, high + room];
  }

  // Of a logarithmic axis the round numbers alone have a name.
  function roundOnes(_, splits) {
    return splits.map((one) => ([1, 2, 5].includes(Number(one.toExponential()[0])) ? one : null));
  }

  function swatch(name, text, number) {
    const item = document.createElement("span");
    item.className = "entry";
    const dot = document.createElement("i");
    dot.className = `swatch ${name}`;
    item.append(dot, `${text} `);
    const strong = document.createElement("b");
    strong.textContent = number;
    item.append(strong);
    return item;
  }

  // `said(place)` gives the parts of the readout at a row; keys move from row to row.
  function place(host, readout, options, data, said, label) {
    const size = () => ({ width: Math.max(host.clientWidth, 120), height: host.clientHeight });
    let at = null;
    const show = (index) => {
      at = index;
      const parts = said(index);
      readout.replaceChildren(...parts);
      host.setAttribute("aria-valuenow", index);
      host.setAttribute("aria-valuetext", readout.textContent);
    };
    const last = data[0].length - 1;
    const hooks = options.hooks || {};
    hooks.setCursor = [...(hooks.setCursor || []), (chart) => {
      const index = options.pick ? options.pick(chart) : chart.cursor.idx;
      show(index === null || index === undefined ? last : index);
    }];
    const chart = new uPlot({ ...options, ...size(), hooks, legend: { show: false } }, data, host);
    host.tabIndex = 0;
    host.setAttribute("role", "slider");
    host.setAttribute("aria-label", `${label}; arrow keys move from value to value`);
    host.setAttribute("aria-valuemin", 0);
    host.setAttribute("aria-valuemax", last);
    show(last);
    host.onkeydown = (event) => {
      const stride = event.shiftKey ? Math.max(1, Math.round(last / 20)) : 1;
      const moves = { ArrowLeft: -stride, ArrowRight: stride, Home: -last, End: last };
      if (!(event.key in moves)) return;
      event.preventDefault();
      const next = Math.min(last, Math.max(0, (at === null ? last : at) + moves[event.key]));
      if (options.onKey) options.onKey(next);
      else {
        const left = chart.valToPos(data[0][next], "x");
        chart.setCursor({ left, top: chart.over.clientHeight / 2 });
      }
      show(next);
    };
    const watcher = new ResizeObserver(() => chart.setSize(size()));
    watcher.observe(host);
    all.push({ chart, host, watcher });
    return chart;
  }

  function clear(host) {
    const found = all.findIndex((one) => one.host === host);
    if (found >= 0) {
      const [{ chart, watcher }] = all.splice(found, 1);
      watcher.disconnect();
      chart.destroy();
    }
    host.replaceChildren();
  }

  function lines(figure, host, readout, { isLog = false } = {}) {
    clear(host);
    const rows = page.data.rows(figure);
    const [x] = figure.columns.filter((one) => one.channel === "x");
    const ys = figure.columns.filter((one) => figure.drawn.includes(one.name));
    const isArea = figure.kind === "area";
    const others = figure.columns.filter((one) => one.channel === "text");
    place(host, readout, {
      padding: [10, 14, 0, 0],
      scales: { x: { time: x.format === "time" }, y: isLog ? { distr: 3 } : { range } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: {
        sync: { key: "time" }, drag: { x: true, y: false, setScale: true }, y: false,
        points: { size: 7 },
      },
      axes: [
        axis(2, x.format, undefined, { isDaily: isDaily(rows[x.name]) }),
        { ...axis(3, ys[0].format), ...(isLog ? { filter: roundOnes } : {}) },
      ],
      // The first one is drawn last, above the others.
      series: [{}, ...ys.map((one, i) => ({
        label: one.label,
        stroke: color(SERIES[i]),
        width: i === 0 ? 1.75 : 1.25,
        fill: isArea && i === 0 ? color("series-1-soft") : undefined,
        points: { show: false },
      })).reverse()],
    }, [rows[x.name], ...ys.map((one) => rows[one.name]).reverse()], (index) => [
      swatch("none", "", value(rows[x.name][index], x.format)),
      ...ys.map((one, i) => swatch(SERIES[i], one.label, value(rows[one.name][index], one.format))),
      ...others.map((one) => swatch("none", one.label, value(rows[one.name][index], one.format))),
    ], figure.title);
  }

  page.theme.onChange(() => all.forEach(({ chart }) => chart.redraw(false, true)));
  return { place, clear, lines, axis, range, isDaily, color, swatch, SERIES };
})();
