// The networks of the page, and what they run on: one is loaded at a time.

import { say } from "./panel.js";
import { load } from "./restorer.js";

const $ = (id) => document.getElementById(id);

let networks; // what networks.json says
const models = {}; // by their file
let loaded = null; // values of the two choices

// The network that restores: the noise that its sample gets; its name, where there are several.
export function chosen() {
  const { name, noise } = networks[loaded.network];
  return { noise, name: networks.length > 1 ? name : null };
}

export async function begin() {
  say("Loading the network …");
  networks = await fetched("networks.json").then((answer) => answer.json());
  networks.forEach(({ name }, index) => $("network").add(new Option(name, index)));
  $("network").parentElement.hidden = networks.length === 1;
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (adapter) $("backend").add(new Option("GPU (WebGPU)", "webgpu"));
  await start();
}

export async function start() {
  const [network, backend] = [$("network").value, $("backend").value];
  const { file, ...about } = networks[network];
  models[file] ??= await fetched(file).then((answer) => answer.arrayBuffer());
  say("Starting the runtime …");
  const threads = await load(about, models[file], backend);
  loaded = { network, backend };
  $("about").textContent = [
    about.name,
    about.task,
    about.channels === 1 ? "gray: a colour picture channel by channel" : "colour",
    `${(models[file].byteLength / 1e6).toFixed(2)}\u00a0MB`,
  ].filter(Boolean).join(" · ");
  say(`Ready: ${backend === "webgpu" ? "GPU" : `CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`}.`);
}

// Another network or backend was chosen: gives why it does not start. Then the one before goes on.
export async function change() {
  try {
    await start();
    return null;
  } catch (error) {
    if (!loaded) throw error;
    const changed = $("network").value === loaded.network ? "backend" : "network";
    const [{ text }] = $(changed).selectedOptions;
    $("network").value = loaded.network;
    $("backend").value = loaded.backend;
    await start();
    return `${text}: ${error.message}`;
  }
}

export async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: the server answers ${answer.status}`);
  return answer;
}
