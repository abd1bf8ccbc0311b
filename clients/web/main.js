// The page: one portrait, one button, and what goes with it.

import { call, json, setToken } from "./api.js";
import { Connection } from "./connection.js";
import { Hud } from "./hud.js";
import { Microphone } from "./microphone.js";
import { Portraits } from "./portraits.js";
import { Recorder } from "./recorder.js";
import { StreamStats } from "./stats.js";

const $ = (id) => document.getElementById(id);
const STATES = { connecting: "Connecting", ready: "Ready", talking: "Live", speaking: "Speaking", resting: "Resting", lost: "Connection lost, trying again", refused: "Not connected" };

const READING_TIME = 12_000;                // ms a remark stays; errors stay until dismissed
const UNWATCHED = 60_000;                   // ms a page may be hidden and silent before it gives its place back

const connection = new Connection();
const microphone = new Microphone();
const recorder = new Recorder();
const hud = new Hud($("hud"));
const portraits = new Portraits($("portraits"), { onChoose: reconnect, onProblem: notify });
const spoken = new Set();                  // files being spoken, by the server's number
let talking = false;
let options = null;
let stats = new StreamStats();
let status = null;

// ---- what the visitor sees -------------------------------------------------------------------------------------

function notify(line, kind = "error", action = null) {
  const notice = $("notice");
  const [act, dismiss] = notice.querySelectorAll("button");
  notice.querySelector("p").textContent = line;
  notice.dataset.kind = kind;
  act.hidden = !action;
  if (action) {
    act.textContent = action.label;
    act.onclick = () => { action.run(); notice.hidden = true; };
  }
  dismiss.onclick = () => { notice.hidden = true; };
  notice.hidden = false;
  clearTimeout(notice.timer);
  if (kind === "warn" || kind === "good") notice.timer = setTimeout(() => { notice.hidden = true; }, READING_TIME);
}

function showState() {
  let state = connection.state;
  if (state === "ready" && spoken.size) state = "speaking";
  else if (state === "ready" && talking) state = "talking";
  $("state").dataset.state = $("frame").dataset.state = state;
  $("state").textContent = STATES[state];
  const up = connection.state === "ready";
  $("talk").disabled = !up && !talking;
  $("interrupt").disabled = $("record").disabled = !up;
  $("talk").setAttribute("aria-pressed", String(talking));
  $("talk").querySelector("span").textContent = talking ? "Stop talking" : "Start talking";
}

function setSound(on) {
  $("face").muted = !on;
  $("sound").setAttribute("aria-pressed", String(on));
  $("sound").querySelector("span").textContent = on ? "Sound on" : "Sound off";
  $("sound").querySelector("use").setAttribute("href", on ? "#i-sound" : "#i-mute");
  if (on) $("face").play().catch(() => setSound(false));   // the browser wants a click first
}

async function showPoster(avatar) {
  const address = await avatar.picture;
  if (avatar !== portraits.chosen || !address) return;
  $("poster").src = address;
  $("poster").hidden = false;
}

// ---- talking ---------------------------------------------------------------------------------------------------

async function startTalking() {
  setSound(true);
  try {
    const track = await microphone.open({ echoCancellation: $("echo").checked, noiseSuppression: $("noise").checked });
    track.onended = () => { stopTalking(); notify("The microphone was unplugged. Plug it in and press the button again."); };
    await connection.setMicrophone(track);
  } catch (problem) {
    notify(problem.message);
    return;
  }
  talking = true;
  showState();
  meter();
  if (!localStorage.getItem("limner-headphones")) {
    localStorage.setItem("limner-headphones", "told");
    notify("Use headphones, or the portrait hears itself.", "warn", { label: "Mute the sound", run: () => setSound(false) });
  }
}

async function stopTalking() {
  talking = false;
  microphone.close();
  await connection.setMicrophone(null);
  showState();
}

function meter() {
  const level = talking ? microphone.level() : 0;
  const bar = $("level");
  bar.firstElementChild.style.transform = `scaleX(${level.toFixed(3)})`;
  bar.classList.toggle("hot", level > 0.95);
  bar.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  $("frame").style.setProperty("--glow", level.toFixed(2));
  if (talking) requestAnimationFrame(meter);
}

async function say(file) {
  setSound(true);
  try {
    await call(`/say?session=${connection.session}`, { method: "POST", body: file, type: file.type || "application/octet-stream" });
  } catch (problem) {
    notify(problem.message);
  }
}

function interrupt() {
  if (!connection.send({ interrupt: true })) {
    call(`/interrupt?session=${connection.session}`, { method: "POST" }).catch((problem) => notify(problem.message));
  }
}

function toggleRecording() {
  try {
    if (recorder.active) recorder.stop();
    else recorder.start($("face").srcObject);
  } catch (problem) {
    notify(problem.message);
  }
  showRecording();
}

function showRecording() {
  $("recording").hidden = !recorder.active;
  $("record").setAttribute("aria-pressed", String(recorder.active));
  $("record").querySelector("span").textContent = recorder.active ? "Stop" : "Record";
  const seconds = recorder.seconds;
  $("recording").querySelector("time").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// ---- connecting ------------------------------------------------------------------------------------------------

function reconnect(avatar = portraits.chosen) {
  showPoster(avatar);
  if (recorder.active) toggleRecording();
  $("frame").dataset.playing = "false";
  stats = new StreamStats();
  status = null;
  $("recorded").hidden = true;
  const background = $("background").value === "colour" ? $("colour").value : $("background").value;
  const look = { fps: $("fps").value, size: $("size").value, background, mood: $("mood").value, liveliness: $("liveliness").value };
  return connection.open({ avatar: avatar.name, ...look }, options.iceServers);
}

connection.addEventListener("state", () => {
  if (connection.state !== "ready") spoken.clear();
  if (connection.session) $("stage").href = `/stage?session=${connection.session}`;
  if (connection.state === "ready") $("notice").hidden ||= $("notice").dataset.kind === "lost";
  showState();
});
connection.addEventListener("stream", ({ detail }) => {
  if ($("face").srcObject !== detail) $("face").srcObject = detail;
  $("face").play().catch(() => {});
});
connection.addEventListener("message", ({ detail }) => {
  if (detail.status) {
    status = detail.status;
    $("recorded").hidden = !status.recording;
  }
  if (detail.error) notify(detail.error);
  if (detail.speaking) spoken.add(detail.speaking);
  if (detail.spoken) spoken.delete(detail.spoken);
  if (detail.speaking || detail.spoken) showState();
});
connection.addEventListener("problem", ({ detail }) => (detail.status === 401 ? askToken() : notify(detail.message, "lost")));
$("face").addEventListener("loadeddata", () => { $("frame").dataset.playing = "true"; });

async function tick() {
  if (recorder.active) showRecording();
  const report = await connection.stats();
  const stream = report ? stats.read(report) : null;
  if (stream?.skew != null) connection.align(stream.skew);
  if (!$("hud-group").hidden) hud.show(status, stream);
}

function askToken() {
  $("token").showModal();
  $("token").querySelector("form").onsubmit = () => { setToken($("token-value").value); start(); };
}

// ---- controls --------------------------------------------------------------------------------------------------

$("talk").addEventListener("click", () => (talking ? stopTalking() : startTalking()));
$("interrupt").addEventListener("click", interrupt);
$("record").addEventListener("click", toggleRecording);
$("sound").addEventListener("click", () => setSound($("face").muted));
$("sound-file").addEventListener("change", ({ target }) => {
  if (target.files[0]) say(target.files[0]);
  target.value = "";
});
for (const id of ["size", "fps", "colour", "mood", "liveliness"]) $(id).addEventListener("change", () => reconnect());
$("background").addEventListener("change", () => {
  $("colour").hidden = $("background").value !== "colour";
  reconnect();
});
for (const id of ["echo", "noise"]) $(id).addEventListener("change", () => talking && startTalking());
$("hud-toggle").addEventListener("click", () => {
  const group = $("hud-group");
  group.hidden = !group.hidden;
  $("hud-toggle").setAttribute("aria-pressed", String(!group.hidden));
  tick();
});
$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  setTheme(dark === "dark" ? "light" : "dark");
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && connection.state === "ready" && !$("token").open) interrupt();
});
addEventListener("pagehide", () => connection.close());
addEventListener("pageshow", ({ persisted }) => persisted && reconnect());

let leaving = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(leaving);
  if (document.hidden) leaving = setTimeout(() => !talking && !spoken.size && !recorder.active && connection.rest(), UNWATCHED);
  else if (connection.state === "resting") reconnect();
});

let depth = 0;
const dragged = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
addEventListener("dragenter", (event) => { if (dragged(event)) { depth += 1; $("drop").hidden = false; } });
addEventListener("dragleave", (event) => { if (dragged(event) && --depth <= 0) { depth = 0; $("drop").hidden = true; } });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  $("drop").hidden = true;
  const file = event.dataTransfer.files[0];
  if (!file) return;
  if (/^(audio|video)\//.test(file.type)) say(file);
  else portraits.add(file);
});

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("limner-theme", theme);
}

function fill(select, values, chosen, label) {
  select.replaceChildren(...values.map((value) => new Option(label(value), value, value === chosen, value === chosen)));
}

async function start() {
  try {
    [options] = await Promise.all([json("/options"), portraits.load()]);
    fill($("size"), options.sizes, options.default.size, (n) => `${n} px`);
    fill($("fps"), options.fps, options.default.fps, (n) => String(n));
    fill($("mood"), options.moods, options.default.mood, (name) => name[0].toUpperCase() + name.slice(1));
    $("liveliness").value = options.default.liveliness;
    await reconnect();
  } catch (problem) {
    if (problem.status === 401) askToken();
    else notify(problem.message, "error", { label: "Try again", run: start });
  }
}

const theme = localStorage.getItem("limner-theme");
if (theme) setTheme(theme);
setInterval(tick, 1000);
showState();
start();
