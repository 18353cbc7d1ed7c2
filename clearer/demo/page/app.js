// The page: what people do, and which picture is restored next.
//
// An item is a file: {file, name, noise, state, reason, facts, version, result, noisy, row, isSaved}.
// Its state is waiting, working, done or failed. Of a batch, two pictures at most are in memory:
// the one that is shown and the one that is restored. Results of others are put aside as PNG.

import { onFiles } from "./intake.js";
import { makeRow } from "./list.js";
import * as networks from "./networks.js";
import { render, say } from "./panel.js";
import { decode, pack, paint } from "./pixels.js";
import * as restorer from "./restorer.js";
import { download, isReady, toFile, toZip } from "./saving.js";
import * as view from "./view.js";

const NOISE_DELAY_MS = 200; // after the last move of the slider

const $ = (id) => document.getElementById(id);

let items = [];
let shown = null; // pictures in memory: {item, width, height, input, restored, isDone}
let working = null;
let urgent = null; // the item that is restored next
let round = null; // while pictures are restored: {finished, failed, tiles, isStopped}
let isPaused = false; // what waits goes on waiting
let isFollowing = true; // the view goes from picture to picture with the network
let isLoading = true; // a network
let numReads = 0; // pictures that are on their way to be looked at
let isSaving = false;
let wanted = null; // the item that was asked for last
let noiseTimer = null;

let ready; // resolves once the worker has the network
loadBy(networks.begin);

// One after the other. Who needs the network awaits ready, too, and says what it says.
function loadBy(step) {
  const before = ready;
  isLoading = true;
  refresh();
  const mine = (ready = step(before));
  mine
    .catch((error) => say(error.message, true))
    .finally(() => {
      if (mine === ready) isLoading = false;
      refresh();
    });
}

async function changeNetwork(before) {
  await before.catch(() => {});
  const item = shown?.item;
  const problem = await networks.change();
  if (problem) say(problem, true);
  else if (item && item === shown?.item) again(item);
}

// The queue

function add(files, noise = 0) {
  if (files.length === 0) return;
  for (const file of files) {
    const item = { file, name: file.name || "picture.png", noise, state: "waiting", version: 0 };
    item.row = makeRow(item, () => look(item));
    items.push(item);
  }
  [isPaused, isFollowing, wanted] = [false, true, null];
  work();
}

// Restore an item once more, before all others: other noise, another network.
function again(item) {
  urgent = item;
  if (item.state === "working") restorer.stop();
  else setState(item, "waiting", { reason: undefined });
  work();
}

function setState(item, state, more = {}) {
  Object.assign(item, { state, version: item.version + 1, ...more });
  refresh();
}

async function work() {
  if (round) {
    round.isStopped = false;
    return refresh();
  }
  round = { finished: new Set(), failed: new Map(), tiles: 0, isStopped: false };
  refresh();
  try {
    for (let item; (item = next()); ) await restore(item);
    sayHowItEnded();
  } catch (error) {
    say(error.message, true); // no network: the pictures go on waiting
    urgent = null;
  }
  round = null;
  refresh();
}

function next() {
  if (round.isStopped) return null;
  const first = urgent;
  urgent = null;
  if (first && items.includes(first)) return first;
  return isPaused ? null : items.find(({ state }) => state === "waiting");
}

async function restore(item) {
  const { noise } = item;
  for (const ended of [round.finished, round.failed]) ended.delete(item);
  setState(item, "working", { result: null, noisy: null, facts: null, isSaved: false });
  let picture;
  try {
    picture = await decode(item.file);
  } catch (error) {
    return fail(item, error);
  }
  const isWanted = () => !round.isStopped && urgent !== item && items.includes(item);
  if (!isWanted()) return setState(item, "waiting");
  working = { item, ...picture, restored: picture.input.slice(), isDone: false };
  if (isFollowing || !shown || shown.item === item) show(working);
  let end = null; // stays null where it is stopped
  try {
    await ready;
  } catch (error) {
    working = null;
    setState(item, "waiting");
    throw error;
  }
  sayProgress(0, 1);
  try {
    if (isWanted()) end = await restorer.restore(working, noise, hear);
  } catch (error) {
    working = null;
    loadBy((before) => before.then(networks.start)); // after an error nothing is sure of a runtime
    return fail(item, error);
  }
  finish(urgent === item ? null : end && { ...end, by: networks.chosen().name });
}

function finish(end) {
  const picture = working;
  working = null;
  picture.isDone = end !== null;
  if (end) {
    round.finished.add(picture.item);
    round.tiles = end.total;
  }
  setState(picture.item, end ? "done" : "waiting", { facts: end });
  if (shown !== picture) putAside(picture);
}

function fail(item, { message }) {
  round.failed.set(item, message);
  setState(item, "failed", { reason: message });
}

function hear(data) {
  const { width } = working;
  if (data.type === "noisy") {
    Object.assign(working, { input: data.pixels, restored: data.pixels.slice() });
    if (shown === working) show(working);
    return;
  }
  for (let row = 0; row < data.height; row++) {
    const line = data.pixels.subarray(4 * row * data.width, 4 * (row + 1) * data.width);
    working.restored.set(line, 4 * ((data.y + row) * width + data.x));
  }
  if (shown === working) paint($("after"), working, strength(), data);
  sayProgress(data.done, data.total);
}

function numWaiting() {
  return items.filter(({ state }) => state === "waiting").length;
}

function sayProgress(done, total) {
  const past = round.finished.size + round.failed.size;
  const count = past + 1 + (isPaused && !round.isStopped ? 0 : numWaiting());
  $("progress").value = (past + done / total) / count;
  const tiles = total > 1 ? `, tile ${done} of ${total}` : "";
  say(count > 1 ? `Restoring, ${past + 1} of ${count}${tiles} …` : `Restoring${tiles} …`);
}

function sayHowItEnded() {
  const { finished, failed, tiles } = round;
  const count = finished.size + failed.size + (round.isStopped ? numWaiting() : 0);
  const words = [];
  if (round.isStopped) words.push("Stopped.");
  if (count > 1) words.push(`Restored ${finished.size} of ${count}.`);
  else if (finished.size) words.push(tiles > 1 ? `Restored in ${tiles} tiles.` : "Restored.");
  for (const [{ name }, message] of [...failed].slice(0, 1)) words.push(`${name}: ${message}.`);
  if (failed.size > 1) words.push(`${failed.size - 1} more failed: see the list.`);
  say(words.join(" ") || "Ready.", failed.size > 0);
}

// Pictures in memory

// A person wants to see this one.
async function look(item) {
  wanted = item;
  isFollowing = item.state === "working";
  if (isFollowing) return working && show(working);
  const { version } = item;
  await reading(async () => {
    const picture = await load(item);
    if (wanted !== item) return;
    if (item.version === version) show(picture);
    else await look(item); // it went on meanwhile
  });
}

async function reading(step) {
  numReads += 1;
  refresh();
  try {
    await step();
  } catch (error) {
    say(error.message, true);
  }
  numReads -= 1;
  refresh();
}

function show(picture) {
  const left = shown;
  shown = picture;
  if (left && left.item !== picture.item && left !== working) putAside(left);
  view.show(picture);
  paint($("after"), picture, strength(), all(picture));
  refresh();
}

async function load(item) {
  if (shown?.item === item) return shown;
  const { file, name, noisy, result } = item;
  try {
    const { input, width, height } = await decode((await noisy) ?? file);
    const restored = result ? (await decode(await result)).input : input;
    return { item, width, height, input, restored, isDone: Boolean(result) };
  } catch (error) {
    throw new Error(`${name}: ${error.message}.`);
  }
}

function putAside({ item, isDone, input, restored, width }) {
  if (!isDone || item.state !== "done" || item.result) return;
  item.result = pack(restored, width);
  if (item.noise > 0) item.noisy = pack(input, width);
}

function all({ width, height }) {
  return { x: 0, y: 0, width, height };
}

function strength() {
  return Number($("strength").value) / 100;
}

function refresh() {
  render({ items, shown, isWorking: round !== null, isBusy: Boolean(isLoading || numReads || noiseTimer), isSaving });
}

// Pictures in

onFiles(add);

$("sample").addEventListener("click", () => reading(async () => {
  await ready;
  const blob = await networks.fetched("sample.png").then((answer) => answer.blob());
  const { noise } = networks.chosen();
  $("trial").open = noise > 0;
  add([new File([blob], "sample.png")], noise);
}));

// Pictures out

// Do it once at a time.
async function saving(save) {
  if (!isReady()) return;
  isSaving = true;
  refresh();
  try {
    await save();
  } catch (error) {
    say(error.message, true);
  }
  isSaving = false;
  refresh();
}

async function saveAll() {
  const [files, failed] = [[], []];
  const wanted = items.filter(({ state }) => state === "done");
  const level = strength();
  for (const item of wanted) {
    say(`Saving, ${files.length + failed.length + 1} of ${wanted.length} …`);
    try {
      const picture = await load(item);
      if (picture.isDone) files.push({ item, ...(await toFile(picture, level)) });
    } catch (error) {
      failed.push(error.message);
    }
  }
  if (files.length > 0) download(await toZip(files));
  for (const { item } of files) item.isSaved = true;
  say([`Saved ${files.length} of ${wanted.length} in one file.`, ...failed].join(" "), failed.length > 0);
}

$("save").addEventListener("click", () => saving(async () => {
  const { item } = shown;
  download(await toFile(shown, strength()));
  item.isSaved = true;
}));
$("save-all").addEventListener("click", () => saving(saveAll));
$("clear").addEventListener("click", () => {
  restorer.stop();
  for (const ended of [round?.finished, round?.failed]) ended?.clear();
  [items, shown, wanted, urgent] = [[], null, null, null];
  $("pictures").replaceChildren();
  view.show(null);
  say("Ready.");
  refresh();
});
addEventListener("beforeunload", (event) => {
  const numUnsaved = items.filter(({ state, isSaved }) => state === "done" && !isSaved).length;
  if (numUnsaved > 1) event.preventDefault(); // the browser asks
});

// How it is restored

let frame = null;
$("strength").addEventListener("input", () => {
  $("percent").value = `${$("strength").value}\u00a0%`;
  $("strength").setAttribute("aria-valuetext", `${$("strength").value} %`);
  // What can be seen at once, and all of it once the slider rests.
  frame ??= requestAnimationFrame(() => {
    frame = null;
    if (shown) paint($("after"), shown, strength(), view.visible());
  });
});
$("strength").addEventListener("change", () => {
  if (shown) paint($("after"), shown, strength(), all(shown));
});

$("noise").addEventListener("input", () => {
  const { item } = shown;
  item.noise = Number($("noise").value);
  clearTimeout(noiseTimer);
  noiseTimer = setTimeout(() => {
    noiseTimer = null;
    if (items.includes(item)) again(item);
    else refresh();
  }, NOISE_DELAY_MS);
  refresh();
});

for (const id of ["network", "backend"]) $(id).addEventListener("change", () => loadBy(changeNetwork));

$("stop").addEventListener("click", () => {
  isPaused = round.isStopped = true;
  restorer.stop();
});
$("go-on").addEventListener("click", () => {
  isPaused = false;
  work();
});
