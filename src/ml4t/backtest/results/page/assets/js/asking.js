// A box in which a query is edited and run, under each figure and once at the end.
"use strict";
page.asking = (() => {
  let n = 0;

  function button(words, act, kind = "quiet") {
    const made = document.createElement("button");
    made.type = "button";
    made.className = kind;
    made.textContent = words;
    made.addEventListener("click", act);
    return made;
  }

  function show(host, said, title, { names, rows, n: count, isCut }) {
    const columns = names.map((name) => ({ name, label: name, format: "text" }));
    host.replaceChildren();
    if (count) page.table.grid(host, `Answer: ${title}`, columns, rows, { shown: 12 });
    const words = count.toLocaleString("en-US");
    said.textContent = isCut ? `The first ${words} rows` : `${words} ${count === 1 ? "row" : "rows"}`;
  }

  function box(host, title, query) {
    const id = `query-${n++}`;
    const label = document.createElement("label");
    label.htmlFor = id;
    label.textContent = `${title}: edit and run (Ctrl+Enter), read-only`;
    const field = document.createElement("textarea");
    field.id = id;
    field.spellcheck = false;
    field.value = query;
    field.rows = Math.min(16, query.split("\n").length + 1);
    const said = document.createElement("p");
    said.className = "said";
    said.setAttribute("role", "status");
    const answer = document.createElement("div");
    answer.className = "answer";
    async function run() {
      go.disabled = true;
      said.classList.remove("alarm");
      said.textContent = "Running; the first query starts the engine ...";
      try {
        show(answer, said, title, await page.engine.ask(field.value));
      } catch (error) {
        answer.replaceChildren();
        said.classList.add("alarm");
        said.textContent = error.message;
      }
      go.disabled = false;
    }
    const go = button("Run", run, "go");
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !go.disabled) {
        event.preventDefault();
        run();
      }
    });
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.append(go, button("Reset", () => { field.value = query; }));
    host.append(label, field, tools, said, answer);
    return field;
  }

  for (const details of document.querySelectorAll("details.sql")) {
    const figure = details.closest("figure");
    const title = figure.querySelector("h3").textContent;
    const host = document.createElement("div");
    host.className = "asking";
    const opening = button("Edit and run here", () => {
      opening.remove();
      box(host, title, details.querySelector("code").textContent).focus();
    });
    host.append(opening);
    details.querySelector(".how").after(host);
  }
  const last = document.getElementById("ask");
  box(last, "Any query", last.dataset.query);
})();
