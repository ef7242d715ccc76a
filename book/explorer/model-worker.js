/**
 * The model, in a thread of its own: it fetches it once, keeps it in the browser's cache, and runs what it is asked.
 *
 * Asked {kind: "load", model} it says {kind: "progress", loaded} and in the end {kind: "ready"}; asked {kind: "run",
 * id, features, plain, changed} it says {kind: "results", id, results, milliseconds}; {kind: "failed", why, detail}
 * where it cannot. `why`: "network", "memory" or "other".
 */

import * as ort from "./ort.wasm.min.mjs";

import { results } from "./numbers.js";

const CACHE = "bert-explorer";
ort.env.wasm.numThreads = 1; // more need headers that static hosting does not send
ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;

/** @type {import("onnxruntime-web").InferenceSession} */
let session;

self.onmessage = async ({ data }) => {
  try {
    if (data.kind === "load") {
      session = await ort.InferenceSession.create(await fetched(data.model), { executionProviders: ["wasm"] });
      self.postMessage({ kind: "ready" });
    } else {
      self.postMessage(await run(data));
    }
  } catch (error) {
    const detail = String(error instanceof Error ? error.message : error);
    const memory = error instanceof RangeError || /memory|alloc|OOM/i.test(detail);
    self.postMessage({ kind: "failed", why: memory ? "memory" : error instanceof TypeError ? "network" : "other", detail });
  }
};

/** @param {{id: number, features: number, plain: any[], changed: any[] | null}} asked */
async function run({ id, features, plain, changed }) {
  const start = performance.now();
  const answers = [];
  for (const inputs of plain) answers.push(await once(inputs));
  let after = null;
  if (changed) {
    after = [];
    for (const inputs of changed) after.push((await once(inputs)).states);
  }
  const found = results(answers, after, plain.map(({ ids }) => ids.length), features);
  return { kind: "results", id, results: found, milliseconds: performance.now() - start };
}

/** @param {import("./numbers.js").Inputs} inputs */
async function once({ ids, segments, mask }) {
  const n = ids.length;
  const { states, attentions } = await session.run({
    ids: new ort.Tensor("int32", ids, [n]),
    segments: new ort.Tensor("int32", segments, [n]),
    mask: new ort.Tensor("float32", mask, [n, n]),
  });
  const [found, maps] = /** @type {Float32Array[]} */ ([await states.getData(), await attentions.getData()]);
  return { states: found, attentions: maps };
}

/** The bytes of a file, from the cache or the network; where there is no cache, as in a private window, from there.
 * @param {string} address */
async function fetched(address) {
  const cache = await self.caches?.open(CACHE).catch(() => undefined);
  const kept = await cache?.match(address);
  if (kept) return new Uint8Array(await kept.arrayBuffer());
  const answer = await fetch(address);
  if (!answer.ok || !answer.body) throw new TypeError(`${address}: ${answer.status}`);
  const parts = [];
  let loaded = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    self.postMessage({ kind: "progress", loaded });
  }
  const whole = new Blob(parts);
  for (const older of (await cache?.keys()) ?? []) await cache?.delete(older); // a model that was replaced
  await cache?.put(address, new Response(whole)).catch(() => undefined); // no room: fetched again next time
  return new Uint8Array(await whole.arrayBuffer());
}
