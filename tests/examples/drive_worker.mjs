// The page's worker, run by onnxruntime-node in place of onnxruntime-web: node drive_worker.mjs
// PACKAGES WORKER MODEL; reads {about, planes, width, height} from stdin, writes the restored planes.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages, worker, model] = process.argv.slice(2);
const ort = createRequire(`${packages}/`)("onnxruntime-node");
const { about, planes, width, height, level } = JSON.parse(readFileSync(0));
const session = await ort.InferenceSession.create(model);
const code = readFileSync(worker, "utf8") + "\nio = about; session = loaded; ort = runtime; level = told; return run;";
const names = ["about", "loaded", "runtime", "told", "onmessage"];
const run = new Function(...names, code)(about, session, ort, level);
const restored = await run(planes.map((plane) => Float32Array.from(plane)), width, height);
console.log(JSON.stringify(restored.map((plane) => [...plane])));
