// The run as a database in the page: DuckDB in a worker, started by the first query.
"use strict";
page.engine = (() => {
  // The worker asks for its engine at an address that is nowhere, and is answered with these bytes.
  const ADDRESS = "https://engine.invalid/engine.wasm";
  const ANSWERED = `
    const engine = new Promise((resolve) => {
      self.addEventListener("message", function first(event) {
        self.removeEventListener("message", first);
        event.stopImmediatePropagation();
        resolve(event.data);
      });
    });
    self.fetch = async () =>
      new Response(await engine, { headers: { "Content-Type": "application/wasm" } });
  `;
  const FILE = "run.duckdb";
  const MOST_ROWS = 1000;
  let starting = null;

  async function start() {
    const [code, engine, run] = await Promise.all(["worker", "engine", "run"].map(page.inflated));
    const made = new Blob([ANSWERED, code], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(made));
    worker.postMessage(engine, [engine.buffer]);
    const database = new page.client.AsyncDuckDB(new page.client.VoidLogger(), worker);
    await database.instantiate(ADDRESS);
    await database.registerFileBuffer(FILE, run);
    await database.open({
      path: FILE,
      accessMode: page.client.DuckDBAccessMode.READ_ONLY,
      query: { castBigIntToDouble: false },
    });
    const connection = await database.connect();
    // What an extension would do must come from a network that a page does not have.
    await connection.query("set autoinstall_known_extensions = false");
    await connection.query("set autoload_known_extensions = false");
    return connection;
  }

  // The rows of a query as texts by column, as DuckDB writes them; `isCut`: there are more.
  async function ask(query) {
    starting = starting || start();
    const connection = await starting;
    const asked = query.trim().replace(/(;\s*)+$/, "");
    const table = await connection.query(
      `select columns(*)::varchar from (${asked}\n) limit ${MOST_ROWS + 1}`);
    const isCut = table.numRows > MOST_ROWS;
    const names = table.schema.fields.map((one) => one.name);
    const rows = Object.fromEntries(names.map((name, i) =>
      [name, [...table.getChildAt(i)].slice(0, MOST_ROWS)]));
    return { names, rows, n: Math.min(table.numRows, MOST_ROWS), isCut };
  }

  return { ask, MOST_ROWS };
})();
