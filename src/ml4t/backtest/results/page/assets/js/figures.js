// Draws each figure into its place, with its switches, and its rows when someone asks for them.
"use strict";
page.figures = (() => {
  function toggle(words, isOn, change) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = words;
    button.setAttribute("aria-pressed", isOn);
    button.addEventListener("click", () => {
      const next = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", next);
      change(next);
    });
    return button;
  }

  function splitOf(figure) {
    return figure.columns.find((one) => one.channel === "split");
  }

  function only(figure, rows, part) {
    const split = splitOf(figure);
    const kept = rows[split.name].map((_, i) => i).filter((i) => rows[split.name][i] === part);
    return Object.fromEntries(Object.entries(rows).map(([k, v]) => [k, kept.map((i) => v[i])]));
  }

  // A list of the ways to split, the first of them drawn.
  function splitting(figure, host, readout, tools) {
    const rows = page.data.rows(figure);
    const split = splitOf(figure);
    const parts = [...new Set(rows[split.name])];
    const list = document.createElement("select");
    // Ways to split trades are words; names of sources and columns stand as they are.
    const isWords = figure.name === "attribution";
    for (const part of parts) {
      const option = document.createElement("option");
      option.value = part;
      option.textContent = isWords ? part.replaceAll("_", " ") : part;
      list.append(option);
    }
    const label = document.createElement("label");
    label.append(`${split.label} `, list);
    const draw = () => page.marks.bars(figure, host, readout, only(figure, rows, list.value));
    list.addEventListener("change", draw);
    tools.append(label);
    if (parts.includes("exit_rule")) list.value = "exit_rule";
    draw();
  }

  function draw(figure, element) {
    const host = element.querySelector(".chart");
    const readout = element.querySelector(".readout");
    const tools = element.querySelector(".tools");
    if (!host) {
      const grid = element.querySelector("[data-grid]");
      if (!grid) return;
      const rows = page.data.rows(figure);
      const isTrades = figure.name === "trades";
      page.table.grid(grid, figure.title, figure.columns, rows, {
        search: true, shown: 14,
        onPick: isTrades ? (i) => {
          page.trade.show(rows.trade_id[i]);
        } : null,
      });
      return;
    }
    if (figure.kind === "lines" || figure.kind === "area") {
      page.charts.lines(figure, host, readout);
      const ys = figure.columns.filter((one) => figure.drawn.includes(one.name));
      const rows = page.data.rows(figure);
      const isPositive = ys.every((one) => rows[one.name].every((v) => v === null || v > 0));
      if (figure.hasLog && isPositive) {
        tools.append(toggle("Log scale", false, (isLog) =>
          page.charts.lines(figure, host, readout, { isLog })));
      }
    } else if (figure.kind === "scatter") page.marks.scatter(figure, host, readout);
    else if (figure.kind === "bars") {
      if (splitOf(figure)) splitting(figure, host, readout, tools);
      else page.marks.bars(figure, host, readout, page.data.rows(figure));
    } else if (figure.kind === "trade") page.trade.start();
  }

  function fill(figure, element) {
    const result = element.querySelector(".result");
    let rows = page.data.rows(figure);
    if (figure.kind === "trade") {
      const found = page.trade.points(page.trade.current);
      rows = page.trade.columnsOf(found === null ? [] : found.rows);
    }
    page.table.grid(result, `Result: ${figure.title}`, figure.columns, rows, { shown: 8 });
  }

  function wire(figure, element) {
    const details = element.querySelector("details.sql");
    details.addEventListener("toggle", () => details.open && fill(figure, element));
    element.addEventListener("picked", () => details.open && fill(figure, element));
    const copy = details.querySelector(".copy");
    copy.addEventListener("click", async () => {
      const code = details.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        copy.textContent = "Copied";
      } catch {
        // A file may not be let near the clipboard: the text is marked, for the reader's own keys.
        getSelection().selectAllChildren(code);
        copy.textContent = "Marked";
      }
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
  }

  return { draw, wire };
})();
