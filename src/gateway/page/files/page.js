import { curl, formData, openai, read } from "./calls.js";

const at = (id) => document.getElementById(id);
const form = at("form");
const PAUSE = 700; // milliseconds between two looks at a video under way

let models = [];
let api = "openai";
let under_way = null; // the id of the video that is being made
let shown = null; // the object URL of the one that is there

// The key stays with this tab.
form.key.value = sessionStorage.getItem("key") ?? "";

function headers() {
  return form.key.value ? { Authorization: `Bearer ${form.key.value}` } : {};
}

async function call(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers() });
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Error(body.error?.message ?? body.message ?? `${response.status} ${response.statusText}`);
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// --- the form ---------------------------------------------------------------------------------

async function loadModels() {
  models = (await (await call("/v1/models")).json()).data;
  showTask();
}

function showTask() {
  const task = form.task.value;
  for (const kind of ["img2video", "video2video"]) {
    for (const label of document.querySelectorAll(`.${kind}`)) label.hidden = kind !== task;
  }
  const before = form.model.value;
  const fitting = models.filter((model) => !model.tasks || model.tasks.includes(task));
  form.model.replaceChildren(...fitting.map((model) => new Option(model.id, model.id)));
  if (fitting.some((model) => model.id === before)) form.model.value = before;
  showDefaults();
}

function showDefaults() {
  const defaults = models.find((model) => model.id === form.model.value)?.defaults ?? {};
  for (const name of ["width", "height", "num_frames", "fps", "num_inference_steps", "guidance_scale"]) {
    form[name].placeholder = defaults[name] ?? "";
  }
  showCurl();
}

function showCurl() {
  at("curl").textContent = curl(api, read(form), location.origin, form.key.value);
}

// --- one video --------------------------------------------------------------------------------

function show(part) {
  for (const id of ["empty", "under-way", "error", "made"]) at(id).hidden = id !== part;
  const busy = part === "under-way";
  at("make").disabled = busy;
  at("stop").hidden = !busy;
}

function fail(error) {
  at("error").textContent = error.message;
  show("error");
}

async function make() {
  sessionStorage.setItem("key", form.key.value);
  const said = read(form);
  const source = { img2video: "image", video2video: "video" }[said.task];
  if (source && !said[source]) throw new Error(`Choose ${source === "image" ? "an image" : "a video"} to start from.`);
  progress({ status: "queued", progress: 0 });
  show("under-way");
  let video = await (await call("/v1/videos", { method: "POST", body: formData(openai(said)) })).json();
  under_way = video.id;
  while (under_way === video.id && (video.status === "queued" || video.status === "in_progress")) {
    progress(video);
    await wait(PAUSE);
    if (under_way !== video.id) return;
    video = await (await call(`/v1/videos/${video.id}`)).json();
  }
  under_way = null;
  if (video.status !== "completed") throw new Error(video.error?.message ?? "The video was not made.");
  await play(video);
}

function progress(video) {
  const waiting = video.status === "queued";
  at("bar").value = video.progress ?? 0;
  if (waiting) at("bar").removeAttribute("value");
  at("status").textContent = waiting ? "Waiting for a worker" : `${Math.round(video.progress)}%`;
}

async function play(video) {
  const blob = await (await call(`/v1/videos/${video.id}/content`)).blob();
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(blob);
  const moving = blob.type !== "image/gif";
  at("player").hidden = !moving;
  at("picture").hidden = moving;
  (moving ? at("player") : at("picture")).src = shown;
  at("save").href = shown;
  at("save").download = video.file_name ?? `${video.id}.mp4`;
  const seconds = video.duration_s ?? video.seconds;
  at("facts").textContent = [video.model, video.size, seconds && `${Number(seconds).toFixed(1)} s`, ...(video.warnings ?? [])]
    .filter(Boolean).join(" · ");
  show("made");
}

async function stop() {
  const id = under_way;
  under_way = null;
  show("empty");
  if (id) await call(`/v1/videos/${id}`, { method: "DELETE" });
}

// --- wiring -----------------------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  make().catch(fail);
});
form.addEventListener("input", (event) => {
  if (event.target.name === "task") showTask();
  else if (event.target.name === "model") showDefaults();
  else showCurl();
});
form.key.addEventListener("change", () => loadModels().catch(fail));
at("stop").addEventListener("click", () => stop().catch(fail));
at("copy").addEventListener("click", () => navigator.clipboard.writeText(at("curl").textContent));
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => {
    api = tab.dataset.api;
    for (const other of document.querySelectorAll("[role=tab]")) {
      other.setAttribute("aria-selected", String(other === tab));
    }
    showCurl();
  });
}
loadModels().catch(fail);
