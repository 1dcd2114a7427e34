// The same request in the words of each API: what is posted, and the curl that posts it.

const NUMBERS = ["width", "height", "num_frames", "fps", "num_inference_steps", "guidance_scale", "strength", "seed"];

/** What the form says, without what is left empty: numbers are numbers, files are files. */
export function read(form) {
  const said = { task: form.task.value, model: form.model.value, prompt: form.prompt.value };
  if (form.negative_prompt.value) said.negative_prompt = form.negative_prompt.value;
  for (const name of NUMBERS) {
    const usable = name !== "strength" || said.task === "video2video";
    if (usable && form[name].value !== "") said[name] = Number(form[name].value);
  }
  if (said.task === "img2video" && form.image.files[0]) said.image = form.image.files[0];
  if (said.task === "video2video" && form.video.files[0]) said.video = form.video.files[0];
  return said;
}

/** The form fields of POST /v1/videos. */
export function openai(said) {
  const { task, model, prompt, image, video, width, height, strength, ...rest } = said;
  const fields = { model, prompt };
  if (width && height) fields.size = `${width}x${height}`;
  else Object.assign(fields, width && { width }, height && { height });
  Object.assign(fields, rest);
  if (image ?? video) fields.input_reference = { file: image ?? video };
  if (strength !== undefined) fields.extra_params = JSON.stringify({ strength });
  return fields;
}

export function formData(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    data.append(name, value.file ? value.file : String(value));
  }
  return data;
}

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

// Where the key goes; what it is stays in its field.
const BEARER = `-H 'Authorization: Bearer YOUR_KEY'`;

function json(url, body, more = []) {
  const lines = [`curl ${url}`, "-H 'Content-Type: application/json'", ...more];
  return [...lines, `-d ${quoted(JSON.stringify(body, null, 2))}`].join(" \\\n  ");
}

const CURLS = {
  openai(said, base, key) {
    const bearer = key ? [BEARER] : [];
    const fields = Object.entries(openai(said)).map(
      ([name, value]) => `-F ${quoted(`${name}=${value.file ? `@${value.file.name}` : value}`)}`,
    );
    const ask = [`curl ${base}/v1/videos`, ...bearer, ...fields].join(" \\\n  ");
    return `${ask}\n${["curl", ...bearer, `${base}/v1/videos/ID/content -o video.mp4`].join(" ")}`;
  },
  modelslab(said, base, key) {
    const { task, model, image, video, ...rest } = said;
    const body = { ...(key ? { key: "YOUR_KEY" } : {}), model_id: model, ...rest };
    if (task === "img2video") body.init_image = "https://...";
    if (task === "video2video") body.init_video = "https://...";
    return json(`${base}/api/v6/video/${task}`, body);
  },
  localai(said, base, key) {
    const { task, image, video, num_inference_steps, guidance_scale, strength, ...rest } = said;
    const body = { ...rest, step: num_inference_steps, cfg_scale: guidance_scale };
    if (task === "img2video") body.start_image = "https://...";
    if (task === "video2video") body.input_reference = "https://...";
    if (strength !== undefined) body.params = { strength: String(strength) };
    return json(`${base}/video`, body, key ? [BEARER] : []);
  },
};

/** The curl that asks one of the APIs for what the form says. */
export function curl(api, said, base, key) {
  return CURLS[api](said, base, key);
}
