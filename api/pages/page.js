// The page: what the person sees and presses.

import { CallFailed, openMicrophone, placeCall } from "./call.js";
import { Ears } from "./sound.js";
import { Transcript } from "./transcript.js";

const WHY = {
  "manually-canceled": "you ended it",
  "customer-ended-call": "you ended it",
  "assistant-ended-call": "the assistant ended it",
  "assistant-said-end-call-phrase": "the assistant ended it",
  "assistant-ended-call-after-message-spoken": "the assistant ended it",
  "silence-timed-out": "nobody spoke",
  "exceeded-max-duration": "it has lasted as long as it may",
};
const FAULT = /error|fault|failed/;
const at = (id) => document.getElementById(id);
const transcript = new Transcript(at("transcript"));
const player = new Audio();
let line = null;

const wanted = new URLSearchParams(location.search);
at("kind").value = wanted.has("squad") ? "squadId" : "assistantId";
at("target").value = wanted.get("squad") ?? wanted.get("assistant") ?? "";
// Behind the # it reaches no server and no log.
at("key").value = new URLSearchParams(location.hash.slice(1)).get("key") ?? "";

at("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("begin").disabled = true;
  at("cancel").hidden = false;
  at("error").hidden = true;
  at("cancel").focus();
  const dialled = (line = { microphone: null, ears: null, call: null, reason: "", left: false, trying: new AbortController() });
  try {
    await dial(dialled, { [at("kind").value]: at("target").value.trim() }, at("key").value.trim());
  } catch (error) {
    if (line !== dialled) return;
    over();
    if (!(error instanceof CallFailed)) console.error(error);
    fail(error instanceof CallFailed ? error : new CallFailed("The call could not be started.", error.message));
    at("begin").focus();
  }
});

async function dial(dialled, target, key) {
  transcript.clear();
  at("talk").hidden = true;
  at("latency").value = "–";
  say("Waiting for the microphone …");
  const microphone = await openMicrophone();
  dialled.microphone = microphone;
  // The person may have changed their mind meanwhile.
  if (line !== dialled) return release(dialled);
  say("Connecting …");
  const { signal } = dialled.trying;
  const call = await placeCall({ target, key, microphone, signal, onMessage: take, onOver: hungUp, onLink: linked });
  dialled.call = call;
  if (line !== dialled) return release(dialled);
  player.srcObject = call.sound;
  play();
  dialled.ears = new Ears({ own: microphone, their: call.sound }, showLevel, showLatency);
  at("start").hidden = at("cancel").hidden = true;
  at("call").hidden = at("talk").hidden = at("write").hidden = false;
  say("Connected. Speak when you like.");
  at("mute").focus();
}

function play() {
  player.play().catch((error) => {
    if (error.name !== "NotAllowedError") return;
    say("Connected, but the browser plays no sound yet. Press any key or button.");
    for (const press of ["click", "keydown"]) addEventListener(press, () => line && player.play(), { once: true });
  });
}

function take(message) {
  if (message.type.startsWith("transcript")) {
    transcript.hear(message.role, message.transcript, message.transcriptType === "partial");
  } else if (message.type === "conversation-update") {
    transcript.show(message.messagesOpenAIFormatted ?? []);
  } else if (message.type === "assistant.started") {
    transcript.name(message.newAssistant?.name);
  } else if (message.type === "transfer-update") {
    transcript.note(`${message.toAssistant?.name || "Another assistant"} takes over.`);
  } else if (message.type === "tool-calls") {
    const names = (message.toolCallList ?? []).map((call) => call.function?.name ?? call.name).join(", ");
    transcript.note(`The assistant uses ${names || "a tool"}.`);
  } else if (message.type === "status-update" && message.status === "ended" && line) {
    line.reason = message.endedReason ?? "";
  } else if (message.type === "error") {
    fail(new CallFailed("The server ended the call.", message.message));
  }
}

function linked(well) {
  if (line?.call) say(well ? "Connected again." : "The connection is interrupted. Waiting for it to come back …");
}

function showLevel(name, level) {
  at(`${name}-level`).value = level;
}

function showLatency(ms) {
  at("latency").value = `${Math.round(ms)} ms`;
}

at("mute").addEventListener("click", () => {
  const muted = at("mute").textContent === "Mute";
  for (const track of line.microphone.getAudioTracks()) track.enabled = !muted;
  showMuted(muted);
  say(muted ? "You are muted." : "You can be heard.");
});

at("end").addEventListener("click", () => {
  at("end").disabled = line.left = true;
  say("Hanging up …");
  line.call.hangUp();
});

at("cancel").addEventListener("click", () => {
  line.trying.abort();
  over();
  say("Cancelled.");
  at("begin").focus();
});

at("keys").addEventListener("click", ({ target }) => {
  if (!target.value) return;
  line.call.send({ type: "dtmf", digit: target.value });
  transcript.pressed(target.value);
});

at("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = at("text").value.trim();
  if (!words) return;
  line.call.send({ type: "add-message", message: { role: "user", content: words }, triggerResponseEnabled: true });
  transcript.write("user", words);
  at("text").value = "";
});

function hungUp(trouble) {
  const { reason, left } = line;
  over();
  at("talk").hidden = !at("transcript").hasChildNodes();
  if (trouble) fail(new CallFailed(trouble, "Start the call again."));
  else if (FAULT.test(reason)) fail(new CallFailed("Something went wrong in the call.", `The reason is ${reason}.`));
  // Not every assistant has its end told.
  const why = WHY[reason] ?? (left && !reason ? "you ended it" : "");
  say(`The call is over${why && `: ${why}`}${reason && ` (${reason})`}.`);
  at("begin").focus();
}

function over() {
  release(line);
  line = null;
  player.srcObject = null;
  showMuted(false);
  at("begin").disabled = at("end").disabled = false;
  at("cancel").hidden = at("call").hidden = at("write").hidden = true;
  at("start").hidden = false;
  say("");
}

function release(dialled) {
  dialled?.call?.close();
  dialled?.ears?.close();
  for (const track of dialled?.microphone?.getTracks() ?? []) track.stop();
}

function showMuted(muted) {
  at("mute").textContent = muted ? "Unmute" : "Mute";
  at("mute").classList.toggle("quiet", !muted);
}

function say(words) {
  at("status").textContent = words;
}

function fail({ message, advice }) {
  const headline = document.createElement("strong");
  headline.textContent = message;
  at("error").replaceChildren(headline, advice ?? "");
  at("error").hidden = false;
}

addEventListener("pagehide", () => line?.call?.close());
