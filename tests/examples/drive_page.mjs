// Drive the demonstration page in a headless browser, as a person would, and print what was seen.
// node drive_page.mjs playwright-core-folder browser url steps.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages, executablePath, url, stepsPath] = process.argv.slice(2);
const { chromium } = createRequire(`${packages}/`)("playwright-core");

// Nothing that a browser does of its own accord reaches for a network.
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
args.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
const browser = await chromium.launch({ executablePath, args });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
const page = await context.newPage();
const seen = { errors: [], requests: [], steps: [] };
context.on("request", (request) => seen.requests.push(request.url()));
page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
page.on("pageerror", (error) => seen.errors.push(error.message));

async function look() {
  const idle = () => document.getElementById("stage").getAttribute("aria-busy") === "false";
  await page.waitForFunction(idle, null, { timeout: 120_000 });
  const text = (id) => page.textContent(`#${id}`);
  return {
    status: await text("status"),
    size: await text("size"),
    time: await text("time"),
    before: await text("psnr-before"),
    after: await text("psnr-after"),
  };
}

const actions = {
  async drop({ path }) {
    const bytes = readFileSync(path).toString("base64");
    await page.evaluate(([data, name]) => {
      const content = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([content], name));
      const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
      document.getElementById("stage").dispatchEvent(new DragEvent("drop", options));
    }, [bytes, path.split("/").at(-1)]);
  },
  choose: ({ path }) => page.setInputFiles("#file", path),
  click: ({ on }) => page.click(on),
  press: ({ on, key }) => page.press(on, key),
  noise: ({ sigma }) => page.fill("#noise", String(sigma)),
  async download({ path }) {
    const [file] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
    await file.saveAs(path);
    return { name: file.suggestedFilename() };
  },
};

try {
  await page.goto(url);
  seen.ready = await look();
  for (const { action, ...options } of JSON.parse(readFileSync(stepsPath))) {
    const result = await actions[action](options);
    seen.steps.push({ ...(await look()), ...result });
  }
  seen.knob = await page.getAttribute("#knob", "aria-valuenow");
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
