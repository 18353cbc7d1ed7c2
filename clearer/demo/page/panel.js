// What stands beside the picture: words, figures, and which buttons there are.

import { updateRow } from "./list.js";

const $ = (id) => document.getElementById(id);

export function say(text, isBad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", isBad);
}

export function render({ items, shown, isWorking, isBusy, isSaving }) {
  const item = shown?.item;
  const isDone = item?.state === "done" && shown.isDone;
  const numDone = items.filter(({ state }) => state === "done").length;
  $("stage").setAttribute("aria-busy", isBusy || isWorking || isSaving);
  $("progress").hidden = $("stop").hidden = !isWorking;
  $("go-on").hidden = isWorking || !items.some(({ state }) => state === "waiting");
  $("save").hidden = isWorking && !isDone; // Stop takes its place
  $("save").disabled = !isDone || isSaving;
  $("save-all").hidden = $("clear").hidden = $("batch").hidden = items.length < 2;
  $("save-all").disabled = numDone === 0 || isSaving;
  $("save-all").textContent = numDone > 0 ? `Save all ${numDone}` : "Save all";
  $("clear").disabled = isSaving;
  $("after-name").hidden = !isDone;
  $("before-name").textContent = item?.noise > 0 ? "noise added" : "before";
  $("noise").disabled = !shown;
  $("noise").value = item?.noise ?? 0;
  $("sigma").value = item?.noise > 0 ? `σ = ${item.noise}` : "off";
  showFacts(shown);
  for (const each of items) updateRow(each, each === item);
}

function showFacts(shown) {
  const { ms, quality } = shown?.item.facts ?? {};
  const decibels = (value) => (value === undefined ? "–" : `${value.toFixed(2)} dB`);
  $("size").textContent = shown ? `${shown.width}\u202f×\u202f${shown.height}` : "–";
  $("time").textContent = ms === undefined ? "–" : ms < 1e4 ? `${Math.round(ms)} ms` : `${(ms / 1e3).toFixed(1)} s`;
  $("psnr-before").textContent = decibels(quality?.before);
  $("psnr-after").textContent = decibels(quality?.after);
}
