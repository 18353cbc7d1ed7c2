"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = read("data");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const SHAPES = { ours: "circle", other: "triangle", classical: "rect" };
  const charts = [];

  // Ticks of a logarithmic axis at 1, 2 and 5 times powers of ten.
  const tick = (value) => {
    const lead = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
    return [1, 2, 5].some((x) => Math.abs(x - lead) < 1e-6) ? Number(value.toPrecision(3)).toString() : "";
  };

  function axis(text, more = {}) {
    return {
      border: { color: color("line") },
      grid: { color: color("line"), tickLength: 4 },
      title: { display: Boolean(text), text, color: color("muted"), font: { size: 12 } },
      ...more,
      ticks: { color: color("muted"), font: { size: 11.5 }, maxRotation: 0, ...more.ticks },
    };
  }

  // Lines of a logarithmic axis where it has a number.
  const sparse = () => ({ tickLength: 4, color: (context) => (tick(context.tick.value) ? color("line") : "transparent") });

  function options(x, y, tooltip) {
    return {
      animation: false,
      maintainAspectRatio: false,
      scales: { x, y },
      plugins: {
        legend: { display: false },
        tooltip: {
          backgroundColor: color("ink"), titleColor: color("ground"), bodyColor: color("ground"),
          padding: 10, cornerRadius: 6, displayColors: false, boxPadding: 4,
          titleFont: { size: 12.5 }, bodyFont: { size: 12 }, ...tooltip,
        },
      },
    };
  }

  const marks = (points, radius) => ({
    pointStyle: points.map((point) => SHAPES[point.kind]),
    pointRadius: points.map((point) => (point.kind === "ours" ? radius : radius + 0.5)),
    pointHoverRadius: radius + 3,
    pointBorderWidth: 2,
    pointBorderColor: points.map((point) => color(point.kind)),
    pointBackgroundColor: points.map((point) => color(point.kind === "ours" ? "ours" : "ground")),
    pointHoverBackgroundColor: points.map((point) => color(point.kind)),
    pointHoverBorderColor: points.map((point) => color(point.kind)),
    pointHitRadius: 12,
  });

  // The front from fast to good. Rows that only noise keeps on it lie below its line.
  function stairs() {
    const front = data.scatter.points.filter((point) => point.front).sort((a, b) => a.x - b.x || b.y - a.y);
    return front.filter((point, index) => front.slice(0, index).every((other) => other.y < point.y));
  }

  const rangeOf = (point, intervals) => (intervals ? point.y_range : point.difference_range);

  // Bars of the intervals, the front as stairs, and names where there is room for them.
  const drawings = {
    id: "drawings",
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea: area, scales: { x, y } } = chart;
      const points = data.scatter.points;
      const line = (x0, y0, x1, y1) => { ctx.beginPath(); ctx.moveTo(x0, y0); ctx.lineTo(x1, y1); ctx.stroke(); };
      ctx.save();
      ctx.beginPath();
      ctx.rect(area.left, area.top, area.width, area.height);
      ctx.clip();
      const front = stairs();
      if (front.length) {
        ctx.strokeStyle = color("front");
        ctx.lineWidth = 1.5;
        ctx.setLineDash([5, 4]);
        ctx.beginPath();
        ctx.moveTo(x.getPixelForValue(front[0].x), area.bottom);
        let level = area.bottom;
        front.forEach((point) => {
          ctx.lineTo(x.getPixelForValue(point.x), level);
          level = y.getPixelForValue(point.y);
          ctx.lineTo(x.getPixelForValue(point.x), level);
        });
        ctx.lineTo(area.right, level);
        ctx.stroke();
        ctx.setLineDash([]);
      }
      points.forEach((point, index) => {
        const px = x.getPixelForValue(point.x), py = y.getPixelForValue(point.y);
        const active = chart.getActiveElements().some((element) => element.index === index);
        ctx.strokeStyle = color(point.kind);
        ctx.globalAlpha = active ? 1 : 0.45;
        ctx.lineWidth = active ? 2 : 1.25;
        line(x.getPixelForValue(point.x_range[0]), py, x.getPixelForValue(point.x_range[1]), py);
        const range = rangeOf(point, chart.$intervals);
        if (range) line(px, y.getPixelForValue(range[0]), px, y.getPixelForValue(range[1]));
      });
      ctx.restore();
    },
    afterDatasetsDraw(chart) {
      const { ctx, chartArea: area, scales: { x, y } } = chart;
      const boxes = data.scatter.points.map((point) => {
        const px = x.getPixelForValue(point.x), py = y.getPixelForValue(point.y);
        return [px - 8, py - 8, px + 8, py + 8];
      });
      // Names keep clear of the front and of the bars too.
      let [at, level] = [area.left, area.bottom];
      stairs().forEach((point) => {
        const px = x.getPixelForValue(point.x), py = y.getPixelForValue(point.y);
        boxes.push([at, level - 1, px, level + 1], [px - 1, py, px + 1, level]);
        [at, level] = [px, py];
      });
      boxes.push([at, level - 1, area.right, level + 1]);
      data.scatter.points.forEach((point) => {
        const px = x.getPixelForValue(point.x), py = y.getPixelForValue(point.y);
        boxes.push([x.getPixelForValue(point.x_range[0]), py - 1, x.getPixelForValue(point.x_range[1]), py + 1]);
        const range = rangeOf(point, chart.$intervals);
        if (range) boxes.push([px - 1, y.getPixelForValue(range[1]), px + 1, y.getPixelForValue(range[0])]);
      });
      const free = (box) => box[0] >= area.left && box[2] <= area.right && box[1] >= area.top && box[3] <= area.bottom
        && !boxes.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]);
      const order = [...data.scatter.points.keys()].sort((a, b) => data.scatter.points[b].front - data.scatter.points[a].front);
      ctx.save();
      ctx.font = `12px ${getComputedStyle(document.body).fontFamily}`;
      ctx.textBaseline = "middle";
      for (const index of order) {
        const point = data.scatter.points[index];
        const text = point.short.length > 32 ? `${point.short.slice(0, 31)}…` : point.short;
        const width = ctx.measureText(text).width;
        const px = x.getPixelForValue(point.x), py = y.getPixelForValue(point.y);
        const places = [[px - 12 - width, py], [px + 12, py], [px + 8, py + 16], [px + 8, py - 16], [px - width / 2, py - 18],
          [px - width / 2, py + 18], [px - 8 - width, py - 16], [px - 8 - width, py + 16],
          [px + 4, py - 34], [px + 4, py + 34], [px - width / 2, py - 48], [px - width / 2, py + 48]];
        const place = places.find(([left, middle]) => free([left - 2, middle - 8, left + width + 2, middle + 8]));
        if (!place) continue;
        boxes.push([place[0] - 2, place[1] - 8, place[0] + width + 2, place[1] + 8]);
        ctx.fillStyle = point.front ? color("ink") : color("muted");
        ctx.fillText(text, ...place);
      }
      ctx.restore();
    },
  };

  function drawScatter() {
    const canvas = document.getElementById("scatter");
    if (!canvas) return;
    const { points } = data.scatter;
    const intervals = document.getElementById("intervals").checked;
    const times = points.flatMap((point) => [point.x, ...point.x_range]);
    const values = points.flatMap((point) => [point.y, ...(rangeOf(point, intervals) ?? [])]);
    const low = Math.min(...values), high = Math.max(...values), margin = Math.max(0.12 * (high - low), 0.05);
    const chart = new Chart(canvas, {
      type: "scatter",
      data: { datasets: [{ data: points, ...marks(points, 6.5) }] },
      plugins: [drawings],
      options: {
        ...options(
          axis("median time of a call, ms (logarithmic)", {
            type: "logarithmic", min: Math.min(...times) / 1.5, max: Math.max(...times) * 1.5,
            ticks: { callback: tick, autoSkip: false }, grid: sparse(),
          }),
          axis("PSNR, dB", {
            min: low - margin, max: high + margin,
            ticks: { includeBounds: false, callback: (value) => value.toFixed(high - low > 3 ? 1 : 2) },
          }),
          { callbacks: { title: (items) => items.map((item) => item.raw.label).join("; "),
            label: (item) => item.raw.lines } },
        ),
        interaction: { mode: "nearest", intersect: true },
        onHover: (event, elements) => mark(new Set(elements.map((element) => String(points[element.index].row)))),
      },
    });
    chart.$intervals = intervals;
    chart.update();
    charts.push(chart);
    document.querySelectorAll("#rows tbody tr").forEach((row) => {
      const index = points.findIndex((point) => String(point.row) === row.dataset.row);
      const active = index < 0 ? [] : [{ datasetIndex: 0, index }];
      row.onmouseenter = () => { chart.setActiveElements(active); chart.update(); };
      row.onmouseleave = () => { chart.setActiveElements([]); chart.update(); };
    });
  }

  function mark(rows) {
    document.querySelectorAll("#rows tbody tr").forEach((row) => row.classList.toggle("active", rows.has(row.dataset.row)));
  }

  function drawLines(canvas, spec, last) {
    const lowest = Math.min(...spec.lines.flatMap((line) => line.points.map((point) => point[1])));
    const shades = { main: "ours", second: "other", dots: "ours", limit: "muted" };
    charts.push(new Chart(canvas, {
      type: "scatter",
      data: {
        datasets: spec.lines.map((line) => ({
          label: line.label,
          data: line.points.map(([x, y]) => ({ x, y })),
          showLine: true,
          borderWidth: line.style === "limit" ? 1.5 : 1.75,
          borderColor: color(shades[line.style]),
          borderDash: line.style === "limit" ? [5, 4] : [],
          pointRadius: line.style === "dots" ? 3 : 0,
          pointHitRadius: 8,
          backgroundColor: color(shades[line.style]),
        })),
      },
      options: {
        ...options(
          axis("", { grid: { display: false }, min: 0, max: last, ticks: { maxTicksLimit: 7, includeBounds: false } }),
          spec.log
            ? axis("", { type: "logarithmic", ticks: { callback: tick, autoSkip: false }, grid: sparse() })
            : axis("", { grace: "8%", min: lowest === 0 ? 0 : undefined, ticks: { maxTicksLimit: 6 } }),
          { callbacks: {
            title: (items) => (items.length ? `iteration ${items[0].raw.x.toLocaleString("en")}` : ""),
            label: (item) => `${item.dataset.label} ${Number(item.raw.y.toPrecision(5))} ${spec.unit}`,
          } },
        ),
        interaction: { mode: "nearest", axis: "x", intersect: false },
      },
    }));
  }

  function drawPredicted() {
    const canvas = document.getElementById("predicted");
    if (!canvas) return;
    const points = data.predicted;
    const all = points.flatMap((point) => [point.x, point.y]);
    const ends = [Math.min(...all) * 0.85, Math.max(...all) * 1.15];
    charts.push(new Chart(canvas, {
      type: "scatter",
      data: { datasets: [
        { data: points, ...marks(points, 6) },
        { data: ends.map((end) => ({ x: end, y: end })), showLine: true, pointRadius: 0, pointHitRadius: 0,
          borderColor: color("front"), borderWidth: 1.5, borderDash: [5, 4] },
      ] },
      options: options(
        axis("measured median, ms", { min: ends[0], max: ends[1], ticks: { includeBounds: false } }),
        axis("predicted, ms", { min: ends[0], max: ends[1], ticks: { includeBounds: false } }),
        { filter: (item) => item.datasetIndex === 0,
          callbacks: { title: (items) => items.map((item) => item.raw.label).join("; "),
            label: (item) => [`predicted ${item.raw.y.toFixed(1)} ms, measured ${item.raw.x.toFixed(1)} ms`,
              `error ${(100 * (item.raw.y / item.raw.x - 1)).toFixed(1)} %`] } },
      ),
    }));
  }

  function drawAll() {
    charts.splice(0).forEach((chart) => chart.destroy());
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    drawScatter();
    document.querySelectorAll("[data-charts]").forEach((holder) => {
      const specs = data[holder.dataset.charts];
      const last = Math.max(...specs.flatMap((spec) => spec.lines.flatMap((line) => line.points.map(([x]) => x))));
      holder.replaceChildren(...specs.map((spec) => {
        const figure = document.createElement("figure");
        const caption = document.createElement("figcaption");
        const title = document.createElement("b");
        title.textContent = spec.title;
        caption.append(title, spec.unit && `, ${spec.unit}`);
        if (spec.lines.length > 1) {
          caption.append(...spec.lines.map((line) => {
            const key = document.createElement("span");
            key.className = `key ${line.style}`;
            key.textContent = line.label;
            return key;
          }));
        }
        const box = document.createElement("div");
        box.className = "chart";
        const canvas = document.createElement("canvas");
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `${spec.title} over the iterations`);
        box.append(canvas);
        figure.append(caption, box);
        return figure;
      }));
      holder.querySelectorAll("canvas").forEach((canvas, index) => drawLines(canvas, specs[index], last));
    });
    drawPredicted();
  }

  function sort(table, column) {
    const headers = [...table.tHead.rows[0].cells];
    const isNumber = headers[column].classList.contains("number");
    const before = headers[column].getAttribute("aria-sort");
    const up = before ? before === "descending" : true;
    headers.forEach((header) => header.removeAttribute("aria-sort"));
    headers[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.value;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      // What has no value stays last either way.
      if (x === undefined || y === undefined || x === "" || y === "") return (x ? 0 : 1) - (y ? 0 : 1);
      const order = isNumber ? Number(x) - Number(y) : x.localeCompare(y, "en", { numeric: true });
      return up ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }

  document.querySelectorAll("table.sortable").forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => sort(table, column));
    });
  });
  document.querySelectorAll(".strip").forEach((strip) => {
    const turn = () => strip.classList.toggle("near");
    strip.addEventListener("click", turn);
    strip.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); turn(); }
    });
  });
  document.getElementById("intervals")?.addEventListener("change", drawAll);
  document.getElementById("download").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([document.getElementById("raw").textContent], { type: "application/json" }));
    link.download = "bench.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  dark.addEventListener("change", drawAll);
  drawAll();
})();
