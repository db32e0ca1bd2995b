// Writes a value as `shown.py` does: what a column's format says.
"use strict";
page.format = (() => {
  const two = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const none = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const tiny = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
  const short = new Intl.NumberFormat("en-US", {
    notation: "compact", maximumSignificantDigits: 3,
  });
  const NOTHING = "–";
  const NUMERIC = new Set(["percent", "money", "price", "number", "count"]);

  // Times are the wall clock of the run's zone already.
  function time(seconds) {
    const text = new Date(seconds * 1000).toISOString();
    const clock = text.slice(11, 19);
    return clock === "00:00:00" ? text.slice(0, 10) : `${text.slice(0, 10)} ${clock}`;
  }

  function decimal(value) {
    return value !== 0 && Math.abs(value) < 0.01 ? tiny.format(value) : two.format(value);
  }

  function value(one, format) {
    if (one === null || one === undefined) return NOTHING;
    if (format === "percent") return `${two.format(one * 100)}%`;
    if (format === "count") return none.format(one);
    if (format === "time") return time(one);
    if (typeof one === "number" && NUMERIC.has(format)) return decimal(one);
    if (format === "flag") return one === "True" ? "yes" : "no";
    return String(one);
  }

  // As few digits as a step between ticks has: 2.5 has one.
  function digitsOf(step) {
    let digits = 0;
    while (digits < 8 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) {
      digits++;
    }
    return digits;
  }

  // At an axis: as few letters as tell one tick from the next.
  function tick(one, format, step) {
    if (one === null) return "";
    if (format === "percent") return `${(one * 100).toFixed(digitsOf(step * 100))}%`;
    if (Math.abs(one) >= 10000) return short.format(one);
    const digits = digitsOf(step);
    return one.toLocaleString("en-US", {
      minimumFractionDigits: digits, maximumFractionDigits: digits,
    });
  }

  return { value, tick, time, NUMERIC, NOTHING };
})();
