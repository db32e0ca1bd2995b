// A trade on its price: put together from trades, closes, decisions and selections as the query
// of the figure does, for the trade that was picked.
"use strict";
page.trade = (() => {
  const { value } = page.format;
  const { place, clear, axis, isDaily, color, swatch } = page.charts;
  const LOOKS = { entry: "▲", exit: "▼", level: "—", decision: "◆", selection: "·" };
  let current = 0;
  const starts = new Map();

  // Rows of an asset stand together: where they begin and end.
  function span(name, asset) {
    if (!starts.has(name)) {
      const known = new Map();
      // As text: whole numbers are texts where some are larger than JavaScript has exactly.
      page.data.paths(name).asset_id.map(String).forEach((one, i) => {
        if (!known.has(one)) known.set(one, [i, i]);
        known.get(one)[1] = i + 1;
      });
      starts.set(name, known);
    }
    return starts.get(name).get(String(asset)) || [0, 0];
  }

  function within(name, asset, from, until) {
    const rows = page.data.paths(name);
    const [first, last] = span(name, asset);
    const found = [];
    for (let i = first; i < last; i++) {
      if (rows.timestamp[i] >= from && rows.timestamp[i] <= until) found.push(i);
    }
    return { rows, found };
  }

  function points(id) {
    const trades = page.data.rows(page.data.figure("trades"));
    const i = trades.trade_id.indexOf(id);
    if (i < 0) return null;
    const asset = trades.asset_id[i];
    const entry = trades.entry_timestamp[i];
    const exit = trades.exit_timestamp[i];
    const bars = page.data.rows(page.data.figure("equity")).timestamp;
    const until = exit === null ? bars[bars.length - 1] : exit;
    const decided = page.data.paths("entries").decided_at[id];
    const made = [];
    const closes = within("closes", asset, entry, until);
    for (const k of closes.found) {
      made.push([closes.rows.timestamp[k], "close", closes.rows.price[k], null]);
    }
    made.push([entry, "entry", trades.entry_price[i], null]);
    if (exit !== null) made.push([exit, "exit", trades.exit_price[i], trades.exit_rule[i]]);
    const decisions = within("decisions", asset, decided, until);
    for (const k of decisions.found) {
      const { timestamp, kind, price, note } = decisions.rows;
      made.push([timestamp[k], kind[k], price[k], note[k]]);
    }
    const chosen = within("selections", asset, decided, until);
    for (const k of chosen.found) {
      const { timestamp, rank, score } = chosen.rows;
      const scored = score[k] === null ? "" : `, score ${score[k]}`;
      made.push([timestamp[k], "selection", null, `rank ${rank[k]}${scored}`]);
    }
    made.sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0));
    return { trade: Object.fromEntries(Object.entries(trades).map(([k, v]) => [k, v[i]])), rows: made };
  }

  function columnsOf(rows) {
    return {
      timestamp: rows.map((one) => one[0]), kind: rows.map((one) => one[1]),
      price: rows.map((one) => one[2]), note: rows.map((one) => one[3]),
    };
  }

  function draw(host, readout, found) {
    clear(host);
    const { trade, rows } = found;
    const times = [...new Set(rows.map((one) => one[0]))];
    const closes = new Map(rows.filter((one) => one[1] === "close").map((one) => [one[0], one[2]]));
    const at = new Map(times.map((one) => [one, rows.filter((row) => row[0] === one)]));
    const priced = rows.filter((one) => one[2] !== null).map((one) => one[2]);
    const low = Math.min(...priced);
    const high = Math.max(...priced);
    const room = (high - low || Math.abs(high) || 1) * 0.12;
    const isLong = trade.side === "long";
    const marks = (chart) => {
      const ratio = devicePixelRatio;
      const { ctx } = chart;
      const text = (letter, x, y, shade) => {
        ctx.fillStyle = page.theme.color(shade);
        ctx.font = `${13 * ratio}px system-ui, sans-serif`;
        ctx.textAlign = "center";
        ctx.textBaseline = "middle";
        ctx.fillText(letter, x, y);
      };
      for (const [time, kind, price] of rows) {
        const x = chart.valToPos(time, "x", true);
        if (kind === "selection" || kind === "decision") {
          const y = chart.bbox.top + chart.bbox.height - 8 * ratio;
          text(kind === "selection" ? "|" : LOOKS.decision, x, y, "muted");
        } else if (kind === "level" && price !== null) {
          const y = chart.valToPos(price, "y", true);
          ctx.strokeStyle = page.theme.color("loss");
          ctx.lineWidth = 1.5 * ratio;
          ctx.setLineDash([5 * ratio, 4 * ratio]);
          ctx.beginPath();
          ctx.moveTo(chart.bbox.left, y);
          ctx.lineTo(chart.bbox.left + chart.bbox.width, y);
          ctx.stroke();
          ctx.setLineDash([]);
        } else if (kind === "entry" || kind === "exit") {
          const y = chart.valToPos(price, "y", true);
          const isUp = (kind === "entry") === isLong;
          text(isUp ? "▲" : "▼", x, y + (isUp ? 9 : -9) * ratio, kind === "entry" ? "series-1" : "series-2");
          ctx.fillStyle = page.theme.color(kind === "entry" ? "series-1" : "series-2");
          ctx.beginPath();
          ctx.arc(x, y, 3 * ratio, 0, 7);
          ctx.fill();
        }
      }
    };
    const [first, last] = [times[0], times[times.length - 1]];
    const beside = (last - first) * 0.04 || 86400;
    place(host, readout, {
      padding: [10, 14, 0, 0],
      scales: {
        // As far as the reader has zoomed, else with room for the marks at both ends.
        x: {
          time: true,
          range: (_, from, to) =>
            from <= first && to >= last ? [first - beside, last + beside] : [from, to],
        },
        y: { range: () => [low - room, high + room] },
      },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { drag: { x: true, y: false, setScale: true }, y: false, points: { size: 7 } },
      axes: [axis(2, "time", undefined, { isDaily: isDaily(times) }), axis(3, "price")],
      series: [{}, {
        label: "Close", stroke: color("ink-soft"), width: 1.5, spanGaps: true,
        points: { show: times.length < 60, size: 4, fill: color("ink-soft") },
      }],
      hooks: { draw: [marks] },
    }, [times, times.map((one) => closes.get(one) ?? null)], (i) => [
      swatch("none", "", value(times[i], "time")),
      ...at.get(times[i]).map(([, kind, price, note]) =>
        swatch("none", kind, [price === null ? "" : value(price, "price"), note ?? ""].filter(Boolean).join(" · "))),
    ], `Trade ${trade.trade_id} on its price`);
  }

  function show(id) {
    const host = document.querySelector('[data-figure="trade"]');
    const found = points(id);
    if (!host || !found) return;
    current = id;
    draw(host.querySelector(".chart"), host.querySelector(".readout"), found);
    const code = host.querySelector("code");
    code.textContent = code.textContent.replace(/where trade_id = \d+/, `where trade_id = ${id}`);
    const { trade } = found;
    host.querySelector(".picked").textContent =
      `${trade.side} ${value(Math.abs(trade.quantity), "number")} of ${trade.asset_id}, ` +
      `${value(trade.pnl, "money")} (${value(trade.return, "percent")})` +
      (trade.exit_rule === null ? ", still open" : `, closed by ${trade.exit_rule}`);
    host.querySelector("input").value = id;
    host.dispatchEvent(new Event("picked"));
  }

  function start() {
    const host = document.querySelector('[data-figure="trade"]');
    if (!host || !host.querySelector(".tools")) return;
    const ids = page.data.rows(page.data.figure("trades")).trade_id;
    const field = document.createElement("input");
    field.type = "number";
    field.min = 0;
    field.max = Math.max(...ids);
    const label = document.createElement("label");
    label.append("Trade ", field);
    const turn = (words, step) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      button.textContent = words;
      button.addEventListener("click", () => {
        const place = ids.indexOf(current) + step;
        if (place >= 0 && place < ids.length) show(ids[place]);
      });
      return button;
    };
    const picked = document.createElement("span");
    picked.className = "picked";
    picked.setAttribute("aria-live", "polite");
    field.addEventListener("change", () => show(Number(field.value)));
    host.querySelector(".tools").append(turn("Previous", -1), label, turn("Next", 1), picked);
    // The one that moved most says more than the first.
    const pnl = page.data.rows(page.data.figure("trades")).pnl;
    let most = 0;
    pnl.forEach((one, i) => { if (Math.abs(one) > Math.abs(pnl[most])) most = i; });
    show(ids[most]);
  }

  return { start, show, points, columnsOf, get current() { return current; } };
})();
