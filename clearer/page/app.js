// The page: pictures in and out, the view before and after. worker.js does the arithmetic.

const MAX_PIXELS = 4096 * 4096; // the largest canvas that phones draw
const NOISE_DELAY_MS = 200; // after the last move of the slider

const $ = (id) => document.getElementById(id);
const [before, after] = [$("before"), $("after")];

let model; // what model.json says, and the bytes of the network
let worker;
let ready; // resolves once the worker has the network
let picture; // {name, width, height, pixels}
let request = 0;
let split = 50; // share of the view that shows the picture before, in percent

const started = start();
started.catch((error) => say(error.message, true));

async function start() {
  say("Loading the network …");
  const about = await fetched("model.json").then((answer) => answer.json());
  const bytes = await fetched("model.onnx").then((answer) => answer.arrayBuffer());
  model = { ...about, bytes };
  $("model").textContent = [
    about.name,
    about.task,
    about.channels === 1 ? "gray: a colour picture channel by channel" : "colour",
    `${(bytes.byteLength / 1e6).toFixed(2)}\u00a0MB`,
  ].filter(Boolean).join(" · ");
  await offerWebGpu();
  await startWorker();
  setBusy(false);
}

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: the server answers ${answer.status}`);
  return answer;
}

async function offerWebGpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (adapter) $("backend").add(new Option("GPU (WebGPU)", "webgpu"));
}

function startWorker() {
  worker?.terminate();
  worker = new Worker("worker.js", { type: "module" });
  const backend = $("backend").value;
  say("Starting the runtime …");
  ready = new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(`the runtime does not start: ${event.message || "worker.js"}`));
    worker.onmessage = ({ data }) => {
      if (data.type === "ready") {
        say(`Ready: ${backend === "webgpu" ? "GPU" : `CPU, ${data.threads} ${data.threads === 1 ? "thread" : "threads"}`}.`);
        resolve();
      } else if (data.type === "failed" && data.id === undefined) {
        reject(new Error(`the runtime does not start: ${data.text}`));
      } else {
        hear(data);
      }
    };
  });
  const { bytes, ...about } = model;
  worker.postMessage({ type: "load", backend, about, model: bytes });
  return ready;
}

async function open(file, name, noise) {
  setBusy(true);
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    return say(`${name} is not a picture that this browser can read.`, true);
  }
  const { width, height } = image;
  if (width * height > MAX_PIXELS) {
    image.close();
    const megapixels = (pixels) => (pixels / 1e6).toFixed(1);
    return say(`${name} has ${megapixels(width * height)} megapixels; the limit here is ${megapixels(MAX_PIXELS)}.`, true);
  }
  for (const canvas of [before, after]) Object.assign(canvas, { width, height });
  const context = before.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  image.close();
  picture = { name, width, height, pixels: context.getImageData(0, 0, width, height).data };
  $("size").textContent = `${width}\u202f×\u202f${height}`;
  $("empty").hidden = true;
  $("viewer").hidden = false;
  $("stage").style.setProperty("--ratio", width / height); // narrow screens make it as high as the picture
  $("noise").value = noise;
  layOut();
  await restore();
}

async function restore() {
  if (!picture) return setBusy(false);
  setBusy(true);
  const id = ++request;
  const sigma = Number($("noise").value);
  showNoise();
  $("before-name").textContent = sigma > 0 ? "noise added" : "before";
  for (const fact of ["time", "psnr-before", "psnr-after"]) $(fact).textContent = "–";
  $("download").disabled = true;
  after.getContext("2d").clearRect(0, 0, after.width, after.height);
  await started;
  await ready;
  if (id !== request) return;
  setBusy(true);
  showProgress(true);
  const { width, height, pixels } = picture;
  worker.postMessage({ type: "restore", id, width, height, pixels, sigma });
}

function showNoise() {
  const sigma = Number($("noise").value);
  $("sigma").value = sigma > 0 ? `σ = ${sigma}` : "off";
}

function hear(data) {
  if (data.id !== request) return;
  if (data.type === "noisy") {
    draw(before, data.pixels, picture.width, 0, 0);
  } else if (data.type === "tile") {
    draw(after, data.pixels, data.width, data.x, data.y);
    $("progress").value = data.done / data.total;
    say(data.total > 1 ? `Restoring: tile ${data.done} of ${data.total} …` : "Restoring …");
  } else if (data.type === "done") {
    setBusy(false);
    $("time").textContent = data.ms < 1e4 ? `${Math.round(data.ms)} ms` : `${(data.ms / 1e3).toFixed(1)} s`;
    if (data.quality) {
      $("psnr-before").textContent = `${data.quality.before.toFixed(2)} dB`;
      $("psnr-after").textContent = `${data.quality.after.toFixed(2)} dB`;
    }
    $("download").disabled = false;
    say(data.total > 1 ? `Restored in ${data.total} tiles.` : "Restored.");
  } else if (data.type === "stopped") {
    setBusy(false);
    say("Stopped.");
  } else if (data.type === "failed") {
    setBusy(false);
    say(`The network failed: ${data.text}`, true);
  }
}

function draw(canvas, pixels, width, x, y) {
  canvas.getContext("2d").putImageData(new ImageData(pixels, width), x, y);
}

// From what a person does until it shows; the bar appears once the network works.
function setBusy(isBusy) {
  $("stage").setAttribute("aria-busy", isBusy);
  if (!isBusy) showProgress(false);
}

// While the network works there is something to stop, and nothing to download.
function showProgress(isShown) {
  $("progress").value = 0;
  $("progress").hidden = $("stop").hidden = !isShown;
  $("download").hidden = isShown;
}

function say(text, isBad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", isBad);
  if (isBad) setBusy(false);
}

// The view

function layOut() {
  if (!picture) return;
  const zoom = document.querySelector("input[name=zoom]:checked").value;
  const scroll = $("scroll");
  scroll.classList.toggle("fit", zoom === "fit");
  const scale = zoom === "fit"
    ? Math.min(scroll.clientWidth / picture.width, scroll.clientHeight / picture.height)
    : Number(zoom) / devicePixelRatio;
  $("frame").style.width = `${picture.width * scale}px`;
  $("frame").style.height = `${picture.height * scale}px`;
  $("frame").classList.toggle("pixels", scale * devicePixelRatio >= 2);
  moveSplit(split);
}

function moveSplit(percent) {
  split = Math.min(100, Math.max(0, percent));
  after.style.clipPath = `inset(0 0 0 ${split}%)`;
  $("divider").style.left = `${split}%`;
  $("knob").setAttribute("aria-valuenow", Math.round(split));
}

function followPointer(event) {
  const box = $("frame").getBoundingClientRect();
  moveSplit((100 * (event.clientX - box.left)) / box.width);
}

$("frame").addEventListener("pointerdown", (event) => {
  // A finger scrolls a large picture, unless it takes the knob.
  if (event.pointerType === "touch" && !$("knob").contains(event.target)) return;
  $("frame").setPointerCapture(event.pointerId);
  followPointer(event);
});
$("frame").addEventListener("pointermove", (event) => {
  if ($("frame").hasPointerCapture(event.pointerId)) followPointer(event);
});
$("knob").addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, Home: -100, End: 100 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  moveSplit(split + steps[event.key]);
});
new ResizeObserver(layOut).observe($("stage"));

for (const input of document.querySelectorAll("input[name=zoom]")) {
  input.addEventListener("change", () => {
    layOut();
    const [scroll, frame] = [$("scroll"), $("frame")];
    scroll.scrollLeft = (frame.offsetWidth * split) / 100 - scroll.clientWidth / 2;
    scroll.scrollTop = (frame.offsetHeight - scroll.clientHeight) / 2;
  });
}

// Pictures in and out

function openFile(file) {
  if (file) open(file, file.name || "picture.png", 0).catch((error) => say(error.message, true));
}

for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", () => $("file").click());
}
$("file").addEventListener("change", () => {
  openFile($("file").files[0]);
  $("file").value = ""; // so that the same file can be chosen again
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("stage").classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("stage").classList.remove("dropping");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  $("stage").classList.remove("dropping");
  openFile(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => openFile(event.clipboardData.files[0]));

$("sample").addEventListener("click", async () => {
  setBusy(true);
  try {
    await started;
    const answer = await fetched("sample.png");
    await open(await answer.blob(), "sample.png", model.noise);
  } catch (error) {
    say(error.message, true);
  }
});

$("download").addEventListener("click", () => {
  after.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${picture.name.replace(/\.[^.]*$/, "")}-restored.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
});

let noiseTimer;
$("noise").addEventListener("input", () => {
  showNoise();
  if (!picture) return;
  request += 1; // what is under way is void
  setBusy(true);
  clearTimeout(noiseTimer);
  noiseTimer = setTimeout(() => restore().catch((error) => say(error.message, true)), NOISE_DELAY_MS);
});

$("backend").addEventListener("change", async () => {
  request += 1; // what the old worker did is void
  setBusy(true);
  try {
    await startWorker();
  } catch (error) {
    if ($("backend").value === "wasm") return say(error.message, true);
    const [option] = $("backend").selectedOptions;
    Object.assign(option, { disabled: true, text: "GPU: cannot run this network", title: error.message });
    $("backend").value = "wasm";
    await startWorker();
  }
  await restore();
});

$("stop").addEventListener("click", () => worker.postMessage({ type: "stop" }));
