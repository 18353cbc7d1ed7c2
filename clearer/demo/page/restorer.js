// The network, in a worker: it restores one picture at a time.

let worker;
let job = null; // of the picture that is restored now: {id, resolve, reject, listen}
let count = 0;

// Start it anew with a network; gives the number of its threads. What it did ends as if stopped.
export function load(about, model, backend) {
  worker?.terminate();
  end("resolve", null);
  worker = new Worker("worker.js", { type: "module" });
  return new Promise((resolve, reject) => {
    const fail = (text) => {
      reject(new Error(`the runtime does not start: ${text}`));
      end("reject", new Error(`the network failed: ${text}`));
    };
    worker.onerror = (event) => fail(event.message || "worker.js");
    worker.onmessage = ({ data }) => {
      if (data.type === "ready") resolve(data.threads);
      else if (data.type === "failed" && data.id === undefined) fail(data.text);
      else hear(data);
    };
    worker.postMessage({ type: "load", backend, about, model });
  });
}

// Noise of a level is added first. What arrives meanwhile goes to listen; in the end there is
// {ms, total, quality}, or null where it was stopped.
export function restore({ width, height, input }, sigma, listen) {
  return new Promise((resolve, reject) => {
    job = { id: ++count, resolve, reject, listen };
    worker.postMessage({ type: "restore", id: count, width, height, pixels: input, sigma });
  });
}

export function stop() {
  worker?.postMessage({ type: "stop" });
}

function hear(data) {
  if (data.id !== job?.id) return;
  if (data.type === "done") end("resolve", data);
  else if (data.type === "stopped") end("resolve", null);
  else if (data.type === "failed") end("reject", new Error(`the network failed: ${data.text}`));
  else job.listen(data);
}

function end(how, value) {
  const ended = job;
  job = null;
  ended?.[how](value);
}
